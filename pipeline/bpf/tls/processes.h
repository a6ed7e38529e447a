/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which processes are looked at. User space decides by their executable, so the first calls of a process are
 * captured before it has: what it did not want it drops. httpipe itself and what it started never are.
 */
#ifndef HTTPIPE_TLS_PROCESSES_H
#define HTTPIPE_TLS_PROCESSES_H

#include "process/task.h"
#include "tls/ring.h"

/* How many generations of children of httpipe are known as such. */
#define TLS_GENERATIONS 4

static __always_inline int is_own(__u32 tgid, __u32 own)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (tgid == own)
		return 1;
	UNROLL
	for (int i = 0; i < TLS_GENERATIONS; i++) {
		task = BPF_CORE_READ(task, real_parent);
		if ((__u32)BPF_CORE_READ(task, tgid) == own)
			return 1;
	}
	return 0;
}

/* Told at once: when user space looks, the process may be gone. */
static __always_inline void report_process(__u32 tgid, struct tls_settings *settings)
{
	struct tls_record *record;
	struct process_facts *facts;

	record = bpf_ringbuf_reserve(&events, sizeof(*record) + sizeof(*facts), 0);
	if (!record) {
		count(TLS_COUNT_RING_FULL);
		return;
	}
	facts = (void *)(record + 1);
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = TLS_PROCESS;
	record->tgid = tgid;
	record->ts_ns = bpf_ktime_get_boot_ns();
	read_process(facts, settings->facts);
	record->captured = PROCESS_FACTS + facts->text_bytes;
	bpf_ringbuf_submit(record, wake_flag(settings));
}

static __always_inline void first_sight(__u32 tgid)
{
	struct tls_settings *settings = settings_lookup();
	struct tls_process process = {};

	if (!settings)
		return;
	if (is_own(tgid, settings->own))
		process.verdict = TLS_IGNORED;
	if (!bpf_map_update_elem(&processes, &tgid, &process, BPF_NOEXIST) && !process.verdict)
		report_process(tgid, settings);
}

/* A process that called a TLS library before, and is not ignored. */
static __always_inline int known(__u32 tgid)
{
	struct tls_process *process = bpf_map_lookup_elem(&processes, &tgid);

	return process && process->verdict != TLS_IGNORED;
}

/* The same of the current process, which calls one now. */
static __always_inline int watched(__u32 tgid)
{
	struct tls_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!process) {
		first_sight(tgid);
		return known(tgid);
	}
	return process->verdict != TLS_IGNORED;
}

static __always_inline void on_exit(__u32 tgid)
{
	struct tls_process *process = bpf_map_lookup_elem(&processes, &tgid);
	struct tls_record record = {};

	if (!process)
		return;
	record.kind = TLS_EXIT;
	record.tgid = tgid;
	record.ts_ns = bpf_ktime_get_boot_ns();
	if (process->verdict != TLS_IGNORED)
		put_head(&record);
	bpf_map_delete_elem(&processes, &tgid);
}

#endif
