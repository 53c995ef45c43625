// SPDX-License-Identifier: GPL-2.0
/*
 * Miscellaneous cgroup controller
 *
 * Limits and tracks host resources that are scarce and countable and belong to
 * no other controller.  Providers register resources at run time and charge
 * what they hand out; users see the misc.* files.
 *
 * A *resource* is a kind of thing with a capacity.  Every cgroup has a
 * *counter* for every resource.  A *charge* adds an amount to the counter of
 * one cgroup and to those of all its ancestors, or to none: one spinlock per
 * resource guards all its counters, which makes check and addition one step,
 * and any set of numbers read under it a state that the tree really was in.
 * Most charges take *credit* instead, without the lock, and whoever wants such
 * a state has it closed first; see there.
 *
 * Lock order: cgroup_mutex, misc_cg_mutex, a resource's lock.
 */
#define pr_fmt(fmt) "cgroup: misc: " fmt

#include <linux/bitmap.h>
#include <linux/cgroup.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/misc_cgroup.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include <trace/events/misc_cgroup.h>

#define MISC_CG_RES_MAX		64
#define MISC_CG_NAME_LEN	32
#define MISC_CG_UNLIMITED	U64_MAX

/* Credit of a cgroup, and more; see "Credit". */
struct misc_cg_word {
	atomic64_t value;	/* what "word" means elsewhere */
	u64 guess;		/* at the value, right or wrong */
} __aligned(16);		/* in one cache line */

/* An open word, and what it is credit of; on the list of spare ones, nothing. */
struct misc_cg_open_word {
	struct list_head node;
	struct misc_cg_counter *counter;
	struct misc_cg_word *word;
	u64 seen;		/* what a reader found in it */
};

/*
 * A name keeps its slot for ever, whether it is registered at the moment or
 * not: limits and usage outlive the provider's module, and a stale pointer to
 * a resource never points to freed memory.
 */
struct misc_cg_res {
	char name[MISC_CG_NAME_LEN];
	/* Guards what follows and the counters of this resource. */
	spinlock_t lock;
	bool registered;
	u64 capacity;		/* 0 while not registered */
	struct list_head open_words;	/* in the order they were opened */
	struct list_head spare;		/* for words to be opened */
} ____cacheline_aligned_in_smp;

/* One resource in one cgroup. */
struct misc_cg_counter {
	/* Never change. */
	struct misc_cg_counter *parent;		/* NULL in the root cgroup */
	struct misc_cg *cg;
	struct misc_cg_word __percpu *words;	/* what is in them does */
	/* Guarded by the resource's lock. */
	u64 usage;		/* all charges in the subtree, and all credit */
	u64 max;		/* never set in the root cgroup */
	u64 peak;
	u64 charged_by_amount;	/* here, less what the words have of it */
	u64 nr_max;		/* refusals by max, here and below */
	u64 nr_max_local;	/* refusals by this max */
	u64 nr_alloc_fail;	/* refused charges of this very cgroup */
};

struct misc_cg {
	struct cgroup_subsys_state css;
	unsigned int level;	/* 0 is the root */
	struct list_head node;
	/* Resources of which the log has a refusal; atomic. */
	DECLARE_BITMAP(logged, MISC_CG_RES_MAX);
	struct cgroup_file events_file;
	struct cgroup_file events_local_file;
	/* Words for the resources that there were before it, in one piece. */
	struct misc_cg_word __percpu *words;
	unsigned int nr_words;
	struct misc_cg_counter *counters[MISC_CG_RES_MAX];
	/*
	 * By level; the last one is itself.  css.parent is not there yet when a
	 * resource may look.
	 */
	struct misc_cg *ancestors[];
};

/* Guards the arrival of resources, and of cgroups on the list. */
static DEFINE_MUTEX(misc_cg_mutex);
static struct misc_cg_res misc_cg_resources[MISC_CG_RES_MAX];
/* Raised, with release, when the slot and all counters of a new name are there. */
static unsigned int misc_cg_nr_resources;
/* All cgroups that have counters, parents before children. */
static LIST_HEAD(misc_cg_list);
static struct misc_cg misc_cg_root = { .ancestors = { &misc_cg_root } };

static struct misc_cg_res *misc_cg_res_end(void)
{
	/* Pairs with the release in misc_cg_res_create(). */
	return misc_cg_resources + smp_load_acquire(&misc_cg_nr_resources);
}

static unsigned int misc_cg_index(struct misc_cg_res *res)
{
	return res - misc_cg_resources;
}

static struct misc_cg_counter *misc_cg_counter(struct misc_cg_res *res,
					       struct misc_cg *cg)
{
	/* Only misc_cg_word() does without. */
	lockdep_assert_held(&res->lock);

	return cg->counters[misc_cg_index(res)];
}

static struct misc_cg *css_misc(struct cgroup_subsys_state *css)
{
	return container_of(css, struct misc_cg, css);
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
 * Credit
 *
 * What is uncharged stays in the tree as credit of the cgroup, in a word of the
 * CPU that it was uncharged on, and the next charge there takes it with one
 * compare-and-exchange, however deep the cgroup is.  A word is opened and
 * closed with the lock held; while it is open it changes without.  Charges that
 * find no credit and returns that do not fit in take the lock.  While nobody has
 * it, these hold:
 *
 * - The usage of a counter, less the credit in open words there and below, is
 *   the sum of all charges: what everybody calls usage.
 * - A word is open only while, from its cgroup up to the root, no usage is
 *   above the limit.  Whoever takes credit asks nobody: it fits already.
 * - No usage, credit included, is above the peak; and every peak was reached.
 *   So taking credit never makes a peak.  This is also why credit comes from
 *   what was uncharged only: fetched ahead, it might raise peaks.
 *
 * Usage is thus an upper bound.  Where it does not do, words below are closed:
 * their credit leaves the tree, and with the last of them the usage is exact
 * and, as everybody is sent to the lock, stays so until it is released.
 *
 * A closed word is 0.  In an open one are the credit and, that one exchange
 * will do for misc_cg_try_charge() as well, a part of charged_by_amount.  Both
 * together are at most MISC_CG_WORD_MAX, so neither runs into the other.
 *
 * A CPU cannot load a word before it has done with the last exchange of it.  So
 * what that left is written beside the word as well, as a guess, which the next
 * exchange expects to find instead of loading the word.  A guess may be stale, or
 * torn on 32 bits: then the exchange fails, and what it found is checked anew.
 * Where the guess itself says no, the lock is taken.  It never decides alone.
 *
 * Nothing else is reached without the lock, and who finds a word as it was
 * before it was closed and opened again may as well use it.  An exchange is a
 * full barrier, and a word that is only written to, with the lock held, is
 * written with release: whoever charges what somebody has uncharged comes after
 * all that was done before.
 */
#define MISC_CG_OPEN		BIT_ULL(63)
#define MISC_CG_BY_AMOUNT	32	/* shift */
#define MISC_CG_WORD_MAX	S32_MAX

static u64 misc_cg_word_credit(u64 word)
{
	return lower_32_bits(word);
}

static u64 misc_cg_word_by_amount(u64 word)
{
	return (word & ~MISC_CG_OPEN) >> MISC_CG_BY_AMOUNT;
}

/* Any CPU's will do; this one's is seldom written by others. */
static struct misc_cg_word *misc_cg_word(struct misc_cg_res *res,
					 struct misc_cg *cg)
{
	return raw_cpu_ptr(cg->counters[misc_cg_index(res)]->words);
}

/*
 * Charge @amount to the credit in @word, if it has that much.  @old may be
 * wrong, but must have that much, too.
 */
static __always_inline bool misc_cg_take(struct misc_cg_word *word, s64 old,
					 u64 amount, bool by_amount)
{
	s64 new;

	do {
		if (amount > misc_cg_word_credit(old))
			return false;
		new = old - amount;
		if (by_amount)
			new += amount << MISC_CG_BY_AMOUNT;
	} while (!atomic64_try_cmpxchg(&word->value, &old, new));
	WRITE_ONCE(word->guess, new);
	return true;
}

/* Uncharge @amount and leave it as credit in @word, if that and @old take it. */
static __always_inline bool misc_cg_give(struct misc_cg_word *word, s64 old,
					 u64 amount, bool by_amount)
{
	s64 new;

	do {
		u64 credit = misc_cg_word_credit(old);
		u64 held = misc_cg_word_by_amount(old);

		if (by_amount ? amount > held :
		    !(old & MISC_CG_OPEN) ||
		    amount > MISC_CG_WORD_MAX - credit - held)
			return false;
		new = old + amount;
		if (by_amount)
			new -= amount << MISC_CG_BY_AMOUNT;
	} while (!atomic64_try_cmpxchg(&word->value, &old, new));
	WRITE_ONCE(word->guess, new);
	return true;
}

/* The host's capacity is the limit of the root, which is asked last. */
static u64 misc_cg_limit(struct misc_cg_res *res,
			 struct misc_cg_counter *counter)
{
	return counter->parent ? counter->max : res->capacity;
}

static void misc_cg_sub(struct misc_cg_res *res, struct misc_cg_counter *counter,
			struct misc_cg_counter *end, u64 amount)
{
	lockdep_assert_held(&res->lock);

	for (; counter != end; counter = counter->parent)
		counter->usage -= amount;
}

/* In one step: what others pay must not depend on how deep a tenant nests. */
static bool misc_cg_is_below(struct misc_cg_counter *counter,
			     struct misc_cg_counter *top)
{
	struct misc_cg *cg = counter->cg;
	unsigned int level = top->cg->level;

	return cg->level >= level && cg->ancestors[level] == top->cg;
}

/*
 * How many words are open bounds the time that reading the root, or charging
 * near its limit, takes under the lock.  Where more are busy, one for each CPU
 * that a cgroup is busy on, they close each other's.
 */
static unsigned int misc_cg_open_max(void)
{
	return 64 + nr_cpu_ids;
}

static void misc_cg_close(struct misc_cg_res *res,
			  struct misc_cg_open_word *open)
{
	u64 word = atomic64_xchg(&open->word->value, 0);

	WRITE_ONCE(open->word->guess, 0);
	open->counter->charged_by_amount += misc_cg_word_by_amount(word);
	misc_cg_sub(res, open->counter, NULL, misc_cg_word_credit(word));
	list_move(&open->node, &res->spare);
}

static void misc_cg_close_below(struct misc_cg_res *res,
				struct misc_cg_counter *top)
{
	struct misc_cg_open_word *open, *next;

	list_for_each_entry_safe(open, next, &res->open_words, node)
		if (misc_cg_is_below(open->counter, top))
			misc_cg_close(res, open);
}

/* A limit has changed: no word below stays open while it is exceeded. */
static void misc_cg_close_beyond(struct misc_cg_res *res,
				 struct misc_cg_counter *counter)
{
	if (counter->usage > misc_cg_limit(res, counter))
		misc_cg_close_below(res, counter);
}

/* Uncharge @amount and open @word of @counter with it, if it may be open. */
static bool misc_cg_open(struct misc_cg_res *res,
			 struct misc_cg_counter *counter,
			 struct misc_cg_word *word, u64 amount)
{
	s64 value = MISC_CG_OPEN | amount;
	struct misc_cg_open_word *open;
	struct misc_cg_counter *c;

	if (atomic64_read(&word->value) & MISC_CG_OPEN ||
	    amount > MISC_CG_WORD_MAX)
		return false;
	for (c = counter; c; c = c->parent)
		if (c->usage > misc_cg_limit(res, c))
			return false;

	if (list_empty(&res->spare))
		misc_cg_close(res, list_first_entry(&res->open_words,
						    struct misc_cg_open_word,
						    node));
	open = list_first_entry(&res->spare, struct misc_cg_open_word, node);
	open->counter = counter;
	open->word = word;
	list_move_tail(&open->node, &res->open_words);
	WRITE_ONCE(word->guess, value);
	atomic64_set_release(&word->value, value);
	return true;
}

/*
 * All credit at @counter and below, at one instant: while a word looks closed,
 * who wants it waits for the lock, so what was in all of them is what was in
 * them when the last one was read.
 */
static u64 misc_cg_read_credit(struct misc_cg_res *res,
			       struct misc_cg_counter *counter)
{
	struct misc_cg_open_word *open;
	u64 credit = 0;

	list_for_each_entry(open, &res->open_words, node) {
		if (!misc_cg_is_below(open->counter, counter))
			continue;
		open->seen = atomic64_xchg(&open->word->value, 0);
		credit += misc_cg_word_credit(open->seen);
	}
	list_for_each_entry(open, &res->open_words, node)
		if (misc_cg_is_below(open->counter, counter))
			atomic64_set_release(&open->word->value, open->seen);
	return credit;
}

/*
 * Charging
 */

/* What a refusal was decided on. */
struct misc_cg_refusal {
	struct misc_cg_counter *by;
	u64 usage;
	u64 limit;
};

static void misc_cg_count_refusal(struct misc_cg_counter *counter,
				  struct misc_cg_counter *by)
{
	/* The root cgroup has no events files. */
	if (counter->parent)
		counter->nr_alloc_fail++;
	if (by->parent)
		by->nr_max_local++;
	for (; by->parent; by = by->parent)
		by->nr_max++;
}

/* Whether @amount more may be too much for the limit of @counter or its peak. */
static bool misc_cg_is_tight(struct misc_cg_res *res,
			     struct misc_cg_counter *counter, u64 amount)
{
	u64 bound = min(misc_cg_limit(res, counter), counter->peak);

	return counter->usage > bound || amount > bound - counter->usage;
}

/*
 * Add @amount to all levels from @counter up to below @end, if none of them is
 * tight; or else to none, and return the topmost that is.  As most are not, this
 * adds while it looks.  Nobody sees a usage that is too high meanwhile: all who
 * look have the lock, and who takes credit does not look.
 */
static struct misc_cg_counter *misc_cg_try_add(struct misc_cg_res *res,
					       struct misc_cg_counter *counter,
					       struct misc_cg_counter *end,
					       u64 amount)
{
	struct misc_cg_counter *tight = NULL, *c;

	for (c = counter; c != end; c = c->parent) {
		if (misc_cg_is_tight(res, c, amount))
			tight = c;
		c->usage += amount;	/* may wrap, and is taken back then */
	}
	if (tight)
		misc_cg_sub(res, counter, end, amount);
	return tight;
}

/* Add @amount to all levels from @counter up to below @end, or to none. */
static int misc_cg_add(struct misc_cg_res *res, struct misc_cg_counter *counter,
		       struct misc_cg_counter *end, u64 amount,
		       struct misc_cg_refusal *refusal)
{
	struct misc_cg_open_word *open, *next;
	struct misc_cg_counter *tight, *c;

	lockdep_assert_held(&res->lock);

	/*
	 * Close words below the topmost tight level until it fits, credit
	 * included, or until none is left and the usages up to that level are
	 * exact; it fits into those above.  What has been open for long may not
	 * be used any more, and goes first.  A word that is passed by need not
	 * be looked at again: the next tight level is further below.
	 */
	tight = misc_cg_try_add(res, counter, end, amount);
	list_for_each_entry_safe(open, next, &res->open_words, node) {
		if (!tight)
			break;
		if (!misc_cg_is_below(open->counter, tight))
			continue;
		misc_cg_close(res, open);
		if (!misc_cg_is_tight(res, tight, amount))
			tight = misc_cg_try_add(res, counter, end, amount);
	}
	if (!tight)
		return 0;

	for (c = counter; c != end; c = c->parent) {
		u64 limit = misc_cg_limit(res, c);

		/* The limit may be below the usage, the sum might wrap. */
		if (c->usage <= limit && amount <= limit - c->usage)
			continue;
		*refusal = (struct misc_cg_refusal){ c, c->usage, limit };
		misc_cg_count_refusal(counter, c);
		return c->parent ? -EBUSY : -ENOSPC;
	}

	for (c = counter; c != end; c = c->parent) {
		c->usage += amount;
		c->peak = max(c->peak, c->usage);
	}
	return 0;
}

/*
 * Once per resource and cgroup: the first refusal tells the admin where to
 * look, the events files tell the rest.  Tenants choose how many cgroups they
 * make and how often they fail, hence the rate limit over all of them.
 */
static noinline void misc_cg_log_refusal(struct misc_cg_res *res,
					 struct misc_cg_counter *counter,
					 u64 amount,
					 struct misc_cg_refusal *refusal)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	struct misc_cg *cg = counter->cg;
	char path[256];

	if (!__ratelimit(&limit) ||
	    test_and_set_bit(misc_cg_index(res), cg->logged))
		return;

	cgroup_path(cg->css.cgroup, path, sizeof(path));
	pr_info("%s: charge of %llu refused, %llu of %s %llu in use, in %s\n",
		res->name, amount, refusal->usage,
		refusal->by->parent ? "max" : "the host's capacity",
		refusal->limit, path);
}

/* The caller's reference to @counter's cgroup pins all its ancestors. */
static void misc_cg_report_refusal(struct misc_cg_res *res,
				   struct misc_cg_counter *counter, u64 amount,
				   struct misc_cg_refusal *refusal)
{
	struct misc_cg_counter *by = refusal->by;
	/* Where the admin has to look. */
	struct misc_cg_counter *where = by->parent ? by : counter;

	/* The root css is given another cgroup when misc goes to v1 or back. */
	rcu_read_lock();
	trace_misc_cg_charge_refused(res->name, amount,
				     READ_ONCE(counter->cg->css.cgroup),
				     READ_ONCE(by->cg->css.cgroup),
				     refusal->usage, refusal->limit);
	rcu_read_unlock();

	if (where->parent &&
	    !test_bit(misc_cg_index(res), where->cg->logged))
		misc_cg_log_refusal(res, where, amount, refusal);

	cgroup_file_notify(&counter->cg->events_local_file);
	if (by != counter)
		cgroup_file_notify(&by->cg->events_local_file);
	for (; by->parent; by = by->parent)
		cgroup_file_notify(&by->cg->events_file);
}

static noinline int misc_cg_charge_locked(struct misc_cg_res *res,
					  struct misc_cg *cg, u64 amount,
					  bool by_amount)
{
	struct misc_cg_counter *counter;
	struct misc_cg_refusal refusal;
	struct misc_cg_word *word;
	unsigned long flags;
	int ret = -ENODEV;

	spin_lock_irqsave(&res->lock, flags);
	counter = misc_cg_counter(res, cg);
	word = misc_cg_word(res, cg);
	/* The guess was wrong, a reader had closed it, or it has some by now. */
	if (misc_cg_take(word, atomic64_read(&word->value), amount, by_amount)) {
		ret = 0;
	} else if (res->registered) {
		ret = misc_cg_add(res, counter, NULL, amount, &refusal);
		if (!ret && by_amount)
			counter->charged_by_amount += amount;
	}
	spin_unlock_irqrestore(&res->lock, flags);

	if (ret == -EBUSY || ret == -ENOSPC)
		misc_cg_report_refusal(res, counter, amount, &refusal);
	return ret;
}

static __always_inline int misc_cg_charge(struct misc_cg_res *res,
					  struct misc_cg *cg, u64 amount,
					  bool by_amount)
{
	struct misc_cg_word *word = misc_cg_word(res, cg);

	if (misc_cg_take(word, READ_ONCE(word->guess), amount, by_amount))
		return 0;
	return misc_cg_charge_locked(res, cg, amount, by_amount);
}

/**
 * misc_cg_try_charge - charge an amount to a cgroup
 * @res: the resource; may be NULL or an error pointer
 * @cg: the cgroup, on which the caller holds a reference from here until it
 *	has uncharged the amount
 * @amount: how much, in units of the resource
 *
 * For providers that keep the cgroup themselves, many amounts to one cgroup;
 * an owner that holds one charge uses misc_cg_charge_current().
 *
 * Context: As misc_cg_charge_release(), and not under waitqueue locks, as a
 * refusal wakes pollers.  Allocates nothing.
 * Return: 0 and the amount is charged to @cg and all its ancestors;
 * -EBUSY if the max of @cg or of an ancestor refuses; -ENOSPC if the host's
 * capacity does; -ENODEV if @res is not registered; -EINVAL if @cg is NULL or
 * @amount is 0.  On an error nothing is charged anywhere.
 */
int misc_cg_try_charge(struct misc_cg_res *res, struct misc_cg *cg, u64 amount)
{
	if (!cg || !amount)
		return -EINVAL;
	if (IS_ERR_OR_NULL(res))
		return -ENODEV;
	return misc_cg_charge(res, cg, amount, true);
}
EXPORT_SYMBOL_GPL(misc_cg_try_charge);

static noinline void misc_cg_warn_uncharge(struct misc_cg_res *res,
					   struct misc_cg *cg, u64 amount,
					   u64 charged)
{
	char path[256];

	/* As where a refusal is traced. */
	guard(rcu)();
	cgroup_path(READ_ONCE(cg->css.cgroup), path, sizeof(path));
	WARN_ONCE(1, "%s: uncharging %llu where %llu are charged, in %s\n",
		  res->name, amount, charged, path);
}

static noinline void misc_cg_uncharge_locked(struct misc_cg_res *res,
					     struct misc_cg *cg, u64 amount,
					     bool by_amount)
{
	struct misc_cg_open_word *open, *next;
	struct misc_cg_counter *counter;
	struct misc_cg_word *word;
	unsigned long flags;
	u64 charged = amount;

	spin_lock_irqsave(&res->lock, flags);
	counter = misc_cg_counter(res, cg);
	word = misc_cg_word(res, cg);
	if (by_amount) {
		/* The words of its CPUs may have the rest. */
		if (amount > counter->charged_by_amount)
			list_for_each_entry_safe(open, next, &res->open_words,
						 node)
				if (open->counter == counter)
					misc_cg_close(res, open);
		charged = counter->charged_by_amount;
		if (amount <= charged)
			counter->charged_by_amount -= amount;
	}
	/* No word knows of @amount any more, whoever charged it. */
	if (amount <= charged &&
	    !misc_cg_give(word, atomic64_read(&word->value), amount, false) &&
	    !misc_cg_open(res, counter, word, amount))
		misc_cg_sub(res, counter, NULL, amount);
	spin_unlock_irqrestore(&res->lock, flags);

	if (amount > charged)
		misc_cg_warn_uncharge(res, cg, amount, charged);
}

/**
 * misc_cg_uncharge - return an amount that misc_cg_try_charge() charged
 * @res: the resource, registered or not; may be NULL or an error pointer
 * @cg: the cgroup that was charged; may be NULL
 * @amount: how much, in units of the resource; a part of what was charged is
 *	fine
 *
 * More than misc_cg_try_charge() has charged to this very cgroup is refused:
 * it warns once and changes nothing.  An amount of 0 does nothing.
 *
 * Context: As misc_cg_charge_release().
 */
void misc_cg_uncharge(struct misc_cg_res *res, struct misc_cg *cg, u64 amount)
{
	struct misc_cg_word *word;

	if (IS_ERR_OR_NULL(res) || !cg)
		return;
	word = misc_cg_word(res, cg);
	if (!misc_cg_give(word, READ_ONCE(word->guess), amount, true))
		misc_cg_uncharge_locked(res, cg, amount, true);
}
EXPORT_SYMBOL_GPL(misc_cg_uncharge);

/**
 * get_current_misc_cg - the misc cgroup of the current task
 *
 * Context: Process context.
 * Return: The cgroup, with a reference that the caller returns with
 * put_misc_cg().  NULL without CONFIG_CGROUP_MISC.
 */
struct misc_cg *get_current_misc_cg(void)
{
	return css_misc(task_get_css(current, misc_cgrp_id));
}
EXPORT_SYMBOL_GPL(get_current_misc_cg);

/**
 * put_misc_cg - return a reference to a cgroup
 * @cg: what get_current_misc_cg() returned; may be NULL
 *
 * Context: As misc_cg_charge_release().
 */
void put_misc_cg(struct misc_cg *cg)
{
	if (cg)
		css_put(&cg->css);
}
EXPORT_SYMBOL_GPL(put_misc_cg);

/* Takes over the caller's reference to @cg, whatever comes of it. */
static int misc_cg_charge_to(struct misc_cg_charge *charge,
			     struct misc_cg_res *res, struct misc_cg *cg,
			     u64 amount)
{
	int ret = misc_cg_charge(res, cg, amount, false);

	if (ret) {
		put_misc_cg(cg);
		return ret;
	}
	*charge = (struct misc_cg_charge){ res, cg, amount };
	return 0;
}

/**
 * misc_cg_charge_current - charge an amount to the cgroup of the current task
 * @charge: an empty charge: zeroed, released, or moved away from
 * @res: the resource; may be NULL or an error pointer
 * @amount: how much, in units of the resource
 *
 * On success @charge holds the amount and a reference to the cgroup until
 * misc_cg_charge_release(), or until it is moved to another charge.  It stays
 * with the cgroup when the task moves on or dies.
 *
 * Context: Process context, otherwise as misc_cg_charge_release(), and not under
 * waitqueue locks, as a refusal wakes pollers.  Allocates nothing.
 * Return: 0, or an error with @charge left empty: -EBUSY if the max of the
 * cgroup or of an ancestor refuses; -ENOSPC if the host's capacity does;
 * -ENODEV if @res is not registered; -EINVAL if @amount is 0.  -EINVAL, with a
 * warning and @charge left as it is, if @charge is not empty.
 */
int misc_cg_charge_current(struct misc_cg_charge *charge,
			   struct misc_cg_res *res, u64 amount)
{
	if (WARN_ONCE(charge->cg, "%s: charging a charge that is not empty\n",
		      charge->res->name) || !amount)
		return -EINVAL;
	if (IS_ERR_OR_NULL(res))
		return -ENODEV;
	return misc_cg_charge_to(charge, res, get_current_misc_cg(), amount);
}
EXPORT_SYMBOL_GPL(misc_cg_charge_current);

/**
 * misc_cg_charge_release - return what a charge holds
 * @charge: the charge; an empty one is fine
 *
 * Returns the amount to the cgroup that it was charged to, and the reference
 * to that cgroup.  The resource may have been unregistered and the cgroup
 * removed since.  @charge is empty afterwards and may be used again.
 *
 * Context: Any in which a spinlock_t may be taken with interrupts saved; not
 * NMI, not under raw, scheduler or workqueue locks; on PREEMPT_RT not in hard
 * interrupts.
 */
void misc_cg_charge_release(struct misc_cg_charge *charge)
{
	struct misc_cg_res *res = charge->res;
	struct misc_cg *cg = charge->cg;
	struct misc_cg_word *word;

	if (!cg)
		return;

	word = misc_cg_word(res, cg);
	if (!misc_cg_give(word, READ_ONCE(word->guess), charge->amount, false))
		misc_cg_uncharge_locked(res, cg, charge->amount, false);
	*charge = (struct misc_cg_charge){};
	put_misc_cg(cg);
}
EXPORT_SYMBOL_GPL(misc_cg_charge_release);

static struct misc_cg_counter *misc_cg_common_ancestor(struct misc_cg_counter *a,
						       struct misc_cg_counter *b)
{
	while (a != b) {
		if (a->cg->level >= b->cg->level)
			a = a->parent;
		else
			b = b->parent;
	}
	return a;
}

/* Takes over the caller's reference to @cg, whatever comes of it. */
static int misc_cg_charge_move_to(struct misc_cg_charge *to,
				  struct misc_cg_charge *from,
				  struct misc_cg *cg)
{
	struct misc_cg_res *res = from->res;
	struct misc_cg_counter *src, *dst, *end;
	struct misc_cg_refusal refusal;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&res->lock, flags);
	src = misc_cg_counter(res, from->cg);
	dst = misc_cg_counter(res, cg);
	end = misc_cg_common_ancestor(src, dst);
	ret = misc_cg_add(res, dst, end, from->amount, &refusal);
	if (!ret)
		misc_cg_sub(res, src, end, from->amount);
	spin_unlock_irqrestore(&res->lock, flags);

	if (ret) {
		misc_cg_report_refusal(res, dst, from->amount, &refusal);
		put_misc_cg(cg);
		return ret;
	}
	*to = (struct misc_cg_charge){ res, cg, from->amount };
	put_misc_cg(from->cg);
	*from = (struct misc_cg_charge){};
	return 0;
}

/**
 * misc_cg_charge_move_current - move a charge to the cgroup of the current task
 * @to: an empty charge, which gets what @from holds
 * @from: the charge to move; if it is empty, nothing is done
 *
 * Usage changes only below the lowest common ancestor of both cgroups, and
 * only the levels that gain are asked: a full ancestor of both does not
 * matter, nor does the host's capacity.  It works as well when the source
 * cgroup has been removed or the resource unregistered.
 *
 * Context: Process context, otherwise as misc_cg_charge_release(), and not under
 * waitqueue locks, as a refusal wakes pollers.  Allocates nothing.
 * Return: 0 and @from is empty; -EBUSY if the max of a level that would gain
 * refuses, and both charges are as before; -EINVAL, with a warning, if @to is
 * not empty.
 */
int misc_cg_charge_move_current(struct misc_cg_charge *to,
				struct misc_cg_charge *from)
{
	if (!from->cg)
		return 0;
	if (WARN_ONCE(to->cg, "%s: moving to a charge that is not empty\n",
		      to->res->name))
		return -EINVAL;
	return misc_cg_charge_move_to(to, from, get_current_misc_cg());
}
EXPORT_SYMBOL_GPL(misc_cg_charge_move_current);

/*
 * Cgroups and resources come and go
 */

static int misc_cg_counter_alloc(struct misc_cg *cg, unsigned int i)
{
	struct misc_cg_counter *counter = kzalloc(sizeof(*counter), GFP_KERNEL);

	lockdep_assert_held(&misc_cg_mutex);

	if (!counter)
		return -ENOMEM;

	counter->words = i < cg->nr_words ? cg->words + i :
					    alloc_percpu(struct misc_cg_word);
	if (cg->level)
		counter->parent = cg->ancestors[cg->level - 1]->counters[i];
	counter->cg = cg;
	counter->max = MISC_CG_UNLIMITED;
	cg->counters[i] = counter;
	/* Freed with the others. */
	return counter->words ? 0 : -ENOMEM;
}

static void misc_cg_counter_free(struct misc_cg *cg, unsigned int i)
{
	if (cg->counters[i] && i >= cg->nr_words)
		free_percpu(cg->counters[i]->words);
	kfree(cg->counters[i]);
	cg->counters[i] = NULL;
}

static void misc_cg_free(struct misc_cg *cg)
{
	unsigned int i;

	for (i = 0; i < MISC_CG_RES_MAX; i++)
		misc_cg_counter_free(cg, i);
	free_percpu(cg->words);
	kfree(cg);
}

static struct cgroup_subsys_state *
misc_cg_css_alloc(struct cgroup_subsys_state *parent)
{
	struct misc_cg *cg = &misc_cg_root;
	unsigned int i;
	int ret = 0;

	if (parent) {
		struct misc_cg *up = css_misc(parent);

		cg = kzalloc(struct_size(cg, ancestors, up->level + 2),
			     GFP_KERNEL);
		if (!cg)
			return ERR_PTR(-ENOMEM);
		cg->level = up->level + 1;
		memcpy(cg->ancestors, up->ancestors,
		       flex_array_size(up, ancestors, cg->level));
		cg->ancestors[cg->level] = cg;
	}

	mutex_lock(&misc_cg_mutex);
	cg->nr_words = misc_cg_nr_resources;
	if (cg->nr_words) {
		cg->words = __alloc_percpu(cg->nr_words * sizeof(*cg->words),
					   __alignof__(*cg->words));
		ret = cg->words ? 0 : -ENOMEM;
	}
	for (i = 0; i < misc_cg_nr_resources && !ret; i++)
		ret = misc_cg_counter_alloc(cg, i);
	if (!ret)
		list_add_tail(&cg->node, &misc_cg_list);
	mutex_unlock(&misc_cg_mutex);

	if (ret) {
		misc_cg_free(cg);
		return ERR_PTR(ret);
	}
	return &cg->css;
}

static void misc_cg_css_free(struct cgroup_subsys_state *css)
{
	struct misc_cg *cg = css_misc(css);
	struct misc_cg_res *res;

	/* Nobody charges it any more, but it may have credit still. */
	for (res = misc_cg_resources; res < misc_cg_res_end(); res++) {
		spin_lock_irq(&res->lock);
		misc_cg_close_below(res, misc_cg_counter(res, cg));
		spin_unlock_irq(&res->lock);
	}

	mutex_lock(&misc_cg_mutex);
	list_del(&cg->node);
	mutex_unlock(&misc_cg_mutex);
	misc_cg_free(cg);
}

static bool misc_cg_name_valid(const char *name)
{
	size_t len;

	if (!name)
		return false;
	len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return len && len < MISC_CG_NAME_LEN && !name[len];
}

/* Makes the slot and the counters of a name that was never registered. */
static struct misc_cg_res *misc_cg_res_create(const char *name)
{
	unsigned int nr_spare = misc_cg_open_max();
	unsigned int i = misc_cg_nr_resources;
	struct misc_cg_open_word *spare;
	struct misc_cg_res *res;
	struct misc_cg *cg;

	lockdep_assert_held(&misc_cg_mutex);

	if (i == MISC_CG_RES_MAX)
		return ERR_PTR(-ENOSPC);

	spare = kvcalloc(nr_spare, sizeof(*spare), GFP_KERNEL);
	if (!spare)
		return ERR_PTR(-ENOMEM);
	list_for_each_entry(cg, &misc_cg_list, node) {
		if (!misc_cg_counter_alloc(cg, i))
			continue;
		list_for_each_entry(cg, &misc_cg_list, node)
			misc_cg_counter_free(cg, i);
		kvfree(spare);
		return ERR_PTR(-ENOMEM);
	}

	res = &misc_cg_resources[i];
	INIT_LIST_HEAD(&res->open_words);
	INIT_LIST_HEAD(&res->spare);
	while (nr_spare--)
		list_add(&spare[nr_spare].node, &res->spare);
	strscpy(res->name, name, sizeof(res->name));
	spin_lock_init(&res->lock);
	/* Pairs with the acquire in misc_cg_res_end(). */
	smp_store_release(&misc_cg_nr_resources, i + 1);
	return res;
}

/**
 * misc_cg_res_register - register a resource
 * @name: its name in the misc.* files, 1 to 31 characters: a to z, 0 to 9 and
 *	underscores; copied
 * @capacity: how much of it the host has, in units of the resource
 *
 * A name that was registered before comes back with all limits, peaks and
 * events; what is still charged from then counts against the new capacity.
 *
 * Context: Process context, may sleep.
 * Return: The resource, to be returned with misc_cg_res_unregister(); or an
 * error pointer: -EINVAL for a bad name; -EEXIST if it is registered; -ENOSPC
 * if 64 other names have been; -ENOMEM.  Without CONFIG_CGROUP_MISC: NULL, and
 * every charge is granted.
 */
struct misc_cg_res *misc_cg_res_register(const char *name, u64 capacity)
{
	struct misc_cg_res *res;
	bool was_registered;

	if (!misc_cg_name_valid(name))
		return ERR_PTR(-EINVAL);

	guard(mutex)(&misc_cg_mutex);

	res = misc_cg_res_find(name);
	if (!res)
		res = misc_cg_res_create(name);
	if (IS_ERR(res))
		return res;

	spin_lock_irq(&res->lock);
	was_registered = res->registered;
	if (!was_registered) {
		res->registered = true;
		res->capacity = capacity;
	}
	spin_unlock_irq(&res->lock);
	return was_registered ? ERR_PTR(-EEXIST) : res;
}
EXPORT_SYMBOL_GPL(misc_cg_res_register);

/**
 * misc_cg_res_unregister - withdraw a resource
 * @res: what misc_cg_res_register() returned; may be NULL or an error pointer
 *
 * No charge is granted from here on.  Charges still outstanding are logged,
 * stay counted, and can be released and moved as before.  Unregistering what
 * is not registered warns once and does nothing.
 *
 * Context: As misc_cg_charge_release().
 */
void misc_cg_res_unregister(struct misc_cg_res *res)
{
	struct misc_cg_counter *root;
	unsigned long flags;
	bool registered;
	u64 usage;

	if (IS_ERR_OR_NULL(res))
		return;

	spin_lock_irqsave(&res->lock, flags);
	registered = res->registered;
	res->registered = false;
	res->capacity = 0;
	root = misc_cg_counter(res, &misc_cg_root);
	misc_cg_close_beyond(res, root);
	usage = root->usage;
	spin_unlock_irqrestore(&res->lock, flags);

	if (WARN_ONCE(!registered, "%s: not registered\n", res->name))
		return;
	if (usage)
		pr_warn("%s: unregistered with %llu in use\n", res->name, usage);
}
EXPORT_SYMBOL_GPL(misc_cg_res_unregister);

/**
 * misc_cg_res_set_capacity - the host has more or less of a resource
 * @res: a registered resource; may be NULL or an error pointer
 * @capacity: how much the host has now, in units of the resource
 *
 * Less than what is in use takes nothing away: charges are refused until
 * enough has been returned.  If @res is not registered, it warns once and does
 * nothing.
 *
 * Context: As misc_cg_charge_release().
 */
void misc_cg_res_set_capacity(struct misc_cg_res *res, u64 capacity)
{
	unsigned long flags;
	bool registered;

	if (IS_ERR_OR_NULL(res))
		return;

	spin_lock_irqsave(&res->lock, flags);
	registered = res->registered;
	if (registered) {
		res->capacity = capacity;
		misc_cg_close_beyond(res, misc_cg_counter(res, &misc_cg_root));
	}
	spin_unlock_irqrestore(&res->lock, flags);

	WARN_ONCE(!registered, "%s: not registered\n", res->name);
}
EXPORT_SYMBOL_GPL(misc_cg_res_set_capacity);

/*
 * Files
 */

/* One consistent view of a resource in a cgroup. */
struct misc_cg_view {
	u64 capacity;
	u64 effective_max;
	struct misc_cg_counter counter;
};

/* With the usage as everybody knows it if @exact, or else credit included. */
static struct misc_cg_view misc_cg_view(struct misc_cg_res *res,
					struct misc_cg *cg, bool exact)
{
	struct misc_cg_counter *counter;
	struct misc_cg_view view;

	spin_lock_irq(&res->lock);
	counter = misc_cg_counter(res, cg);
	view.capacity = res->capacity;
	view.effective_max = MISC_CG_UNLIMITED;
	view.counter = *counter;
	if (exact)
		view.counter.usage -= misc_cg_read_credit(res, counter);
	for (; counter; counter = counter->parent)
		view.effective_max = min(view.effective_max,
					 misc_cg_limit(res, counter));
	spin_unlock_irq(&res->lock);
	return view;
}

/* cftype.private of the files. */
enum {
	MISC_CG_CAPACITY,
	MISC_CG_CURRENT,
	MISC_CG_PEAK,
	MISC_CG_MAX,
	MISC_CG_MAX_EFFECTIVE,
	MISC_CG_EVENTS,
	MISC_CG_EVENTS_LOCAL,
};

/* What is in use or has happened is shown even when the capacity is gone. */
static void misc_cg_show_count(struct seq_file *sf, struct misc_cg_res *res,
			       const char *suffix, u64 count, u64 capacity)
{
	if (count || capacity)
		seq_printf(sf, "%s%s %llu\n", res->name, suffix, count);
}

/* What can be had is shown while there is any. */
static void misc_cg_show_limit(struct seq_file *sf, struct misc_cg_res *res,
			       u64 limit, u64 capacity)
{
	if (capacity)
		seq_printf(sf, "%s %llu\n", res->name, limit);
}

static int misc_cg_show(struct seq_file *sf, void *v)
{
	struct misc_cg *cg = css_misc(seq_css(sf));
	bool exact = seq_cft(sf)->private == MISC_CG_CURRENT;
	struct misc_cg_res *res;

	for (res = misc_cg_resources; res < misc_cg_res_end(); res++) {
		struct misc_cg_view view = misc_cg_view(res, cg, exact);
		struct misc_cg_counter *counter = &view.counter;
		u64 capacity = view.capacity;

		switch (seq_cft(sf)->private) {
		case MISC_CG_CAPACITY:
			misc_cg_show_limit(sf, res, capacity, capacity);
			break;
		case MISC_CG_CURRENT:
			misc_cg_show_count(sf, res, "", counter->usage,
					   capacity);
			break;
		case MISC_CG_PEAK:
			misc_cg_show_count(sf, res, "", counter->peak,
					   capacity);
			break;
		case MISC_CG_MAX:
			if (counter->max != MISC_CG_UNLIMITED)
				misc_cg_show_limit(sf, res, counter->max,
						   capacity);
			else if (capacity)
				seq_printf(sf, "%s max\n", res->name);
			break;
		case MISC_CG_MAX_EFFECTIVE:
			misc_cg_show_limit(sf, res, view.effective_max,
					   capacity);
			break;
		case MISC_CG_EVENTS:
			misc_cg_show_count(sf, res, ".max", counter->nr_max,
					   capacity);
			break;
		case MISC_CG_EVENTS_LOCAL:
			misc_cg_show_count(sf, res, ".max",
					   counter->nr_max_local, capacity);
			misc_cg_show_count(sf, res, ".alloc_fail",
					   counter->nr_alloc_fail, capacity);
			break;
		}
	}
	return 0;
}

/* Limits that one write to misc.max sets. */
struct misc_cg_limits {
	bool set[MISC_CG_RES_MAX];
	u64 max[MISC_CG_RES_MAX];
};

/* "NAME VALUE", with blanks around either. */
static int misc_cg_parse_limit(char *line, struct misc_cg_limits *limits)
{
	struct misc_cg_res *res;
	char *name, *value;
	unsigned int i;

	value = strim(line);
	name = strsep(&value, " \t");
	if (!value)
		return -EINVAL;
	value = skip_spaces(value);

	res = misc_cg_res_find(name);
	if (!res)
		return -EINVAL;
	i = misc_cg_index(res);
	if (limits->set[i])
		return -EINVAL;
	limits->set[i] = true;

	if (!strcmp(value, "max")) {
		limits->max[i] = MISC_CG_UNLIMITED;
		return 0;
	}
	return kstrtou64(value, 0, &limits->max[i]);
}

static ssize_t misc_cg_max_write(struct kernfs_open_file *of, char *buf,
				 size_t nbytes, loff_t off)
{
	struct misc_cg *cg = css_misc(of_css(of));
	struct misc_cg_limits limits = {};
	size_t len = strlen(buf);
	unsigned int i;
	char *line;
	int ret;

	/* A string written with its terminator is fine, more is not. */
	if (memchr_inv(buf + len, 0, nbytes - len))
		return -EINVAL;

	/* All lines are read before the first limit is set. */
	buf = strim(buf);
	do {
		line = strsep(&buf, "\n");
		ret = misc_cg_parse_limit(line, &limits);
		if (ret)
			return ret;
	} while (buf);

	for (i = 0; i < MISC_CG_RES_MAX; i++) {
		struct misc_cg_res *res = &misc_cg_resources[i];
		struct misc_cg_counter *counter;

		if (!limits.set[i])
			continue;
		spin_lock_irq(&res->lock);
		counter = misc_cg_counter(res, cg);
		counter->max = limits.max[i];
		misc_cg_close_beyond(res, counter);
		spin_unlock_irq(&res->lock);
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

#ifdef CONFIG_CGROUP_MISC_KUNIT_TEST
#include "tests/misc_kunit.c"
#endif
