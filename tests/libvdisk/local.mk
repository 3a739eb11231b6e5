c_tests +=
sh_tests +=
