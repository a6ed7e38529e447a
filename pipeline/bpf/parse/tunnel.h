/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Packets within packets: recognised, so that they can be counted, and not looked into.
 */
#ifndef HTTPIPE_PARSE_TUNNEL_H
#define HTTPIPE_PARSE_TUNNEL_H

#include "parse/access.h"
#include "parse/headers.h"

/* UDP ports (IANA) */
#define PORT_VXLAN	 4789
#define PORT_VXLAN_LINUX 8472 /* the kernel's own default, before IANA's */
#define PORT_GENEVE	 6081

static __always_inline int is_tunnel(PACKET_CONTEXT *context, const struct headers *headers)
{
	__u16 port;

	if (headers->protocol == PROTOCOL_IPIP || headers->protocol == PROTOCOL_IPV6 ||
	    headers->protocol == PROTOCOL_GRE)
		return 1;
	if (headers->protocol != PROTOCOL_UDP ||
	    packet_load(context, headers->offset + 2, &port, sizeof(port)))
		return 0;
	port = swap16(port);
	return port == PORT_VXLAN || port == PORT_VXLAN_LINUX || port == PORT_GENEVE;
}

#endif
