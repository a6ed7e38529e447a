/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The path of a request in the one form that lists have: pipeline/lists/path.py, byte by byte.
 *
 * Escapes are decoded once, repeated slashes are one, dot segments are followed. Where servers may read
 * something else, a doubt says so: pipeline/lists/readings.py.
 */
#ifndef HTTPIPE_GATE_PATH_H
#define HTTPIPE_GATE_PATH_H

#include "gate/scan.h"

static __always_inline void append(struct scan *scan, __u8 c)
{
	__u32 n = scan->path_bytes;

	if (n >= GATE_PATH_BYTES) {
		scan->doubts |= GATE_DOUBT_LONG;
		return;
	}
	scan->path[n & (GATE_PATH_BYTES - 1)] = c;
	scan->path_bytes = n + 1;
}

/* "." goes, ".." takes the one before with it (RFC 3986, section 5.2.4). */
static __always_inline void close_segment(struct scan *scan)
{
	__u32 start = scan->segments[scan->depth & (GATE_SEGMENTS - 1)];
	__u32 n = scan->path_bytes - start;
	__u8 first = scan->path[start & (GATE_PATH_BYTES - 1)];
	__u8 second = scan->path[(start + 1) & (GATE_PATH_BYTES - 1)];

	if (n == 1 && first == '.') {
		scan->doubts |= GATE_DOUBT_DOTS;
		scan->path_bytes = start;
	} else if (n == 2 && first == '.' && second == '.') {
		scan->doubts |= GATE_DOUBT_DOTS;
		if (scan->depth) {
			scan->depth--;
			scan->path_bytes = scan->segments[scan->depth & (GATE_SEGMENTS - 1)];
		} else {
			scan->path_bytes = 1;
			scan->doubts |= GATE_DOUBT_ABOVE;
		}
	}
}

static __always_inline void begin_path(struct scan *scan, __u8 first)
{
	scan->path[0] = first;
	scan->path_bytes = 1;
	scan->depth = 0;
	scan->segments[0] = 1;
	scan->escape = 0;
	scan->raw = 0;
	scan->place = AT_PATH;
}

/* Whether bytes beyond ASCII are UTF-8 (RFC 3629, section 4). */
static __always_inline void check_utf8(struct scan *scan, __u8 c)
{
	if (scan->utf8) {
		if (c < scan->lowest || c > scan->highest) {
			scan->doubts |= GATE_DOUBT_UTF8;
			scan->utf8 = 0;
			return;
		}
		scan->utf8--;
		scan->lowest = 0x80;
		scan->highest = 0xBF;
		return;
	}
	if (c < 0x80)
		return;
	if (c < 0xC2 || c > 0xF4) {
		scan->doubts |= GATE_DOUBT_UTF8;
		return;
	}
	scan->utf8 = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
	scan->lowest = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
	scan->highest = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
}

/* One byte, decoded. */
static __always_inline void take_path_byte(struct scan *scan, __u8 c)
{
	if (c >= 0x80 || scan->utf8)
		check_utf8(scan, c);
	if (c == '/') {
		close_segment(scan);
		if (scan->path_bytes <= scan->segments[scan->depth & (GATE_SEGMENTS - 1)])
			return;
		append(scan, '/');
		if (scan->depth + 1 < GATE_SEGMENTS) {
			scan->depth++;
			scan->segments[scan->depth & (GATE_SEGMENTS - 1)] = scan->path_bytes;
		} else {
			scan->doubts |= GATE_DOUBT_LONG;
		}
		return;
	}
	if (c == '\\')
		scan->doubts |= GATE_DOUBT_BACKSLASH;
	else if (c == ';')
		scan->doubts |= GATE_DOUBT_PARAMETER;
	else if (c < 32 || c == 127)
		scan->doubts |= GATE_DOUBT_CONTROL;
	append(scan, c);
}

static __always_inline void decoded_doubt(struct scan *scan, __u8 c)
{
	if (c == '%')
		scan->doubts |= GATE_DOUBT_DOUBLE;
	else if (c == '/' || c == '.')
		scan->doubts |= GATE_DOUBT_ESCAPED;
}

/* One byte of the path as sent. What a malformed escape has is text, as far as it had come. */
static __always_inline void path_byte(struct scan *scan, __u8 c)
{
	int digit;

	if (!scan->raw && c == '/')
		scan->doubts |= GATE_DOUBT_SLASHES;
	scan->raw = 1;
	if (!scan->escape) {
		if (c == '%') {
			scan->escape = 2;
			return;
		}
	} else {
		digit = hex_digit(c);
		if (digit < 0) {
			scan->doubts |= GATE_DOUBT_ESCAPE;
			scan->escape = 0;
		} else if (scan->escape == 2) {
			scan->high = digit;
			scan->escape = 1;
			return;
		} else {
			c = scan->high << 4 | digit;
			scan->escape = 0;
			decoded_doubt(scan, c);
		}
	}
	take_path_byte(scan, c);
}

/* What dot segments took away: behind the path there are only zeros. */
struct wiping {
	struct scan *scan;
};

static long wipe_step(__u32 i, struct wiping *of)
{
	if (i >= sizeof(of->scan->path))
		return 1;
	if (i >= of->scan->path_bytes)
		of->scan->path[i] = 0;
	return 0;
}

/* Behind its last byte. */
static __always_inline void end_path(struct scan *scan)
{
	struct wiping of = {scan};

	if (scan->escape)
		scan->doubts |= GATE_DOUBT_ESCAPE;
	if (scan->utf8)
		scan->doubts |= GATE_DOUBT_UTF8;
	close_segment(scan);
	if (scan->doubts & GATE_DOUBT_DOTS)
		bpf_loop(sizeof(scan->path), wipe_step, &of, 0);
}

#endif
