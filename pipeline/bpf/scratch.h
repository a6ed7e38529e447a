/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Scratch memory of http_trace, of each CPU, where a packet is taken apart and its records are put together.
 *
 * It is memory of a map, not of the stack: what the verifier reads from there is any number, so that paths
 * meet again instead of being followed to the end one by one, which costs a tenth of the work.
 */
#ifndef HTTPIPE_SCRATCH_H
#define HTTPIPE_SCRATCH_H

#include "http_trace.h"
#include "frames/state.h"
#include "parse/packet.h"

/* What is decided about the packet in hand, and not written to a record. */
struct draft {
	__u32 start;  /* what its payload starts like, enum start */
	__u32 copy;   /* payload bytes to copy of it */
	__u32 copied; /* payload bytes copied of it */
	__u32 last;   /* the connection is left behind it */
	__u32 framed; /* its frames are followed */
	__u32 side;   /* the record's sender by its place in the key: a range may be the other side's */
	__u32 offset; /* of the bytes that go into the record */
	__u32 bytes;  /* how many, 0…HTTP_RECORD_PAYLOAD */
};

/* How far the frames of the segment in hand were followed. What is done with is taken off its front. */
struct walk {
	__u32 begun;  /* by an earlier run of the program */
	__u32 at;     /* bytes in front that will be copied, 0…HTTP_RECORD_PAYLOAD */
	__u32 gap;    /* bytes behind these that will not */
	__u32 full;   /* these go into the ring before more is looked at */
	__u32 wanted; /* bytes of the header in hand, as far as is known */
	__u32 taken;  /* of these, bytes that are read at once */
	__u32 lost;   /* it cannot be one */
	__u32 pad;
};

struct http_scratch {
	struct packet packet;
	struct headers headers;
	struct draft draft;
	struct walk walk;
	struct http_framing framing; /* of the direction in hand, while a CPU is alone with it */
	struct http_frames frames;
	__u32 busy; /* at sockets: how many want it, see enter() */
	__u32 pad;
	struct http_record record; /* its payload follows at once */
	__u8 payload[HTTP_RECORD_PAYLOAD];
};

#endif
