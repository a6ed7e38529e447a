// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The HTTP traffic of a host, as seen by a socket filter on an AF_PACKET/SOCK_DGRAM socket, or on the root
 * cgroup by every socket.
 *
 * Comes in: every packet of the interfaces that the socket is bound to, or of every socket. Goes out, through
 * a ring buffer: records of connections that speak HTTP (http_trace.h). It chooses and copies and never
 * parses HTTP beyond the first bytes of a segment; it never changes a packet. On a packet socket it always
 * answers 0, so that the socket itself receives nothing; on the cgroup always 1, so that every packet passes.
 *
 * Reading order: http_trace.h (layout), maps.h (who writes what), parse/ (packet to struct), classify/ (is it
 * HTTP?), policy/ (whose, and what of it), frames/ (where frames begin), emit/ (into the ring), and this file
 * (what happens to a packet).
 * parse/ and classify/ know neither the maps nor the records: other programs include them, too.
 */
#include "loader.h"
#include "classify/payload.h"
#include "emit/datagram.h"
#include "policy/discover.h"
#include "policy/ports.h"
#include "policy/turns.h"

/* __sk_buff.pkt_type, linux/if_packet.h */
#define PACKET_HOST	  0
#define PACKET_OUTGOING	  4
/* Every network namespace has its loopback at this index (net/flow.h: LOOPBACK_IFINDEX). */
#define LOOPBACK	  1
/* Offset 0 is the network header on every kind of link; packet(7), SOCK_DGRAM. */
#define NETWORK_HEADER	  0
/* A process that sends, another one that takes its place on the CPU, and what arrives meanwhile. */
#define PLACES_AT_SOCKETS 3

static __always_inline void count_not_parsed(struct http_counters *counters, enum parsed parsed)
{
	if (parsed == MALFORMED)
		COUNT(counters, HTTP_COUNT_MALFORMED);
	else if (parsed == TUNNELLED)
		COUNT(counters, HTTP_COUNT_TUNNELLED);
	else if (parsed == FRAGMENT)
		COUNT(counters, HTTP_COUNT_IP_FRAGMENTS);
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
		barrier();
	}
	if (!packet->length && !(packet->flags & (TCP_FIN | TCP_RST)))
		return;
	connection = connections_lookup(&packet->key);
	if (packet->length) {
		work->draft.start = classify_payload(skb, packet);
		barrier();
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

/* A packet that is not of TCP, where handshakes are asked for. */
static __always_inline void on_datagram(struct __sk_buff *skb, struct http_scratch *work,
					struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;

	if (work->headers.protocol != PROTOCOL_UDP || work->headers.fragment || !parse_datagram(skb, work))
		return;
	packet->now_ns = bpf_ktime_get_boot_ns();
	if (ports_wanted(settings, packet->key.port[0], packet->key.port[1]) && is_kept(packet, settings))
		emit_datagram(skb, work, settings, counters);
}

static __always_inline int is_syn_ack(const struct packet *packet)
{
	return (packet->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

/* The scratch memory of the packet in hand; at sockets skb->cb says which. */
static __always_inline struct http_scratch *work_of(struct __sk_buff *skb, int at_socket)
{
	return scratch_lookup(at_socket ? skb->cb[0] : 0);
}

/* One packet, from where it was seen: an interface, or a socket. */
static __always_inline void look(struct __sk_buff *skb, int outgoing, int received, int at_socket)
{
	struct http_settings *settings = settings_lookup();
	struct http_counters *counters = counters_lookup();
	struct http_scratch *work = work_of(skb, at_socket);
	enum parsed parsed;

	if (!settings || !counters || !work)
		return;
	/* Read once: where clang shares the address of a field of skb between two places, the verifier
	 * refuses "dereference of modified ctx ptr". */
	work->packet.ifindex = skb->ifindex;
	work->packet.outgoing = outgoing;
	/* Loopback shows each packet twice. Who sends holds the socket's lock, so there they are in order; on
	 * their way to the receiver they wait at the CPU that sent them, and one CPU overtakes another. */
	if (work->packet.ifindex == LOOPBACK && received && !at_socket)
		return;
	/* Two sockets of this host may both be at interfaces of the same number, in their namespaces. */
	work->packet.where = work->packet.ifindex | (at_socket && outgoing ? HTTP_WHERE_SENT : 0);
	COUNT(counters, HTTP_COUNT_PACKETS);
	parsed = parse_packet(skb, NETWORK_HEADER, &work->headers, &work->packet);
	if (parsed == NOT_TCP && settings->handshakes)
		on_datagram(skb, work, settings, counters);
	if (parsed != PARSED) {
		count_not_parsed(counters, parsed);
		return;
	}
	/* Older kernels show no SYN-ACK where it is sent, as it belongs to no whole socket yet. */
	if (at_socket && received && work->packet.ifindex == LOOPBACK && !is_syn_ack(&work->packet))
		return;
	/* Pure acknowledgements, half of all packets. */
	if (!work->packet.length && !(work->packet.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return;
	if (!ports_wanted(settings, work->packet.key.port[0], work->packet.key.port[1]))
		return;
	work->packet.now_ns = bpf_ktime_get_boot_ns();
	on_segment(skb, work, settings, counters);
}

/* The frames of the segment in hand, as far as one run goes; then what look() would have done behind it. */
static __always_inline void look_at_frames(struct __sk_buff *skb, int at_socket)
{
	struct http_settings *settings = settings_lookup();
	struct http_counters *counters = counters_lookup();
	struct http_scratch *work = work_of(skb, at_socket);
	struct http_connection *connection;
	struct http_frames *frames;

	if (!settings || !counters || !work)
		return;
	connection = connections_lookup(&work->packet.key);
	if (!connection) {
		COUNT(counters, HTTP_COUNT_TABLE_FULL); /* others took its place at once */
		return;
	}
	frames = frames_of(work);
	if (!frames)
		return;
	follow_frames(skb, work, connection, frames, settings, counters);
	if (work->packet.flags & (TCP_FIN | TCP_RST))
		on_end(skb, work, connection, settings, counters);
}

#if HTTPIPE_AT_INTERFACES
HTTPIPE_PROGRAM("socket")
int http_trace(struct __sk_buff *skb)
{
	look(skb, skb->pkt_type == PACKET_OUTGOING, skb->pkt_type == PACKET_HOST, 0);
	return 0;
}

/* What is attached. Until Linux 6.8 an attached program counts against the socket's net.core.optmem_max, 20
 * KiB: 2,500 instructions, of which http_trace has more. One that is jumped to counts nowhere. */
HTTPIPE_PROGRAM("socket")
int http_entry(struct __sk_buff *skb)
{
	stages_jump(skb, HTTPIPE_STAGE_PACKET);
	return 0;
}

/* What http_trace jumps to where frames are followed. */
HTTPIPE_PROGRAM("socket")
int http_frames(struct __sk_buff *skb)
{
	look_at_frames(skb, 0);
	return 0;
}
#endif

#if HTTPIPE_AT_SOCKETS
/* Takes scratch memory that nobody on this CPU has in hand: a packet that arrives may interrupt one that a
 * process sends, and processes one another. False where all is taken. */
static __always_inline int enter(struct __sk_buff *skb)
{
	struct http_counters *counters = counters_lookup();
	struct http_scratch *work;

	UNROLL
	for (__u32 place = 0; place < PLACES_AT_SOCKETS; place++) {
		work = scratch_lookup(place);
		if (!work)
			break;
		__sync_fetch_and_add(&work->busy, 1);
		if (*(volatile __u32 *)&work->busy == 1) {
			skb->cb[0] = place;
			return 1;
		}
		__sync_fetch_and_add(&work->busy, -1);
	}
	if (counters)
		COUNT(counters, HTTP_COUNT_NESTED);
	return 0;
}

/* After enter(), by the last program that the packet came to. */
static __always_inline void leave(struct __sk_buff *skb)
{
	struct http_scratch *work = work_of(skb, 1);

	if (work)
		__sync_fetch_and_add(&work->busy, -1);
}

/* In place of these three, with the next, on the root cgroup: packets as the sockets of every network
 * namespace send and receive them. There 1 lets the packet pass, and 0 would drop it. */
HTTPIPE_PROGRAM("cgroup/skb")
int http_sockets(struct __sk_buff *skb)
{
	if (!enter(skb))
		return 1;
	look(skb, skb->ingress_ifindex == 0, skb->ingress_ifindex != 0, 1);
	leave(skb);
	return 1;
}

HTTPIPE_PROGRAM("cgroup/skb")
int http_sockets_frames(struct __sk_buff *skb)
{
	look_at_frames(skb, 1);
	leave(skb);
	return 1;
}
#endif
