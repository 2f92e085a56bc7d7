/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: what a queue's worker does, and why a queue stopped. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vellum_vhost

#if !defined(VELLUM_VHOST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VELLUM_VHOST_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(vellum_vhost_handle,
	TP_PROTO(u32 dev, u32 queue, unsigned long events),
	TP_ARGS(dev, queue, events),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, queue)
		__field(unsigned long, events)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->queue = queue;
		__entry->events = events;
	),
	TP_printk("device %u queue %u events 0x%lx", __entry->dev, __entry->queue, __entry->events)
);

TRACE_EVENT(vellum_vhost_break,
	TP_PROTO(u32 dev, u32 queue, const char *why),
	TP_ARGS(dev, queue, why),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, queue)
		__field(const char *, why)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->queue = queue;
		__entry->why = why;
	),
	TP_printk("device %u queue %u: %s", __entry->dev, __entry->queue, __entry->why)
);

TRACE_EVENT(vellum_vhost_blk_request,
	TP_PROTO(u32 dev, u32 queue, u32 type, u64 sector, u32 bytes),
	TP_ARGS(dev, queue, type, sector, bytes),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, queue)
		__field(u32, type)
		__field(u64, sector)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->queue = queue;
		__entry->type = type;
		__entry->sector = sector;
		__entry->bytes = bytes;
	),
	TP_printk("device %u queue %u type %u sector %llu bytes %u", __entry->dev, __entry->queue,
		  __entry->type, __entry->sector, __entry->bytes)
);

TRACE_EVENT(vellum_vhost_blk_done,
	TP_PROTO(u32 dev, u32 queue, u32 type, u8 status),
	TP_ARGS(dev, queue, type, status),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, queue)
		__field(u32, type)
		__field(u8, status)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->queue = queue;
		__entry->type = type;
		__entry->status = status;
	),
	TP_printk("device %u queue %u type %u status %u", __entry->dev, __entry->queue,
		  __entry->type, __entry->status)
);

#endif /* VELLUM_VHOST_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vhost
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
