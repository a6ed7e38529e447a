/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The only header that knows that there are two loaders.
 *
 * libbpf loads the object that clang made when the package was built. bcc compiles the same files on the host
 * (-DHTTPIPE_BCC): there, programs carry no section, and maps are declared by bcc's macros. A map is declared
 * with its number, counted from 1 in the order of declaration, by which bcc's loader knows it; `NAME_map()`
 * is what the kernel's helpers take, under either loader. bcc is given the programs of one place
 * only, as compiling takes a second for each.
 */
#ifndef HTTPIPE_LOADER_H
#define HTTPIPE_LOADER_H

/* How the kernel's helpers reach a map. */
#define HTTPIPE_HANDLE(number, name)                                                                         \
	static __always_inline void *name##_map(void)                                                        \
	{                                                                                                    \
		return HTTPIPE_POINTER(number, name);                                                        \
	}

#ifdef HTTPIPE_BCC

#include <uapi/linux/bpf.h>

#ifdef HTTPIPE_BCC_SOCKETS
#define HTTPIPE_AT_INTERFACES 0
#define HTTPIPE_AT_SOCKETS    1
#else
#define HTTPIPE_AT_INTERFACES 1
#define HTTPIPE_AT_SOCKETS    0
#endif

/* bcc has it under another name, with other arguments. */
#define bpf_tail_call ((long (*)(void *, void *, __u32))BPF_FUNC_tail_call)

#define HTTPIPE_PROGRAM(section)
#define HTTPIPE_POINTER(number, name) (void *)bpf_pseudo_fd(1, -(number))
#define HTTPIPE_RINGBUF(number, name, bytes)                                                                 \
	BPF_RINGBUF_OUTPUT(name, (bytes) / PAGE_SIZE);                                                       \
	HTTPIPE_HANDLE(number, name)
#define HTTPIPE_MAP(number, kind, bcc_kind, name, key, value, entries)                                       \
	BPF_TABLE(bcc_kind, key, value, name, entries);                                                      \
	HTTPIPE_HANDLE(number, name)
#define HTTPIPE_MMAP_ARRAY(number, name, value)                                                              \
	BPF_F_TABLE("array", __u32, value, name, 1, BPF_F_MMAPABLE);                                         \
	HTTPIPE_HANDLE(number, name)
#define HTTPIPE_PROGRAMS(number, name, entries)                                                              \
	BPF_PROG_ARRAY(name, entries);                                                                       \
	HTTPIPE_HANDLE(number, name)

#else

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define HTTPIPE_AT_INTERFACES 1
#define HTTPIPE_AT_SOCKETS    1

#define HTTPIPE_PROGRAM(section)      SEC(section)
#define HTTPIPE_POINTER(number, name) &name
#define HTTPIPE_RINGBUF(number, name, bytes)                                                                 \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                          \
		__uint(max_entries, bytes);                                                                  \
	} name SEC(".maps");                                                                                 \
	HTTPIPE_HANDLE(number, name)
#define HTTPIPE_TABLE(number, kind, name, key_type, value_type, entries, flags)                              \
	struct {                                                                                             \
		__uint(type, BPF_MAP_TYPE_##kind);                                                           \
		__uint(max_entries, entries);                                                                \
		__uint(map_flags, flags);                                                                    \
		__type(key, key_type);                                                                       \
		__type(value, value_type);                                                                   \
	} name SEC(".maps");                                                                                 \
	HTTPIPE_HANDLE(number, name)
#define HTTPIPE_MAP(number, kind, bcc_kind, name, key, value, entries)                                       \
	HTTPIPE_TABLE(number, kind, name, key, value, entries, 0)
#define HTTPIPE_MMAP_ARRAY(number, name, value)                                                              \
	HTTPIPE_TABLE(number, ARRAY, name, __u32, value, 1, BPF_F_MMAPABLE)
#define HTTPIPE_PROGRAMS(number, name, entries)                                                              \
	HTTPIPE_TABLE(number, PROG_ARRAY, name, __u32, __u32, entries, 0)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif

#endif
