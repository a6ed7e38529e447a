/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Owners that were known before their connection showed that it speaks HTTP: reported when it does, or when
 * it is taken up again, in front of the request.
 */
#ifndef HTTPIPE_POLICY_OWNERS_H
#define HTTPIPE_POLICY_OWNERS_H

#include "emit/owner.h"
#include "verifier.h"

static __always_inline void report_owners(const struct packet *packet, struct http_counters *counters)
{
	struct http_owner_key key;
	struct http_owner *owner;

	key.connection = packet->key;
	UNROLL
	for (int side = 0; side < 2; side++) {
		key.side = side;
		owner = owners_lookup(&key);
		if (owner && emit_owner(owner, packet->now_ns, counters))
			owners_delete(&key);
	}
}

#endif
