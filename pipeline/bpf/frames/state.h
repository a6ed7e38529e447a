/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is remembered of the frames of a connection that speaks HTTP/2 or WebSocket: where the next one
 * begins, and how much of the one in hand is copied. User space does not read it, and finds the place by
 * itself: what is wrong here costs bytes, which it marks as not seen, and never makes a wrong message.
 *
 * The place is trusted where the beginning was seen, or once so many headers in a row could be one. Until
 * then all is copied.
 */
#ifndef HTTPIPE_FRAMES_STATE_H
#define HTTPIPE_FRAMES_STATE_H

/* http_framing.trust: the beginning was seen, or so many headers. */
#define FRAMES_TRUSTED 8

/* Streams of one direction of which is remembered what they carry. */
#define FRAMES_CONTENTS 8

/* http_content.left, beside the bytes that are still to come of a message of gRPC */
#define CONTENT_PLAIN 0xFFFFFFFD /* no messages: its size alone counts */
#define CONTENT_EMPTY 0xFFFFFFFE /* it began with an empty message: gRPC, or zeros */
#define CONTENT_NEW   0xFFFFFFFF /* its first bytes are still to come */

/* What the DATA frames of a stream carry. */
struct http_content {
	__u32 stream; /* 0 for none */
	__u32 left;
};

/* One direction. Behind `at` come `skip` bytes until the next header of a frame, or until the next prefix of
 * a message where `rest` is not 0. */
struct http_framing {
	__u64 skip;
	__u32 at;     /* sequence number up to which frames were followed; anything where trust is 0 */
	__u32 rest;   /* bytes of the frame behind `skip` */
	__u32 keep;   /* the first bytes of `skip`, that are copied */
	__u32 stream; /* of the DATA frame in hand */
	__u32 pad;
	__u8 trust;	  /* headers in a row that could be one, up to FRAMES_TRUSTED */
	__u8 have;	  /* bytes of `head` that are there */
	__u8 looked_into; /* messages within its streams count: gRPC, WebSocket */
	__u8 compressed;  /* the message of a WebSocket in hand is */
	__u8 head[32]; /* a header that lies in two segments: 10 bytes at most, and room for the verifier */
	struct http_content contents[FRAMES_CONTENTS];
};

struct http_frames {
	struct http_framing side[2]; /* by the sender's place in http_key */
	__u32 busy[2];		     /* how many CPUs hold a segment of that direction */
};

_Static_assert(sizeof(struct http_framing) == 128, "http_framing has padding");

static __always_inline struct http_content *content_of(struct http_framing *framing, __u32 stream)
{
	return &framing->contents[(stream >> 1) & (FRAMES_CONTENTS - 1)];
}

/* All that lies behind the header in hand up to the next one. */
static __always_inline void pass(struct http_framing *framing, __u64 bytes, __u32 keep)
{
	framing->skip = bytes;
	framing->keep = keep;
	framing->rest = 0;
}

#endif
