/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Parts of all connections: what user space and the kernel both know of load shedding (shed/keep.h).
 */
#ifndef HTTPIPE_SHED_PARTS_H
#define HTTPIPE_SHED_PARTS_H

/* Connections fall into so many parts by a hash; under overload only some of the parts are captured. */
#define HTTP_PARTS     256
/* So many parts more at a time, at most once in so many nanoseconds: all of them again after 8 s. */
#define HTTP_KEEP_STEP 8
#define HTTP_KEEP_NS   (250 * 1000 * 1000ULL)

#endif
