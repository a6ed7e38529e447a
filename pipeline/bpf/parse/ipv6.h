/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * IPv6 and its extension headers (RFC 8200), and the TCP header behind them.
 */
#ifndef HTTPIPE_PARSE_IPV6_H
#define HTTPIPE_PARSE_IPV6_H

#include "parse/access.h"
#include "parse/headers.h"
#include "verifier.h"

/* Extension headers; RFC 8200, section 4 */
#define NEXT_HOP_BY_HOP	 0
#define NEXT_ROUTING	 43
#define NEXT_FRAGMENT	 44
#define NEXT_AUTH	 51
#define NEXT_DESTINATION 60

/* Extension headers followed at most: more than any real packet has. */
#define MAX_HEADERS 8

static __always_inline int is_extension(__u32 kind)
{
	return kind == NEXT_HOP_BY_HOP || kind == NEXT_ROUTING || kind == NEXT_DESTINATION ||
	       kind == NEXT_FRAGMENT || kind == NEXT_AUTH;
}

/* Behind one extension header, of which `bytes` are the first four. */
static __always_inline void skip_extension(struct headers *headers, const __u8 *bytes)
{
	__u32 kind = headers->protocol;

	headers->protocol = bytes[0];
	if (kind == NEXT_FRAGMENT) {
		/* Offset or "more": a real fragment. Neither: an atomic one (RFC 6946), a whole packet. */
		headers->fragment = bytes[2] != 0 || (bytes[3] & 0xF9) != 0;
		headers->offset += 8;
	} else if (kind == NEXT_AUTH) {
		headers->offset += (bytes[1] + 2) * 4; /* RFC 4302, section 2.2 */
	} else {
		headers->offset += (bytes[1] + 1) * 8;
	}
}

static __always_inline enum parsed parse_ipv6(PACKET_CONTEXT *context, struct headers *headers)
{
	struct ipv6_header ip;
	__u32 length;

	if (packet_load(context, headers->start, &ip, sizeof(ip)))
		return NOT_TCP;
	if ((ip.version_class_label & 0xF0) != 0x60)
		return MALFORMED;
	length = swap16(ip.payload_length);
	headers->protocol = ip.next;
	headers->fragment = 0;
	headers->offset = headers->start + sizeof(ip);
	/* 0: a jumbogram (RFC 2675) or BIG TCP. */
	headers->end = length ? headers->offset + length : packet_bytes(context);
	__builtin_memcpy(headers->source, ip.source, 16);
	__builtin_memcpy(headers->destination, ip.destination, 16);
	UNROLL
	for (int i = 0; i < MAX_HEADERS; i++) {
		__u8 bytes[4];

		barrier();
		if (headers->fragment || !is_extension(headers->protocol))
			break;
		if (packet_load(context, headers->offset, bytes, sizeof(bytes)))
			return MALFORMED;
		skip_extension(headers, bytes);
	}
	barrier();
	if (headers->fragment || headers->protocol != PROTOCOL_TCP)
		return PARSED;
	return packet_load(context, headers->offset, &headers->tcp, sizeof(headers->tcp)) ? MALFORMED
											  : PARSED;
}

#endif
