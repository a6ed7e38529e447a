/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * HTTP/2: what is copied of a call's bytes. Headers of frames and every frame but DATA always are, else
 * nobody could find the next frame; of DATA the first `budget` bytes of a turn. A turn begins with HEADERS,
 * and with DATA behind the other side's: WINDOW_UPDATE and its like make no turn.
 *
 * RFC 9113, section 4.1: length (3 bytes), type, flags, stream (4). Frames and calls need not begin together.
 */
#ifndef HTTPIPE_TLS_FRAMES_H
#define HTTPIPE_TLS_FRAMES_H

#include "tls/ring.h"

#define FRAME_HEADER   9
#define FRAME_DATA     0
#define FRAME_HEADERS  1
#define FRAME_SETTINGS 4
#define FRAME_KNOWN    0x20 /* types are below; RFC 9218, section 7.1 has 16 */
#define PREFACE_BYTES  24   /* RFC 9113, section 3.4; no frame, but in front of the first */
/* Pieces of one call that are looked at. Behind them everything of the direction is copied from then on. */
#define FRAME_STEPS    256

/* One call on its way through `step`. */
struct tls_walk {
	struct tls_record record;
	__u64 from;
	__u32 bytes;  /* of the call that are not looked at yet */
	__u32 run;    /* bytes looked at, all copied or all left out, that are not reported yet */
	__u32 copied; /* which of both */
	__u32 budget;
	__u32 self;    /* TLS_SPEAKER_*: whose call it is */
	__u32 speaker; /* who sent HEADERS or DATA last */
	__u32 left_out;
	__u32 pad;
};

static __always_inline void report_run(struct tls_walk *walk)
{
	__u32 run = walk->run;

	if (!run)
		return;
	walk->record.length = run;
	if (!walk->copied)
		walk->left_out += run;
	put_call(&walk->record, walk->from, walk->copied ? run : 0);
	walk->from += run;
	walk->run = 0;
}

static __always_inline void take(struct tls_walk *walk, __u32 bytes, __u32 copied)
{
	if (walk->copied != copied) {
		report_run(walk);
		walk->copied = copied;
	}
	walk->run += bytes;
	walk->bytes -= bytes;
}

/* A header is whole: what follows it? */
static __always_inline void begin_frame(struct tls_walk *walk, struct tls_frames *frames)
{
	__u32 type = frames->head[3];

	frames->have = 0;
	frames->left = frames->head[0] << 16 | frames->head[1] << 8 | frames->head[2];
	frames->data = type == FRAME_DATA;
	if (type >= FRAME_KNOWN)
		frames->lost = 1;
	if (type != FRAME_DATA && type != FRAME_HEADERS)
		return;
	if (type == FRAME_HEADERS || walk->speaker != walk->self)
		frames->budget = walk->budget;
	walk->speaker = walk->self;
}

/* The next bytes of a header; it may begin in one call and end in another. */
static __always_inline void read_header(struct tls_walk *walk, struct tls_frames *frames)
{
	__u32 have = frames->have, want;

	if (have >= FRAME_HEADER)
		have = 0;
	want = FRAME_HEADER - have;
	if (want > walk->bytes)
		want = walk->bytes;
	/* Bounds that every verifier follows: they are those of `head`. */
	if (read_user(frames->head + (have & 15), ((want - 1) & 15) + 1, walk->from + walk->run))
		frames->lost = 1;
	frames->have = have + want;
	take(walk, want, 1);
	if (frames->have == FRAME_HEADER)
		begin_frame(walk, frames);
}

/* One piece of a call: (part of) a header, of a frame that is copied, or of one that is left out. False when
 * nothing is left. */
__noinline int step(struct tls_walk *walk, struct tls_frames *frames)
{
	__u32 bytes;

	if (!walk || !frames || !walk->bytes)
		return 0;
	if (frames->lost) {
		take(walk, walk->bytes, 1);
		return 0;
	}
	if (!frames->left) {
		read_header(walk, frames);
		return 1;
	}
	bytes = frames->left < walk->bytes ? frames->left : walk->bytes;
	if (frames->data && frames->budget && bytes > frames->budget)
		bytes = frames->budget;
	take(walk, bytes, !frames->data || frames->budget);
	frames->left -= bytes;
	if (frames->data && frames->budget)
		frames->budget -= bytes;
	return 1;
}

/* All of a call. */
static __always_inline void follow_frames(struct tls_walk *walk, struct tls_frames *frames)
{
	for (int i = 0; i < FRAME_STEPS; i++)
		if (!step(walk, frames))
			break;
	if (walk->bytes) {
		frames->lost = 1;
		step(walk, frames);
	}
	report_run(walk);
}

#endif
