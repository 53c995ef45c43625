// SPDX-License-Identifier: GPL-2.0
/*
 * What a charge costs: loops that init, beside this, has run by writing their
 * names to the parameter "run", and whose results it reads back from it.  Built
 * against the API of stock, with -DSTOCK, and against ours; the other
 * controllers' counters are their own code.
 */
#include <linux/cgroup.h>
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>

/* What no module may call, and nothing here does. */
#define cgroup_taskset_first(...)	NULL
#define cgroup_taskset_next(...)	NULL
#define pr_cont_cgroup_path(...)	do { } while (0)
#include "kernfs-internal.h"
#include "page_counter.c"
#include "pids.c"

#define CHUNKS		101	/* of which the median counts */
#define PAIRS		4000	/* in each; short enough to be left alone */
#define CALLS		16	/* of what takes microseconds */
#define MOVES		10000
#define MAX_DEPTH	16
#define CAPACITY	(1ULL << 40)
#define TOO_MUCH	(1ULL << 50)

#ifdef STOCK
/* A constant in KVM, too. */
#define res	MISC_CG_RES_SEV

/* As KVM keeps them. */
struct misc_cg_charge {
	struct misc_cg *cg;
};

static int charge_current(struct misc_cg_charge *charge)
{
	int ret;

	charge->cg = get_current_misc_cg();
	ret = misc_cg_try_charge(res, charge->cg, 1);
	if (ret)
		put_misc_cg(charge->cg);
	return ret;
}

static void release(struct misc_cg_charge *charge)
{
	misc_cg_uncharge(res, charge->cg, 1);
	put_misc_cg(charge->cg);
}

static int move(struct misc_cg_charge *charge)
{
	struct misc_cg *from = charge->cg;
	int ret = charge_current(charge);

	if (ret)
		return ret;
	misc_cg_uncharge(res, from, 1);
	put_misc_cg(from);
	return 0;
}

static int set_resources(unsigned int n)
{
	return misc_cg_set_capacity(res, CAPACITY);
}
#else
static struct misc_cg_res *res;
static unsigned int nr_resources;

static int charge_current(struct misc_cg_charge *charge)
{
	return misc_cg_charge_current(charge, res, 1);
}

static void release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
}

static int move(struct misc_cg_charge *charge)
{
	struct misc_cg_charge to = {};
	int ret = misc_cg_charge_move_current(&to, charge);

	*charge = to;
	return ret;
}

/* The last one is what is charged. */
static int set_resources(unsigned int n)
{
	char name[16];

	for (; nr_resources < n; nr_resources++) {
		snprintf(name, sizeof(name), "bench%u", nr_resources);
		res = misc_cg_res_register(name, CAPACITY);
		if (IS_ERR(res))
			return PTR_ERR(res);
	}
	return 0;
}
#endif

/* Those that init has taken part in. */
static struct misc_cg *cgroups[NR_CPUS];
static struct misc_cg_charge moved[MOVES];
/* Refusals that should not be, and grants. */
static atomic_t wrong;

/* Counters of other controllers, from the root down. */
static struct page_counter pages[MAX_DEPTH];
static struct pids_cgroup *pids[MAX_DEPTH];

/* What is timed; @n is a thread's number, or a depth. */
#define TIMED(name, times, before, ...)					\
static u64 name(unsigned int n)						\
{									\
	u64 start;							\
	unsigned int i, bad = 0;					\
	before;								\
									\
	start = ktime_get_ns();						\
	for (i = 0; i < (times); i++)					\
		__VA_ARGS__;						\
	start = ktime_get_ns() - start;					\
	atomic_add(bad, &wrong);					\
	return start * 100 / (times);					\
}

static atomic64_t number;
TIMED(two_adds, PAIRS, , {
	atomic64_add(1, &number);
	atomic64_sub(1, &number);
})

TIMED(pair, PAIRS, struct misc_cg *cg = cgroups[n], {
	bad += !!misc_cg_try_charge(res, cg, 1);
	misc_cg_uncharge(res, cg, 1);
})

TIMED(object, PAIRS, struct misc_cg_charge charge = {}, {
	bad += !!charge_current(&charge);
	release(&charge);
})

/* Every charge makes a peak. */
TIMED(climb, PAIRS, struct misc_cg *cg = cgroups[n], {
	bad += !!misc_cg_try_charge(res, cg, 1);
})

TIMED(refuse, PAIRS, struct misc_cg *cg = cgroups[n], {
	bad += !misc_cg_try_charge(res, cg, 1);
})

TIMED(refuse_capacity, PAIRS, struct misc_cg *cg = cgroups[n], {
	bad += !misc_cg_try_charge(res, cg, TOO_MUCH);
})

TIMED(do_move, MOVES, , {
	bad += !!move(&moved[i]);
})

TIMED(page_counter, PAIRS,
      struct page_counter *counter = &pages[n - 1]; struct page_counter *fail, {
	bad += !page_counter_try_charge(counter, 1, &fail);
	page_counter_uncharge(counter, 1);
})

TIMED(pid, PAIRS,
      struct pids_cgroup *cg = pids[n - 1]; struct pids_cgroup *fail, {
	bad += !!pids_try_charge(cg, 1, &fail);
	pids_uncharge(cg, 1);
})

/*
 * Threads, a CPU for each, that begin every chunk together
 */
struct worker {
	u64 (*chunk)(unsigned int n);
	unsigned int n;
	bool warm;
	u64 took[CHUNKS];	/* hundredths of ns for each operation */
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

static int work(void *data)
{
	struct worker *w = data;
	unsigned int i;

	/* All at once, so that there will be no higher peak. */
	for (i = 0; w->warm && i < 4; i++) {
		meet();
		if (misc_cg_try_charge(res, cgroups[w->n], 1))
			atomic_inc(&wrong);
		meet();
		misc_cg_uncharge(res, cgroups[w->n], 1);
	}
	for (i = 0; i < CHUNKS; i++) {
		meet();
		w->took[i] = w->chunk(w->n);
	}
	complete(&w->done);
	return 0;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(u64 *)a, y = *(u64 *)b;

	return x < y ? -1 : x > y;
}

/* The median chunk; a chunk took what its threads took on average. */
static long measure(u64 (*chunk)(unsigned int n), unsigned int n,
		    unsigned int threads, bool warm)
{
	struct worker *workers;
	unsigned int i, j;
	u64 *took;

	workers = kcalloc(threads, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	nr_workers = threads;
	for (i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		w->chunk = chunk;
		w->n = n + i;
		w->warm = warm;
		init_completion(&w->done);
	}
	for (i = 0; i < threads; i++) {
		struct task_struct *task;

		task = kthread_create(work, &workers[i], "bench/%u", i);
		/* Those that are there already wait for it for ever. */
		BUG_ON(IS_ERR(task));
		kthread_bind(task, i);
		wake_up_process(task);
	}
	for (i = 0; i < threads; i++)
		wait_for_completion(&workers[i].done);

	took = workers[0].took;
	for (i = 0; i < CHUNKS; i++) {
		for (j = 1; j < threads; j++)
			took[i] += workers[j].took[i];
		took[i] = div_u64(took[i], threads);
	}
	sort(took, CHUNKS, sizeof(*took), compare, NULL);
	i = took[CHUNKS / 2];
	kfree(workers);
	return i;
}

/* In the kernel, because system calls take far longer on UML. */
static long median_of_calls(int (*call)(void *arg), void *arg)
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
	sort(took, CHUNKS, sizeof(*took), compare, NULL);
	return took[CHUNKS / 2];
}

static int read_file(void *file)
{
	static char buf[PAGE_SIZE];
	loff_t pos = 0;

	return kernel_read(file, buf, sizeof(buf), &pos);
}

static long time_read(const char *path)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	long ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = median_of_calls(read_file, file);
	fput(file);
	return ret;
}

/* What mkdir() and rmdir() have the cgroups do; they hold the directory active. */
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

static long run(const char *what, unsigned int n)
{
	u64 start;
	long ret;
	unsigned int i;

	if (!strcmp(what, "take")) {
		put_misc_cg(cgroups[n]);
		cgroups[n] = get_current_misc_cg();
		return 0;
	}
	if (!strcmp(what, "resources")) {
		start = ktime_get_ns();
		ret = set_resources(n);
		return ret ?: (ktime_get_ns() - start) * 100;
	}
	if (!strcmp(what, "floor"))
		return measure(two_adds, 0, 1, false);
	if (!strcmp(what, "pair"))
		return measure(pair, 0, n, true);
	if (!strcmp(what, "climb")) {
		ret = measure(climb, 0, 1, false);
		for (i = 0; i < CHUNKS * PAIRS; i++)
			misc_cg_uncharge(res, cgroups[0], 1);
		return ret;
	}
	if (!strcmp(what, "refuse"))
		return measure(refuse, 0, n, false);
	if (!strcmp(what, "refuse_capacity"))
		return measure(refuse_capacity, 0, n, false);
	if (!strcmp(what, "page_counter"))
		return measure(page_counter, n, 1, false);
	if (!strcmp(what, "pids"))
		return measure(pid, n, 1, false);

	/* These are in the caller's cgroup. */
	if (!strcmp(what, "object")) {
		u64 took[CHUNKS];

		for (i = 0; i < CHUNKS; i++)
			took[i] = object(0);
		sort(took, CHUNKS, sizeof(*took), compare, NULL);
		return took[CHUNKS / 2];
	}
	if (!strcmp(what, "fill")) {
		for (i = 0; i < MOVES; i++)
			if (charge_current(&moved[i]))
				return -EBUSY;
		return 0;
	}
	if (!strcmp(what, "mkdir_rmdir")) {
		struct cgroup_subsys_state *css;

		css = task_get_css(current, misc_cgrp_id);
		ret = median_of_calls(make_and_remove, css->cgroup->kn);
		css_put(css);
		return ret;
	}
	if (!strcmp(what, "move"))
		return do_move(0);
	if (!strcmp(what, "empty")) {
		for (i = 0; i < MOVES; i++)
			release(&moved[i]);
		return 0;
	}
	return -EINVAL;
}

static long result;

static int run_set(const char *val, const struct kernel_param *kp)
{
	char what[16], path[128];
	unsigned int n;

	if (sscanf(val, "read %127s", path) == 1)
		result = time_read(path);
	else if (sscanf(val, "%15s %u", what, &n) == 2)
		result = run(what, n);
	else
		return -EINVAL;
	if (atomic_xchg(&wrong, 0))
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
	struct cgroup_subsys_state *css = NULL;
	unsigned int i;

	for (i = 0; i < MAX_DEPTH; i++) {
		struct cgroup_subsys_state *parent = css;

		page_counter_init(&pages[i], i ? &pages[i - 1] : NULL, false);
		css = pids_css_alloc(parent);
		if (IS_ERR(css))
			return PTR_ERR(css);
		css->parent = parent;
		pids[i] = css_pids(css);
	}
	return 0;
}
module_init(bench_init);

MODULE_DESCRIPTION("What a charge costs");
MODULE_LICENSE("GPL");
