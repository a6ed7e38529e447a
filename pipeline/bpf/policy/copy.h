/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A segment that is copied: records of HTTP_RECORD_PAYLOAD at most, HTTP_SEGMENT_RECORDS of them at most.
 */
#ifndef HTTPIPE_POLICY_COPY_H
#define HTTPIPE_POLICY_COPY_H

#include "emit/ring.h"
#include "verifier.h"

/* One record; true where it is the last, which stands for the rest of the segment too. */
static __always_inline int copy_record(struct __sk_buff *skb, struct http_scratch *work, int may_follow,
				       struct http_settings *settings, struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	__u32 copied = work->draft.copied, left = work->draft.copy - copied;
	struct http_record *record = draft_record(work);
	int last = left <= HTTP_RECORD_PAYLOAD || !may_follow;

	record->seq = packet->seq + copied;
	record->flags = packet->flags & ~(TCP_FIN | TCP_RST); /* on_end reports these */
	record->length = last ? packet->length - copied : HTTP_RECORD_PAYLOAD;
	work->draft.offset = packet->payload + copied;
	work->draft.bytes = left;
	if (left > HTTP_RECORD_PAYLOAD) {
		work->draft.bytes = HTTP_RECORD_PAYLOAD;
		if (last) {
			record->bits = HTTP_BIT_CUT;
			COUNT(counters, HTTP_COUNT_SEGMENT_CUT);
		}
	} else if (work->draft.copy == packet->present && packet->present < packet->length) {
		record->bits = HTTP_BIT_CUT; /* cut before it came to us */
	}
	emit(skb, work, settings, counters);
	work->draft.copied = copied + HTTP_RECORD_PAYLOAD;
	return last;
}

/* The first `draft.copy` bytes of the segment. */
static __always_inline void copy_out(struct __sk_buff *skb, struct http_scratch *work,
				     struct http_settings *settings, struct http_counters *counters)
{
	work->draft.copied = 0;
	UNROLL
	for (int i = 1; i <= HTTP_SEGMENT_RECORDS; i++)
		if (copy_record(skb, work, i < HTTP_SEGMENT_RECORDS, settings, counters))
			break;
}

#endif
