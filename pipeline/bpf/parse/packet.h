/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a packet to its TCP segment: where the payload lies, how long it is, who talks to whom.
 *
 * Comes in: a packet, by the functions of access.h. Goes out: `struct packet`, and what became of it
 * (enum parsed). What comes in is hostile: every length is checked against the packet before it is used.
 * Nothing here keeps state, counts, or knows of HTTP.
 */
#ifndef HTTPIPE_PARSE_PACKET_H
#define HTTPIPE_PARSE_PACKET_H

#include "parse/ipv4.h"
#include "parse/ipv6.h"
#include "parse/key.h"
#include "parse/link.h"
#include "parse/tunnel.h"

/* The packet in hand. */
struct packet {
	struct http_key key;
	__u32 side;    /* the sender's place in key */
	__u32 payload; /* offset of the first payload byte */
	__u32 length;  /* payload bytes on the wire */
	__u32 present; /* payload bytes that the packet still has: fewer where something cut it */
	__u32 seq;
	__u32 ack; /* 0 without ACK */
	__u32 flags;
	__u32 vlan; /* innermost VLAN id, 0 for none */
	/* What the program knows of its packet, and parse_packet does not ask for. */
	__u32 ifindex;
	__u32 where;	/* http_direction.where */
	__u32 outgoing; /* sent by this host */
	__u32 pad;
	__u64 now_ns; /* CLOCK_BOOTTIME */
};

/* The endpoint with the lower port, then the lower address, comes first; returns the sender's place. */
static __always_inline __u32 order_endpoints(const struct headers *headers)
{
	if (headers->tcp.source != headers->tcp.destination)
		return headers->tcp.source > headers->tcp.destination;
	UNROLL
	for (int i = 0; i < 4; i++)
		if (headers->source[i] != headers->destination[i])
			return headers->source[i] > headers->destination[i];
	return 0;
}

static __always_inline void name_connection(struct packet *packet, const struct headers *headers)
{
	struct http_key *key = &packet->key;

	packet->side = order_endpoints(headers);
	if (packet->side) {
		__builtin_memcpy(key->address[1], headers->source, 16);
		__builtin_memcpy(key->address[0], headers->destination, 16);
		key->port[1] = headers->tcp.source;
		key->port[0] = headers->tcp.destination;
	} else {
		__builtin_memcpy(key->address[0], headers->source, 16);
		__builtin_memcpy(key->address[1], headers->destination, 16);
		key->port[0] = headers->tcp.source;
		key->port[1] = headers->tcp.destination;
	}
	key->family = headers->type == ETHERTYPE_IPV6 ? 6 : 4;
}

/* The headers, of whatever protocol; PARSED where they are those of a whole TCP packet. `start` is the offset
 * of the network header. */
static __always_inline enum parsed parse_headers(PACKET_CONTEXT *context, __u32 start,
						 struct headers *headers, struct packet *packet)
{
	enum parsed parsed = NOT_TCP;

	headers->type = swap16(packet_protocol(context));
	headers->start = start;
	packet->vlan = packet_vlan(context);
	skip_tags(context, headers, &packet->vlan);
	if (headers->type == ETHERTYPE_IPV4)
		parsed = parse_ipv4(context, headers);
	else if (headers->type == ETHERTYPE_IPV6)
		parsed = parse_ipv6(context, headers);
	else if (headers->type == ETHERTYPE_MPLS || headers->type == ETHERTYPE_PPPOE)
		parsed = TUNNELLED;
	barrier();
	if (parsed != PARSED)
		return parsed;
	if (headers->protocol == PROTOCOL_TCP)
		return headers->fragment ? FRAGMENT : PARSED;
	return !headers->fragment && is_tunnel(context, headers) ? TUNNELLED : NOT_TCP;
}

/* `headers` and `packet` lie in map memory, not on the stack. `start`: where the network header begins, which
 * is 0 for packet sockets of type SOCK_DGRAM and for cgroup_skb, and behind the link's header for TC. */
static __always_inline enum parsed parse_packet(PACKET_CONTEXT *context, __u32 start, struct headers *headers,
						struct packet *packet)
{
	enum parsed parsed = parse_headers(context, start, headers, packet);
	__u32 length;

	if (parsed != PARSED)
		return parsed;
	length = (headers->tcp.offset >> 4) * 4;
	packet->payload = headers->offset + length;
	if (length < sizeof(headers->tcp) || packet->payload > headers->end)
		return MALFORMED;
	packet->length = headers->end - packet->payload;
	packet->present =
		packet_bytes(context) > packet->payload ? packet_bytes(context) - packet->payload : 0;
	if (packet->present > packet->length)
		packet->present = packet->length;
	packet->flags = headers->tcp.flags;
	packet->seq = swap32(headers->tcp.seq);
	packet->ack = packet->flags & TCP_ACK ? swap32(headers->tcp.ack) : 0;
	name_connection(packet, headers);
	barrier();
	return PARSED;
}

#endif
