/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the payload of a packet starts like.
 */
#ifndef HTTPIPE_CLASSIFY_PAYLOAD_H
#define HTTPIPE_CLASSIFY_PAYLOAD_H

#include "classify/frames.h"
#include "classify/start.h"
#include "parse/packet.h"

/* Of a packet with payload. */
static __always_inline enum start classify_payload(PACKET_CONTEXT *context, const struct packet *packet)
{
	__u64 word[START_BYTES / 8] = {};
	__u32 n = packet->present;
	enum start start;

	if (n >= START_BYTES) {
		if (packet_load(context, packet->payload, word, START_BYTES))
			return START_NONE;
		n = START_BYTES;
	} else {
		/* Bounds that every verifier since 5.8 follows: 1 to 16. */
		n = ((n - 1) & (START_BYTES - 1)) + 1;
		if (packet_load(context, packet->payload, word, n))
			return START_NONE;
	}
	start = classify(word, n);
	if (start != START_NONE)
		return start;
	if (looks_like_headers(word, n))
		return START_HEADERS;
	return looks_like_settings(word, n) ? START_SETTINGS : START_NONE;
}

#endif
