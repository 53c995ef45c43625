// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: credit, and that no user sees it.
 *
 * Here every release that takes the lock opens credit, if that is allowed.
 */
#include "misc_kunit.h"

static struct misc_cg_charge *many;

static int start(struct kunit *test)
{
	misc_kunit_init(test);
	misc_cg_credit_releases = 1;
	many = kunit_kcalloc(test, 100, sizeof(*many), GFP_KERNEL);
	return many ? 0 : -ENOMEM;
}

static s64 credit(struct misc_cg *cg)
{
	return atomic64_read(&misc_cg_counter(RES_A, cg)->credit);
}

static u64 counted(int cg)
{
	return misc_cg_counter(RES_A, CG(cg))->usage;
}

#define CLOSED			((s64)MISC_CG_CREDIT_CLOSED)
#define EXPECT_CREDIT(cg, n)	KUNIT_EXPECT_EQ(test, n, credit(CG(cg)))
#define EXPECT_CLOSED(cg)	EXPECT_CREDIT(cg, CLOSED)
#define EXPECT_FROZEN(cg)	KUNIT_EXPECT_LT(test, credit(cg), CLOSED)
#define EXPECT_PLACES(n)	KUNIT_EXPECT_EQ(test, n, RES_A->nr_places)

/* Charge and release. */
static void use(struct kunit *test, int cg, u64 amount)
{
	GRANTED(7, cg, amount);
	RELEASED(7);
}

/* Make @nr cgroups below @parent, each with a credit of 1. */
static void leave_in_many(struct kunit *test, int parent, unsigned int nr,
			  struct misc_cg **cg)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		cg[i] = misc_kunit_mkdir(CG(parent), NULL);
		KUNIT_ASSERT_EQ(test, 0, misc_cg_charge_cgroup(&many[i], RES_A,
							       cg[i], 1));
	}
	for (i = 0; i < nr; i++) {
		misc_cg_charge_release(&many[i]);
		KUNIT_ASSERT_EQ(test, 1, credit(cg[i]));
	}
}

static void released_amount_is_credit_that_the_next_charge_takes(struct kunit *test)
{
	use(test, LEAF, 10);
	EXPECT_CREDIT(LEAF, 10);
	EXPECT_CLOSED(LEFT);
	EXPECT_USAGE("0 0 0 0 0");
	GRANTED(0, LEAF, 4);
	EXPECT_CREDIT(LEAF, 6);
	EXPECT_USAGE("4 4 4 4 0");
	GRANTED(1, LEAF, 6);
	EXPECT_CREDIT(LEAF, 0);
	EXPECT_USAGE("10 10 10 10 0");
	RELEASED(1);
	EXPECT_CREDIT(LEAF, 6);
	EXPECT_USAGE("4 4 4 4 0");
	KUNIT_EXPECT_EQ(test, counted(ROOT), 10);
	EXPECT_PEAK("10 10 10 10 0");
}

static void credit_opens_at_the_64th_release_that_takes_the_lock(struct kunit *test)
{
	int i;

	misc_cg_credit_releases = misc_kunit.releases;
	for (i = 0; i < 63; i++)
		use(test, LEAF, 3);
	EXPECT_CLOSED(LEAF);
	use(test, LEAF, 3);
	EXPECT_CREDIT(LEAF, 3);
	/* Closed again, it takes as long. */
	SET_MAX(LEAF, "kunit_a 50");
	for (i = 0; i < 63; i++)
		use(test, LEAF, 3);
	EXPECT_CLOSED(LEAF);
	use(test, LEAF, 3);
	EXPECT_CREDIT(LEAF, 3);
}

static void charge_above_the_credit_is_counted_as_without(struct kunit *test)
{
	use(test, LEAF, 10);
	GRANTED(0, LEAF, 11);
	EXPECT_USAGE("11 11 11 11 0");
	EXPECT_PEAK("11 11 11 11 0");
	/* Exactly what is there. */
	RELEASED(0);
	GRANTED(0, LEAF, 11);
	EXPECT_USAGE("11 11 11 11 0");
	EXPECT_PEAK("11 11 11 11 0");
}

static void credit_takes_no_room_below_a_max(struct kunit *test)
{
	use(test, LEAF, 10);
	EXPECT_CREDIT(LEAF, 10);
	SET_MAX(TOP, "kunit_a 10");
	use(test, LEAF, 10);
	GRANTED(0, RIGHT, 10);
	EXPECT_CLOSED(LEAF);
	EXPECT_USAGE("10 10 0 0 10");
	REFUSED(-EBUSY, 1, LEAF, 1);
	EXPECT_LOCAL_EVENTS("0 1 0 0 0");
	RELEASED(0);
	GRANTED(0, LEAF, 10);
}

static void credit_raises_no_peak(struct kunit *test)
{
	use(test, LEAF, 10);
	use(test, RIGHT, 8);
	EXPECT_CLOSED(LEAF);
	EXPECT_CREDIT(RIGHT, 8);
	EXPECT_PEAK("10 10 10 10 8");
	GRANTED(0, LEAF, 2);
	EXPECT_CREDIT(RIGHT, 8);
	EXPECT_PEAK("10 10 10 10 8");
	GRANTED(1, LEAF, 9);
	EXPECT_CLOSED(RIGHT);
	EXPECT_PEAK("11 11 11 11 8");
}

static void credit_is_closed_until_there_is_room(struct kunit *test)
{
	struct misc_cg *cg[8];
	int i, nr_open = 0;

	leave_in_many(test, LEFT, 8, cg);
	use(test, RIGHT, 3);
	for (i = 0; i < 8; i++)
		nr_open += credit(cg[i]) >= 0;
	KUNIT_EXPECT_EQ(test, nr_open, 5);
	EXPECT_CREDIT(RIGHT, 3);
	EXPECT_PEAK("8 8 8 0 3");
	GRANTED(0, LEAF, 8);
	EXPECT_PLACES(0);
	EXPECT_USAGE("8 8 8 8 0");
	EXPECT_PEAK("8 8 8 8 3");
}

static void credit_that_makes_no_room_stays_open(struct kunit *test)
{
	struct misc_cg *cg[8];

	/* TOP and the root cgroup have room for 50 more. */
	GRANTED(0, RIGHT, 50);
	leave_in_many(test, LEFT, 8, cg);
	misc_cg_credit_releases = 64;
	RELEASED(0);
	misc_cg_credit_releases = 1;
	use(test, RIGHT, 2);

	GRANTED(0, LEAF, 8);
	EXPECT_PLACES(1);
	EXPECT_CREDIT(RIGHT, 2);
	EXPECT_PEAK("58 58 8 8 50");
}

/* LEFT is full without any credit, so that it does not matter what is closed. */
static void refused_charge_closes_nothing_above_the_max(struct kunit *test)
{
	SET_MAX(LEFT, "kunit_a 5");
	GRANTED(0, LEAF, 5);
	use(test, RIGHT, 1);
	REFUSED(-EBUSY, 1, LEAF, 1);
	EXPECT_LOCAL_EVENTS("0 0 1 0 0");
	EXPECT_CREDIT(RIGHT, 1);
}

static void every_write_of_a_max_closes_what_is_below_it(struct kunit *test)
{
	use(test, LEAF, 10);
	SET_MAX(RIGHT, "kunit_a 50");
	EXPECT_CREDIT(LEAF, 10);
	SET_MAX(LEFT, "kunit_a 50");
	EXPECT_CLOSED(LEAF);
	use(test, LEAF, 10);
	SET_MAX(LEFT, "kunit_a max");
	EXPECT_CLOSED(LEAF);
}

static void lowered_max_closes_what_is_below_it(struct kunit *test)
{
	struct misc_cg *cg[63];
	int i;

	GRANTED(0, RIGHT, 1);
	leave_in_many(test, LEFT, 63, cg);
	RELEASED(0);
	EXPECT_PLACES(64);
	SET_MAX(LEFT, "kunit_a 0");
	EXPECT_PLACES(1);
	EXPECT_CREDIT(RIGHT, 1);
	EXPECT_USAGE("0 0 0 0 0");
	for (i = 0; i < 63; i++) {
		KUNIT_EXPECT_EQ(test, CLOSED, credit(cg[i]));
		KUNIT_EXPECT_EQ(test, -EBUSY,
				misc_cg_charge_cgroup(&many[0], RES_A, cg[i],
						      1));
	}
	KUNIT_EXPECT_EQ(test, counted(ROOT), 1);
}

static void lowered_capacity_closes_everything(struct kunit *test)
{
	use(test, LEAF, 10);
	misc_cg_res_set_capacity(RES_A, 5);
	EXPECT_CLOSED(LEAF);
	REFUSED(-ENOSPC, 0, LEAF, 6);
	GRANTED(0, LEAF, 5);
}

static void credit_stays_closed_while_usage_is_above_max(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	GRANTED(1, LEAF, 10);
	GRANTED(2, LEAF, 10);
	SET_MAX(LEFT, "kunit_a 20");
	RELEASED(0);
	EXPECT_CLOSED(LEAF);
	EXPECT_USAGE("20 20 20 20 0");
	RELEASED(1);
	EXPECT_CREDIT(LEAF, 10);
	GRANTED(1, LEAF, 10);
	REFUSED(-EBUSY, 0, LEAF, 1);
}

static void unregistering_closes_everything(struct kunit *test)
{
	use(test, LEAF, 10);
	misc_kunit_log_start();
	misc_cg_res_unregister(RES_A);
	EXPECT_LOGGED(0, "in use");
	EXPECT_CLOSED(LEAF);
	REFUSED(-ENODEV, 0, LEAF, 1);
	KUNIT_EXPECT_EQ(test, counted(ROOT), 0);
	KUNIT_EXPECT_PTR_EQ(test, misc_kunit_register("kunit_a", 10), RES_A);
	use(test, LEAF, 10);
	EXPECT_CREDIT(LEAF, 10);
}

static void release_of_an_unregistered_resource_leaves_no_credit(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	misc_cg_res_unregister(RES_A);
	RELEASED(0);
	EXPECT_CLOSED(LEAF);
	KUNIT_EXPECT_EQ(test, counted(ROOT), 0);
	REFUSED(-ENODEV, 0, LEAF, 1);
}

static void removed_cgroup_leaves_no_credit_behind(struct kunit *test)
{
	CG(MORE) = misc_kunit_mkdir(CG(LEAF), NULL);
	GRANTED(0, MORE, 10);
	misc_kunit_rmdir(CG(MORE));
	RELEASED(0);
	EXPECT_CREDIT(MORE, 10);
	KUNIT_EXPECT_TRUE(test, misc_kunit_is_released(CG(MORE)));
	misc_kunit_free(CG(MORE));
	EXPECT_PLACES(0);
	KUNIT_EXPECT_EQ(test, counted(LEAF), 0);
	KUNIT_EXPECT_EQ(test, counted(ROOT), 0);
	use(test, LEAF, 10);
}

/* Both ends have credit, and so has a cousin. */
static void move_leaves_credit_where_it_is(struct kunit *test)
{
	GRANTED(0, LEAF, 10);
	GRANTED(1, RIGHT, 10);
	GRANTED(2, LEAF, 5);
	RELEASED(1);
	RELEASED(0);
	EXPECT_CREDIT(LEAF, 10);
	EXPECT_CREDIT(RIGHT, 10);
	MOVED(3, 2, TOP);
	EXPECT_USAGE("5 5 0 0 0");
	/* 15 would be a new peak of RIGHT: its credit is closed. */
	MOVED(4, 3, RIGHT);
	EXPECT_USAGE("5 5 0 0 5");
	EXPECT_CREDIT(LEAF, 10);
	EXPECT_CLOSED(RIGHT);
	EXPECT_PEAK("25 25 15 15 10");
	MOVED(5, 4, LEAF);
	EXPECT_USAGE("5 5 5 5 0");
	EXPECT_CREDIT(LEAF, 10);
	EXPECT_PEAK("25 25 15 15 10");
	/* The levels from LEFT down have to hold it, with their max. */
	MOVED(6, 5, TOP);
	SET_MAX(LEFT, "kunit_a 4");
	MOVE_REFUSED(-EBUSY, 5, 6, LEAF);
	SET_MAX(LEFT, "kunit_a 5");
	MOVED(5, 6, LEAF);
	EXPECT_USAGE("5 5 5 5 0");
}

/* The root cgroup has no room for 5 more, but a move does not add to it. */
static void move_closes_no_more_than_it_needs(struct kunit *test)
{
	CG(MORE) = misc_kunit_mkdir(CG(ROOT), NULL);
	GRANTED(0, LEAF, 10);
	GRANTED(1, LEFT, 1);
	GRANTED(2, LEAF, 5);
	MOVED(3, 2, RIGHT);
	GRANTED(4, MORE, 3);
	GRANTED(5, LEFT, 1);
	RELEASED(4);
	RELEASED(1);
	RELEASED(5);
	EXPECT_CREDIT(LEFT, 2);
	EXPECT_PEAK("20 17 16 15 5");
	MOVED(2, 3, LEAF);
	EXPECT_CLOSED(LEFT);
	EXPECT_CREDIT(MORE, 3);
	EXPECT_PEAK("20 17 16 15 5");
	EXPECT_USAGE("15 15 15 15 0");
}

static void reading_leaves_credit_open(struct kunit *test)
{
	struct misc_cg *cg[5];
	int i;

	GRANTED(0, RIGHT, 2);
	leave_in_many(test, LEFT, 5, cg);
	for (i = ROOT; i <= TOP; i++)
		EXPECT_FILE(i, "current", "kunit_a 2\nkunit_b 0\n");
	EXPECT_FILE(LEFT, "current", "kunit_a 0\nkunit_b 0\n");
	EXPECT_FILE(RIGHT, "current", "kunit_a 2\nkunit_b 0\n");
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, credit(cg[i]), 1);
}

static void level_16_has_credit_and_level_17_has_none(struct kunit *test)
{
	struct misc_cg *level = CG(LEAF);

	while (level->level < 16)
		level = misc_kunit_mkdir(level, NULL);
	CG(MORE) = level;
	use(test, MORE, 10);
	EXPECT_CREDIT(MORE, 10);
	SET_MAX(MORE, "kunit_a max");
	CG(MORE) = misc_kunit_mkdir(level, NULL);
	use(test, MORE, 10);
	EXPECT_CLOSED(MORE);
	EXPECT_USAGE("0 0 0 0 0");
}

static void amount_has_to_fit_beside_the_credit(struct kunit *test)
{
	misc_cg_res_set_capacity(RES_A, U64_MAX);
	use(test, LEAF, S64_MAX);
	EXPECT_CLOSED(LEAF);
	use(test, LEAF, U64_MAX);
	EXPECT_CLOSED(LEAF);
	GRANTED(0, LEAF, S64_MAX - 2);
	GRANTED(1, LEAF, 1);
	GRANTED(2, LEAF, 1);
	RELEASED(0);
	RELEASED(1);
	EXPECT_CREDIT(LEAF, S64_MAX - 1);
	RELEASED(2);
	EXPECT_CREDIT(LEAF, S64_MAX - 1);
	EXPECT_USAGE("0 0 0 0 0");
	GRANTED(0, LEAF, U64_MAX);
}

static void freeze(int cg)
{
	atomic64_or(MISC_CG_CREDIT_FROZEN,
		    &misc_cg_counter(RES_A, CG(cg))->credit);
}

static void frozen_credit_is_thawed_by_who_uses_it(struct kunit *test)
{
	use(test, LEAF, 10);
	freeze(LEAF);
	EXPECT_FROZEN(CG(LEAF));
	GRANTED(0, LEAF, 10);
	EXPECT_CREDIT(LEAF, 0);
	freeze(LEAF);
	RELEASED(0);
	EXPECT_CREDIT(LEAF, 10);
	/* Also where there is room without the credit. */
	GRANTED(0, LEAF, 15);
	GRANTED(1, LEAF, 5);
	RELEASED(1);
	SET_MAX(RIGHT, "kunit_a 1");
	EXPECT_CREDIT(LEAF, 5);
	RELEASED(0);
	GRANTED(0, LEAF, 3);
	freeze(LEAF);
	GRANTED(1, LEAF, 1);
	EXPECT_CREDIT(LEAF, 16);
	KUNIT_EXPECT_EQ(test, counted(ROOT), 20);
}

/*
 * 64 cgroups have all places, and MORE has none.  Peaks are so high that MORE
 * can be charged without closing any of them.
 */
static void take_all_places(struct kunit *test, struct misc_cg **cg)
{
	CG(MORE) = misc_kunit_mkdir(CG(RIGHT), NULL);
	GRANTED(0, MORE, 30);
	leave_in_many(test, LEFT, 64, cg);
	misc_cg_credit_releases = 64;
	RELEASED(0);
	misc_cg_credit_releases = 1;
	RES_A->next_place = 0;
	EXPECT_PLACES(64);
}

static void unused_credit_gives_its_place_to_the_65th(struct kunit *test)
{
	struct misc_cg *cg[64];
	int i;

	take_all_places(test, cg);
	for (i = 0; i < 64; i++) {
		use(test, MORE, 1);
		EXPECT_CLOSED(MORE);
		EXPECT_FROZEN(cg[i]);
	}
	use(test, MORE, 1);
	EXPECT_CREDIT(MORE, 1);
	KUNIT_EXPECT_EQ(test, CLOSED, credit(cg[0]));
	EXPECT_PLACES(64);
	EXPECT_USAGE("0 0 0 0 0");
}

static void used_credit_keeps_its_place(struct kunit *test)
{
	struct misc_cg *cg[64];
	int i;

	take_all_places(test, cg);
	for (i = 0; i < 64; i++)
		use(test, MORE, 1);
	KUNIT_EXPECT_EQ(test, 0, misc_cg_charge_cgroup(&many[0], RES_A, cg[0],
						       1));
	misc_cg_charge_release(&many[0]);
	use(test, MORE, 1);
	EXPECT_CLOSED(MORE);
	use(test, MORE, 1);
	EXPECT_CREDIT(MORE, 1);
	KUNIT_EXPECT_NE(test, CLOSED, credit(cg[0]));
	KUNIT_EXPECT_EQ(test, CLOSED, credit(cg[1]));
}

static void credit_that_is_all_in_use_keeps_its_place(struct kunit *test)
{
	struct misc_cg *cg[64];

	take_all_places(test, cg);
	KUNIT_EXPECT_EQ(test, 0, misc_cg_charge_cgroup(&many[0], RES_A, cg[0],
						       1));
	KUNIT_EXPECT_EQ(test, 0, credit(cg[0]));
	use(test, MORE, 1);
	EXPECT_CLOSED(MORE);
	EXPECT_FROZEN(cg[0]);
	misc_cg_charge_release(&many[0]);
}

static void reading_keeps_frozen_what_was_frozen(struct kunit *test)
{
	struct misc_cg *cg[64];
	int i;

	take_all_places(test, cg);
	for (i = 0; i < 3; i++)
		use(test, MORE, 1);
	EXPECT_USAGE("0 0 0 0 0");
	for (i = 0; i < 3; i++)
		EXPECT_FROZEN(cg[i]);
	for (; i < 64; i++)
		KUNIT_EXPECT_EQ(test, 1, credit(cg[i]));
}

static void reading_leaves_credit_of_0_open(struct kunit *test)
{
	GRANTED(0, LEFT, 1);
	GRANTED(1, RIGHT, 1);
	RELEASED(0);
	RELEASED(1);
	GRANTED(0, LEFT, 1);
	GRANTED(1, RIGHT, 1);
	EXPECT_USAGE("2 2 1 0 1");
	EXPECT_CREDIT(LEFT, 0);
	EXPECT_CREDIT(RIGHT, 0);
	RELEASED(0);
	RELEASED(1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(released_amount_is_credit_that_the_next_charge_takes),
	KUNIT_CASE(credit_opens_at_the_64th_release_that_takes_the_lock),
	KUNIT_CASE(charge_above_the_credit_is_counted_as_without),
	KUNIT_CASE(credit_takes_no_room_below_a_max),
	KUNIT_CASE(credit_raises_no_peak),
	KUNIT_CASE(credit_is_closed_until_there_is_room),
	KUNIT_CASE(credit_that_makes_no_room_stays_open),
	KUNIT_CASE(refused_charge_closes_nothing_above_the_max),
	KUNIT_CASE(every_write_of_a_max_closes_what_is_below_it),
	KUNIT_CASE(lowered_max_closes_what_is_below_it),
	KUNIT_CASE(lowered_capacity_closes_everything),
	KUNIT_CASE(credit_stays_closed_while_usage_is_above_max),
	KUNIT_CASE(unregistering_closes_everything),
	KUNIT_CASE(release_of_an_unregistered_resource_leaves_no_credit),
	KUNIT_CASE(removed_cgroup_leaves_no_credit_behind),
	KUNIT_CASE(move_leaves_credit_where_it_is),
	KUNIT_CASE(move_closes_no_more_than_it_needs),
	KUNIT_CASE(reading_leaves_credit_open),
	KUNIT_CASE(level_16_has_credit_and_level_17_has_none),
	KUNIT_CASE(amount_has_to_fit_beside_the_credit),
	KUNIT_CASE(frozen_credit_is_thawed_by_who_uses_it),
	KUNIT_CASE(unused_credit_gives_its_place_to_the_65th),
	KUNIT_CASE(used_credit_keeps_its_place),
	KUNIT_CASE(credit_that_is_all_in_use_keeps_its_place),
	KUNIT_CASE(reading_keeps_frozen_what_was_frozen),
	KUNIT_CASE(reading_leaves_credit_of_0_open),
	{}
};

MISC_KUNIT_SUITE("misc_cg_credit", start, misc_kunit_exit, cases);
