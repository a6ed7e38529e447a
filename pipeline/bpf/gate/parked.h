/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Segments that came too early, for a gate that only watches: it may drop nothing, so that the stack takes a
 * segment that overtook another, and nobody sends it twice. Its bytes are kept until what is missing before
 * them has been read; then segment by segment, as a gate that enforces reads them: the stack may drop one for
 * want of memory, and what comes again begins and ends where a segment did.
 */
#ifndef HTTPIPE_GATE_PARKED_H
#define HTTPIPE_GATE_PARKED_H

#include "gate/maps.h"

/* The one that a connection names, unless another connection has taken its place since. */
static __always_inline struct parked *parked_by(__u32 claim)
{
	__u32 place = claim % PARKED;
	struct parked *parked = claim ? bpf_map_lookup_elem(parked_map(), &place) : 0;

	return parked && parked->claim == claim ? parked : 0;
}

static __always_inline int has_parked(const struct flow *flow)
{
	return (flow->parked[0] | flow->parked[1] | flow->parked[2] | flow->parked[3]) != 0;
}

/* Bytes of the packet to the end of what is parked; 0 where there is no room. */
static __always_inline int add_bytes(struct __sk_buff *skb, const struct packet *packet,
				     struct parked *parked)
{
	__u32 at = parked->bytes, n = packet->length;

	if (!n || n >= PARKED_BYTES || at + n >= PARKED_BYTES)
		return 0;
	at &= PARKED_BYTES - 1;
	n = ((n - 1) & (PARKED_BYTES - 1)) + 1;
	if (bpf_skb_load_bytes(skb, packet->payload, parked->data + at, n))
		return 0;
	if (at)
		parked->cuts[parked->segments++ & (CHECKPOINTS - 1)] = at;
	parked->ack = packet->ack;
	parked->bytes = at + n;
	return 1;
}

/* Behind one that is there, which a sender of many small segments needs; the connection is locked. */
static __always_inline int park_behind(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	struct parked *parked;

	UNROLL
	for (int i = 0; i < PARKED_OF_FLOW; i++) {
		parked = parked_by(flow->parked[i]);
		if (parked && parked->seq + parked->bytes == work->packet.seq)
			return add_bytes(skb, &work->packet, parked);
	}
	return 0;
}

/* In the place of the oldest one of all connections. */
static __always_inline int park_alone(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	__u32 first = 0, place, claim;
	struct parked *parked = bpf_map_lookup_elem(parked_map(), &first);

	if (!parked)
		return 0;
	claim = __sync_fetch_and_add(&parked->claims, 1) + 1;
	place = claim % PARKED;
	parked = bpf_map_lookup_elem(parked_map(), &place);
	if (!parked)
		return 0;
	parked->claim = 0;
	parked->seq = work->packet.seq;
	parked->bytes = 0;
	__builtin_memset(parked->cuts, 0, sizeof(parked->cuts));
	if (!add_bytes(skb, &work->packet, parked))
		return 0;
	parked->claim = claim;
	UNROLL
	for (int i = 0; i < PARKED_OF_FLOW; i++)
		if (!__sync_val_compare_and_swap(&flow->parked[i], 0, claim))
			return 1;
	return 0;
}

/* Keep the packet in hand; `locked`: the connection is. */
__noinline int park(struct __sk_buff *skb, struct work *work, struct flow *flow, __u32 locked)
{
	if (!work || !flow)
		return 0;
	if ((locked && park_behind(skb, work, flow)) || park_alone(skb, work, flow))
		count(GATE_COUNT_PARKED);
	else
		count(GATE_COUNT_EARLY);
	return 0;
}

/* Whether what comes next is there. */
static __always_inline int is_next_parked(struct flow *flow)
{
	struct parked *parked;

	UNROLL
	for (int i = 0; i < PARKED_OF_FLOW; i++) {
		parked = parked_by(flow->parked[i]);
		if (parked && !before(flow->next_seq, parked->seq))
			return 1;
	}
	return 0;
}

/* The end of the segment that `at` is a byte of. */
static __always_inline __u32 end_of_segment(const struct parked *parked, __u32 at)
{
	__u32 more = parked->bytes - at;

	UNROLL
	for (int i = 0; i < CHECKPOINTS; i++)
		if (parked->cuts[i] - at - 1 < more - 1)
			more = parked->cuts[i] - at;
	return at + more;
}

/* The one whose bytes come next, as the packet in hand; 0 where there is none. */
__noinline int unpark(struct work *work, struct flow *flow)
{
	struct parked *parked;
	__u32 claim;

	if (!work || !flow)
		return 0;
	UNROLL
	for (int i = 0; i < PARKED_OF_FLOW; i++) {
		claim = flow->parked[i];
		parked = parked_by(claim);
		if (parked && before(flow->next_seq, parked->seq))
			continue;
		if (parked && before(flow->next_seq, parked->seq + parked->bytes)) {
			work->packet.seq = parked->seq;
			work->packet.ack = parked->ack;
			work->packet.length = end_of_segment(parked, flow->next_seq - parked->seq);
			work->segment.parked = claim;
			return 1;
		}
		flow->parked[i] = 0;
		if (claim && !parked)
			count(GATE_COUNT_EARLY);
	}
	return 0;
}

/* A window of it into work->bytes: all of the room, whatever is behind its end. */
static __always_inline int load_parked(struct work *work, __u32 at)
{
	struct parked *parked = parked_by(work->segment.parked);
	__u64 *from, *to = (__u64 *)work->bytes;

	if (!parked)
		return -1;
	from = (__u64 *)&parked->data[at & (PARKED_BYTES - 1)];
	asm volatile("" : "+r"(from)); /* or clang loads byte by byte */
	UNROLL
	for (int i = 0; i < WINDOW / 8; i++)
		to[i] = from[i];
	return 0;
}

#endif
