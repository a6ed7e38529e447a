/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which ports are looked at, as the options say.
 */
#ifndef HTTPIPE_POLICY_PORTS_H
#define HTTPIPE_POLICY_PORTS_H

#include "http_trace.h"

/* `port` is in network byte order. */
static __always_inline int port_wanted(const struct http_settings *settings, __u16 port)
{
	__u32 number = __builtin_bswap16(port);

	return settings->ports[(number >> 6) & 1023] >> (number & 63) & 1;
}

/* One end's port is enough. */
static __always_inline int ports_wanted(const struct http_settings *settings, __u16 port, __u16 other)
{
	return !settings->some_ports || port_wanted(settings, port) || port_wanted(settings, other);
}

#endif
