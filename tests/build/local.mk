sh_tests += %D%/includes-obey-the-layering.sh
sh_tests += %D%/libvdisk-exports-only-vd.sh
sh_tests += %D%/public-headers-compile-alone.sh
sh_tests += %D%/programs-know-their-version.sh
sh_tests += %D%/run-without-a-command-says-how.sh
sh_tests += %D%/everything-is-distributed.sh
CLEANFILES += %D%/distributed.txt
