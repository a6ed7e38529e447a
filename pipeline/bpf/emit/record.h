/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A record while it is being made.
 */
#ifndef HTTPIPE_EMIT_RECORD_H
#define HTTPIPE_EMIT_RECORD_H

#include "scratch.h"

/* Source, destination, source port, destination port, as they lie in a packet from `side`. Places are
 * computed and values chosen, never places chosen by a branch: without CAP_PERFMON the verifier refuses an
 * address that differs between paths. */
static __always_inline void write_flow(__u32 *flow, const struct http_key *key, __u32 side)
{
	const __u32 *source = key->address[side & 1];
	const __u32 *destination = key->address[~side & 1];
	__u32 ports = key->port[side & 1] | (__u32)key->port[~side & 1] << 16;
	__u32 first = destination[0], second = source[1], third = source[2];
	int ipv4 = key->family == 4;

	flow[0] = source[0];
	flow[1] = ipv4 ? first : second;
	flow[2] = ipv4 ? ports : third;
	flow[3] = source[3];
	flow[4] = first;
	flow[5] = destination[1];
	flow[6] = destination[2];
	flow[7] = destination[3];
	flow[8] = ports;
}

/* The record as most are: empty, of the packet in hand, from its sender. */
static __always_inline struct http_record *draft_record(struct http_scratch *work)
{
	struct http_record *record = &work->record;

	work->draft.side = work->packet.side;
	work->draft.bytes = 0;
	record->ts_ns = work->packet.now_ns;
	record->last_ns = work->packet.now_ns;
	record->ack = work->packet.ack;
	record->length = 0;
	record->bits = 0;
	record->vlan = work->packet.vlan;
	return record;
}

#endif
