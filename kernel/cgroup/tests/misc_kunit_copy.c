// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: copies of a charge, and memory that never
 * was one; included by misc_kunit.c.
 *
 * Whatever is done with them warns once and changes nothing.
 */

enum c_use {
	C_RELEASE,
	C_TRANSFER_FROM,
	C_MOVE_FROM,
	C_CHARGE_CURRENT,
	C_CHARGE_CGROUP,
	C_TRANSFER_TO,
	C_MOVE_TO,
	C_USES
};

static const enum c_use c_uses[C_USES] = {
	C_RELEASE, C_TRANSFER_FROM, C_MOVE_FROM, C_CHARGE_CURRENT,
	C_CHARGE_CGROUP, C_TRANSFER_TO, C_MOVE_TO
};

static void c_use_desc(const enum c_use *use, char *desc)
{
	static const char * const names[C_USES] = {
		[C_RELEASE]		= "release",
		[C_TRANSFER_FROM]	= "transfer from it",
		[C_MOVE_FROM]		= "move from it",
		[C_CHARGE_CURRENT]	= "charge_current",
		[C_CHARGE_CGROUP]	= "charge_cgroup",
		[C_TRANSFER_TO]		= "transfer to it",
		[C_MOVE_TO]		= "move to it",
	};

	strscpy(desc, names[*use], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(c_uses, c_uses, c_use_desc);

/* @empty and @held are other charges. */
static int c_use(struct misc_cg_charge *copy, enum c_use use,
		 struct misc_cg_charge *empty, struct misc_cg_charge *held)
{
	switch (use) {
	case C_RELEASE:
		misc_cg_charge_release(copy);
		return -EINVAL;
	case C_TRANSFER_FROM:
		misc_cg_charge_transfer(empty, copy);
		return -EINVAL;
	case C_MOVE_FROM:
		return misc_cg_charge_move_current(empty, copy);
	case C_CHARGE_CURRENT:
		return misc_cg_charge_current(copy, res_b, 1);
	case C_CHARGE_CGROUP:
		return misc_cg_charge_cgroup(copy, res_b, right, 1);
	case C_TRANSFER_TO:
		misc_cg_charge_transfer(copy, held);
		return -EINVAL;
	case C_MOVE_TO:
		return misc_cg_charge_move_current(copy, held);
	default:
		return 0;
	}
}

/* What must not change; charges beside those in charges[] count, too. */
struct c_state {
	struct misc_cg_charge charges[ARRAY_SIZE(charges)];
	struct misc_cg_counter numbers[2][2];
	long refs;
};

static void c_save(struct c_state *state)
{
	/* With its padding, to be compared. */
	memset(state, 0, sizeof(*state));
	memcpy(state->charges, charges, sizeof(charges));
	state->numbers[0][0] = t_counter(res_a, root);
	state->numbers[0][1] = t_counter(res_a, right);
	state->numbers[1][0] = t_counter(res_b, root);
	state->numbers[1][1] = t_counter(res_b, right);
	state->refs = t_refs(right);
}

/* charges[6] stays empty, charges[7] holds 5 of kunit_b in right. */
static int c_init(struct kunit *test)
{
	int ret = t_init(test);

	if (!ret)
		ret = CHARGE(7, res_b, right, 5);
	return ret;
}

/* Have the warnings about charges come now, and not again in this test. */
static void c_use_up_warnings(struct kunit *test)
{
	struct misc_cg_charge copy = { .self = &charges[0] };
	enum c_use use;

	KUNIT_ASSERT_EQ(test, CHARGE(7, res_b, right, 5), 0);
	t_clear_warn_once();
	for (use = 0; use < C_USES; use++) {
		/* Once from each function that the compiler has put it in. */
		kunit_info(test, "allow WARNING: kernel/cgroup/misc.c\n");
		c_use(&copy, use, &charges[6], &charges[7]);
	}
	RELEASE(7);
}

/* @copy is not empty, and the warning is about @name. */
static void c_expect_no_use(struct kunit *test, struct misc_cg_charge *copy,
			    const char *name, enum c_use use)
{
	bool needs_charge = use == C_RELEASE || use == C_TRANSFER_FROM ||
			    use == C_MOVE_FROM;
	struct misc_cg_charge was = *copy;
	struct c_state before, after;
	int ret;

	snprintf(t.text, sizeof(t.text), "%s: %s", name,
		 needs_charge ? "a copy of a charge was used" :
				"this charge is not empty");
	c_save(&before);
	EXPECT_WARNING(t.text, ret = c_use(copy, use, &charges[6], &charges[7]));
	c_save(&after);
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_EXPECT_MEMEQ(test, copy, &was, sizeof(was));
	KUNIT_EXPECT_MEMEQ(test, &after, &before, sizeof(before));
}

static void copy_of_a_held_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge copy;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	copy = charges[0];
	c_expect_no_use(test, &copy, "kunit_a",
			*(const enum c_use *)test->param_value);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	RELEASE(0);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

static void copy_of_a_released_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge copy;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	copy = charges[0];
	RELEASE(0);
	c_expect_no_use(test, &copy, "kunit_a",
			*(const enum c_use *)test->param_value);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

/* A count of what is charged there would not find it. */
static void copy_does_nothing_where_another_charge_is_held(struct kunit *test)
{
	struct misc_cg_charge copy;

	t_log_on(test);
	SET_MAX(leaf, "kunit_a 1");
	GRANTED(0, leaf, 1);
	copy = charges[0];
	RELEASE(0);
	GRANTED(1, leaf, 1);
	c_expect_no_use(test, &copy, "kunit_a",
			*(const enum c_use *)test->param_value);
	EXPECT_USAGE("1 1 1 1 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	REFUSED(-EBUSY, 2, leaf, 1);
}

static void copy_does_nothing_after_its_cgroup_was_freed(struct kunit *test)
{
	struct misc_cg *cg = t_child(test, leaf);
	struct misc_cg_charge copy;

	t_log_on(test);
	GRANTED(0, cg, 10);
	copy = charges[0];
	RELEASE(0);
	t_remove(cg);
	KUNIT_ASSERT_TRUE(test, t_released(cg));
	t_free(cg);
	c_expect_no_use(test, &copy, "kunit_a",
			*(const enum c_use *)test->param_value);
	EXPECT_USAGE("0 0 0 0 0");
}

static void copy_of_a_transferred_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge copy;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	copy = charges[0];
	TRANSFER(1, 0);
	c_expect_no_use(test, &copy, "kunit_a",
			*(const enum c_use *)test->param_value);
	EXPECT_USAGE("10 10 10 10 0");
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
}

static void memory_that_was_no_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge ones;

	t_log_on(test);
	memset(&ones, 0xff, sizeof(ones));
	c_expect_no_use(test, &ones, "unknown resource",
			*(const enum c_use *)test->param_value);
}

static void warning_names_a_resource_only_if_its_slot_is_in_use(struct kunit *test)
{
	struct misc_cg_charge wild = {
		.self = &charges[0],
		.cg = (void *)16,
		.amount = 1,
	};
	const struct {
		void *res;
		const char *name;
	} cases[] = {
		{ NULL, "unknown resource" },
		{ (void *)16, "unknown resource" },
		{ ERR_PTR(-ENODEV), "unknown resource" },
		{ (void *)res_a + 8, "unknown resource" },
		{ (void *)((unsigned long)misc_cg_resources - sizeof(*res_a)),
		  "unknown resource" },
		{ &misc_cg_resources[0], "sev" },
		{ &misc_cg_resources[2], "tdx" },
		{ &misc_cg_resources[misc_cg_nr_resources - 1], "kunit_b" },
		{ &misc_cg_resources[misc_cg_nr_resources], "unknown resource" },
	};
	int i;

	t_log_on(test);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		wild.res = cases[i].res;
		c_expect_no_use(test, &wild, cases[i].name, C_RELEASE);
		c_expect_no_use(test, &wild, cases[i].name, C_CHARGE_CURRENT);
	}
}

static void copy_warns_once(struct kunit *test)
{
	struct misc_cg_charge copy;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	copy = charges[0];
	EXPECT_WARNING("kunit_a: a copy of a charge was used", {
		c_use(&copy, C_RELEASE, NULL, NULL);
		c_use(&copy, C_RELEASE, NULL, NULL);
	});
	EXPECT_WARNING("kunit_a: this charge is not empty", {
		c_use(&copy, C_TRANSFER_TO, NULL, &charges[7]);
		c_use(&copy, C_TRANSFER_TO, NULL, &charges[7]);
	});
}

static void zeroed_charge_is_empty(struct kunit *test)
{
	t_log_on(test);
	memset(&charges[0], 0, sizeof(charges[0]));
	RELEASE(0);
	TRANSFER(1, 0);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(1, 0), 0);
	EXPECT_EMPTY(0);
	EXPECT_EMPTY(1);
	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, t.log.nr, 0);
}

static struct kunit_case c_cases[] = {
	KUNIT_CASE_PARAM(copy_of_a_held_charge_does_nothing, c_uses_gen_params),
	KUNIT_CASE_PARAM(copy_of_a_released_charge_does_nothing,
			 c_uses_gen_params),
	KUNIT_CASE_PARAM(copy_does_nothing_where_another_charge_is_held,
			 c_uses_gen_params),
	KUNIT_CASE_PARAM(copy_does_nothing_after_its_cgroup_was_freed,
			 c_uses_gen_params),
	KUNIT_CASE_PARAM(copy_of_a_transferred_charge_does_nothing,
			 c_uses_gen_params),
	KUNIT_CASE_PARAM(memory_that_was_no_charge_does_nothing,
			 c_uses_gen_params),
	KUNIT_CASE(warning_names_a_resource_only_if_its_slot_is_in_use),
	KUNIT_CASE(copy_warns_once),
	KUNIT_CASE(zeroed_charge_is_empty),
	{}
};

static struct kunit_suite c_suite = {
	.name = "misc_cg_copy",
	.init = c_init,
	.exit = t_exit,
	.test_cases = c_cases,
};
