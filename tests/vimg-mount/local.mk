EXTRA_DIST += %D%/mount-lib.sh

c_tests +=
sh_tests += \
	%D%/an-unreadable-place-is-an-error.sh \
	%D%/ends-only-when-all-is-durable.sh \
	%D%/help-and-manual-tell-every-option.sh \
	%D%/holes-are-found-and-made.sh \
	%D%/is-read-only-without-rw.sh \
	%D%/kernel-mounts-ext4-from-a-volume.sh \
	%D%/lists-partitions-like-virtualbox.sh \
	%D%/looks-at-what-is-in-use-only-when-told.sh \
	%D%/many-readers-get-the-right-bytes.sh \
	%D%/needs-no-root.sh \
	%D%/nodes-never-disagree.sh \
	%D%/odd-names-and-options-work.sh \
	%D%/overlapping-writers-are-refused.sh \
	%D%/returns-when-usable.sh \
	%D%/says-what-is-wrong.sh \
	%D%/shows-disk-volumes-and-link.sh \
	%D%/shows-the-chain.sh \
	%D%/writes-reach-the-image.sh
