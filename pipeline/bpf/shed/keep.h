/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * How many parts of all connections to capture while the reader is too slow for all: the arithmetic, for
 * every ring.
 *
 * Once the ring is more than half full, `keep` is at most the share of the other half that is free. Every
 * HTTP_KEEP_NS it grows by a step where seven eighths of the ring are free. Between the two marks it stays.
 */
#ifndef HTTPIPE_SHED_KEEP_H
#define HTTPIPE_SHED_KEEP_H

#include "shed/parts.h"

/* `keep`, and when it was last looked whether it may grow, lie where user space sees them; the ring has
 * `size` bytes, of which `used` were not read yet. CPUs that decide at once may overwrite each other's; the
 * next request decides again. */
static __always_inline __u32 parts_kept(__u32 *keep_at, __u64 *looked_at, __u64 size, __u64 used,
					__u64 now_ns)
{
	__u64 passed, keep = *keep_at, most = HTTP_PARTS;

	if (used > size / 2)
		most = used < size ? (size - used) * (2 * HTTP_PARTS) / size : 0;
	if (keep > most) {
		*keep_at = most;
		*looked_at = now_ns;
		return most;
	}
	passed = now_ns - *looked_at;
	if (keep == HTTP_PARTS || passed < HTTP_KEEP_NS || passed >> 63)
		return keep;
	*looked_at = now_ns;
	if (used < size / 8) {
		/* Time without any request counts, too. */
		keep += passed / HTTP_KEEP_NS * HTTP_KEEP_STEP;
		if (keep > HTTP_PARTS)
			keep = HTTP_PARTS;
		*keep_at = keep;
	}
	return keep;
}

#endif
