/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps of http_gate: who writes, who reads, who deletes.
 */
#ifndef HTTPIPE_GATE_MAPS_H
#define HTTPIPE_GATE_MAPS_H

#include "gate/flow.h"
#include "gate/work.h"
#include "loader.h"

/* Decisions. The programs write, the reader consumes. */
HTTPIPE_RINGBUF(1, decisions, 1 << 20)

/* Connections to the ports that are watched. The programs write and read; the least recently used make place,
 * and are then connections whose beginning was not seen. */
HTTPIPE_MAP(2, LRU_HASH, "lru_hash", flows, struct flow_key, struct flow, 65536)

/* Heads that came in part. The programs write and read; the least recently used make place, and a connection
 * that misses one is refused, or passed over: GATE_POLICY_FULL. */
HTTPIPE_MAP(3, LRU_HASH, "lru_hash", parts, struct part_key, struct scan, 4096)

/* One value. User space writes, the programs read. */
HTTPIPE_MMAP_ARRAY(4, settings, struct gate_settings)

/* One value per CPU: enum gate_count. The programs add, user space reads. */
HTTPIPE_MAP(5, PERCPU_ARRAY, "percpu_array", counters, __u32, struct gate_counters, 1)

/* One value per CPU and role, as an answer that one program sends is seen by another before the first one
 * goes on. */
HTTPIPE_MAP(6, PERCPU_ARRAY, "percpu_array", works, __u32, struct work, ROLES)

/* Segments that came too early, of all connections: the oldest makes place. The programs write and read. */
#define PARKED	     32
#define PARKED_BYTES 65536

struct parked {
	__u32 claims; /* of the first: so many have been given away */
	__u32 claim;  /* whose it is */
	__u32 seq;
	__u32 ack;
	__u32 bytes;
	__u32 segments;		     /* behind the first one */
	__u32 cuts[CHECKPOINTS];     /* of the newest of these: the byte that it begins with; 0 for none */
	__u8 data[2 * PARKED_BYTES]; /* the verifier adds the largest place to the largest size */
};

HTTPIPE_MAP(7, ARRAY, "array", parked, __u32, struct parked, PARKED)

/* Lists: two generations, of which gate_settings.list holds. User space makes the other one, then writes that
 * number; programs only read. Their inner maps have sizes and no types: 6.1 refuses one without types in the
 * place of one that has them. */
struct names_of_list {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct gate_name));
	__uint(value_size, sizeof(struct gate_found));
};

struct prefixes_of_list {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct gate_prefix));
	__uint(value_size, sizeof(struct gate_found));
};

struct rows_of_list {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct gate_row));
};

#define GATE_GENERATIONS(name, inner)                                                                        \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                    \
		__uint(max_entries, 2);                                                                      \
		__type(key, __u32);                                                                          \
		__array(values, struct inner);                                                               \
	} name SEC(".maps");

GATE_GENERATIONS(names, names_of_list)
GATE_GENERATIONS(prefixes, prefixes_of_list)
GATE_GENERATIONS(rows, rows_of_list)

static __always_inline struct gate_settings *settings_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(settings_map(), &zero);
}

static __always_inline struct work *work_lookup(__u32 role)
{
	return bpf_map_lookup_elem(works_map(), &role);
}

static __always_inline void count(enum gate_count what)
{
	__u32 zero = 0;
	struct gate_counters *counters = bpf_map_lookup_elem(counters_map(), &zero);

	if (counters && what < GATE_COUNTS)
		counters->value[what]++;
}

static __always_inline struct gate_found *names_lookup(__u32 list, struct gate_name *name)
{
	void *map = bpf_map_lookup_elem(&names, &list);

	return map ? bpf_map_lookup_elem(map, name) : 0;
}

static __always_inline struct gate_found *prefixes_lookup(__u32 list, struct gate_prefix *prefix)
{
	void *map = bpf_map_lookup_elem(&prefixes, &list);

	return map ? bpf_map_lookup_elem(map, prefix) : 0;
}

static __always_inline struct gate_row *rows_lookup(__u32 list, __u32 row)
{
	void *map = bpf_map_lookup_elem(&rows, &list);

	return map ? bpf_map_lookup_elem(map, &row) : 0;
}

#endif
