/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Openings. Multipath TCP (RFC 8684) would bring a request by several ways, of which each shows a part: its
 * option is overwritten in the SYN, and both sides speak TCP. Data in a SYN (RFC 7413) is dropped with it,
 * and comes again behind the handshake.
 */
#ifndef HTTPIPE_GATE_SYN_H
#define HTTPIPE_GATE_SYN_H

#include "gate/refuse.h"

#define OPTION_END   0
#define OPTION_NOP   1
#define OPTION_MPTCP 30
/* MP_CAPABLE and MP_JOIN have 4 to 24 bytes. */
#define MPTCP_LEAST  4
#define MPTCP_BYTES  24
/* Options at most: 40 bytes. */
#define OPTIONS	     40

struct options {
	struct __sk_buff *skb;
	__u32 tcp;
	__u32 at;
	__u32 end;
};

/* Overwrite `n` bytes at an offset with NOPs, and correct the checksum for it. */
static __always_inline void blank(struct options *options, __u32 n)
{
	__u8 old[MPTCP_BYTES] = {}, nops[MPTCP_BYTES] = {};
	__u32 sum;

	n &= 31;
	if (n < MPTCP_LEAST || n > MPTCP_BYTES || bpf_skb_load_bytes(options->skb, options->at, old, n))
		return;
	UNROLL
	for (__u32 i = 0; i < MPTCP_BYTES; i++)
		nops[i] = i < n ? OPTION_NOP : 0;
	sum = fold(bpf_csum_diff((__be32 *)old, sizeof(old), (__be32 *)nops, sizeof(nops), 0));
	if ((options->at - options->tcp) & 1)
		sum = (sum >> 8 | sum << 8) & 0xFFFF;
	bpf_skb_store_bytes(options->skb, options->at, nops, n, 0);
	bpf_l4_csum_replace(options->skb, options->tcp + 16, 0, sum, 0);
	count(GATE_COUNT_MPTCP);
}

static long option_step(__u32 UNUSED i, struct options *options)
{
	__u8 option[2];

	if (options->at + 1 >= options->end || bpf_skb_load_bytes(options->skb, options->at, option, 2))
		return 1;
	if (option[0] == OPTION_END)
		return 1;
	if (option[0] == OPTION_NOP) {
		options->at++;
		return 0;
	}
	if (option[1] < 2)
		return 1;
	if (option[0] == OPTION_MPTCP)
		blank(options, option[1]);
	options->at += option[1];
	return 0;
}

static __noinline int on_syn(struct __sk_buff *skb, struct work *work, struct gate_settings *settings)
{
	struct flow *flow = bpf_map_lookup_elem(flows_map(), &work->key);
	struct options options = {skb, work->segment.tcp, work->segment.tcp + BARE_HEADER,
				  work->packet.payload};
	struct stack stack = {};

	/* The stack ignores a SYN within a connection, and so does the gate. */
	if (flow && look_at_stack(skb, work, &stack) && 1 << (stack.state & 31) & OPEN_STATES)
		return NEXT;
	count(GATE_COUNT_CONNECTIONS);
	begin_flow(&work->fresh, work->packet.seq + 1);
	bpf_map_update_elem(flows_map(), &work->key, &work->fresh, BPF_ANY);
	if (work->packet.length)
		count(GATE_COUNT_OPENING_DATA);
	if (settings->mode != GATE_MODE_ENFORCE)
		return NEXT;
	if (work->packet.length)
		return SHOT;
	bpf_loop(OPTIONS, option_step, &options, 0);
	return NEXT;
}

#endif
