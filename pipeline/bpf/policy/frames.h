/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Frames: what is copied of HTTP/2 and WebSocket, in place of turns. Headers of frames and what is not a body
 * cross the ring whole, of bodies and messages the first bytes of each frame; the rest are ranges.
 *
 * Each direction is followed from frame to frame by the lengths in their headers (frames/state.h), over any
 * cut into segments:
 *
 *   segment                     | the place is trusted            | it is not
 *   ----------------------------+---------------------------------+------------------------------------------
 *   begins at the place         | followed                        | copied, and looked at as if a frame began
 *                               |                                 | with it; trusted after enough headers
 *   begins before it            | what is new is followed         | the same
 *   nothing new                 | copied                          | the same
 *   begins behind it, within    | followed: it is known how many  | the same
 *   what is passed by           | bytes are missing               |
 *   begins behind that          | not trusted any more, counted   | the same
 *   another CPU has one of this | copied; the next one begins     | copied
 *   direction in hand           | behind the place                |
 *
 * A run of the program looks at some frames and makes at most one record, of bytes that are copied and of
 * bytes behind them that are not; then it jumps to itself for the rest of the segment. The kernel allows some
 * 30 such jumps. What is left of the segment then is copied, and the place is not trusted any more: that
 * takes more than 370 small frames.
 *
 * An example, 64 bytes of each frame, segments of 1448. The server sends a HEADERS frame of 100 bytes and a
 * DATA frame of 10,000, at 2000:
 *
 *   segment                     | place behind it                      | records: seq + length (captured)
 *   ----------------------------+--------------------------------------+---------------------------------
 *   2000 + 1448                 | 8670 bytes to pass by                | 2000 + 1448 (182)
 *   3448 + 1448                 | 7222                                 | range, as in ranges.h
 *   ...
 *   10,688 + 1430               | a header comes next                  |
 *   12,118 + 9, DATA, its end   | a header comes next                  | 3448 + 8670 (0), RANGE
 *                               |                                      | 12,118 + 9 (9)
 */
#ifndef HTTPIPE_POLICY_FRAMES_H
#define HTTPIPE_POLICY_FRAMES_H

#include "frames/http2.h"
#include "frames/websocket.h"
#include "policy/copy.h"
#include "policy/handshakes.h"
#include "policy/ranges.h"

/* Frames looked at in a run. */
#define FRAMES_A_RUN 12
/* Of what can be left out between two headers of a segment, the least that is worth a record of its own. */
#define FRAMES_GAP   3072
/* Longer than any header. */
#define FRAMES_ROOM  16

/* Where the frames of the connection in hand are; 0 where it found no room. */
static __always_inline struct http_frames *frames_of(struct http_scratch *work)
{
	struct http_key *key = &work->packet.key;
	struct http_frames *frames = frames_lookup(key);

	if (frames)
		return frames;
	__builtin_memset(&work->frames, 0, sizeof(work->frames));
	frames_add(key, &work->frames);
	return frames_lookup(key);
}

/* A connection turns to HTTP/2, at the client's preface in hand. The server may have begun already. */
static __always_inline void begin_http2(struct http_scratch *work)
{
	struct packet *packet = &work->packet;
	struct http_frames *frames = frames_of(work);
	struct http_framing *mine;

	if (!frames)
		return;
	mine = &frames->side[packet->side & 1];
	mine->trust = FRAMES_TRUSTED;
	mine->at = packet->seq;
	mine->skip = HTTP2_PREFACE;
	mine->keep = HTTP2_PREFACE;
}

/* A connection turns to WebSocket, at the server's 101 in hand: the client's next byte begins a frame, and so
 * does the server's where the segment ends with the head. */
static __always_inline void begin_websocket(struct __sk_buff *skb, struct http_scratch *work,
					    const struct http_direction *other)
{
	struct packet *packet = &work->packet;
	struct http_frames *frames = frames_of(work);
	struct http_framing *mine, *theirs;
	__u32 end = 0;

	if (!frames)
		return;
	mine = &frames->side[packet->side & 1];
	theirs = &frames->side[~packet->side & 1];
	theirs->trust = FRAMES_TRUSTED;
	theirs->at = other->next_seq;
	if (packet->present >= 16 && packet->present == packet->length &&
	    !packet_load(skb, packet->payload + packet->present - 4, &end, 4) && end == 0x0A0D0A0D) {
		mine->trust = FRAMES_TRUSTED;
		mine->at = packet->seq + packet->length;
	}
}

/* Takes bytes off the segment's front. */
static __always_inline void trim(struct packet *packet, __u32 bytes)
{
	packet->seq += bytes;
	packet->payload += bytes;
	packet->length -= bytes;
	packet->present -= bytes;
}

/* The place is not known any more. */
static __always_inline void lose_place(struct http_framing *framing, struct http_counters *counters)
{
	if (framing->trust >= FRAMES_TRUSTED)
		COUNT(counters, HTTP_COUNT_FRAMES_LOST);
	framing->trust = 0;
	framing->have = 0;
	pass(framing, 0, 0);
}

/* Where the segment stands; false where it brings nothing to follow. */
static __always_inline int find_place(struct packet *packet, struct http_framing *framing,
				      struct http_counters *counters)
{
	__u32 ahead = packet->seq - framing->at;

	if (framing->trust && ahead >> 31) {
		if (!LATER(packet->seq + packet->length, framing->at))
			return 0;
		trim(packet, -ahead);
	} else if (framing->trust && ahead) {
		if (framing->skip < ahead)
			lose_place(framing, counters);
		else
			framing->skip -= ahead;
		framing->keep = framing->keep > ahead ? framing->keep - ahead : 0;
	}
	barrier();
	if (!framing->trust) {
		framing->have = 0;
		pass(framing, 0, 0);
		__builtin_memset(framing->contents, 0, sizeof(framing->contents));
	}
	return 1;
}

static __always_inline int is_http2(const struct http_connection *connection)
{
	return connection->upgraded == HTTP_UPGRADED_HTTP2;
}

/* More of a header. True once it is whole. */
static __always_inline int load_header(struct __sk_buff *skb, struct http_scratch *work)
{
	struct http_framing *framing = &work->framing;
	struct packet *packet = &work->packet;
	struct walk *walk = &work->walk;
	__u64 missing = walk->wanted - framing->have, here = packet->present - walk->at;
	__u32 n;

	walk->taken = LESSER(missing, here);
	barrier();
	n = ((walk->taken - 1) & 15) + 1;
	if (packet_load(skb, packet->payload + walk->at, framing->head + (framing->have & 15), n))
		return 0;
	framing->have += walk->taken;
	walk->at += walk->taken;
	barrier();
	return framing->have == walk->wanted;
}

static __always_inline void wanted_of(struct http_scratch *work, const struct http_connection *connection)
{
	if (is_http2(connection))
		work->walk.wanted = HTTP2_HEADER - (HTTP2_HEADER - GRPC_PREFIX) * NONZERO(work->framing.rest);
	else
		work->walk.wanted = websocket_header(&work->framing);
}

/* More of a header, and what it says once it is whole. */
static __always_inline void read_header(struct __sk_buff *skb, struct http_scratch *work,
					const struct http_connection *connection,
					struct http_settings *settings, struct http_counters *counters)
{
	struct http_framing *framing = &work->framing;
	struct walk *walk = &work->walk;

	wanted_of(work, connection);
	barrier();
	if (!load_header(skb, work))
		return;
	if (is_http2(connection)) {
		framing->have = 0;
		if (framing->rest)
			read_prefix(framing, settings->frame, settings->websockets);
		else
			walk->lost = !read_frame_header(framing, settings->frame);
	} else if (framing->have == websocket_header(framing)) {
		framing->have = 0;
		walk->lost = !read_websocket_header(framing, settings->frame, settings->contents);
	}
	barrier();
	if (walk->lost) { /* the rest of the segment is copied */
		lose_place(framing, counters);
		framing->skip = work->packet.present - walk->at;
		walk->lost = 0;
	}
}

/* Passes by what stands in front of the next header, as far as the segment goes. Of what can be left out
 * between two headers, little is copied, unless it joins a range. */
static __always_inline void pass_by(struct http_scratch *work, __u64 range)
{
	struct http_framing *framing = &work->framing;
	struct walk *walk = &work->walk;
	__u64 there = work->packet.present - walk->at, room = HTTP_RECORD_PAYLOAD - walk->at;
	__u64 skip = framing->skip, trusted = LESS(FRAMES_TRUSTED - 1, framing->trust);
	__u64 here = LESSER(skip, there);
	__u64 keep = framing->keep | (here & (trusted - 1)), gap, little;

	keep = LESSER(keep, here);
	gap = here - keep;
	little = LESS(gap, FRAMES_GAP) & LESS(here, there) & (NONZERO(walk->at | keep) | (range ^ 1));
	little |= LESS(room, keep);
	keep += gap & (0 - little);
	keep = LESSER(keep, room);
	gap &= little - 1;
	walk->at += keep;
	walk->gap = gap;
	framing->skip = skip - keep - gap;
	framing->keep -= LESSER((__u64)framing->keep, keep);
}

/* A header, and what stands behind it. */
static __always_inline void look_at_frame(struct __sk_buff *skb, struct http_scratch *work,
					  const struct http_connection *connection, __u64 range,
					  struct http_settings *settings, struct http_counters *counters)
{
	struct http_framing *framing = &work->framing;
	struct walk *walk = &work->walk;

	if (walk->full || walk->at == work->packet.present)
		return;
	if (!framing->skip) {
		if (walk->at > HTTP_RECORD_PAYLOAD - FRAMES_ROOM) {
			walk->full = 1;
			return;
		}
		if (framing->rest && framing->rest < GRPC_PREFIX)
			pass_short(framing);
		else
			read_header(skb, work, connection, settings, counters);
	}
	barrier();
	if (framing->skip && walk->at < work->packet.present)
		pass_by(work, range);
	walk->full = walk->gap || walk->at == HTTP_RECORD_PAYLOAD;
	barrier();
}

/* What was looked at goes into the ring, and off the segment. */
static __always_inline void take_off(struct __sk_buff *skb, struct http_scratch *work,
				     struct http_direction *mine, struct http_settings *settings,
				     struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct walk *walk = &work->walk;
	struct http_record *record;
	__u32 length = packet->length;

	if (!walk->at) {
		packet->length = walk->gap;
		leave_out(skb, work, mine, settings, counters);
		packet->length = length;
	} else {
		if (mine->range)
			end_range(skb, work, mine, settings, counters);
		record = draft_record(work);
		record->seq = packet->seq;
		record->flags = packet->flags & ~(TCP_FIN | TCP_RST);
		record->length = walk->at + walk->gap;
		work->draft.offset = packet->payload;
		work->draft.bytes = walk->at;
		emit(skb, work, settings, counters);
		ADD(counters, HTTP_COUNT_LEFT_OUT_BYTES, walk->gap);
	}
	trim(packet, walk->at + walk->gap);
	__builtin_memset(walk, 0, sizeof(*walk));
	walk->begun = 1;
}

/* Looks at some frames, and makes a record where that is due. False where the segment goes on. */
static __always_inline int walk_on(struct __sk_buff *skb, struct http_scratch *work,
				   const struct http_connection *connection, struct http_direction *mine,
				   struct http_settings *settings, struct http_counters *counters)
{
	__u64 range = NONZERO((__u32)mine->range);

	UNROLL
	for (int i = 0; i < FRAMES_A_RUN; i++)
		look_at_frame(skb, work, connection, range, settings, counters);
	if (work->walk.full || work->walk.at == work->packet.present)
		take_off(skb, work, mine, settings, counters);
	return !work->packet.present;
}

/* The first run: true where this CPU may follow, and the segment stands where that is possible. */
static __always_inline int begin_walk(struct http_scratch *work, struct http_frames *frames, __u32 side,
				      struct http_counters *counters)
{
	__sync_fetch_and_add(&frames->busy[side], 1);
	__builtin_memset(&work->walk, 0, sizeof(work->walk));
	work->walk.begun = 1;
	if (*(volatile __u32 *)&frames->busy[side] != 1)
		return 0;
	work->framing = frames->side[side];
	barrier();
	if (work->packet.present < work->packet.length) { /* something cut it: it is not all here */
		lose_place(&work->framing, counters);
		frames->side[side] = work->framing;
		return 0;
	}
	return find_place(&work->packet, &work->framing, counters);
}

/* All that is left of the segment. */
static __always_inline void copy_rest(struct __sk_buff *skb, struct http_scratch *work,
				      struct http_direction *mine, struct http_settings *settings,
				      struct http_counters *counters)
{
	work->draft.copy = work->packet.present;
	if (mine->range)
		end_range(skb, work, mine, settings, counters);
	copy_out(skb, work, settings, counters);
}

/* One run: the segment in hand, or what is left of it. */
static __always_inline void follow_frames(struct __sk_buff *skb, struct http_scratch *work,
					  struct http_connection *connection, struct http_frames *frames,
					  struct http_settings *settings, struct http_counters *counters)
{
	__u32 side = work->packet.side & 1;
	struct http_direction *mine = &connection->side[side];

	if (work->walk.begun || begin_walk(work, frames, side, counters)) {
		if (!walk_on(skb, work, connection, mine, settings, counters)) {
			stages_jump(skb, HTTPIPE_STAGE_FRAMES);
			lose_place(&work->framing, counters); /* too many runs */
		}
		work->framing.at = work->packet.seq + work->packet.length;
		frames->side[side] = work->framing;
	}
	barrier();
	if (work->packet.length)
		copy_rest(skb, work, mine, settings, counters);
	__sync_fetch_and_add(&frames->busy[side], -1);
}

#endif
