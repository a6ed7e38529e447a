// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Counts how often each place is passed, by its cookie, and does nothing else. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} hits SEC(".maps");

SEC("uprobe")
int count_hit(void *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), one = 1;
	__u64 *hit = bpf_map_lookup_elem(&hits, &cookie);

	if (hit)
		__sync_fetch_and_add(hit, 1);
	else
		bpf_map_update_elem(&hits, &cookie, &one, BPF_NOEXIST);
	return 0;
}
