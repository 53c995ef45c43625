// SPDX-License-Identifier: GPL-2.0
/*
 * What a charge costs in user space, with the instructions that an x86 kernel has
 * for it: misc.c, which MISC_C names, ours or with -DSTOCK stock's.  With credit;
 * and with the lock, for an amount that is too much for credit, or for two cgroups
 * by turns, which never hold anything at once, so that each finds its word closed.
 * Beside that, the instructions that no such figure can be without.
 */
#include "shim.h"

#define CONFIG_CGROUP_MISC	1
#define CONFIG_KVM_AMD_SEV	1
#include MISC_C

#include <time.h>

#define CHUNKS	101
#define PAIRS	2000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(double *)a, y = *(double *)b;

	return x < y ? -1 : x > y;
}

#ifdef STOCK
#define res MISC_CG_RES_SEV
#else
static struct misc_cg_res *res;
#endif

static struct cgroup_subsys_state *make(struct cgroup_subsys_state *parent)
{
	struct cgroup_subsys_state *css = misc_cgrp_subsys.css_alloc(parent);

	css->parent = parent;
	return css;
}

/* The median of what the statements took. */
#define MEASURE(what, depth, ...) do {					\
	double took[CHUNKS];						\
	unsigned int i, j;						\
									\
	for (i = 0; i < CHUNKS; i++) {					\
		took[i] = now();					\
		for (j = 0; j < PAIRS; j++)				\
			__VA_ARGS__;					\
		took[i] = (now() - took[i]) / PAIRS;			\
	}								\
	qsort(took, CHUNKS, sizeof(took[0]), compare);			\
	printf("bench: %s %d 1 1 %.2f\n", what, depth, took[CHUNKS / 2]); \
} while (0)

static void floors(void)
{
	static u64 number;
	unsigned long flags;

	MEASURE("two_locked_adds", 0, {
		__atomic_fetch_add(&number, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_sub(&number, 1, __ATOMIC_SEQ_CST);
	});
	/* To change a number only if it will do. */
	MEASURE("two_cmpxchg", 0, {
		u64 old = 0;

		__atomic_compare_exchange_n(&number, &old, 1, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		old = 1;
		__atomic_compare_exchange_n(&number, &old, 0, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	});
	MEASURE("two_pushf_popf", 0, {
		save_flags(flags);
		restore_flags(flags);
		save_flags(flags);
		restore_flags(flags);
	});
}

static void pairs(const char *what, int depth, u64 amount, struct misc_cg *a,
		  struct misc_cg *b)
{
	struct misc_cg *cgs[] = { a, b };

	MEASURE(what, depth, {
		struct misc_cg *cg = cgs[j % 2];

		if (misc_cg_try_charge(res, cg, amount))
			abort();
		misc_cg_uncharge(res, cg, amount);
	});
}

int main(void)
{
	static const int depths[] = { 1, 2, 3, 4, 5, 8, 16 };
	struct cgroup_subsys_state *css[17];
	unsigned int i;

#ifdef STOCK
	misc_cg_set_capacity(res, U64_MAX);
#else
	res = misc_cg_res_register("bench", U64_MAX);
#endif
	css[1] = make(NULL);
	for (i = 2; i < 17; i++)
		css[i] = make(css[i - 1]);

	floors();
	/* First, as the others make peaks. */
	for (i = 1; i < sizeof(depths) / sizeof(depths[0]); i++)
		pairs("pair_by_turns", depths[i], 1, css_misc(css[depths[i]]),
		      css_misc(make(css[depths[i] - 1])));
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct misc_cg *cg = css_misc(css[depths[i]]);

		pairs("pair_locked", depths[i], 1ULL << 32, cg, cg);
		pairs("pair_own", depths[i], 1, cg, cg);
	}
}
