/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Owners into the ring, behind or in front of the segments that they belong to: what stands in one ring is in
 * order of time, so that a port which is used again is never taken for the one before. The reader is not
 * woken: an owner is of interest with segments only.
 */
#ifndef HTTPIPE_EMIT_OWNER_H
#define HTTPIPE_EMIT_OWNER_H

#include "counters.h"
#include "maps.h"

/* `owner` lies in map memory. False where the ring had no room. */
static __always_inline int emit_owner(struct http_owner *owner, __u64 now_ns, struct http_counters *counters)
{
	__u32 bytes = owner->record.captured;

	owner->record.ts_ns = now_ns;
	owner->record.last_ns = now_ns;
	if (bytes > sizeof(owner->facts))
		bytes = sizeof(owner->facts);
	if (events_output(owner, sizeof(owner->record) + bytes, BPF_RB_NO_WAKEUP)) {
		COUNT(counters, HTTP_COUNT_OWNERS_RING_FULL);
		return 0;
	}
	COUNT(counters, HTTP_COUNT_OWNERS);
	return 1;
}

#endif
