/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What a refused client gets, and its server.
 *
 * The client gets the answer with a FIN, or a reset; the server a reset, so
 * that neither waits. From then on the gate is the connection's server: it
 * acknowledges what comes and throws it away. It has no timer, so each segment
 * that does not acknowledge the answer gets it again.
 */
#ifndef HTTPIPE_GATE_REFUSE_H
#define HTTPIPE_GATE_REFUSE_H

#include "gate/draft.h"
#include "gate/stack.h"
#include "gate/tell.h"

/* What TC does with a packet; linux/pkt_cls.h. */
enum verdict {
	NEXT = -1, /* goes on, to other programs and then to the stack */
	SHOT = 2,
};

#define TCP_PSH 0x08
#define TCP_URG 0x20

static __always_inline __u64 way_back(const struct work *work)
{
	return work->segment.role == ROLE_JUDGE_EGRESS ? BPF_F_INGRESS : 0;
}

/* A 403 answers only the one request that waits for it: not one behind others
 * in the same segment, nor one whose connection still owes the answer to
 * another. */
static __always_inline int may_answer(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	struct stack stack = {};

	if (work->reading.heads > 1)
		return 0;
	return !flow->requests || !look_at_stack(skb, work, &stack) || stack.snd_nxt == work->packet.ack;
}

static __always_inline void draft_answer(struct work *work, struct flow *flow, struct gate_settings *settings)
{
	const struct packet *packet = &work->packet;
	struct draft *draft = &work->draft;

	draft->flags = TCP_FIN | TCP_PSH | TCP_ACK;
	draft->bytes = settings->reply_bytes;
	flow->refused = REFUSED_ANSWERED;
	flow->answer_seq = packet->ack;
	flow->answer_end = packet->ack + draft->bytes + 1;
	flow->swallow_seq = draft->ack;
}

/* To the client; then the packet itself goes on to the server, as a reset. */
static __always_inline int send_both(struct __sk_buff *skb, struct work *work, struct gate_settings *settings)
{
	struct draft *draft = &work->draft;
	struct stack stack = {};

	if (write_draft(skb, work, settings))
		return SHOT;
	bpf_clone_redirect(skb, work->packet.ifindex, way_back(work));
	draft->back = 0;
	/* A reset counts only where the stack is (RFC 5961, section 3.2). */
	draft->seq = look_at_stack(skb, work, &stack) ? stack.rcv_nxt : work->packet.seq;
	draft->ack = work->packet.ack;
	draft->flags = TCP_RST | TCP_ACK;
	draft->bytes = 0;
	if (turn_link(skb, work) || write_draft(skb, work, settings))
		return SHOT;
	return NEXT;
}

/* Refuse, in whichever way there is. Returns what TC does. `why`: enum
 * gate_reason, ABOUT_HEAD. */
static __noinline int refuse(struct __sk_buff *skb, struct work *work, struct flow *flow,
			     struct gate_settings *settings, __u32 why)
{
	struct packet *packet = &work->packet;
	struct draft *draft = &work->draft;
	__u32 answer = GATE_ANSWER_RESET;

	if (settings->mode != GATE_MODE_ENFORCE) {
		tell(work, settings, why, GATE_ACTION_WOULD_REFUSE, GATE_ANSWER_NOTHING);
		return NEXT;
	}
	draft->back = 1;
	draft->seq = packet->ack;
	draft->ack = packet->seq + packet->length + work->segment.fin;
	draft->flags = TCP_RST | TCP_ACK;
	draft->bytes = 0;
	flow->refused = REFUSED_RESET;
	if (!work->segment.plain || !packet->ack) {
		answer = GATE_ANSWER_DROPPED;
	} else if (why & ABOUT_HEAD && settings->answer == GATE_ANSWER_FORBIDDEN &&
		   may_answer(skb, work, flow)) {
		answer = GATE_ANSWER_FORBIDDEN;
		draft_answer(work, flow, settings);
	}
	tell(work, settings, why, GATE_ACTION_REFUSED, answer);
	return answer == GATE_ANSWER_DROPPED ? SHOT : send_both(skb, work, settings);
}

/* Whether the server has not had its reset, or not yet. */
static __noinline int is_open(struct __sk_buff *skb, struct work *work, struct stack *stack)
{
	return look_at_stack(skb, work, stack) && 1 << (stack->state & 31) & OPEN_STATES;
}

/* The packet goes on to the server, as another reset. */
static __noinline int reset_again(struct __sk_buff *skb, struct work *work, struct gate_settings *settings,
				  const struct stack *stack)
{
	struct draft *draft = &work->draft;

	draft->back = 0;
	draft->seq = stack->rcv_nxt;
	draft->ack = stack->snd_nxt;
	draft->flags = TCP_RST | TCP_ACK;
	draft->bytes = 0;
	return write_draft(skb, work, settings) ? SHOT : NEXT;
}

/* A segment behind a refusal. The packet itself goes back: a clone, and
 * dropping the packet, would tell a sender on this host that nothing was sent,
 * and our acknowledgement would be of bytes from the future. */
static __noinline int swallow(struct __sk_buff *skb, struct work *work, struct flow *flow,
			      struct gate_settings *settings)
{
	struct packet *packet = &work->packet;
	struct draft *draft = &work->draft;
	__u32 more = packet->length + work->segment.fin;
	struct stack stack = {};

	if (!more && flow->refused == REFUSED_RESET && !(packet->flags & TCP_RST))
		return NEXT;
	if (!work->segment.plain)
		return SHOT;
	/* Also where the client gives up: its own reset would not be where the server's stack is. */
	if (!more || packet->flags & TCP_RST)
		return is_open(skb, work, &stack) ? reset_again(skb, work, settings, &stack) : SHOT;
	count(GATE_COUNT_SWALLOWED);
	if (flow->refused == REFUSED_RESET) { /* the reset was lost, or is under way */
		draft->back = 1;
		draft->seq = packet->ack;
		draft->ack = packet->seq + more;
		draft->flags = TCP_RST | TCP_ACK;
		draft->bytes = 0;
		return write_draft(skb, work, settings) ? SHOT
							: bpf_redirect(packet->ifindex, way_back(work));
	}
	if (packet->seq == flow->swallow_seq)
		flow->swallow_seq += more;
	draft->back = 1;
	draft->seq = flow->answer_end;
	draft->ack = flow->swallow_seq;
	draft->flags = TCP_ACK;
	draft->bytes = 0;
	if (before(packet->ack, flow->answer_end)) {
		draft->seq = flow->answer_seq;
		draft->flags = TCP_FIN | TCP_PSH | TCP_ACK;
		draft->bytes = settings->reply_bytes;
		if (draft->seq + draft->bytes + 1 != flow->answer_end) { /* the reply was changed meanwhile */
			draft->seq = flow->answer_end;
			draft->flags = TCP_RST | TCP_ACK;
			draft->bytes = 0;
		}
		count(GATE_COUNT_ANSWERED_AGAIN);
	} else {
		flow->swallowed += packet->length;
		if (flow->swallowed > GATE_SWALLOW_BYTES)
			draft->flags = TCP_RST | TCP_ACK;
	}
	if (write_draft(skb, work, settings))
		return SHOT;
	if (!work->segment.fin || !is_open(skb, work, &stack))
		return bpf_redirect(packet->ifindex, way_back(work));
	bpf_clone_redirect(skb, packet->ifindex, way_back(work));
	return turn_link(skb, work) ? SHOT : reset_again(skb, work, settings, &stack);
}

#endif
