/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps of http_trace: who writes, who reads, who deletes; and the functions through which the program
 * reaches them.
 */
#ifndef HTTPIPE_MAPS_H
#define HTTPIPE_MAPS_H

#include "http_trace.h"
#include "loader.h"
#include "scratch.h"

/* What the loaders set to what the options say. */
#ifndef HTTPIPE_RING_BYTES
#define HTTPIPE_RING_BYTES (8 << 20)
#endif
#ifndef HTTPIPE_CONNECTIONS
#define HTTPIPE_CONNECTIONS 65536
#endif
#ifndef HTTPIPE_OWNERS
#define HTTPIPE_OWNERS 1
#endif
/* Packets that one CPU may have in hand at once. */
#ifndef HTTPIPE_PLACES
#define HTTPIPE_PLACES 1
#endif

/* Records. The program writes, the reader consumes. */
HTTPIPE_RINGBUF(1, events, HTTPIPE_RING_BYTES)

/* Connections known to speak HTTP. The program writes, reads and deletes (RST, both FINs, a new SYN); the
 * least recently used make place. The sweep reads. */
HTTPIPE_MAP(2, LRU_HASH, "lru_hash", connections, struct http_key, struct http_connection,
	    HTTPIPE_CONNECTIONS)

/* Openings seen whose first byte is still to come; a table of its own, so that a SYN flood displaces only
 * these. The program writes, reads and deletes; the least recently used make place. */
HTTPIPE_MAP(3, LRU_HASH, "lru_hash", openings, struct http_key, struct http_opening, 16384)

/* Connections with a range that may still have to be reported when they go quiet. The program inserts, after
 * it has written the range; the sweep deletes, before it reads the range. So no range is ever overlooked. */
HTTPIPE_MAP(4, HASH, "hash", waiting, struct http_key, __u32, 16384)

/* One value: what user space wants. User space writes, the program reads and resets `want`. */
HTTPIPE_MMAP_ARRAY(5, settings, struct http_settings)

/* One value per CPU: enum http_count. The program adds, user space reads. */
HTTPIPE_MAP(6, PERCPU_ARRAY, "percpu_array", counters, __u32, struct http_counters, 1)

/* Some values per CPU. The program's own. At interfaces a packet is handled without interruption by another
 * one on its CPU, and the first is enough; at sockets enter() finds one. */
HTTPIPE_MAP(7, PERCPU_ARRAY, "percpu_array", scratch, __u32, struct http_scratch, HTTPIPE_PLACES)

/* What is jumped to, by HTTPIPE_STAGE_*. User space writes before it attaches. */
#define HTTPIPE_STAGE_PACKET 0 /* http_trace, from http_entry */
#define HTTPIPE_STAGE_FRAMES 1 /* http_frames, or http_sockets_frames */
HTTPIPE_PROGRAMS(8, stages, 2)

/* Owners of connections of which nothing has shown yet that they speak HTTP, and of those that are left out.
 * who writes; http_trace reads, reports and deletes; the least recently used make place. */
HTTPIPE_MAP(9, LRU_HASH, "lru_hash", owners, struct http_owner_key, struct http_owner, HTTPIPE_OWNERS)

/* Where frames begin, of connections that speak HTTP/2 or WebSocket. The program writes, reads and deletes;
 * the least recently used make place, and find theirs again. */
HTTPIPE_MAP(10, LRU_HASH, "lru_hash", frames, struct http_key, struct http_frames, 8192)

static __always_inline long events_output(void *data, __u64 size, __u64 flags)
{
	return bpf_ringbuf_output(events_map(), data, size, flags);
}

static __always_inline __u64 events_query(__u64 what)
{
	return bpf_ringbuf_query(events_map(), what);
}

static __always_inline struct http_connection *connections_lookup(struct http_key *key)
{
	return bpf_map_lookup_elem(connections_map(), key);
}

/* Fails where it is there already. */
static __always_inline long connections_add(struct http_key *key, struct http_connection *value)
{
	return bpf_map_update_elem(connections_map(), key, value, BPF_NOEXIST);
}

/* Fails where it is gone already. */
static __always_inline long connections_delete(struct http_key *key)
{
	return bpf_map_delete_elem(connections_map(), key);
}

static __always_inline struct http_opening *openings_lookup(struct http_key *key)
{
	return bpf_map_lookup_elem(openings_map(), key);
}

static __always_inline void openings_update(struct http_key *key, struct http_opening *value)
{
	bpf_map_update_elem(openings_map(), key, value, BPF_ANY);
}

static __always_inline void openings_delete(struct http_key *key)
{
	bpf_map_delete_elem(openings_map(), key);
}

static __always_inline struct http_owner *owners_lookup(struct http_owner_key *key)
{
	return bpf_map_lookup_elem(owners_map(), key);
}

static __always_inline long owners_update(struct http_owner_key *key, struct http_owner *value)
{
	return bpf_map_update_elem(owners_map(), key, value, BPF_ANY);
}

static __always_inline void owners_delete(struct http_owner_key *key)
{
	bpf_map_delete_elem(owners_map(), key);
}

static __always_inline struct http_frames *frames_lookup(struct http_key *key)
{
	return bpf_map_lookup_elem(frames_map(), key);
}

/* Nothing where it is there already. */
static __always_inline void frames_add(struct http_key *key, struct http_frames *value)
{
	bpf_map_update_elem(frames_map(), key, value, BPF_NOEXIST);
}

static __always_inline void frames_delete(struct http_key *key)
{
	bpf_map_delete_elem(frames_map(), key);
}

static __always_inline long waiting_update(struct http_key *key, __u32 *value)
{
	return bpf_map_update_elem(waiting_map(), key, value, BPF_ANY);
}

static __always_inline struct http_settings *settings_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(settings_map(), &zero);
}

static __always_inline struct http_counters *counters_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(counters_map(), &zero);
}

static __always_inline struct http_scratch *scratch_lookup(__u32 place)
{
	return bpf_map_lookup_elem(scratch_map(), &place);
}

static __always_inline void stages_jump(struct __sk_buff *skb, __u32 stage)
{
	bpf_tail_call(skb, stages_map(), stage);
}

#endif
