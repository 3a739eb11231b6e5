c_tests += %D%/creating-can-be-given-up
c_tests += %D%/a-flush-orders-metadata-by-phase
c_tests += %D%/signals-are-left-to-the-program
c_tests += %D%/chainmap-agrees-with-a-flat-map
