# Real guests: they take minutes, so `make check` leaves them out; ./check has a step for them.
EXTRA_DIST += \
	scripts/get-guest-tools \
	%D%/README.md \
	%D%/a-full-host-disk-is-waited-out.py \
	%D%/an-iommu-lets-the-data-through.py \
	%D%/bandwidth-groups-hold-their-limit.py \
	%D%/boots-by-seabios.py \
	%D%/boots-by-uefi.py \
	%D%/controllers.py \
	%D%/disks-come-and-go.py \
	%D%/disks-grow-in-use.py \
	%D%/every-depth-and-size-reads-back.py \
	%D%/every-kind-of-interrupt-arrives.py \
	%D%/file-systems-hold-what-is-written.py \
	%D%/flushed-writes-survive-a-power-cut.py \
	%D%/guest-lib.sh \
	%D%/lab.py \
	%D%/one-program-runs-all-controllers.py \
	%D%/resets-under-load-lose-nothing.py \
	%D%/run \
	%D%/soak.py \
	%D%/tools-see-the-disk-ata.py \
	%D%/tools-see-the-disk-nvme.py \
	%D%/tools-see-the-disk-scsi.py \
	%D%/waiting-for-space-outlasts-a-reset.py

check-guests: all
	$(top_builddir)/run $(srcdir)/%D%/run
.PHONY: check-guests
