// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: reports of a refused charge in the log,
 * by the tracepoint, and to pollers of the events files.
 */
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kernfs.h>
#include <linux/lockdep.h>
#include <linux/ratelimit.h>
#include <linux/timer.h>
#include <trace/events/misc_cgroup.h>

#include "misc_kunit.h"

/*
 * Paths in the log
 */

/* Of nested cgroups with names of these lengths, the last @nr are shown. */
static const struct path_case {
	const char *desc;
	unsigned int length[3];
	int nr;
} path_cases[] = {
	{ "400 characters, a name of NAME_MAX",	{ 255, 143 },		2 },
	{ "401 characters",			{ 200, 199 },		1 },
	{ "401 characters, the rest is 400",	{ 1, 200, 198 },	2 },
	{ "401 characters, the rest is 401",	{ 1, 201, 198 },	1 },
	{ "a name of 399 characters",		{ 399 },		1 },
	{ "a name of 400 characters",		{ 400 },		0 },
	/* Nothing prevents a tenant from creating such a name. */
	{ "a name of 3000 characters",		{ 3000 },		0 },
	{ "below a name of 3000 characters",	{ 3000, 1 },		1 },
	{ "the root",				{ },			0 },
};

KUNIT_ARRAY_PARAM_DESC(path_cases, path_cases, desc);

/* Whole names at its end are kept, as they tell containers apart. */
static void path_in_the_log_is_cut_at_its_beginning(struct kunit *test)
{
	static char buf[MISC_CG_LOG_BUF_SIZE];
	const struct path_case *c = test->param_value;
	char *name = misc_kunit.text, *expected = misc_kunit.line, *end;
	struct misc_cg *cg = CG(ROOT);
	const char *path;
	int depth, i;

	for (depth = 0; depth < 3 && c->length[depth]; depth++) {
		memset(name, 'a' + depth, c->length[depth]);
		name[c->length[depth]] = '\0';
		cg = misc_kunit_mkdir(cg, name);
	}
	strscpy(misc_kunit.line, depth > c->nr ? "..." : "");
	end = expected + strlen(expected);
	for (i = depth - c->nr; i < depth; i++) {
		*end++ = '/';
		memset(end, 'a' + i, c->length[i]);
		end += c->length[i];
	}
	*end = '\0';
	scoped_guard(spinlock, &misc_cg_log_lock)
		path = misc_cg_log_path(cg, buf);
	KUNIT_EXPECT_STREQ(test, path, expected);
}

/*
 * Lines in the log
 */

/*
 * The rate limit is for all cgroups, those of other tests too: repeat a refusal
 * until it is logged.
 */
static void refuse(struct kunit *test, struct misc_cg_res *res, int cg,
		   u64 amount)
{
	int i;

	misc_kunit_log_start();
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_NE(test, CHARGE(0, res, cg, amount), 0);
		if (misc_kunit_logged("cgroup: misc: "))
			return;
		msleep(100);
	}
	KUNIT_FAIL(test, "charge of %llu in cgroup %d: not logged", amount, cg);
}

static void expect_not_logged(struct kunit *test, int cg, u64 amount)
{
	misc_kunit_log_start();
	KUNIT_EXPECT_NE(test, CHARGE(0, RES_A, cg, amount), 0);
	EXPECT_LOGGED(0, "cgroup: misc: ");
}

static void refusal_by_max_is_logged_once_per_refusing_cgroup(struct kunit *test)
{
	SET_MAX(LEFT, "kunit_a 5");
	GRANTED(1, LEAF, 2);
	refuse(test, RES_A, LEAF, 4);
	EXPECT_LOGGED(1,
		      "cgroup: misc: kunit_a: charge of 4 in /top/left/leaf refused by the max of /top/left: 2 of 5 in use");
	expect_not_logged(test, LEFT, 6);
	/* One that was logged still shows up for the max of another. */
	SET_MAX(TOP, "kunit_a 3");
	refuse(test, RES_A, LEFT, 2);
	EXPECT_LOGGED(1,
		      "cgroup: misc: kunit_a: charge of 2 in /top/left refused by the max of /top: 2 of 3 in use");
	expect_not_logged(test, RIGHT, 2);
}

static void refusal_by_capacity_is_logged_once_per_charged_cgroup(struct kunit *test)
{
	GRANTED(1, RIGHT, 3);
	refuse(test, RES_A, LEAF, 98);
	EXPECT_LOGGED(1,
		      "cgroup: misc: kunit_a: charge of 98 in /top/left/leaf refused by the host's capacity: 3 of 100 in use");
	expect_not_logged(test, LEAF, 99);
	refuse(test, RES_A, RIGHT, 99);
	EXPECT_LOGGED(1,
		      "cgroup: misc: kunit_a: charge of 99 in /top/right refused by the host's capacity: 3 of 100 in use");
	/* One line per cgroup and per resource. */
	refuse(test, RES_B, LEAF, 101);
	EXPECT_LOGGED(1,
		      "cgroup: misc: kunit_b: charge of 101 in /top/left/leaf refused by the host's capacity: 0 of 100 in use");
	expect_not_logged(test, LEAF, 101);
}

static void refusal_in_the_root_is_not_logged(struct kunit *test)
{
	bitmap_zero(CG(ROOT)->logged, MISC_CG_RES_MAX);
	refuse(test, RES_A, LEAF, 101);
	expect_not_logged(test, ROOT, 101);
	/* There would have been room for it. */
	refuse(test, RES_A, RIGHT, 102);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(CG(ROOT)->logged, MISC_CG_RES_MAX));
}

/* While another CPU logs, a refusal is not logged; the next one is. */
static void refusal_does_not_wait_for_the_log(struct kunit *test)
{
	int saved = debug_locks;

	if (!IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_DEBUG_SPINLOCK))
		kunit_skip(test, "needs a spinlock that can be held");

	spin_lock(&misc_cg_log_lock);
	/* With one CPU, a lock that cannot be taken is reported as a bug. */
	if (!IS_ENABLED(CONFIG_SMP))
		debug_locks = 0;
	expect_not_logged(test, LEAF, 101);
	if (!IS_ENABLED(CONFIG_SMP))
		debug_locks = saved;
	spin_unlock(&misc_cg_log_lock);
	refuse(test, RES_A, LEAF, 102);
}

static void rate_of_logged_refusals_is_limited(struct kunit *test)
{
	int i;

	misc_kunit_log_start();
	for (i = 0; i < 100; i++) {
		CG(MORE) = misc_kunit_mkdir(CG(RIGHT), NULL);
		REFUSED(-ENOSPC, 0, MORE, 101);
	}
	/* One interval may have ended meanwhile. */
	KUNIT_EXPECT_LE(test, misc_kunit_logged("cgroup: misc: "),
			2 * DEFAULT_RATELIMIT_BURST);
}

static void what_goes_wrong_with_a_registration_is_logged(struct kunit *test)
{
	char expected[80];

	snprintf(expected, sizeof(expected),
		 "cgroup: misc: kunit_a: registration failed: %pe",
		 ERR_PTR(-EEXIST));
	misc_kunit_log_start();
	misc_cg_res_register("kunit_a", 1);
	EXPECT_LOGGED(1, expected);
	GRANTED(0, LEAF, 7);
	misc_cg_res_unregister(RES_A);
	EXPECT_LOGGED(1, "cgroup: misc: kunit_a: unregistered with 7 in use");
	misc_kunit_register("kunit_a", 100);
	RELEASED(0);
	misc_cg_res_unregister(RES_A);
	EXPECT_LOGGED(2, "cgroup: misc: ");
}

/*
 * The tracepoint
 */

static unsigned int nr_traces;
static char last_trace[120];

static void trace_refusal(void *data, const char *resource, u64 amount,
			  struct cgroup *charging, struct cgroup *refusing,
			  u64 usage, u64 limit)
{
	char charged[20], by[20];

	nr_traces++;
	cgroup_name(charging, charged, sizeof(charged));
	cgroup_name(refusing, by, sizeof(by));
	/* RCU keeps the root's cgroup, which moving to v1 replaces. */
	snprintf(last_trace, sizeof(last_trace),
		 "%s: %llu to %s refused by %s: %llu of %llu%s%s", resource,
		 amount, charged, by, usage, limit,
		 rcu_read_lock_held() ? "" : ", outside of RCU",
		 IS_ENABLED(CONFIG_LOCKDEP) &&
		 lockdep_is_held(&RES_A->lock) > 0 ? ", locked" : "");
}

static void refusal_is_traced_with_what_it_was_decided_on(struct kunit *test)
{
	if (register_trace_misc_cg_charge_refused(trace_refusal, NULL))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	nr_traces = 0;
	SET_MAX(LEFT, "kunit_a 15");
	GRANTED(0, LEAF, 10);
	GRANTED(1, RIGHT, 20);
	KUNIT_EXPECT_EQ(test, nr_traces, 0);
	REFUSED(-EBUSY, 2, LEAF, 6);
	KUNIT_EXPECT_STREQ(test, last_trace,
			   "kunit_a: 6 to leaf refused by left: 10 of 15");
	REFUSED(-ENOSPC, 2, RIGHT, 71);
	KUNIT_EXPECT_STREQ(test, last_trace,
			   "kunit_a: 71 to right refused by /: 30 of 100");
	MOVE_REFUSED(-EBUSY, 2, 1, LEAF);
	KUNIT_EXPECT_STREQ(test, last_trace,
			   "kunit_a: 20 to leaf refused by left: 10 of 15");
	/* Charges of the root, too, which has no events files. */
	REFUSED_OF(RES_B, -ENOSPC, 2, ROOT, 101);
	KUNIT_EXPECT_STREQ(test, last_trace,
			   "kunit_b: 101 to / refused by /: 0 of 100");
	KUNIT_EXPECT_EQ(test, nr_traces, 4);
	unregister_trace_misc_cg_charge_refused(trace_refusal, NULL);
	tracepoint_synchronize_unregister();
}

/*
 * Pollers
 */

static unsigned long slept_at;

static void wake(struct timer_list *timer)
{
	container_of(timer, struct cgroup_file, notify_timer)->notified_at--;
}

static struct cgroup_file *events_file(int i)
{
	return i % 2 ? &CG(i / 2)->events_local_file : &CG(i / 2)->events_file;
}

/* Of top, left, leaf and right. */
#define FIRST_FILE	(2 * TOP)
#define END_OF_FILES	(2 * NR_CGROUPS)

/*
 * As the core has set up a file whose pollers were woken just now: to wake them
 * again has to wait for the timer.
 */
static void sleep_on_files(void)
{
	int i;

	slept_at = jiffies;
	for (i = FIRST_FILE; i < END_OF_FILES; i++) {
		timer_delete_sync(&events_file(i)->notify_timer);
		events_file(i)->notified_at = slept_at;
	}
}

/* Whose pollers are woken: E is for misc.events, L for misc.events.local. */
static const char *woken_files(void)
{
	char *to = misc_kunit.line;
	int i;

	for (i = FIRST_FILE; i < END_OF_FILES; i++) {
		*to++ = timer_pending(&events_file(i)->notify_timer) ||
			events_file(i)->notified_at != slept_at ?
			"EL"[i % 2] : '-';
		if (i % 2)
			*to++ = ' ';
	}
	to[-1] = '\0';
	return misc_kunit.line;
}

#define EXPECT_WOKEN(woken, ret, what) do {				\
	sleep_on_files();						\
	KUNIT_EXPECT_EQ(test, ret, what);				\
	KUNIT_EXPECT_STREQ(test, woken, woken_files());			\
} while (0)

static void refusal_wakes_pollers_of_the_events_that_it_counts(struct kunit *test)
{
	int i;

	for (i = FIRST_FILE; i < END_OF_FILES; i++) {
		timer_setup(&events_file(i)->notify_timer, wake, 0);
		events_file(i)->kn =
			kernfs_find_and_get(CG(i / 2)->css.cgroup->kn,
					    i % 2 ? "events.local" : "events");
	}
	SET_MAX(LEFT, "kunit_a 10");
	EXPECT_WOKEN("-- -- -- --", 0, CHARGE(0, RES_A, LEAF, 10));
	EXPECT_WOKEN("E- EL -L --", -EBUSY, CHARGE(1, RES_A, LEAF, 1));
	EXPECT_WOKEN("E- EL -- --", -EBUSY, CHARGE(1, RES_A, LEFT, 1));
	EXPECT_WOKEN("-- -- -- -L", -ENOSPC, CHARGE(1, RES_A, RIGHT, 91));
	EXPECT_WOKEN("-- -- -- --", 0, CHARGE(1, RES_A, RIGHT, 1));
	EXPECT_WOKEN("E- EL -L --", -EBUSY, MOVE(2, 1, LEAF));
	sleep_on_files();
	for (i = FIRST_FILE; i < END_OF_FILES; i++)
		kernfs_put(events_file(i)->kn);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(path_in_the_log_is_cut_at_its_beginning,
			 path_cases_gen_params),
	KUNIT_CASE(refusal_by_max_is_logged_once_per_refusing_cgroup),
	KUNIT_CASE(refusal_by_capacity_is_logged_once_per_charged_cgroup),
	KUNIT_CASE(refusal_in_the_root_is_not_logged),
	KUNIT_CASE(refusal_does_not_wait_for_the_log),
	KUNIT_CASE(rate_of_logged_refusals_is_limited),
	KUNIT_CASE(what_goes_wrong_with_a_registration_is_logged),
	KUNIT_CASE(refusal_is_traced_with_what_it_was_decided_on),
	KUNIT_CASE(refusal_wakes_pollers_of_the_events_that_it_counts),
	{}
};

MISC_KUNIT_SUITE("misc_cg_reports", misc_kunit_init, misc_kunit_exit, cases);
