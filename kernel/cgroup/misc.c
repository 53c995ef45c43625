// SPDX-License-Identifier: GPL-2.0
/*
 * Miscellaneous cgroup controller
 *
 * Copyright 2020 Google LLC
 * Author: Vipin Sharma <vipinsh@google.com>
 *
 * Limits and tracks host resources that are scarce and countable and belong to
 * no other controller.  Documentation/admin-guide/cgroup-v2.rst describes the
 * misc.* files.
 *
 * - A *resource* has a name and a capacity: how much of it the host has.
 * - A *provider* is the driver that registers a resource, hands out amounts of
 *   it and charges each of them.
 * - A *charge* is an amount of one resource that one owner holds.  It is
 *   counted in one cgroup and in all ancestors of that cgroup.
 * - A *counter* is one resource in one cgroup.  Its *usage* is the sum of all
 *   charges counted there, its *max* is the limit of the usage, its *peak* is
 *   the highest usage so far.  The max of the root cgroup is the capacity.
 *
 * One spinlock per resource guards all its counters.  A charge checks every max
 * and adds to every usage with the lock held, so no other charge can come in
 * between.  Values read during one hold of the lock belong to the same moment.
 * The lock is held for a time that is proportional to the depth of the cgroup
 * that is charged or read.  It does not disable interrupts: providers charge
 * and release in tasks.
 *
 * Where charges are frequent, misc-credit.c lets them do without the lock.  Such
 * a charge changes no misc_cg_counter.usage, which includes the amounts that are
 * kept for it.  The work that misc-credit.c adds for those who hold the lock is
 * bounded by a constant.
 *
 * Lock order: cgroup_mutex, misc_cg_mutex, the lock of a resource.
 * misc_cg_log_lock is taken without the lock of a resource.
 */
#define pr_fmt(fmt) "cgroup: misc: " fmt

#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include <trace/events/misc_cgroup.h>

#include "misc-internal.h"

/*
 * The names that providers in the kernel tree register.  These names have the
 * first slots, from boot on, so that a max can be set before the provider's
 * module is loaded.  The files list resources in the order of the slots; "sev"
 * comes before "sev_es" because some readers match by prefix and take the first
 * line.
 */
static const char * const misc_cg_known_names[] = { "sev", "sev_es", "tdx" };

/*
 * Serializes registrations; guards misc_cg_list and the allocation of batches.
 * Code that does not hold the mutex uses only resources that
 * misc_cg_res_register() returned and slots before misc_cg_res_end(): all of
 * these have counters in all cgroups.
 */
VISIBLE_IF_KUNIT struct mutex misc_cg_mutex =
	__MUTEX_INITIALIZER(misc_cg_mutex);
VISIBLE_IF_KUNIT struct list_head misc_cg_list = LIST_HEAD_INIT(misc_cg_list);
VISIBLE_IF_KUNIT unsigned int misc_cg_nr_resources;	/* slots in use */
VISIBLE_IF_KUNIT struct misc_cg misc_cg_root;
struct misc_cg_res misc_cg_resources[MISC_CG_RES_MAX];

/* The slot after the last one in use. */
static struct misc_cg_res *misc_cg_res_end(void)
{
	/* Pairs with the release in misc_cg_res_create(). */
	return misc_cg_resources + smp_load_acquire(&misc_cg_nr_resources);
}

static struct misc_cg_res *misc_cg_res_find(const char *name)
{
	struct misc_cg_res *res;

	for (res = misc_cg_resources; res < misc_cg_res_end(); res++)
		if (!strcmp(res->name, name))
			return res;
	return NULL;
}

/*
 * Counters
 */

/* Allocate the batch with the counter of slot @i in @cg, unless it exists. */
static int misc_cg_counter_alloc(struct misc_cg *cg, unsigned int i, gfp_t gfp)
{
	struct misc_cg_counter **batch = &cg->batches[i / MISC_CG_BATCH];
	unsigned int j;

	lockdep_assert_held(&misc_cg_mutex);

	if (*batch)
		return 0;
	*batch = kcalloc(MISC_CG_BATCH, sizeof(**batch), gfp);
	if (!*batch)
		return -ENOMEM;
	/* In the root cgroup max is the capacity: 0 until registration. */
	for (j = 0; j < MISC_CG_BATCH; j++) {
		(*batch)[j].max = cg->parent ? MISC_CG_UNLIMITED : 0;
		atomic64_set(&(*batch)[j].credit, MISC_CG_CREDIT_CLOSED);
	}
	return 0;
}

/* Closes credit, so that it is open only while usage is within the max. */
static void misc_cg_set_max(struct misc_cg_res *res, struct misc_cg *cg,
			    u64 max)
{
	lockdep_assert_held(&res->lock);

	misc_cg_counter(res, cg)->max = max;
	misc_cg_credit_close_below(res, cg);
}

static struct misc_cg *misc_cg_common_ancestor(struct misc_cg *a,
					       struct misc_cg *b)
{
	while (a != b) {
		if (a->level >= b->level)
			a = a->parent;
		else
			b = b->parent;
	}
	return a;
}

/* Subtract @amount from @cg and its ancestors below @stop (NULL: from all). */
static void misc_cg_usage_sub(struct misc_cg_res *res, struct misc_cg *cg,
			      struct misc_cg *stop, u64 amount)
{
	lockdep_assert_held(&res->lock);

	for (; cg != stop; cg = cg->parent)
		misc_cg_counter(res, cg)->usage -= amount;
}

/* The cgroup whose max refused, with its usage and max at that moment. */
struct misc_cg_refusal {
	struct misc_cg *refusing;
	u64 usage;
	u64 max;
};

/*
 * Count that the max of @refusing refused a charge to @cg; fill in @refusal.
 * The root cgroup has no events files; its event counts are not shown.
 */
static int misc_cg_refuse(struct misc_cg_res *res, struct misc_cg *cg,
			  struct misc_cg *refusing,
			  struct misc_cg_refusal *refusal)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, refusing);
	struct misc_cg *pos;

	*refusal = (struct misc_cg_refusal){ refusing, counter->usage,
					     counter->max };
	counter->max_events_local++;
	for (pos = refusing; pos; pos = pos->parent)
		misc_cg_counter(res, pos)->max_events++;
	misc_cg_counter(res, cg)->alloc_fails++;
	return refusing->parent ? -EBUSY : -ENOSPC;
}

/*
 * The lowest cgroup from @cg to below @stop whose max refuses @amount, or @stop.
 */
static struct misc_cg *
misc_cg_find_refusing(struct misc_cg_res *res, struct misc_cg *cg,
		      struct misc_cg *stop, u64 amount)
{
	for (; cg != stop; cg = cg->parent) {
		struct misc_cg_counter *counter = misc_cg_counter(res, cg);

		/*
		 * U64_MAX means no limit, but as the capacity it is one: it
		 * refuses a charge that would make the usage overflow.
		 */
		if (cg->parent && counter->max == MISC_CG_UNLIMITED)
			continue;
		/* Usage may exceed max, and usage + amount may overflow. */
		if (counter->usage > counter->max ||
		    amount > counter->max - counter->usage)
			break;
	}
	return cg;
}

/*
 * misc_cg_usage_add() for a charge that would exceed a max or a peak: closes
 * credit where the exact usage decides, checks every max, then adds to every
 * usage and raises the peaks.
 */
static noinline int
misc_cg_usage_add_slow(struct misc_cg_res *res, struct misc_cg *cg,
		       struct misc_cg *stop, u64 amount,
		       struct misc_cg_refusal *refusal)
{
	struct misc_cg *pos, *refusing;
	struct misc_cg_counter *counter;

	refusing = misc_cg_find_refusing(res, cg, stop, amount);
	/* If @refusing and its descendants have no credit, usage is exact. */
	if (refusing == stop || misc_cg_counter(res, refusing)->nr_places) {
		misc_cg_credit_make_room(res, cg, stop, amount);
		refusing = misc_cg_find_refusing(res, cg, stop, amount);
	}
	if (refusing != stop)
		return misc_cg_refuse(res, cg, refusing, refusal);

	for (pos = cg; pos != stop; pos = pos->parent) {
		counter = misc_cg_counter(res, pos);
		counter->usage += amount;
		counter->peak = max(counter->peak, counter->usage);
	}
	return 0;
}

/*
 * Add @amount to the usage of @cg and of its ancestors below @stop (NULL: of
 * all), or change no usage.
 * Return 0, or -EBUSY if the max of a cgroup refuses, -ENOSPC if the capacity
 * does; then the refusal is counted and @refusal is filled in.
 *
 * Most charges exceed no max and no peak.  So this adds while it checks, in one
 * walk, and subtracts again if a max or a peak would be exceeded.  Nobody reads
 * usage without the lock, so nobody sees it in between.
 */
static __always_inline int
misc_cg_usage_add(struct misc_cg_res *res, struct misc_cg *cg,
		  struct misc_cg *stop, u64 amount,
		  struct misc_cg_refusal *refusal)
{
	struct misc_cg *pos;

	lockdep_assert_held(&res->lock);

	for (pos = cg; pos != stop; pos = pos->parent) {
		struct misc_cg_counter *counter = misc_cg_counter(res, pos);

		if (misc_cg_would_exceed(counter, amount)) {
			misc_cg_usage_sub(res, cg, pos, amount);
			return misc_cg_usage_add_slow(res, cg, stop, amount,
						      refusal);
		}
		counter->usage += amount;
	}
	return 0;
}

/*
 * Reports of refusals: tracepoint, log line, notifications
 */

/* Guards the static buffers used to log a refusal. */
VISIBLE_IF_KUNIT spinlock_t misc_cg_log_lock =
	__SPIN_LOCK_UNLOCKED(misc_cg_log_lock);

/*
 * Return the path of @cg, "" for the root cgroup, built from the end of @buf:
 * a static buffer of MISC_CG_LOG_BUF_SIZE bytes, the last of which stays 0.
 * If the path is too long, "..." replaces the names at its beginning: the names
 * at its end tell containers apart.
 */
VISIBLE_IF_KUNIT const char *misc_cg_log_path(struct misc_cg *cg, char *buf)
{
	static char name[MISC_CG_LOG_PATH_MAX];
	char *path = buf + MISC_CG_LOG_BUF_SIZE - 1;

	lockdep_assert_held(&misc_cg_log_lock);

	for (; cg->parent; cg = cg->parent) {
		int len = cgroup_name(cg->css.cgroup, name, sizeof(name));

		/*
		 * "..." must still fit before this name.  @len is -E2BIG if the
		 * name of the cgroup does not fit into @name: nothing limits
		 * names of cgroups to NAME_MAX.
		 */
		if (len < 0 || path - buf < 3 + 1 + len) {
			path -= 3;
			memcpy(path, "...", 3);
			break;
		}
		path -= len;
		memcpy(path, name, len);
		*--path = '/';
	}
	return path;
}

/*
 * Log at most one refusal per resource and cgroup.  The cgroup is the one whose
 * max refused or, if the capacity refused, the charged one.  Refused charges to
 * the root cgroup are not logged.  The events files count all refusals.
 *
 * All cgroups share one rate limit, because a tenant can create any number of
 * cgroups.  RATELIMIT_MSG_ON_RELEASE turns off the lines about suppressed
 * callbacks.
 */
static void misc_cg_log_refusal(struct misc_cg_res *res, struct misc_cg *cg,
				u64 amount, struct misc_cg_refusal *refusal)
{
	static struct ratelimit_state limit =
		RATELIMIT_STATE_INIT_FLAGS(limit, DEFAULT_RATELIMIT_INTERVAL,
					   DEFAULT_RATELIMIT_BURST,
					   RATELIMIT_MSG_ON_RELEASE);
	static char charged_path[MISC_CG_LOG_BUF_SIZE];
	static char refusing_path[MISC_CG_LOG_BUF_SIZE];
	struct misc_cg *refusing = refusal->refusing;
	struct misc_cg *log_cgroup = refusing->parent ? refusing : cg;
	unsigned int i = misc_cg_res_index(res);

	/*
	 * If another CPU is logging, do not wait: the bit in @logged stays
	 * clear, so a later refusal of this resource will be logged.
	 */
	if (!cg->parent || test_bit(i, log_cgroup->logged) ||
	    !spin_trylock(&misc_cg_log_lock))
		return;

	if (!test_bit(i, log_cgroup->logged) && __ratelimit(&limit)) {
		set_bit(i, log_cgroup->logged);
		pr_info("%s: charge of %llu in %s refused by %s%s: %llu of %llu in use\n",
			res->name, amount, misc_cg_log_path(cg, charged_path),
			refusing->parent ? "the max of " : "the host's capacity",
			misc_cg_log_path(refusing, refusing_path),
			refusal->usage, refusal->max);
	}
	spin_unlock(&misc_cg_log_lock);
}

/*
 * Call this without the lock of @res, with a reference to @cg: the reference
 * pins @cg and all its ancestors.
 */
static noinline void
misc_cg_report_refusal(struct misc_cg_res *res, struct misc_cg *cg, u64 amount,
		       struct misc_cg_refusal *refusal)
{
	struct misc_cg *refusing = refusal->refusing;
	struct misc_cg *pos;

	/*
	 * Rebinding misc between cgroup v1 and v2 replaces css.cgroup of the
	 * root.  RCU keeps the old cgroup and its kernfs node valid, so it is
	 * read and used within this section.
	 */
	rcu_read_lock();
	trace_misc_cg_charge_refused(res->name, amount,
				     READ_ONCE(cg->css.cgroup),
				     READ_ONCE(refusing->css.cgroup),
				     refusal->usage, refusal->max);
	rcu_read_unlock();

	misc_cg_log_refusal(res, cg, amount, refusal);

	cgroup_file_notify(&cg->events_local_file);
	if (refusing != cg)
		cgroup_file_notify(&refusing->events_local_file);
	for (pos = refusing; pos->parent; pos = pos->parent)
		cgroup_file_notify(&pos->events_file);
}

/*
 * Resources
 */

/*
 * For lockdep: called first by the functions that may be called with spinlocks
 * held, so that a call in the wrong context is reported even if it returns
 * early.  The locks of all resources are one class for lockdep, and slot 0 is
 * in use from boot on.
 */
static void misc_cg_might_lock(void)
{
	might_lock(&misc_cg_resources[0].lock);
}

/* Use the next slot for @name, with counters in all cgroups. */
static struct misc_cg_res *misc_cg_res_create(const char *name)
{
	unsigned int i = misc_cg_nr_resources;
	struct misc_cg_res *res;
	struct misc_cg *cg;

	lockdep_assert_held(&misc_cg_mutex);

	if (i == MISC_CG_RES_MAX)
		return ERR_PTR(-ENOSPC);

	/* On failure the allocated batches stay, for the next new name. */
	list_for_each_entry(cg, &misc_cg_list, node)
		if (misc_cg_counter_alloc(cg, i, GFP_KERNEL))
			return ERR_PTR(-ENOMEM);

	res = &misc_cg_resources[i];
	res->places = kcalloc(MISC_CG_CREDIT_PLACES, sizeof(*res->places),
			      GFP_KERNEL);
	if (!res->places)
		return ERR_PTR(-ENOMEM);
	strscpy(res->name, name, sizeof(res->name));
	spin_lock_init(&res->lock);
	/* Pairs with the acquire in misc_cg_res_end(). */
	smp_store_release(&misc_cg_nr_resources, i + 1);
	return res;
}

static struct misc_cg_res *misc_cg_do_register(const char *name, u64 capacity)
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	size_t len = name ? strspn(name, valid) : 0;
	struct misc_cg_res *res;

	if (!len || len >= MISC_CG_NAME_LEN || name[len])
		return ERR_PTR(-EINVAL);

	guard(mutex)(&misc_cg_mutex);

	res = misc_cg_res_find(name);
	if (!res)
		res = misc_cg_res_create(name);
	if (IS_ERR(res))
		return res;

	scoped_guard(spinlock, &res->lock) {
		if (res->registered)
			return ERR_PTR(-EEXIST);
		res->registered = true;
		misc_cg_set_max(res, &misc_cg_root, capacity);
	}
	/*
	 * A charge reads the batches of its cgroup without the lock.  This pairs
	 * with the address dependency from @res, however the provider passes
	 * @res to other CPUs.
	 */
	smp_wmb();
	return res;
}

/**
 * misc_cg_res_register - register a resource
 * @name: its name in the misc.* files, 1 to 31 characters of a-z, 0-9 and _;
 *	copied
 * @capacity: how much of it the host has, in units of the resource; 0 refuses
 *	all charges
 *
 * If the name was registered before, each cgroup still has its max, peak and
 * events, and charges that were not released count against the new capacity.
 *
 * A failure is logged.  The caller may keep and use the error pointer: charges
 * fail with -ENODEV, misc_cg_res_unregister() and misc_cg_res_set_capacity() do
 * nothing.
 *
 * Context: Task context, may sleep.
 * Return: The resource, to be passed to misc_cg_res_unregister(); or an error
 * pointer: -EINVAL if the name is NULL or invalid; -EEXIST if it is registered;
 * -ENOSPC if there are 64 other names; -ENOMEM.  Without CONFIG_CGROUP_MISC:
 * NULL, and every charge is granted.
 */
struct misc_cg_res *misc_cg_res_register(const char *name, u64 capacity)
{
	struct misc_cg_res *res = misc_cg_do_register(name, capacity);

	if (IS_ERR(res))
		pr_warn("%s: registration failed: %pe\n", name, res);
	return res;
}
EXPORT_SYMBOL_GPL(misc_cg_res_register);

/**
 * misc_cg_res_unregister - withdraw a resource
 * @res: the result of misc_cg_res_register(); may be NULL or an error pointer
 *
 * From now on charges fail with -ENODEV, until the name is registered again:
 * then @res is valid again, also for a caller who kept it from before.  Usage
 * that is not 0 is logged.  Existing charges stay counted, and can be released,
 * transferred and moved as before.  If the resource is not registered, this
 * warns and does nothing.
 *
 * Context: As misc_cg_charge_current().
 */
void misc_cg_res_unregister(struct misc_cg_res *res)
{
	u64 usage;

	misc_cg_might_lock();
	if (IS_ERR_OR_NULL(res))
		return;

	scoped_guard(spinlock, &res->lock) {
		if (WARN_ONCE(!res->registered, "%s: not registered\n",
			      res->name))
			return;
		res->registered = false;
		misc_cg_set_max(res, &misc_cg_root, 0);
		usage = misc_cg_counter(res, &misc_cg_root)->usage;
	}
	if (usage)
		pr_warn("%s: unregistered with %llu in use\n", res->name,
			usage);
}
EXPORT_SYMBOL_GPL(misc_cg_res_unregister);

/**
 * misc_cg_res_set_capacity - change the capacity of a resource
 * @res: a registered resource; may be NULL or an error pointer
 * @capacity: how much of it the host has now, in units of the resource
 *
 * The capacity may be below the usage: charges are refused until the usage has
 * fallen.  If the resource is not registered, this warns and does nothing.
 *
 * Context: As misc_cg_charge_current().
 */
void misc_cg_res_set_capacity(struct misc_cg_res *res, u64 capacity)
{
	misc_cg_might_lock();
	if (IS_ERR_OR_NULL(res))
		return;

	scoped_guard(spinlock, &res->lock)
		if (!WARN_ONCE(!res->registered, "%s: not registered\n",
			       res->name))
			misc_cg_set_max(res, &misc_cg_root, capacity);
}
EXPORT_SYMBOL_GPL(misc_cg_res_set_capacity);

/*
 * Charges
 */

/**
 * get_current_misc_cg - the misc cgroup of the current task
 *
 * Context: Task context.  Takes no lock and does not sleep.
 * Return: The cgroup, with a reference that the caller puts with put_misc_cg().
 * NULL without CONFIG_CGROUP_MISC.
 */
struct misc_cg *get_current_misc_cg(void)
{
	return css_misc(task_get_css(current, misc_cgrp_id));
}
EXPORT_SYMBOL_GPL(get_current_misc_cg);

/**
 * put_misc_cg - put a reference to a cgroup
 * @cg: the result of get_current_misc_cg(); may be NULL
 *
 * Context: Any but NMI; not under a lock of the scheduler or a workqueue.
 */
void put_misc_cg(struct misc_cg *cg)
{
	if (cg)
		css_put(&cg->css);
}
EXPORT_SYMBOL_GPL(put_misc_cg);

/*
 * The name of the resource, for warnings.  @charge may be a copy of a charge or
 * contain anything, so charge->res is compared and not dereferenced.
 */
static const char *misc_cg_charge_name(const struct misc_cg_charge *charge)
{
	struct misc_cg_res *res;

	for (res = misc_cg_resources; res < misc_cg_res_end(); res++)
		if (res == charge->res)
			return res->name;
	return "unknown resource";
}

/* True if @charge holds an amount.  Warns if it is a copy of a charge. */
static bool misc_cg_charge_check_held(struct misc_cg_charge *charge)
{
	if (likely(charge->self == charge))
		return true;
	WARN_ONCE(charge->self, "%s: a copy of a charge was used\n",
		  misc_cg_charge_name(charge));
	return false;
}

/* True if @charge is empty.  Warns if it is not. */
static bool misc_cg_charge_check_empty(struct misc_cg_charge *charge)
{
	return !WARN_ONCE(charge->self, "%s: this charge is not empty\n",
			  misc_cg_charge_name(charge));
}

static noinline int
misc_cg_charge_locked(struct misc_cg_res *res, struct misc_cg *cg, u64 amount)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, cg);
	struct misc_cg_refusal refusal = {};
	int ret = -ENODEV;

	spin_lock(&res->lock);
	if (misc_cg_credit_thaw(counter) &&
	    misc_cg_credit_take(counter, amount))
		ret = 0;
	else if (res->registered)
		ret = misc_cg_usage_add(res, cg, NULL, amount, &refusal);
	spin_unlock(&res->lock);

	if (refusal.refusing)
		misc_cg_report_refusal(res, cg, amount, &refusal);
	return ret;
}

/*
 * Consumes the caller's reference to @cg: on success @charge keeps it, on an
 * error it is put.
 */
static int misc_cg_do_charge(struct misc_cg_charge *charge,
			     struct misc_cg_res *res, struct misc_cg *cg,
			     u64 amount)
{
	int ret = 0;

	if (!misc_cg_charge_check_empty(charge) || !amount)
		ret = -EINVAL;
	else if (IS_ERR_OR_NULL(res))
		ret = -ENODEV;
	else if (!misc_cg_credit_take(misc_cg_counter(res, cg), amount))
		ret = misc_cg_charge_locked(res, cg, amount);

	if (ret)
		css_put(&cg->css);
	else
		*charge = (struct misc_cg_charge){
			.self = charge, .res = res, .cg = cg, .amount = amount,
		};
	return ret;
}

/**
 * misc_cg_charge_current - charge an amount to the cgroup of the current task
 * @charge: an empty charge
 * @res: the resource; may be NULL or an error pointer
 * @amount: how much, in units of the resource
 *
 * On success @charge holds the amount and a reference to the cgroup, until it
 * is released, or transferred or moved to another charge.  The amount stays
 * charged to that cgroup when the task changes its cgroup or exits.
 *
 * Context: Task context; spinlocks may be held and bottom halves disabled.  Not
 * in an interrupt or a softirq.  Not under any of these locks: a lock that an
 * interrupt or a softirq takes; a raw spinlock; a lock of the scheduler, a
 * workqueue or a waitqueue.  Takes a spinlock; does not allocate.
 * Return: 0 on success.  On an error @charge is unchanged: -EBUSY if the max of
 * the cgroup or of an ancestor refuses; -ENOSPC if the host's capacity refuses;
 * -ENODEV if @res is not registered; -EINVAL if @amount is 0 or, with a
 * warning, if @charge is not empty.
 */
int misc_cg_charge_current(struct misc_cg_charge *charge,
			   struct misc_cg_res *res, u64 amount)
{
	misc_cg_might_lock();
	return misc_cg_do_charge(charge, res, get_current_misc_cg(), amount);
}
EXPORT_SYMBOL_GPL(misc_cg_charge_current);

/**
 * misc_cg_charge_cgroup - charge an amount to a cgroup
 * @charge: an empty charge
 * @res: the resource; may be NULL or an error pointer
 * @cg: the cgroup; the caller keeps its reference, @charge gets another one
 * @amount: how much, in units of the resource
 *
 * As misc_cg_charge_current(), on behalf of another task.  The max that a
 * removed cgroup had last still refuses.
 *
 * Context: As misc_cg_charge_current().
 * Return: As misc_cg_charge_current(), or -EINVAL if @cg is NULL.
 */
int misc_cg_charge_cgroup(struct misc_cg_charge *charge,
			  struct misc_cg_res *res, struct misc_cg *cg,
			  u64 amount)
{
	misc_cg_might_lock();
	if (!cg)
		return -EINVAL;
	css_get(&cg->css);
	return misc_cg_do_charge(charge, res, cg, amount);
}
EXPORT_SYMBOL_GPL(misc_cg_charge_cgroup);

static noinline void
misc_cg_release_locked(struct misc_cg_res *res, struct misc_cg *cg, u64 amount)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, cg);
	bool left;

	spin_lock(&res->lock);
	if (misc_cg_credit_thaw(counter))
		left = misc_cg_credit_leave(counter, amount);
	else
		left = misc_cg_credit_open(res, cg, amount);
	if (!left)
		misc_cg_usage_sub(res, cg, NULL, amount);
	spin_unlock(&res->lock);
}

/**
 * misc_cg_charge_release - release a charge
 * @charge: the charge; nothing is done if it is empty
 *
 * The resource may have been unregistered and the cgroup removed since.
 * @charge is empty afterwards and may be used again; its reference to the
 * cgroup is put.  If it is a copy of a charge, this warns and does nothing.
 *
 * Context: As misc_cg_charge_current().
 */
void misc_cg_charge_release(struct misc_cg_charge *charge)
{
	struct misc_cg_charge old;

	misc_cg_might_lock();
	if (!misc_cg_charge_check_held(charge))
		return;

	old = *charge;
	*charge = (struct misc_cg_charge){};
	if (!misc_cg_credit_leave(misc_cg_counter(old.res, old.cg), old.amount))
		misc_cg_release_locked(old.res, old.cg, old.amount);
	css_put(&old.cg->css);
}
EXPORT_SYMBOL_GPL(misc_cg_charge_release);

/**
 * misc_cg_charge_transfer - hand a charge over to another owner
 * @to: an empty charge
 * @from: the charge, empty afterwards; if it is empty, nothing is done
 *
 * @to gets the amount with the reference to the cgroup.  The amount stays
 * charged to the same cgroup, and no usage changes.  If @from is a copy of a
 * charge, or @from holds an amount and @to is not empty, this warns and does
 * nothing.
 *
 * Context: Any context; calls on either charge must be serialized.
 */
void misc_cg_charge_transfer(struct misc_cg_charge *to,
			     struct misc_cg_charge *from)
{
	if (!misc_cg_charge_check_held(from) || !misc_cg_charge_check_empty(to))
		return;
	*to = *from;
	to->self = to;
	*from = (struct misc_cg_charge){};
}
EXPORT_SYMBOL_GPL(misc_cg_charge_transfer);

/*
 * Consumes the caller's reference to @cg: on success @to keeps it, on an error
 * it is put.
 */
VISIBLE_IF_KUNIT int
misc_cg_do_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		struct misc_cg *cg)
{
	struct misc_cg *source = from->cg;
	struct misc_cg *stop = misc_cg_common_ancestor(source, cg);
	struct misc_cg_res *res = from->res;
	struct misc_cg_refusal refusal;
	int ret;

	spin_lock(&res->lock);
	ret = misc_cg_usage_add(res, cg, stop, from->amount, &refusal);
	if (!ret)
		misc_cg_usage_sub(res, source, stop, from->amount);
	spin_unlock(&res->lock);

	if (ret) {
		misc_cg_report_refusal(res, cg, from->amount, &refusal);
		css_put(&cg->css);
		return ret;
	}
	misc_cg_charge_transfer(to, from);
	to->cg = cg;
	css_put(&source->css);
	return 0;
}

/**
 * misc_cg_charge_move_current - move a charge to the cgroup of the current task
 * @to: an empty charge
 * @from: the charge, empty after success; if it is empty, nothing is done
 *
 * Usage grows in the cgroup of the task and its ancestors, and falls in the
 * source cgroup and its ancestors, on both sides only below the lowest common
 * ancestor.  Only a max where usage grows is checked; the capacity is not.  The
 * source cgroup may have been removed and the resource unregistered since.
 *
 * On success @to holds the amount and a reference to the cgroup of the task.
 * The reference to the source cgroup is put.
 *
 * Context: As misc_cg_charge_current().
 * Return: 0, also if @from is empty; -EBUSY if the max of a cgroup where usage
 * would grow refuses; -EINVAL, with a warning, if @from is a copy of a charge,
 * or holds an amount and @to is not empty.  On an error both charges stay as
 * they are.
 */
int misc_cg_charge_move_current(struct misc_cg_charge *to,
				struct misc_cg_charge *from)
{
	misc_cg_might_lock();
	/* misc_cg_charge_check_held() fails for an empty charge, too. */
	if (!from->self)
		return 0;
	if (!misc_cg_charge_check_held(from) || !misc_cg_charge_check_empty(to))
		return -EINVAL;
	return misc_cg_do_move(to, from, get_current_misc_cg());
}
EXPORT_SYMBOL_GPL(misc_cg_charge_move_current);

/*
 * Cgroups
 */

static void misc_cg_free(struct misc_cg *cg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cg->batches); i++)
		kfree(cg->batches[i]);
	kfree(cg);
}

/* The root cgroup comes first, at boot, before any registration. */
static struct cgroup_subsys_state *
misc_cg_css_alloc(struct cgroup_subsys_state *parent)
{
	struct misc_cg *cg = &misc_cg_root;
	unsigned int i;

	if (parent) {
		cg = kzalloc(sizeof(*cg), GFP_KERNEL_ACCOUNT);
		if (!cg)
			return ERR_PTR(-ENOMEM);
		cg->parent = css_misc(parent);
		cg->level = cg->parent->level + 1;
	}

	guard(mutex)(&misc_cg_mutex);

	for (i = 0; i < misc_cg_nr_resources; i++)
		if (misc_cg_counter_alloc(cg, i, GFP_KERNEL_ACCOUNT)) {
			misc_cg_free(cg);
			return ERR_PTR(-ENOMEM);
		}
	list_add_tail(&cg->node, &misc_cg_list);

	if (!parent)
		for (i = 0; i < ARRAY_SIZE(misc_cg_known_names); i++)
			if (IS_ERR(misc_cg_res_create(misc_cg_known_names[i])))
				return ERR_PTR(-ENOMEM);
	return &cg->css;
}

static void misc_cg_css_free(struct cgroup_subsys_state *css)
{
	struct misc_cg *cg = css_misc(css);
	struct misc_cg_res *res;

	/* As long as @cg is in the list, it has a counter of each resource. */
	for (res = misc_cg_resources; res < misc_cg_res_end(); res++)
		scoped_guard(spinlock, &res->lock)
			misc_cg_credit_close_below(res, cg);
	scoped_guard(mutex, &misc_cg_mutex)
		list_del(&cg->node);
	misc_cg_free(cg);
}

/*
 * Files
 */

/* cftype.private: the value that a file shows for each resource. */
enum misc_cg_value {
	MISC_CG_CAPACITY,
	MISC_CG_CURRENT,
	MISC_CG_PEAK,
	MISC_CG_MAX,
	MISC_CG_MAX_EFFECTIVE,
	MISC_CG_EVENTS,
	MISC_CG_EVENTS_LOCAL,
	MISC_CG_ALLOC_FAILS,	/* in misc.events.local, after each .max line */
};

static u64 misc_cg_read(struct misc_cg_res *res, struct misc_cg *cg,
			enum misc_cg_value what)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, cg);
	u64 max = MISC_CG_UNLIMITED;

	lockdep_assert_held(&res->lock);

	switch (what) {
	case MISC_CG_CAPACITY:
		return misc_cg_counter(res, &misc_cg_root)->max;
	case MISC_CG_CURRENT:
		return counter->usage - misc_cg_credit_sum(res, cg);
	case MISC_CG_PEAK:
		return counter->peak;
	case MISC_CG_MAX:
		return counter->max;
	case MISC_CG_MAX_EFFECTIVE:
		for (; cg; cg = cg->parent)
			max = min(max, misc_cg_counter(res, cg)->max);
		return max;
	case MISC_CG_EVENTS:
		return counter->max_events;
	case MISC_CG_EVENTS_LOCAL:
		return counter->max_events_local;
	case MISC_CG_ALLOC_FAILS:
		break;
	}
	return counter->alloc_fails;
}

/*
 * A resource with a capacity has a line in every file.  If the capacity is 0,
 * it has a line in misc.max if its max is not "max", and in each other file if
 * the value is not 0; misc.max.effective has none then: the effective max is 0.
 */
static void misc_cg_show_value(struct seq_file *sf, struct misc_cg_res *res,
			       enum misc_cg_value what, const char *suffix)
{
	struct misc_cg *cg = css_misc(seq_css(sf));
	u64 capacity, value;

	spin_lock(&res->lock);
	capacity = misc_cg_read(res, cg, MISC_CG_CAPACITY);
	value = misc_cg_read(res, cg, what);
	spin_unlock(&res->lock);

	if (what == MISC_CG_MAX && value == MISC_CG_UNLIMITED) {
		if (capacity)
			seq_printf(sf, "%s max\n", res->name);
	} else if (capacity || value || what == MISC_CG_MAX) {
		seq_printf(sf, "%s%s %llu\n", res->name, suffix, value);
	}
}

static int misc_cg_show(struct seq_file *sf, void *v)
{
	enum misc_cg_value what = seq_cft(sf)->private;
	bool events = what == MISC_CG_EVENTS || what == MISC_CG_EVENTS_LOCAL;
	struct misc_cg_res *res;

	for (res = misc_cg_resources; res < misc_cg_res_end(); res++) {
		misc_cg_show_value(sf, res, what, events ? ".max" : "");
		if (what == MISC_CG_EVENTS_LOCAL)
			misc_cg_show_value(sf, res, MISC_CG_ALLOC_FAILS,
					   ".alloc_fail");
	}
	return 0;
}

/* The limits that one write to misc.max sets. */
struct misc_cg_max_request {
	DECLARE_BITMAP(set, MISC_CG_RES_MAX);
	u64 max[MISC_CG_RES_MAX];
};

/* Parse "NAME VALUE"; blanks may precede, separate and follow them. */
static int misc_cg_parse_max(char *line, struct misc_cg_max_request *request)
{
	char *value = strim(line);
	char *name = strsep(&value, " \t");
	struct misc_cg_res *res = misc_cg_res_find(name);
	u64 *max;

	if (!res || !value ||
	    __test_and_set_bit(misc_cg_res_index(res), request->set))
		return -EINVAL;

	max = &request->max[misc_cg_res_index(res)];
	value = skip_spaces(value);
	if (strcmp(value, "max"))
		return kstrtou64(value, 0, max);
	*max = MISC_CG_UNLIMITED;
	return 0;
}

static ssize_t misc_cg_max_write(struct kernfs_open_file *of, char *buf,
				 size_t nbytes, loff_t off)
{
	struct misc_cg *cg = css_misc(of_css(of));
	struct misc_cg_max_request request = {};
	size_t len = strlen(buf);
	unsigned int i;
	int ret;

	/* Trailing NUL bytes are accepted, anything after them is not. */
	if (memchr_inv(buf + len, 0, nbytes - len))
		return -EINVAL;

	/* All lines are parsed before the first max is set. */
	buf = strim(buf);
	do {
		ret = misc_cg_parse_max(strsep(&buf, "\n"), &request);
		if (ret)
			return ret;
	} while (buf);

	for_each_set_bit(i, request.set, MISC_CG_RES_MAX) {
		struct misc_cg_res *res = &misc_cg_resources[i];

		scoped_guard(spinlock, &res->lock)
			misc_cg_set_max(res, cg, request.max[i]);
	}
	return nbytes;
}

static struct cftype misc_cg_files[] = {
	{
		.name = "capacity",
		.private = MISC_CG_CAPACITY,
		.seq_show = misc_cg_show,
	},
	{
		.name = "current",
		.private = MISC_CG_CURRENT,
		.seq_show = misc_cg_show,
	},
	{
		.name = "peak",
		.private = MISC_CG_PEAK,
		.seq_show = misc_cg_show,
	},
	{
		.name = "max",
		.private = MISC_CG_MAX,
		.flags = CFTYPE_NOT_ON_ROOT,
		.seq_show = misc_cg_show,
		.write = misc_cg_max_write,
	},
	{
		.name = "max.effective",
		.private = MISC_CG_MAX_EFFECTIVE,
		.flags = CFTYPE_NOT_ON_ROOT,
		.seq_show = misc_cg_show,
	},
	{
		.name = "events",
		.private = MISC_CG_EVENTS,
		.flags = CFTYPE_NOT_ON_ROOT,
		.file_offset = offsetof(struct misc_cg, events_file),
		.seq_show = misc_cg_show,
	},
	{
		.name = "events.local",
		.private = MISC_CG_EVENTS_LOCAL,
		.flags = CFTYPE_NOT_ON_ROOT,
		.file_offset = offsetof(struct misc_cg, events_local_file),
		.seq_show = misc_cg_show,
	},
	{}
};

struct cgroup_subsys misc_cgrp_subsys = {
	.css_alloc = misc_cg_css_alloc,
	.css_free = misc_cg_css_free,
	.legacy_cftypes = misc_cg_files,
	.dfl_cftypes = misc_cg_files,
};
