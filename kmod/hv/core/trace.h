/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: one at each border of the guest. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vellum

#if !defined(VELLUM_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VELLUM_CORE_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(vellum_entry,
	TP_PROTO(u32 vcpu_id),
	TP_ARGS(vcpu_id),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
	),
	TP_printk("vcpu %u", __entry->vcpu_id)
);

TRACE_EVENT(vellum_exit,
	TP_PROTO(u32 vcpu_id, u64 reason, u64 rip, u64 info),
	TP_ARGS(vcpu_id, reason, rip, info),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, reason)
		__field(u64, rip)
		__field(u64, info)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->reason = reason;
		__entry->rip = rip;
		__entry->info = info;
	),
	TP_printk("vcpu %u reason 0x%llx rip 0x%llx info 0x%llx", __entry->vcpu_id,
		  __entry->reason, __entry->rip, __entry->info)
);

#endif /* VELLUM_CORE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH core
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
