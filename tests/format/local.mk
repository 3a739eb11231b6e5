c_tests +=
c_tests += %D%/vhd-headers-are-checked-field-by-field
c_tests += %D%/vhd-names-of-parents-become-host-paths
sh_tests +=
