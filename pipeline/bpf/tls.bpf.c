// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The plain text that TLS libraries read and write, and the sockets that it belongs to.
 *
 * Comes in: calls of functions that user space found in libraries and executables (probes; the cookie says
 * which arguments they have, enum tls_call), and what threads send and receive on TCP sockets. Goes out,
 * through a ring buffer: records of connections that speak HTTP (tls.h). It reads the memory of processes,
 * never writes there, and changes no packet.
 *
 * Reading order: tls.h (layout), tls/maps.h (who writes what), tls/calls.h (a call), tls/turns.h (what of it
 * is copied), tls/ring.h (into the ring), tls/sockets.h and tls/evidence.h (whose socket), tls/go.h,
 * tls/rust.h (two libraries that are different).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "verifier.h"
#include "tls/go.h"
#include "tls/registers.h"
#include "tls/sockets.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int tls_enter(struct pt_regs *ctx)
{
	__u64 fourth = ARGUMENT_4(ctx), fifth = ARGUMENT_5(ctx);
	struct tls_pending call = {
		.connection = ARGUMENT_1(ctx),
		.buffer = ARGUMENT_2(ctx),
		.size = ARGUMENT_3(ctx),
		.stack = STACK(ctx),
		.cookie = bpf_get_attach_cookie(ctx),
	};

	KEEP_STACK(ctx);
	/* Both are read: clang would choose between their addresses, "dereference of modified ctx ptr". */
	asm volatile("" : "+r"(fourth), "+r"(fifth));
	call.written = call_of(call.cookie) == TLS_CALL_WRITE_EX2 ? fifth : fourth;
	if (call_of(call.cookie) == TLS_CALL_SENDFILE) {
		call.buffer = 0; /* the kernel encrypts pages of a file: nothing can be read here */
		call.size = fourth;
	}
	return on_enter(&call, bpf_get_current_pid_tgid());
}

SEC("uprobe")
int tls_leave(struct pt_regs *ctx)
{
	KEEP_STACK(ctx);
	return on_leave(bpf_get_current_pid_tgid(), STACK(ctx), RESULT(ctx), RESULT_2(ctx));
}

SEC("uprobe")
int tls_free(struct pt_regs *ctx)
{
	KEEP_STACK(ctx);
	return on_free(ARGUMENT_1(ctx));
}

SEC("uprobe")
int go_enter(struct pt_regs *ctx)
{
	struct tls_pending call = {
		.connection = GO_ARGUMENT_1(ctx),
		.buffer = GO_ARGUMENT_2(ctx),
		.size = GO_ARGUMENT_3(ctx),
		.stack = ANY_STACK,
		.cookie = bpf_get_attach_cookie(ctx),
	};

	KEEP_STACK(ctx);
	return on_go_enter(&call, GO_G(ctx));
}

SEC("uprobe")
int go_leave(struct pt_regs *ctx)
{
	KEEP_STACK(ctx);
	return on_leave(goroutine(bpf_get_current_pid_tgid(), GO_G(ctx)), ANY_STACK, GO_ARGUMENT_1(ctx), 0);
}

SEC("uprobe")
int go_free(struct pt_regs *ctx)
{
	KEEP_STACK(ctx);
	return on_free(GO_ARGUMENT_1(ctx));
}

/* The first word of a writer names the object that it writes to. */
SEC("uprobe")
int rust_enter(struct pt_regs *ctx)
{
	struct tls_pending call = {
		.buffer = ARGUMENT_2(ctx),
		.size = ARGUMENT_3(ctx),
		.stack = STACK(ctx),
		.cookie = bpf_get_attach_cookie(ctx),
	};

	KEEP_STACK(ctx);
	if (read_user(&call.connection, sizeof(call.connection), ARGUMENT_1(ctx)))
		return 0;
	return on_enter(&call, bpf_get_current_pid_tgid());
}

SEC("uprobe")
int rust_leave(struct pt_regs *ctx)
{
	KEEP_STACK(ctx);
	return on_rust_leave(bpf_get_current_pid_tgid(), STACK(ctx), RESULT(ctx), RESULT_2(ctx));
}

/* A payload is Owned(Vec{capacity, pointer, length}) or Borrowed(tag, pointer, length): the second and third
 * word of both. */
SEC("uprobe")
int rust_take(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), payload[3] = {};
	struct tls_text text = {};

	KEEP_STACK(ctx);
	if (!watched(id >> 32) || read_user(payload, sizeof(payload), ARGUMENT_2(ctx)))
		return 0;
	count(TLS_COUNT_CALLS);
	if (!payload[1] || !payload[2] || payload[2] > OVER_MOST)
		return 0;
	text.from = payload[1];
	text.bytes = payload[2];
	text.ts_ns = bpf_ktime_get_boot_ns();
	on_rust_read(id, ARGUMENT_1(ctx), bpf_get_attach_cookie(ctx), &text);
	return 0;
}

#define MSG_PEEK 2

SEC("raw_tp/sock_send_length")
int socket_sent(struct bpf_raw_tracepoint_args *ctx)
{
	return on_socket((struct sock *)ctx->args[0], (int)ctx->args[1], 1);
}

SEC("raw_tp/sock_recv_length")
int socket_received(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[2] & MSG_PEEK)
		return 0;
	return on_socket((struct sock *)ctx->args[0], (int)ctx->args[1], 0);
}

/* Before Linux 6.3, which has not the two above: a thread received from the socket, how much is not told.
 * Only sockets used within calls become known by it. */
SEC("raw_tp/tcp_rcv_space_adjust")
int socket_used(struct bpf_raw_tracepoint_args *ctx)
{
	return on_socket((struct sock *)ctx->args[0], 1, 0);
}

SEC("raw_tp/tcp_destroy_sock")
int socket_destroyed(struct bpf_raw_tracepoint_args *ctx)
{
	return on_destroyed(ctx->args[0]);
}

/* Run once by user space, which cannot know its own number where it is in a pid namespace. */
SEC("raw_tp")
int own_process(struct bpf_raw_tracepoint_args *ctx)
{
	(void)ctx;
	return bpf_get_current_pid_tgid() >> 32;
}

/* Once for each thread: of the last one. */
SEC("raw_tp/sched_process_exit")
int process_exited(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		on_exit(BPF_CORE_READ(task, tgid));
	return 0;
}

/* Another program in the same process: the memory of its connections is gone, and it may not be wanted. */
SEC("raw_tp/sched_process_exec")
int process_replaced(struct bpf_raw_tracepoint_args *ctx)
{
	(void)ctx;
	on_exit(bpf_get_current_pid_tgid() >> 32);
	return 0;
}
