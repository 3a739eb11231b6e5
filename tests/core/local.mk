# Chains in memory and what they should hold, for the tests of this folder.
check_LTLIBRARIES += %D%/libmodel.la
%C%_libmodel_la_SOURCES = %D%/model.c %D%/model.h %D%/history.c %D%/history.h \
	%D%/trial.c %D%/trial.h

c_tests += %D%/random-operations-agree-with-a-model
%C%_random_operations_agree_with_a_model_LDADD = %D%/libmodel.la $(unit_libs)

check_PROGRAMS += %D%/dump
%C%_dump_LDADD = %D%/libmodel.la $(unit_libs)
sh_tests += %D%/qemu-img-agrees-with-what-we-wrote.sh
c_tests += %D%/power-cut-keeps-what-was-flushed
%C%_power_cut_keeps_what_was_flushed_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/power-cut-with-many-writers
%C%_power_cut_with_many_writers_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/a-failing-storage-loses-nothing-flushed
%C%_a_failing_storage_loses_nothing_flushed_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/want-of-memory-loses-nothing-flushed
%C%_want_of_memory_loses_nothing_flushed_LDADD = %D%/libmodel.la $(unit_libs)
%C%_want_of_memory_loses_nothing_flushed_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign,--wrap=strdup
c_tests += %D%/many-writers-survive-failures-now-and-then
%C%_many_writers_survive_failures_now_and_then_LDADD = %D%/libmodel.la $(unit_libs)
