# Chains in memory and what they should hold, for the tests of this folder.
check_LTLIBRARIES += %D%/libmodel.la
%C%_libmodel_la_SOURCES = %D%/model.c %D%/model.h %D%/history.c %D%/history.h \
	%D%/trial.c %D%/trial.h %D%/queue-test.h %D%/file-disk.h

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
c_tests += %D%/queue-completes-each-request-once
%C%_queue_completes_each_request_once_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-cancels-what-has-not-begun
%C%_queue_cancels_what_has_not_begun_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-descriptor-tells-of-completions
%C%_queue_descriptor_tells_of_completions_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/a-stalled-disk-delays-no-other
%C%_a_stalled_disk_delays_no_other_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-flush-covers-what-was-completed
%C%_queue_flush_covers_what_was_completed_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/zeros-over-parent-data-stay-zeros
%C%_zeros_over_parent_data_stay_zeros_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/flushes-cost-few-syncs
%C%_flushes_cost_few_syncs_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/random-writes-use-little-of-the-host
%C%_random_writes_use_little_of_the_host_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/sixty-four-layers-read-as-one
%C%_sixty_four_layers_read_as_one_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/entries-past-the-end-are-errors
%C%_entries_past_the_end_are_errors_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/a-full-cache-loses-no-counter
%C%_a_full_cache_loses_no_counter_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/a-group-limits-its-disks-together
%C%_a_group_limits_its_disks_together_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/a-paced-request-is-cancelled-at-once
%C%_a_paced_request_is_cancelled_at_once_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-ways-agree-on-files
%C%_queue_ways_agree_on_files_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-threads-come-and-go
%C%_queue_threads_come_and_go_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-reads-what-is-cached-at-once
%C%_queue_reads_what_is_cached_at_once_LDADD = %D%/libmodel.la $(unit_libs)
c_tests += %D%/queue-works-where-io_uring-is-refused
%C%_queue_works_where_io_uring_is_refused_LDADD = %D%/libmodel.la $(unit_libs)
