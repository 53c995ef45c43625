/* SPDX-License-Identifier: GPL-2.0 */
/* Miscellaneous cgroup controller: its data, and functions that find it. */
#ifndef __MISC_INTERNAL_H
#define __MISC_INTERNAL_H

#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/cgroup.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/misc_cgroup.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/spinlock.h>

#define MISC_CG_RES_MAX		64
#define MISC_CG_BATCH		4	/* counters per allocation (256 bytes) */
#define MISC_CG_NAME_LEN	32
#define MISC_CG_UNLIMITED	U64_MAX

/* Two paths of this length, each after "...", fit into a record of the log. */
#define MISC_CG_LOG_PATH_MAX	400
#define MISC_CG_LOG_BUF_SIZE	(3 + MISC_CG_LOG_PATH_MAX + 1)

#define MISC_CG_CREDIT_PLACES	64	/* of each resource */
#define MISC_CG_CREDIT_CLOSED	(-1)
#define MISC_CG_CREDIT_FROZEN	S64_MIN	/* a bit, beside the amount */

/*
 * One resource in one cgroup.  Guarded by misc_cg_res.lock, but charges and
 * releases change an open @credit without the lock.  A cache line.
 */
struct misc_cg_counter {
	u64 usage;		/* of owners, and credit: see misc-credit.c */
	u64 max;
	u64 peak;
	u64 max_events;		/* refused by the max here or of a descendant */
	u64 max_events_local;	/* refused by the max here */
	u64 alloc_fails;	/* charges to this cgroup, refused by any max */
	atomic64_t credit;	/* open if it is not negative */
	u8 nr_places;		/* of this cgroup and its descendants */
	u8 nr_releases;		/* that took the lock with closed credit */
};

/*
 * A name keeps its slot in misc_cg_resources until the next boot, whether or
 * not a provider has it registered.  So max, peak, events and usage outlive the
 * provider's module, and a pointer to a resource stays valid.
 */
struct misc_cg_res {
	spinlock_t lock;		/* guards all counters, and all but @name */
	bool registered;
	u8 nr_places;			/* places in use */
	u8 next_place;			/* the place that is given up next */
	struct misc_cg **places;	/* cgroups with open or frozen credit */
	char name[MISC_CG_NAME_LEN];	/* constant once the slot is in use */
} ____cacheline_aligned_in_smp;

struct misc_cg {
	struct cgroup_subsys_state css;
	/*
	 * NULL in the root cgroup.  css.parent is set too late, after css_alloc:
	 * misc_cg_counter_alloc() reads this of each cgroup in misc_cg_list.
	 */
	struct misc_cg *parent;
	unsigned int level;		/* 0 in the root cgroup */
	/*
	 * A walk to the root finds all counters through @parent and @batches,
	 * which no charge writes.  It never has to read one counter to find
	 * the next, so the CPU can fetch several at once.
	 */
	struct misc_cg_counter *batches[MISC_CG_RES_MAX / MISC_CG_BATCH];
	struct list_head node;		/* in misc_cg_list */
	/* Resources of which a refusal was logged.  Set under misc_cg_log_lock. */
	DECLARE_BITMAP(logged, MISC_CG_RES_MAX);
	struct cgroup_file events_file;
	struct cgroup_file events_local_file;
};

extern struct misc_cg_res misc_cg_resources[MISC_CG_RES_MAX];

static inline struct misc_cg *css_misc(struct cgroup_subsys_state *css)
{
	return container_of(css, struct misc_cg, css);
}

static inline unsigned int misc_cg_res_index(struct misc_cg_res *res)
{
	return res - misc_cg_resources;
}

static __always_inline struct misc_cg_counter *
misc_cg_counter(struct misc_cg_res *res, struct misc_cg *cg)
{
	unsigned int i = misc_cg_res_index(res);

	return &cg->batches[i / MISC_CG_BATCH][i % MISC_CG_BATCH];
}

/* Whether @amount would exceed the max or raise the peak. */
static inline bool misc_cg_would_exceed(struct misc_cg_counter *counter,
					u64 amount)
{
	u64 usage;

	return check_add_overflow(counter->usage, amount, &usage) ||
	       usage > counter->max || usage > counter->peak;
}

/*
 * Credit: see misc-credit.c
 */

/* Take @amount from the credit of @counter, if that is open and has as much. */
static __always_inline bool
misc_cg_credit_take(struct misc_cg_counter *counter, u64 amount)
{
	s64 credit = atomic64_read(&counter->credit);

	do {
		if (credit < 0 || amount > credit)
			return false;
	} while (!atomic64_try_cmpxchg(&counter->credit, &credit,
				       credit - amount));
	return true;
}

/* Leave @amount in the credit of @counter, if that is open and has room. */
static __always_inline bool
misc_cg_credit_leave(struct misc_cg_counter *counter, u64 amount)
{
	s64 credit = atomic64_read(&counter->credit);

	do {
		if (credit < 0 || amount >= S64_MAX - credit)
			return false;
	} while (!atomic64_try_cmpxchg(&counter->credit, &credit,
				       credit + amount));
	return true;
}

/*
 * The misc_cg_credit_*() functions below are called with the lock of the
 * resource held.
 */

/* Thaw the credit of @counter if it is frozen.  Return false if it is closed. */
static __always_inline bool misc_cg_credit_thaw(struct misc_cg_counter *counter)
{
	s64 credit = atomic64_read(&counter->credit);

	if (likely(credit == MISC_CG_CREDIT_CLOSED))
		return false;
	if (credit < 0)
		atomic64_set_release(&counter->credit, credit & S64_MAX);
	return true;
}

bool misc_cg_credit_open(struct misc_cg_res *res, struct misc_cg *cg,
			 u64 amount);
void misc_cg_credit_make_room(struct misc_cg_res *res, struct misc_cg *cg,
			      struct misc_cg *stop, u64 amount);
void misc_cg_credit_close_below(struct misc_cg_res *res, struct misc_cg *top);
u64 misc_cg_credit_sum(struct misc_cg_res *res, struct misc_cg *top);

/* What is static in misc.c and misc-credit.c otherwise. */
#if IS_ENABLED(CONFIG_KUNIT)
extern unsigned int misc_cg_credit_releases;
extern struct mutex misc_cg_mutex;
extern struct list_head misc_cg_list;
extern unsigned int misc_cg_nr_resources;
extern struct misc_cg misc_cg_root;
extern spinlock_t misc_cg_log_lock;

const char *misc_cg_log_path(struct misc_cg *cg, char *buf);
int misc_cg_do_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		    struct misc_cg *cg);
#endif

#endif /* __MISC_INTERNAL_H */
