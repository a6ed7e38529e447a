/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Decisions into the ring, and into the counters.
 */
#ifndef HTTPIPE_GATE_TELL_H
#define HTTPIPE_GATE_TELL_H

#include "gate/maps.h"

static __always_inline void count_reason(__u32 reason)
{
	if (reason == GATE_REASON_LISTED)
		count(GATE_COUNT_LISTED);
	else if (reason == GATE_REASON_NOT_LISTED)
		count(GATE_COUNT_NOT_LISTED);
	else if (reason == GATE_REASON_DOUBT)
		count(GATE_COUNT_DOUBT);
	else if (reason == GATE_REASON_NOT_HTTP)
		count(GATE_COUNT_NOT_HTTP);
	else if (reason == GATE_REASON_MIDSTREAM)
		count(GATE_COUNT_MIDSTREAM);
	else if (reason == GATE_REASON_FULL)
		count(GATE_COUNT_FULL);
	else if (reason == GATE_REASON_URGENT)
		count(GATE_COUNT_URGENT);
	else if (reason == GATE_REASON_DESYNC)
		count(GATE_COUNT_DESYNC);
	else
		count(GATE_COUNT_ALLOWED);
}

static __always_inline void count_action(__u32 action, __u32 answer)
{
	if (action == GATE_ACTION_WOULD_REFUSE)
		count(GATE_COUNT_WOULD_REFUSE);
	else if (answer == GATE_ANSWER_FORBIDDEN)
		count(GATE_COUNT_FORBIDDEN);
	else if (answer == GATE_ANSWER_RESET)
		count(GATE_COUNT_RESET);
	else if (answer == GATE_ANSWER_DROPPED)
		count(GATE_COUNT_DROPPED);
}

static __always_inline void put_flow(struct gate_decision *decision, const struct packet *packet)
{
	const struct http_key *key = &packet->key;
	__u32 from = packet->side & 1, to = from ^ 1;
	__u32 ports = key->port[from] | (__u32)key->port[to] << 16;

	if (key->family == 6) {
		__builtin_memcpy(decision->flow, key->address[from], 16);
		__builtin_memcpy(decision->flow + 4, key->address[to], 16);
		decision->flow[8] = ports;
	} else {
		decision->flow[0] = key->address[from][0];
		decision->flow[1] = key->address[to][0];
		decision->flow[2] = ports;
	}
}

static __always_inline void put_head(struct gate_decision *decision, const struct scan *scan)
{
	decision->doubts = scan->doubts;
	decision->head_bytes = scan->head_bytes;
	decision->method_bytes = scan->method_bytes;
	decision->host_bytes = scan->host_bytes;
	decision->path_bytes = scan->path_bytes;
	__builtin_memcpy(decision->method, scan->method, GATE_METHOD_BYTES);
	__builtin_memcpy(decision->host, scan->host, GATE_HOST_ROOM);
	__builtin_memcpy(decision->path, scan->path, GATE_RECORD_PATH);
}

/* Beside a reason: work->scan is the head that was decided on. */
#define ABOUT_HEAD 256

/* `why`: enum gate_reason, ABOUT_HEAD. */
__noinline int tell(struct work *work, struct gate_settings *settings, __u32 why, __u32 action, __u32 answer)
{
	__u32 reason = why & (ABOUT_HEAD - 1);
	struct gate_decision *decision;

	if (!work || !settings)
		return 0;
	count_reason(reason);
	count_action(action, answer);
	if (action == GATE_ACTION_ALLOWED && !settings->report_all)
		return 0;
	decision = bpf_ringbuf_reserve(decisions_map(), sizeof(*decision), 0);
	if (!decision) {
		count(GATE_COUNT_RING_FULL);
		return 0;
	}
	__builtin_memset(decision, 0, sizeof(*decision));
	decision->ts_ns = bpf_ktime_get_boot_ns();
	put_flow(decision, &work->packet);
	decision->seq = work->packet.seq;
	decision->ifindex = work->packet.ifindex;
	decision->vlan = work->packet.vlan;
	decision->bits = (work->packet.key.family == 6 ? GATE_BIT_IPV6 : 0) |
			 (work->segment.role == ROLE_JUDGE_EGRESS ? GATE_BIT_EGRESS : 0);
	decision->mode = settings->mode;
	decision->reason = reason;
	decision->action = action;
	decision->answer = answer;
	decision->generation = settings->generations[settings->list & 1];
	if (why & ABOUT_HEAD) {
		put_head(decision, &work->scan);
		decision->entry = work->reading.entry;
	}
	bpf_ringbuf_submit(decision, 0);
	count(GATE_COUNT_DECISIONS);
	return 0;
}

#endif
