/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Does this start like a message of HTTP/2 (RFC 9113, section 6.2)? For connections that were joined after
 * their preface. A frame header has no magic number: what is believed here is a HEADERS frame with flags, a
 * length and a stream that it may have; user space looks at the rest.
 */
#ifndef HTTPIPE_CLASSIFY_FRAMES_H
#define HTTPIPE_CLASSIFY_FRAMES_H

#define FRAME_HEADERS	    1
#define FRAME_HEADERS_FLAGS 0x2d /* END_STREAM, END_HEADERS, PADDED, PRIORITY */
#define FRAME_SETTINGS	    4
#define FRAME_LONGEST	    16384 /* of a peer that was not told otherwise, section 4.2 */

/* `n` bytes of `word` are there. Streams of clients have odd numbers (section 5.1.1), and few connections
 * ever have so many that the number's first byte is not 0. */
static __always_inline int looks_like_headers(const __u64 *word, __u32 n)
{
	const __u8 *byte = (const __u8 *)word;
	__u32 length = byte[0] << 16 | byte[1] << 8 | byte[2];

	return n >= 10 && length && length <= FRAME_LONGEST && byte[3] == FRAME_HEADERS &&
	       !(byte[4] & ~FRAME_HEADERS_FLAGS) && !byte[5] && (byte[8] & 1);
}

/* SETTINGS (section 6.5), in `n` bytes of `word`: only where a server begins is this believed. */
static __always_inline int looks_like_settings(const __u64 *word, __u32 n)
{
	const __u8 *byte = (const __u8 *)word;

	return n >= 9 && !byte[0] && !byte[1] && byte[2] % 6 == 0 && byte[3] == FRAME_SETTINGS && !byte[4] &&
	       !byte[5] && !byte[6] && !byte[7] && !byte[8];
}

#endif
