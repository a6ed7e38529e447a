/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Turns: what of a connection known to be HTTP is copied, and what crosses the ring as a range of sequence
 * numbers only.
 *
 * Each direction copies the first `budget` bytes of its turn, up to the sequence number `copy_until`. What is
 * in front of it is copied, what is behind it is left out (ranges.h):
 *
 *   segment with payload        | before copy_until           | from copy_until on       | shed
 *   ----------------------------+-----------------------------+--------------------------+--------------
 *   starts like a message       | new turn; copied            | new turn; the range is   | a request may
 *                               |                             | reported; copied         | end it (decide)
 *   new, the other side spoke   | new turn; copied;           | new turn (not once       | remembered
 *   last                        | the other's range reported  | upgraded), as above      |
 *   new, same turn              | copied up to copy_until     | joins the range          | remembered
 *   retransmitted               | copied again                | in the range already     | nothing
 *   seen before, on another     | dropped, counted            | dropped, counted         | dropped,
 *   interface                   |                             |                          | counted
 *   FIN, RST (behind payload)   | range and FIN reported      | range and FIN reported   | nothing
 *
 * "New" is what lies beyond `next_seq`. A new turn sets copy_until to the segment's first byte + budget; so
 * does a direction's first segment. A connection is `upgraded` behind 101, or 2xx to CONNECT, until something
 * looks like a request again. Behind the preface of HTTP/2, and with `settings.websockets` behind 101, there
 * are no turns any more, and nothing looks like a request: frames.h. FIN of both directions, or RST, ends the
 * connection.
 *
 * An example, budget 32,768. The client has sent a request of 37 bytes at 1000; the server answers with
 * 100,000 bytes at 2000, in segments of 1,448; then the client asks again, at 1037:
 *
 *   segment                      | state after it                       | records: seq + length (captured)
 *   -----------------------------+--------------------------------------+---------------------------------
 *   client 1000 + 37, "GET / "   | client copies until 33,768           | 1000 + 37 (37)
 *   server 2000 + 1448, "HTTP/1" | server copies until 34,768           | 2000 + 1448 (1448)
 *   server, the next 21          | next_seq 33,856                      | one each, 1448 (1448)
 *   server 33,856 + 1448         | crosses copy_until                   | 33,856 + 1448 (912)
 *   server 35,304 + 1448         | range 35,304 + 1448, listed for the  |
 *                                | sweep                                |
 *   server, up to 102,000        | range 35,304 + 66,696                |
 *   client 1037 + 37, "GET / "   | speaker: client, until 33,805        | 35,304 + 66,696 (0), RANGE
 *                                |                                      | 1037 + 37 (37)
 *
 * 26 records stand for 100,074 bytes; the sum of their lengths is exact, and 32,842 bytes were copied.
 * tests/live/test_turns.py runs this example.
 */
#ifndef HTTPIPE_POLICY_TURNS_H
#define HTTPIPE_POLICY_TURNS_H

#include "classify/start.h"
#include "policy/copy.h"
#include "policy/frames.h"
#include "policy/handshakes.h"
#include "policy/owners.h"
#include "policy/ranges.h"
#include "policy/shed.h"

/* A request that opens a turn: go on with the connection, leave it, or take it up again. */
static __always_inline void decide(struct __sk_buff *skb, struct http_scratch *work,
				   struct http_connection *connection, struct http_settings *settings,
				   struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_record *record;

	if (is_kept(packet, settings)) {
		if (connection->shed)
			report_owners(packet, counters);
		connection->shed = 0;
	} else if (!connection->shed) {
		connection->shed = 1;
		COUNT(counters, HTTP_COUNT_SHED_CONNECTIONS);
		report_range(skb, work, &connection->side[0], 0, settings, counters);
		report_range(skb, work, &connection->side[1], 1, settings, counters);
		record = draft_record(work);
		record->seq = packet->seq;
		record->flags = 0;
		record->bits = HTTP_BIT_SHED;
		emit(skb, work, settings, counters);
	}
}

/* What the start of a segment says about the connection; RFC 9110, sections 7.8 and 9.3.6. */
static __always_inline void follow_protocol(struct __sk_buff *skb, struct http_scratch *work,
					    struct http_connection *connection,
					    const struct http_direction *other,
					    const struct http_settings *settings,
					    struct http_counters *counters)
{
	enum start start = work->draft.start;

	switch (start) {
	case START_PREFACE:
		connection->upgraded = HTTP_UPGRADED_HTTP2;
		begin_http2(work);
		work->draft.framed = 1;
		break;
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
		connection->upgraded =
			start == START_SWITCHED ? HTTP_UPGRADED_SWITCHED : HTTP_UPGRADED_TUNNEL;
		COUNT(counters, HTTP_COUNT_UPGRADED);
		if (start == START_SWITCHED && settings->websockets)
			begin_websocket(skb, work, other);
		break;
	default:
		break;
	}
}

/* Where the turn's copied bytes end, if the segment begins one. */
static __always_inline void begin_turn(struct __sk_buff *skb, struct http_scratch *work,
				       struct http_connection *connection, struct http_direction *mine,
				       const struct http_direction *other, int fresh,
				       struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	__u32 until = packet->seq + settings->budget, end = packet->seq + packet->length;

	/* Where a frame of HTTP/2 or of a WebSocket begins follows from all that came before, and nothing in
	 * one is a request. */
	if (connection->upgraded == HTTP_UPGRADED_HTTP2 ||
	    (settings->websockets && connection->upgraded == HTTP_UPGRADED_SWITCHED)) {
		if (!mine->where || LATER(end, mine->copy_until))
			mine->copy_until = end;
		work->draft.framed = 1;
		return;
	}
	if (work->draft.start > START_PARTIAL && work->draft.start < START_TLS) {
		if (fresh || LATER(until, mine->copy_until))
			mine->copy_until = until;
		follow_protocol(skb, work, connection, other, settings, counters);
	} else if (!mine->where || (fresh && connection->speaker != packet->side && !connection->upgraded)) {
		mine->copy_until = until;
	}
}

/* The segment brings new bytes: its sender has the turn. */
static __always_inline void remember(struct packet *packet, struct http_connection *connection,
				     struct http_direction *mine)
{
	mine->next_seq = packet->seq + packet->length;
	mine->where = packet->where;
	connection->speaker = packet->side;
}

static __always_inline void copy_or_leave_out(struct __sk_buff *skb, struct http_scratch *work,
					      struct http_direction *mine, struct http_settings *settings,
					      struct http_counters *counters)
{
	struct packet *packet = &work->packet;

	if (!LATER(mine->copy_until, packet->seq)) {
		leave_out(skb, work, mine, settings, counters);
		return;
	}
	work->draft.copy = mine->copy_until - packet->seq;
	if (work->draft.copy > packet->present)
		work->draft.copy = packet->present;
	if (mine->range)
		end_range(skb, work, mine, settings, counters);
	ADD(counters, HTTP_COUNT_LEFT_OUT_BYTES, packet->present - work->draft.copy);
	copy_out(skb, work, settings, counters);
}

/* One segment with payload of a connection known to be HTTP. */
static __always_inline void on_payload(struct __sk_buff *skb, struct http_scratch *work,
				       struct http_connection *connection, struct http_settings *settings,
				       struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_direction *mine = packet->side ? &connection->side[1] : &connection->side[0];
	struct http_direction *other = packet->side ? &connection->side[0] : &connection->side[1];
	int first = mine->where == 0;
	int fresh = first || LATER(packet->seq + packet->length, mine->next_seq);
	/* HTTP/2 is left at its preface only, and taken up again at any head. */
	int asks = work->draft.start == START_REQUEST || work->draft.start == START_CONNECT ||
		   work->draft.start == START_PREFACE ||
		   (work->draft.start == START_HEADERS && connection->shed);

	/* On `any`, a bridge and its ports show the same segment; and so do two sockets. */
	if (!fresh && mine->where != packet->where) {
		COUNT(counters, HTTP_COUNT_REPEATED);
		return;
	}
	/* What is captured of one direction only has no turns. The first request was decided on already. */
	if (fresh && asks && !connection->tls &&
	    (connection->speaker != packet->side || (!first && !other->where)))
		decide(skb, work, connection, settings, counters);
	if (connection->shed) {
		if (fresh)
			remember(packet, connection, mine);
		if (fresh && asks)
			COUNT(counters, HTTP_COUNT_SHED_REQUESTS);
		return;
	}
	work->draft.framed = 0;
	if (!connection->tls)
		begin_turn(skb, work, connection, mine, other, fresh, settings, counters);
	else if (!follow_handshake(skb, work, connection, mine, other, settings, counters))
		return;
	if (fresh) {
		if (connection->speaker != packet->side)
			report_range(skb, work, other, !packet->side, settings, counters);
		remember(packet, connection, mine);
	}
	if (work->draft.framed) {
		work->walk.begun = 0;
		stages_jump(skb, HTTPIPE_STAGE_FRAMES);
	}
	copy_or_leave_out(skb, work, mine, settings, counters);
	if (connection->tls && work->draft.last)
		connections_delete(&packet->key);
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
		report_range(skb, work, mine, packet->side, settings, counters);
		if (packet->flags & TCP_RST)
			report_range(skb, work, other, !packet->side, settings, counters);
		record = draft_record(work);
		record->seq = packet->seq + packet->length;
		record->flags = packet->flags;
		emit(skb, work, settings, counters);
	}
	mine->finished = 1;
	if (other->finished || packet->flags & TCP_RST) {
		if (connection->upgraded)
			frames_delete(&packet->key);
		/* Both ends may end it at once, each on a CPU of its own. */
		if (!connections_delete(&packet->key) && !connection->tls)
			COUNT(counters, HTTP_COUNT_ENDED);
	}
}

#endif
