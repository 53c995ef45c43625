// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: the locks that a call takes, and calls
 * from an interrupt, which lockdep must report.
 */
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/moduleparam.h>
#include <trace/events/lock.h>

#include "misc_kunit.h"

static struct task_struct *task;
static struct lockdep_map *counted;
static unsigned int nr_locked;

static void count_lock(void *data, struct lockdep_map *map,
		       unsigned int subclass, int trylock, int read, int check,
		       struct lockdep_map *next, unsigned long ip)
{
	if (current == task && map == counted)
		nr_locked++;
}

static int start(struct kunit *test)
{
	misc_kunit_init(test);
	task = current;
	return register_trace_lock_acquire(count_lock, NULL);
}

static void stop(struct kunit *test)
{
	unregister_trace_lock_acquire(count_lock, NULL);
	tracepoint_synchronize_unregister();
	misc_kunit_exit(test);
}

#define EXPECT_NR_LOCKED(nr, what) do {					\
	nr_locked = 0;							\
	what;								\
	KUNIT_EXPECT_EQ_MSG(test, nr_locked, nr, #what);		\
} while (0)

#define EXPECT_LOCKED(what)	EXPECT_NR_LOCKED(1, what)

static void every_call_takes_its_lock_once(struct kunit *test)
{
	counted = &RES_A->lock.dep_map;
	EXPECT_LOCKED(CHARGE(0, RES_A, LEAF, 3));
	EXPECT_LOCKED(MOVE(1, 0, RIGHT));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(misc_cg_res_set_capacity(RES_A, 50));
	EXPECT_LOCKED(misc_cg_res_unregister(RES_A));
	EXPECT_LOCKED(misc_cg_res_register("kunit_a", 50));
	EXPECT_LOCKED(misc_kunit_set_max(CG(LEAF), "kunit_a 5\nkunit_b 6"));
	EXPECT_LOCKED(misc_kunit_show(CG(LEAF), "current"));

	counted = &misc_cg_mutex.dep_map;
	EXPECT_LOCKED(misc_cg_res_register("kunit_a", 50));
	EXPECT_LOCKED(CG(MORE) = misc_kunit_mkdir(CG(LEAF), NULL));
	/* A registration must find every cgroup: the list needs the mutex. */
	misc_kunit_rmdir(CG(MORE));
	EXPECT_LOCKED(misc_kunit_free(CG(MORE)));
}

/*
 * Each call passes the lock of slot 0 to might_lock(), so that lockdep reports a
 * call from an interrupt even if the call takes no lock.
 */
static void every_call_is_annotated_with_its_lock(struct kunit *test)
{
	counted = &misc_cg_resources[0].lock.dep_map;
	EXPECT_LOCKED(CHARGE(0, RES_A, LEAF, 3));
	EXPECT_LOCKED(CHARGE(1, NULL, LEAF, 3));
	EXPECT_LOCKED(CHARGE(1, RES_A, LEAF, 0));
	EXPECT_LOCKED(CHARGE_CURRENT(1, NULL, 1));
	EXPECT_LOCKED(MOVE_CURRENT(1, 0));
	EXPECT_LOCKED(MOVE_CURRENT(1, 0));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(misc_cg_res_set_capacity(RES_A, 50));
	EXPECT_LOCKED(misc_cg_res_set_capacity(NULL, 50));
	EXPECT_LOCKED(misc_cg_res_unregister(RES_A));
	EXPECT_LOCKED(misc_cg_res_unregister(ERR_PTR(-EINVAL)));
}

static void charge_that_finds_credit_takes_no_lock(struct kunit *test)
{
	misc_cg_credit_releases = 1;
	counted = &RES_A->lock.dep_map;
	EXPECT_LOCKED(CHARGE(0, RES_A, LEAF, 3));
	EXPECT_LOCKED(RELEASE(0));
	EXPECT_NR_LOCKED(0, CHARGE(0, RES_A, LEAF, 2));
	EXPECT_NR_LOCKED(0, RELEASE(0));
	EXPECT_LOCKED(CHARGE(0, RES_A, LEAF, 4));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_call_takes_its_lock_once),
	KUNIT_CASE(charge_that_finds_credit_takes_no_lock),
	KUNIT_CASE(every_call_is_annotated_with_its_lock),
	{}
};

MISC_KUNIT_SUITE("misc_cg_locks", start, stop, cases);

/*
 * A provider that calls from an interrupt, where it must not.  Lockdep turns
 * itself off after its first report, so this cannot be a KUnit case: boot with
 * misc_kunit.interrupt= and look for the report in the log.
 */
static char *interrupt;
module_param(interrupt, charp, 0444);

static struct misc_cg_charge charge;

static void in_interrupt_call(struct irq_work *work)
{
	struct misc_cg_charge empty = {};

	pr_info("kunit: %s in an interrupt: %d\n", interrupt, !!in_hardirq());
	if (!strcmp(interrupt, "release"))
		misc_cg_charge_release(&charge);
	else if (!strcmp(interrupt, "release_of_nothing"))
		misc_cg_charge_release(&empty);
	else if (!strcmp(interrupt, "charge_of_no_resource"))
		misc_cg_charge_cgroup(&empty, NULL, &misc_cg_root, 1);
}

static int __init call_from_an_interrupt(void)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(in_interrupt_call);
	struct misc_cg_res *res;

	if (!interrupt)
		return 0;

	/* As any provider does: with interrupts on. */
	res = misc_cg_res_register("kunit_a", 1);
	misc_cg_charge_cgroup(&charge, res, &misc_cg_root, 1);
	irq_work_queue(&work);
	irq_work_sync(&work);
	misc_cg_charge_release(&charge);
	misc_cg_res_unregister(res);
	return 0;
}
late_initcall(call_from_an_interrupt);
