sh_tests += %D%/a-server-is-controlled-while-it-runs.sh
sh_tests += %D%/an-immutable-disk-leaves-its-base-alone.sh
sh_tests += %D%/ctl-takes-names-of-files-where-it-is.sh
sh_tests += %D%/run-says-why-there-is-no-machine.sh
sh_tests += %D%/sentences-name-disks-and-drives.sh
sh_tests += %D%/wrong-command-lines-start-nothing.sh
