// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Counts requests, and does nothing else: what a program of another type needs of parse/ and classify/ is
 * these two folders and the loader's header.
 */
#include "loader.h"
#include "classify/payload.h"

#define ETHERNET_BYTES 14

struct scratch {
	struct packet packet;
	struct headers headers;
	__u32 start;
	__u32 pad;
};

HTTPIPE_MAP(1, PERCPU_ARRAY, "percpu_array", scratch, __u32, struct scratch, 1)
HTTPIPE_MAP(2, ARRAY, "array", requests, __u32, __u64, 1)

static __always_inline void count_request(struct __sk_buff *skb, __u32 network_header)
{
	__u32 zero = 0;
	struct scratch *work = bpf_map_lookup_elem(scratch_map(), &zero);
	__u64 *requests = bpf_map_lookup_elem(requests_map(), &zero);

	if (!work || !requests)
		return;
	if (parse_packet(skb, network_header, &work->headers, &work->packet) != PARSED ||
	    !work->packet.length)
		return;
	work->start = classify_payload(skb, &work->packet);
	if (work->start == START_REQUEST || work->start == START_CONNECT)
		__sync_fetch_and_add(requests, 1);
}

HTTPIPE_PROGRAM("tc")
int at_tc(struct __sk_buff *skb)
{
	count_request(skb, ETHERNET_BYTES);
	return 0; /* TC_ACT_OK */
}

HTTPIPE_PROGRAM("cgroup_skb/ingress")
int at_cgroup(struct __sk_buff *skb)
{
	count_request(skb, 0);
	return 1; /* let it pass */
}
