# Measurements; nothing here runs under make check.
