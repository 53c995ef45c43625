// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: what credit must never change, included
 * by misc_kunit.c.
 *
 * The other suites find credit everywhere and must not notice; here it lies
 * where it would be noticed first.
 */

#define EXPECT_CREDIT(cg, n) \
	KUNIT_EXPECT_EQ(test, t_in_words(t->a, cg, misc_cg_word_credit), n)

/* Charge and uncharge, so that @amount is left as credit. */
static void c_leave(struct kunit *test, struct misc_cg *cg, u64 amount)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge charge = {};

	KUNIT_EXPECT_EQ(test, t_charge(&charge, t->a, cg, amount), 0);
	misc_cg_charge_release(&charge);
}

static void credit_is_no_usage(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	c_leave(test, t->leaf, 10);
	EXPECT_CREDIT(t->leaf, 10);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 4), 0);
	EXPECT_CREDIT(t->leaf, 6);
	EXPECT_USAGE("4 4 4 4 0");
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), 0);
	EXPECT_CREDIT(t->leaf, 1);
	EXPECT_USAGE("9 9 9 9 0");
	misc_cg_uncharge(t->a, t->leaf, 3);
	EXPECT_CREDIT(t->leaf, 4);
	EXPECT_USAGE("6 6 6 6 0");
	misc_cg_uncharge(t->a, t->leaf, 2);
	EXPECT_CREDIT(t->leaf, 6);
	EXPECT_USAGE("4 4 4 4 0");
	/* To read is not to take. */
	EXPECT_CREDIT(t->leaf, 6);
	EXPECT_PEAK("10 10 10 10 0");
}

/* No more than that is asked for, so that nothing has to be looked for. */
static void return_of_what_the_counter_knows_leaves_credit(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), 0);
	c_leave(test, t->leaf, 3);
	misc_cg_uncharge(t->a, t->leaf, 5);
	EXPECT_CREDIT(t->leaf, 8);
	EXPECT_USAGE("0 0 0 0 0");
}

/* What is charged by amount here is in no word below. */
static void return_of_what_words_know_leaves_credit_below(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	/* Too much for credit, so that there is room below the peaks. */
	misc_cg_res_set_capacity(t->a, U64_MAX);
	c_leave(test, t->left, 1ULL << 32);
	c_leave(test, t->leaf, 4);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->left, 3), 0);
	misc_cg_uncharge(t->a, t->left, 1);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->left, 1), 0);
	EXPECT_CREDIT(t->left, 0);
	misc_cg_uncharge(t->a, t->left, 3);
	EXPECT_CREDIT(t->left, 3);
	EXPECT_CREDIT(t->leaf, 4);
	EXPECT_USAGE("0 0 0 0 0");
}

static void credit_makes_no_peak(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	c_leave(test, t->leaf, 10);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->right, 8), 0);
	EXPECT_PEAK("10 10 10 10 8");
	c_leave(test, t->leaf, 4);
	EXPECT_PEAK("12 12 10 10 8");
	c_leave(test, t->left, 6);
	EXPECT_PEAK("14 14 10 10 8");
}

static void credit_takes_no_room(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->top, "kunit_a 10");
	c_leave(test, t->leaf, 10);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->right, 7), 0);
	c_leave(test, t->left, 3);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 3), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->left, 1), -EBUSY);
	EXPECT_USAGE("10 10 3 3 7");
	EXPECT_PEAK("10 10 10 10 7");
	EXPECT_MAX_EVENTS("0 1 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0 0");
}

static void limit_that_credit_fits_below_leaves_it(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	c_leave(test, t->leaf, 10);
	SET_MAX(t->top, "kunit_a 10");
	misc_cg_res_set_capacity(t->a, 10);
	EXPECT_CREDIT(t->leaf, 10);
	SET_MAX(t->top, "kunit_a 9");
	EXPECT_CREDIT(t->leaf, 0);
}

/* Which level is to blame is decided on what is used, here and below. */
static void refusal_is_by_the_lowest_level_whose_usage_is_too_high(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->top, "kunit_a 5");
	SET_MAX(t->left, "kunit_a 5");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->right, 2), 0);
	c_leave(test, t->leaf, 3);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 4), -EBUSY);
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 0");
}

#define C_LEAVES	50

/* A cgroup for each, that holds 1 and has credit of 1. */
static void c_fifty(struct kunit *test, struct misc_cg *leaves[C_LEAVES])
{
	struct t_fixture *t = test->priv;
	int i;

	for (i = 0; i < C_LEAVES; i++) {
		leaves[i] = t_child(test, t->left);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[i], 2), 0);
	}
	for (i = 0; i < C_LEAVES; i++) {
		misc_cg_uncharge(t->a, leaves[i], 1);
		EXPECT_CREDIT(leaves[i], 1);
	}
	EXPECT_USAGE("50 50 50 0 0");
}

static void max_lowered_over_credit_holds(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *leaves[C_LEAVES];
	int i;

	c_fifty(test, leaves);
	SET_MAX(t->top, "kunit_a 60");
	for (i = 0; i < C_LEAVES; i++)
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[i], 1),
				i < 10 ? 0 : -EBUSY);
	EXPECT_USAGE("60 60 60 0 0");
	SET_MAX(t->top, "kunit_a 55");
	for (i = 0; i < 5; i++) {
		misc_cg_uncharge(t->a, leaves[i], 1);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[i], 1),
				-EBUSY);
	}
	misc_cg_uncharge(t->a, leaves[5], 1);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[6], 1), 0);
	EXPECT_USAGE("55 55 55 0 0");
	EXPECT_PEAK("100 100 100 0 0");
}

static void capacity_lowered_over_credit_holds(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *leaves[C_LEAVES];
	int i;

	c_fifty(test, leaves);
	misc_cg_res_set_capacity(t->a, 49);
	for (i = 0; i < C_LEAVES; i++)
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[i], 1),
				-ENOSPC);
	misc_cg_res_set_capacity(t->a, 51);
	for (i = 0; i < C_LEAVES; i++)
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, leaves[i], 1),
				i ? -ENOSPC : 0);
	EXPECT_USAGE("51 51 51 0 0");
	EXPECT_MAX_EVENTS("0 0 0 0 0");
}

static void unregistered_resource_has_no_credit(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->right, 3), 0);
	c_leave(test, t->leaf, 10);
	misc_cg_res_unregister(t->a);
	EXPECT_CREDIT(t->leaf, 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 1), -ENODEV);
	misc_cg_charge_release(&t->c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->right, 1), -ENODEV);
	EXPECT_USAGE("0 0 0 0 0");
	t_register(test, "kunit_a", 100);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 100), 0);
}

static void credit_goes_with_its_cgroup(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *cg = t_child(test, t->leaf);

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, cg, 20), 0);
	c_leave(test, cg, 40);
	t_remove(cg);
	EXPECT_USAGE("20 20 20 20 0");
	misc_cg_charge_release(&t->c[0]);
	KUNIT_EXPECT_TRUE(test, t_released(cg));
	EXPECT_CREDIT(cg, 60);
	t_free(cg);
	KUNIT_EXPECT_TRUE(test, list_empty(&t->a->open_words));
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_PEAK("60 60 60 60 0");
}

static void move_with_credit_at_both_ends(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->right, "kunit_a 10");
	SET_MAX(t->top, "kunit_a 15");
	c_leave(test, t->top, 15);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 4), 0);
	c_leave(test, t->leaf, 5);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 3), 0);
	c_leave(test, t->right, 3);
	EXPECT_CREDIT(t->leaf, 5);
	EXPECT_CREDIT(t->right, 3);
	EXPECT_USAGE("7 7 4 4 3");

	KUNIT_EXPECT_EQ(test, t_move(&c[2], &c[0], t->right), 0);
	EXPECT_USAGE("7 7 0 0 7");
	EXPECT_PEAK("15 15 9 9 7");
	KUNIT_EXPECT_EQ(test, t_charge(&c[3], t->a, t->leaf, 6), 0);
	KUNIT_EXPECT_EQ(test, t_move(&c[4], &c[3], t->right), -EBUSY);
	EXPECT_USAGE("13 13 6 6 7");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0 1");
	KUNIT_EXPECT_EQ(test, t_move(&c[4], &c[1], t->leaf), 0);
	EXPECT_USAGE("13 13 9 9 4");
}

/* Neither where the charge comes from nor above. */
static void move_closes_credit_only_below_where_it_gains(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;
	int i;

	SET_MAX(t->top, "kunit_a 20");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 5), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->left, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->right, 3), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[3], t->a, t->leaf, 2), 0);
	for (i = 1; i <= 3; i++)
		misc_cg_charge_release(&c[i]);

	KUNIT_EXPECT_EQ(test, t_move(&c[4], &c[0], t->right), 0);
	EXPECT_CREDIT(t->left, 10);
	EXPECT_CREDIT(t->right, 0);
	EXPECT_CREDIT(t->leaf, 2);
	EXPECT_USAGE("5 5 0 0 5");
}

static void charge_beyond_a_peak_closes_the_oldest_credit_first(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 3), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 3), 0);
	misc_cg_charge_release(&c[1]);
	misc_cg_charge_release(&c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->top, 2), 0);
	EXPECT_CREDIT(t->right, 0);
	EXPECT_CREDIT(t->leaf, 3);
	EXPECT_PEAK("6 6 3 3 3");
}

/* More cgroups with credit than may have it at once. */
static void the_oldest_credit_makes_way(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	unsigned int i, nr = misc_cg_open_max() + 10;
	struct t_cgroup *tc;

	KUNIT_EXPECT_EQ(test, misc_cg_open_max(), 64 + nr_cpu_ids);
	misc_cg_res_set_capacity(t->a, 10 * nr);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, 0,
				misc_cg_try_charge(t->a, t_child(test, t->left),
						   3));
	list_for_each_entry(tc, &t->cgroups, node)
		if (t_usage(t->a, tc->cg) == 3)
			misc_cg_uncharge(t->a, tc->cg, 2);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->root), nr);
	KUNIT_EXPECT_EQ(test, t_counter(t->a, t->root).peak, 3 * nr);
	i = 0;
	list_for_each_entry(tc, &t->cgroups, node)
		if (t_usage(t->a, tc->cg) == 1)
			EXPECT_CREDIT(tc->cg, i++ < 10 ? 0 : 2);
	KUNIT_EXPECT_EQ(test, i, nr);
}

/* What a word cannot hold goes back at once. */
static void credit_has_room_for_31_bits(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;
	u64 max = MISC_CG_WORD_MAX;

	misc_cg_res_set_capacity(t->a, U64_MAX);
	c_leave(test, t->leaf, max + 1);
	EXPECT_CREDIT(t->leaf, 0);
	c_leave(test, t->leaf, U64_MAX);
	EXPECT_CREDIT(t->leaf, 0);
	c_leave(test, t->right, max);
	EXPECT_CREDIT(t->right, max);

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, max - 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 1), 0);
	misc_cg_charge_release(&c[0]);
	misc_cg_charge_release(&c[1]);
	EXPECT_CREDIT(t->leaf, max);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, max), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, 1ULL << 32), 0);
	misc_cg_charge_release(&c[0]);
	EXPECT_CREDIT(t->leaf, max);
	misc_cg_charge_release(&c[1]);
	EXPECT_CREDIT(t->leaf, max);
	/* By amount as much as fits beside it. */
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, max), 0);
	EXPECT_CREDIT(t->leaf, 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 1), 0);
	misc_cg_charge_release(&c[0]);
	EXPECT_CREDIT(t->leaf, 0);
	misc_cg_charge_release(&c[2]);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->leaf), max);
	KUNIT_EXPECT_EQ(test, t_charged_by_amount(t->a, t->leaf), max);
	misc_cg_uncharge(t->a, t->leaf, max);
	EXPECT_CREDIT(t->leaf, max);
	EXPECT_USAGE("0 0 0 0 0");
}

/* On another CPU, whose word it finds. */
struct c_there {
	struct misc_cg_res *res;
	struct misc_cg *cg;
	u64 amount;
};

static long c_uncharge(void *arg)
{
	struct c_there *there = arg;

	misc_cg_uncharge(there->res, there->cg, there->amount);
	return 0;
}

static void amount_is_known_on_every_cpu(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct c_there there = { t->a, t->leaf, 2 };
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 3), 0);
		misc_cg_uncharge(t->a, t->leaf, 3);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 2), 0);
		KUNIT_EXPECT_EQ(test, 0, work_on_cpu(cpu, c_uncharge, &there));
		EXPECT_USAGE("0 0 0 0 0");
		KUNIT_EXPECT_EQ(test,
				t_charged_by_amount(t->a, t->leaf), 0);
	}
}

static void credit_on_every_cpu_takes_no_room(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct c_there there = { t->a, t->leaf, 1 };
	unsigned int cpu, nr = num_online_cpus();

	misc_cg_res_set_capacity(t->a, nr);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, nr), 0);
	for_each_online_cpu(cpu)
		KUNIT_EXPECT_EQ(test, 0, work_on_cpu(cpu, c_uncharge, &there));
	EXPECT_CREDIT(t->leaf, nr);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, nr), 0);
	EXPECT_CREDIT(t->leaf, 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->root), nr);
	KUNIT_EXPECT_EQ(test, t_counter(t->a, t->root).peak, nr);
}

/* Here, where the tests stay. */
#define EXPECT_GUESSED() do {						\
	struct misc_cg_word *word = misc_cg_word(t->a, t->leaf);	\
									\
	KUNIT_EXPECT_EQ(test, word->guess, atomic64_read(&word->value)); \
} while (0)

static void guess_is_right_where_nobody_interferes(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	c_leave(test, t->leaf, 10);
	EXPECT_GUESSED();
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 7), 0);
	EXPECT_GUESSED();
	misc_cg_uncharge(t->a, t->leaf, 5);
	EXPECT_GUESSED();
	EXPECT_USAGE("2 2 2 2 0");
	EXPECT_GUESSED();
	EXPECT_CREDIT(t->leaf, 8);
	/* Beyond the peak, so that it is closed. */
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->right, 9), 0);
	EXPECT_CREDIT(t->leaf, 0);
	EXPECT_GUESSED();
}

static void wrong_guess_changes_nothing(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	static const u64 wrong[] = {
		0,
		MISC_CG_OPEN,
		MISC_CG_OPEN | 1,
		MISC_CG_OPEN | MISC_CG_WORD_MAX,
		MISC_CG_OPEN | (u64)MISC_CG_WORD_MAX << MISC_CG_BY_AMOUNT,
		MISC_CG_OPEN | 1ULL << MISC_CG_BY_AMOUNT | 1,
		U64_MAX,
	};
	int i;

#define GUESS()	(misc_cg_word(t->a, t->leaf)->guess = wrong[i])
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		/* Where there is credit for it, and where there is none. */
		c_leave(test, t->leaf, 3);
		GUESS();
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 2), 0);
		EXPECT_USAGE("2 2 2 2 0");
		GUESS();
		KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 2), 0);
		EXPECT_USAGE("4 4 4 4 0");
		GUESS();
		misc_cg_charge_release(&t->c[0]);
		EXPECT_USAGE("2 2 2 2 0");
		GUESS();
		misc_cg_uncharge(t->a, t->leaf, 1);
		EXPECT_USAGE("1 1 1 1 0");
		GUESS();
		misc_cg_uncharge(t->a, t->leaf, 1);
		EXPECT_USAGE("0 0 0 0 0");
		KUNIT_EXPECT_EQ(test,
				t_charged_by_amount(t->a, t->leaf), 0);
		EXPECT_PEAK("4 4 4 4 0");

		/* And where it is closed. */
		SET_MAX(t->leaf, "kunit_a 0");
		SET_MAX(t->leaf, "kunit_a max");
		GUESS();
		KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 4), 0);
		GUESS();
		misc_cg_charge_release(&t->c[0]);
		EXPECT_USAGE("0 0 0 0 0");
		EXPECT_CREDIT(t->leaf, 4);
		SET_MAX(t->leaf, "kunit_a 0");
		SET_MAX(t->leaf, "kunit_a max");
	}
#undef GUESS
}

/* What there is when a cgroup is made has its words in one piece. */
static void words_of_a_later_resource_are_its_own(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *res;
	unsigned long pages = 0;
	int i;

	/* If they were not freed, they would be pages in the end. */
	for (i = 0; i < 5000; i++) {
		res = t_register(test, "kunit_new", 1);
		KUNIT_ASSERT_EQ(test, misc_cg_index(res), t->leaf->nr_words);
		KUNIT_ASSERT_TRUE(test,
				  t->leaf->counters[t->leaf->nr_words]->words !=
				  t->leaf->words + t->leaf->nr_words);
		misc_cg_res_unregister(res);
		t_forget_names(t->nr_names);
		if (i == 100)
			pages = pcpu_nr_pages();
	}
	KUNIT_EXPECT_LE(test, pcpu_nr_pages(),
			pages + 8 * num_possible_cpus());
}

static void words_go_with_their_cgroup(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct cgroup_subsys_state *css;
	unsigned long pages = 0;
	int i;

	for (i = 0; i < 5000; i++) {
		css = misc_cgrp_subsys.css_alloc(&t->leaf->css);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
		misc_cgrp_subsys.css_free(css);
		if (i == 100)
			pages = pcpu_nr_pages();
	}
	KUNIT_EXPECT_LE(test, pcpu_nr_pages(),
			pages + 8 * num_possible_cpus());
}

/* Credit lies on the CPU that it was returned on, where the tests stay. */
static int c_init(struct kunit *test)
{
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	return t_init(test);
}

static struct kunit_case c_cases[] = {
	KUNIT_CASE(credit_is_no_usage),
	KUNIT_CASE(return_of_what_the_counter_knows_leaves_credit),
	KUNIT_CASE(return_of_what_words_know_leaves_credit_below),
	KUNIT_CASE(credit_makes_no_peak),
	KUNIT_CASE(credit_takes_no_room),
	KUNIT_CASE(limit_that_credit_fits_below_leaves_it),
	KUNIT_CASE(refusal_is_by_the_lowest_level_whose_usage_is_too_high),
	KUNIT_CASE(max_lowered_over_credit_holds),
	KUNIT_CASE(capacity_lowered_over_credit_holds),
	KUNIT_CASE(unregistered_resource_has_no_credit),
	KUNIT_CASE(credit_goes_with_its_cgroup),
	KUNIT_CASE(move_with_credit_at_both_ends),
	KUNIT_CASE(move_closes_credit_only_below_where_it_gains),
	KUNIT_CASE(charge_beyond_a_peak_closes_the_oldest_credit_first),
	KUNIT_CASE(the_oldest_credit_makes_way),
	KUNIT_CASE(credit_has_room_for_31_bits),
	KUNIT_CASE(amount_is_known_on_every_cpu),
	KUNIT_CASE(credit_on_every_cpu_takes_no_room),
	KUNIT_CASE(guess_is_right_where_nobody_interferes),
	KUNIT_CASE(wrong_guess_changes_nothing),
	KUNIT_CASE(words_of_a_later_resource_are_its_own),
	KUNIT_CASE(words_go_with_their_cgroup),
	{}
};

static struct kunit_suite c_suite = {
	.name = "misc_cg_credit",
	.init = c_init,
	.exit = t_exit,
	.test_cases = c_cases,
};
