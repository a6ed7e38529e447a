/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Evidence from lengths, for programs that give the library memory instead of a socket: what a TLS record
 * adds to its plain text is known, so bytes on a socket and plain text either fit or do not.
 *
 * RFC 8446, section 5.2: header (5), content type (1), tag (16): 22 bytes without padding. RFC 5288 and RFC
 * 6655 (AES-GCM and AES-CCM in TLS 1.2): header, explicit nonce (8), tag: 29. RFC 7905 (ChaCha20 in TLS 1.2):
 * header, tag: 21. CBC suites pad, and say nothing.
 */
#ifndef HTTPIPE_TLS_EVIDENCE_H
#define HTTPIPE_TLS_EVIDENCE_H

#include "tls/connections.h"

#define TLS_1_3 0x0304
#define TLS_1_2 0x0303

#define OVER_TLS_1_3	    22
#define OVER_TLS_1_2	    29
#define OVER_TLS_1_2_CHACHA 21

#define TLS_RECORD_BYTES 16384 /* of plain text at most; RFC 8446, section 5.1 */
/* More than so much cannot be what the records of one call add. */
#define OVER_MOST	 65536

static __always_inline __u64 records_of(__u64 plain)
{
	return (plain + TLS_RECORD_BYTES - 1) / TLS_RECORD_BYTES;
}

/* What a client of TLS 1.3 may send in front of its first plain text, in the same call: a record with its
 * Finished (RFC 8446, section 4.4.4: a hash of 32 or 48 bytes, a header of 4, 22 as above), and before that a
 * change_cipher_spec of 6 bytes (appendix D.4). */
#define FINISHED_SHA256	   58
#define FINISHED_SHA384	   74
#define CHANGE_CIPHER_SPEC 6

static __always_inline int fits_kind(__u64 over, __u64 records, __u64 each)
{
	return over % each == 0 && over / each <= records;
}

/* Is `over` what at most `records` records add? Plain text may be read in more pieces than there were
 * records. */
static __always_inline int fits(__u64 over, __u64 records)
{
	if (!over || over > OVER_MOST)
		return 0;
	return fits_kind(over, records, OVER_TLS_1_3) || fits_kind(over, records, OVER_TLS_1_2) ||
	       fits_kind(over, records, OVER_TLS_1_2_CHACHA);
}

/* The version of TLS, where exactly so many records add so much; else 0. */
static __always_inline __u32 version_of(__u64 over, __u64 records)
{
	if (!records || over > OVER_MOST)
		return 0;
	if (over == records * OVER_TLS_1_3)
		return TLS_1_3;
	return over == records * OVER_TLS_1_2 || over == records * OVER_TLS_1_2_CHACHA ? TLS_1_2 : 0;
}

/* The latest counts: where lengths are all the evidence, an earlier one may have fitted by chance. */
static __always_inline void learn_version(struct tls_connection *connection, __u64 over, __u64 records)
{
	__u32 version = version_of(over, records);

	if (version)
		connection->version = version;
}

static __always_inline void against(struct tls_connection *connection, struct tls_process *process)
{
	connection->conflicts++;
	if (process)
		process->conflicts++;
	count(TLS_COUNT_CONFLICTS);
}

/* The socket carries another connection of this process, as far as is known: it cannot carry both. */
static __always_inline int carries_another(const struct tls_key *key, struct tls_connection *connection,
					   const struct tls_socket *socket, struct tls_process *process)
{
	__u64 sk = socket->sk;
	struct tls_key *carried = bpf_map_lookup_elem(&carriers, &sk);
	struct tls_connection *other;

	if (!carried || carried->tgid != key->tgid || carried->address == key->address)
		return 0;
	other = bpf_map_lookup_elem(&connections, carried);
	if (!other || !same_socket(&other->socket, socket))
		return 0;
	other->conflicts++;
	against(connection, process);
	return 1;
}

/* A socket and an object were used one after the other, and the lengths fit. Lengths of messages that are
 * always the same may do so each time: therefore both ways have to fit, and one object a socket. False where
 * that speaks against what is known. */
static __always_inline int lengths_fit(const struct tls_key *key, struct tls_connection *connection,
				       const struct tls_socket *socket, __u32 how)
{
	__u32 tgid = key->tgid;
	struct tls_process *process = bpf_map_lookup_elem(&processes, &tgid);
	__u64 sk = connection->socket.sk;

	if (carries_another(key, connection, socket, process))
		return 0;
	if (!connection->how || same_socket(&connection->socket, socket)) {
		if (process)
			process->votes++;
		connection->ways |= how == TLS_HOW_READ ? TLS_WAY_READ : TLS_WAY_WRITTEN;
		bind(key, connection, socket, how);
		return 1;
	}
	against(connection, process);
	if (connection->votes >= connection->conflicts)
		return 0;
	bpf_map_delete_elem(&carriers, &sk);
	connection->how = TLS_HOW_UNKNOWN;
	connection->votes = 0;
	connection->ways = 0;
	return 0;
}

/* The first plain text of a client may have company. */
static __always_inline __u64 without_finished(__u64 over, __u64 records)
{
	__u64 plain = records * OVER_TLS_1_3, rest = over - plain;

	if (rest == FINISHED_SHA256 || rest == FINISHED_SHA256 + CHANGE_CIPHER_SPEC ||
	    rest == FINISHED_SHA384 || rest == FINISHED_SHA384 + CHANGE_CIPHER_SPEC)
		return plain;
	return over;
}

static __always_inline struct tls_thread *thread_of(__u64 id)
{
	struct tls_thread *found = bpf_map_lookup_elem(&threads, &id);

	if (found)
		return found;
	bpf_map_update_elem(&threads, &id, &no_thread, BPF_ANY);
	return bpf_map_lookup_elem(&threads, &id);
}

/* `n` bytes of plain text were read: were they in what the thread received last? */
static __always_inline void evidence_of_read(const struct tls_key *key, struct tls_connection *connection,
					     struct tls_thread *thread, __u64 n)
{
	__u64 over;

	if (!thread->received.sk || (thread->matched && thread->matched != key->address))
		return;
	if (thread->read_object != key->address) {
		thread->read_object = key->address;
		thread->read_plain = 0;
		thread->read_calls = 0;
	}
	thread->read_plain += n;
	thread->read_calls++;
	thread->fresh = 0;
	over = thread->received_bytes - thread->read_plain;
	if (!fits(over, thread->read_calls))
		return;
	thread->matched = key->address;
	if (lengths_fit(key, connection, &thread->received, TLS_HOW_READ))
		learn_version(connection, over, 1);
}

/* `n` bytes of plain text were written: the thread's next send may carry them. */
static __always_inline void evidence_of_write(const struct tls_key *key,
					      const struct tls_connection *connection,
					      struct tls_thread *thread, __u64 n)
{
	if (thread->write_object != key->address) {
		thread->write_object = key->address;
		thread->write_first = !connection->bytes_sent;
		thread->write_plain = 0;
		thread->write_records = 0;
	}
	thread->write_plain += n;
	thread->write_records += records_of(n);
}

/* The thread sent `bytes` on `socket`, outside of any call of the library. */
static __always_inline void evidence_of_send(__u32 tgid, struct tls_thread *thread,
					     const struct tls_socket *socket, __u64 bytes)
{
	struct tls_key key = {.address = thread->write_object, .tgid = tgid};
	struct tls_connection *connection = bpf_map_lookup_elem(&connections, &key);
	__u64 over = bytes - thread->write_plain;

	thread->write_object = 0;
	if (!connection || over > OVER_MOST)
		return;
	if (thread->write_first)
		over = without_finished(over, thread->write_records);
	if (is_proof(connection->how)) { /* Go: only the version is not known yet */
		if (same_socket(&connection->socket, socket))
			learn_version(connection, over, thread->write_records);
		return;
	}
	if (over < OVER_TLS_1_2_CHACHA * thread->write_records || !fits(over, thread->write_records))
		return;
	if (lengths_fit(&key, connection, socket, TLS_HOW_WRITE))
		learn_version(connection, over, thread->write_records);
}

#endif
