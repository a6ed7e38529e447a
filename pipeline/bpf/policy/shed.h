/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Load shedding: which connections are captured while the reader is too slow for all of them.
 *
 * A ring that overflows loses records at random, and hardly an exchange stays whole. So connections are left
 * out before it does: they fall into HTTP_PARTS parts by a hash, and the first `keep` parts are captured
 * (shed/keep.h).
 *
 * A connection is left, and taken up again, with a request that opens a turn: what was reported of it is
 * whole.
 */
#ifndef HTTPIPE_POLICY_SHED_H
#define HTTPIPE_POLICY_SHED_H

#include "maps.h"
#include "shed/keep.h"
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

static __always_inline int is_kept(const struct packet *packet, struct http_settings *settings)
{
	__u64 size = events_query(BPF_RB_RING_SIZE), used = events_query(BPF_RB_AVAIL_DATA);

	return part_of(&packet->key) <
	       parts_kept(&settings->keep, &settings->looked_ns, size, used, packet->now_ns);
}

#endif
