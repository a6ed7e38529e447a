// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The firewall: requests whose URL is denied never reach the application, and their clients are told so.
 *
 * Comes in: every packet of an interface, at TC. Goes out: the same packets, but for what is refused, in
 * whose place the client gets 403 or a reset and the server a reset; and through a ring buffer what was
 * decided (gate/abi.h). While it only watches it changes no byte.
 *
 * Reading order: gate/abi.h (layout), gate/maps.h (who writes what), gate/scan.h, gate/line.h and gate/head.h
 * (what a byte means), gate/read.h (through a payload), gate/judge.h (through a connection), gate/refuse.h,
 * and this file (what happens to a packet).
 */
#include "loader.h"
#include "gate/answers.h"
#include "gate/judge.h"
#include "gate/syn.h"

/* Ethernet's; loopback has the same. Others have none: gate_settings.raw_links. */
#define LINK_HEADER 14

#define STAMPED 12 /* NOP, NOP, time stamps */

static __always_inline int is_raw(const struct gate_settings *settings, __u32 ifindex)
{
	return ifindex < GATE_RAW_LINKS && settings->raw_links[ifindex >> 6 & 15] >> (ifindex & 63) & 1;
}

static __always_inline int is_watched(const struct gate_settings *settings, __u16 port)
{
	return settings->ports[swap16(port) >> 6 & 1023] >> (swap16(port) & 63) & 1;
}

struct plain4 {
	struct ipv4_header ip;
	struct tcp_header tcp;
};

struct plain6 {
	struct ipv6_header ip;
	struct tcp_header tcp;
};

/* Whether a packet is plain TCP to or from a port that is not watched, as most are on a busy host: told by a
 * few bytes, before anything is copied. What is not plain, or not at hand, is parsed. */
static __always_inline int is_elsewhere(struct __sk_buff *skb, const struct gate_settings *settings,
					int is_answer)
{
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	const struct plain4 *four = (const void *)(data + LINK_HEADER);
	const struct plain6 *six = (const void *)(data + LINK_HEADER);

	if (is_raw(settings, skb->ifindex))
		return 0;
	if (skb->protocol == swap16(ETHERTYPE_IPV4) && (__u8 *)(four + 1) <= end &&
	    four->ip.version_ihl == 0x45 && four->ip.protocol == PROTOCOL_TCP &&
	    !(four->ip.fragment & swap16(0x3FFF)))
		return !is_watched(settings, is_answer ? four->tcp.source : four->tcp.destination);
	if (skb->protocol == swap16(ETHERTYPE_IPV6) && (__u8 *)(six + 1) <= end &&
	    six->ip.next == PROTOCOL_TCP)
		return !is_watched(settings, is_answer ? six->tcp.source : six->tcp.destination);
	return 0;
}

static __always_inline void find_stamps(struct __sk_buff *skb, struct work *work)
{
	struct segment *segment = &work->segment;
	struct stamps stamps;

	segment->stamped = 0;
	if (work->headers.tcp.offset >> 4 < 8 ||
	    bpf_skb_load_bytes(skb, segment->tcp + BARE_HEADER, &stamps, sizeof(stamps)))
		return;
	if (*(__u32 *)stamps.kinds != 0x0A080101)
		return;
	segment->stamped = 1;
	segment->stamp = stamps.stamp;
	segment->echo = stamps.echo;
}

/* What the stack puts together from fragments, or reads behind more headers than were looked at. */
static __always_inline int is_odd(enum parsed parsed, const struct headers *headers)
{
	return parsed == FRAGMENT ||
	       (parsed == NOT_TCP && headers->type == ETHERTYPE_IPV6 && is_extension(headers->protocol));
}

static __always_inline int on_odd(const struct gate_settings *settings)
{
	count(GATE_COUNT_FRAGMENTS);
	return settings->mode == GATE_MODE_ENFORCE && settings->policy & GATE_POLICY_FRAGMENTS ? SHOT : NEXT;
}

static __always_inline void describe(struct work *work, __u32 role)
{
	const struct headers *headers = &work->headers;
	struct segment *segment = &work->segment;

	segment->role = role;
	segment->parked = 0;
	segment->link = headers->start;
	segment->tcp = headers->offset;
	segment->plain =
		headers->offset - headers->start ==
		(headers->type == ETHERTYPE_IPV6 ? sizeof(struct ipv6_header) : sizeof(struct ipv4_header));
	segment->fin = work->packet.flags & TCP_FIN ? 1 : 0;
}

/* Packets to servers. */
static __always_inline int judge(struct __sk_buff *skb, __u32 role)
{
	struct gate_settings *settings = settings_lookup();
	struct work *work = work_lookup(role);
	enum parsed parsed;

	if (!settings || !work || is_elsewhere(skb, settings, 0))
		return NEXT;
	work->packet.ifindex = skb->ifindex;
	parsed = parse_packet(skb, is_raw(settings, work->packet.ifindex) ? 0 : LINK_HEADER, &work->headers,
			      &work->packet);
	if (is_odd(parsed, &work->headers))
		return on_odd(settings);
	if (parsed == MALFORMED || (parsed == PARSED && work->packet.present != work->packet.length)) {
		count(GATE_COUNT_MALFORMED); /* the stack drops it */
		return NEXT;
	}
	if (parsed != PARSED || !is_watched(settings, work->headers.tcp.destination))
		return NEXT;
	describe(work, role);
	work->key.connection = work->packet.key;
	work->key.side = work->packet.side;
	if (work->packet.flags & TCP_SYN)
		return work->packet.flags & TCP_ACK ? NEXT : on_syn(skb, work, settings);
	find_stamps(skb, work);
	return on_segment(skb, work, settings);
}

/* Packets of servers; nothing happens to them. */
static __always_inline int follow_answers(struct __sk_buff *skb)
{
	struct gate_settings *settings = settings_lookup();
	struct work *work = work_lookup(ROLE_ANSWERS);

	if (!settings || !work || is_elsewhere(skb, settings, 1))
		return NEXT;
	work->packet.ifindex = skb->ifindex;
	if (parse_packet(skb, is_raw(settings, work->packet.ifindex) ? 0 : LINK_HEADER, &work->headers,
			 &work->packet) != PARSED ||
	    work->packet.length < STATUS_LINE || !is_watched(settings, work->headers.tcp.source))
		return NEXT;
	work->key.connection = work->packet.key;
	work->key.side = work->packet.side ^ 1;
	on_answer(skb, work);
	return NEXT;
}

HTTPIPE_PROGRAM("tc")
int gate_ingress(struct __sk_buff *skb)
{
	return judge(skb, ROLE_JUDGE_INGRESS);
}

HTTPIPE_PROGRAM("tc")
int gate_egress(struct __sk_buff *skb)
{
	return judge(skb, ROLE_JUDGE_EGRESS);
}

/* At the other direction than the one that judges. */
HTTPIPE_PROGRAM("tc")
int gate_answers(struct __sk_buff *skb)
{
	return follow_answers(skb);
}
