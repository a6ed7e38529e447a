/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Counting, per CPU: the places are enum http_count of http_trace.h.
 */
#ifndef HTTPIPE_COUNTERS_H
#define HTTPIPE_COUNTERS_H

/* Adds to a counter, at once: what runs between packets may interrupt what runs for a process. In assembly
 * with the place as a constant: compilers like to merge two counts into one at a computed place, which the
 * verifier refuses to programs without CAP_PERFMON. */
#define ADD(counters, what, by)                                                                              \
	do {                                                                                                 \
		__u64 more_ = (by);                                                                          \
		asm volatile("lock *(u64 *)(%[base] + %[place]) += %[more]\n"                                \
			     :                                                                               \
			     : [base] "r"(counters), [place] "i"((what)*8), [more] "r"(more_)                \
			     : "memory");                                                                    \
	} while (0)
#define COUNT(counters, what) ADD(counters, what, 1)

#endif
