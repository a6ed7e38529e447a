/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The names of a process's cgroup and of those above it: container runtimes put the container's identifier
 * into one of them. User space finds it there (pipeline/sources/bpf/facts.py).
 */
#ifndef HTTPIPE_PROCESS_CGROUP_H
#define HTTPIPE_PROCESS_CGROUP_H

#include "process/text.h"

/* Set before loading: containers are in the hierarchies of version 1 here, and of them in that of `pids`. */
const volatile __u32 cgroup_v1 = 0;

static __always_inline struct kernfs_node *above(struct kernfs_node *node)
{
	struct kernfs_node___rcu *newer = (void *)node;

	if (bpf_core_field_exists(newer->__parent))
		return BPF_CORE_READ(newer, __parent);
	return BPF_CORE_READ(node, parent);
}

static __always_inline struct kernfs_node *group_of(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = 0;
	__u32 place;

	if (!cgroup_v1)
		return BPF_CORE_READ(set, dfl_cgrp, kn);
	place = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) & 15;
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      place * sizeof(state));
	return BPF_CORE_READ(state, cgroup, kn);
}

static __always_inline void read_groups(struct process_facts *facts, struct task_struct *task)
{
	struct kernfs_node *node = group_of(task);

	for (int i = 0; i < PROCESS_GROUPS; i++) {
		if (!node || !append(facts, BPF_CORE_READ(node, name), PROCESS_GROUP))
			break;
		facts->groups++;
		node = above(node);
	}
}

#endif
