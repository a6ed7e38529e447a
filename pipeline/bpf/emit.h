/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Records into the ring: the only code that writes there, and that decides when the reader is woken.
 */
#ifndef HTTPIPE_EMIT_H
#define HTTPIPE_EMIT_H

/* Source, destination, source port, destination port, as they lie in a packet from `side`. Places are
 * computed and values chosen, never places chosen by a branch: without CAP_PERFMON the verifier refuses an
 * address that differs between paths. */
static __always_inline void write_flow(__u32 *flow, const struct http_key *key, __u32 side)
{
	const __u32 *source = key->address[side & 1];
	const __u32 *destination = key->address[~side & 1];
	__u32 ports = key->port[side & 1] | (__u32)key->port[~side & 1] << 16;
	__u32 first = destination[0], second = source[1], third = source[2];
	int ipv4 = key->family == 4;

	flow[0] = source[0];
	flow[1] = ipv4 ? first : second;
	flow[2] = ipv4 ? ports : third;
	flow[3] = source[3];
	flow[4] = first;
	flow[5] = destination[1];
	flow[6] = destination[2];
	flow[7] = destination[3];
	flow[8] = ports;
}

/* The reader says what it wants to be woken for, once; a wake-up per record would cost the traced application
 * 18 µs each. */
static __always_inline __u64 wake_flag(struct http_settings *settings)
{
	__u32 want = settings->want;

	if (want == HTTP_WANT_ANY ||
	    (want == HTTP_WANT_BATCH && events_query(BPF_RB_AVAIL_DATA) >= HTTP_WAKE_BYTES)) {
		settings->want = HTTP_WANT_NOTHING;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

/* The record as most are: empty, of the packet in hand, from its sender. */
static __always_inline struct http_record *draft_record(struct http_scratch *work)
{
	struct http_record *record = &work->record;

	work->draft.side = work->packet.side;
	work->draft.copy = 0;
	record->ts_ns = work->packet.now_ns;
	record->last_ns = work->packet.now_ns;
	record->ack = work->packet.ack;
	record->length = 0;
	record->bits = 0;
	record->vlan = work->packet.vlan;
	return record;
}

static __always_inline void emit(struct __sk_buff *skb, struct http_scratch *work,
				 struct http_settings *settings, struct http_counters *counters)
{
	struct http_record *record = &work->record;
	__u32 n = work->draft.copy;

	if (n) {
		n = ((n - 1) & (HTTP_CHUNK_BYTES - 1)) + 1;
		if (bpf_skb_load_bytes(skb, work->draft.offset, work->payload, n)) {
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
