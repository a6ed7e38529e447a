/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Memory of the current process.
 *
 * A page that the process has just written may be in no page table: it was put aside, or the kernel moves or
 * collapses it right now. A program that must not sleep cannot wait for it, and reads nothing; programs at
 * probes may sleep since Linux 6.0.
 */
#ifndef HTTPIPE_TLS_MEMORY_H
#define HTTPIPE_TLS_MEMORY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;

#define MAY_SLEEP (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 0, 0))

#define PAGE_LEAST 4096
/* What one record copies lies on so many pages at most. */
#define PAGES_MOST (TLS_RECORD_PAYLOAD / PAGE_LEAST + 1)

/* Programs at probes may be preempted, by the same program for another task too. Since Linux 6.13 they get a
 * stack per CPU all the same, as if that could not be, and both tasks would write to it: addresses, lengths
 * and whole calls get mixed up. Where there is a tail call, also one that is never made, the stack stays that
 * of the task. */
#define KEEP_STACK(ctx)                                                                                      \
	do {                                                                                                 \
		if (!LINUX_KERNEL_VERSION)                                                                   \
			bpf_tail_call(ctx, 0, 0);                                                            \
	} while (0)

/* 0 where all of it was read. */
static __always_inline long read_user(void *to, __u32 bytes, __u64 from)
{
	if (!bpf_probe_read_user(to, bytes, (void *)from))
		return 0;
	return MAY_SLEEP ? bpf_copy_from_user(to, bytes, (void *)from) : -1;
}

/* Wait until these bytes can be read, 1 … TLS_RECORD_PAYLOAD of them. */
static __always_inline void await_pages(__u64 from, __u32 bytes)
{
	__u32 at;
	__u8 byte;

	if (!MAY_SLEEP)
		return;
	for (__u32 i = 0; i < PAGES_MOST; i++) {
		at = i * PAGE_LEAST;
		if (at >= bytes)
			at = bytes - 1;
		bpf_copy_from_user(&byte, 1, (void *)(from + at));
	}
}

#endif
