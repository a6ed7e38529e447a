// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Owners: which process sits at each end of the TCP connections of this host.
 *
 * Comes in: what processes do with TCP sockets, by raw tracepoints, so that a process that is gone when
 * anybody looks has been seen. Goes out: struct http_owner, one for each process at an end of a connection
 * that speaks HTTP; into the ring of http_trace, whose maps this program shares. It reads kernel structures,
 * so it needs BTF, and is loaded by libbpf only. It changes nothing, and costs nothing where no socket is
 * used: no system call is traced.
 *
 *   seen                        | connection speaks HTTP        | nothing shows that yet
 *   ----------------------------+-------------------------------+------------------------------------------
 *   connect(2)                  |                               | facts into `connecting`: the local port is
 *                               |                               | chosen later
 *   connection established      |                               | from there into `owners`
 *   bytes sent or received by a | into the ring                 | into `owners`
 *   process not seen there yet  |                               |
 *   end of the socket           | forgotten                     | forgotten in `connecting`
 *
 * http_trace reports what is in `owners` with the connection's first request. So a client is known before its
 * request, and a server before it answers.
 */
#include "loader.h"
#include "emit/owner.h"
#include "emit/record.h"
#include "policy/ports.h"
#include "process/socket.h"
#include "process/task.h"

/* include/net/tcp_states.h */
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT	  2
/* include/linux/socket.h */
#define MESSAGE_PEEK	  2

/* Connections that are being opened, and sockets that are remembered. A socket that had to make place is
 * reported once more. */
#define CONNECTING 1024
#define SOCKETS	   65536

/* A socket, and who was seen to use it. */
struct known {
	__u32 pid;
	__u32 earlier; /* another one, so that two that take turns are not reported again and again */
	__u32 ports;   /* of which connection: addresses of sockets are used again */
};

struct work {
	struct http_owner owner;
	struct http_owner_key key;
	struct socket_ends ends;
	__u32 busy; /* how many are in there on this CPU */
	__u32 pad;
};

/* Places in who_scratch: what runs between packets may interrupt what runs for a process. */
#define FOR_PROCESS 0
#define FOR_PACKET  1

/* Who is connecting, by socket. The program's own. */
HTTPIPE_MAP(, LRU_HASH, , connecting, __u64, struct http_owner, CONNECTING)

/* Who was seen at a socket. The program's own. */
HTTPIPE_MAP(, LRU_HASH, , sockets, __u64, struct known, SOCKETS)

/* One value per CPU. The program's own. */
HTTPIPE_MAP(, PERCPU_ARRAY, , who_scratch, __u32, struct work, 2)

/* Whoever comes second to it on this CPU, because it interrupts the first, gets none. To be left in any case
 * where there is one. */
static __always_inline struct work *enter(__u32 place)
{
	struct work *work = bpf_map_lookup_elem(who_scratch_map(), &place);

	if (!work)
		return 0;
	__sync_fetch_and_add(&work->busy, 1);
	if (*(volatile __u32 *)&work->busy == 1)
		return work;
	__sync_fetch_and_add(&work->busy, -1);
	return 0;
}

static __always_inline void leave(struct work *work)
{
	__sync_fetch_and_add(&work->busy, -1);
}

static __always_inline int wanted(const struct socket_ends *ends, struct sock *sk,
				  const struct http_settings *settings)
{
	if (settings->loopback && is_loopback(ends) && socket_namespace(sk) != settings->loopback)
		return 0;
	return ports_wanted(settings, ends->local_port, ends->remote_port);
}

/* The end of a connection whose owner it is. */
static __always_inline void address(struct http_owner *owner, struct http_owner_key *key,
				    const struct socket_ends *ends)
{
	key->side = ends_key(&key->connection, ends);
	owner->record.bits = HTTP_BIT_OWNER | (ends->family == 6 ? HTTP_BIT_IPV6 : 0);
	owner->record.captured = PROCESS_FACTS + owner->facts.text_bytes;
	write_flow(owner->record.flow, &key->connection, key->side);
}

/* False where it should be tried again. */
static __always_inline int tell(struct http_owner *owner, struct http_owner_key *key)
{
	struct http_connection *connection = connections_lookup(&key->connection);
	struct http_counters *counters = counters_lookup();

	if (!counters)
		return 0;
	if (connection && !connection->shed)
		return emit_owner(owner, bpf_ktime_get_boot_ns(), counters);
	if (!owners_update(key, owner))
		return 1;
	COUNT(counters, HTTP_COUNT_OWNERS_TABLE_FULL);
	return 0;
}

static __always_inline void remember(struct sock *sk, const struct known *before, __u32 pid, __u32 ports)
{
	struct known now = {.pid = pid, .ports = ports};
	__u64 key = (__u64)sk;

	if (before && before->ports == ports)
		now.earlier = before->pid;
	bpf_map_update_elem(sockets_map(), &key, &now, BPF_ANY);
}

/* The process that runs now uses the socket for the first time, as far as is remembered. */
static __always_inline void meet(struct sock *sk, struct work *work, const struct known *before, __u32 ports)
{
	struct http_settings *settings = settings_lookup();

	if (!settings)
		return;
	read_ends(&work->ends, sk);
	if (wanted(&work->ends, sk, settings)) {
		read_process(&work->owner.facts, settings->facts);
		address(&work->owner, &work->key, &work->ends);
		if (!tell(&work->owner, &work->key))
			return;
	}
	remember(sk, before, bpf_get_current_pid_tgid() >> 32, ports);
}

/* In the context of a process that has sent or received bytes. */
static __always_inline void on_bytes(struct sock *sk)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32, ports = socket_ports(sk);
	__u64 key = (__u64)sk;
	struct known *known;
	struct work *work;

	if (!ports)
		return; /* Unix sockets, for one */
	known = bpf_map_lookup_elem(sockets_map(), &key);
	if (known && known->ports == ports && (known->pid == pid || known->earlier == pid))
		return;
	if (!is_tcp(sk) || !current_pid())
		return;
	work = enter(FOR_PROCESS);
	if (!work)
		return;
	meet(sk, work, known, ports);
	leave(work);
}

/* connect(2), before the local port is chosen. */
static __always_inline void on_connect(struct sock *sk)
{
	struct http_settings *settings = settings_lookup();
	struct work *work = settings && current_pid() ? enter(FOR_PROCESS) : 0;
	__u64 key = (__u64)sk;

	if (!work)
		return;
	read_process(&work->owner.facts, settings->facts);
	bpf_map_update_elem(connecting_map(), &key, &work->owner, BPF_ANY);
	leave(work);
}

static __always_inline void connected(struct sock *sk, struct http_owner *owner, struct work *work,
				      const struct http_settings *settings)
{
	read_ends(&work->ends, sk);
	if (!wanted(&work->ends, sk, settings))
		return;
	address(owner, &work->key, &work->ends);
	if (tell(owner, &work->key))
		remember(sk, 0, owner->facts.pid, socket_ports(sk));
}

/* The answer came; whoever runs now has nothing to do with it. */
static __always_inline void on_established(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct http_owner *owner = bpf_map_lookup_elem(connecting_map(), &key);
	struct http_settings *settings = settings_lookup();
	struct work *work = owner && settings ? enter(FOR_PACKET) : 0;

	if (!work)
		return;
	connected(sk, owner, work, settings);
	bpf_map_delete_elem(connecting_map(), &key);
	leave(work);
}

/* Since Linux 6.3, behind each call that sends or receives, io_uring's too: sock, bytes or error, flags. */
SEC("raw_tp/sock_send_length")
int who_sends(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[1] > 0)
		on_bytes((struct sock *)ctx->args[0]);
	return 0;
}

SEC("raw_tp/sock_recv_length")
int who_receives(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[1] > 0 && !(ctx->args[2] & MESSAGE_PEEK))
		on_bytes((struct sock *)ctx->args[0]);
	return 0;
}

/* Before 6.3: a process copies received bytes out. The kernel itself may read sockets, too, in whose-ever
 * context: then nobody owns the socket's lock. */
SEC("raw_tp/tcp_rcv_space_adjust")
int who_reads(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];

	if (BPF_CORE_READ(sk, sk_lock.owned))
		on_bytes(sk);
	return 0;
}

/* sock, old state, new state. */
SEC("raw_tp/inet_sock_set_state")
int who_connects(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	int before = ctx->args[1], now = ctx->args[2];

	if (now == STATE_SYN_SENT && is_tcp(sk))
		on_connect(sk);
	else if (now == STATE_ESTABLISHED && before == STATE_SYN_SENT)
		on_established(sk);
	return 0;
}

SEC("raw_tp/tcp_destroy_sock")
int who_closes(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 key = ctx->args[0];

	bpf_map_delete_elem(sockets_map(), &key);
	bpf_map_delete_elem(connecting_map(), &key);
	return 0;
}
