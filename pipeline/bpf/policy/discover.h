/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a connection's opening to the first bytes that show whether it speaks HTTP.
 *
 *   seen                         | openings         | connections    | records
 *   -----------------------------+------------------+----------------+------------------------------
 *   SYN                          | added            | deleted        | none
 *   SYN-ACK of the other end     | completed        |                | none
 *   payload, not HTTP            |                  |                | none
 *   payload, starts like HTTP    | deleted          | added          | SYN, SYN-ACK and owners, if
 *                                |                  |                | known
 *   payload, part of a method,   | needed: it must be the first byte behind the SYN or SYN-ACK,
 *   or SETTINGS of a server      | else "not HTTP"
 *
 * The table of openings is apart, so that a flood of SYNs forgets no exchange.
 */
#ifndef HTTPIPE_POLICY_DISCOVER_H
#define HTTPIPE_POLICY_DISCOVER_H

#include "classify/start.h"
#include "emit/ring.h"
#include "policy/owners.h"
#include "policy/shed.h"

/* No ACK yet: the client speaks. */
static __always_inline void on_syn(struct packet *packet)
{
	struct http_opening opening = {};

	opening.syn_ns = packet->now_ns;
	opening.syn_seq = packet->seq;
	opening.client = packet->side;
	openings_update(&packet->key, &opening);
	/* The same four values name a new connection now. */
	if (connections_lookup(&packet->key)) {
		connections_delete(&packet->key);
		frames_delete(&packet->key);
	}
}

static __always_inline void on_syn_ack(struct packet *packet)
{
	struct http_opening *opening = openings_lookup(&packet->key);

	if (!opening || opening->client == packet->side)
		return;
	opening->answer_seq = packet->seq;
	opening->answer_ns = packet->now_ns;
}

/* SYN and SYN-ACK, late: only connections that speak HTTP have theirs reported. */
static __always_inline void report_opening(struct __sk_buff *skb, struct http_scratch *work,
					   const struct http_opening *opening, struct http_settings *settings,
					   struct http_counters *counters)
{
	struct http_record *record = draft_record(work);

	record->ts_ns = opening->syn_ns;
	record->last_ns = opening->syn_ns;
	record->seq = opening->syn_seq;
	record->ack = 0;
	record->flags = TCP_SYN;
	work->draft.side = opening->client;
	emit(skb, work, settings, counters);
	if (!opening->answer_ns)
		return;
	record = draft_record(work);
	record->ts_ns = opening->answer_ns;
	record->last_ns = opening->answer_ns;
	record->seq = opening->answer_seq;
	record->ack = opening->syn_seq + 1;
	record->flags = TCP_SYN | TCP_ACK;
	work->draft.side = !opening->client;
	emit(skb, work, settings, counters);
}

/* Whether the segment is the first of the client, or of the server, of a connection whose opening was seen.
 */
static __always_inline int is_first(const struct packet *packet, const struct http_opening *opening,
				    int client)
{
	if (!opening || (opening->client == packet->side) != client)
		return 0;
	return packet->seq == (client ? opening->syn_seq : opening->answer_seq) + 1;
}

/* Payload of a connection not known: is it HTTP? Then it is, from now on. A segment shorter than a method is
 * believed only where it is the connection's first, so its opening must have been seen.
 *
 * Both ends may begin at once, each on a CPU of its own: a server of HTTP/2 does not wait for the preface.
 * So the opening goes into the ring before the connection is known, and before any byte of it: a CPU that
 * finds no connection reports the opening itself, once more; and of the two only one makes the connection. */
static __always_inline int discover(struct __sk_buff *skb, struct http_scratch *work,
				    struct http_settings *settings, struct http_counters *counters)
{
	struct http_connection fresh = {};
	struct packet *packet = &work->packet;
	struct http_opening *opening;

	if (work->draft.start == START_TLS || work->draft.start == START_HELLO)
		COUNT(counters, HTTP_COUNT_TLS_CONNECTIONS);
	if (work->draft.start == START_NONE || work->draft.start == START_TLS ||
	    work->draft.start == START_TLS_DATA ||
	    (work->draft.start == START_HELLO && !settings->handshakes)) {
		COUNT(counters, HTTP_COUNT_NOT_HTTP);
		return 0;
	}
	opening = openings_lookup(&packet->key);
	if ((work->draft.start == START_PARTIAL && !is_first(packet, opening, 1)) ||
	    (work->draft.start == START_SETTINGS && !is_first(packet, opening, 0))) {
		if (connections_lookup(
			    &packet->key)) /* the other CPU was quicker, and has taken the opening */
			return 1;
		COUNT(counters, HTTP_COUNT_NOT_HTTP);
		return 0;
	}
	fresh.speaker = packet->side;
	fresh.shed = !is_kept(packet, settings);
	if (work->draft.start == START_HELLO)
		fresh.tls = packet->side + 1;
	if (fresh.tls && fresh.shed) { /* no request will ever take it up again */
		COUNT(counters, HTTP_COUNT_SHED_CONNECTIONS);
		return 0;
	}
	if (opening && !fresh.shed)
		report_opening(skb, work, opening, settings, counters);
	if (connections_add(&packet->key, &fresh)) /* the other CPU was quicker, or the table is full */
		return 1;
	if (fresh.tls)
		COUNT(counters, HTTP_COUNT_HANDSHAKES);
	else
		COUNT(counters, HTTP_COUNT_CONNECTIONS);
	if (fresh.shed)
		COUNT(counters, HTTP_COUNT_SHED_CONNECTIONS);
	if (opening)
		openings_delete(&packet->key);
	if (!fresh.shed)
		report_owners(packet, counters);
	return 1;
}

#endif
