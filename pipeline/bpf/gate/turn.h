/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * One CPU at a time. Segments of a connection come on several where its sender moves between them, and the
 * next one may be looked at before the one in front of it: it is a microsecond away, and waiting costs less
 * than what is dropped.
 */
#ifndef HTTPIPE_GATE_TURN_H
#define HTTPIPE_GATE_TURN_H

#include "gate/flow.h"

#define TRIES	    4096
/* The segment in front may be on another CPU only if something of the connection was there just now. */
#define JUST_NOW_NS 1000000

struct turn {
	struct flow *flow;
	__u32 seq;
	__u32 mine;
};

static long lock_step(__u32 UNUSED i, struct turn *turn)
{
	if (__sync_lock_test_and_set(&turn->flow->busy, 1))
		return 0;
	turn->mine = 1;
	return 1;
}

static __always_inline int lock(struct flow *flow)
{
	struct turn turn = {flow, 0, 0};

	bpf_loop(TRIES, lock_step, &turn, 0);
	return turn.mine;
}

static __always_inline void unlock(struct flow *flow)
{
	__sync_lock_test_and_set(&flow->busy, 0);
}

static long turn_step(__u32 UNUSED i, struct turn *turn)
{
	if (*(volatile __u32 *)&turn->flow->next_seq != turn->seq)
		return 0;
	if (__sync_lock_test_and_set(&turn->flow->busy, 1))
		return 0;
	if (turn->flow->next_seq != turn->seq) {
		unlock(turn->flow);
		return 0;
	}
	turn->mine = 1;
	return 1;
}

/* Until what comes before `seq` has been read; the lock was given up before, and is held where it came. */
static __always_inline int await_turn(struct flow *flow, __u32 seq)
{
	struct turn turn = {flow, seq, 0};

	bpf_loop(TRIES, turn_step, &turn, 0);
	return turn.mine;
}

#endif
