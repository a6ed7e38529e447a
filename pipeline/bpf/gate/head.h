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

/* The first byte of a line. Only names that begin like those that are read are
 * looked at further. */
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
