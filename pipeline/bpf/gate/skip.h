/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Header lines that do not matter, eight bytes at a time. Whichever way they
 * are gone through, here or by the byte, the state behind them is the same: it
 * may be compared with that of another cut.
 */
#ifndef HTTPIPE_GATE_SKIP_H
#define HTTPIPE_GATE_SKIP_H

#include "gate/field.h"
#include "gate/work.h"

#define EACH_BYTE(c)	   ((c)*0x0101010101010101ULL)
/* Where a byte of the word is below `c` (at most 128), and only there, a high
 * bit is set. */
#define HAS_BELOW(word, c) (((word)-EACH_BYTE(c)) & ~(word)&EACH_BYTE(0x80))

/* Of such bits: those in front of the first one, or all. */
#define UP_TO(bits) (((bits) & -(bits)) - 1)

/* As is_odd_in_name() says, but for bytes behind the first such one. */
static __always_inline __u64 odd_in_name(__u64 word)
{
	return HAS_BELOW(word, 0x21) | HAS_BELOW(word ^ EACH_BYTE(0x7F), 1) | (word & EACH_BYTE(0x80));
}

/* Of the bits of HAS_BELOW: bytes in front of the first one. */
static __always_inline __u32 bytes_before(__u64 bits)
{
	__u32 n = 0;

	if (!(bits & 0xFFFFFFFF)) {
		n = 4;
		bits >>= 32;
	}
	if (!(bits & 0xFFFF)) {
		n += 2;
		bits >>= 16;
	}
	return bits & 0xFF ? n : n + 1;
}

/* Values that do not matter, eight bytes at a time, up to the first that is
 * below a space; how many went. */
static __always_inline __u32 skip_value(struct work *work, __u32 place)
{
	struct reading *reading = &work->reading;
	__u32 at = place;

	UNROLL
	for (int i = 0; i < 8; i++) {
		__u64 *word = (__u64 *)&work->bytes[at & (WINDOW - 1)], value, below, colons;

		if (at + 8 > reading->filled || at > WINDOW - 8)
			break;
		asm volatile("" : "+r"(word)); /* or clang loads it byte by byte */
		value = *word;
		below = HAS_BELOW(value, 0x20);
		colons = HAS_BELOW(value ^ EACH_BYTE(':'), 1);
		if (!work->scan.colon && odd_in_name(value) & UP_TO(colons))
			work->scan.doubts |= GATE_DOUBT_HEADER;
		if (colons & UP_TO(below))
			work->scan.colon = 1;
		if (below) {
			at += bytes_before(below);
			break;
		}
		at += 8;
	}
	return at - place;
}

/* Of a line whose name is plain and does not matter nothing is read but colons.
 */
static __always_inline void skip_name(struct work *work, __u32 place)
{
	__u64 *word = (__u64 *)&work->bytes[place & (WINDOW - 1)], value;

	if (place + 8 > work->reading.filled || place > WINDOW - 8)
		return;
	asm volatile("" : "+r"(word));
	value = *word;
	if (HAS_BELOW(value, 0x21) || HAS_BELOW(value ^ EACH_BYTE(0x7F), 1) ||
	    HAS_BELOW((value ^ EACH_BYTE(':')) | 0xFFFFFFFF00000000ULL, 1))
		return;
	value |= EACH_BYTE(0x20); /* small letters, and '-' as it is */
	if (value == UPGRADE_DASH || !may_be_read(value))
		work->scan.place = AT_VALUE;
}

/* The end of a line that does not matter, where all of it is here. */
static __always_inline int skip_line_end(struct work *work, __u32 place)
{
	if (place + 1 >= work->reading.filled || work->bytes[place & (WINDOW - 1)] != '\r' ||
	    work->bytes[(place + 1) & (WINDOW - 1)] != '\n')
		return 0;
	work->reading.at += 2;
	work->scan.head_bytes += 2;
	work->scan.ends |= ENDS_CRLF;
	end_value(&work->scan);
	return 1;
}

#endif
