# Manual pages.
dist_man_MANS += %D%/vimg-mount.1
