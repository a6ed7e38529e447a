/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * TLS handshakes, where user space asks for them: a connection whose segment begins with a ClientHello, on
 * any port. Both directions are copied from there on, and the connection is left
 *
 *   behind the client's first segment that begins with application data after the server has spoken, which
 *   user space sees, too, so that nothing is reported;
 *   where a direction has had HTTP_HANDSHAKE_BYTES: reported as HTTP_BIT_SHED;
 *   at its end.
 *
 * What is sent then belongs to a connection that is not known, as ever.
 */
#ifndef HTTPIPE_POLICY_HANDSHAKES_H
#define HTTPIPE_POLICY_HANDSHAKES_H

#include "classify/start.h"
#include "emit/ring.h"
#include "verifier.h"

/* Is a later than b in sequence space? RFC 9293, section 3.4. */
#define LATER(a, b) ((__s32)((a) - (b)) > 0)

/* One segment of such a connection; false where it is left in front of it. */
static __always_inline int follow_handshake(struct __sk_buff *skb, struct http_scratch *work,
					    struct http_connection *connection, struct http_direction *mine,
					    struct http_direction *other, struct http_settings *settings,
					    struct http_counters *counters)
{
	struct packet *packet = &work->packet;
	struct http_record *record;

	if (!mine->where)
		mine->copy_until = packet->seq + HTTP_HANDSHAKE_BYTES;
	work->draft.last = work->draft.start == START_TLS_DATA && packet->side == connection->tls - 1 &&
			   other->where != 0;
	if (LATER(mine->copy_until, packet->seq))
		return 1;
	record = draft_record(work);
	record->seq = packet->seq;
	record->flags = 0;
	record->bits = HTTP_BIT_SHED;
	emit(skb, work, settings, counters);
	connections_delete(&packet->key);
	return 0;
}

#endif
