c_tests += %D%/file-and-memory-obey-the-contract
