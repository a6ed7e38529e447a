/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Is it on a list? As pipeline/lists/urls.py finds it: hosts from the exact one to any, of each the entries
 * for any method first; of a group the whole host, the path, the prefix, the globs.
 */
#ifndef HTTPIPE_GATE_FIND_H
#define HTTPIPE_GATE_FIND_H

#include "gate/maps.h"

/* An exact host, 20 labels above it, any host: UrlList walks no further. */
#define HOST_STEPS 24

static __always_inline struct gate_found *find_name(struct query *query, __u32 what, __u32 host, __u32 method)
{
	query->name.kind = what + query->kinds;
	query->name.host = host;
	query->name.method = method;
	return names_lookup(query->list, &query->name);
}

/* The longest beginning of the text that is there. */
static __always_inline struct gate_found *find_prefix(struct query *query, __u32 what, __u32 host,
						      __u32 method, __u32 bytes)
{
	struct gate_prefix *prefix = &query->prefix;

	prefix->bits = 96 + 8 * (bytes < GATE_TEXT_BYTES ? bytes : GATE_TEXT_BYTES);
	prefix->name.kind = what + query->kinds;
	prefix->name.host = host;
	prefix->name.method = method;
	return prefixes_lookup(query->list, prefix);
}

struct globs {
	struct query *query;
	struct scan *scan;
};

static long glob_step(__u32 i, struct globs *globs)
{
	struct gate_row *row = rows_lookup(globs->query->list, globs->query->row);

	if (!row || i >= GATE_PATH_BYTES)
		return 1;
	globs->query->row = row->next[globs->scan->path[i & (GATE_PATH_BYTES - 1)]];
	if (!globs->query->row)
		return 1;
	return 0;
}

static __always_inline __u32 find_glob(struct query *query, struct scan *scan, __u32 start)
{
	struct globs globs = {query, scan};
	struct gate_row *row;

	query->row = start;
	bpf_loop(scan->path_bytes, glob_step, &globs, 0);
	row = query->row ? rows_lookup(query->list, query->row) : 0;
	return row ? row->entry : 0;
}

/* Of a group: its entry that fits, 0 for none. */
static __noinline int find_in_group(struct query *query, struct scan *scan, const struct gate_found *group,
				    __u32 method)
{
	struct gate_found *found;

	if (group->a & GATE_GROUP_ANY)
		return group->b;
	if (group->a & GATE_GROUP_EXACT && scan->path_bytes <= GATE_TEXT_BYTES) {
		__builtin_memcpy(query->name.text, scan->path, GATE_TEXT_BYTES);
		found = find_name(query, GATE_NAME_PATH, query->host, method);
		if (found)
			return found->a;
	}
	if (group->a & GATE_GROUP_PREFIX) {
		found = find_prefix(query, GATE_NAME_PATH, query->host, method, scan->path_bytes);
		if (found)
			return found->a;
	}
	return group->a & GATE_GROUP_GLOBS ? find_glob(query, scan, group->c) : 0;
}

static __always_inline struct gate_found *find_group(struct query *query, __u32 method)
{
	__builtin_memset(query->name.text, 0, GATE_TEXT_BYTES);
	return find_name(query, GATE_NAME_GROUP, query->host, method);
}

/* One host: entries for any method, then those for the request's; then the next host. */
static long host_step(__u32 UNUSED i, struct globs *of)
{
	struct query *query = of->query;
	struct gate_found *group = find_group(query, 0);
	__u32 next;

	if (!group)
		return 1;
	next = group->d;
	query->entry = find_in_group(query, of->scan, group, 0);
	if (query->entry)
		return 1;
	if (query->method) {
		group = find_group(query, query->method);
		if (group)
			query->entry = find_in_group(query, of->scan, group, query->method);
		if (query->entry)
			return 1;
	}
	if (!query->host)
		return 1;
	query->host = next;
	return 0;
}

static long reverse_step(__u32 i, struct globs *of)
{
	struct query *query = of->query;
	__u32 n = of->scan->host_bytes;

	if (i >= n || i >= GATE_TEXT_BYTES)
		return 1;
	query->prefix.name.text[i & 127] = of->scan->host[(n - 1 - i) & (GATE_HOST_ROOM - 1)];
	return 0;
}

/* The number of the request's host: its own, or that of the longest suffix. */
static __always_inline __u32 find_host(struct query *query, struct scan *scan)
{
	struct globs of = {query, scan};
	struct gate_found *found;
	__u32 n = scan->host_bytes;

	if (!n || n >= GATE_TEXT_BYTES)
		return 0;
	__builtin_memcpy(query->name.text, scan->host, GATE_TEXT_BYTES);
	found = find_name(query, GATE_NAME_HOST, 0, 0);
	if (found)
		return found->a;
	bpf_loop(GATE_TEXT_BYTES, reverse_step, &of, 0);
	query->prefix.name.text[n & 127] = '.';
	found = find_prefix(query, GATE_NAME_SUFFIX, 0, 0, n + 1);
	return found ? found->a : 0;
}

static __always_inline __u32 find_method(struct query *query, struct scan *scan)
{
	struct gate_found *found;

	__builtin_memset(query->name.text, 0, GATE_TEXT_BYTES);
	__builtin_memcpy(query->name.text, scan->method, GATE_METHOD_BYTES);
	found = find_name(query, GATE_NAME_METHOD, 0, 0);
	return found ? found->a : 0;
}

/* The number of the entry that fits, 0 for none. `kinds`: 0 for the deny list, GATE_NAME_ALLOW for the other.
 */
static __noinline int find(struct query *query, struct scan *scan, __u32 list, __u32 facts, __u32 kinds)
{
	struct globs of = {query, scan};

	if (!query || !scan)
		return 0;
	query->list = list;
	query->kinds = kinds;
	query->entry = 0;
	query->host = facts & GATE_LIST_HOSTS ? find_host(query, scan) : 0;
	query->method = facts & GATE_LIST_METHODS ? find_method(query, scan) : 0;
	__builtin_memcpy(query->prefix.name.text, scan->path, GATE_TEXT_BYTES);
	bpf_loop(HOST_STEPS, host_step, &of, 0);
	return query->entry;
}

#endif
