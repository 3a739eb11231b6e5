# Tests of this layer; see ../local.mk. What they share is in a library: a client, a server in a
# thread, and a controller to be served.
check_LTLIBRARIES += %D%/libfront.la
%C%_libfront_la_SOURCES = \
	%D%/client.c \
	%D%/client.h \
	%D%/rings.h \
	%D%/server.c \
	%D%/server.h \
	%D%/toy.c \
	%D%/toy.h
%C%_libfront_la_CPPFLAGS = $(emulator_test_cppflags)
front_test_libs = %D%/libfront.la $(emulator_test_libs) $(JSON_LIBS)

c_tests += %D%/a-client-finds-a-pci-device
%C%_a_client_finds_a_pci_device_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_client_finds_a_pci_device_LDADD = $(front_test_libs)
c_tests += %D%/interrupts-reach-the-clients-eventfds
%C%_interrupts_reach_the_clients_eventfds_CPPFLAGS = $(emulator_test_cppflags)
%C%_interrupts_reach_the_clients_eventfds_LDADD = $(front_test_libs)
c_tests += %D%/memory-of-a-client-is-used-and-let-go
%C%_memory_of_a_client_is_used_and_let_go_CPPFLAGS = $(emulator_test_cppflags)
%C%_memory_of_a_client_is_used_and_let_go_LDADD = $(front_test_libs)
c_tests += %D%/remote-memory-is-reached-by-messages
%C%_remote_memory_is_reached_by_messages_CPPFLAGS = $(emulator_test_cppflags)
%C%_remote_memory_is_reached_by_messages_LDADD = $(front_test_libs)
c_tests += %D%/resets-are-answered-in-time
%C%_resets_are_answered_in_time_CPPFLAGS = $(emulator_test_cppflags)
%C%_resets_are_answered_in_time_LDADD = $(front_test_libs)
c_tests += %D%/a-lost-client-leaves-everything-flushed
%C%_a_lost_client_leaves_everything_flushed_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_lost_client_leaves_everything_flushed_LDADD = $(front_test_libs)
c_tests += %D%/slow-and-silent-clients-stop-nobody
%C%_slow_and_silent_clients_stop_nobody_CPPFLAGS = $(emulator_test_cppflags)
%C%_slow_and_silent_clients_stop_nobody_LDADD = $(front_test_libs)
c_tests += %D%/hostile-clients-harm-only-themselves
%C%_hostile_clients_harm_only_themselves_CPPFLAGS = $(emulator_test_cppflags)
%C%_hostile_clients_harm_only_themselves_LDADD = $(front_test_libs)
c_tests += %D%/nvme-costs-two-posted-messages-a-command
%C%_nvme_costs_two_posted_messages_a_command_CPPFLAGS = $(emulator_test_cppflags)
%C%_nvme_costs_two_posted_messages_a_command_LDADD = $(front_test_libs)
c_tests += %D%/a-stalled-disk-keeps-nobody-waiting
%C%_a_stalled_disk_keeps_nobody_waiting_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_stalled_disk_keeps_nobody_waiting_LDADD = $(front_test_libs)
c_tests += %D%/a-read-takes-two-posts-and-one-interrupt
%C%_a_read_takes_two_posts_and_one_interrupt_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_read_takes_two_posts_and_one_interrupt_LDADD = $(front_test_libs)
c_tests += %D%/every-controller-resets-its-function
%C%_every_controller_resets_its_function_CPPFLAGS = $(emulator_test_cppflags)
%C%_every_controller_resets_its_function_LDADD = $(front_test_libs)
