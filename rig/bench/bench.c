// SPDX-License-Identifier: GPL-2.0
/*
 * Times charges and related calls.  init.c writes a command to the parameter
 * "run" and reads the result from it, in ns with two decimals.  Built against
 * our API and, with -DSTOCK, against stock's.
 *
 *	take N		thread N, 0 or 1, will charge the cgroup of the caller
 *	floor 0		two atomic additions
 *	pair THREADS	a charge and its release, by one or two threads
 *	turns 0		the same by one thread, alternating two cgroups
 *	names N		register resources until N names are known
 *	mkdir_rmdir 0	make and remove a cgroup in the caller's
 *	read PATH	read a file
 */
#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "kernfs-internal.h"

#define CHUNKS		101
#define PAIRS		4000	/* in each chunk: few chunks are interrupted */
#define CALLS		64	/* in each chunk of calls that take longer */
#define CAPACITY	(1ULL << 40)

#ifdef STOCK
#define res	MISC_CG_RES_SEV

struct misc_cg_charge { struct misc_cg *cg; };

/* Takes a reference to the cgroup, as KVM and our controller do. */
static int charge(struct misc_cg_charge *charge, struct misc_cg *cg)
{
	int ret;

	css_get(&cg->css);
	charge->cg = cg;
	ret = misc_cg_try_charge(res, cg, 1);
	if (ret)
		put_misc_cg(cg);
	return ret;
}

static void release(struct misc_cg_charge *charge)
{
	misc_cg_uncharge(res, charge->cg, 1);
	put_misc_cg(charge->cg);
}

static int register_sev(void)
{
	return misc_cg_set_capacity(res, CAPACITY);
}

/* Stock always has two names, whatever the table of results shows. */
static int register_names(unsigned int n)
{
	return 0;
}
#else
static struct misc_cg_res *res;

static int charge(struct misc_cg_charge *charge, struct misc_cg *cg)
{
	return misc_cg_charge_cgroup(charge, res, cg, 1);
}

static void release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
}

static int register_sev(void)
{
	res = misc_cg_res_register("sev", CAPACITY);
	return PTR_ERR_OR_ZERO(res);
}

static int register_names(unsigned int n)
{
	/* sev, sev_es and tdx are known from boot on. */
	static unsigned int known = 3;
	char name[16];

	for (; known < n; known++) {
		snprintf(name, sizeof(name), "bench%u", known);
		if (IS_ERR(misc_cg_res_register(name, CAPACITY)))
			return -ENOSPC;
	}
	return 0;
}
#endif

static struct misc_cg *cgroups[2];
/* Number of refused charges; must stay 0. */
static atomic_t refused;

/*
 * Threads, one on each CPU, which start every chunk together
 */

struct worker {
	void (*chunk)(struct worker *w);
	struct misc_cg *by_turns[2];
	u64 took[CHUNKS];	/* time of one operation in 1/100 ns */
	struct completion done;
};

static unsigned int nr_workers;
static atomic_t arrived, generation;

static void meet(void)
{
	int g = atomic_read(&generation);

	if (atomic_inc_return(&arrived) == nr_workers) {
		atomic_set(&arrived, 0);
		atomic_inc(&generation);
	} else {
		while (atomic_read(&generation) == g)
			cpu_relax();
	}
}

static void two_adds(struct worker *w)
{
	static atomic64_t number;
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		atomic64_add(1, &number);
		atomic64_sub(1, &number);
	}
}

static void pairs(struct worker *w)
{
	struct misc_cg_charge held = {};
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		if (charge(&held, w->by_turns[i % 2]))
			atomic_inc(&refused);
		else
			release(&held);
	}
}

static int work(void *data)
{
	struct worker *w = data;
	unsigned int i;
	u64 start;

	for (i = 0; i < CHUNKS; i++) {
		meet();
		start = ktime_get_ns();
		w->chunk(w);
		w->took[i] = (ktime_get_ns() - start) * 100 / PAIRS;
	}
	complete(&w->done);
	return 0;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(u64 *)a, y = *(u64 *)b;

	return x < y ? -1 : x > y;
}

/* The lower quartile, because other processes disturb the slower chunks. */
static long quartile(u64 *took)
{
	sort(took, CHUNKS, sizeof(*took), compare, NULL);
	return took[CHUNKS / 4];
}

/* The time of a chunk is the average of its threads. */
static long measure(void (*chunk)(struct worker *w), unsigned int threads,
		    bool by_turns)
{
	struct worker *workers;
	unsigned int i, j;
	long ret;

	workers = kcalloc(threads, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	nr_workers = threads;
	for (i = 0; i < threads; i++) {
		struct worker *w = &workers[i];
		struct task_struct *task;

		w->chunk = chunk;
		w->by_turns[0] = cgroups[i];
		w->by_turns[1] = cgroups[by_turns ? 1 : i];
		init_completion(&w->done);
		task = kthread_create(work, w, "bench/%u", i);
		/* The other threads would wait forever for this one. */
		BUG_ON(IS_ERR(task));
		kthread_bind(task, i);
		wake_up_process(task);
	}
	for (i = 0; i < threads; i++)
		wait_for_completion(&workers[i].done);

	for (i = 0; i < CHUNKS; i++) {
		for (j = 1; j < threads; j++)
			workers[0].took[i] += workers[j].took[i];
		workers[0].took[i] = div_u64(workers[0].took[i], threads);
	}
	ret = quartile(workers[0].took);
	kfree(workers);
	return ret;
}

/*
 * Calls, timed in the kernel, as system calls are slow on UML
 */

static long measure_calls(int (*call)(void *arg), void *arg)
{
	u64 took[CHUNKS];
	unsigned int i, j;
	int ret;

	for (i = 0; i < CHUNKS; i++) {
		took[i] = ktime_get_ns();
		for (j = 0; j < CALLS; j++) {
			ret = call(arg);
			if (ret < 0)
				return ret;
		}
		took[i] = (ktime_get_ns() - took[i]) * 100 / CALLS;
	}
	return quartile(took);
}

static int read_file(void *file)
{
	static char buf[PAGE_SIZE];
	loff_t pos = 0;

	return kernel_read(file, buf, sizeof(buf), &pos);
}

static long measure_read(const char *path)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	long ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = measure_calls(read_file, file);
	fput(file);
	return ret;
}

/* Calls the same functions as mkdir() and rmdir(), which hold @active, too. */
static int make_and_remove(void *parent)
{
	const struct kernfs_syscall_ops *ops = kernfs_root(parent)->syscall_ops;
	struct kernfs_node *dir = parent, *new;
	int ret;

	atomic_inc(&dir->active);
	ret = ops->mkdir(dir, "new", 0755);
	atomic_dec(&dir->active);
	if (ret)
		return ret;
	new = kernfs_find_and_get(dir, "new");
	atomic_inc(&new->active);
	ret = ops->rmdir(new);
	atomic_dec(&new->active);
	kernfs_put(new);
	return ret;
}

static long measure_mkdir(void)
{
	struct cgroup_subsys_state *css = task_get_css(current, misc_cgrp_id);
	long ret = measure_calls(make_and_remove, css->cgroup->kn);

	css_put(css);
	return ret;
}

static long run(const char *what, unsigned int n)
{
	if (!strcmp(what, "take")) {
		put_misc_cg(cgroups[n]);
		cgroups[n] = get_current_misc_cg();
		return 0;
	}
	if (!strcmp(what, "floor"))
		return measure(two_adds, 1, false);
	if (!strcmp(what, "pair"))
		return measure(pairs, n, false);
	if (!strcmp(what, "turns"))
		return measure(pairs, 1, true);
	if (!strcmp(what, "names"))
		return register_names(n);
	if (!strcmp(what, "mkdir_rmdir"))
		return measure_mkdir();
	return -EINVAL;
}

static long result;

static int run_set(const char *val, const struct kernel_param *kp)
{
	char what[16], path[128];
	unsigned int n;

	if (sscanf(val, "read %127s", path) == 1)
		result = measure_read(path);
	else if (sscanf(val, "%15s %u", what, &n) == 2)
		result = run(what, n);
	else
		return -EINVAL;
	if (atomic_xchg(&refused, 0))
		return -EPROTO;
	return result < 0 ? result : 0;
}

static int run_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%ld.%02ld\n", result / 100, result % 100);
}

static const struct kernel_param_ops run_ops = {
	.set = run_set,
	.get = run_get,
};
module_param_cb(run, &run_ops, NULL, 0600);

static int __init bench_init(void)
{
	return register_sev();
}
module_init(bench_init);

MODULE_DESCRIPTION("Times charges to the misc cgroup controller");
MODULE_LICENSE("GPL");
