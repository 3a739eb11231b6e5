c_tests += %D%/descriptions-say-what-is-wrong-with-them
%C%_descriptions_say_what_is_wrong_with_them_CPPFLAGS = $(emulator_test_cppflags)
%C%_descriptions_say_what_is_wrong_with_them_LDADD = $(emulator_test_libs)
