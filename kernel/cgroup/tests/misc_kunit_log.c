// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller's messages in the log; included by
 * misc_kunit.c.
 *
 * The rate limit is for all cgroups, those of other tests too: l_refuse()
 * repeats a refusal until it is logged.
 */

/* The last line, of a charge to the first cgroup. */
#define EXPECT_REFUSAL(amount, cg, by) do {				\
	char __path[128];						\
									\
	cgroup_path((cg)->css.cgroup, __path, sizeof(__path));		\
	snprintf(t.line, sizeof(t.line),				\
		 "cgroup: misc: kunit_a: charge of %d in %s refused by %s",\
		 amount, __path, by);					\
	KUNIT_EXPECT_STREQ(test, t.log.last, t.line);			\
} while (0)

/* Has charges to @cg refused until that is logged. */
static void l_refuse(struct kunit *test, struct misc_cg_res *res,
		     struct misc_cg *cg, u64 amount)
{
	unsigned int nr = t.log.nr;
	int i;

	for (i = 0; i < 100 && t.log.nr == nr; i++) {
		if (i)
			msleep(100);
		KUNIT_EXPECT_NE(test, CHARGE(0, res, cg, amount), 0);
	}
}

static void refusal_by_max_names_both_cgroups(struct kunit *test)
{
	char by[160], path[128];

	t_log_on(test);
	SET_MAX(left, "kunit_a 5");
	GRANTED(1, leaf, 2);
	l_refuse(test, res_a, leaf, 4);
	cgroup_path(left->css.cgroup, path, sizeof(path));
	snprintf(by, sizeof(by), "the max of %s: 2 of 5 in use", path);
	EXPECT_REFUSAL(4, leaf, by);
}

static void refusal_by_capacity_names_the_charged_cgroup(struct kunit *test)
{
	t_log_on(test);
	GRANTED(1, right, 3);
	l_refuse(test, res_a, leaf, 98);
	EXPECT_REFUSAL(98, leaf, "the host's capacity: 3 of 100 in use");
}

static void refusal_in_the_root_is_not_logged(struct kunit *test)
{
	t_log_on(test);
	/* Other tests use the same root. */
	bitmap_zero(root->logged, MISC_CG_RES_MAX);
	REFUSED(-ENOSPC, 0, root, 101);
	/* There was room for it. */
	l_refuse(test, res_a, leaf, 102);
	KUNIT_EXPECT_EQ(test, t.log.nr, 1);
}

static void refusals_by_capacity_are_logged_once_per_charged_cgroup(struct kunit *test)
{
	t_log_on(test);
	l_refuse(test, res_a, leaf, 101);
	CHARGE(0, res_a, leaf, 101);
	CHARGE(0, res_a, leaf, 102);
	l_refuse(test, res_a, right, 103);
	KUNIT_EXPECT_EQ(test, t.log.nr, 2);
	EXPECT_REFUSAL(103, right, "the host's capacity: 0 of 100 in use");
}

static void refusals_by_max_are_logged_once_per_refusing_cgroup(struct kunit *test)
{
	t_log_on(test);
	SET_MAX(top, "kunit_a 0");
	l_refuse(test, res_a, leaf, 1);
	CHARGE(0, res_a, right, 1);
	SET_MAX(left, "kunit_a 0");
	l_refuse(test, res_a, leaf, 2);
	KUNIT_EXPECT_EQ(test, t.log.nr, 2);
}

/* A cgroup that was logged for its own max still shows up for another's. */
static void refusal_by_an_ancestor_is_logged_after_one_by_the_own_max(struct kunit *test)
{
	t_log_on(test);
	SET_MAX(leaf, "kunit_a 5");
	l_refuse(test, res_a, leaf, 6);
	SET_MAX(top, "kunit_a 2");
	l_refuse(test, res_a, leaf, 3);
	KUNIT_EXPECT_EQ(test, t.log.nr, 2);
}

static void refusals_are_logged_once_per_resource(struct kunit *test)
{
	t_log_on(test);
	l_refuse(test, res_a, leaf, 101);
	l_refuse(test, res_b, leaf, 101);
	CHARGE(0, res_a, leaf, 101);
	KUNIT_EXPECT_EQ(test, t.log.nr, 2);
}

static void l_letters(char *name, size_t len, char letter)
{
	memset(name, letter, len);
	name[len] = '\0';
}

/* A cgroup "/aa...a/bb...b", with so many letters in the two names. */
static struct misc_cg *l_deep(struct kunit *test, size_t as, size_t bs)
{
	char *name = kunit_kzalloc(test, NAME_MAX + 1, GFP_KERNEL);
	struct misc_cg *cg;

	KUNIT_ASSERT_NOT_NULL(test, name);
	l_letters(name, as, 'a');
	cg = t_child_named(test, root, name);
	l_letters(name, bs, 'b');
	return t_child_named(test, cg, name);
}

/* The last line, of a charge to a cgroup with this path. */
static void l_expect_path(struct kunit *test, const char *dots,
			  const char *path)
{
	snprintf(t.line, sizeof(t.line),
		 "cgroup: misc: kunit_a: charge of 101 in %s%s refused by the host's capacity: 0 of 100 in use",
		 dots, path);
	KUNIT_EXPECT_STREQ(test, t.log.last, t.line);
}

/* One of its names is as long as a name can be. */
static void path_of_400_characters_is_logged_whole(struct kunit *test)
{
	struct misc_cg *cg = l_deep(test, NAME_MAX, 143);

	t_log_on(test);
	l_refuse(test, res_a, cg, 101);
	KUNIT_EXPECT_EQ(test, cgroup_path(cg->css.cgroup, t.text,
					  sizeof(t.text)), 400);
	l_expect_path(test, "", t.text);
}

static void name_of_399_characters_is_logged_whole(struct kunit *test)
{
	char *name = kunit_kzalloc(test, 400, GFP_KERNEL);
	struct misc_cg *cg;

	KUNIT_ASSERT_NOT_NULL(test, name);
	t_log_on(test);
	l_letters(name, 399, 'a');
	cg = t_child_named(test, root, name);
	l_refuse(test, res_a, cg, 101);
	l_expect_path(test, "/", name);
}

/* Whole names at its end are kept, as they tell containers apart. */
static void path_of_401_characters_is_cut_at_its_beginning(struct kunit *test)
{
	struct misc_cg *cg = l_deep(test, 200, 199);
	char *path = t.text;

	t_log_on(test);
	l_refuse(test, res_a, cg, 101);
	KUNIT_EXPECT_EQ(test, cgroup_path(cg->css.cgroup, path,
					  sizeof(t.text)), 401);
	l_expect_path(test, "...", strrchr(path, '/'));
}

static void cut_path_keeps_400_characters(struct kunit *test)
{
	struct misc_cg *cg;
	char name[200];

	t_log_on(test);
	cg = l_deep(test, 1, 200);
	l_letters(name, 198, 'c');
	cg = t_child_named(test, cg, name);
	l_refuse(test, res_a, cg, 101);
	cgroup_path(cg->css.cgroup, t.text, sizeof(t.text));
	l_expect_path(test, "...", strchr(t.text + 1, '/'));
}

static void cut_path_keeps_whole_names_only(struct kunit *test)
{
	struct misc_cg *cg;
	char name[200];

	t_log_on(test);
	cg = l_deep(test, 1, 201);
	l_letters(name, 198, 'c');
	cg = t_child_named(test, cg, name);
	l_refuse(test, res_a, cg, 101);
	cgroup_path(cg->css.cgroup, t.text, sizeof(t.text));
	l_expect_path(test, "...", strrchr(t.text, '/'));
}

/* Nothing keeps a tenant from making a cgroup whose name is this long. */
static void name_too_long_for_the_log_is_cut(struct kunit *test)
{
	char *name = kunit_kzalloc(test, 3001, GFP_KERNEL);
	struct misc_cg *cg;

	KUNIT_ASSERT_NOT_NULL(test, name);
	t_log_on(test);
	l_letters(name, 3000, 'a');
	cg = t_child_named(test, root, name);
	l_refuse(test, res_a, cg, 101);
	l_expect_path(test, "...", "");
	cg = t_child_named(test, cg, "b");
	l_refuse(test, res_a, cg, 101);
	l_expect_path(test, "...", "/b");
}

/* Two paths, three numbers and a name, each of them the longest. */
static void longest_line_fits_into_a_record_of_the_log(struct kunit *test)
{
	static const char name[] = "kunit_31_characters_are_fine_xx";
	struct misc_cg *cg = l_deep(test, 199, 199);
	struct misc_cg_res *res;

	t_log_on(test);
	res = t_register(test, name, U64_MAX);
	snprintf(t.line, sizeof(t.line), "%s 18446744073709551614", name);
	SET_MAX(cg, t.line);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res, cg, U64_MAX - 5), 0);
	l_refuse(test, res, cg, U64_MAX);
	RELEASE(1);
	misc_cg_res_unregister(res);

	cgroup_path(cg->css.cgroup, t.text, sizeof(t.text));
	snprintf(t.line, sizeof(t.line),
		 "cgroup: misc: %s: charge of %llu in %.400s refused by the max of %.400s: %llu of %llu in use",
		 name, U64_MAX, t.text, t.text, U64_MAX - 5, U64_MAX - 1);
	KUNIT_EXPECT_STREQ(test, t.log.last, t.line);
}

/* As if another CPU printed: this one does not wait, and forgets nothing. */
static void refusal_does_not_wait_for_the_log(struct kunit *test)
{
	int saved = debug_locks;

	if (!IS_ENABLED(CONFIG_SMP) && !IS_ENABLED(CONFIG_DEBUG_SPINLOCK))
		kunit_skip(test, "needs a spinlock that can be held");

	t_log_on(test);
	spin_lock(&misc_cg_log_lock);
	/* With one CPU, a lock that cannot be taken is reported as a bug. */
	if (!IS_ENABLED(CONFIG_SMP))
		debug_locks = 0;
	REFUSED(-ENOSPC, 0, leaf, 101);
	if (!IS_ENABLED(CONFIG_SMP))
		debug_locks = saved;
	spin_unlock(&misc_cg_log_lock);
	KUNIT_EXPECT_EQ(test, t.log.nr, 0);
	l_refuse(test, res_a, leaf, 102);
	EXPECT_REFUSAL(102, leaf, "the host's capacity: 0 of 100 in use");
}

static void unregistering_logs_what_is_in_use(struct kunit *test)
{
	t_log_on(test);
	GRANTED(0, leaf, 7);
	misc_cg_res_unregister(res_a);
	KUNIT_EXPECT_STREQ(test, t.log.last,
			   "cgroup: misc: kunit_a: unregistered with 7 in use");

	t_register(test, "kunit_a", 100);
	RELEASE(0);
	misc_cg_res_unregister(res_a);
	KUNIT_EXPECT_EQ(test, t.log.nr, 1);
}

static void failed_registration_is_logged_with_name_and_reason(struct kunit *test)
{
	t_log_on(test);
	misc_cg_res_register("kunit_a", 1);
	KUNIT_EXPECT_EQ(test, t.log.nr, 1);
	snprintf(t.line, sizeof(t.line),
		 "cgroup: misc: kunit_a: registration failed: %pe",
		 ERR_PTR(-EEXIST));
	KUNIT_EXPECT_STREQ(test, t.log.last, t.line);
}

static void rate_of_logged_refusals_is_limited(struct kunit *test)
{
	int i;

	t_log_on(test);
	for (i = 0; i < 100; i++)
		CHARGE(0, res_a, t_child(test, right), 101);
	/* One interval may have ended meanwhile. */
	KUNIT_EXPECT_LE(test, t.log.nr, 2 * DEFAULT_RATELIMIT_BURST);
}

static struct kunit_case l_cases[] = {
	KUNIT_CASE(refusal_by_max_names_both_cgroups),
	KUNIT_CASE(refusal_by_capacity_names_the_charged_cgroup),
	KUNIT_CASE(refusal_in_the_root_is_not_logged),
	KUNIT_CASE(refusals_by_capacity_are_logged_once_per_charged_cgroup),
	KUNIT_CASE(refusals_by_max_are_logged_once_per_refusing_cgroup),
	KUNIT_CASE(refusal_by_an_ancestor_is_logged_after_one_by_the_own_max),
	KUNIT_CASE(refusals_are_logged_once_per_resource),
	KUNIT_CASE(path_of_400_characters_is_logged_whole),
	KUNIT_CASE(name_of_399_characters_is_logged_whole),
	KUNIT_CASE(path_of_401_characters_is_cut_at_its_beginning),
	KUNIT_CASE(cut_path_keeps_400_characters),
	KUNIT_CASE(cut_path_keeps_whole_names_only),
	KUNIT_CASE(name_too_long_for_the_log_is_cut),
	KUNIT_CASE(longest_line_fits_into_a_record_of_the_log),
	KUNIT_CASE(refusal_does_not_wait_for_the_log),
	KUNIT_CASE(unregistering_logs_what_is_in_use),
	KUNIT_CASE(failed_registration_is_logged_with_name_and_reason),
	KUNIT_CASE(rate_of_logged_refusals_is_limited),
	{}
};

static struct kunit_suite l_suite = {
	.name = "misc_cg_log",
	.init = t_init,
	.exit = t_exit,
	.test_cases = l_cases,
};
