// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of known defects that no ioctl of KVM reaches.  Built against
 * our API and, with -DSTOCK, against stock's.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>

#define CAPACITY	10
#define TRIES		200000

static struct misc_cg *cg;

/* Owner of an amount of the resource, as a VM owns its ASID. */
struct owner {
#ifdef STOCK
	u64 amount;
#else
	struct misc_cg_charge charge;
#endif
};

#ifdef STOCK

static int suite_init(struct kunit_suite *suite)
{
	cg = get_current_misc_cg();
	return misc_cg_set_capacity(MISC_CG_RES_SEV, CAPACITY);
}

static void suite_exit(struct kunit_suite *suite)
{
	misc_cg_set_capacity(MISC_CG_RES_SEV, 0);
	put_misc_cg(cg);
}

static int charge(struct owner *owner, u64 amount)
{
	int ret = misc_cg_try_charge(MISC_CG_RES_SEV, cg, amount);

	if (!ret)
		owner->amount = amount;
	return ret;
}

static void release(struct owner *owner)
{
	if (owner->amount)
		misc_cg_uncharge(MISC_CG_RES_SEV, cg, owner->amount);
	owner->amount = 0;
}

#else

static struct misc_cg_res *res;

static int suite_init(struct kunit_suite *suite)
{
	cg = get_current_misc_cg();
	res = misc_cg_res_register("defects", CAPACITY);
	return PTR_ERR_OR_ZERO(res);
}

static void suite_exit(struct kunit_suite *suite)
{
	misc_cg_res_unregister(res);
	put_misc_cg(cg);
}

static int charge(struct owner *owner, u64 amount)
{
	return misc_cg_charge_cgroup(&owner->charge, res, cg, amount);
}

static void release(struct owner *owner)
{
	misc_cg_charge_release(&owner->charge);
}

#endif /* !STOCK */

static void amount_whose_sum_wraps_is_refused(struct kunit *test)
{
	struct owner one = {}, most = {};

	KUNIT_ASSERT_EQ(test, charge(&one, 1), 0);
	KUNIT_EXPECT_NE(test, charge(&most, U64_MAX), 0);
	release(&most);
	release(&one);
}

/* Repeats a charge that exceeds the capacity. */
static int charge_too_much(void *data)
{
	struct owner owner = {};

	while (!kthread_should_stop()) {
		charge(&owner, CAPACITY + 1);
		release(&owner);
		cond_resched();
	}
	return 0;
}

static void charge_that_fits_is_granted(struct kunit *test)
{
	unsigned int i, refused = 0;
	struct task_struct *other;
	struct owner owner = {};

	other = kthread_run(charge_too_much, NULL, "charge_too_much");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	for (i = 0; i < TRIES; i++) {
		refused += !!charge(&owner, 1);
		release(&owner);
		cond_resched();
	}
	kthread_stop(other);
	KUNIT_EXPECT_EQ(test, refused, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(amount_whose_sum_wraps_is_refused),
	KUNIT_CASE_SLOW(charge_that_fits_is_granted),
	{}
};

static struct kunit_suite suite = {
	.name = "defects",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.test_cases = cases,
};
kunit_test_suite(suite);

MODULE_DESCRIPTION("Known defects of the misc cgroup controller");
MODULE_LICENSE("GPL");
