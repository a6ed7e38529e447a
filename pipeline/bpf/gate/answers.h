/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the server sends, looked at only where its client has asked for WebSocket: did it get it?
 */
#ifndef HTTPIPE_GATE_ANSWERS_H
#define HTTPIPE_GATE_ANSWERS_H

#include "gate/maps.h"

/* HTTP/1.1 101 */
#define STATUS_LINE 12

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
		flow->framing.phase = PHASE_HEAD;
	else if (line[10] == '0' && line[11] == '1')
		flow->framing.phase = PHASE_TUNNEL;
	else
		flow->server_seq += packet->length; /* 100, 103: another one follows */
	return 0;
}

#endif
