// SPDX-License-Identifier: GPL-2.0
/*
 * Times single calls that walk up the hierarchy.  tenant.c writes a command to
 * the parameter "run" and reads the median and the longest time, in ns, from
 * it.  Built against our API and, with -DSTOCK, against stock's.
 *
 * Timed, COUNT calls each, with the cgroup of the caller:
 *
 *	charge		charge one unit; the charges are granted and kept
 *	refuse		charge one unit; all charges are refused
 *	move		move the kept charges
 *	refuse_move	the same; all moves are refused
 *	release		release the kept charges
 *	read FILE	read the file
 *
 * Not timed:
 *
 *	raise		raise the peaks above the usage of later charges
 *	hold SLOT N	charge N units and keep the charge in SLOT, 0 or 1
 *	drop SLOT	release the charge in SLOT
 *
 * The time of a call is an upper bound of the time that it holds the lock of
 * the resource: it includes the reference to the cgroup and the notifications.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sort.h>
#include <linux/string.h>

#define COUNT		1000
#define CAPACITY	(1ULL << 40)

#ifdef STOCK
#define res	MISC_CG_RES_SEV
#define NAME	"sev"

struct misc_cg_charge {
	struct misc_cg *cg;
	u64 amount;
};

static int charge(struct misc_cg_charge *charge, u64 amount)
{
	struct misc_cg *cg = get_current_misc_cg();
	int ret = misc_cg_try_charge(res, cg, amount);

	if (ret)
		put_misc_cg(cg);
	else
		*charge = (struct misc_cg_charge){ cg, amount };
	return ret;
}

static void release(struct misc_cg_charge *charge)
{
	if (!charge->cg)
		return;
	misc_cg_uncharge(res, charge->cg, charge->amount);
	put_misc_cg(charge->cg);
	charge->cg = NULL;
}

/* Stock has no such call: its users charge and uncharge. */
static int move(struct misc_cg_charge *to, struct misc_cg_charge *from)
{
	return -EOPNOTSUPP;
}

static int register_res(void)
{
	return misc_cg_set_capacity(res, CAPACITY);
}

static void unregister_res(void)
{
	misc_cg_set_capacity(res, 0);
}
#else
#define NAME	"bench"

static struct misc_cg_res *res;

static int charge(struct misc_cg_charge *charge, u64 amount)
{
	return misc_cg_charge_current(charge, res, amount);
}

static void release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
}

static int move(struct misc_cg_charge *to, struct misc_cg_charge *from)
{
	return misc_cg_charge_move_current(to, from);
}

static int register_res(void)
{
	res = misc_cg_res_register(NAME, CAPACITY);
	return PTR_ERR_OR_ZERO(res);
}

static void unregister_res(void)
{
	misc_cg_res_unregister(res);
}
#endif

/* One half is in use; a move goes to the other half. */
static struct misc_cg_charge charges[2][COUNT];
static unsigned int half;
static struct misc_cg_charge held[2];
static u64 took[COUNT];

static int compare(const void *a, const void *b)
{
	u64 x = *(u64 *)a, y = *(u64 *)b;

	return x < y ? -1 : x > y;
}

/* Fails if a call returns anything but @expected. */
#define TIME(expected, call) ({						\
	unsigned int i;							\
	int ret, bad = 0;						\
									\
	for (i = 0; i < COUNT; i++) {					\
		preempt_disable();					\
		took[i] = ktime_get_ns();				\
		ret = (call);						\
		took[i] = ktime_get_ns() - took[i];			\
		preempt_enable();					\
		if (ret != (expected))					\
			bad = ret ?: -EPROTO;				\
	}								\
	bad;								\
})

static int read_file(const char *path)
{
	static char buf[PAGE_SIZE];
	struct file *file = filp_open(path, O_RDONLY, 0);
	ssize_t len = 0;
	unsigned int i;
	loff_t pos;

	if (IS_ERR(file))
		return PTR_ERR(file);
	for (i = 0; i < COUNT && len >= 0; i++) {
		pos = 0;
		took[i] = ktime_get_ns();
		len = kernel_read(file, buf, sizeof(buf), &pos);
		took[i] = ktime_get_ns() - took[i];
	}
	fput(file);
	return min(len, 0);
}

static int run(const char *what)
{
	struct misc_cg_charge *now = charges[half], *other = charges[!half];
	struct misc_cg_charge many = {};
	int ret;

	if (!strcmp(what, "charge"))
		return TIME(0, charge(&now[i], 1));
	if (!strcmp(what, "refuse"))
		return TIME(-EBUSY, charge(&other[i], 1));
	if (!strcmp(what, "release"))
		return TIME(0, (release(&now[i]), 0));
	if (!strcmp(what, "move")) {
		ret = TIME(0, move(&other[i], &now[i]));
		half ^= !ret;
		return ret;
	}
	if (!strcmp(what, "refuse_move"))
		return TIME(-EBUSY, move(&other[i], &now[i]));
	if (!strcmp(what, "raise")) {
		ret = charge(&many, 2 * COUNT);
		release(&many);
		return ret;
	}
	return -EINVAL;
}

static int run_set(const char *val, const struct kernel_param *kp)
{
	char what[128];
	unsigned int slot;
	u64 amount;
	int ret;

	if (sscanf(val, "read %127s", what) == 1)
		ret = read_file(what);
	else if (sscanf(val, "hold %u %llu", &slot, &amount) == 2 && slot < 2)
		ret = charge(&held[slot], amount);
	else if (sscanf(val, "drop %u", &slot) == 1 && slot < 2)
		ret = (release(&held[slot]), 0);
	else if (sscanf(val, "%127s", what) == 1)
		ret = run(what);
	else
		ret = -EINVAL;
	if (!ret)
		sort(took, COUNT, sizeof(*took), compare, NULL);
	return ret;
}

static int run_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%llu %llu\n", took[COUNT / 2], took[COUNT - 1]);
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
	.get = run_get,
};
module_param_cb(run, &run_ops, NULL, 0600);

static char *name = NAME;
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "the resource that is charged");

static int __init lock_hold_init(void)
{
	return register_res();
}
module_init(lock_hold_init);

static void __exit lock_hold_exit(void)
{
	unregister_res();
}
module_exit(lock_hold_exit);

MODULE_DESCRIPTION("Times calls that walk up the cgroup hierarchy");
MODULE_LICENSE("GPL");
