/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * IPv4 (RFC 791), and the TCP header behind it.
 */
#ifndef HTTPIPE_PARSE_IPV4_H
#define HTTPIPE_PARSE_IPV4_H

#include "parse/access.h"
#include "parse/headers.h"

/* Both headers in one load: every TCP packet has 40 bytes. */
static __always_inline enum parsed parse_ipv4(PACKET_CONTEXT *context, struct headers *headers)
{
	struct {
		struct ipv4_header ip;
		struct tcp_header tcp;
	} both;
	__u32 length, total;

	if (packet_load(context, headers->start, &both, sizeof(both)))
		return NOT_TCP;
	length = (both.ip.version_ihl & 0x0F) * 4;
	total = swap16(both.ip.total_length);
	headers->protocol = both.ip.protocol;
	headers->fragment = (both.ip.fragment & swap16(0x3FFF)) != 0;
	headers->offset = headers->start + length;
	/* BIG TCP: longer than the field can say, which then holds 0. */
	headers->end = total ? headers->start + total : packet_bytes(context);
	if (both.ip.version_ihl >> 4 != 4 || length < sizeof(both.ip))
		return MALFORMED;
	__builtin_memset(headers->source, 0, 16);
	__builtin_memset(headers->destination, 0, 16);
	headers->source[0] = both.ip.source;
	headers->destination[0] = both.ip.destination;
	headers->tcp = both.tcp;
	if (length != sizeof(both.ip) && headers->protocol == PROTOCOL_TCP && !headers->fragment &&
	    packet_load(context, headers->offset, &headers->tcp, sizeof(headers->tcp)))
		return MALFORMED;
	return PARSED;
}

#endif
