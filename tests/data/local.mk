EXTRA_DIST += \
	%D%/vm-chain.sha256 \
	%D%/vm-chain.tar.xz
