/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A datagram of UDP that begins with an Initial of QUIC (RFC 9000, section 17.2.2; RFC 9369, section 3.2):
 * whose hellos everybody can decrypt. It crosses the ring whole.
 */
#ifndef HTTPIPE_EMIT_DATAGRAM_H
#define HTTPIPE_EMIT_DATAGRAM_H

#include "emit/ring.h"

/* RFC 768 */
struct udp_header {
	__u16 source;
	__u16 destination;
	__u16 length;
	__u16 checksum;
};

#define UDP_BYTES	8
/* The first byte of an Initial, but for its four protected bits, and the version behind it. */
#define QUIC_FORM	0xF0
#define QUIC_V1		0x01000000
#define QUIC_V2		0xCF43336B
/* Drafts are 0xFF0000xx. */
#define QUIC_DRAFTS	0xFF
#define QUIC_DRAFT_MASK 0xFFFFFF

static __always_inline int is_initial(__u8 form, __u32 version)
{
	if (version == QUIC_V2)
		return (form & QUIC_FORM) == 0xD0;
	return (form & QUIC_FORM) == 0xC0 &&
	       (version == QUIC_V1 || (version & QUIC_DRAFT_MASK) == QUIC_DRAFTS);
}

/* The payload of a UDP packet whose headers are parsed: true where it may be an Initial, and is long enough.
 */
static __always_inline int parse_datagram(struct __sk_buff *skb, struct http_scratch *work)
{
	struct headers *headers = &work->headers;
	struct packet *packet = &work->packet;
	struct udp_header udp;
	__u32 version, length, present;
	__u8 form;

	if (packet_load(skb, headers->offset, &udp, sizeof(udp)))
		return 0;
	length = swap16(udp.length);
	packet->payload = headers->offset + UDP_BYTES;
	present = packet_bytes(skb);
	if (length < UDP_BYTES + HTTP_INITIAL_BYTES || present <= packet->payload)
		return 0;
	length -= UDP_BYTES;
	present -= packet->payload;
	packet->length = length;
	packet->present = present < length ? present : length;
	if (packet_load(skb, packet->payload, &form, sizeof(form)) ||
	    packet_load(skb, packet->payload + 1, &version, sizeof(version)) || !is_initial(form, version))
		return 0;
	headers->tcp.source = udp.source;
	headers->tcp.destination = udp.destination;
	packet->ack = 0;
	name_connection(packet, headers);
	return 1;
}

static __always_inline void emit_datagram(struct __sk_buff *skb, struct http_scratch *work,
					  struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_record *record = draft_record(work);

	COUNT(counters, HTTP_COUNT_INITIALS);
	record->seq = 0;
	record->flags = 0;
	record->length = packet->length;
	record->bits = HTTP_BIT_DATAGRAM;
	work->draft.offset = packet->payload;
	work->draft.bytes = packet->present < HTTP_RECORD_PAYLOAD ? packet->present : HTTP_RECORD_PAYLOAD;
	emit(skb, work, settings, counters);
}

#endif
