# A driver for virtio, and a device to try it on.
check_LTLIBRARIES += %D%/libvirtio-test.la
%C%_libvirtio_test_la_SOURCES = %D%/driver.c %D%/driver.h %D%/echo.c %D%/echo.h
%C%_libvirtio_test_la_CPPFLAGS = $(emulator_test_cppflags)
virtio_test_libs = %D%/libvirtio-test.la $(emulator_test_libs)

c_tests += %D%/rings-carry-chains-in-both-layouts
%C%_rings_carry_chains_in_both_layouts_CPPFLAGS = $(emulator_test_cppflags)
%C%_rings_carry_chains_in_both_layouts_LDADD = $(virtio_test_libs)
c_tests += %D%/notifications-are-suppressed-both-ways
%C%_notifications_are_suppressed_both_ways_CPPFLAGS = $(emulator_test_cppflags)
%C%_notifications_are_suppressed_both_ways_LDADD = $(virtio_test_libs)
c_tests += %D%/evil-chains-break-their-ring-alone
%C%_evil_chains_break_their_ring_alone_CPPFLAGS = $(emulator_test_cppflags)
%C%_evil_chains_break_their_ring_alone_LDADD = $(virtio_test_libs)
c_tests += %D%/the-transport-follows-the-specification
%C%_the_transport_follows_the_specification_CPPFLAGS = $(emulator_test_cppflags)
%C%_the_transport_follows_the_specification_LDADD = $(virtio_test_libs)
c_tests += %D%/virtio-scsi-moves-data
%C%_virtio_scsi_moves_data_CPPFLAGS = $(emulator_test_cppflags)
%C%_virtio_scsi_moves_data_LDADD = $(virtio_test_libs)
c_tests += %D%/virtio-scsi-ends-tasks-when-told
%C%_virtio_scsi_ends_tasks_when_told_CPPFLAGS = $(emulator_test_cppflags)
%C%_virtio_scsi_ends_tasks_when_told_LDADD = $(virtio_test_libs)
c_tests += %D%/virtio-scsi-tells-of-hot-plug
%C%_virtio_scsi_tells_of_hot_plug_CPPFLAGS = $(emulator_test_cppflags)
%C%_virtio_scsi_tells_of_hot_plug_LDADD = $(virtio_test_libs)
EXTRA_DIST += %D%/scsi-guest.h
