/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the server sends, looked at only where its client has asked for another protocol: did it get it?
 */
#ifndef HTTPIPE_GATE_ANSWERS_H
#define HTTPIPE_GATE_ANSWERS_H

#include "gate/maps.h"

/* HTTP/1.1 101 */
#define STATUS_LINE 12

/* RFC 9110, section 7.8. Whatever is not WebSocket goes on to be read as HTTP/1, and is refused or passed
 * over as such. */
static __always_inline void switch_protocol(struct flow *flow)
{
	flow->framing.phase = flow->framing.aux & UPGRADE_WEBSOCKET ? PHASE_TUNNEL : PHASE_HEAD;
	flow->framing.aux = 0;
	flow->framing.left = 0;
}

/* The wish was not fulfilled: the request's body is what comes next. */
static __always_inline void keep_protocol(struct flow *flow)
{
	__u32 chunked = flow->framing.aux & UPGRADE_CHUNKED;

	flow->framing.aux = 0;
	flow->framing.phase = chunked ? PHASE_CHUNK_SIZE : flow->framing.left ? PHASE_BODY : PHASE_HEAD;
	if (in_body(&flow->framing))
		begin_body(flow, flow->next_seq, flow->framing.phase);
}

static __noinline int on_answer(struct __sk_buff *skb, struct work *work)
{
	struct packet *packet = &work->packet;
	struct flow *flow = bpf_map_lookup_elem(flows_map(), &work->key);
	__u8 line[STATUS_LINE];

	if (!flow || flow->framing.phase != PHASE_UPGRADE || packet->seq != flow->server_seq)
		return 0;
	if (bpf_skb_load_bytes(skb, packet->payload, line, sizeof(line)))
		return 0;
	if (line[0] != 'H' || line[5] != '1' || line[8] != ' ')
		return 0;
	if (line[9] != '1')
		keep_protocol(flow);
	else if (line[10] == '0' && line[11] == '1')
		switch_protocol(flow);
	else
		flow->server_seq += packet->length; /* 100, 103: another one follows */
	return 0;
}

#endif
