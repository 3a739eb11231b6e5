c_tests += %D%/creating-can-be-given-up
sh_tests +=
