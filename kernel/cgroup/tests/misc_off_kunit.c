// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of what drivers get without CONFIG_CGROUP_MISC: the header alone.
 */
#undef CONFIG_CGROUP_MISC

#include <kunit/test.h>
#include <linux/misc_cgroup.h>

static void everything_is_granted_and_nothing_counted(struct kunit *test)
{
	struct misc_cg_res *res = misc_cg_res_register("kunit", 1);
	struct misc_cg *cg = get_current_misc_cg();
	struct misc_cg_charge charge = {}, other = {};

	KUNIT_EXPECT_EQ(test, sizeof(struct misc_cg_charge), 0);
	KUNIT_EXPECT_NULL(test, res);
	KUNIT_EXPECT_NULL(test, cg);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&charge, res, 2), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_move_current(&other, &charge), 0);
	misc_cg_charge_transfer(&charge, &other);
	misc_cg_charge_release(&charge);
	misc_cg_res_set_capacity(res, 0);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_cgroup(&charge, res, cg, 2), 0);
	misc_cg_res_unregister(res);
	put_misc_cg(cg);
}

static struct kunit_case misc_off_cases[] = {
	KUNIT_CASE(everything_is_granted_and_nothing_counted),
	{}
};

static struct kunit_suite misc_off_suite = {
	.name = "misc_cg_off",
	.test_cases = misc_off_cases,
};

kunit_test_suite(misc_off_suite);
