/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a packet to its TCP segment: where the payload lies, how long it is, who talks to whom.
 *
 * The socket is AF_PACKET/SOCK_DGRAM, so offset 0 is the network header on every kind of link (packet(7)).
 * What comes in is hostile: every length is checked against the packet before it is used. Nothing here keeps
 * state.
 */
#ifndef HTTPIPE_PACKET_H
#define HTTPIPE_PACKET_H

#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86DD
#define ETHERTYPE_VLAN	0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ	0x88A8 /* IEEE 802.1ad */
#define ETHERTYPE_MPLS	0x8847
#define ETHERTYPE_PPPOE 0x8864

/* Protocol numbers (IANA); the first group are IPv6 extension headers (RFC 8200, section 4). */
#define NEXT_HOP_BY_HOP	 0
#define NEXT_ROUTING	 43
#define NEXT_FRAGMENT	 44
#define NEXT_AUTH	 51
#define NEXT_DESTINATION 60
#define PROTOCOL_IPIP	 4
#define PROTOCOL_TCP	 6
#define PROTOCOL_UDP	 17
#define PROTOCOL_IPV6	 41
#define PROTOCOL_GRE	 47
#define PORT_VXLAN	 4789
#define PORT_VXLAN_LINUX 8472 /* the kernel's own default, before IANA's */
#define PORT_GENEVE	 6081

/* __sk_buff.pkt_type, linux/if_packet.h */
#define PACKET_OUTGOING 4
/* Every network namespace has its loopback at this index (net/flow.h: LOOPBACK_IFINDEX). */
#define LOOPBACK	1

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* VLAN tags and extension headers followed at most: more than any real packet has. */
#define MAX_TAGS    4
#define MAX_HEADERS 8

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

struct ipv6_header {
	__u32 version_class_label;
	__u16 payload_length;
	__u8 next;
	__u8 hop_limit;
	__u32 source[4];
	__u32 destination[4];
};

/* Makes the compiler read map memory again: values that differ from path to path become any number to the
 * verifier, and the paths meet. Without CAP_PERFMON it compares numbers exactly, and needs this to come to an
 * end. */
#define FORGET() asm volatile("" ::: "memory")

/* Before every loop. check_cfg() of kernels before 6.8 refuses a loop into whose head the instruction before
 * it falls through, and where clang puts the head differs from version to version. A loop that clang cannot
 * unroll is an error (-Wpass-failed). */
#define UNROLL _Pragma("clang loop unroll(full)")

/* Adds to a counter. In assembly with the place as a constant: compilers like to merge two counts into one at
 * a computed place, which the verifier refuses to programs without CAP_PERFMON. */
#define ADD(counters, what, by)                                                                              \
	do {                                                                                                 \
		__u64 sum_, more_ = (by);                                                                    \
		asm volatile("%[sum] = *(u64 *)(%[base] + %[place])\n"                                       \
			     "%[sum] += %[more]\n"                                                           \
			     "*(u64 *)(%[base] + %[place]) = %[sum]\n"                                       \
			     : [sum] "=&r"(sum_)                                                             \
			     : [base] "r"(counters), [place] "i"((what)*8), [more] "r"(more_)                \
			     : "memory");                                                                    \
	} while (0)
#define COUNT(counters, what) ADD(counters, what, 1)

static __always_inline __u16 swap16(__u16 value)
{
	return __builtin_bswap16(value);
}

static __always_inline __u32 swap32(__u32 value)
{
	return __builtin_bswap32(value);
}

/* VLAN tags that lie in the packet. The outermost one is usually in the metadata already; further ones
 * (QinQ), and those of packets sent through a VLAN device, stand where IP is expected: tag, type. Packets
 * that another program sent raw with a tag already point at IP, though their type still says VLAN: hence the
 * look at the type. */
static __always_inline void skip_tags(struct __sk_buff *skb, struct headers *headers, __u32 *vlan)
{
	UNROLL
	for (int i = 0; i < MAX_TAGS; i++) {
		__u16 tag[2];
		__u32 next;

		if (headers->type != ETHERTYPE_VLAN && headers->type != ETHERTYPE_QINQ)
			break;
		if (bpf_skb_load_bytes(skb, headers->start, tag, sizeof(tag)))
			break;
		next = swap16(tag[1]);
		if (next == ETHERTYPE_VLAN || next == ETHERTYPE_QINQ || next == ETHERTYPE_IPV4 ||
		    next == ETHERTYPE_IPV6 || next == ETHERTYPE_MPLS || next == ETHERTYPE_PPPOE) {
			*vlan = swap16(tag[0]) & 0x0FFF;
			headers->type = next;
			headers->start += sizeof(tag);
		} else {
			next = *(__u8 *)tag >> 4;
			headers->type = next == 4 ? ETHERTYPE_IPV4 : next == 6 ? ETHERTYPE_IPV6 : 0;
		}
		FORGET();
	}
}

/* The end with the lower port, then the lower address, comes first; returns the sender's place. */
static __always_inline __u32 order_ends(const struct headers *headers)
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

	packet->side = order_ends(headers);
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

enum parsed {
	PARSED,
	NOT_TCP, /* too short to be TCP, or another version of IP */
	MALFORMED,
};

/* IPv4 and the TCP header behind it in one load: every TCP packet has 40 bytes. */
static __always_inline enum parsed parse_ipv4(struct __sk_buff *skb, struct headers *headers)
{
	struct {
		struct ipv4_header ip;
		struct tcp_header tcp;
	} both;
	__u32 length, total;

	if (bpf_skb_load_bytes(skb, headers->start, &both, sizeof(both)))
		return NOT_TCP;
	length = (both.ip.version_ihl & 0x0F) * 4;
	total = swap16(both.ip.total_length);
	headers->protocol = both.ip.protocol;
	headers->fragment = (both.ip.fragment & swap16(0x3FFF)) != 0;
	headers->offset = headers->start + length;
	/* BIG TCP: longer than the field can say, which then holds 0. */
	headers->end = total ? headers->start + total : skb->len;
	if (both.ip.version_ihl >> 4 != 4 || length < sizeof(both.ip))
		return MALFORMED;
	__builtin_memset(headers->source, 0, 16);
	__builtin_memset(headers->destination, 0, 16);
	headers->source[0] = both.ip.source;
	headers->destination[0] = both.ip.destination;
	headers->tcp = both.tcp;
	if (length != sizeof(both.ip) && headers->protocol == PROTOCOL_TCP && !headers->fragment &&
	    bpf_skb_load_bytes(skb, headers->offset, &headers->tcp, sizeof(headers->tcp)))
		return MALFORMED;
	return PARSED;
}

/* Behind one extension header; RFC 8200, section 4. */
static __always_inline void skip_header(struct headers *headers, const __u8 *bytes)
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

static __always_inline int is_extension(__u32 kind)
{
	return kind == NEXT_HOP_BY_HOP || kind == NEXT_ROUTING || kind == NEXT_DESTINATION ||
	       kind == NEXT_FRAGMENT || kind == NEXT_AUTH;
}

static __always_inline enum parsed parse_ipv6(struct __sk_buff *skb, struct headers *headers)
{
	struct ipv6_header ip;
	__u32 length;

	if (bpf_skb_load_bytes(skb, headers->start, &ip, sizeof(ip)))
		return NOT_TCP;
	if ((ip.version_class_label & 0xF0) != 0x60)
		return MALFORMED;
	length = swap16(ip.payload_length);
	headers->protocol = ip.next;
	headers->fragment = 0;
	headers->offset = headers->start + sizeof(ip);
	/* 0: a jumbogram (RFC 2675) or BIG TCP. */
	headers->end = length ? headers->offset + length : skb->len;
	__builtin_memcpy(headers->source, ip.source, 16);
	__builtin_memcpy(headers->destination, ip.destination, 16);
	UNROLL
	for (int i = 0; i < MAX_HEADERS; i++) {
		__u8 bytes[4];

		FORGET();
		if (headers->fragment || !is_extension(headers->protocol))
			break;
		if (bpf_skb_load_bytes(skb, headers->offset, bytes, sizeof(bytes)))
			return MALFORMED;
		skip_header(headers, bytes);
	}
	FORGET();
	if (headers->fragment || headers->protocol != PROTOCOL_TCP)
		return PARSED;
	return bpf_skb_load_bytes(skb, headers->offset, &headers->tcp, sizeof(headers->tcp)) ? MALFORMED
											     : PARSED;
}

static __always_inline int is_tunnel(struct __sk_buff *skb, const struct headers *headers)
{
	__u16 port;

	if (headers->protocol == PROTOCOL_IPIP || headers->protocol == PROTOCOL_IPV6 ||
	    headers->protocol == PROTOCOL_GRE)
		return 1;
	if (headers->protocol != PROTOCOL_UDP ||
	    bpf_skb_load_bytes(skb, headers->offset + 2, &port, sizeof(port)))
		return 0;
	port = swap16(port);
	return port == PORT_VXLAN || port == PORT_VXLAN_LINUX || port == PORT_GENEVE;
}

/* The headers, of whatever protocol; true where they are those of a whole TCP packet. Counts what is not
 * decoded. */
static __always_inline int parse_headers(struct __sk_buff *skb, struct http_scratch *work,
					 struct http_counters *counters)
{
	struct headers *headers = &work->headers;
	enum parsed parsed = NOT_TCP;

	headers->type = swap16(skb->protocol);
	headers->start = 0;
	work->packet.vlan = skb->vlan_present ? skb->vlan_tci & 0x0FFF : 0;
	skip_tags(skb, headers, &work->packet.vlan);
	if (headers->type == ETHERTYPE_IPV4)
		parsed = parse_ipv4(skb, headers);
	else if (headers->type == ETHERTYPE_IPV6)
		parsed = parse_ipv6(skb, headers);
	else if (headers->type == ETHERTYPE_MPLS || headers->type == ETHERTYPE_PPPOE)
		COUNT(counters, HTTP_COUNT_TUNNELLED);
	FORGET();
	if (parsed == MALFORMED)
		COUNT(counters, HTTP_COUNT_MALFORMED);
	if (parsed != PARSED)
		return 0;
	if (headers->protocol == PROTOCOL_TCP && !headers->fragment)
		return 1;
	if (headers->protocol == PROTOCOL_TCP)
		COUNT(counters, HTTP_COUNT_IP_FRAGMENTS);
	else if (!headers->fragment && is_tunnel(skb, headers))
		COUNT(counters, HTTP_COUNT_TUNNELLED);
	return 0;
}

/* True where the packet is a whole TCP segment. */
static __always_inline int parse_packet(struct __sk_buff *skb, struct http_scratch *work,
					struct http_counters *counters)
{
	struct headers *headers = &work->headers;
	struct packet *packet = &work->packet;
	__u32 length;

	if (!parse_headers(skb, work, counters))
		return 0;
	length = (headers->tcp.offset >> 4) * 4;
	packet->payload = headers->offset + length;
	if (length < sizeof(headers->tcp) || packet->payload > headers->end) {
		COUNT(counters, HTTP_COUNT_MALFORMED);
		return 0;
	}
	packet->length = headers->end - packet->payload;
	packet->present = skb->len > packet->payload ? skb->len - packet->payload : 0;
	if (packet->present > packet->length)
		packet->present = packet->length;
	packet->flags = headers->tcp.flags;
	packet->seq = swap32(headers->tcp.seq);
	packet->ack = packet->flags & TCP_ACK ? swap32(headers->tcp.ack) : 0;
	name_connection(packet, headers);
	FORGET();
	return 1;
}

#endif
