/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * statistics.c - latency in buckets: four to each power of two of nanoseconds, so that a percentile
 * is right within a quarter, whatever the range.
 */
#include "device/medium.h"

uint64_t device_latency_bound(unsigned bucket)
{
	unsigned power = bucket / 4 + 2;

	return ((4ull + bucket % 4 + 1) << power) >> 2;
}

uint64_t device_latency(const struct device_statistics *s, unsigned permille)
{
	uint64_t total = 0, seen = 0, wanted;

	for (unsigned i = 0; i < DEVICE_LATENCY_BUCKETS; i++)
		total += s->latency[i];
	if (!total)
		return 0;
	wanted = total / 1000 * permille + total % 1000 * permille / 1000;
	for (unsigned i = 0; i < DEVICE_LATENCY_BUCKETS; i++) {
		seen += s->latency[i];
		if (seen > wanted || seen == total)
			return device_latency_bound(i);
	}
	return 0;
}
