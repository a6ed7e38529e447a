/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What frames a chunked body (RFC 9112, section 7.1), a byte at a time: to the letter. Servers that forgive
 * a bare LF, a blank or a missing CRLF do it in different ways, and each difference ends in a request that
 * nobody looked at.
 */
#ifndef HTTPIPE_GATE_CHUNK_H
#define HTTPIPE_GATE_CHUNK_H

#include "gate/scan.h"

/* Digits of a size at most: 48 bits. */
#define CHUNK_DIGITS 12

/* framing.aux in PHASE_CHUNK_SIZE: digits so far, and what has come behind them */
#define SIZE_DIGITS    255
#define SIZE_EXTENSION 256
#define SIZE_BLANK     512 /* only padding may follow: with a word behind it the line is a request to some */
#define SIZE_CR	       1024

/* framing.aux in PHASE_TRAILER: what of the line has come */
#define TRAILER_NAME  1
#define TRAILER_VALUE 2
#define TRAILER_CR    4

static __always_inline int is_visible(__u8 c)
{
	return c > 32 && c < 127;
}

static __always_inline int end_size(struct framing *framing)
{
	framing->phase = framing->left ? PHASE_CHUNK_DATA : PHASE_TRAILER;
	framing->aux = 0;
	return 1;
}

static __always_inline int size_byte(struct framing *framing, __u8 c)
{
	int digit = hex_digit(c);

	if (framing->aux & SIZE_CR)
		return c == '\n' && end_size(framing);
	if (digit >= 0 && framing->aux <= SIZE_DIGITS) {
		framing->left = framing->left << 4 | digit;
		framing->aux++;
		return framing->aux <= CHUNK_DIGITS;
	}
	if (!(framing->aux & SIZE_DIGITS))
		return 0;
	if (c == '\r') {
		framing->aux |= SIZE_CR;
		return 1;
	}
	if (c == ' ') {
		framing->aux |= SIZE_BLANK;
		return 1;
	}
	if (framing->aux <= SIZE_DIGITS && c != ';')
		return 0;
	framing->aux |= SIZE_EXTENSION;
	return is_visible(c) && !(framing->aux & SIZE_BLANK);
}

/* Lines of a name and a value, until an empty one. */
static __always_inline int trailer_byte(struct framing *framing, __u8 c)
{
	__u32 line = framing->aux;

	if (line & TRAILER_CR) {
		framing->aux = 0;
		if (line == TRAILER_CR)
			framing->phase = PHASE_HEAD;
		return c == '\n';
	}
	if (c == '\r') {
		framing->aux |= TRAILER_CR;
		return line != TRAILER_NAME;
	}
	if (line == TRAILER_VALUE)
		return c >= 32 || c == '\t';
	framing->aux = c == ':' ? TRAILER_VALUE : TRAILER_NAME;
	return c == ':' ? line == TRAILER_NAME : is_visible(c);
}

/* 0 where it is malformed. */
static __always_inline int chunk_byte(struct framing *framing, __u8 c)
{
	if (framing->phase == PHASE_CHUNK_SIZE)
		return size_byte(framing, c);
	if (framing->phase == PHASE_TRAILER)
		return trailer_byte(framing, c);
	if (!framing->aux) { /* behind the bytes of a chunk: CR, LF */
		framing->aux = 1;
		return c == '\r';
	}
	framing->phase = PHASE_CHUNK_SIZE;
	framing->aux = 0;
	framing->left = 0;
	return c == '\n';
}

#endif
