/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What stands between the link layer and IP: VLAN tags.
 */
#ifndef HTTPIPE_PARSE_LINK_H
#define HTTPIPE_PARSE_LINK_H

#include "parse/access.h"
#include "parse/headers.h"
#include "verifier.h"

/* VLAN tags followed at most: more than any real packet has. */
#define MAX_TAGS 4

static __always_inline int may_follow_a_tag(__u32 type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_IPV4 ||
	       type == ETHERTYPE_IPV6 || type == ETHERTYPE_MPLS || type == ETHERTYPE_PPPOE;
}

/* VLAN tags that lie in the packet. The outermost one is usually in the metadata already; further ones
 * (QinQ), and those of packets sent through a VLAN device, stand where IP is expected: tag, type. Packets
 * that another program sent raw with a tag already point at IP, though their type still says VLAN: hence the
 * look at the type. */
static __always_inline void skip_tags(PACKET_CONTEXT *context, struct headers *headers, __u32 *vlan)
{
	UNROLL
	for (int i = 0; i < MAX_TAGS; i++) {
		__u16 tag[2];
		__u32 next;

		if (headers->type != ETHERTYPE_VLAN && headers->type != ETHERTYPE_QINQ)
			break;
		if (packet_load(context, headers->start, tag, sizeof(tag)))
			break;
		next = swap16(tag[1]);
		if (may_follow_a_tag(next)) {
			*vlan = swap16(tag[0]) & 0x0FFF;
			headers->type = next;
			headers->start += sizeof(tag);
		} else {
			next = *(__u8 *)tag >> 4;
			headers->type = next == 4 ? ETHERTYPE_IPV4 : next == 6 ? ETHERTYPE_IPV6 : 0;
		}
		barrier();
	}
}

#endif
