c_tests += %D%/bytes
c_tests += %D%/checked
c_tests += %D%/cleanup
c_tests += %D%/size
c_tests += %D%/text
