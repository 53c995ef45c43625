// SPDX-License-Identifier: GPL-2.0
/*
 * Times a charge and its release in user space, with the instructions of an x86
 * kernel.  MISC_C is the path of misc.c, ours or, with -DSTOCK, stock's.
 * Prints "bench: CASE DEPTH THREADS NAMES NUMBER".  The number is in ns, for
 * bytes_per_css in bytes.
 *
 * A charge is made as in KVM, with a reference to the cgroup of the current
 * task.  Two threads run on CPUs 0 and 1.  Their times depend on the time of a
 * cache line from one CPU to the other, "line_transfer": compare results with
 * two threads only if it is the same.
 */
#define _GNU_SOURCE
#include "shim.h"

#define CONFIG_CGROUP_MISC	1
#define CONFIG_KVM_AMD_SEV	1
#include MISC_C

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS		401
#define ENOUGH		20	/* undisturbed chunks */
#define PAIRS		2000	/* in each chunk */
#define MAX_DEPTH	16
#define CSS_COUNT	1000

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(double *)a, y = *(double *)b;

	return x < y ? -1 : x > y;
}

/* The lower quartile, because other processes disturb slow chunks. */
static double quartile(double *took, int n)
{
	qsort(took, n, sizeof(*took), compare);
	return took[n / 4];
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		abort();
}

static struct cgroup_subsys_state *make(struct cgroup_subsys_state *parent)
{
	struct cgroup_subsys_state *css = misc_cgrp_subsys.css_alloc(parent);

	css_init(css, parent);
	return css;
}

/* As in a kernel, exported functions are calls, and all else is inlined. */
#define exported	noinline __attribute__((flatten))

#ifdef STOCK
#define res		MISC_CG_RES_SEV

struct misc_cg_charge { struct misc_cg *cg; };

static exported int charge_current(struct misc_cg_charge *charge)
{
	int ret;

	charge->cg = get_current_misc_cg();
	ret = misc_cg_try_charge(res, charge->cg, 1);
	if (ret)
		put_misc_cg(charge->cg);
	return ret;
}

static exported void release(struct misc_cg_charge *charge)
{
	misc_cg_uncharge(res, charge->cg, 1);
	put_misc_cg(charge->cg);
}

static void register_sev(void)
{
	misc_cg_set_capacity(res, U64_MAX);
}

/* Stock always has two names, whatever the table of results shows. */
static void register_more(void)
{
}
#else
static struct misc_cg_res *res;

static exported int charge_current(struct misc_cg_charge *charge)
{
	return misc_cg_charge_current(charge, res, 1);
}

static exported void release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
}

static void register_sev(void)
{
	res = misc_cg_res_register("sev", U64_MAX);
}

static void register_more(void)
{
	misc_cg_res_register("four", 1);
	misc_cg_res_register("five", 1);
	misc_cg_res_register("six", 1);
	misc_cg_res_register("seven", 1);
	misc_cg_res_register("eight", 1);
}
#endif

static int names = 3;

static void say(const char *what, int depth, int threads, double number)
{
	printf("bench: %s %d %d %d %.2f\n", what, depth, threads, names, number);
}

/*
 * One or two threads, which start every chunk together
 */

struct worker {
	pthread_t thread;
	int cpu;
	struct cgroup_subsys_state *by_turns[2];
	double start[CHUNKS];
	double took[CHUNKS];	/* 0 if another process had the CPU */
};

static int nr_workers, arrived, generation;

static void meet(void)
{
	int g = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == nr_workers) {
		__atomic_store_n(&arrived, 0, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&generation, 1, __ATOMIC_SEQ_CST);
	} else {
		while (__atomic_load_n(&generation, __ATOMIC_SEQ_CST) == g)
			cpu_relax();
	}
}

static void pairs(struct worker *w)
{
	struct misc_cg_charge charge = {};
	int i;

	for (i = 0; i < PAIRS; i++) {
		set_current_css(w->by_turns[i % 2]);
		if (charge_current(&charge))
			abort();
		release(&charge);
	}
}

static void *work(void *data)
{
	struct worker *w = data;
	int i;

	on_cpu(w->cpu);
	for (i = 0; i < CHUNKS; i++) {
		double cpu, wall;

		meet();
		cpu = now(CLOCK_THREAD_CPUTIME_ID);
		w->start[i] = now(CLOCK_MONOTONIC);
		pairs(w);
		wall = now(CLOCK_MONOTONIC) - w->start[i];
		cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
		w->took[i] = cpu < wall * 0.97 ? 0 : wall;
	}
	return NULL;
}

/* Whether all threads ran the chunk undisturbed and at the same time. */
static bool counts(struct worker *w, int chunk, int threads)
{
	double late = w[0].start[chunk] - w[1].start[chunk];

	if (!w[0].took[chunk] || threads == 1)
		return w[0].took[chunk];
	return w[1].took[chunk] && late < w[1].took[chunk] * 0.1 &&
	       -late < w[0].took[chunk] * 0.1;
}

static void measure(const char *what, int depth, int threads,
		    struct cgroup_subsys_state *a,
		    struct cgroup_subsys_state *b)
{
	static struct worker w[2];
	double took[CHUNKS];
	int i, n = 0;

	w[0] = (struct worker){ .cpu = 0, .by_turns = { a, threads == 1 ? b : a } };
	w[1] = (struct worker){ .cpu = 1, .by_turns = { b, b } };
	nr_workers = threads;
	if (threads == 2 && pthread_create(&w[1].thread, NULL, work, &w[1]))
		abort();
	work(&w[0]);
	if (threads == 2)
		pthread_join(w[1].thread, NULL);

	for (i = 0; i < CHUNKS; i++)
		if (counts(w, i, threads))
			took[n++] = (w[0].took[i] + w[1].took[i]) / threads / PAIRS;
	if (n >= ENOUGH)
		say(what, depth, threads, quartile(took, n));
}

/* Times the transfer of a cache line from one CPU to the other. */
static int ping __attribute__((aligned(64)));

static void *pong(void *unused)
{
	int i;

	on_cpu(1);
	for (i = 1; i < 2 * CHUNKS * PAIRS; i += 2) {
		while (__atomic_load_n(&ping, __ATOMIC_ACQUIRE) != i)
			cpu_relax();
		__atomic_store_n(&ping, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void transfer(void)
{
	double took[CHUNKS];
	pthread_t thread;
	int i, j, n = 0;

	if (pthread_create(&thread, NULL, pong, NULL))
		abort();
	for (i = 0; i < CHUNKS; i++) {
		took[i] = now(CLOCK_MONOTONIC);
		for (j = 0; j < PAIRS; j++, n += 2) {
			__atomic_store_n(&ping, n + 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&ping, __ATOMIC_ACQUIRE) != n + 2)
				cpu_relax();
		}
		took[i] = (now(CLOCK_MONOTONIC) - took[i]) / (2 * PAIRS);
	}
	pthread_join(thread, NULL);
	say("line_transfer", 0, 2, quartile(took, CHUNKS));
}

/* Measures time and memory that a cgroup takes in the controller. */
static void create(struct cgroup_subsys_state *parent)
{
	static struct cgroup_subsys_state *css[CSS_COUNT];
	double took[11];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(took); i++) {
		allocated = 0;
		took[i] = now(CLOCK_MONOTONIC);
		for (j = 0; j < CSS_COUNT; j++)
			css[j] = make(parent);
		for (j = 0; j < CSS_COUNT; j++)
			misc_cgrp_subsys.css_free(css[j]);
		took[i] = (now(CLOCK_MONOTONIC) - took[i]) / CSS_COUNT;
	}
	say("css_alloc_free", 0, 1, quartile(took, ARRAY_SIZE(took)));
	say("bytes_per_css", 0, 1, (double)allocated / CSS_COUNT);
}

int main(void)
{
	static const int depths[] = { 1, 2, 5, 16 };
	bool two = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct cgroup_subsys_state *css[MAX_DEPTH + 1], *sibling;
	int i;

	on_cpu(0);
	css[1] = make(NULL);
	for (i = 2; i <= MAX_DEPTH; i++)
		css[i] = make(css[i - 1]);
	register_sev();

	if (two)
		transfer();
	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		int depth = depths[i];

		measure("pair", depth, 1, css[depth], css[depth]);
		if (two)
			measure("pair_same", depth, 2, css[depth], css[depth]);
		if (depth == 1)
			continue;
		sibling = make(css[depth - 1]);
		measure("pair_by_turns", depth, 1, css[depth], sibling);
		if (two)
			measure("pair_siblings", depth, 2, css[depth], sibling);
	}
	create(css[3]);
	names = 8;
	register_more();
	create(css[3]);
}
