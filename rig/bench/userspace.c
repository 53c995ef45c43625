// SPDX-License-Identifier: GPL-2.0
/*
 * Times a charge and its release in user space, with the instructions of an x86
 * kernel.  MISC_C is the path of misc.c, ours or, with -DSTOCK, stock's;
 * MISC_CREDIT_C that of misc-credit.c, if there is one.  Prints "bench: CASE DEPTH
 * THREADS NAMES NUMBER".  The number is in ns, for bytes_per_css in bytes.
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
#ifdef MISC_CREDIT_C
#include MISC_CREDIT_C
#endif

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS		101
#define ENOUGH		20	/* undisturbed chunks */
#define PAIRS		500	/* in each chunk */
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
#define sev		MISC_CG_RES_SEV

struct misc_cg_charge { struct misc_cg *cg; };

static exported int charge_current(struct misc_cg_charge *charge)
{
	int ret;

	charge->cg = get_current_misc_cg();
	ret = misc_cg_try_charge(sev, charge->cg, 1);
	if (ret)
		put_misc_cg(charge->cg);
	return ret;
}

static exported void release(struct misc_cg_charge *charge)
{
	misc_cg_uncharge(sev, charge->cg, 1);
	put_misc_cg(charge->cg);
}

static void register_sev(void)
{
	misc_cg_set_capacity(sev, U64_MAX);
}

static u64 usage(struct misc_cg *cg)
{
	return atomic64_read(&cg->res[sev].usage);
}

static void set_max(struct misc_cg *cg, u64 max)
{
	WRITE_ONCE(cg->res[sev].max, max);
}

/* Stock always has two names, whatever the table of results shows. */
static void register_more(void)
{
}
#else
static struct misc_cg_res *sev;

static exported int charge_current(struct misc_cg_charge *charge)
{
	return misc_cg_charge_current(charge, sev, 1);
}

static exported void release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
}

static void register_sev(void)
{
	sev = misc_cg_res_register("sev", U64_MAX);
}

static u64 usage(struct misc_cg *cg)
{
	guard(spinlock)(&sev->lock);
	return misc_cg_read(sev, cg, MISC_CG_CURRENT);
}

static void set_max(struct misc_cg *cg, u64 max)
{
	guard(spinlock)(&sev->lock);
	misc_cg_counter(sev, cg)->max = max;
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
	struct cgroup_subsys_state **css;	/* charged by turns ... */
	unsigned int nr_css;
	struct misc_cg_charge *held;		/* ... or at random: of each */
	unsigned int random;
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

static void pairs_by_turns(struct worker *w)
{
	struct misc_cg_charge charge = {};
	unsigned int i, next = 0;

	for (i = 0; i < PAIRS; i++) {
		set_current_css(w->css[next]);
		if (++next == w->nr_css)
			next = 0;
		if (charge_current(&charge))
			abort();
		release(&charge);
	}
}

/* Charge a cgroup if this thread has no charge there, else release that. */
static void pairs_at_random(struct worker *w)
{
	unsigned int i, next;

	for (i = 0; i < 2 * PAIRS; i++) {
		w->random = w->random * 1664525 + 1013904223;
		next = ((u64)w->random * w->nr_css) >> 32;
		if (w->held[next].cg) {
			release(&w->held[next]);
			w->held[next].cg = NULL;
			continue;
		}
		set_current_css(w->css[next]);
		if (charge_current(&w->held[next]))
			abort();
	}
}

static void pairs(struct worker *w)
{
	if (w->held)
		pairs_at_random(w);
	else
		pairs_by_turns(w);
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
		    struct worker *w)
{
	double took[CHUNKS];
	int i, n = 0;

	w[0].cpu = 0;
	w[1].cpu = 1;
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

static void measure_pairs(const char *what, int depth, int threads,
			  struct cgroup_subsys_state *a,
			  struct cgroup_subsys_state *b)
{
	static struct worker w[2];
	struct cgroup_subsys_state *css[] = { a, b };

	w[0] = (struct worker){ .css = css, .nr_css = threads == 1 ? 2 : 1 };
	w[1] = (struct worker){ .css = css + 1, .nr_css = 1 };
	measure(what, depth, threads, w);
}

static void measure_random(unsigned int nr, int threads,
			   struct cgroup_subsys_state *parent)
{
	static struct cgroup_subsys_state *css[1000];
	static struct worker w[2];
	char what[32];
	unsigned int i, j;

	for (i = 0; i < nr; i++)
		css[i] = make(parent);
	for (i = 0; i < threads; i++) {
		w[i] = (struct worker){
			.css = css, .nr_css = nr, .random = i,
			.held = calloc(nr, sizeof(*w->held)),
		};
		for (j = 0; j < 20; j++)
			pairs(&w[i]);
	}
	snprintf(what, sizeof(what), "pair_random_%u", nr);
	measure(what, 5, threads, w);
	for (i = 0; i < threads; i++) {
		for (j = 0; j < nr; j++)
			if (w[i].held[j].cg)
				release(&w[i].held[j]);
		free(w[i].held);
	}
}

/* A neighbour reads the usage of the root cgroup, each time after a system call. */
static struct cgroup_subsys_state *root;
static bool polling;

static void *poll_root(void *unused)
{
	on_cpu(1);
	while (__atomic_load_n(&polling, __ATOMIC_RELAXED)) {
		syscall(SYS_getppid);
		usage(css_misc(root));
	}
	return NULL;
}

static void measure_polled(struct cgroup_subsys_state *css)
{
	pthread_t thread;

	__atomic_store_n(&polling, true, __ATOMIC_RELAXED);
	if (pthread_create(&thread, NULL, poll_root, NULL))
		abort();
	measure_pairs("pair_polled", 5, 1, css, css);
	__atomic_store_n(&polling, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

#ifdef MISC_CREDIT_C
/*
 * Times the one charge that closes the credit of a tenant's 64 cgroups at
 * @depth; with @cold, nothing of them is in a cache.  None of them has credit
 * at depth 5000.
 */
static void close_all(int depth, bool cold)
{
	struct cgroup_subsys_state *css[MISC_CG_CREDIT_PLACES], *parent;
	struct misc_cg_charge charge[MISC_CG_CREDIT_PLACES] = {}, one = {};
	struct misc_cg *cg;
	double took[51];
	char what[32];
	int i, j, n;

	for (parent = make(root), i = 3; i < depth; i++)
		parent = make(parent);
	for (j = 0; j < ARRAY_SIZE(css); j++)
		css[j] = make(parent);
	for (i = 0; i < ARRAY_SIZE(took); i++) {
		for (n = 0; n < 64; n++) {
			for (j = 0; j < ARRAY_SIZE(css); j++) {
				set_current_css(css[j]);
				if (charge_current(&charge[j]))
					abort();
			}
			for (j = 0; j < ARRAY_SIZE(css); j++)
				release(&charge[j]);
		}
		if (sev->nr_places != (depth > 16 ? 0 : 64))
			abort();
		for (j = 0; cold && j < ARRAY_SIZE(css); j++) {
			cg = css_misc(css[j]);
			__builtin_ia32_clflush(misc_cg_counter(sev, cg));
			__builtin_ia32_clflush(&cg->parent);
			__builtin_ia32_clflush(&cg->batches);
		}
		__builtin_ia32_mfence();
		took[i] = now(CLOCK_MONOTONIC);
		if (misc_cg_charge_cgroup(&one, sev, css_misc(root),
					  misc_cg_counter(sev, css_misc(root))->peak))
			abort();
		took[i] = now(CLOCK_MONOTONIC) - took[i];
		if (sev->nr_places)
			abort();
		misc_cg_charge_release(&one);
	}
	snprintf(what, sizeof(what), "close_all_%s", cold ? "cold" : "hot");
	say(what, depth, 1, quartile(took, ARRAY_SIZE(took)));
}
#endif

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
	static const unsigned int randoms[] = { 8, 64, 200, 1000 };
	bool two = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct cgroup_subsys_state *css[MAX_DEPTH + 1], *sibling;
	int i;

	on_cpu(0);
	root = css[1] = make(NULL);
	for (i = 2; i <= MAX_DEPTH; i++)
		css[i] = make(css[i - 1]);
	register_sev();

	if (two)
		transfer();
	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		int depth = depths[i];

		measure_pairs("pair", depth, 1, css[depth], css[depth]);
		if (two)
			measure_pairs("pair_same", depth, 2, css[depth],
				      css[depth]);
		if (depth == 1)
			continue;
		sibling = make(css[depth - 1]);
		measure_pairs("pair_by_turns", depth, 1, css[depth], sibling);
		if (two)
			measure_pairs("pair_siblings", depth, 2, css[depth],
				      sibling);
	}
	for (i = 0; i < ARRAY_SIZE(randoms); i++) {
		measure_random(randoms[i], 1, make(css[3]));
		if (two)
			measure_random(randoms[i], 2, make(css[3]));
	}
	/* What one leaves has to be taken back for the other. */
	sibling = make(css[3]);
	set_max(css_misc(sibling), 1);
	measure_pairs("pair_near_limit", 5, 1, make(sibling), make(sibling));
	if (two)
		measure_polled(css[5]);
#ifdef MISC_CREDIT_C
	for (i = 0; i < 3; i++) {
		close_all(((int[]){ 5, 16, 5000 })[i], false);
		close_all(((int[]){ 5, 16, 5000 })[i], true);
	}
#endif
	create(css[3]);
	names = 8;
	register_more();
	create(css[3]);
}
