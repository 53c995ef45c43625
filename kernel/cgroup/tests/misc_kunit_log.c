// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what the misc controller says in the log; included by
 * misc_kunit.c.
 *
 * The limit on the rate is for all cgroups, those of other tests too: a first
 * refusal is logged when there is room, so it is repeated until then.
 */

#define EXPECT_REFUSAL(text, cg) \
	EXPECT_LOG("cgroup: misc: kunit_a: charge of " text, cg)

/* Has charges to @cg refused until that is logged. */
static void l_refuse(struct kunit *test, struct misc_cg *cg, u64 amount)
{
	struct t_fixture *t = test->priv;
	unsigned int nr = t->log.nr;
	int i;

	for (i = 0; i < 100 && t->log.nr == nr; i++) {
		if (i)
			msleep(100);
		KUNIT_EXPECT_NE(test, t_charge(&t->c[0], t->a, cg, amount), 0);
	}
}

static void refusal_by_max_is_logged_where_the_max_is(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_log_on(test);
	SET_MAX(t->left, "kunit_a 5");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 2), 0);
	l_refuse(test, t->leaf, 4);
	EXPECT_REFUSAL("4 refused, 2 of max 5 in use", t->left);
}

static void refusal_by_capacity_is_logged_where_the_charge_is(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_log_on(test);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->right, 3), 0);
	l_refuse(test, t->leaf, 98);
	EXPECT_REFUSAL("98 refused, 3 of the host's capacity 100 in use",
		       t->leaf);
}

static void refusal_in_the_root_is_not_logged(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_log_on(test);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->root, 101), -ENOSPC);
	/* There was room for it. */
	l_refuse(test, t->leaf, 102);
	KUNIT_EXPECT_EQ(test, t->log.nr, 1);
}

static void refusals_are_logged_once_per_cgroup(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_log_on(test);
	l_refuse(test, t->leaf, 101);
	t_charge(&t->c[0], t->a, t->leaf, 101);
	t_charge(&t->c[0], t->a, t->leaf, 102);
	l_refuse(test, t->right, 103);
	KUNIT_EXPECT_EQ(test, t->log.nr, 2);
	EXPECT_REFUSAL("103 refused, 0 of the host's capacity 100 in use",
		       t->right);
}

static void rate_of_logged_refusals_is_limited(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	int i;

	t_log_on(test);
	for (i = 0; i < 100; i++)
		t_charge(&t->c[0], t->a, t_child(test, t->right), 101);
	/* One interval may have ended meanwhile. */
	KUNIT_EXPECT_LE(test, t->log.nr, 2 * DEFAULT_RATELIMIT_BURST);
}

static void unregistering_logs_what_is_in_use(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_log_on(test);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 7), 0);
	misc_cg_res_unregister(t->a);
	KUNIT_EXPECT_STREQ(test, t->log.last,
			   "cgroup: misc: kunit_a: unregistered with 7 in use");

	t_register(test, "kunit_a", 100);
	misc_cg_charge_release(&t->c[0]);
	misc_cg_res_unregister(t->a);
	KUNIT_EXPECT_EQ(test, t->log.nr, 1);
}

static struct kunit_case l_cases[] = {
	KUNIT_CASE(refusal_by_max_is_logged_where_the_max_is),
	KUNIT_CASE(refusal_by_capacity_is_logged_where_the_charge_is),
	KUNIT_CASE(refusal_in_the_root_is_not_logged),
	KUNIT_CASE(refusals_are_logged_once_per_cgroup),
	KUNIT_CASE(rate_of_logged_refusals_is_limited),
	KUNIT_CASE(unregistering_logs_what_is_in_use),
	{}
};

static struct kunit_suite l_suite = {
	.name = "misc_cg_log",
	.init = t_init,
	.exit = t_exit,
	.test_cases = l_cases,
};
