/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is told of a process: everything that user space could not find out once the process is gone.
 *
 * No kernel structure and no map: it is the layout that both sides share. pipeline/sources/bpf/facts.py
 * mirrors it.
 */
#ifndef HTTPIPE_PROCESS_FACTS_H
#define HTTPIPE_PROCESS_FACTS_H

/* A file's name in Linux is 255 bytes long at most (NAME_MAX), and its zero. */
#define PROCESS_NAME	256
/* Components of a path at most: names of programs have three to eight. */
#define PROCESS_DEPTH	14
/* A path is cut where it takes so many bytes, up to the component that passes them. */
#define PROCESS_PATH	256
/* Container runtimes make names of 90 bytes at most, with an identifier of 64 in them. */
#define PROCESS_GROUP	96
/* The cgroup of the process and those above it: an init system may make groups within the container's. */
#define PROCESS_GROUPS	3
/* Of the arguments, where they are asked for. */
#define PROCESS_COMMAND 256
#define PROCESS_TEXT	(PROCESS_PATH + PROCESS_NAME + 2 * PROCESS_GROUPS * PROCESS_GROUP + PROCESS_COMMAND)
#define PROCESS_FACTS	16 /* bytes before the text */

/* What is told beyond pid, path and the cgroup of version 2. */
#define PROCESS_WITH_CGROUP_V1 1 /* groups of the hierarchy of `pids`, too: containers are there */
#define PROCESS_WITH_COMMAND   2 /* arguments */

struct process_facts {
	__u32 pid;	  /* in the host's own numbering */
	__u16 text_bytes; /* what follows; the rest of `text` is left over from others */
	__u8 components;  /* strings of the path, the file's name first and the root's folder last */
	__u8 groups;	  /* strings after these: the cgroup's name, and those of the groups above it;
			     of version 1 behind those of version 2 */
	__u16 command;	  /* bytes after these: arguments, as they lie in the process's memory */
	__u16 pad[3];
	char text[PROCESS_TEXT]; /* all strings end with a zero */
};

_Static_assert(__builtin_offsetof(struct process_facts, text) == PROCESS_FACTS, "process_facts has padding");
_Static_assert(sizeof(struct process_facts) % 8 == 0, "process_facts has padding");

#endif
