c_tests += \
	%D%/a-thousand-layers-open \
	%D%/endless-chains-are-refused \
	%D%/links-are-verified \
	%D%/opening-a-chain-survives-want-of-memory \
	%D%/parents-are-found-around-their-children \
	%D%/random-folders-never-hang-or-leak \
	%D%/recorded-paths-count-only-where-allowed \
	%D%/search-opens-only-regular-images \
	%D%/writing-to-a-parent-is-refused
EXTRA_DIST += %D%/chain-test.h
