/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Strings one behind the other: how the text of process_facts grows.
 */
#ifndef HTTPIPE_PROCESS_TEXT_H
#define HTTPIPE_PROCESS_TEXT_H

#include "process/facts.h"
#include "process/kernel.h"
#include "verifier.h"

/* Where `most` more bytes may be written; 0 where there is no room for them. */
static __always_inline char *text_end(struct process_facts *facts, __u32 most)
{
	__u32 at = facts->text_bytes;

	barrier(); /* read once, and its bound with it */
	return at <= PROCESS_TEXT - most ? facts->text + at : 0;
}

/* Appends a string of the kernel's, cut to `most` bytes with its zero; false where nothing was. */
static __always_inline int append(struct process_facts *facts, const void *string, __u32 most)
{
	char *end = text_end(facts, most);
	long bytes = end ? bpf_probe_read_kernel_str(end, most, string) : 0;

	if (bytes <= 0)
		return 0;
	facts->text_bytes += bytes;
	return 1;
}

#endif
