c_tests += %D%/raw-that-ends-in-a-stray-vhd-footer-stays-raw
c_tests += %D%/vhd-headers-are-checked-field-by-field
c_tests += %D%/vhd-names-of-parents-become-host-paths
