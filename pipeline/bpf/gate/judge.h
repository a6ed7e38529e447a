/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * One segment, client to server: in which order it is read, from which state, and what becomes of it.
 */
#ifndef HTTPIPE_GATE_JUDGE_H
#define HTTPIPE_GATE_JUDGE_H

#include "classify/payload.h"
#include "gate/again.h"
#include "gate/refuse.h"
#include "gate/turn.h"

/* Only a gate that enforces may drop what it wants to see again. */
static __always_inline int drop(const struct gate_settings *settings)
{
	return settings->mode == GATE_MODE_ENFORCE ? SHOT : NEXT;
}

/* Not now: to be sent again, or kept. `locked`: the connection is. */
static __always_inline int put_off(struct __sk_buff *skb, struct work *work, struct flow *flow,
				   const struct gate_settings *settings, __u32 why, __u32 locked)
{
	if (settings->mode == GATE_MODE_ENFORCE) {
		count(why);
		return SHOT;
	}
	park(skb, work, flow, locked);
	return NEXT;
}

/* Nothing of the connection is looked at from here on. */
static __always_inline void pass_over(struct flow *flow)
{
	flow->framing.phase = PHASE_UNKNOWN;
	count(GATE_COUNT_PASSED_OVER);
}

/* Refused, and so at its end: a gate that only watches does not look at what follows either. */
static __always_inline int end_with(struct __sk_buff *skb, struct work *work, struct flow *flow,
				    struct gate_settings *settings, __u32 why)
{
	if (settings->mode != GATE_MODE_ENFORCE)
		pass_over(flow);
	return refuse(skb, work, flow, settings, why);
}

/* Refused or passed over, as the policy says. */
static __always_inline int by_policy(struct __sk_buff *skb, struct work *work, struct flow *flow,
				     struct gate_settings *settings, __u32 policy, __u32 reason)
{
	if (settings->policy & policy)
		return end_with(skb, work, flow, settings, reason);
	pass_over(flow);
	return NEXT;
}

static __noinline int begins_like_request(struct __sk_buff *skb, const struct work *work)
{
	enum start start = classify_payload(skb, &work->packet);

	return start == START_REQUEST || start == START_CONNECT;
}

/* A connection that is not in the table. One of which the stack has taken nothing yet is at its beginning. */
static __noinline int take_up(struct __sk_buff *skb, struct work *work, struct gate_settings *settings)
{
	struct flow *fresh = &work->fresh;
	struct stack stack = {};
	int begins = look_at_stack(skb, work, &stack) && !stack.received && stack.rcv_nxt == work->packet.seq;
	int result;

	begin_flow(fresh, work->packet.seq);
	if (!begins && settings->policy & GATE_POLICY_MIDSTREAM) {
		result = end_with(skb, work, fresh, settings, GATE_REASON_MIDSTREAM);
		bpf_map_update_elem(flows_map(), &work->key, fresh, BPF_NOEXIST);
		return result;
	}
	if (!begins && !begins_like_request(skb, work))
		return NEXT;
	if (bpf_map_update_elem(flows_map(), &work->key, fresh, BPF_NOEXIST))
		return settings->policy & GATE_POLICY_FULL ? drop(settings) : NEXT;
	if (!begins)
		count(GATE_COUNT_TAKEN_UP);
	return 0;
}

/* Bytes of a body are missing: they are not looked at anyway. Waiting for them would hang, for the stack may
 * have what was never seen here, and nobody sends it twice. */
static __always_inline void leap(struct work *work, struct flow *flow)
{
	flow->framing.left -= work->packet.seq - flow->next_seq;
	flow->next_seq = work->packet.seq;
	extend_body(flow, flow->next_seq);
	if (!flow->framing.left)
		end_body(&flow->framing);
}

/* Only watching, we cannot make a client send again what was not seen here and is nowhere kept, though the
 * stack has it: wait for the next request. */
static __always_inline int lose_track(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	struct stack stack = {};

	if (is_next_parked(flow) || !look_at_stack(skb, work, &stack) ||
	    before(stack.rcv_nxt, work->packet.seq) || !begins_like_request(skb, work))
		return 0;
	flow->next_seq = work->packet.seq;
	flow->framing.phase = PHASE_HEAD;
	flow->framing.aux = 0;
	flow->framing.left = 0;
	flow->part = 0;
	count(GATE_COUNT_TAKEN_UP);
	return 1;
}

/* Something before this segment is missing. 1 to go on with it, 0 to wait for it to come again; the lock may
 * have been given up (`held`). */
static __noinline int on_early(struct __sk_buff *skb, struct work *work, struct flow *flow,
			       struct gate_settings *settings, int *held)
{
	__u32 ahead = work->packet.seq - flow->next_seq;
	__u64 now = bpf_ktime_get_ns();

	if (in_body(&flow->framing) && ahead <= flow->framing.left) {
		leap(work, flow);
		return 1;
	}
	if (settings->mode != GATE_MODE_ENFORCE)
		return lose_track(skb, work, flow);
	if (now - flow->last_ns < JUST_NOW_NS) {
		unlock(flow);
		*held = await_turn(flow, work->packet.seq);
		if (*held)
			return 1;
		*held = lock(flow);
	}
	return 0;
}

/* Where the answer to a wish for another protocol begins. What the client acknowledges is less where it wants
 * to be sent something again, and that may be words of its own. */
static __noinline int await_answer(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	struct stack stack = {};

	flow->server_seq = look_at_stack(skb, work, &stack) ? stack.snd_nxt : work->packet.ack;
	return 0;
}

/* Reads what is new of the segment, from `skip` bytes on, and remembers where that led. */
static __noinline int read_new(struct __sk_buff *skb, struct work *work, struct flow *flow,
			       struct gate_settings *settings, __u32 skip)
{
	struct packet *packet = &work->packet;
	struct reading *reading = &work->reading;
	__u32 from = packet->seq + skip, to = packet->seq + packet->length;
	int part;

	if (in_body(&flow->framing) && to - from < flow->framing.left) {
		flow->framing.left -= to - from;
		flow->next_seq = to;
		extend_body(flow, to);
		return NEXT;
	}
	if (!in_body(&flow->framing)) /* of what begins within a body, the body says enough */
		add_checkpoint(flow, from, &flow->framing, flow->part);
	if (!load_state(work, flow, &flow->framing, flow->part, from))
		return by_policy(skb, work, flow, settings, GATE_POLICY_FULL, GATE_REASON_FULL);
	__builtin_memset(reading, 0, sizeof(*reading));
	reading->at = skip;
	reading->end = packet->length;
	read_payload(skb, work, flow, settings);
	if (reading->failed || reading->at < reading->end || reading->reason) {
		if (!reading->reason)
			reading->reason = GATE_REASON_DESYNC; /* the kernel cannot read its own packet */
		if (flow->part && work->scan.framing.phase == PHASE_HEAD)
			work->scan.doubts |= GATE_FACT_SPLIT;
		return end_with(skb, work, flow, settings, reading->reason | ABOUT_HEAD);
	}
	part = save_part(skb, work, flow, to);
	if (part < 0)
		return by_policy(skb, work, flow, settings, GATE_POLICY_FULL, GATE_REASON_FULL);
	if (part && !flow->part)
		count(GATE_COUNT_SPLIT);
	flow->part = part;
	flow->requests += reading->heads;
	flow->framing = work->scan.framing;
	flow->next_seq = to;
	if (flow->framing.phase == PHASE_UPGRADE)
		await_answer(skb, work, flow);
	return NEXT;
}

/* The segment in its place; the connection is locked. */
static __always_inline int in_turn(struct __sk_buff *skb, struct work *work, struct flow *flow,
				   struct gate_settings *settings, int *held)
{
	struct packet *packet = &work->packet;
	__u32 end = packet->seq + packet->length, skip = 0, result;

	if (flow->next_seq - flow->forgot > BODY_BYTES)
		forget_old(flow);
	if (before(flow->next_seq, packet->seq) && !on_early(skb, work, flow, settings, held))
		return put_off(skb, work, flow, settings, GATE_COUNT_EARLY, 1);
	if (before(packet->seq, flow->next_seq)) {
		skip = flow->next_seq - packet->seq;
		__builtin_memset(&work->reading, 0, sizeof(work->reading));
		result = read_again(skb, work, flow, settings,
				    before(end, flow->next_seq) ? end : flow->next_seq);
		if (result == AGAIN_REFUSED)
			return end_with(skb, work, flow, settings, work->reading.reason | ABOUT_HEAD);
		if (result == AGAIN_OTHER)
			return end_with(skb, work, flow, settings, GATE_REASON_DESYNC);
		if (!before(flow->next_seq, end)) {
			count(GATE_COUNT_REPEATED);
			return NEXT;
		}
		if (flow->framing.phase == PHASE_UPGRADE)
			return put_off(skb, work, flow, settings, GATE_COUNT_WAITING, 1);
	}
	if (packet->flags & TCP_URG)
		return end_with(skb, work, flow, settings, GATE_REASON_URGENT);
	flow->last_ns = bpf_ktime_get_ns();
	return read_new(skb, work, flow, settings, skip);
}

struct catching_up {
	struct __sk_buff *skb;
	struct work *work;
	struct flow *flow;
	struct gate_settings *settings;
	int result;
};

static long catch_up_step(__u32 UNUSED i, struct catching_up *of)
{
	if (of->flow->framing.phase >= PHASE_UPGRADE || !unpark(of->work, of->flow))
		return 1;
	of->result = read_new(of->skb, of->work, of->flow, of->settings,
			      of->flow->next_seq - of->work->packet.seq);
	return of->result != NEXT || of->flow->refused;
}

/* What is kept and comes next, as far as it goes. It may be refused where enforcing has begun meanwhile. */
static __always_inline int catch_up(struct __sk_buff *skb, struct work *work, struct flow *flow,
				    struct gate_settings *settings)
{
	struct catching_up of = {skb, work, flow, settings, NEXT};

	bpf_loop(PARKED_OF_FLOW * (CHECKPOINTS + 1) + 1, catch_up_step, &of, 0);
	return of.result;
}

static __always_inline int on_segment(struct __sk_buff *skb, struct work *work,
				      struct gate_settings *settings)
{
	struct packet *packet = &work->packet;
	struct flow *flow = bpf_map_lookup_elem(flows_map(), &work->key);
	int held = 1, result;

	if (flow && flow->refused)
		return swallow(skb, work, flow, settings);
	if (!packet->length && !(flow && has_parked(flow)))
		return NEXT;
	if (packet->length)
		count(GATE_COUNT_SEGMENTS);
	if (!flow) {
		result = take_up(skb, work, settings);
		if (result)
			return result;
		flow = bpf_map_lookup_elem(flows_map(), &work->key);
		if (!flow)
			return drop(settings);
	}
	if (flow->framing.phase == PHASE_TUNNEL || flow->framing.phase == PHASE_UNKNOWN)
		return NEXT;
	if (!lock(flow)) {
		return packet->length ? put_off(skb, work, flow, settings, GATE_COUNT_BUSY, 0) : NEXT;
	}
	if (!packet->length) {
		result = NEXT;
	} else if (flow->framing.phase == PHASE_UPGRADE && !before(packet->seq, flow->next_seq)) {
		/* What it means depends on the answer, which is still to come; so will this. */
		result = put_off(skb, work, flow, settings, GATE_COUNT_WAITING, 1);
	} else {
		result = in_turn(skb, work, flow, settings, &held);
	}
	if (held && result == NEXT && !flow->refused && has_parked(flow))
		result = catch_up(skb, work, flow, settings);
	if (held)
		unlock(flow);
	return result;
}

#endif
