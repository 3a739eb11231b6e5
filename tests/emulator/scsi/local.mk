# Tests of this layer; see ../local.mk.
