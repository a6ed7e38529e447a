/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Frames of HTTP/2 (RFC 9113, sections 4 and 6). All are copied whole but DATA, of which the first `budget`
 * bytes are.
 *
 * Within the DATA of gRPC the prefix of every message is copied, too, wherever it lies: five bytes, a flag
 * and a length. A stream is taken for gRPC by its first five bytes; what it is not is found out at what
 * should be the next prefix. So many streams are remembered of each direction; DATA of others is copied whole
 * where there have been messages at all. The same goes for a WebSocket in a stream (RFC 8441), whose frames
 * are not followed.
 */
#ifndef HTTPIPE_FRAMES_HTTP2_H
#define HTTPIPE_FRAMES_HTTP2_H

#include "classify/frames.h"
#include "frames/state.h"
#include "verifier.h"

#define HTTP2_HEADER  9
#define HTTP2_PREFACE 24
#define HTTP2_TRUST   3 /* headers in a row: of 15,000 places that were looked for so, all were right */

#define FRAME_DATA	   0
#define FRAME_CONTINUATION 9
#define FRAME_END_STREAM   0x01
#define FRAME_PADDED	   0x08
/* Lengths of PRIORITY, RST_STREAM, PING and WINDOW_UPDATE, four bits for each type. */
#define FRAME_LENGTHS	   0x0408004500ULL
/* One bit for each type: those of a stream, and those of the connection. */
#define FRAME_STREAM	   0x22F
#define FRAME_CONNECTION   0x0D0

#define GRPC_PREFIX   5
#define GRPC_LONGEST  (1 << 30)
#define GRPC_TRAILERS 0x80

/* 1 for what is no header: lengths and streams that end the connection. */
static __always_inline __u64 is_faulty(__u64 length, __u64 kind, __u64 stream)
{
	__u64 known = LESS(kind, FRAME_CONTINUATION + 1), type = kind & 15;
	__u64 fixed = FRAME_LENGTHS >> (4 * type) & 15;
	__u64 faulty = NONZERO(fixed) & NONZERO(length ^ fixed);

	faulty |= FRAME_STREAM >> type & (NONZERO(stream) ^ 1);
	faulty |= FRAME_CONNECTION >> type & NONZERO(stream);
	faulty |= (NONZERO(kind ^ FRAME_SETTINGS) ^ 1) & NONZERO(length % 6);
	return faulty & known & 1;
}

/* 1 for what hardly any header is, where nobody knows whether it is one. */
static __always_inline __u64 is_unlikely(__u64 length, __u64 kind, __u64 flags, __u64 reserved)
{
	__u64 empty = (NONZERO(kind) | NONZERO(length) | (flags & FRAME_END_STREAM)) ^ 1;

	return LESS(FRAME_LONGEST, length) | LESS(FRAME_CONTINUATION, kind) |
	       NONZERO(flags & ~(__u64)FRAME_HEADERS_FLAGS) | reserved | empty;
}

static __always_inline void begin_data(struct http_framing *framing, __u32 length, __u32 flags, __u32 stream,
				       __u32 budget)
{
	struct http_content *content = content_of(framing, stream);
	__u32 left = content->left, here;

	framing->stream = stream;
	if (content->stream != stream) {
		pass(framing, length, framing->looked_into ? length : budget);
	} else if (left == CONTENT_PLAIN) {
		pass(framing, length, budget);
	} else if (flags & FRAME_PADDED) { /* where its content ends is not followed */
		content->stream = 0;
		pass(framing, length, framing->looked_into ? length : budget);
	} else {
		if (left > CONTENT_PLAIN)
			left = 0;
		here = left < length ? left : length;
		pass(framing, here, budget);
		framing->rest = length - here;
		if (here)
			content->left = left - here;
	}
}

/* Behind the nine bytes of `head`; false where they cannot be a header. */
static __always_inline int read_frame_header(struct http_framing *framing, __u32 budget)
{
	const __u8 *head = framing->head;
	__u64 length = head[0] << 16 | head[1] << 8 | head[2], kind = head[3], flags = head[4];
	__u64 stream = (head[5] & 0x7F) << 24 | head[6] << 16 | head[7] << 8 | head[8];
	__u64 trust = framing->trust, doubted = LESS(trust, FRAMES_TRUSTED);
	struct http_content *content;

	if (is_faulty(length, kind, stream) | (doubted & is_unlikely(length, kind, flags, head[5] >> 7)))
		return 0;
	trust += doubted;
	framing->trust = trust + (FRAMES_TRUSTED - HTTP2_TRUST) * (NONZERO(trust ^ HTTP2_TRUST) ^ 1);
	if (kind == FRAME_DATA) {
		begin_data(framing, length, flags, stream, budget);
		return 1;
	}
	pass(framing, length, length);
	if (kind == FRAME_HEADERS && !(flags & FRAME_END_STREAM)) {
		content = content_of(framing, stream);
		content->stream = stream;
		content->left = CONTENT_NEW;
	}
	return 1;
}

/* RFC 6455, section 5.2: text, binary, or a control frame; the flag of gRPC, which is 0 or 1, is none. */
static __always_inline int begins_websocket(__u8 first)
{
	return first == 0x81 || first == 0x82 || first == 0xC1 || first == 0xC2 || first == 0x88 ||
	       first == 0x89 || first == 0x8A;
}

/* Behind the five bytes of `head`, within a DATA frame. */
static __always_inline void read_prefix(struct http_framing *framing, __u32 budget, __u32 websockets)
{
	const __u8 *head = framing->head;
	__u32 length = (__u32)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];
	__u32 rest = framing->rest - GRPC_PREFIX, here;
	struct http_content *content = content_of(framing, framing->stream);
	int first = content->left == CONTENT_NEW, zeros = content->left == CONTENT_EMPTY && !length;

	barrier();
	if (first && !head[0] && !length && rest) {
		content->left = CONTENT_EMPTY;
		framing->rest = rest;
	} else if (head[0] <= 1 && length < GRPC_LONGEST && !zeros) {
		framing->looked_into = 1;
		here = length < rest ? length : rest;
		pass(framing, here, budget);
		framing->rest = rest - here;
		content->left = length - here;
	} else if (first ? websockets && begins_websocket(head[0]) : (head[0] & ~1) == GRPC_TRAILERS) {
		framing->looked_into = 1;
		content->stream = 0;
		pass(framing, rest, rest);
	} else { /* nor has it been, if it was taken for it */
		framing->looked_into &= first;
		content->left = CONTENT_PLAIN;
		pass(framing, rest, budget - GRPC_PREFIX);
	}
}

/* A prefix that does not lie in one frame is not followed, and all of its stream is copied from there on. */
static __always_inline void pass_short(struct http_framing *framing)
{
	content_of(framing, framing->stream)->stream = 0;
	pass(framing, framing->rest, framing->rest);
}

#endif
