/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Records into the ring: the only code that writes there, and that decides when the reader is woken.
 *
 * Memory is reserved in classes of size, since the verifier wants a constant, and plain text is read straight
 * into it: a record of 300 bytes takes 1 KiB of the ring and is copied once. Who has to wait for a page gives
 * the memory back meanwhile, since the reader goes no further than to what is not finished.
 */
#ifndef HTTPIPE_TLS_RING_H
#define HTTPIPE_TLS_RING_H

#include "tls/maps.h"
#include "tls/memory.h"

/* The reader says what it wants to be woken for, once; a wake-up per record would cost the traced program 18
 * µs each. */
static __always_inline __u64 wake_flag(struct tls_settings *settings)
{
	__u32 want = settings->want;

	if (want == TLS_WANT_ANY || (want && bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= want)) {
		settings->want = TLS_WANT_NOTHING;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline int lose(const struct tls_record *head)
{
	count(TLS_COUNT_RING_FULL);
	add(TLS_COUNT_RING_FULL_BYTES, head->length);
	return 0;
}

static __always_inline int submit(struct tls_record *record, const struct tls_record *head, __u32 captured,
				  const __u32 class)
{
	struct tls_settings *settings = settings_lookup();

	*record = *head;
	record->captured = captured;
	if (class && !captured) {
		record->bits |= TLS_BIT_CUT;
		count(TLS_COUNT_COPY_FAILED);
	}
	count(TLS_COUNT_RECORDS);
	add(TLS_COUNT_RECORD_BYTES, sizeof(*record) + class);
	bpf_ringbuf_submit(record, settings ? wake_flag(settings) : 0);
	return 1;
}

/* A record that nothing follows. False where the ring is full. */
static __always_inline int put_alone(const struct tls_record *head)
{
	struct tls_record *record;

	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record)
		return lose(head);
	return submit(record, head, 0, 0);
}

/* The same; programs that must not sleep call nothing else here. */
__noinline int put_head(struct tls_record *head)
{
	return head ? put_alone(head) : 0;
}

/* `n`, 1 ≤ n ≤ class: clang knows, and the verifier wants to see it. */
static __always_inline __u32 within(__u32 n, const __u32 class)
{
	asm volatile("" : "+r"(n));
	return ((n - 1) & (class - 1)) + 1;
}

/* A record of the class that holds `n` bytes from address `from` of the process, 1 ≤ n ≤ class. False where
 * the ring is full. */
static __always_inline int put_class(const struct tls_record *head, __u64 from, __u32 n, const __u32 class)
{
	struct tls_record *record;

	record = bpf_ringbuf_reserve(&events, sizeof(*record) + class, 0);
	if (!record)
		return lose(head);
	if (!bpf_probe_read_user(record + 1, within(n, class), (void *)from))
		return submit(record, head, n, class);
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	await_pages(from, n);
	record = bpf_ringbuf_reserve(&events, sizeof(*record) + class, 0);
	if (!record)
		return lose(head);
	if (bpf_probe_read_user(record + 1, within(n, class), (void *)from))
		n = 0;
	return submit(record, head, n, class);
}

/* Functions that are not static are verified once, for any arguments, and not again at each call: the loop
 * below, and every program, would be too much else. */
__noinline int put(struct tls_record *head, __u64 from, __u32 n)
{
	if (!head)
		return 0;
	if (!n)
		return put_alone(head);
	if (n <= 256)
		return put_class(head, from, n, 256);
	if (n <= 1024)
		return put_class(head, from, n, 1024);
	if (n <= 4096)
		return put_class(head, from, n, 4096);
	return put_class(head, from, n < TLS_RECORD_PAYLOAD ? n : TLS_RECORD_PAYLOAD, TLS_RECORD_PAYLOAD);
}

/* What one call read or wrote: `head->length` bytes, of which the first `take` are copied, in as many records
 * as that needs. */
__noinline int put_call(struct tls_record *head, __u64 from, __u32 take)
{
	__u32 rest, piece;

	if (!head)
		return 0;
	rest = head->length;
	for (int i = 0; i < TLS_CALL_RECORDS; i++) {
		piece = take < TLS_RECORD_PAYLOAD ? take : TLS_RECORD_PAYLOAD;
		take -= piece;
		head->length = take && i < TLS_CALL_RECORDS - 1 ? piece : rest;
		if (take && i == TLS_CALL_RECORDS - 1) {
			head->bits |= TLS_BIT_CUT;
			count(TLS_COUNT_CALL_CUT);
		}
		put(head, from, piece);
		from += piece;
		rest -= piece;
		head->position += head->length;
		if (!take)
			break;
	}
	return 0;
}

#endif
