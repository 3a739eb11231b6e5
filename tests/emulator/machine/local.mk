c_tests += %D%/descriptions-say-what-is-wrong-with-them
%C%_descriptions_say_what_is_wrong_with_them_CPPFLAGS = $(emulator_test_cppflags)
%C%_descriptions_say_what_is_wrong_with_them_LDADD = $(emulator_test_libs)
c_tests += %D%/two-disks-never-have-one-name
%C%_two_disks_never_have_one_name_CPPFLAGS = $(emulator_test_cppflags) $(JSON_CFLAGS)
%C%_two_disks_never_have_one_name_LDADD = $(emulator_test_libs) $(JSON_LIBS)
