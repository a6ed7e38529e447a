/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What frames a chunked body (RFC 9112, section 7.1), a byte at a time.
 */
#ifndef HTTPIPE_GATE_CHUNK_H
#define HTTPIPE_GATE_CHUNK_H

#include "gate/scan.h"

/* Digits of a size at most: 48 bits. */
#define CHUNK_DIGITS 12

static __always_inline int size_byte(struct framing *framing, __u8 c)
{
	int digit = framing->aux & CHUNK_EXTENSION ? -1 : hex_digit(c);

	if (c == '\n') {
		if (!(framing->aux & (CHUNK_EXTENSION - 1)))
			return 0;
		framing->phase = framing->left ? PHASE_CHUNK_DATA : PHASE_TRAILER;
		framing->aux = 0;
		return 1;
	}
	if (digit >= 0) {
		framing->left = framing->left << 4 | digit;
		framing->aux++;
		return framing->aux <= CHUNK_DIGITS;
	}
	if (c == ';' || c == '\r' || c == ' ' || c == '\t')
		framing->aux |= CHUNK_EXTENSION;
	return framing->aux & CHUNK_EXTENSION;
}

/* 0 where it is malformed. */
static __always_inline int chunk_byte(struct framing *framing, __u8 c)
{
	if (framing->phase == PHASE_CHUNK_SIZE)
		return size_byte(framing, c);
	if (framing->phase == PHASE_CHUNK_END) {
		if (c == '\n') {
			framing->phase = PHASE_CHUNK_SIZE;
			framing->aux = 0;
			framing->left = 0;
		}
		return c == '\n' || c == '\r';
	}
	/* Trailer: lines, until an empty one. */
	if (c == '\n') {
		if (!framing->aux)
			framing->phase = PHASE_HEAD;
		framing->aux = 0;
	} else if (c != '\r') {
		framing->aux = 1;
	}
	return 1;
}

#endif
