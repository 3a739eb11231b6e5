# Measurements; nothing here runs under make check.
EXTRA_DIST += %D%/README.md
EXTRA_DIST += %D%/bench.py
EXTRA_DIST += %D%/passthrough.c
EXTRA_DIST += %D%/RESULTS.md
EXTRA_PROGRAMS += %D%/queue-speed
