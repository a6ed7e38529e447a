/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Ranges: bytes of one direction that are not copied, merged, and reported as a sequence number and a length.
 *
 * A range is reported when something ends it: a copied segment, the other side, FIN or RST, HTTP_RANGE_BYTES,
 * or the sweep of user space (pipeline/sources/bpf/sweep.py) when the connection goes quiet.
 *
 * Two CPUs may hold segments of one connection at once, even of one direction: loopback does, when the
 * sender moves to another CPU. Spin locks are refused in socket filters, and atomic operations that return
 * something came with Linux 5.12. So a range is changed only by a CPU that finds itself alone; one that
 * does not reports its segment by itself. All else is a single word, or comes right with the next segment;
 * and whatever is reported twice is the same bytes again, which decoding drops.
 *
 *   CPU 0: busy 0 → 1, reads 1: alone.   Extends the range.                   busy → 0
 *   CPU 1:             busy 1 → 2, reads 2: not alone. Reports its segment.   busy → 1
 */
#ifndef HTTPIPE_POLICY_RANGES_H
#define HTTPIPE_POLICY_RANGES_H

#include "emit/ring.h"

static __always_inline void report_range(struct __sk_buff *skb, struct http_scratch *work,
					 struct http_direction *of, __u32 side,
					 struct http_settings *settings, struct http_counters *counters)
{
	__u64 range = of->range;
	__u32 seq = range >> 32, length = range;
	struct http_record *record;

	if (!length || of->reported == seq + length)
		return;
	of->reported = seq + length;
	record = draft_record(work);
	record->ts_ns = of->first_ns;
	record->last_ns = of->last_ns;
	record->seq = seq;
	record->ack = 0;
	record->length = length;
	record->flags = 0; /* no acknowledgement: it belongs to several segments */
	record->bits = HTTP_BIT_RANGE;
	work->draft.side = side;
	emit(skb, work, settings, counters);
}

/* True where this CPU is alone with the range. Whoever reads 1 after adding 1 is: others have left, or will
 * read more. */
static __always_inline int enter_range(struct http_direction *mine)
{
	__sync_fetch_and_add(&mine->busy, 1);
	return *(volatile __u32 *)&mine->busy == 1;
}

/* After enter_range, whatever it answered. */
static __always_inline void leave_range(struct http_direction *mine)
{
	__sync_fetch_and_add(&mine->busy, -1);
}

/* The connection has a range for which nothing may ever follow: the sweep looks after it. */
static __always_inline void list_for_sweep(struct packet *packet, struct http_counters *counters)
{
	__u32 one = 1;

	if (waiting_update(&packet->key, &one))
		COUNT(counters, HTTP_COUNT_WAITING_FULL);
}

/* Extends the range by a segment; false where the segment has to begin another one. */
static __always_inline int merge(struct packet *packet, struct http_direction *mine,
				 struct http_counters *counters)
{
	__u64 range = mine->range, last_ns = mine->last_ns;
	__u32 seq = range >> 32, length = range;
	__u32 into = packet->seq - seq;

	if (length && into < length && into + packet->length <= length)
		return 1; /* a retransmission */
	if (!length || into != length || length >= HTTP_RANGE_BYTES)
		return 0;
	mine->last_ns = packet->now_ns;
	mine->range = range + packet->length;
	if (packet->now_ns - last_ns > HTTP_RANGE_QUIET_NS)
		list_for_sweep(packet, counters);
	return 1;
}

/* A segment that is not copied. */
static __always_inline void leave_out(struct __sk_buff *skb, struct http_scratch *work,
				      struct http_direction *mine, struct http_settings *settings,
				      struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_record *record;

	ADD(counters, HTTP_COUNT_LEFT_OUT_BYTES, packet->length);
	/* Compared are differences of 32 bits, and a body may be longer than 2 GiB: the mark follows, far
	 * behind, so that a segment out of order is still left out. */
	if (packet->seq - mine->copy_until > HTTP_FOLLOW_BYTES)
		mine->copy_until = packet->seq - HTTP_FOLLOW_BYTES / 2;
	if (!enter_range(mine)) {
		record = draft_record(work);
		record->seq = packet->seq;
		record->length = packet->length;
		record->flags = TCP_ACK;
		record->bits = HTTP_BIT_RANGE;
		emit(skb, work, settings, counters);
	} else if (!merge(packet, mine, counters)) {
		report_range(skb, work, mine, packet->side, settings, counters);
		mine->first_ns = packet->now_ns;
		mine->last_ns = packet->now_ns;
		mine->reported = packet->seq;
		mine->range = (__u64)packet->seq << 32 | packet->length;
		list_for_sweep(packet, counters);
	}
	leave_range(mine);
}

/* Before a segment that is copied: the range before it is reported, and over. */
static __always_inline void end_range(struct __sk_buff *skb, struct http_scratch *work,
				      struct http_direction *mine, struct http_settings *settings,
				      struct http_counters *counters)
{
	if (enter_range(mine)) {
		report_range(skb, work, mine, work->packet.side, settings, counters);
		mine->range = 0;
	}
	leave_range(mine);
}

#endif
