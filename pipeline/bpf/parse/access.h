/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * How parse/ reaches a packet: the only functions through which it does.
 *
 * These serve every program that is given a `struct __sk_buff`: socket filters, TC, cgroup_skb. A program of
 * another type defines PACKET_CONTEXT, its own functions of these names, and PACKET_ACCESS before it includes
 * anything of parse/.
 */
#ifndef HTTPIPE_PARSE_ACCESS_H
#define HTTPIPE_PARSE_ACCESS_H

#ifndef PACKET_ACCESS
#define PACKET_ACCESS
#define PACKET_CONTEXT struct __sk_buff

/* Copies `n` bytes at `offset`, of fragments of the buffer too; 0, or negative where the packet is shorter.
 */
static __always_inline long packet_load(PACKET_CONTEXT *context, __u32 offset, void *to, __u32 n)
{
	return bpf_skb_load_bytes(context, offset, to, n);
}

/* Bytes that the packet has, counted from offset 0. */
static __always_inline __u32 packet_bytes(PACKET_CONTEXT *context)
{
	return context->len;
}

/* EtherType, in network byte order. */
static __always_inline __u32 packet_protocol(PACKET_CONTEXT *context)
{
	return context->protocol;
}

/* The VLAN id that the kernel or the device took out of the packet already, 0 for none. */
static __always_inline __u32 packet_vlan(PACKET_CONTEXT *context)
{
	return context->vlan_present ? context->vlan_tci & 0x0FFF : 0;
}
#endif

#endif
