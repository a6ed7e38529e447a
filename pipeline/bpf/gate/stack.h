/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel's own TCP has taken of a connection: the truth, whatever a client makes the gate believe.
 */
#ifndef HTTPIPE_GATE_STACK_H
#define HTTPIPE_GATE_STACK_H

#include "gate/maps.h"

/* enum tcp_state of net/tcp_states.h, which is the same everywhere (linux/bpf.h: BPF_TCP_*). */
#define OPEN_STATES                                                                                          \
	(1 << BPF_TCP_ESTABLISHED | 1 << BPF_TCP_CLOSE_WAIT | 1 << BPF_TCP_SYN_RECV |                        \
	 1 << BPF_TCP_FIN_WAIT1 | 1 << BPF_TCP_FIN_WAIT2)

struct stack {
	__u32 found;
	__u32 state;
	__u32 rcv_nxt; /* the next byte that it expects */
	__u32 snd_nxt;
	__u64 received; /* bytes that it has taken */
};

static __always_inline void put_tuple(struct bpf_sock_tuple *tuple, const struct packet *packet)
{
	const struct http_key *key = &packet->key;
	__u32 from = packet->side & 1, to = from ^ 1;

	if (key->family == 6) {
		__builtin_memcpy(tuple->ipv6.saddr, key->address[from], 16);
		__builtin_memcpy(tuple->ipv6.daddr, key->address[to], 16);
		tuple->ipv6.sport = key->port[from];
		tuple->ipv6.dport = key->port[to];
	} else {
		tuple->ipv4.saddr = key->address[from][0];
		tuple->ipv4.daddr = key->address[to][0];
		tuple->ipv4.sport = key->port[from];
		tuple->ipv4.dport = key->port[to];
	}
}

/* The server's socket. Only where packets come in: what this host sends is not the server's to know. */
__noinline int look_at_stack(struct __sk_buff *skb, struct work *work, struct stack *stack)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_tcp_sock *tcp;
	struct bpf_sock *socket;
	__u32 size;

	if (!work || !stack)
		return 0;
	__builtin_memset(stack, 0, sizeof(*stack));
	if (work->segment.role == ROLE_JUDGE_EGRESS)
		return 0;
	put_tuple(&tuple, &work->packet);
	size = work->packet.key.family == 6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4);
	if (size == sizeof(tuple.ipv6))
		socket = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	else
		socket = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	stack->state = socket->state;
	tcp = stack->state == BPF_TCP_LISTEN ? 0 : bpf_tcp_sock(socket);
	if (tcp) {
		stack->found = 1;
		stack->rcv_nxt = tcp->rcv_nxt;
		stack->snd_nxt = tcp->snd_nxt;
		stack->received = tcp->bytes_received;
	}
	bpf_sk_release(socket);
	return stack->found;
}

#endif
