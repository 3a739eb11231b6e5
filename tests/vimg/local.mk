sh_tests += %D%/check-finds-and-repairs.sh
sh_tests += %D%/children-stand-on-their-parents.sh
sh_tests += %D%/created-images-are-what-was-asked-for.sh
sh_tests += %D%/help-and-manual-tell-every-option.sh
sh_tests += %D%/info-tells-all-and-needs-no-parent.sh
sh_tests += %D%/mistakes-are-told-and-touch-nothing.sh
sh_tests += %D%/sizes-are-understood.sh
sh_tests += %D%/stopping-or-failing-leaves-nothing-behind.sh
