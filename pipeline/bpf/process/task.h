/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The process that runs now, as facts.
 */
#ifndef HTTPIPE_PROCESS_TASK_H
#define HTTPIPE_PROCESS_TASK_H

#include "process/cgroup.h"
#include "process/executable.h"

/* task_struct.flags: include/linux/sched.h */
#define PF_KTHREAD 0x00200000

/* The pid of the process that runs now; 0 where it is a thread of the kernel's, which owns no traffic. */
static __always_inline __u32 current_pid(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags) & PF_KTHREAD ? 0 : bpf_get_current_pid_tgid() >> 32;
}

/* Arguments that are not in memory now, which is rare, stay unknown: reading may not wait for a disk. */
static __always_inline void read_command(struct process_facts *facts, struct task_struct *task)
{
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);
	unsigned long bytes = BPF_CORE_READ(task, mm, arg_end) - start;
	char *end = text_end(facts, PROCESS_COMMAND);

	if (bytes > PROCESS_COMMAND)
		bytes = PROCESS_COMMAND;
	if (!end || !bytes || bpf_probe_read_user(end, bytes, (void *)start))
		return;
	facts->command = bytes;
	facts->text_bytes += bytes;
}

/* `facts` lies in map memory; `with` is of PROCESS_WITH_*. */
static __noinline void read_process(struct process_facts *facts, __u32 with)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	__builtin_memset(facts, 0, PROCESS_FACTS);
	facts->pid = bpf_get_current_pid_tgid() >> 32;
	read_executable(facts, task);
	read_groups(facts, task, with);
	if (with & PROCESS_WITH_COMMAND)
		read_command(facts, task);
}

#endif
