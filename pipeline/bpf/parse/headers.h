/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Headers as they lie on the wire, and what parse/ has read of those of one packet.
 */
#ifndef HTTPIPE_PARSE_HEADERS_H
#define HTTPIPE_PARSE_HEADERS_H

/* EtherTypes (IEEE 802; IANA, "IEEE 802 Numbers") */
#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86DD
#define ETHERTYPE_VLAN	0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ	0x88A8 /* IEEE 802.1ad */
#define ETHERTYPE_MPLS	0x8847
#define ETHERTYPE_PPPOE 0x8864

/* Protocol numbers (IANA) */
#define PROTOCOL_IPIP 4
#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17
#define PROTOCOL_IPV6 41
#define PROTOCOL_GRE  47

/* TCP flags; RFC 9293, section 3.1 */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* RFC 791, section 3.1 */
struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__u16 total_length;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u32 source;
	__u32 destination;
};

/* RFC 8200, section 3 */
struct ipv6_header {
	__u32 version_class_label;
	__u16 payload_length;
	__u8 next;
	__u8 hop_limit;
	__u32 source[4];
	__u32 destination[4];
};

/* RFC 9293, section 3.1 */
struct tcp_header {
	__u16 source;
	__u16 destination;
	__u32 seq;
	__u32 ack;
	__u8 offset;
	__u8 flags;
	__u16 window;
	__u16 checksum;
	__u16 urgent;
};

/* The headers of the packet in hand. */
struct headers {
	__u32 type;	/* EtherType of what `start` points at */
	__u32 start;	/* of the IP header */
	__u32 offset;	/* of what follows it */
	__u32 end;	/* of the IP packet; padding of the frame comes after it */
	__u32 protocol; /* of what follows it */
	__u32 fragment; /* it is a fragment of a larger packet */
	__u32 source[4];
	__u32 destination[4];
	struct tcp_header tcp;
	__u32 pad;
};

/* What became of a packet. */
enum parsed {
	PARSED,	   /* a whole TCP segment */
	NOT_TCP,   /* another protocol, or too short to be TCP */
	TUNNELLED, /* a packet within a packet: not decoded */
	FRAGMENT,  /* a fragment of TCP over IP: not decoded */
	MALFORMED, /* headers that contradict themselves */
};

static __always_inline __u16 swap16(__u16 value)
{
	return __builtin_bswap16(value);
}

static __always_inline __u32 swap32(__u32 value)
{
	return __builtin_bswap32(value);
}

#endif
