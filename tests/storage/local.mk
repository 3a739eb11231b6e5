c_tests += %D%/a-file-that-was-cut-has-no-hole-at-its-end
c_tests += %D%/a-power-cut-keeps-what-a-sync-covers
c_tests += %D%/a-stalled-call-waits-until-let-go
c_tests += %D%/a-writer-is-alone-and-readers-are-many
c_tests += %D%/file-and-memory-obey-the-contract
c_tests += %D%/only-files-and-block-devices-are-opened
c_tests += %D%/qemu-and-we-exclude-each-other
c_tests += %D%/the-nth-call-fails-once-or-for-ever
