# What is inside a disk. The room opens with its first source file:
#
#   noinst_LTLIBRARIES += %D%/libfsreaders.la
#   %C%_libfsreaders_la_SOURCES = %D%/fsreaders.h ...
#   %C%_libfsreaders_la_CPPFLAGS = $(common_inc) $(fsreaders_inc)
#   unit_libs += %D%/libfsreaders.la
