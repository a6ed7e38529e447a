/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which connections are copied, and how much of them: those that speak HTTP, the first `budget` bytes of each
 * turn. What lies beyond crosses the ring as a length.
 *
 * A turn begins when the other side has spoken last, or where the bytes of a call start like a message. A
 * request that opens a turn is where a connection is left under load, and taken up again (shed/keep.h).
 */
#ifndef HTTPIPE_TLS_TURNS_H
#define HTTPIPE_TLS_TURNS_H

#include "classify/frames.h"
#include "classify/start.h"
#include "shed/keep.h"
#include "tls/evidence.h"
#include "tls/frames.h"

/* Bytes that a process read or wrote on a connection. */
struct tls_text {
	__u64 from; /* their address in the process; 0 for bytes of a file that never were there */
	__u64 ts_ns;
	__u32 bytes;
	__u32 sent; /* written, else read */
	__u32 token;
	enum start start;
};

#define H2_PREFACE_BYTES 8
static __always_inline int is_message(enum start start)
{
	return start > START_PARTIAL && start < START_TLS;
}

static __always_inline int is_request(enum start start)
{
	return start == START_REQUEST || start == START_CONNECT || start == START_PREFACE;
}

/* Which end the observed process is: the client writes requests and reads responses. */
static __always_inline __u32 end_of(const struct tls_text *text)
{
	return is_request(text->start) == !!text->sent ? TLS_END_CLIENT : TLS_END_SERVER;
}

/* What the connection speaks, from the first bytes of a call. */
static __always_inline __u32 protocol_of(struct tls_connection *connection, const struct tls_text *text,
					 const __u64 *word, struct tls_settings *settings)
{
	/* A server may speak first. Where the request is read from another object, as with rustls, this is
	 * how its answers are known. */
	if (text->token && looks_like_settings(word, text->bytes)) {
		count(TLS_COUNT_CONNECTIONS);
		return TLS_PROTOCOL_HTTP2;
	}
	if (text->start == START_NONE || text->start == START_TLS) {
		if (!looks_like_headers(word, text->bytes)) {
			count(TLS_COUNT_NOT_HTTP);
			return TLS_PROTOCOL_UNKNOWN;
		}
		connection->mid = 1;
		count(TLS_COUNT_CONNECTIONS);
		return TLS_PROTOCOL_HTTP2;
	}
	if (text->start != START_PARTIAL && !(settings->ends & end_of(text))) {
		count(TLS_COUNT_OTHER_END);
		return TLS_PROTOCOL_OTHER;
	}
	count(TLS_COUNT_CONNECTIONS);
	return word[0] == WORD("PRI * HT") ? TLS_PROTOCOL_HTTP2 : TLS_PROTOCOL_HTTP1;
}

/* 0…HTTP_PARTS-1 */
static __always_inline __u32 part_of_number(__u64 number)
{
	return (__u32)(number * 0x9E3779B97F4A7C15ULL >> 56);
}

static __always_inline int is_kept(__u64 number, struct tls_settings *settings, __u64 now_ns)
{
	__u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
	__u64 used = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	/* What is under way already, and what is said of processes, must find room, too. */
	used += size / 16;
	return part_of_number(number) < parts_kept(&settings->keep, &settings->looked_ns, size, used, now_ns);
}

static __always_inline void draft(struct tls_record *record, const struct tls_key *key,
				  const struct tls_connection *connection)
{
	__u32 tgid = key->tgid;
	struct tls_process *process = bpf_map_lookup_elem(&processes, &tgid);

	record->connection = connection->number;
	record->tgid = tgid;
	record->target = connection->target;
	record->version = connection->version;
	record->how = connection->how;
	record->votes = connection->ways == (TLS_WAY_READ | TLS_WAY_WRITTEN) ? connection->votes : 0;
	record->conflicts = connection->conflicts;
	record->ends = connection->socket.ends;
	if (connection->mid)
		record->bits = TLS_BIT_MID;
	if (process) {
		record->process_votes = process->votes;
		record->process_conflicts = process->conflicts;
	}
}

/* A request that opens a turn: go on with the connection, leave it, or take it up again. HTTP/2 cannot be
 * taken up in the middle: its compression of fields has a history. */
static __always_inline void decide(const struct tls_key *key, struct tls_connection *connection,
				   struct tls_settings *settings, const struct tls_text *text,
				   struct tls_record *record)
{
	if (is_kept(connection->number, settings, text->ts_ns)) {
		if (connection->protocol == TLS_PROTOCOL_HTTP1 || !connection->speaker)
			connection->shed = 0;
		return;
	}
	if (connection->shed)
		return;
	connection->shed = 1;
	count(TLS_COUNT_SHED_CONNECTIONS);
	draft(record, key, connection);
	record->kind = TLS_SHED;
	record->ts_ns = text->ts_ns;
	put_head(record);
}

/* The copied part of a text, by the budget of its turn. */
static __always_inline __u32 spend(struct tls_connection *connection, const struct tls_text *text,
				   struct tls_settings *settings)
{
	__u32 speaker = text->sent ? TLS_SPEAKER_SELF : TLS_SPEAKER_PEER;
	__u32 left = connection->left, take;

	if (connection->speaker != speaker || is_message(text->start))
		left = settings->budget;
	if (connection->switched && settings->websockets)
		left = text->bytes;
	if (!text->from)
		left = 0;
	take = text->bytes < left ? text->bytes : left;
	connection->speaker = speaker;
	connection->left = left - take;
	add(TLS_COUNT_LEFT_OUT_BYTES, text->bytes - take);
	return take;
}

/* HTTP/2: the part of a text that is copied follows from its frames. */
static __always_inline void on_frames(struct tls_connection *connection, const struct tls_text *text,
				      struct tls_settings *settings, struct tls_walk *walk)
{
	if (!text->from)
		connection->frames_sent.budget = 0;
	walk->from = text->from;
	walk->bytes = text->bytes;
	walk->budget = text->from ? settings->budget : 0;
	walk->self = text->sent ? TLS_SPEAKER_SELF : TLS_SPEAKER_PEER;
	walk->speaker = connection->speaker;
	if (text->sent)
		follow_frames(walk, &connection->frames_sent);
	else
		follow_frames(walk, &connection->frames_read);
	connection->speaker = walk->speaker;
	add(TLS_COUNT_LEFT_OUT_BYTES, walk->left_out);
}

/* The preface stands in front of the first frame, as long as a frame of its own. */
static __always_inline void expect_preface(struct tls_connection *connection, const struct tls_text *text)
{
	struct tls_frames *frames = text->sent ? &connection->frames_sent : &connection->frames_read;

	frames->left = PREFACE_BYTES;
}

/* Where a text begins in its direction. A record that is lost leaves a gap between two others. */
static __always_inline __u64 pass(struct tls_connection *connection, const struct tls_text *text)
{
	__u64 before = text->sent ? connection->bytes_sent : connection->bytes_read;

	if (text->sent)
		connection->bytes_sent = before + text->bytes;
	else
		connection->bytes_read = before + text->bytes;
	return before;
}

/* Plain text of a connection: is it HTTP, and what of it is copied? */
static __always_inline void on_text(const struct tls_key *key, struct tls_connection *connection,
				    struct tls_text *text)
{
	struct tls_settings *settings = settings_lookup();
	struct tls_walk walk = {};
	__u64 word[START_BYTES / 8] = {};
	__u32 n = text->bytes < START_BYTES ? text->bytes : START_BYTES;
	__u32 speaker = text->sent ? TLS_SPEAKER_SELF : TLS_SPEAKER_PEER;

	if (!settings || !n || connection->protocol == TLS_PROTOCOL_OTHER)
		return;
	if (text->from && read_user(word, ((n - 1) & (START_BYTES - 1)) + 1, text->from))
		count(TLS_COUNT_COPY_FAILED);
	text->start = classify(word, n);
	if (!connection->protocol) {
		connection->protocol = protocol_of(connection, text, word, settings);
		if (word[0] == WORD("PRI * HT"))
			expect_preface(connection, text);
		if (connection->protocol != TLS_PROTOCOL_HTTP1 && connection->protocol != TLS_PROTOCOL_HTTP2)
			return;
	}
	if (text->start == START_SWITCHED)
		connection->switched = 1;
	else if (connection->switched && settings->websockets)
		text->start = START_NONE; /* whatever a message looks like */
	if (is_request(text->start) && connection->speaker != speaker)
		decide(key, connection, settings, text, &walk.record);
	if (connection->shed) {
		connection->speaker = speaker;
		if (is_request(text->start))
			count(TLS_COUNT_SHED_REQUESTS);
		return;
	}
	draft(&walk.record, key, connection);
	walk.record.kind = TLS_DATA;
	walk.record.ts_ns = text->ts_ns;
	walk.record.length = text->bytes;
	walk.record.position = pass(connection, text);
	if (text->sent)
		walk.record.bits |= TLS_BIT_SENT;
	if (text->token)
		walk.record.bits |= TLS_BIT_TOKEN;
	if (connection->protocol == TLS_PROTOCOL_HTTP2)
		on_frames(connection, text, settings, &walk);
	else
		put_call(&walk.record, text->from, spend(connection, text, settings));
}

/* Tell user space that a connection is over, if it knows it. */
static __always_inline void report_end(const struct tls_key *key, struct tls_connection *connection)
{
	struct tls_record record = {};

	if (connection->protocol != TLS_PROTOCOL_HTTP1 && connection->protocol != TLS_PROTOCOL_HTTP2)
		return;
	count(TLS_COUNT_ENDED);
	if (connection->shed)
		return; /* user space let go of it then */
	draft(&record, key, connection);
	record.kind = TLS_CLOSED;
	record.ts_ns = bpf_ktime_get_boot_ns();
	put_head(&record);
}

#endif
