/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The program's desk: one per CPU, where a packet is taken apart and its records are put together.
 *
 * It is memory of a map, not of the stack: what the verifier reads from there is any number, so that paths
 * meet again instead of being followed to the end one by one, which costs a tenth of the work.
 */
#ifndef HTTPIPE_WORK_H
#define HTTPIPE_WORK_H

/* The packet in hand. */
struct packet {
	__u64 now_ns;
	struct http_key key;
	__u32 side;    /* the sender's place in key */
	__u32 start;   /* what the payload starts like, enum start */
	__u32 payload; /* offset of the first payload byte */
	__u32 length;  /* payload bytes on the wire */
	__u32 present; /* payload bytes that the packet still has: fewer where something cut it */
	__u32 seq;
	__u32 ack;
	__u32 flags;
	__u32 vlan;
	__u32 ifindex;
	__u32 outgoing; /* sent by this host */
	__u32 copy;	/* payload bytes to copy */
	__u32 done;	/* payload bytes copied */
};

/* RFC 9293, section 3.1 */
struct tcp_header {
	__u16 source;
	__u16 destination;
	__u32 seq;
	__u32 ack;
	__u8 offset;
	__u8 flags;
	__u16 window;
	__u16 checksum;
	__u16 urgent;
};

/* The headers of the packet in hand. */
struct headers {
	__u32 type;	/* Ethernet's name for the protocol */
	__u32 start;	/* of the IP header */
	__u32 offset;	/* of what follows it */
	__u32 end;	/* of the IP packet; padding of the frame comes after it */
	__u32 protocol; /* of what follows it */
	__u32 fragment; /* it is a fragment of a larger packet */
	__u32 source[4];
	__u32 destination[4];
	struct tcp_header tcp;
	__u32 pad;
};

/* What the record being made needs and does not tell. */
struct draft {
	__u32 side;   /* the sender's place in the key: a range may be the other side's */
	__u32 offset; /* of the bytes to copy */
	__u32 copy;   /* how many, 0…HTTP_CHUNK_BYTES */
	__u32 pad;
};

struct http_scratch {
	struct packet packet;
	struct headers headers;
	struct draft draft;
	struct http_record record; /* its payload follows at once */
	__u8 payload[HTTP_CHUNK_BYTES];
};

#endif
