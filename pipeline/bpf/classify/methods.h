/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What a message of HTTP starts with: the table of methods, `HTTP/1.`, and the beginning of HTTP/2.
 *
 * Methods: KNOWN_METHODS of pipeline/decode/http1/recognition.py, which names their RFCs; a test compares the
 * two. They stand here with their space, so that "GETTER" is none of them, and of a longer one the first
 * eight bytes are compared.
 */
#ifndef HTTPIPE_CLASSIFY_METHODS_H
#define HTTPIPE_CLASSIFY_METHODS_H

enum start {
	START_NONE,
	START_PARTIAL, /* shorter than a method, but its beginning */
	START_REQUEST,
	START_CONNECT,
	START_PREFACE, /* how a client of HTTP/2 begins: RFC 9113, section 3.4 */
	START_RESPONSE,
	START_SWITCHED, /* a response with 101 */
	START_SUCCESS,	/* a response with 2xx */
	START_HEADERS,	/* of HTTP/2, joined after its preface; of a request or of a response */
	START_SETTINGS, /* of HTTP/2, how a server begins, which does not wait for the preface */
	START_TLS,	/* a handshake of TLS, perhaps a ClientHello */
	START_HELLO,	/* a ClientHello */
	START_TLS_DATA, /* application data of TLS */
};

/* The first eight characters as they lie in a little-endian word, and a mask of the first `n`. */
#define CHARACTER(text, i) ((i) < sizeof(text) - 1 ? (__u64)(__u8)(text)[i] << (8 * (i)) : 0)
#define WORD(text)                                                                                           \
	(CHARACTER(text, 0) | CHARACTER(text, 1) | CHARACTER(text, 2) | CHARACTER(text, 3) |                 \
	 CHARACTER(text, 4) | CHARACTER(text, 5) | CHARACTER(text, 6) | CHARACTER(text, 7))
#define FIRST(n)       (~0ULL >> (64 - 8 * (n)))
#define COMPARED(text) (sizeof(text) - 1 < 8 ? sizeof(text) - 1 : 8)

/* All that is compared of `text`, or as much of it as the segment has. */
#define START(text, kind)                                                                                    \
	do {                                                                                                 \
		if (((word ^ WORD(text)) & FIRST(COMPARED(text)) & known) == 0)                              \
			return known & (1ULL << (8 * COMPARED(text) - 1)) ? (kind) : START_PARTIAL;          \
	} while (0)

/* `word`: the first eight bytes; `known`: a mask of those that there are. The commonest come first. */
static __always_inline enum start match_word(__u64 word, __u64 known)
{
	START("GET ", START_REQUEST);
	START("POST ", START_REQUEST);
	START("HTTP/1.", START_RESPONSE);
	START("PUT ", START_REQUEST);
	START("HEAD ", START_REQUEST);
	START("DELETE ", START_REQUEST);
	START("PATCH ", START_REQUEST);
	START("OPTIONS ", START_REQUEST);
	START("CONNECT ", START_CONNECT);
	START("TRACE ", START_REQUEST);
	START("QUERY ", START_REQUEST);
	START("PRI * HTTP/2", START_PREFACE);
	START("PROPFIND ", START_REQUEST);
	START("PROPPATCH ", START_REQUEST);
	START("MKCOL ", START_REQUEST);
	START("COPY ", START_REQUEST);
	START("MOVE ", START_REQUEST);
	START("LOCK ", START_REQUEST);
	START("UNLOCK ", START_REQUEST);
	START("REPORT ", START_REQUEST);
	START("SEARCH ", START_REQUEST);
	START("VERSION-CONTROL ", START_REQUEST);
	START("CHECKOUT ", START_REQUEST);
	START("CHECKIN ", START_REQUEST);
	START("UNCHECKOUT ", START_REQUEST);
	START("MKWORKSPACE ", START_REQUEST);
	START("UPDATE ", START_REQUEST);
	START("UPDATEREDIRECTREF ", START_REQUEST);
	START("LABEL ", START_REQUEST);
	START("MERGE ", START_REQUEST);
	START("BASELINE-CONTROL ", START_REQUEST);
	START("MKACTIVITY ", START_REQUEST);
	START("ORDERPATCH ", START_REQUEST);
	START("ACL ", START_REQUEST);
	START("MKCALENDAR ", START_REQUEST);
	START("BIND ", START_REQUEST);
	START("REBIND ", START_REQUEST);
	START("UNBIND ", START_REQUEST);
	START("LINK ", START_REQUEST);
	START("UNLINK ", START_REQUEST);
	START("MKREDIRECTREF ", START_REQUEST);
	return START_NONE;
}

#endif
