/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A request's head (RFC 9112, sections 2 to 5), a byte at a time.
 *
 * What servers accept beyond the standard is read as they read it; what they read differently is a doubt;
 * what is no HTTP/1 ends the reading (HEAD_NOT_HTTP).
 */
#ifndef HTTPIPE_GATE_HEAD_H
#define HTTPIPE_GATE_HEAD_H

#include "gate/field.h"
#include "gate/path.h"

enum head {
	HEAD_MORE,
	HEAD_WHOLE,
	HEAD_NOT_HTTP,
};

/* The request line ends without a version: HTTP/0.9 has no more than that. */
static __always_inline enum head end_old(struct scan *scan, __u8 c)
{
	scan->doubts |= GATE_DOUBT_OLD;
	scan->place = c == '\n' ? AT_DONE : AT_END_LF;
	return HEAD_MORE;
}

static __always_inline void begin_version(struct scan *scan)
{
	scan->place = AT_VERSION;
	scan->at = 0;
}

static __always_inline int is_connect(const struct scan *scan)
{
	return scan->method_bytes == 7 &&
	       *(const __u64 *)scan->method == TEXT8('C', 'O', 'N', 'N', 'E', 'C', 'T', 0);
}

static __always_inline enum head method_byte(struct scan *scan, __u8 c)
{
	if (c == ' ') {
		scan->place = AT_TARGET;
		return HEAD_MORE;
	}
	if (c < 33 || c > 126)
		return HEAD_NOT_HTTP;
	if (scan->method_bytes < GATE_METHOD_BYTES - 1) {
		scan->method[scan->method_bytes & (GATE_METHOD_BYTES - 1)] = c;
		scan->method_bytes++;
	} else {
		scan->doubts |= GATE_DOUBT_LONG;
	}
	return HEAD_MORE;
}

static __always_inline void authority_byte(struct scan *scan, __u8 c)
{
	if (c == '@')
		begin_host(scan); /* what came before it was a user */
	else
		host_byte(scan, c);
}

static __always_inline enum head target_byte(struct scan *scan, __u8 c)
{
	if (c == ' ')
		return HEAD_MORE;
	if (is_connect(scan)) {
		scan->doubts |= GATE_FACT_UPGRADE | GATE_FACT_ABSOLUTE;
		scan->place = AT_AUTHORITY;
		begin_host(scan);
		authority_byte(scan, c);
	} else if (c == '/' || c == '*') {
		begin_path(scan, c);
	} else if (c == '\r' || c == '\n') {
		return HEAD_NOT_HTTP;
	} else {
		scan->doubts |= GATE_FACT_ABSOLUTE;
		scan->place = AT_SCHEME;
		scan->at = 0;
	}
	return HEAD_MORE;
}

/* http://, in any case, or another scheme. */
static __always_inline enum head scheme_byte(struct scan *scan, __u8 c)
{
	__u8 l = lower(c);

	if (!scan->at) {
		if (c == ':')
			scan->at = 1;
		else if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
			   c == '.'))
			return HEAD_NOT_HTTP;
		return HEAD_MORE;
	}
	if (c != '/')
		return HEAD_NOT_HTTP;
	if (++scan->at == 3) {
		scan->place = AT_AUTHORITY;
		begin_host(scan);
	}
	return HEAD_MORE;
}

static __always_inline enum head in_authority(struct scan *scan, __u8 c)
{
	if (c == '/' || c == '?' || c == '#' || c == ' ') {
		end_host(scan);
		if (!is_connect(scan))
			begin_path(scan, '/');
		if (c == '?' || c == '#')
			scan->place = AT_QUERY;
		else if (c == ' ')
			begin_version(scan);
		return HEAD_MORE;
	}
	if (c == '\r' || c == '\n') {
		end_host(scan);
		if (!is_connect(scan))
			begin_path(scan, '/');
		return end_old(scan, c);
	}
	authority_byte(scan, c);
	return c < 32 ? HEAD_NOT_HTTP : HEAD_MORE;
}

static __always_inline enum head in_path(struct scan *scan, __u8 c)
{
	if (c == ' ')
		begin_version(scan);
	else if (c == '\r' || c == '\n')
		return end_old(scan, c);
	else if (c == '?' || c == '#')
		scan->place = AT_QUERY;
	else if (c == '\t')
		return HEAD_NOT_HTTP; /* a separator to some, a part of the path to others */
	else
		path_byte(scan, c);
	return HEAD_MORE;
}

static __always_inline enum head in_query(struct scan *scan, __u8 c)
{
	if (c == ' ')
		begin_version(scan);
	else if (c == '\r' || c == '\n')
		return end_old(scan, c);
	else if (c < 32)
		return HEAD_NOT_HTTP;
	return HEAD_MORE;
}

/* HTTP/1. and a digit. */
static __always_inline enum head version_byte(struct scan *scan, __u8 c)
{
	const __u64 want = TEXT8('H', 'T', 'T', 'P', '/', '1', '.', 0);

	if (c == ' ' && !scan->at)
		return HEAD_MORE;
	if (scan->at < 7)
		return c == (__u8)(want >> 8 * (scan->at++ & 7)) ? HEAD_MORE : HEAD_NOT_HTTP;
	if (c < '0' || c > '9')
		return HEAD_NOT_HTTP;
	if (c > '1')
		scan->doubts |= GATE_DOUBT_VERSION;
	scan->high = c;
	scan->place = AT_VERSION_END;
	return HEAD_MORE;
}

static __always_inline enum head behind_version(struct scan *scan, __u8 c)
{
	if (c == '\n')
		begin_line(scan);
	else if (c == '\r')
		scan->place = AT_LINE_LF;
	else if (c != ' ')
		return HEAD_NOT_HTTP;
	return HEAD_MORE;
}

/* The first byte of a line. Only names that begin like those that are read are looked at further. */
static __always_inline void field_byte(struct scan *scan, __u8 c)
{
	__u8 l = lower(c);

	if (c == '\r') {
		scan->place = AT_END_LF;
	} else if (c == '\n') {
		scan->place = AT_DONE;
	} else if (l == 'h' || l == 'c' || l == 't' || l == 'u') {
		scan->place = AT_NAME;
		scan->name[0] = l;
		scan->name_bytes = 1;
	} else {
		if (c <= 32 || c == ':') /* a folded line, a nameless one */
			scan->doubts |= GATE_DOUBT_HEADER;
		scan->place = AT_VALUE;
	}
}

static __always_inline void in_name(struct scan *scan, __u8 c)
{
	if (c == ':') {
		end_name(scan);
	} else if (c <= 32 || c == 127) {
		scan->doubts |= GATE_DOUBT_HEADER;
		if (c == '\n')
			begin_line(scan);
	} else {
		name_byte(scan, c);
	}
}

static __always_inline void in_value(struct scan *scan, __u8 c)
{
	if (c == '\n') {
		end_value(scan);
	} else if (c == '\r') {
		scan->place = AT_VALUE_LF;
	} else if (scan->field) {
		value_byte(scan, c);
	} else if (c == ':') {
		scan->colon = 1;
	} else if (c < 32 && c != '\t') {
		scan->doubts |= GATE_DOUBT_HEADER;
	}
}

/* A CR must be followed by LF. */
static __always_inline void expect_lf(struct scan *scan, __u8 c)
{
	if (c != '\n')
		scan->doubts |= GATE_DOUBT_HEADER;
}

/* enum head. Verified once, and not again wherever it is called from. */
__noinline int head_byte(struct scan *scan, __u32 byte)
{
	enum head head = HEAD_MORE;
	__u8 c = byte;

	if (!scan)
		return HEAD_NOT_HTTP;
	if (++scan->head_bytes > GATE_HEAD_BYTES)
		scan->doubts |= GATE_DOUBT_LONG;
	switch (scan->place) {
	case AT_VALUE: /* most bytes are there */
		in_value(scan, c);
		break;
	case AT_NAME:
		in_name(scan, c);
		break;
	case AT_FIELD:
		field_byte(scan, c);
		break;
	case AT_BLANKS:
		if (c == ' ' || c == '\t')
			break;
		scan->place = AT_VALUE;
		in_value(scan, c);
		break;
	case AT_VALUE_LF:
		expect_lf(scan, c);
		scan->place = AT_VALUE;
		if (c == '\n')
			end_value(scan);
		break;
	case AT_PATH:
		head = in_path(scan, c);
		break;
	case AT_QUERY:
		head = in_query(scan, c);
		break;
	case AT_START:
		if (c == '\r' || c == '\n') { /* an empty line, which is no part of it */
			scan->head_bytes = 0;
			break;
		}
		scan->place = AT_METHOD;
		head = method_byte(scan, c);
		break;
	case AT_METHOD:
		head = method_byte(scan, c);
		break;
	case AT_TARGET:
		head = target_byte(scan, c);
		break;
	case AT_SCHEME:
		head = scheme_byte(scan, c);
		break;
	case AT_AUTHORITY:
		head = in_authority(scan, c);
		break;
	case AT_VERSION:
		head = version_byte(scan, c);
		break;
	case AT_VERSION_END:
		head = behind_version(scan, c);
		break;
	case AT_LINE_LF:
		expect_lf(scan, c);
		begin_line(scan);
		break;
	case AT_END_LF:
		expect_lf(scan, c);
		scan->place = AT_DONE;
		break;
	}
	return scan->place == AT_DONE ? HEAD_WHOLE : head;
}

/* Behind a head: what follows (RFC 9112, section 6.3). */
__noinline int end_head(struct scan *scan)
{
	struct framing *framing;

	if (!scan)
		return 0;
	framing = &scan->framing;
	if (scan->path_bytes)
		end_path(scan);
	if (scan->codings) {
		scan->doubts |= GATE_FACT_CHUNKED;
		if (scan->lengths || scan->high == '0') /* HTTP/1.0 knows no chunks */
			scan->doubts |= GATE_DOUBT_FRAMING;
	}
	framing->left = scan->codings ? 0 : scan->length;
	if (scan->doubts & GATE_FACT_UPGRADE) {
		framing->phase = PHASE_UPGRADE;
		if (scan->codings)
			framing->aux |= UPGRADE_CHUNKED;
		return 0;
	}
	framing->aux = 0;
	framing->phase = scan->codings ? PHASE_CHUNK_SIZE : scan->length ? PHASE_BODY : PHASE_HEAD;
	return 0;
}

#endif
