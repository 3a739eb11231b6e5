# Comparisons with other programs that read the same formats, and are not packages of Debian 12.
check_PROGRAMS += %D%/scribble
%C%_scribble_LDADD = tests/core/libmodel.la $(unit_libs)
sh_tests += %D%/virtualbox-reads-what-we-wrote.sh
