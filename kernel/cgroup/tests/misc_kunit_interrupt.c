// SPDX-License-Identifier: GPL-2.0
/*
 * A provider that calls the misc controller from an interrupt, where it must
 * not: lockdep has to report it, also where the call takes no lock.  Included
 * by misc_kunit.c.
 *
 * Lockdep turns itself off after its first report, so this is no test of KUnit:
 * who boots with misc.kunit_interrupt= looks for the report in the log.
 */

static char *i_what;
module_param_named(kunit_interrupt, i_what, charp, 0444);

static struct misc_cg_charge i_charge;

static void i_interrupt(struct irq_work *work)
{
	struct misc_cg_charge empty = {};

	pr_info("kunit: %s in an interrupt: %d\n", i_what, !!in_hardirq());
	if (!strcmp(i_what, "release"))
		misc_cg_charge_release(&i_charge);
	else if (!strcmp(i_what, "release_of_nothing"))
		misc_cg_charge_release(&empty);
	else if (!strcmp(i_what, "charge_of_no_resource"))
		misc_cg_charge_cgroup(&empty, NULL, &misc_cg_root, 1);
}

static int __init i_init(void)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(i_interrupt);
	struct misc_cg_res *res;

	if (!i_what)
		return 0;

	/* As any provider does: with interrupts on. */
	res = misc_cg_res_register("kunit_a", 1);
	misc_cg_charge_cgroup(&i_charge, res, &misc_cg_root, 1);
	irq_work_queue(&work);
	irq_work_sync(&work);
	misc_cg_charge_release(&i_charge);
	misc_cg_res_unregister(res);
	return 0;
}
late_initcall(i_init);
