# Headers, mostly: what every room needs and no library has. What is no header is linked into whatever
# uses it.
noinst_LTLIBRARIES += %D%/libcommon.la
%C%_libcommon_la_SOURCES = %D%/size.c %D%/size.h
%C%_libcommon_la_CPPFLAGS = $(common_inc)
unit_libs += %D%/libcommon.la

EXTRA_DIST += \
	%D%/bytes.h \
	%D%/checked.h \
	%D%/cleanup.h \
	%D%/text.h \
	%D%/README.md
