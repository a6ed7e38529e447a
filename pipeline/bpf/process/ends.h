/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The two ends of a connection, as the process at one of them sees them. A layout that both sides share.
 */
#ifndef HTTPIPE_PROCESS_ENDS_H
#define HTTPIPE_PROCESS_ENDS_H

/* In network byte order, as packets have them. IPv4: the first word of an address, others 0. */
struct socket_ends {
	__u32 local[4];
	__u32 remote[4];
	__u16 local_port;
	__u16 remote_port;
	__u32 family; /* 4 or 6: of the packets, which is 4 for an IPv6 socket that speaks to ::ffff:a.b.c.d
		       */
};

_Static_assert(sizeof(struct socket_ends) == 40, "socket_ends has padding");

#endif
