sh_tests += %D%/the-examples-work.sh
