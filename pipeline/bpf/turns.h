/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What of a connection known to be HTTP is copied, and what crosses the ring as a range of sequence numbers
 * only.
 *
 * Each direction copies the first `budget` bytes of its turn. A turn begins when the other side has spoken,
 * or with a segment that starts like a message. What lies beyond is merged into ranges, told when something
 * ends them: a copied segment, the other side, FIN or RST, HTTP_RANGE_BYTES, or the sweep of user space when
 * the connection goes quiet.
 *
 * Two CPUs may hold segments of one connection at once, even of one direction: loopback does, when the
 * sender moves to another CPU. Spin locks are refused in socket filters, and atomic operations that return
 * something came with Linux 5.12. So a range is changed only by a CPU that finds itself alone; one that
 * does not tells its segment by itself. All else is a single word, or comes right with the next segment;
 * and whatever is told twice is the same bytes again, which decoding drops.
 */
#ifndef HTTPIPE_TURNS_H
#define HTTPIPE_TURNS_H

/* Is a later than b in sequence space? RFC 9293, section 3.4. */
#define LATER(a, b) ((__s32)((a) - (b)) > 0)

static __always_inline void tell_range(struct __sk_buff *skb, struct http_scratch *work,
				       struct http_direction *of, __u32 side, struct http_settings *settings,
				       struct http_counters *counters)
{
	__u64 range = of->range;
	__u32 seq = range >> 32, length = range;
	struct http_record *record;

	if (!length || of->told == seq + length)
		return;
	of->told = seq + length;
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

/* Am I alone with this range? Whoever reads 1 after adding 1 is: others have left, or will read more. */
static __always_inline int alone(struct http_direction *mine)
{
	__sync_fetch_and_add(&mine->busy, 1);
	return *(volatile __u32 *)&mine->busy == 1;
}

static __always_inline void done(struct http_direction *mine)
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

/* A segment that is not copied: extend the range, or begin another; true where it has become part of one. */
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
	if (!alone(mine)) {
		record = draft_record(work);
		record->seq = packet->seq;
		record->length = packet->length;
		record->flags = TCP_ACK;
		record->bits = HTTP_BIT_RANGE;
		emit(skb, work, settings, counters);
	} else if (!merge(packet, mine, counters)) {
		tell_range(skb, work, mine, packet->side, settings, counters);
		mine->first_ns = packet->now_ns;
		mine->last_ns = packet->now_ns;
		mine->told = packet->seq;
		mine->range = (__u64)packet->seq << 32 | packet->length;
		list_for_sweep(packet, counters);
	}
	done(mine);
}

/* Before a segment that is copied: the range before it is told, and over. */
static __always_inline void end_range(struct __sk_buff *skb, struct http_scratch *work,
				      struct http_direction *mine, struct http_settings *settings,
				      struct http_counters *counters)
{
	if (alone(mine)) {
		tell_range(skb, work, mine, work->packet.side, settings, counters);
		mine->range = 0;
	}
	done(mine);
}

/* One record of the segment, of HTTP_CHUNK_BYTES at most; true where it is the last, which stands for the
 * rest of the segment too. */
static __always_inline int copy_chunk(struct __sk_buff *skb, struct http_scratch *work, int may_follow,
				      struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	__u32 done = packet->done, left = packet->copy - done;
	struct http_record *record = draft_record(work);
	int last = left <= HTTP_CHUNK_BYTES || !may_follow;

	record->seq = packet->seq + done;
	record->flags = packet->flags & ~(TCP_FIN | TCP_RST); /* on_end tells these */
	record->length = last ? packet->length - done : HTTP_CHUNK_BYTES;
	work->draft.offset = packet->payload + done;
	work->draft.copy = left;
	if (left > HTTP_CHUNK_BYTES) {
		work->draft.copy = HTTP_CHUNK_BYTES;
		if (last) {
			record->bits = HTTP_BIT_CUT;
			COUNT(counters, HTTP_COUNT_SEGMENT_CUT);
		}
	} else if (packet->copy == packet->present && packet->present < packet->length) {
		record->bits = HTTP_BIT_CUT; /* cut before it came to us */
	}
	emit(skb, work, settings, counters);
	packet->done = done + HTTP_CHUNK_BYTES;
	return last;
}

/* The first `copy` bytes of the segment. */
static __always_inline void copy_out(struct __sk_buff *skb, struct http_scratch *work,
				     struct http_settings *settings, struct http_counters *counters)
{
	work->packet.done = 0;
	UNROLL
	for (int i = 1; i <= HTTP_CHUNKS; i++)
		if (copy_chunk(skb, work, i < HTTP_CHUNKS, settings, counters))
			break;
}

/* A request that opens a turn: go on with the connection, leave it, or take it up again. */
static __always_inline void decide(struct __sk_buff *skb, struct http_scratch *work,
				   struct http_connection *connection, struct http_settings *settings,
				   struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_record *record;

	if (is_kept(packet, settings)) {
		connection->shed = 0;
	} else if (!connection->shed) {
		connection->shed = 1;
		COUNT(counters, HTTP_COUNT_SHED_CONNECTIONS);
		tell_range(skb, work, &connection->side[0], 0, settings, counters);
		tell_range(skb, work, &connection->side[1], 1, settings, counters);
		record = draft_record(work);
		record->seq = packet->seq;
		record->flags = 0;
		record->bits = HTTP_BIT_SHED;
		emit(skb, work, settings, counters);
	}
}

/* What the start of a segment says about the connection; RFC 9110, sections 7.8 and 9.3.6. */
static __always_inline void follow_protocol(struct http_connection *connection, enum start start,
					    struct http_counters *counters)
{
	switch (start) {
	case START_REQUEST:
	case START_CONNECT:
		connection->connecting = start == START_CONNECT;
		connection->upgraded = 0;
		break;
	case START_SUCCESS:
		if (!connection->connecting)
			break;
	/* fall through */
	case START_SWITCHED:
		connection->connecting = 0;
		connection->upgraded = 1;
		COUNT(counters, HTTP_COUNT_UPGRADED);
		break;
	default:
		break;
	}
}

/* One segment with payload of a connection known to be HTTP. */
static __always_inline void on_payload(struct __sk_buff *skb, struct http_scratch *work,
				       struct http_connection *connection, struct http_settings *settings,
				       struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_direction *mine = packet->side ? &connection->side[1] : &connection->side[0];
	struct http_direction *other = packet->side ? &connection->side[0] : &connection->side[1];
	__u32 end = packet->seq + packet->length, until = packet->seq + settings->budget;
	__u32 ifindex = packet->ifindex;
	int first = mine->ifindex == 0;
	int fresh = first || LATER(end, mine->next_seq);
	int asks = packet->start == START_REQUEST || packet->start == START_CONNECT;

	/* On `any`, a bridge and its ports show the same segment. */
	if (!fresh && mine->ifindex != ifindex) {
		COUNT(counters, HTTP_COUNT_REPEATED);
		return;
	}
	/* What is captured of one direction only has no turns. The first request was decided on already. */
	if (fresh && asks && (connection->speaker != packet->side || (!first && !other->ifindex)))
		decide(skb, work, connection, settings, counters);
	if (connection->shed) {
		if (fresh) {
			mine->next_seq = end;
			mine->ifindex = ifindex;
			connection->speaker = packet->side;
			if (asks)
				COUNT(counters, HTTP_COUNT_SHED_REQUESTS);
		}
		return;
	}
	if (packet->start > START_PARTIAL && packet->start < START_TLS) {
		if (fresh || LATER(until, mine->copy_until))
			mine->copy_until = until;
		follow_protocol(connection, packet->start, counters);
	} else if (first || (fresh && connection->speaker != packet->side && !connection->upgraded)) {
		mine->copy_until = until;
	}
	if (fresh) {
		mine->next_seq = end;
		mine->ifindex = ifindex;
		if (connection->speaker != packet->side) {
			connection->speaker = packet->side;
			tell_range(skb, work, other, !packet->side, settings, counters);
		}
	}
	if (!LATER(mine->copy_until, packet->seq)) {
		leave_out(skb, work, mine, settings, counters);
		return;
	}
	packet->copy = mine->copy_until - packet->seq;
	if (packet->copy > packet->present)
		packet->copy = packet->present;
	if (mine->range)
		end_range(skb, work, mine, settings, counters);
	ADD(counters, HTTP_COUNT_LEFT_OUT_BYTES, packet->present - packet->copy);
	copy_out(skb, work, settings, counters);
}

/* FIN and RST end a direction or the connection. They travel as records of their own, behind the last byte.
 */
static __always_inline void on_end(struct __sk_buff *skb, struct http_scratch *work,
				   struct http_connection *connection, struct http_settings *settings,
				   struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_direction *mine = packet->side ? &connection->side[1] : &connection->side[0];
	struct http_direction *other = packet->side ? &connection->side[0] : &connection->side[1];
	struct http_record *record;

	if (!connection->shed) {
		tell_range(skb, work, mine, packet->side, settings, counters);
		if (packet->flags & TCP_RST)
			tell_range(skb, work, other, !packet->side, settings, counters);
		record = draft_record(work);
		record->seq = packet->seq + packet->length;
		record->flags = packet->flags;
		emit(skb, work, settings, counters);
	}
	mine->finished = 1;
	if (other->finished || packet->flags & TCP_RST) {
		COUNT(counters, HTTP_COUNT_ENDED);
		connections_delete(&packet->key);
	}
}

#endif
