/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The header fields that matter: Host, Content-Length, Transfer-Encoding,
 * Upgrade.
 */
#ifndef HTTPIPE_GATE_FIELD_H
#define HTTPIPE_GATE_FIELD_H

#include "gate/scan.h"

/* The first four letters of a name that is read, in lower case: host, cont,
 * tran, upgr. */
static __always_inline int may_be_read(__u32 four)
{
	return four == 0x74736f68 || four == 0x746e6f63 || four == 0x6e617274 || four == 0x72677075;
}

/* Upgrade-Insecure-Requests, of every browser. */
#define UPGRADE_DASH TEXT8('u', 'p', 'g', 'r', 'a', 'd', 'e', '-')

static __always_inline void begin_line(struct scan *scan)
{
	scan->place = AT_FIELD;
	scan->field = FIELD_OTHER;
	scan->colon = 0;
	scan->name_bytes = 0;
	__builtin_memset(scan->name, 0, sizeof(scan->name));
}

/* A line that does not matter, as far as its colon and beyond. Wherever that is
 * noticed, the state is the same. */
static __always_inline void leave_name(struct scan *scan)
{
	scan->place = AT_VALUE;
	scan->name_bytes = 0;
	__builtin_memset(scan->name, 0, sizeof(scan->name));
}

static __always_inline void name_byte(struct scan *scan, __u8 c)
{
	__u32 n = scan->name_bytes;

	if (n < 32)
		scan->name[n >> 3 & 3] |= (__u64)lower(c) << 8 * (n & 7);
	scan->name_bytes = n + 1;
	if ((n == 3 && !may_be_read(scan->name[0])) || (n == 7 && scan->name[0] == UPGRADE_DASH))
		leave_name(scan);
}

static __always_inline void begin_host(struct scan *scan)
{
	scan->host_bytes = 0;
	scan->ended = 0;
	scan->value_bytes = 0;
	__builtin_memset(scan->host, 0, sizeof(scan->host));
}

/* Behind the colon. */
static __always_inline void end_name(struct scan *scan)
{
	__u64 a = scan->name[0], b = scan->name[1], c = scan->name[2];
	__u32 n = scan->name_bytes;

	scan->place = AT_BLANKS;
	scan->colon = 1;
	scan->ended = 0;
	scan->value_bytes = 0;
	scan->field = FIELD_OTHER;
	if (n == 4 && a == TEXT8('h', 'o', 's', 't', 0, 0, 0, 0)) {
		if (scan->hosts++)
			scan->doubts |= GATE_DOUBT_HOSTS;
		/* RFC 9112, section 3.2.2: the target's authority counts. */
		scan->field = scan->doubts & GATE_FACT_ABSOLUTE ? FIELD_HOST_AGAIN : FIELD_HOST;
		scan->at = 0;
		if (scan->field == FIELD_HOST)
			begin_host(scan);
	} else if (n == 14 && a == TEXT8('c', 'o', 'n', 't', 'e', 'n', 't', '-') &&
		   b == TEXT8('l', 'e', 'n', 'g', 't', 'h', 0, 0)) {
		scan->field = FIELD_LENGTH;
		if (scan->lengths++)
			scan->doubts |= GATE_DOUBT_FRAMING;
	} else if (n == 17 && a == TEXT8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') &&
		   b == TEXT8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') && c == 'g') {
		scan->field = FIELD_CODING;
		if (scan->codings++)
			scan->doubts |= GATE_DOUBT_FRAMING;
	} else if (n == 7 && a == TEXT8('u', 'p', 'g', 'r', 'a', 'd', 'e', 0)) {
		scan->field = FIELD_UPGRADE;
		scan->doubts |= GATE_FACT_UPGRADE;
	}
	scan->value[0] = scan->field == FIELD_CODING || scan->field == FIELD_UPGRADE ? 0 : scan->value[0];
	scan->value[1] = scan->field == FIELD_CODING || scan->field == FIELD_UPGRADE ? 0 : scan->value[1];
}

/* Up to the port. Brackets hold an IPv6 address, whose colons are part of it,
 * and go. */
static __always_inline int host_ends(struct scan *scan, __u8 c)
{
	if (c == ' ' || c == '\t')
		return 1;
	return c == ':' && !scan->value_bytes;
}

#define BIT(c) (1ULL << ((c)&63))
#define LOW_ODD_BITS                                                                                         \
	((BIT(' ') << 1) - 1 | BIT('"') | BIT('#') | BIT('%') | BIT('/') | BIT('<') | BIT('>') | BIT('?'))
#define HIGH_ODD_BITS                                                                                        \
	(BIT('@') | BIT('[') | BIT('\\') | BIT('^') | BIT('`') | BIT('{') | BIT('|') | BIT('}') | BIT(127))

/* No host has it (RFC 3986, section 3.2.2); where one is put into a URL, it makes another host of it. Nor an
 * escape, which some decode. */
static __always_inline int is_odd_in_host(__u8 c)
{
	return c >= 0x80 || (c < 64 ? LOW_ODD_BITS : HIGH_ODD_BITS) & BIT(c);
}

static __always_inline int is_odd_behind_host(__u8 c)
{
	return (c < '0' || c > '9') && c != ':' && c != ' ';
}

/* Whether the byte is one of the host's: none is behind its end, and brackets are not. */
static __always_inline int host_has(struct scan *scan, __u8 c)
{
	if (scan->ended) {
		if (is_odd_behind_host(c))
			scan->doubts |= GATE_DOUBT_HEADER;
		return 0;
	}
	if (host_ends(scan, c) || c == ']')
		scan->ended = 1;
	else if (c == '[' && !scan->value_bytes)
		scan->value_bytes = 1;
	else
		return 1;
	return 0;
}

static __always_inline void host_byte(struct scan *scan, __u8 c)
{
	__u32 n = scan->host_bytes;

	if (!host_has(scan, c))
		return;
	if (n >= GATE_TEXT_BYTES) {
		scan->doubts |= GATE_DOUBT_LONG;
		return;
	}
	if (is_odd_in_host(c))
		scan->doubts |= GATE_DOUBT_HEADER;
	scan->host[n & (GATE_HOST_ROOM - 1)] = lower(c);
	scan->host_bytes = n + 1;
}

/* The same host as the target's, or a doubt. */
static __always_inline void host_again_byte(struct scan *scan, __u8 c)
{
	if (!host_has(scan, c))
		return;
	if (scan->at >= scan->host_bytes ? c != '.' : scan->host[scan->at & (GATE_HOST_ROOM - 1)] != lower(c))
		scan->doubts |= GATE_DOUBT_HOSTS;
	scan->at++;
}

static __always_inline void end_host(struct scan *scan)
{
	__u32 n = scan->host_bytes;

	if (n && scan->host[(n - 1) & (GATE_HOST_ROOM - 1)] == '.') {
		scan->host[(n - 1) & (GATE_HOST_ROOM - 1)] = 0;
		scan->host_bytes = --n;
	}
	if (!n || scan->host[(n - 1) & (GATE_HOST_ROOM - 1)] == '.' || (scan->value_bytes && !scan->ended))
		scan->doubts |= GATE_DOUBT_HEADER;
}

static __always_inline void length_byte(struct scan *scan, __u8 c)
{
	if (c == ' ' || c == '\t') {
		scan->ended = 1;
		return;
	}
	if (c < '0' || c > '9' || scan->ended || scan->length > 0xffffffffffffULL) {
		scan->doubts |= GATE_DOUBT_FRAMING;
		return;
	}
	scan->length = scan->length * 10 + (c - '0');
	scan->value_bytes++;
}

/* Of Transfer-Encoding and Upgrade: one word, or it is odd. */
static __always_inline void word_byte(struct scan *scan, __u8 c)
{
	__u32 n = scan->value_bytes;

	if (c == ' ' || c == '\t') {
		scan->ended = 1;
		return;
	}
	if (scan->ended)
		n = 16;
	if (n < 16)
		scan->value[n >> 3 & 1] |= (__u64)lower(c) << 8 * (n & 7);
	scan->value_bytes = n + 1;
}

static __always_inline void value_byte(struct scan *scan, __u8 c)
{
	if (scan->field == FIELD_HOST)
		host_byte(scan, c);
	else if (scan->field == FIELD_HOST_AGAIN)
		host_again_byte(scan, c);
	else if (scan->field == FIELD_LENGTH)
		length_byte(scan, c);
	else
		word_byte(scan, c);
}

static __always_inline void end_value(struct scan *scan)
{
	__u32 n = scan->value_bytes;

	if (!scan->colon)
		scan->doubts |= GATE_DOUBT_HEADER;
	if (scan->field == FIELD_CODING) {
		if (n != 7 || scan->value[0] != TEXT8('c', 'h', 'u', 'n', 'k', 'e', 'd', 0))
			scan->doubts |= GATE_DOUBT_FRAMING;
	} else if (scan->field == FIELD_UPGRADE) {
		scan->upgrades += n == 9 && scan->value[0] == TEXT8('w', 'e', 'b', 's', 'o', 'c', 'k', 'e') &&
						  scan->value[1] == 't'
					  ? 1
					  : 2;
	} else if (scan->field == FIELD_LENGTH) {
		if (!n)
			scan->doubts |= GATE_DOUBT_FRAMING;
	} else if (scan->field == FIELD_HOST) {
		end_host(scan);
	} else if (scan->field == FIELD_HOST_AGAIN && scan->at < scan->host_bytes) {
		scan->doubts |= GATE_DOUBT_HOSTS;
	}
	begin_line(scan);
}

#endif
