/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps: who writes, who reads, who deletes. Declared here for both loaders, reached through the accessors
 * in loader_compat.h only. `events` stays the first one: under bcc its pseudo file descriptor is -1.
 */
#ifndef HTTPIPE_MAPS_H
#define HTTPIPE_MAPS_H

#include "work.h"

/* Records. The program writes, the reader consumes. Sized by the loader. */
HTTPIPE_RINGBUF(events);

/* Connections known to speak HTTP. The program writes, reads and deletes (RST, both FINs, a new SYN); the
 * least recently used make place. The sweep reads. Sized by the loader. */
HTTPIPE_MAP(LRU_HASH, "lru_hash", connections, struct http_key, struct http_connection, HTTPIPE_CONNECTIONS);

/* Openings seen whose first byte is still to come; a table of its own, so that a SYN flood displaces only
 * these. The program writes, reads and deletes; the least recently used make place. */
HTTPIPE_MAP(LRU_HASH, "lru_hash", openings, struct http_key, struct http_opening, 16384);

/* Connections with a range that may still have to be told when they go quiet. The program inserts, after it
 * has written the range; the sweep deletes, before it reads the range. So no range is ever overlooked. */
HTTPIPE_MAP(HASH, "hash", waiting, struct http_key, __u32, 16384);

/* One value: what user space wants. User space writes, the program reads and resets `want`. */
HTTPIPE_MMAP_ARRAY(settings, struct http_settings);

/* One value per CPU: enum http_count. The program adds, user space reads. */
HTTPIPE_MAP(PERCPU_ARRAY, "percpu_array", counters, __u32, struct http_counters, 1);

/* One value per CPU. The program's own: a packet is handled without interruption by another packet on the
 * same CPU. */
HTTPIPE_MAP(PERCPU_ARRAY, "percpu_array", scratch, __u32, struct http_scratch, 1);

/* http_trace, for http_entry to jump to. User space writes before it attaches. */
HTTPIPE_PROGRAMS(stages, 1);

#endif
