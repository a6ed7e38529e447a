/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Load shedding: which connections are captured while the reader is too slow for all of them.
 *
 * A ring that overflows loses records at random, and hardly an exchange stays whole. So connections are left
 * out before it does: they fall into HTTP_PARTS parts by a hash, and the first `keep` parts are captured.
 * Once the ring is more than half full, `keep` is at most the share of the other half that is free. Every
 * HTTP_KEEP_NS it grows by a step where seven eighths of the ring are free. Between the two marks it stays.
 *
 * A connection is left, and taken up again, with a request that opens a turn: what was reported of it is
 * whole.
 */
#ifndef HTTPIPE_POLICY_SHED_H
#define HTTPIPE_POLICY_SHED_H

#include "maps.h"
#include "verifier.h"

/* 0…HTTP_PARTS-1, the same for both directions. */
static __always_inline __u32 part_of(const struct http_key *key)
{
	__u32 hash = key->port[0] | (__u32)key->port[1] << 16;

	UNROLL
	for (int i = 0; i < 4; i++) {
		hash = (hash ^ key->address[0][i]) * 0x9E3779B1; /* 2^32 by the golden ratio */
		hash = (hash ^ hash >> 15 ^ key->address[1][i]) * 0x85EBCA6B;
	}
	return hash >> 24;
}

/* How many parts to capture now. CPUs that decide at once may overwrite each other's; the next request
 * decides again. */
static __always_inline __u32 parts_kept(struct http_settings *settings, __u64 now_ns)
{
	__u64 size = events_query(BPF_RB_RING_SIZE), used = events_query(BPF_RB_AVAIL_DATA);
	__u64 passed, keep = settings->keep, most = HTTP_PARTS;

	if (used > size / 2)
		most = used < size ? (size - used) * (2 * HTTP_PARTS) / size : 0;
	if (keep > most) {
		settings->keep = most;
		settings->looked_ns = now_ns;
		return most;
	}
	passed = now_ns - settings->looked_ns;
	if (keep == HTTP_PARTS || passed < HTTP_KEEP_NS || passed >> 63)
		return keep;
	settings->looked_ns = now_ns;
	if (used < size / 8) {
		/* Time without any request counts, too. */
		keep += passed / HTTP_KEEP_NS * HTTP_KEEP_STEP;
		if (keep > HTTP_PARTS)
			keep = HTTP_PARTS;
		settings->keep = keep;
	}
	return keep;
}

static __always_inline int is_kept(const struct packet *packet, struct http_settings *settings)
{
	return part_of(&packet->key) < parts_kept(settings, packet->now_ns);
}

#endif
