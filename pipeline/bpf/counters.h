/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Counting, per CPU: the places are enum http_count of http_trace.h.
 */
#ifndef HTTPIPE_COUNTERS_H
#define HTTPIPE_COUNTERS_H

/* Adds to a counter. In assembly with the place as a constant: compilers like to merge two counts into one at
 * a computed place, which the verifier refuses to programs without CAP_PERFMON. */
#define ADD(counters, what, by)                                                                              \
	do {                                                                                                 \
		__u64 sum_, more_ = (by);                                                                    \
		asm volatile("%[sum] = *(u64 *)(%[base] + %[place])\n"                                       \
			     "%[sum] += %[more]\n"                                                           \
			     "*(u64 *)(%[base] + %[place]) = %[sum]\n"                                       \
			     : [sum] "=&r"(sum_)                                                             \
			     : [base] "r"(counters), [place] "i"((what)*8), [more] "r"(more_)                \
			     : "memory");                                                                    \
	} while (0)
#define COUNT(counters, what) ADD(counters, what, 1)

#endif
