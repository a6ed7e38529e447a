/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Turns the packet in hand into a bare TCP segment of the gate's own, towards where it came from or onwards.
 *
 * Whatever state the packet's checksum is in: CHECKSUM_PARTIAL wants the sum of the pseudo header in the
 * field, everything else the whole sum. Packets of many segments (GSO) become one.
 */
#ifndef HTTPIPE_GATE_DRAFT_H
#define HTTPIPE_GATE_DRAFT_H

#include "gate/maps.h"

#define MAC_BYTES	   6
#define ETHERNET	   14
#define DRAFT_TTL	   64
#define BARE_HEADER	   20
#define HEADER_WITH_STAMPS 32
/* Never scaled, so never more than 64 KiB: what comes is thrown away. */
#define DRAFT_WINDOW	   0xFFFF

/* RFC 7323, appendix A: as every stack sends it. */
struct stamps {
	__u8 kinds[4];
	__u32 stamp;
	__u32 echo;
};

struct drafted {
	struct tcp_header tcp;
	struct stamps stamps;
};

static __always_inline __u32 fold(__u64 sum)
{
	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return (sum & 0xFFFF) + (sum >> 16);
}

static __always_inline __u64 sum_of(void *bytes, __u32 n)
{
	return bpf_csum_diff(0, 0, bytes, n, 0);
}

/* The Ethernet addresses change places. */
static __noinline int turn_link(struct __sk_buff *skb, struct work *work)
{
	__u8 were[2 * MAC_BYTES], are[2 * MAC_BYTES];

	if (work->segment.link < ETHERNET)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, were, sizeof(were)))
		return -1;
	__builtin_memcpy(are, were + MAC_BYTES, MAC_BYTES);
	__builtin_memcpy(are + MAC_BYTES, were, MAC_BYTES);
	return bpf_skb_store_bytes(skb, 0, are, sizeof(are), 0);
}

/* Cut or grown to `bytes` behind the start of the TCP header. By way of fewer, so that nothing of the old
 * payload is left. */
static __always_inline int resize(struct __sk_buff *skb, __u32 tcp, __u32 bytes)
{
	if (skb->len > tcp + BARE_HEADER && bpf_skb_change_tail(skb, tcp + BARE_HEADER, 0))
		return -1;
	return bpf_skb_change_tail(skb, tcp + bytes, 0);
}

static __always_inline __u64 write_ipv4(struct __sk_buff *skb, struct work *work, __u32 bytes)
{
	const struct headers *headers = &work->headers;
	struct ipv4_header ip = {};
	__u32 back = work->draft.back;

	ip.version_ihl = 0x45;
	ip.total_length = swap16(sizeof(ip) + bytes);
	ip.fragment = swap16(0x4000); /* do not fragment */
	ip.ttl = DRAFT_TTL;
	ip.protocol = PROTOCOL_TCP;
	ip.source = back ? headers->destination[0] : headers->source[0];
	ip.destination = back ? headers->source[0] : headers->destination[0];
	ip.checksum = ~fold(sum_of(&ip, sizeof(ip)));
	if (bpf_skb_store_bytes(skb, headers->start, &ip, sizeof(ip), 0))
		return 0;
	return (__u64)ip.source + ip.destination;
}

static __always_inline __u64 write_ipv6(struct __sk_buff *skb, struct work *work, __u32 bytes)
{
	const struct headers *headers = &work->headers;
	struct ipv6_header ip;
	__u64 sum = 0;

	if (bpf_skb_load_bytes(skb, headers->start, &ip, sizeof(ip)))
		return 0;
	ip.payload_length = swap16(bytes);
	ip.hop_limit = DRAFT_TTL;
	__builtin_memcpy(ip.source, work->draft.back ? headers->destination : headers->source, 16);
	__builtin_memcpy(ip.destination, work->draft.back ? headers->source : headers->destination, 16);
	if (bpf_skb_store_bytes(skb, headers->start, &ip, sizeof(ip), 0))
		return 0;
	UNROLL
	for (int i = 0; i < 4; i++)
		sum += (__u64)ip.source[i] + ip.destination[i];
	return sum;
}

static __always_inline void put_stamps(struct stamps *stamps, const struct segment *segment, __u32 back)
{
	stamps->kinds[0] = stamps->kinds[1] = 1;
	stamps->kinds[2] = 8;
	stamps->kinds[3] = 10;
	stamps->stamp = back ? segment->echo : segment->stamp;
	stamps->echo = back ? segment->stamp : segment->echo;
}

/* The field becomes `want` where it holds a whole sum, and otherwise only the length in its pseudo header
 * changes: the first call does the former for all but CHECKSUM_PARTIAL, the second one both. */
static __always_inline void write_checksum(struct __sk_buff *skb, __u32 at, __u16 was, __u16 want,
					   __u16 old_bytes, __u16 new_bytes)
{
	__u32 to = fold((__u64)(~want & 0xFFFF) + old_bytes + (~new_bytes & 0xFFFF));

	bpf_l4_csum_replace(skb, at, ~was & 0xFFFF, to, 2);
	bpf_l4_csum_replace(skb, at, old_bytes, new_bytes, BPF_F_PSEUDO_HDR | 2);
}

/* Writes work->draft over the packet; negative where the kernel cannot. */
__noinline int write_draft(struct __sk_buff *skb, struct work *work, struct gate_settings *settings)
{
	struct drafted out = {};
	const struct draft *draft;
	__u32 tcp, reply, header, old;
	__u64 sum;
	__u16 was;

	if (!work || !settings)
		return -1;
	draft = &work->draft;
	tcp = work->segment.tcp & 0xFF;
	reply = draft->bytes & (2 * GATE_REPLY_BYTES - 1);
	if (reply > GATE_REPLY_BYTES)
		return -1;
	header = work->segment.stamped ? HEADER_WITH_STAMPS : BARE_HEADER;
	old = skb->len - tcp;
	if (bpf_skb_load_bytes(skb, tcp + 16, &was, sizeof(was)) || resize(skb, tcp, header + reply))
		return -1;
	if (draft->back && turn_link(skb, work))
		return -1;
	sum = work->packet.key.family == 6 ? write_ipv6(skb, work, header + reply)
					   : write_ipv4(skb, work, header + reply);
	if (!sum)
		return -1;
	out.tcp.source = draft->back ? work->headers.tcp.destination : work->headers.tcp.source;
	out.tcp.destination = draft->back ? work->headers.tcp.source : work->headers.tcp.destination;
	out.tcp.seq = swap32(draft->seq);
	out.tcp.ack = swap32(draft->ack);
	out.tcp.offset = header << 2;
	out.tcp.flags = draft->flags;
	out.tcp.window = DRAFT_WINDOW;
	if (header == HEADER_WITH_STAMPS)
		put_stamps(&out.stamps, &work->segment, draft->back);
	sum += swap16(PROTOCOL_TCP) + (__u64)swap16(header + reply) + sum_of(&out, sizeof(out));
	if (reply)
		sum += settings->reply_sum;
	out.tcp.checksum = was;
	if (header == HEADER_WITH_STAMPS ? bpf_skb_store_bytes(skb, tcp, &out, HEADER_WITH_STAMPS, 0)
					 : bpf_skb_store_bytes(skb, tcp, &out, BARE_HEADER, 0))
		return -1;
	if (reply) {
		reply = ((reply - 1) & (GATE_REPLY_BYTES - 1)) +
			1; /* that it is not 0 verifiers before 6.8 forget */
		if (bpf_skb_store_bytes(skb, tcp + header, settings->reply, reply, 0))
			return -1;
	}
	write_checksum(skb, tcp + 16, was, ~fold(sum) & 0xFFFF, swap16(old), swap16(header + reply));
	return 0;
}

#endif
