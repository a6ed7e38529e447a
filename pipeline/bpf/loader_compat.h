/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The only header that knows that there are two loaders.
 *
 * libbpf loads the object that clang made when the package was built. bcc compiles the same text on the host
 * (-DHTTPIPE_BCC): there, programs carry no section, maps are declared by bcc's macros, and map methods are
 * rewritten by bcc's front end, which cannot look inside macros: hence the small functions at the end.
 */
#ifndef HTTPIPE_LOADER_COMPAT_H
#define HTTPIPE_LOADER_COMPAT_H

#ifdef HTTPIPE_BCC
#include <uapi/linux/bpf.h>
#else
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif

#include "http_trace.h"

#ifdef HTTPIPE_BCC
#define HTTPIPE_PROGRAM
#define HTTPIPE_PROGRAMS(name, entries)			       BPF_PROG_ARRAY(name, entries)
#define HTTPIPE_RINGBUF(name)				       BPF_RINGBUF_OUTPUT(name, HTTPIPE_RING_PAGES)
#define HTTPIPE_MAP(kind, bcc_kind, name, key, value, entries) BPF_TABLE(bcc_kind, key, value, name, entries)
#define HTTPIPE_MMAP_ARRAY(name, value)			       BPF_F_TABLE("array", __u32, value, name, 1, BPF_F_MMAPABLE)
#else
#define HTTPIPE_PROGRAM	    SEC("socket")
#define HTTPIPE_CONNECTIONS 65536
#define HTTPIPE_PROGRAMS(name, entries)                                                                      \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                                       \
		__uint(max_entries, entries);                                                                \
		__type(key, __u32);                                                                          \
		__type(value, __u32);                                                                        \
	} name SEC(".maps")
#define HTTPIPE_RINGBUF(name)                                                                                \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                          \
		__uint(max_entries, 8 << 20);                                                                \
	} name SEC(".maps")
#define HTTPIPE_MAP(kind, bcc_kind, name, key_type, value_type, entries)                                     \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_##kind);                                                           \
		__uint(max_entries, entries);                                                                \
		__type(key, key_type);                                                                       \
		__type(value, value_type);                                                                   \
	} name SEC(".maps")
#define HTTPIPE_MMAP_ARRAY(name, value_type)                                                                 \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                            \
		__uint(max_entries, 1);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                           \
		__type(key, __u32);                                                                          \
		__type(value, value_type);                                                                   \
	} name SEC(".maps")
char LICENSE[] SEC("license") = "Dual BSD/GPL";
#endif

#include "maps.h"

#ifdef HTTPIPE_BCC
static __always_inline long events_output(void *data, __u64 size, __u64 flags)
{
	return events.ringbuf_output(data, size, flags);
}

static __always_inline __u64 events_query(__u64 what)
{
	return bpf_ringbuf_query((void *)bpf_pseudo_fd(1, -1), what);
}

static __always_inline struct http_connection *connections_lookup(struct http_key *key)
{
	return connections.lookup(key);
}

static __always_inline long connections_update(struct http_key *key, struct http_connection *value)
{
	return connections.update(key, value);
}

static __always_inline void connections_delete(struct http_key *key)
{
	connections.delete(key);
}

static __always_inline struct http_opening *openings_lookup(struct http_key *key)
{
	return openings.lookup(key);
}

static __always_inline void openings_update(struct http_key *key, struct http_opening *value)
{
	openings.update(key, value);
}

static __always_inline void openings_delete(struct http_key *key)
{
	openings.delete(key);
}

static __always_inline long waiting_update(struct http_key *key, __u32 *value)
{
	return waiting.update(key, value);
}

static __always_inline struct http_settings *settings_lookup(void)
{
	__u32 zero = 0;
	return settings.lookup(&zero);
}

static __always_inline struct http_counters *counters_lookup(void)
{
	__u32 zero = 0;
	return counters.lookup(&zero);
}

static __always_inline struct http_scratch *scratch_lookup(void)
{
	__u32 zero = 0;
	return scratch.lookup(&zero);
}

static __always_inline void stages_jump(struct __sk_buff *skb, __u32 stage)
{
	stages.call(skb, stage);
}
#else
static __always_inline long events_output(void *data, __u64 size, __u64 flags)
{
	return bpf_ringbuf_output(&events, data, size, flags);
}

static __always_inline __u64 events_query(__u64 what)
{
	return bpf_ringbuf_query(&events, what);
}

static __always_inline struct http_connection *connections_lookup(struct http_key *key)
{
	return bpf_map_lookup_elem(&connections, key);
}

static __always_inline long connections_update(struct http_key *key, struct http_connection *value)
{
	return bpf_map_update_elem(&connections, key, value, BPF_ANY);
}

static __always_inline void connections_delete(struct http_key *key)
{
	bpf_map_delete_elem(&connections, key);
}

static __always_inline struct http_opening *openings_lookup(struct http_key *key)
{
	return bpf_map_lookup_elem(&openings, key);
}

static __always_inline void openings_update(struct http_key *key, struct http_opening *value)
{
	bpf_map_update_elem(&openings, key, value, BPF_ANY);
}

static __always_inline void openings_delete(struct http_key *key)
{
	bpf_map_delete_elem(&openings, key);
}

static __always_inline long waiting_update(struct http_key *key, __u32 *value)
{
	return bpf_map_update_elem(&waiting, key, value, BPF_ANY);
}

static __always_inline struct http_settings *settings_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline struct http_counters *counters_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline struct http_scratch *scratch_lookup(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void stages_jump(struct __sk_buff *skb, __u32 stage)
{
	bpf_tail_call(skb, &stages, stage);
}
#endif

#endif
