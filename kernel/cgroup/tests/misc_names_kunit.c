// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: registration of names, creation and
 * removal of cgroups.
 */
#include <linux/debugfs.h>
#include <trace/events/kmem.h>

#include "misc_kunit.h"

static void name_has_1_to_31_of_a_to_z_0_to_9_and_underscore(struct kunit *test)
{
	static const char * const good[] = {
		"k", "_", "0", "kunit_az_09", "kunit_31_characters_are_fine_xx",
	};
	static const char * const bad[] = {
		"kunit_of_32_characters_is_too_xx", NULL, "", " ", "kunit_a ",
		"kunit_a.max", "kunit_a-b", "kunit_a\n", "kunit_A",
		"kunit_\xc3\xa4",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		misc_cg_res_unregister(misc_kunit_register(good[i], 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_PTR_EQ_MSG(test, ERR_PTR(-EINVAL),
					misc_cg_res_register(bad[i], 1),
					"\"%s\"", bad[i]);
}

static void name_is_registered_once(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, misc_cg_res_register("kunit_a", 5),
			    ERR_PTR(-EEXIST));
	GRANTED(0, LEAF, 100);
}

/* Like a registration that has written the name, but not published the slot. */
static void name_is_found_when_its_slot_is_in_use(struct kunit *test)
{
	misc_cg_res_unregister(misc_kunit_register("kunit_new", 1));
	misc_cg_nr_resources--;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			misc_kunit_set_max(CG(LEAF), "kunit_new 1"));
	misc_cg_nr_resources++;
	SET_MAX(LEAF, "kunit_new 1");
}

static void everything_but_the_capacity_outlives_a_registration(struct kunit *test)
{
	SET_MAX(LEFT, "kunit_a 10");
	GRANTED(0, LEAF, 7);
	GRANTED(1, RIGHT, 5);
	REFUSED(-EBUSY, 2, LEAF, 4);
	misc_cg_res_unregister(RES_A);
	EXPECT_USAGE("12 12 7 7 5");
	RELEASED(1);
	EXPECT_USAGE("7 7 7 7 0");

	KUNIT_EXPECT_PTR_EQ(test, misc_kunit_register("kunit_a", 50), RES_A);
	EXPECT_PEAK("12 12 7 7 5");
	EXPECT_MAX_EVENTS("1 1 1 0 0");
	EXPECT_LOCAL_EVENTS("0 0 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 0");
	REFUSED(-EBUSY, 1, LEAF, 4);
	REFUSED(-ENOSPC, 1, RIGHT, 44);
	GRANTED(1, RIGHT, 43);
}

static void use_of_an_unregistered_resource_warns_once(struct kunit *test)
{
	misc_cg_res_unregister(RES_A);
	EXPECT_WARNING("kunit_a: not registered", {
		misc_cg_res_unregister(RES_A);
		misc_cg_res_unregister(RES_A);
	});
	EXPECT_WARNING("kunit_a: not registered", {
		misc_cg_res_set_capacity(RES_A, 10);
		misc_cg_res_set_capacity(RES_A, 10);
	});
	EXPECT_FILE(LEAF, "capacity", "kunit_b 100\n");
}

static void new_name_counts_in_cgroups_that_were_there_before(struct kunit *test)
{
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;

	/* One is half made, one is removed. */
	css = misc_kunit_css_alloc(CG(LEAF));
	GRANTED(0, RIGHT, 1);
	misc_kunit_rmdir(CG(RIGHT));
	res = misc_kunit_register("kunit_new", 10);
	CG(MORE) = misc_kunit_online(css, "half");

	GRANTED_OF(res, 1, MORE, 1);
	GRANTED_OF(res, 2, RIGHT, 2);
	EXPECT_USAGE_OF(res, LEAF, 1);
	EXPECT_USAGE_OF(res, RIGHT, 2);
	EXPECT_USAGE_OF(res, ROOT, 3);
	EXPECT_FILE(MORE, "max", "kunit_a max\nkunit_b max\nkunit_new max\n");
	RELEASED(1);
	RELEASED(2);
	misc_cg_res_unregister(res);
}

/*
 * Memory
 */

static struct task_struct *freeing_task;
static unsigned int nr_frees;

static void count_free(void *data, unsigned long where, const void *what)
{
	if (what && in_task() && current == freeing_task)
		nr_frees++;
}

static void count_frees(struct kunit *test)
{
	freeing_task = current;
	nr_frees = 0;
	if (register_trace_kfree(count_free, NULL))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
}

static unsigned int frees(void)
{
	unregister_trace_kfree(count_free, NULL);
	return nr_frees;
}

/* The batches of counters that a cgroup has. */
#define NR_BATCHES	DIV_ROUND_UP(misc_cg_nr_resources, MISC_CG_BATCH)

/* Register names until @end slots are in use. */
static void fill_slots(unsigned int end)
{
	char name[32];

	while (misc_cg_nr_resources < end) {
		snprintf(name, sizeof(name), "kunit_%u", misc_cg_nr_resources);
		misc_cg_res_unregister(misc_kunit_register(name, 1));
	}
}

static void all_64_names_count(struct kunit *test)
{
	struct cgroup_subsys_state *css;
	struct misc_cg_charge *charge;
	struct misc_cg_res *res;
	int i;

	charge = kunit_kcalloc(test, 64, sizeof(*charge), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, charge);
	/* One cgroup comes when there are half of the names. */
	fill_slots(32);
	CG(MORE) = misc_kunit_mkdir(CG(LEAF), NULL);
	fill_slots(64);
	KUNIT_EXPECT_PTR_EQ(test, misc_cg_res_register("kunit_one_more", 1),
			    ERR_PTR(-ENOSPC));

	/* Those that have a slot can come and go. */
	for (i = misc_kunit.nr_names; i < 64; i++) {
		res = misc_kunit_register(misc_cg_resources[i].name, 64);
		KUNIT_EXPECT_PTR_EQ(test, res, &misc_cg_resources[i]);
		KUNIT_EXPECT_EQ(test, 0, misc_cg_charge_cgroup(&charge[i], res,
							       CG(MORE), i));
	}
	SET_MAX(LEAF, "kunit_63 5");
	for (i = misc_kunit.nr_names; i < 64; i++) {
		res = &misc_cg_resources[i];
		EXPECT_USAGE_OF(res, MORE, i);
		EXPECT_USAGE_OF(res, ROOT, i);
		misc_cg_charge_release(&charge[i]);
		if (i == 63)
			REFUSED_OF(res, -EBUSY, 0, MORE, 6);
		misc_cg_res_unregister(res);
	}

	css = misc_kunit_css_alloc(CG(LEAF));
	count_frees(test);
	misc_cgrp_subsys.css_free(css);
	KUNIT_EXPECT_EQ(test, frees(), 1 + NR_BATCHES);
}

/*
 * Make the task's nth allocation from now on fail, or none if @nth is 0.  By
 * default failslab spares allocations that may sleep; only its file in debugfs
 * can change that.
 */
static void fail_nth(struct kunit *test, unsigned int nth)
{
#ifdef CONFIG_FAILSLAB
	struct dentry *dir = debugfs_lookup("failslab", NULL);
	struct dentry *ignored = debugfs_lookup("ignore-gfp-wait", dir);

	KUNIT_ASSERT_NOT_NULL(test, ignored);
	*(bool *)d_inode(ignored)->i_private = !nth;
	dput(ignored);
	dput(dir);
	current->fail_nth = nth;
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB");
#endif
}

/* True if the allocation that had to fail was made. */
static bool has_failed(struct kunit *test)
{
	bool failed = false;

#ifdef CONFIG_FAILSLAB
	failed = !current->fail_nth;
#endif
	fail_nth(test, 0);
	return failed;
}

static void new_name_without_memory_is_not_registered(struct kunit *test)
{
	unsigned int nr_names, nth, failed = 0;
	struct misc_cg_res *res;

	/* The next name needs memory in each cgroup. */
	fill_slots(round_up(misc_cg_nr_resources, MISC_CG_BATCH));
	nr_names = misc_cg_nr_resources;
	for (nth = 1; ; nth++) {
		fail_nth(test, nth);
		res = misc_cg_res_register("kunit_new", 10);
		if (!has_failed(test))
			break;
		if (IS_ERR(res)) {
			failed++;
			KUNIT_ASSERT_PTR_EQ(test, res, ERR_PTR(-ENOMEM));
			KUNIT_EXPECT_EQ(test, misc_cg_nr_resources, nr_names);
			/* The next one uses the counters that were made. */
			res = misc_kunit_register("kunit_newer", 10);
			REFUSED_OF(res, -ENOSPC, 0, LEAF, 11);
			GRANTED_OF(res, 0, LEAF, 10);
			RELEASED(0);
		}
		/* Otherwise an allocation of kmemleak has failed. */
		misc_cg_res_unregister(res);
		misc_kunit_forget_names(nr_names);
	}
	/* One for each cgroup, and the places. */
	KUNIT_EXPECT_EQ(test, failed, list_count_nodes(&misc_cg_list) + 1);
	misc_cg_res_unregister(res);
}

static void new_cgroup_without_memory_leaves_nothing_behind(struct kunit *test)
{
	size_t cgroups = list_count_nodes(&misc_cg_list);
	struct cgroup_subsys_state *css;
	unsigned int nth, failed = 0;

	fail_nth(test, 0);
	for (nth = 1; ; nth++) {
		count_frees(test);
		fail_nth(test, nth);
		css = misc_cgrp_subsys.css_alloc(&CG(LEAF)->css);
		frees();
		if (!has_failed(test))
			break;
		if (IS_ERR(css)) {
			KUNIT_EXPECT_PTR_EQ(test, css, ERR_PTR(-ENOMEM));
			/* All that came before the one that failed. */
			KUNIT_EXPECT_EQ(test, nr_frees, failed);
			failed++;
		} else {
			misc_cgrp_subsys.css_free(css);
		}
		KUNIT_EXPECT_EQ(test, list_count_nodes(&misc_cg_list), cgroups);
	}
	/* The cgroup and its counters. */
	KUNIT_EXPECT_EQ(test, failed, 1 + NR_BATCHES);
	CG(MORE) = misc_kunit_online(css, "late");
	GRANTED(0, MORE, 1);
}

/* As if the root cgroup and the known names were not there yet. */
static void boot_without_memory_fails(struct kunit *test)
{
	struct misc_cg_counter *batch = misc_cg_root.batches[0];
	unsigned int nr_names = misc_cg_nr_resources;

	/* If there is no failslab, this ends the test. */
	fail_nth(test, 0);
	list_del(&misc_cg_root.node);
	misc_cg_root.batches[0] = NULL;
	misc_cg_nr_resources = 0;
	fail_nth(test, 1);
	KUNIT_EXPECT_PTR_EQ(test, misc_cgrp_subsys.css_alloc(NULL),
			    ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_TRUE(test, has_failed(test));
	KUNIT_EXPECT_NULL(test, misc_cg_root.batches[0]);
	misc_cg_nr_resources = nr_names;
	misc_cg_root.batches[0] = batch;
	list_move(&misc_cg_root.node, &misc_cg_list);
}

/* No machine that runs these tests has a provider of "tdx". */
static void limit_of_a_known_name_holds_from_the_first_charge_on(struct kunit *test)
{
	struct misc_cg_res *tdx = &misc_cg_resources[2];

	REFUSED_OF(tdx, -ENODEV, 0, LEAF, 1);
	SET_MAX(LEFT, "tdx 1");
	EXPECT_FILE(LEFT, "max", "tdx 1\nkunit_a max\nkunit_b max\n");
	EXPECT_FILE(LEFT, "capacity", "kunit_a 100\nkunit_b 100\n");
	KUNIT_EXPECT_PTR_EQ(test, misc_kunit_register("tdx", 10), tdx);
	REFUSED_OF(tdx, -EBUSY, 0, LEAF, 2);
	GRANTED_OF(tdx, 0, LEAF, 1);
	RELEASED(0);
	misc_cg_res_unregister(tdx);
	*misc_cg_counter(tdx, &misc_cg_root) = NEW_COUNTER(0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(name_has_1_to_31_of_a_to_z_0_to_9_and_underscore),
	KUNIT_CASE(name_is_registered_once),
	KUNIT_CASE(name_is_found_when_its_slot_is_in_use),
	KUNIT_CASE(everything_but_the_capacity_outlives_a_registration),
	KUNIT_CASE(use_of_an_unregistered_resource_warns_once),
	KUNIT_CASE(new_name_counts_in_cgroups_that_were_there_before),
	KUNIT_CASE(all_64_names_count),
	KUNIT_CASE(new_name_without_memory_is_not_registered),
	KUNIT_CASE(new_cgroup_without_memory_leaves_nothing_behind),
	KUNIT_CASE(boot_without_memory_fails),
	KUNIT_CASE(limit_of_a_known_name_holds_from_the_first_charge_on),
	{}
};

MISC_KUNIT_SUITE("misc_cg_names", misc_kunit_init, misc_kunit_exit, cases);
