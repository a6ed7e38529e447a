/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Frames of WebSocket (RFC 6455, section 5.2). Control frames are copied whole, of others the first `budget`
 * bytes; compressed ones whole where content is asked for, as each depends on those before it.
 */
#ifndef HTTPIPE_FRAMES_WEBSOCKET_H
#define HTTPIPE_FRAMES_WEBSOCKET_H

#include "frames/state.h"
#include "verifier.h"

#define WEBSOCKET_HEADER  2
#define WEBSOCKET_MASK	  4
#define WEBSOCKET_CONTROL 125	/* the longest payload of a control frame, section 5.5 */
#define WEBSOCKET_OPCODES 0x707 /* one bit for each that there is */
#define WEBSOCKET_DATA	  0x006 /* of these, those that begin a message */

/* Bytes of the header without the mask, as far as the bytes say that are there. */
static __always_inline __u64 websocket_header(const struct http_framing *framing)
{
	__u64 form = framing->head[1] & 0x7F, told = LESS(WEBSOCKET_HEADER - 1, framing->have);

	return WEBSOCKET_HEADER + told * (2 * LESS(125, form) + 6 * LESS(126, form));
}

/* Behind the header but for its mask, which counts as payload; false where it cannot be one. While it is
 * doubted, only final frames with a payload count, and none of which a reserved bit is set. `contents`: they
 * are asked for. */
static __always_inline int read_websocket_header(struct http_framing *framing, __u64 budget, __u64 contents)
{
	const __u8 *head = framing->head;
	__u64 opcode = head[0] & 0x0F, form = head[1] & 0x7F;
	__u64 final = head[0] >> 7, rsv1 = head[0] >> 6 & 1, reserved = NONZERO(head[0] & 0x30);
	__u64 medium = head[2] << 8 | head[3], begins = WEBSOCKET_DATA >> opcode & 1, control = opcode >> 3;
	__u64 trust = framing->trust, doubted = LESS(trust, FRAMES_TRUSTED), length, whole;

	length = (medium << 48) | (__u64)head[4] << 40 | (__u64)head[5] << 32 | (__u64)head[6] << 24 |
		 (__u64)head[7] << 16 | (__u64)head[8] << 8 | head[9];
	length &= 0 - LESS(126, form);
	length |= medium & (0 - (NONZERO(form ^ 126) ^ 1));
	length |= form & (0 - LESS(form, 126));
	if (((WEBSOCKET_OPCODES >> opcode & 1) ^ 1) | length >> 62 |
	    (control & LESS(WEBSOCKET_CONTROL, form)) |
	    (doubted & ((final ^ 1) | reserved | (NONZERO(length) ^ 1))))
		return 0;
	framing->trust = trust + doubted;
	rsv1 = (rsv1 & begins) | (framing->compressed & (begins ^ 1));
	framing->compressed = rsv1;
	whole = control | (NONZERO(contents) & rsv1);
	length += WEBSOCKET_MASK * (__u64)(head[1] >> 7);
	pass(framing, length, (budget + WEBSOCKET_MASK) | (0 - whole));
	return 1;
}

#endif
