/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The registers of a process at a probe, as the kernel gives them to the program (linux/ptrace.h of each
 * architecture), so that either object can be compiled on any machine.
 */
#ifndef HTTPIPE_TLS_REGISTERS_H
#define HTTPIPE_TLS_REGISTERS_H

#if defined(__TARGET_ARCH_x86)

struct pt_regs {
	unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip;
	unsigned long cs, eflags, rsp, ss;
};

/* System V: arguments, result, second word of a result in two registers. */
#define ARGUMENT_1(ctx)	   ((ctx)->rdi)
#define ARGUMENT_2(ctx)	   ((ctx)->rsi)
#define ARGUMENT_3(ctx)	   ((ctx)->rdx)
#define ARGUMENT_4(ctx)	   ((ctx)->rcx)
#define ARGUMENT_5(ctx)	   ((ctx)->r8)
#define RESULT(ctx)	   ((ctx)->rax)
#define RESULT_2(ctx)	   ((ctx)->rdx)
#define STACK(ctx)	   ((ctx)->rsp)
/* Go's internal ABI. */
#define GO_ARGUMENT_1(ctx) ((ctx)->rax)
#define GO_ARGUMENT_2(ctx) ((ctx)->rbx)
#define GO_ARGUMENT_3(ctx) ((ctx)->rcx)
#define GO_G(ctx)	   ((ctx)->r14)

#elif defined(__TARGET_ARCH_arm64)

struct pt_regs {
	unsigned long regs[31], sp, pc, pstate;
};

#define ARGUMENT_1(ctx)	   ((ctx)->regs[0])
#define ARGUMENT_2(ctx)	   ((ctx)->regs[1])
#define ARGUMENT_3(ctx)	   ((ctx)->regs[2])
#define ARGUMENT_4(ctx)	   ((ctx)->regs[3])
#define ARGUMENT_5(ctx)	   ((ctx)->regs[4])
#define RESULT(ctx)	   ((ctx)->regs[0])
#define RESULT_2(ctx)	   ((ctx)->regs[1])
#define STACK(ctx)	   ((ctx)->sp)
#define GO_ARGUMENT_1(ctx) ((ctx)->regs[0])
#define GO_ARGUMENT_2(ctx) ((ctx)->regs[1])
#define GO_ARGUMENT_3(ctx) ((ctx)->regs[2])
#define GO_G(ctx)	   ((ctx)->regs[28])

#endif

#endif
