// SPDX-License-Identifier: GPL-2.0
/*
 * What a charge costs that takes the lock, in user space, with an x86 kernel's
 * instructions: misc.c, which MISC_C names, ours or with -DSTOCK stock's, and
 * an amount that is too much for credit.
 */
#include "shim.h"

#define CONFIG_CGROUP_MISC	1
#define CONFIG_KVM_AMD_SEV	1
#include MISC_C

#include <time.h>

#define CHUNKS	101
#define PAIRS	2000
#define AMOUNT	(1ULL << 32)

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

int main(void)
{
	static const int depths[] = { 1, 2, 3, 4, 5, 8, 16 };
	struct cgroup_subsys_state *css = NULL, *parent;
	int depth = 0;
	unsigned int i, j, k;

	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		double took[CHUNKS];
		struct misc_cg *cg;

		for (; depth < depths[i]; depth++) {
			parent = css;
			css = misc_cgrp_subsys.css_alloc(parent);
			css->parent = parent;
		}
		cg = css_misc(css);
#ifdef STOCK
#define res MISC_CG_RES_SEV
		misc_cg_set_capacity(res, U64_MAX);
#else
		static struct misc_cg_res *res;

		if (!res)
			res = misc_cg_res_register("bench", U64_MAX);
#endif
		for (j = 0; j < CHUNKS; j++) {
			took[j] = now();
			for (k = 0; k < PAIRS; k++) {
				if (misc_cg_try_charge(res, cg, AMOUNT))
					abort();
				misc_cg_uncharge(res, cg, AMOUNT);
			}
			took[j] = (now() - took[j]) / PAIRS;
		}
		qsort(took, CHUNKS, sizeof(took[0]), compare);
		printf("bench: pair_locked %d 1 1 %.2f\n", depth,
		       took[CHUNKS / 2]);
	}
}
