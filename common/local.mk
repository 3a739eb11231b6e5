# Headers, mostly: what every room needs and no library has.
common_sources = \
	%D%/bytes.h \
	%D%/checked.h \
	%D%/cleanup.h \
	%D%/text.h

EXTRA_DIST += \
	$(common_sources) \
	%D%/README.md
