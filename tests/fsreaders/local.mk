c_tests += %D%/apple-maps-are-listed
c_tests += %D%/boot-sectors-of-file-systems-are-no-tables
c_tests += %D%/bsd-labels-are-listed
c_tests += %D%/entries-past-the-end-are-clipped-or-left-out
c_tests += %D%/gpt-damaged-primary-uses-backup
c_tests += %D%/gpt-lists-its-slots
c_tests += %D%/gpt-refuses-impossible-numbers
c_tests += %D%/mbr-chains-end-whatever-they-say
c_tests += %D%/mbr-guesses-sectors-of-4096-bytes
c_tests += %D%/mbr-lists-primaries-then-logicals
c_tests += %D%/names-are-fit-for-a-terminal
c_tests += %D%/survives-failing-reads-and-allocations
%C%_survives_failing_reads_and_allocations_LDFLAGS = \
	$(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=reallocarray
sh_tests += %D%/real-disks-are-listed-as-other-programs-do.sh
sh_tests += %D%/tables-of-other-programs-read-the-same.sh

# For tests in bash and Python.
check_PROGRAMS += %D%/print-table

EXTRA_DIST += %D%/disk.h
