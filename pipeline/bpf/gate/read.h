/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The walk through a segment's payload: bodies in one step, what does not
 * matter eight bytes at a time, everything else by the byte; at the end of each
 * head, the decision.
 */
#ifndef HTTPIPE_GATE_READ_H
#define HTTPIPE_GATE_READ_H

#include "gate/chunk.h"
#include "gate/find.h"
#include "gate/head.h"
#include "gate/parked.h"
#include "gate/skip.h"
#include "gate/tell.h"

/* More than any packet has bytes (BIG TCP: 512 KiB), each of which is one step
 * at most; bpf_loop's own bound is 8 Mi. */
#define STEPS (1 << 20)

struct reader {
	struct __sk_buff *skb;
	struct work *work;
	struct flow *flow;
	struct gate_settings *settings;
};

/* Whether a head is refused, and why. */
static __always_inline int reason_for(struct work *work, struct gate_settings *settings)
{
	struct scan *scan = &work->scan;
	__u32 list = settings->list & 1, facts = settings->facts[list];

	work->reading.entry = 0;
	if (scan->doubts & settings->refuse)
		return GATE_REASON_DOUBT;
	if (facts & GATE_LIST_DENY) {
		work->reading.entry = find(&work->query, scan, list, facts, 0);
		if (work->reading.entry)
			return GATE_REASON_LISTED;
	}
	if (facts & GATE_LIST_ALLOW) {
		work->reading.entry = find(&work->query, scan, list, facts, GATE_NAME_ALLOW);
		if (!work->reading.entry)
			return GATE_REASON_NOT_LISTED;
	}
	return GATE_REASON_NONE;
}

/* What came is no HTTP/1, or too long, or malformed: nothing behind it can be
 * read. 1 to stop. */
static __always_inline int give_up(struct reader *of, __u32 reason, int refused)
{
	struct work *work = of->work;
	__u32 quiet = work->reading.quiet;

	if (!quiet) {
		work->reading.heads++;
		count(GATE_COUNT_HEADS);
	}
	work->scan.framing.phase = PHASE_UNKNOWN;
	work->reading.at = work->reading.end;
	if (refused && !(quiet && of->settings->mode != GATE_MODE_ENFORCE)) {
		work->reading.reason = reason;
	} else if (!quiet) {
		count(GATE_COUNT_PASSED_OVER);
		tell(work, of->settings, GATE_REASON_NONE | ABOUT_HEAD, GATE_ACTION_ALLOWED,
		     GATE_ANSWER_NOTHING);
	}
	return 1;
}

static __always_inline void on_body_begins(struct reader *of)
{
	struct work *work = of->work;

	if (!work->reading.quiet)
		begin_body(of->flow, work->packet.seq + work->reading.at, work->scan.framing.phase);
}

static __always_inline int on_head(struct reader *of)
{
	struct work *work = of->work;
	struct reading *reading = &work->reading;
	__u32 reason;

	end_head(&work->scan);
	if (work->scan.framing.phase == PHASE_UPGRADE && reading->at < reading->end) {
		/* What follows in the same segment is a request, should the server not agree. */
		work->scan.doubts |= GATE_DOUBT_FRAMING;
		work->scan.framing.phase = PHASE_HEAD;
	}
	if (!reading->quiet) {
		reading->heads++;
		count(GATE_COUNT_HEADS);
	}
	reason = reason_for(work, of->settings);
	if (reason && of->settings->mode == GATE_MODE_ENFORCE) {
		reading->reason = reason;
		return 1;
	}
	/* Only watching: told here, and on to the next one. */
	if (!reading->quiet)
		tell(work, of->settings, reason | ABOUT_HEAD,
		     reason ? GATE_ACTION_WOULD_REFUSE : GATE_ACTION_ALLOWED, GATE_ANSWER_NOTHING);
	if (work->scan.doubts & GATE_DOUBT_FRAMING && work->scan.codings) {
		work->scan.framing.phase = PHASE_UNKNOWN; /* nobody knows where its body ends */
		count(GATE_COUNT_PASSED_OVER);
	}
	if (in_body(&work->scan.framing))
		on_body_begins(of);
	else if (work->scan.framing.phase == PHASE_HEAD)
		begin_head(&work->scan);
	return 0;
}

/* A window of the payload that begins where the walk is. */
static __always_inline int load_window(struct reader *of)
{
	struct work *work = of->work;
	struct reading *reading = &work->reading;
	__u32 n = reading->end - reading->at;

	n = n < WINDOW ? n : WINDOW;
	n = ((n - 1) & (WINDOW - 1)) + 1;
	reading->window = reading->at;
	reading->filled = n;
	if (work->segment.parked)
		return load_parked(work, reading->at);
	return bpf_skb_load_bytes(of->skb, work->packet.payload + reading->at, work->bytes, n);
}

static __always_inline int on_body(struct reader *of)
{
	struct work *work = of->work;
	struct reading *reading = &work->reading;
	struct framing *framing = &work->scan.framing;
	__u64 n = reading->end - reading->at;

	if (framing->left < n)
		n = framing->left;
	framing->left -= n;
	reading->at += n;
	if (!reading->quiet)
		extend_body(of->flow, work->packet.seq + reading->at);
	if (framing->left)
		return 0;
	end_body(framing);
	if (framing->phase == PHASE_HEAD)
		begin_head(&work->scan);
	return 0;
}

static __always_inline int on_chunk(struct reader *of, __u8 c)
{
	struct work *work = of->work;
	struct scan *scan = &work->scan;

	if (!chunk_byte(&scan->framing, c)) {
		begin_head(scan);
		scan->doubts = GATE_DOUBT_FRAMING;
		return give_up(of, GATE_REASON_DOUBT, of->settings->refuse & GATE_DOUBT_FRAMING);
	}
	if (scan->framing.phase == PHASE_HEAD)
		begin_head(scan);
	else if (scan->framing.phase == PHASE_CHUNK_DATA)
		on_body_begins(of);
	return 0;
}

static __always_inline int on_byte(struct reader *of, __u8 c)
{
	struct work *work = of->work;
	enum head head = head_byte(&work->scan, c);

	if (head == HEAD_NOT_HTTP)
		return give_up(of, GATE_REASON_NOT_HTTP, of->settings->policy & GATE_POLICY_NOT_HTTP);
	if (work->scan.doubts & GATE_DOUBT_LONG)
		return give_up(of, GATE_REASON_DOUBT, of->settings->refuse & GATE_DOUBT_LONG);
	return head == HEAD_WHOLE ? on_head(of) : 0;
}

/* One step of the walk. */
static long read_step(__u32 UNUSED i, struct reader *of)
{
	struct work *work = of->work;
	struct reading *reading = &work->reading;
	struct scan *scan = &work->scan;
	__u32 place, n;
	__u8 c;

	if (reading->at >= reading->end)
		return 1;
	if (in_body(&scan->framing))
		return on_body(of);
	if (scan->framing.phase >= PHASE_UPGRADE) {
		reading->at = reading->end;
		return 1;
	}
	place = reading->at - reading->window;
	if (place >= reading->filled) {
		if (load_window(of)) {
			reading->failed = 1;
			return 1;
		}
		place = 0;
	}
	if (scan->framing.phase == PHASE_HEAD && scan->place == AT_FIELD)
		skip_name(work, place);
	if (scan->framing.phase == PHASE_HEAD && scan->place == AT_VALUE && !scan->field) {
		n = skip_value(work, place);
		reading->at += n;
		scan->head_bytes += n;
		place += n;
		if (place >= reading->filled || skip_line_end(work, place))
			return 0;
	}
	c = work->bytes[place & (WINDOW - 1)];
	reading->at++;
	if (scan->framing.phase != PHASE_HEAD)
		return on_chunk(of, c);
	return on_byte(of, c);
}

/* From one place of the payload to another, from the state in work->scan on. */
static __always_inline int read_payload(struct __sk_buff *skb, struct work *work, struct flow *flow,
					struct gate_settings *settings)
{
	struct reader of = {skb, work, flow, settings};

	bpf_loop(STEPS, read_step, &of, 0);
	return 0;
}

#endif
