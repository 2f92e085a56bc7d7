/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vellumfs

#if !defined(VELLUMFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VELLUMFS_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(vellumfs_merge,
	TP_PROTO(unsigned long ino, unsigned long index, bool zero),
	TP_ARGS(ino, index, zero),
	TP_STRUCT__entry(
		__field(unsigned long, ino)
		__field(unsigned long, index)
		__field(bool, zero)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->index = index;
		__entry->zero = zero;
	),
	TP_printk("ino %lu page %lu%s", __entry->ino, __entry->index,
		  __entry->zero ? " zero" : "")
);

TRACE_EVENT(vellumfs_break,
	TP_PROTO(unsigned long ino, unsigned long index),
	TP_ARGS(ino, index),
	TP_STRUCT__entry(
		__field(unsigned long, ino)
		__field(unsigned long, index)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->index = index;
	),
	TP_printk("ino %lu page %lu", __entry->ino, __entry->index)
);

TRACE_EVENT(vellumfs_clone,
	TP_PROTO(unsigned long from, unsigned long to, unsigned long pages, unsigned long copied),
	TP_ARGS(from, to, pages, copied),
	TP_STRUCT__entry(
		__field(unsigned long, from)
		__field(unsigned long, to)
		__field(unsigned long, pages)
		__field(unsigned long, copied)
	),
	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		__entry->pages = pages;
		__entry->copied = copied;
	),
	TP_printk("ino %lu to ino %lu: %lu pages, %lu copied", __entry->from, __entry->to,
		  __entry->pages, __entry->copied)
);

TRACE_EVENT(vellumfs_pass,
	TP_PROTO(unsigned int round, unsigned long left),
	TP_ARGS(round, left),
	TP_STRUCT__entry(
		__field(unsigned int, round)
		__field(unsigned long, left)
	),
	TP_fast_assign(
		__entry->round = round;
		__entry->left = left;
	),
	TP_printk("pass %u, %lu written pages left", __entry->round, __entry->left)
);

#endif /* VELLUMFS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
