/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What keeps clang's code acceptable to the verifiers of Linux 5.10 and later, also for programs without
 * CAP_PERFMON.
 */
#ifndef HTTPIPE_VERIFIER_H
#define HTTPIPE_VERIFIER_H

/* Makes the compiler read map memory again: values that differ from path to path become any number to the
 * verifier, and the paths meet. Without CAP_PERFMON it compares numbers exactly, and needs this to come to an
 * end. */
#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif

/* Of a callback's parameter. */
#define UNUSED __attribute__((unused))

/* Numbers without a branch: each branch doubles what the verifier looks at, up to where the paths meet again.
 * 1 where x is not 0, the lesser one of two, and 1 where a is it; all are less than 2^63. */
#define NONZERO(x)   ((0 - (__u64)(x)) >> 63)
#define LESSER(a, b) ((b) + (((a) - (b)) & (__u64)((__s64)((a) - (b)) >> 63)))
#define LESS(a, b)   (((__u64)(a) - (__u64)(b)) >> 63)

/* Before every loop. check_cfg() of kernels before 6.8 refuses a loop into whose head the instruction before
 * it falls through, and where clang puts the head differs from version to version. A loop that clang cannot
 * unroll is an error (-Wpass-failed). */
#define UNROLL _Pragma("clang loop unroll(full)")

#endif
