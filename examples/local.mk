# Small programs against the public interface only.
examples_inc = $(vdisk_inc)
