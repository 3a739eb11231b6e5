# Manual pages.
dist_man_MANS += %D%/vimg-mount.1

# Written as POD; the pages made of them are in the archive, so that only who builds from the
# repository needs pod2man (which comes with perl).
man_pods = \
	%D%/vimg.pod \
	%D%/vimg-emulator.pod

dist_man_MANS += $(man_pods:.pod=.1)
EXTRA_DIST += $(man_pods)
MAINTAINERCLEANFILES = $(man_pods:.pod=.1)

# pod2man only complains of what podchecker refuses.
SUFFIXES = .pod .1
.pod.1:
	@$(MKDIR_P) $(@D)
	@podchecker $< 2>$@.log || { cat $@.log; exit 1; }
	$(AM_V_GEN)$(POD2MAN) --errors=die --utf8 --section=1 --name=$$(basename $< .pod | tr a-z A-Z) --center=vimg \
		--release='vimg $(VERSION)' --date=' ' $< $@
	@rm -f $@.log

EXTRA_DIST += %D%/README.md
