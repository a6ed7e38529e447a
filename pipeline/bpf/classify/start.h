/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Does this start like a message of HTTP? Its first 16 bytes in, a verdict out (enum start). Where the bytes
 * come from does not matter: a packet (payload.h), or the buffer of a TLS library.
 */
#ifndef HTTPIPE_CLASSIFY_START_H
#define HTTPIPE_CLASSIFY_START_H

#include "classify/methods.h"

/* A whole method of at most eight bytes with its space, or the first eight bytes of a longer one; of a
 * response the version and the status. */
#define START_BYTES 16

/* `n` bytes, 1…START_BYTES; those of `word` behind them are 0. */
static __always_inline enum start classify(const __u64 word[START_BYTES / 8], __u32 n)
{
	__u8 first = (__u8)word[0];
	enum start start;

	if (first < 'A' || first > 'Z') {
		/* RFC 8446, section 5.1: application data (23), version 3.x. */
		if ((word[0] & 0xFFFF) == 0x0317 && n >= 5)
			return START_TLS_DATA;
		/* Handshake (22), version 3.x; section 4: ClientHello (1) behind two bytes of length. */
		if ((word[0] & 0xFF000000FFFFULL) != 0x010000000316ULL || n < 6)
			return START_NONE;
		/* Its length is below 64 KiB, and a version 3.x follows. */
		if (word[0] & 0xFF000000000000ULL || (n >= 10 && (word[1] & 0xFF00) != 0x0300))
			return START_TLS;
		return START_HELLO;
	}
	start = match_word(word[0], n >= 8 ? ~0ULL : FIRST(n & 7 ? n & 7 : 1));
	if (start != START_RESPONSE || n < 12)
		return start;
	/* `HTTP/1.x SSS`: the status stands in bytes 9 to 11. */
	if ((word[1] & 0xFFFFFFFFULL) == WORD(" 101"))
		return START_SWITCHED;
	return (word[1] & 0xFFFFULL) == WORD(" 2") ? START_SUCCESS : START_RESPONSE;
}

#endif
