/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The request line (RFC 9112, section 3), a byte at a time: method, target in
 * each of its forms, version.
 */
#ifndef HTTPIPE_GATE_LINE_H
#define HTTPIPE_GATE_LINE_H

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
	if (c >= 'a' && c <= 'z')
		scan->doubts |= GATE_DOUBT_HEADER; /* to some it is the method in capitals */
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
		else if (c != ' ')
			scan->doubts |= GATE_DOUBT_HEADER; /* Go's server has a path in it */
		if (c == '#')
			scan->doubts |= GATE_DOUBT_FRAGMENT;
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
	else if (c == '?')
		scan->place = AT_QUERY;
	else if (c == '\t')
		return HEAD_NOT_HTTP; /* a separator to some, a part of the path to others */
	else if (c == '#') {
		scan->doubts |= GATE_DOUBT_FRAGMENT; /* Node and Go have what follows in the path */
		scan->place = AT_QUERY;
	} else
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
	if (c == '\n') {
		scan->ends |= ENDS_LF;
		begin_line(scan);
	} else if (c == '\r')
		scan->place = AT_LINE_LF;
	else if (c != ' ')
		return HEAD_NOT_HTTP;
	return HEAD_MORE;
}

#endif
