/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The names of a process's cgroup and of those above it: container runtimes put the container's identifier
 * into one of them. User space finds it there (pipeline/sources/bpf/facts.py).
 */
#ifndef HTTPIPE_PROCESS_CGROUP_H
#define HTTPIPE_PROCESS_CGROUP_H

#include "process/text.h"

static __always_inline struct kernfs_node *above(struct kernfs_node *node)
{
	struct kernfs_node___rcu *newer = (void *)node;

	if (bpf_core_field_exists(newer->__parent))
		return BPF_CORE_READ(newer, __parent);
	return BPF_CORE_READ(node, parent);
}

static __always_inline void append_groups(struct process_facts *facts, struct kernfs_node *node)
{
	for (int i = 0; i < PROCESS_GROUPS; i++) {
		if (!node || !append(facts, BPF_CORE_READ(node, name), PROCESS_GROUP))
			break;
		facts->groups++;
		node = above(node);
	}
}

/* In the hierarchy of a controller of version 1: the one that container runtimes all use. */
static __always_inline struct kernfs_node *group_of_pids(struct css_set *set)
{
	struct cgroup_subsys_state *state = 0;
	__u32 place;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return 0;
	place = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) & 15;
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      place * sizeof(state));
	return BPF_CORE_READ(state, cgroup, kn);
}

static __always_inline void read_groups(struct process_facts *facts, struct task_struct *task, __u32 with)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);

	append_groups(facts, BPF_CORE_READ(set, dfl_cgrp, kn));
	if (with & PROCESS_WITH_CGROUP_V1)
		append_groups(facts, group_of_pids(set));
}

#endif
