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

/* Before every loop. check_cfg() of kernels before 6.8 refuses a loop into whose head the instruction before
 * it falls through, and where clang puts the head differs from version to version. A loop that clang cannot
 * unroll is an error (-Wpass-failed). */
#define UNROLL _Pragma("clang loop unroll(full)")

#endif
