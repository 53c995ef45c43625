// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: which charges and moves are granted or
 * refused, and which charge holds the amount afterwards.
 */
#include "misc_kunit.h"

#define NOBODY	-1
#define NONE	U64_MAX

/* The capacity, and the max of the other four. */
struct limits {
	u64 capacity, top, left, leaf, right;
};

static void set_limits(struct kunit *test, const struct limits *limits)
{
	const u64 max[] = { limits->capacity, limits->top, limits->left,
			    limits->leaf, limits->right };
	char text[40];
	int i;

	misc_cg_res_set_capacity(RES_A, max[ROOT]);
	for (i = TOP; i < NR_CGROUPS; i++) {
		snprintf(text, sizeof(text), "kunit_a %llu", max[i]);
		SET_MAX(i, text);
	}
}

/* Whether a charge to @cg is counted in @level. */
static bool counts_in(int cg, int level)
{
	return level <= cg && !(cg == RIGHT && (level == LEFT || level == LEAF));
}

static void get_counters(struct misc_cg_counter *counters)
{
	int i;

	for (i = 0; i < NR_CGROUPS; i++)
		counters[i] = misc_kunit_counter(RES_A, CG(i));
}

/*
 * Since @was, @amount went to @to, and away from @from, or the max of @by has
 * refused that.  Nothing else has changed.
 */
static void expect_change(struct kunit *test, struct misc_cg_counter *was,
			  int to, int from, u64 amount, int by)
{
	struct misc_cg_counter now[NR_CGROUPS];
	int i;

	get_counters(now);
	for (i = 0; i < NR_CGROUPS; i++) {
		if (by == NOBODY) {
			was[i].usage += counts_in(to, i) ? amount : 0;
			was[i].usage -= counts_in(from, i) ? amount : 0;
			was[i].peak = max(was[i].peak, was[i].usage);
		} else {
			was[i].max_events += counts_in(by, i);
			was[i].max_events_local += i == by;
			was[i].alloc_fails += i == to;
		}
		KUNIT_EXPECT_MEMEQ_MSG(test, &now[i], &was[i], sizeof(now[i]),
				       "in cgroup %d", i);
	}
}

struct rule {
	int from;
	u64 held;
	struct limits limits;
	int to;
	u64 most;
	int by;
};

static void rule_desc(const struct rule *rule, char *desc)
{
	static const char * const names[] = {
		"root", "top", "left", "leaf", "right"
	};

	snprintf(desc, KUNIT_PARAM_DESC_SIZE,
		 "%s has %llu, limits %llu %llu %llu %llu %llu: %s",
		 names[rule->from], rule->held, rule->limits.capacity,
		 rule->limits.top, rule->limits.left, rule->limits.leaf,
		 rule->limits.right, names[rule->to]);
}

/*
 * With @held in @from and then these limits, @most can be charged to @to; @by
 * refuses one more.
 */
static const struct rule charge_rules[] = {
	/* Up to the max of the cgroup, of its parent, of an ancestor. */
	{ LEAF, 9, { 100, NONE, NONE, 10, NONE }, LEAF, 1, LEAF },
	{ LEAF, 9, { 100, NONE, 10, NONE, NONE }, LEAF, 1, LEFT },
	{ RIGHT, 9, { 100, 10, NONE, NONE, NONE }, LEAF, 1, TOP },
	/* A max binds the cgroup itself, but no sibling and not the parent. */
	{ LEAF, 9, { 100, NONE, 10, NONE, NONE }, LEFT, 1, LEFT },
	{ LEAF, 9, { 100, NONE, 10, NONE, NONE }, RIGHT, 91, ROOT },
	{ LEAF, 9, { 100, NONE, 10, NONE, NONE }, TOP, 91, ROOT },
	/* The lowest max that refuses counts, before the capacity. */
	{ LEAF, 1, { 100, 5, 10, NONE, NONE }, LEAF, 4, TOP },
	{ LEAF, 1, { 100, 100, NONE, NONE, NONE }, LEAF, 99, TOP },
	/* A max of 0, below usage, above the capacity. */
	{ ROOT, 1, { 100, 0, NONE, NONE, NONE }, LEAF, 0, TOP },
	{ ROOT, 1, { 100, 0, NONE, NONE, NONE }, ROOT, 99, ROOT },
	{ LEAF, 20, { 100, NONE, 15, NONE, NONE }, LEAF, 0, LEFT },
	{ LEAF, 1, { 100, NONE, NONE, 1000, NONE }, LEAF, 99, ROOT },
	/* Up to the capacity, also if it has grown, is below usage, or is 0. */
	{ RIGHT, 40, { 100, NONE, NONE, NONE, NONE }, LEAF, 60, ROOT },
	{ RIGHT, 100, { 101, NONE, NONE, NONE, NONE }, ROOT, 1, ROOT },
	{ LEAF, 70, { 20, NONE, NONE, NONE, NONE }, RIGHT, 0, ROOT },
	{ LEAF, 70, { 0, NONE, NONE, NONE, NONE }, ROOT, 0, ROOT },
	/* All that a u64 can hold; a max of "max" never refuses. */
	{ LEAF, 9, { U64_MAX, NONE, NONE, NONE, NONE }, RIGHT, U64_MAX - 9, ROOT },
	{ LEAF, 1, { U64_MAX, NONE, NONE, U64_MAX - 1, NONE },
	  LEAF, U64_MAX - 2, LEAF },
};

KUNIT_ARRAY_PARAM(charge_rules, charge_rules, rule_desc);

static void expect_refused(struct kunit *test, int cg, u64 amount, int by)
{
	struct misc_cg_counter counters[NR_CGROUPS];

	get_counters(counters);
	REFUSED(by == ROOT ? -ENOSPC : -EBUSY, 1, cg, amount);
	EXPECT_EMPTY(1);
	expect_change(test, counters, cg, NOBODY, amount, by);
}

static void charge_is_granted_where_it_fits(struct kunit *test)
{
	const struct rule *rule = test->param_value;
	struct misc_cg_counter counters[NR_CGROUPS];
	int lowest = rule->to;

	GRANTED(0, rule->from, rule->held);
	set_limits(test, &rule->limits);
	expect_refused(test, rule->to, rule->most + 1, rule->by);
	/* Stock grants an amount that makes the sum overflow. */
	while (lowest != ROOT &&
	       misc_kunit_counter(RES_A, CG(lowest)).max == NONE)
		lowest = lowest == RIGHT ? TOP : lowest - 1;
	expect_refused(test, rule->to, U64_MAX, lowest);
	if (!rule->most)
		return;
	get_counters(counters);
	GRANTED(1, rule->to, rule->most);
	expect_change(test, counters, rule->to, NOBODY, rule->most, NOBODY);
}

static void usage_that_falls_below_max_makes_room(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	GRANTED(1, LEAF, 10);
	SET_MAX(LEFT, "kunit_a 15");
	EXPECT_USAGE("20 20 20 20 0");
	RELEASED(0);
	REFUSED(-EBUSY, 2, LEAF, 6);
	GRANTED(2, LEAF, 5);
}

static void charge_counts_here_and_in_every_ancestor(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	EXPECT_USAGE("10 10 10 10 0");
	GRANTED(1, RIGHT, 20);
	EXPECT_USAGE("30 30 10 10 20");
	GRANTED(2, TOP, 3);
	EXPECT_USAGE("33 33 10 10 20");
	GRANTED(3, ROOT, 4);
	EXPECT_USAGE("37 33 10 10 20");
	RELEASED(1);
	EXPECT_USAGE("17 13 10 10 0");
	RELEASED(0);
	EXPECT_USAGE("7 3 0 0 0");
}

static void peak_is_the_highest_usage_of_each_level(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	GRANTED(1, RIGHT, 20);
	EXPECT_PEAK("30 30 10 10 20");
	RELEASED(0);
	GRANTED(0, LEFT, 5);
	EXPECT_PEAK("30 30 10 10 20");
	GRANTED(2, LEFT, 6);
	EXPECT_PEAK("31 31 11 10 20");
}

static void current_is_the_cgroup_of_the_task(struct kunit *test)
{
	CG(MORE) = get_current_misc_cg();
	KUNIT_EXPECT_EQ(test, CHARGE_CURRENT(0, RES_A, 10), 0);
	KUNIT_EXPECT_PTR_EQ(test, HOLDER(0)->cg, CG(MORE));
	EXPECT_USAGE_OF(RES_A, MORE, 10);
	GRANTED(1, LEAF, 7);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(2, 1), 0);
	EXPECT_EMPTY(1);
	KUNIT_EXPECT_PTR_EQ(test, HOLDER(2)->cg, CG(MORE));
	EXPECT_USAGE_OF(RES_A, MORE, 17);
	EXPECT_USAGE_OF(RES_A, LEAF, 0);
	put_misc_cg(CG(MORE));
}

static void charge_of_nothing_is_invalid(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, CHARGE_CURRENT(0, RES_A, 0), -EINVAL);
	REFUSED(-EINVAL, 0, LEAF, 0);
	/* There is no such cgroup. */
	REFUSED(-EINVAL, 0, MORE, 1);
	put_misc_cg(NULL);
	EXPECT_EMPTY(0);
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
	EXPECT_REFS(LEAF, 0);
}

static void charge_without_a_resource_is_no_device(struct kunit *test)
{
	struct misc_cg_res *res[] = { RES_A, NULL, ERR_PTR(-ENOSPC) };
	int i;

	misc_cg_res_unregister(RES_A);
	for (i = 0; i < ARRAY_SIZE(res); i++) {
		KUNIT_EXPECT_EQ(test, CHARGE_CURRENT(0, res[i], 1), -ENODEV);
		REFUSED_OF(res[i], -ENODEV, 0, LEAF, 1);
		EXPECT_EMPTY(0);
	}
	for (i = 1; i < ARRAY_SIZE(res); i++) {
		misc_cg_res_set_capacity(res[i], 1);
		misc_cg_res_unregister(res[i]);
	}
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
	EXPECT_REFS(LEAF, 0);
}

/* Stock's TDX uncharges after a refused charge, too. */
static void charge_is_released_once(struct kunit *test)
{
	SET_MAX(LEAF, "kunit_a 2");
	GRANTED(0, LEAF, 1);
	GRANTED(1, LEAF, 1);
	REFUSED(-EBUSY, 2, LEAF, 1);
	RELEASED(2);
	EXPECT_USAGE("2 2 2 2 0");
	RELEASED(0);
	RELEASED(0);
	EXPECT_USAGE("1 1 1 1 0");
	/* And can be used again. */
	GRANTED_OF(RES_B, 0, RIGHT, 7);
	EXPECT_USAGE_OF(RES_B, RIGHT, 7);
}

static void charge_owns_one_reference(struct kunit *test)
{
	GRANTED(0, LEAF, 60);
	EXPECT_REFS(LEAF, 1);
	REFUSED(-ENOSPC, 1, LEAF, 60);
	EXPECT_REFS(LEAF, 1);
	/* The caller keeps its own. */
	css_get(&CG(LEAF)->css);
	GRANTED(1, LEAF, 40);
	EXPECT_REFS(LEAF, 3);
	put_misc_cg(CG(LEAF));
	RELEASED(0);
	EXPECT_REFS(LEAF, 1);
	RELEASED(1);
	EXPECT_REFS(LEAF, 0);
}

/*
 * With @held in @from and then these limits, a move of it to @to is refused by
 * @by: only a max where usage would grow is checked, never the capacity.
 */
static const struct rule move_rules[] = {
	/* Within a cgroup, and up. */
	{ LEAF, 10, { 1, 0, 0, 0, 0 }, LEAF, 10, NOBODY },
	{ LEAF, 10, { 1, 0, 0, 0, 0 }, LEFT, 10, NOBODY },
	{ LEAF, 10, { 1, 0, 0, 0, 0 }, TOP, 10, NOBODY },
	{ LEAF, 10, { 1, 0, 0, 0, 0 }, ROOT, 10, NOBODY },
	/* Down. */
	{ ROOT, 10, { 1, 10, 10, 10, 0 }, LEAF, 10, NOBODY },
	{ ROOT, 10, { 1, 9, 10, 10, 0 }, LEAF, 0, TOP },
	{ TOP, 10, { 1, 0, 10, 10, 0 }, LEAF, 10, NOBODY },
	{ TOP, 10, { 1, 0, 10, 9, 0 }, LEAF, 0, LEAF },
	{ TOP, 10, { 1, 0, 9, 10, 0 }, LEAF, 0, LEFT },
	/* To a cousin.  Stock charges there before it uncharges here. */
	{ RIGHT, 10, { 10, 10, 10, 0, 10 }, LEFT, 10, NOBODY },
	{ RIGHT, 10, { 1, 0, 10, 10, 0 }, LEAF, 10, NOBODY },
	{ RIGHT, 10, { 1, 0, 9, 10, 0 }, LEAF, 0, LEFT },
	{ LEAF, 10, { 1, 0, 0, 0, 10 }, RIGHT, 10, NOBODY },
	{ LEAF, 10, { 1, 0, 0, 0, 9 }, RIGHT, 0, RIGHT },
};

KUNIT_ARRAY_PARAM(move_rules, move_rules, rule_desc);

static void move_checks_the_levels_that_gain(struct kunit *test)
{
	const struct rule *rule = test->param_value;
	struct misc_cg_counter counters[NR_CGROUPS];
	bool moved = rule->by == NOBODY;

	GRANTED(0, rule->from, rule->held);
	set_limits(test, &rule->limits);
	get_counters(counters);
	MOVE_REFUSED(moved ? 0 : -EBUSY, 1, 0, rule->to);
	expect_change(test, counters, rule->to, rule->from, rule->held, rule->by);
	/* One of them holds it. */
	KUNIT_EXPECT_PTR_EQ(test, HOLDER(moved)->cg,
			    CG(moved ? rule->to : rule->from));
	EXPECT_EMPTY(!moved);
	RELEASED(moved);
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_REFS(LEAF, 0);
	EXPECT_REFS(RIGHT, 0);
}

static void charge_outlives_its_cgroup_and_its_resource(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	misc_cg_res_unregister(RES_A);
	misc_kunit_rmdir(CG(LEAF));
	TRANSFER(1, 0);
	KUNIT_EXPECT_FALSE(test, misc_kunit_is_released(CG(LEAF)));
	EXPECT_USAGE("10 10 10 10 0");
	MOVED(0, 1, RIGHT);
	KUNIT_EXPECT_TRUE(test, misc_kunit_is_released(CG(LEAF)));
	EXPECT_USAGE("10 10 0 0 10");
	misc_kunit_rmdir(CG(RIGHT));
	RELEASED(0);
	KUNIT_EXPECT_TRUE(test, misc_kunit_is_released(CG(RIGHT)));
	EXPECT_USAGE("0 0 0 0 0");
}

static void transfer_changes_the_owner_and_no_number(struct kunit *test)
{
	struct misc_cg_counter counters[NR_CGROUPS];

	GRANTED(0, LEAF, 10);
	SET_MAX(LEAF, "kunit_a 0");
	misc_cg_res_set_capacity(RES_A, 1);
	get_counters(counters);
	TRANSFER(1, 0);
	expect_change(test, counters, LEAF, NOBODY, 0, NOBODY);
	EXPECT_REFS(LEAF, 1);
	EXPECT_EMPTY(0);
	/* The new one can be moved and transferred again. */
	MOVED(0, 1, RIGHT);
	TRANSFER(1, 0);
	EXPECT_USAGE("10 10 0 0 10");
	RELEASED(1);
	EXPECT_USAGE("0 0 0 0 0");
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(charge_is_granted_where_it_fits,
			 charge_rules_gen_params),
	KUNIT_CASE(usage_that_falls_below_max_makes_room),
	KUNIT_CASE(charge_counts_here_and_in_every_ancestor),
	KUNIT_CASE(peak_is_the_highest_usage_of_each_level),
	KUNIT_CASE(current_is_the_cgroup_of_the_task),
	KUNIT_CASE(charge_of_nothing_is_invalid),
	KUNIT_CASE(charge_without_a_resource_is_no_device),
	KUNIT_CASE(charge_is_released_once),
	KUNIT_CASE(charge_owns_one_reference),
	KUNIT_CASE_PARAM(move_checks_the_levels_that_gain, move_rules_gen_params),
	KUNIT_CASE(transfer_changes_the_owner_and_no_number),
	KUNIT_CASE(charge_outlives_its_cgroup_and_its_resource),
	{}
};

MISC_KUNIT_SUITE("misc_cg_rules", misc_kunit_init, misc_kunit_exit, cases);
