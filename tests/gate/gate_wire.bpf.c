// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* What else may be at an interface: a wire that loses packets, and a program that ends the row. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NEXT -1
#define OK   0
#define SHOT 2

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Packets of a thousand that are lost; then how many were. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

SEC("tc")
int lossy(struct __sk_buff *skb)
{
	__u32 zero = 0, one = 1;
	__u64 *share = bpf_map_lookup_elem(&losses, &zero), *lost = bpf_map_lookup_elem(&losses, &one);

	(void)skb;
	if (!share || !lost || bpf_get_prandom_u32() % 1000 >= *share)
		return NEXT;
	__sync_fetch_and_add(lost, 1);
	return SHOT;
}

/* Nobody behind it is asked. */
SEC("tc")
int passer(struct __sk_buff *skb)
{
	(void)skb;
	return OK;
}

/* Others are, and nothing changes. */
SEC("tc")
int looker(struct __sk_buff *skb)
{
	(void)skb;
	return NEXT;
}
