/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The name of a connection: the key of every map that remembers connections.
 */
#ifndef HTTPIPE_PARSE_KEY_H
#define HTTPIPE_PARSE_KEY_H

/* The same for both directions: the endpoint with the lower port (then address) comes first. Addresses and
 * ports are in network byte order, and compared as the numbers that these are in memory. */
struct http_key {
	__u32 address[2][4]; /* IPv4: the first word, others 0 */
	__u16 port[2];
	__u32 family; /* 4 or 6 */
};

_Static_assert(sizeof(struct http_key) == 40, "http_key has padding: its bytes are hashed");

#endif
