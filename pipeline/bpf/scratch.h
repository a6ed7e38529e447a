/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Scratch memory of http_trace, one per CPU, where a packet is taken apart and its records are put together.
 *
 * It is memory of a map, not of the stack: what the verifier reads from there is any number, so that paths
 * meet again instead of being followed to the end one by one, which costs a tenth of the work.
 */
#ifndef HTTPIPE_SCRATCH_H
#define HTTPIPE_SCRATCH_H

#include "http_trace.h"
#include "parse/packet.h"

/* What is decided about the packet in hand, and not written to a record. */
struct draft {
	__u32 start;  /* what its payload starts like, enum start */
	__u32 copy;   /* payload bytes to copy of it */
	__u32 copied; /* payload bytes copied of it */
	__u32 last;   /* the connection is left behind it */
	__u32 side;   /* the record's sender by its place in the key: a range may be the other side's */
	__u32 offset; /* of the bytes that go into the record */
	__u32 bytes;  /* how many, 0…HTTP_RECORD_PAYLOAD */
};

struct http_scratch {
	struct packet packet;
	struct headers headers;
	struct draft draft;
	struct http_record record; /* its payload follows at once */
	__u8 payload[HTTP_RECORD_PAYLOAD];
};

#endif
