// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The HTTP traffic of a host, as seen by a socket filter on an AF_PACKET/SOCK_DGRAM socket.
 *
 * Comes in: every packet of the interfaces that the socket is bound to. Goes out, through a ring buffer:
 * records of connections that speak HTTP (http_trace.h). It chooses and copies and never parses HTTP beyond
 * the first bytes of a segment; it never changes a packet, and always answers 0, so that the socket itself
 * receives nothing.
 *
 * Reading order: http_trace.h (layout), maps.h (who writes what), packet.h (headers), detect.h (is it HTTP?),
 * turns.h (what is copied), shed.h (whose, when there is too much), emit.h (into the ring), and this file
 * (what happens to a packet).
 */
#include "loader_compat.h"
#include "packet.h"
#include "detect.h"
#include "emit.h"
#include "shed.h"
#include "turns.h"

/* No ACK yet: the client speaks. The table of openings is apart, so that a flood of SYNs forgets no exchange.
 */
static __always_inline void on_syn(struct packet *packet)
{
	struct http_opening opening = {};

	opening.syn_ns = packet->now_ns;
	opening.syn_seq = packet->seq;
	opening.client = packet->side;
	openings_update(&packet->key, &opening);
	/* The same four values name a new connection now. */
	connections_delete(&packet->key);
}

static __always_inline void on_syn_ack(struct packet *packet)
{
	struct http_opening *opening = openings_lookup(&packet->key);

	if (!opening || opening->client == packet->side)
		return;
	opening->answer_seq = packet->seq;
	opening->answer_ns = packet->now_ns;
}

/* SYN and SYN-ACK, told late: only connections that speak HTTP have theirs told. */
static __always_inline void tell_opening(struct __sk_buff *skb, struct http_scratch *work,
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

/* Payload of a connection not known: is it HTTP? Then it is, from now on. A segment shorter than a method is
 * believed only where it is the connection's first, so its opening must have been seen. */
static __always_inline int discover(struct __sk_buff *skb, struct http_scratch *work,
				    struct http_settings *settings, struct http_counters *counters)
{
	struct http_connection fresh = {};
	struct packet *packet = &work->packet;
	struct http_opening *opening;

	if (packet->start == START_NONE || packet->start == START_TLS) {
		COUNT(counters, HTTP_COUNT_NOT_HTTP);
		if (packet->start == START_TLS)
			COUNT(counters, HTTP_COUNT_TLS_CONNECTIONS);
		return 0;
	}
	opening = openings_lookup(&packet->key);
	if (packet->start == START_PARTIAL &&
	    (!opening || opening->client != packet->side || packet->seq != opening->syn_seq + 1)) {
		COUNT(counters, HTTP_COUNT_NOT_HTTP);
		return 0;
	}
	fresh.speaker = packet->side;
	fresh.shed = !is_kept(packet, settings);
	if (connections_update(&packet->key, &fresh)) {
		COUNT(counters, HTTP_COUNT_TABLE_FULL);
		return 0;
	}
	COUNT(counters, HTTP_COUNT_CONNECTIONS);
	if (fresh.shed)
		COUNT(counters, HTTP_COUNT_SHED_CONNECTIONS);
	else if (opening)
		tell_opening(skb, work, opening, settings, counters);
	if (opening)
		openings_delete(&packet->key);
	return 1;
}

static __always_inline int port_wanted(const struct http_settings *settings, __u16 port)
{
	__u32 number = swap16(port);

	return settings->ports[(number >> 6) & 1023] >> (number & 63) & 1;
}

static __always_inline void on_segment(struct __sk_buff *skb, struct http_scratch *work,
				       struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_connection *connection;

	if (packet->flags & TCP_SYN) {
		if (packet->flags & TCP_ACK)
			on_syn_ack(packet);
		else
			on_syn(packet);
		packet->seq += 1; /* TCP Fast Open (RFC 7413): payload begins behind the SYN */
		packet->flags &= ~TCP_SYN;
		FORGET();
	}
	if (!packet->length && !(packet->flags & (TCP_FIN | TCP_RST)))
		return;
	connection = connections_lookup(&packet->key);
	if (packet->length) {
		packet->start = detect(skb, packet);
		FORGET();
	}
	/* Looked up once more, and not handed on by discover: to programs without CAP_PERFMON the verifier
	 * also follows the branch that a processor takes by mistake, and there a pointer that was 0 is
	 * refused. */
	if (!connection) {
		if (!packet->length || !discover(skb, work, settings, counters))
			return;
		connection = connections_lookup(&packet->key);
		if (!connection) {
			COUNT(counters, HTTP_COUNT_TABLE_FULL); /* others took its place at once */
			return;
		}
	}
	if (packet->length)
		on_payload(skb, work, connection, settings, counters);
	if (packet->flags & (TCP_FIN | TCP_RST))
		on_end(skb, work, connection, settings, counters);
}

HTTPIPE_PROGRAM
int http_trace(struct __sk_buff *skb)
{
	struct http_settings *settings = settings_lookup();
	struct http_counters *counters = counters_lookup();
	struct http_scratch *work = scratch_lookup();

	if (!settings || !counters || !work)
		return 0;
	/* Read once: where clang shares the address of a field of skb between two places, the verifier
	 * refuses "dereference of modified ctx ptr". */
	work->packet.ifindex = skb->ifindex;
	work->packet.outgoing = skb->pkt_type == PACKET_OUTGOING;
	/* Loopback shows each packet twice, sent and received. */
	if (work->packet.ifindex == LOOPBACK && work->packet.outgoing)
		return 0;
	COUNT(counters, HTTP_COUNT_PACKETS);
	if (!parse_packet(skb, work, counters))
		return 0;
	/* Pure acknowledgements, half of all packets. */
	if (!work->packet.length && !(work->packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return 0;
	if (settings->some_ports && !port_wanted(settings, work->packet.key.port[0]) &&
	    !port_wanted(settings, work->packet.key.port[1]))
		return 0;
	work->packet.now_ns = bpf_ktime_get_boot_ns();
	on_segment(skb, work, settings, counters);
	return 0;
}

/* What is attached. Until Linux 6.8 an attached program counts against the socket's net.core.optmem_max, 20
 * KiB: 2,500 instructions, of which http_trace has more. One that is jumped to counts nowhere. */
HTTPIPE_PROGRAM
int http_entry(struct __sk_buff *skb)
{
	stages_jump(skb, 0);
	return 0;
}
