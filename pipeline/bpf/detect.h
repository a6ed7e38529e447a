/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Does a segment start like HTTP? Its first 16 bytes against the table of methods, `HTTP/1.` and the HTTP/2
 * preface.
 *
 * Methods: those of KNOWN_METHODS in pipeline/decode/http1/recognition.py, which names their RFCs. Compared
 * are the first eight bytes with the space after a shorter method, so that "GETTER" is none.
 */
#ifndef HTTPIPE_DETECT_H
#define HTTPIPE_DETECT_H

/* A whole method of at most eight bytes with its space, or the first eight bytes of a longer one. */
#define START_BYTES 16

enum start {
	START_NONE,
	START_PARTIAL, /* shorter than a method, but its beginning */
	START_REQUEST,
	START_CONNECT,
	START_RESPONSE,
	START_SWITCHED, /* a response with 101 */
	START_SUCCESS,	/* a response with 2xx */
	START_TLS,	/* a ClientHello */
};

/* Eight characters as they lie in a little-endian word. */
#define WORD(a, b, c, d, e, f, g, h)                                                                         \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |             \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)
#define FIRST(n) (~0ULL >> (64 - 8 * (n)))

/* All `n` characters of `word`, or as many as the segment has. */
#define TRY(word_, n, kind)                                                                                  \
	do {                                                                                                 \
		if (((word ^ (word_)) & FIRST(n) & known) == 0)                                              \
			return known & (1ULL << (8 * (n)-1)) ? (kind) : START_PARTIAL;                       \
	} while (0)
#define METHOD(n, a, b, c, d, e, f, g, h) TRY(WORD(a, b, c, d, e, f, g, h), n, START_REQUEST)

static __always_inline enum start match_rest(__u64 word, __u64 known)
{
	METHOD(8, 'P', 'R', 'O', 'P', 'F', 'I', 'N', 'D');
	METHOD(8, 'P', 'R', 'O', 'P', 'P', 'A', 'T', 'C');
	METHOD(6, 'M', 'K', 'C', 'O', 'L', ' ', 0, 0);
	METHOD(5, 'C', 'O', 'P', 'Y', ' ', 0, 0, 0);
	METHOD(5, 'M', 'O', 'V', 'E', ' ', 0, 0, 0);
	METHOD(5, 'L', 'O', 'C', 'K', ' ', 0, 0, 0);
	METHOD(7, 'U', 'N', 'L', 'O', 'C', 'K', ' ', 0);
	METHOD(7, 'R', 'E', 'P', 'O', 'R', 'T', ' ', 0);
	METHOD(7, 'S', 'E', 'A', 'R', 'C', 'H', ' ', 0);
	METHOD(8, 'V', 'E', 'R', 'S', 'I', 'O', 'N', '-');
	METHOD(8, 'C', 'H', 'E', 'C', 'K', 'O', 'U', 'T');
	METHOD(8, 'C', 'H', 'E', 'C', 'K', 'I', 'N', ' ');
	METHOD(8, 'U', 'N', 'C', 'H', 'E', 'C', 'K', 'O');
	METHOD(8, 'M', 'K', 'W', 'O', 'R', 'K', 'S', 'P');
	METHOD(7, 'U', 'P', 'D', 'A', 'T', 'E', ' ', 0);
	METHOD(8, 'U', 'P', 'D', 'A', 'T', 'E', 'R', 'E');
	METHOD(6, 'L', 'A', 'B', 'E', 'L', ' ', 0, 0);
	METHOD(6, 'M', 'E', 'R', 'G', 'E', ' ', 0, 0);
	METHOD(8, 'B', 'A', 'S', 'E', 'L', 'I', 'N', 'E');
	METHOD(8, 'M', 'K', 'A', 'C', 'T', 'I', 'V', 'I');
	METHOD(8, 'O', 'R', 'D', 'E', 'R', 'P', 'A', 'T');
	METHOD(4, 'A', 'C', 'L', ' ', 0, 0, 0, 0);
	METHOD(8, 'M', 'K', 'C', 'A', 'L', 'E', 'N', 'D');
	METHOD(5, 'B', 'I', 'N', 'D', ' ', 0, 0, 0);
	METHOD(7, 'R', 'E', 'B', 'I', 'N', 'D', ' ', 0);
	METHOD(7, 'U', 'N', 'B', 'I', 'N', 'D', ' ', 0);
	METHOD(5, 'L', 'I', 'N', 'K', ' ', 0, 0, 0);
	METHOD(7, 'U', 'N', 'L', 'I', 'N', 'K', ' ', 0);
	METHOD(8, 'M', 'K', 'R', 'E', 'D', 'I', 'R', 'E');
	return START_NONE;
}

/* `word`: the first eight bytes; `known`: a mask of those that the segment has. The commonest first. */
static __always_inline enum start match_word(__u64 word, __u64 known)
{
	METHOD(4, 'G', 'E', 'T', ' ', 0, 0, 0, 0);
	METHOD(5, 'P', 'O', 'S', 'T', ' ', 0, 0, 0);
	TRY(WORD('H', 'T', 'T', 'P', '/', '1', '.', 0), 7, START_RESPONSE);
	METHOD(4, 'P', 'U', 'T', ' ', 0, 0, 0, 0);
	METHOD(5, 'H', 'E', 'A', 'D', ' ', 0, 0, 0);
	METHOD(7, 'D', 'E', 'L', 'E', 'T', 'E', ' ', 0);
	METHOD(6, 'P', 'A', 'T', 'C', 'H', ' ', 0, 0);
	METHOD(8, 'O', 'P', 'T', 'I', 'O', 'N', 'S', ' ');
	TRY(WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '), 8, START_CONNECT);
	METHOD(6, 'T', 'R', 'A', 'C', 'E', ' ', 0, 0);
	METHOD(6, 'Q', 'U', 'E', 'R', 'Y', ' ', 0, 0);
	METHOD(8, 'P', 'R', 'I', ' ', '*', ' ', 'H', 'T'); /* RFC 9113, section 3.4 */
	return match_rest(word, known);
}

/* What the first bytes of a segment look like. */
static __always_inline enum start detect(struct __sk_buff *skb, const struct packet *packet)
{
	__u64 word[START_BYTES / 8] = {};
	__u32 n = packet->present;
	enum start start;
	__u8 first;

	if (n >= START_BYTES) {
		if (bpf_skb_load_bytes(skb, packet->payload, word, START_BYTES))
			return START_NONE;
		n = START_BYTES;
	} else {
		/* Bounds that every verifier since 5.8 follows: 1 to 16. */
		n = ((n - 1) & (START_BYTES - 1)) + 1;
		if (bpf_skb_load_bytes(skb, packet->payload, word, n))
			return START_NONE;
	}
	first = (__u8)word[0];
	if (first < 'A' || first > 'Z') {
		/* RFC 8446, section 5.1: handshake (22), version 3.x; section 4: ClientHello (1) behind two
		 * bytes of length. */
		return (word[0] & 0xFF000000FFFFULL) == 0x010000000316ULL && n >= 6 ? START_TLS : START_NONE;
	}
	start = match_word(word[0], n >= 8 ? ~0ULL : FIRST(n & 7 ? n & 7 : 1));
	if (start != START_RESPONSE || n < 12)
		return start;
	/* `HTTP/1.x SSS`: the status stands in bytes 9 to 11. */
	if ((word[1] & 0xFFFFFFFFULL) == WORD(' ', '1', '0', '1', 0, 0, 0, 0))
		return START_SWITCHED;
	return (word[1] & 0xFFFFULL) == WORD(' ', '2', 0, 0, 0, 0, 0, 0) ? START_SUCCESS : START_RESPONSE;
}

#endif
