/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM misc_cgroup

#if !defined(_TRACE_MISC_CGROUP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MISC_CGROUP_H

#include <linux/cgroup.h>
#include <linux/tracepoint.h>

/*
 * A charge was refused by the max of the refusing cgroup or, if the refusing
 * cgroup is the root, by the host's capacity.  charging is the cgroup in which
 * the charge was made.  usage and limit are the usage and the max of the
 * refusing cgroup at the moment of the decision.
 */
TRACE_EVENT(misc_cg_charge_refused,
	    TP_PROTO(const char *resource, u64 amount, struct cgroup *charging,
		     struct cgroup *refusing, u64 usage, u64 limit),
	    TP_ARGS(resource, amount, charging, refusing, usage, limit),
	    TP_STRUCT__entry(__string(resource, resource)
			     __field(u64, amount)
			     __field(u64, charging)
			     __field(u64, refusing)
			     __field(u64, usage)
			     __field(u64, limit)
	    ),
	    TP_fast_assign(__assign_str(resource);
			   __entry->amount = amount;
			   __entry->charging = cgroup_id(charging);
			   __entry->refusing = cgroup_id(refusing);
			   __entry->usage = usage;
			   __entry->limit = limit;
	    ),
	    TP_printk("resource=%s amount=%llu charging=%llu refusing=%llu usage=%llu limit=%llu",
		      __get_str(resource), __entry->amount, __entry->charging,
		      __entry->refusing, __entry->usage, __entry->limit)
);

#endif /* _TRACE_MISC_CGROUP_H */

#include <trace/define_trace.h>
