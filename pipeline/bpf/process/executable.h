/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The path of a process's executable, as its mount namespace shows it: from the file upwards, component by
 * component, across mounts. bpf_d_path() is not for programs on raw tracepoints and probes.
 */
#ifndef HTTPIPE_PROCESS_EXECUTABLE_H
#define HTTPIPE_PROCESS_EXECUTABLE_H

#include "process/text.h"

/* Where the way upwards has got to. */
struct place {
	struct mount *mount;
	struct dentry *dentry;
};

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/* One step up; false at the top. */
static __always_inline int climb(struct place *place, struct process_facts *facts)
{
	struct dentry *dentry = place->dentry;
	struct mount *mount = place->mount, *parent;

	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		parent = BPF_CORE_READ(mount, mnt_parent);
		place->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		place->mount = parent;
		return parent && parent != mount;
	}
	if (facts->text_bytes >= PROCESS_PATH ||
	    !append(facts, BPF_CORE_READ(dentry, d_name.name), PROCESS_NAME))
		return 0;
	facts->components++;
	place->dentry = BPF_CORE_READ(dentry, d_parent);
	return 1;
}

static __always_inline void read_executable(struct process_facts *facts, struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct place place;

	if (!file)
		return;
	place.mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	place.dentry = BPF_CORE_READ(file, f_path.dentry);
	for (int i = 0; i < PROCESS_DEPTH; i++)
		if (!climb(&place, facts))
			break;
}

#endif
