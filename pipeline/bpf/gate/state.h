/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From what a connection remembers to a state to read from, and back.
 */
#ifndef HTTPIPE_GATE_STATE_H
#define HTTPIPE_GATE_STATE_H

#include "gate/stack.h"

static __always_inline void name_part(struct work *work, __u32 part)
{
	work->part.flow = work->key;
	work->part.slot = (part - 1) & (PARTS - 1);
}

/* Whether the state is within a head, of which framing alone says too little. */
static __always_inline int within_head(const struct scan *scan)
{
	return scan->framing.phase == PHASE_HEAD && scan->place != AT_START;
}

/* The state at `seq` into work->scan; 0 where it is lost. */
static __noinline int load_state(struct work *work, struct flow *flow, const struct framing *framing,
				 __u32 part, __u32 seq)
{
	struct scan *saved;

	if (!part) {
		begin_head(&work->scan);
		work->scan.framing = *framing;
		return 1;
	}
	name_part(work, part);
	saved = bpf_map_lookup_elem(parts_map(), &work->part);
	if (!saved || flow->parts[(part - 1) & (PARTS - 1)] != seq)
		return 0;
	work->scan = *saved;
	return 1;
}

/* Whether the stack may want something again of what was read before: it was lost behind us, or kept for
 * want of what is missing before it. */
static __always_inline int is_stack_behind(struct __sk_buff *skb, struct work *work, const struct flow *flow)
{
	struct stack stack = {};

	if (work->segment.role == ROLE_JUDGE_EGRESS)
		return 0;
	return !look_at_stack(skb, work, &stack) || before(stack.rcv_nxt, flow->next_seq);
}

/* The place for another part, never that of the state at next_seq: one after the other as long as older ones
 * may be asked for. Else two take turns, that connections share the table of parts. */
static __always_inline __u32 next_part(struct __sk_buff *skb, struct work *work, struct flow *flow)
{
	__u32 slot;

	if (is_stack_behind(skb, work, flow)) {
		slot = (flow->newest_part + 1) & (PARTS - 1);
		if (slot + 1 == flow->part)
			slot = (slot + 1) & (PARTS - 1);
		flow->newest_part = slot;
	} else {
		slot = (flow->part ? (flow->part - 1) ^ 1 : flow->newest_part) & (PARTS - 1);
		flow->newest_part = slot | 1;
	}
	return slot + 1;
}

/* work->scan as the state at `seq`. The part's number, 0 between heads; negative where there is no room. */
static __noinline int save_part(struct __sk_buff *skb, struct work *work, struct flow *flow, __u32 seq)
{
	__u32 part;

	if (!within_head(&work->scan))
		return 0;
	part = next_part(skb, work, flow);
	name_part(work, part);
	if (bpf_map_update_elem(parts_map(), &work->part, &work->scan, BPF_ANY))
		return -1;
	flow->parts[(part - 1) & (PARTS - 1)] = seq;
	return part;
}

static __always_inline void add_checkpoint(struct flow *flow, __u32 seq, const struct framing *framing,
					   __u32 part)
{
	struct checkpoint *checkpoint = &flow->checkpoints[++flow->newest & (CHECKPOINTS - 1)];

	checkpoint->seq = seq;
	checkpoint->part = part;
	checkpoint->framing = *framing;
}

struct compared {
	struct scan *a;
	struct scan *b;
	__u32 differs;
};

static long compare_step(__u32 i, struct compared *of)
{
	if (i >= sizeof(struct scan) / 8)
		return 1;
	if (((__u64 *)of->a)[i] == ((__u64 *)of->b)[i])
		return 0;
	of->differs = 1;
	return 1;
}

/* Whether work->scan is the state that is remembered of `seq`. */
static __noinline int same_state(struct work *work, struct flow *flow, const struct framing *framing,
				 __u32 part, __u32 seq)
{
	struct compared of = {&work->scan, 0, 0};

	if (work->scan.framing.phase != framing->phase || work->scan.framing.aux != framing->aux ||
	    work->scan.framing.left != framing->left || within_head(&work->scan) != !!part)
		return 0;
	if (!part)
		return 1;
	name_part(work, part);
	of.b = bpf_map_lookup_elem(parts_map(), &work->part);
	if (!of.b || flow->parts[(part - 1) & (PARTS - 1)] != seq)
		return 0;
	bpf_loop(sizeof(struct scan) / 8, compare_step, &of, 0);
	return !of.differs;
}

_Static_assert(sizeof(struct scan) % 8 == 0, "scans are compared by words");

#endif
