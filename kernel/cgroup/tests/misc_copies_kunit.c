// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: copies of a charge, memory that never was
 * a charge, and calls that need an empty charge and get one that holds
 * something.  All of them warn once and change nothing.
 */
#include "misc_kunit.h"

enum use {
	RELEASE_IT,
	TRANSFER_FROM_IT,
	MOVE_FROM_IT,
	CHARGE_CURRENT_TO_IT,
	CHARGE_CGROUP_TO_IT,
	TRANSFER_TO_IT,
	MOVE_TO_IT,
};

#define COPY		"a copy of a charge was used"
#define NOT_EMPTY	"this charge is not empty"

static const struct use_case {
	const char *desc;
	enum use use;
	const char *warning;
} use_cases[] = {
	{ "release it",		RELEASE_IT,		COPY },
	{ "transfer from it",	TRANSFER_FROM_IT,	COPY },
	{ "move from it",	MOVE_FROM_IT,		COPY },
	{ "charge_current",	CHARGE_CURRENT_TO_IT,	NOT_EMPTY },
	{ "charge_cgroup",	CHARGE_CGROUP_TO_IT,	NOT_EMPTY },
	{ "transfer to it",	TRANSFER_TO_IT,		NOT_EMPTY },
	{ "move to it",		MOVE_TO_IT,		NOT_EMPTY },
};

KUNIT_ARRAY_PARAM_DESC(use_cases, use_cases, desc);

/* Charge 6 is empty, charge 7 holds 5 of kunit_b in RIGHT. */
static int init(struct kunit *test)
{
	misc_kunit_init(test);
	return CHARGE(7, RES_B, RIGHT, 5);
}

static int use(struct misc_cg_charge *it, enum use use)
{
	switch (use) {
	case RELEASE_IT:
		misc_cg_charge_release(it);
		break;
	case TRANSFER_FROM_IT:
		misc_cg_charge_transfer(HOLDER(6), it);
		break;
	case MOVE_FROM_IT:
		return misc_cg_charge_move_current(HOLDER(6), it);
	case CHARGE_CURRENT_TO_IT:
		return misc_cg_charge_current(it, RES_B, 1);
	case CHARGE_CGROUP_TO_IT:
		return misc_cg_charge_cgroup(it, RES_B, CG(RIGHT), 1);
	case TRANSFER_TO_IT:
		misc_cg_charge_transfer(it, HOLDER(7));
		break;
	case MOVE_TO_IT:
		return misc_cg_charge_move_current(it, HOLDER(7));
	}
	return -EINVAL;
}

/* What must not change; the root counts every charge. */
struct state {
	struct misc_cg_charge it, charge[ARRAY_SIZE(misc_kunit.charge)];
	struct misc_cg_counter a, b;
	long refs;
};

static void save(struct state *state, const struct misc_cg_charge *it)
{
	/* With its padding, to be compared. */
	memset(state, 0, sizeof(*state));
	state->it = *it;
	memcpy(state->charge, misc_kunit.charge, sizeof(state->charge));
	state->a = misc_kunit_counter(RES_A, CG(ROOT));
	state->b = misc_kunit_counter(RES_B, CG(ROOT));
	state->refs = misc_kunit_refs(CG(RIGHT));
}

static void expect_no_use(struct kunit *test, struct misc_cg_charge *it,
			  const char *name, const struct use_case *c)
{
	struct state before, after;
	char warning[80];
	int ret;

	snprintf(warning, sizeof(warning), "%s: %s", name, c->warning);
	save(&before, it);
	EXPECT_WARNING(warning, {
		use(it, c->use);
		ret = use(it, c->use);
	});
	save(&after, it);
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_EXPECT_MEMEQ(test, &after, &before, sizeof(before));
}

static void copy_of_a_held_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge copy;

	GRANTED(0, LEAF, 10);
	copy = *HOLDER(0);
	expect_no_use(test, &copy, "kunit_a", test->param_value);
	TRANSFER(1, 0);
	expect_no_use(test, &copy, "kunit_a", test->param_value);
	RELEASED(1);
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_REFS(LEAF, 0);
}

/* Counting what is charged there would not find this one. */
static void copy_does_nothing_where_another_charge_is_held(struct kunit *test)
{
	struct misc_cg_charge copy;

	SET_MAX(LEAF, "kunit_a 1");
	GRANTED(0, LEAF, 1);
	copy = *HOLDER(0);
	RELEASED(0);
	GRANTED(1, LEAF, 1);
	expect_no_use(test, &copy, "kunit_a", test->param_value);
	EXPECT_USAGE("1 1 1 1 0");
	EXPECT_REFS(LEAF, 1);
	REFUSED(-EBUSY, 2, LEAF, 1);
}

static void memory_that_was_no_charge_does_nothing(struct kunit *test)
{
	struct misc_cg_charge ones;

	memset(&ones, 0xff, sizeof(ones));
	expect_no_use(test, &ones, "unknown resource", test->param_value);
}

static void warning_names_a_resource_only_if_its_slot_is_in_use(struct kunit *test)
{
	const struct {
		const char *name;
		const void *res;
	} rows[] = {
		{ "unknown resource", NULL },
		{ "unknown resource", (void *)16 },
		{ "unknown resource", ERR_PTR(-ENODEV) },
		{ "unknown resource", (void *)RES_A + 8 },
		{ "unknown resource", misc_cg_resources - 1 },
		{ "sev", misc_cg_resources },
		{ "tdx", misc_cg_resources + 2 },
		{ "kunit_b", misc_cg_resources + misc_cg_nr_resources - 1 },
		{ "unknown resource", misc_cg_resources + misc_cg_nr_resources },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct misc_cg_charge wild = {
			.self = HOLDER(0),
			.res = (void *)rows[i].res,
			.cg = (void *)16,
			.amount = 1,
		};

		expect_no_use(test, &wild, rows[i].name, &use_cases[0]);
	}
}

static void held_charge_takes_no_more(struct kunit *test)
{
	const struct use_case *c = test->param_value;

	if (!strcmp(c->warning, COPY))
		return;
	GRANTED(0, LEAF, 10);
	expect_no_use(test, HOLDER(0), "kunit_a", c);
	EXPECT_USAGE("10 10 10 10 0");
}

static void charge_cannot_be_handed_to_itself(struct kunit *test)
{
	EXPECT_WARNING("kunit_b: " NOT_EMPTY, TRANSFER(7, 7));
	EXPECT_WARNING("kunit_b: " NOT_EMPTY, MOVE_CURRENT(7, 7));
	EXPECT_USAGE_OF(RES_B, RIGHT, 5);
}

static void empty_charge_warns_of_nothing(struct kunit *test)
{
	misc_kunit_clear_warn_once();
	misc_kunit_log_start();
	RELEASED(0);
	TRANSFER(1, 0);
	TRANSFER(7, 0);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(1, 0), 0);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(7, 0), 0);
	EXPECT_EMPTY(0);
	EXPECT_EMPTY(1);
	EXPECT_USAGE_OF(RES_B, RIGHT, 5);
	EXPECT_LOGGED(0, "kunit_b: " NOT_EMPTY);
	EXPECT_LOGGED(0, COPY);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(copy_of_a_held_charge_does_nothing,
			 use_cases_gen_params),
	KUNIT_CASE_PARAM(copy_does_nothing_where_another_charge_is_held,
			 use_cases_gen_params),
	KUNIT_CASE_PARAM(memory_that_was_no_charge_does_nothing,
			 use_cases_gen_params),
	KUNIT_CASE(warning_names_a_resource_only_if_its_slot_is_in_use),
	KUNIT_CASE_PARAM(held_charge_takes_no_more, use_cases_gen_params),
	KUNIT_CASE(charge_cannot_be_handed_to_itself),
	KUNIT_CASE(empty_charge_warns_of_nothing),
	{}
};

MISC_KUNIT_SUITE("misc_cg_copies", init, misc_kunit_exit, cases);
