/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A request's head (RFC 9112, sections 2 to 5), a byte at a time.
 *
 * What servers accept beyond the standard is read as they read it; what they
 * read differently is a doubt; what is no HTTP/1 ends the reading
 * (HEAD_NOT_HTTP).
 */
#ifndef HTTPIPE_GATE_HEAD_H
#define HTTPIPE_GATE_HEAD_H

#include "gate/line.h"

/* Python's server takes a line with such a name for the end of the head. */
static __always_inline int is_odd_in_name(__u8 c)
{
	return c <= 32 || c >= 127;
}

/* The first byte of a line. Only names that begin like those that are read are
 * looked at further. */
static __always_inline void field_byte(struct scan *scan, __u8 c)
{
	__u8 l = lower(c);

	if (c == '\r') {
		scan->place = AT_END_LF;
	} else if (c == '\n') {
		scan->ends |= ENDS_LF;
		scan->place = AT_DONE;
	} else if (l == 'h' || l == 'c' || l == 't' || l == 'u') {
		scan->place = AT_NAME;
		scan->name[0] = l;
		scan->name_bytes = 1;
	} else {
		if (is_odd_in_name(c) || c == ':') /* a folded line, a nameless one */
			scan->doubts |= GATE_DOUBT_HEADER;
		scan->place = AT_VALUE;
	}
}

static __always_inline void in_name(struct scan *scan, __u8 c)
{
	if (c == ':') {
		end_name(scan);
	} else if (is_odd_in_name(c)) {
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
		scan->ends |= ENDS_LF;
		end_value(scan);
		return;
	}
	if (c == '\r') {
		scan->place = AT_VALUE_LF;
		return;
	}
	if (c == ':')
		scan->colon = 1;
	if (scan->colon ? c < 32 && (c != '\t' || scan->field) : is_odd_in_name(c))
		scan->doubts |= GATE_DOUBT_HEADER;
	if (scan->field)
		value_byte(scan, c);
}

/* A CR must be followed by LF. */
static __always_inline void expect_lf(struct scan *scan, __u8 c)
{
	scan->ends |= ENDS_CRLF;
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
		if (c == ' ' || (c == '\t' && !scan->field))
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

/* Bodies that servers may leave where they are, and take for the next request (RFC 9110, section 9.3.1). */
static __always_inline int should_have_no_body(const struct scan *scan)
{
	__u64 method = *(const __u64 *)scan->method;

	return method == TEXT8('G', 'E', 'T', 0, 0, 0, 0, 0) ||
	       method == TEXT8('H', 'E', 'A', 'D', 0, 0, 0, 0);
}

/* RFC 6455, section 4.1. Whatever else is asked for must go on in HTTP/1. */
static __always_inline int asks_for_websocket(const struct scan *scan)
{
	return scan->upgrades == 1 && !scan->codings && !scan->length;
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
	if (scan->ends == (ENDS_CRLF | ENDS_LF))
		scan->doubts |= GATE_DOUBT_HEADER;
	if ((scan->codings || scan->length) && should_have_no_body(scan))
		scan->doubts |= GATE_DOUBT_BODY;
	if (scan->codings) {
		scan->doubts |= GATE_FACT_CHUNKED;
		if (scan->lengths || scan->high == '0') /* HTTP/1.0 knows no chunks */
			scan->doubts |= GATE_DOUBT_FRAMING;
	}
	framing->left = scan->codings ? 0 : scan->length;
	framing->aux = 0;
	framing->phase = asks_for_websocket(scan) ? PHASE_UPGRADE
			 : scan->codings	  ? PHASE_CHUNK_SIZE
			 : scan->length		  ? PHASE_BODY
						  : PHASE_HEAD;
	return 0;
}

#endif
