/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Records into the ring: the only code that writes there, and that decides when the reader is woken.
 */
#ifndef HTTPIPE_EMIT_RING_H
#define HTTPIPE_EMIT_RING_H

#include "counters.h"
#include "emit/record.h"
#include "maps.h"

/* The reader says what it wants to be woken for, once; a wake-up for each record would cost the traced
 * application 18 µs each. */
static __always_inline __u64 wake_flag(struct http_settings *settings)
{
	__u32 want = settings->want;

	if (want == HTTP_WANT_ANY || (want && events_query(BPF_RB_AVAIL_DATA) >= want)) {
		settings->want = HTTP_WANT_NOTHING;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void emit(struct __sk_buff *skb, struct http_scratch *work,
				 struct http_settings *settings, struct http_counters *counters)
{
	struct http_record *record = &work->record;
	__u32 n = work->draft.bytes;

	if (n) {
		n = ((n - 1) & (HTTP_RECORD_PAYLOAD - 1)) + 1;
		if (packet_load(skb, work->draft.offset, work->payload, n)) {
			COUNT(counters, HTTP_COUNT_COPY_FAILED);
			record->bits |= HTTP_BIT_CUT;
			n = 0;
		}
	}
	if (work->packet.key.family == 6)
		record->bits |= HTTP_BIT_IPV6;
	/* A range of the other side travelled the other way. */
	if (work->packet.outgoing == (work->draft.side == work->packet.side))
		record->bits |= HTTP_BIT_OUTGOING;
	record->captured = n;
	record->ifindex = work->packet.ifindex;
	/* Read back from memory, where it is any number to the verifier, not one for each path that leads
	 * here. */
	write_flow(record->flow, &work->packet.key, *(volatile __u32 *)&work->draft.side);
	if (events_output(record, sizeof(*record) + n, wake_flag(settings))) {
		COUNT(counters, HTTP_COUNT_RING_FULL);
		ADD(counters, HTTP_COUNT_RING_FULL_BYTES, record->length);
		return;
	}
	COUNT(counters, HTTP_COUNT_RECORDS);
	ADD(counters, HTTP_COUNT_RECORD_BYTES, sizeof(*record) + n);
}

#endif
