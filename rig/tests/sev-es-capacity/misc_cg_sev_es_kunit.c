// SPDX-License-Identifier: GPL-2.0
/*
 * Tests the number of ASIDs that KVM counts as the capacity of sev_es, also
 * with the range split between SEV-ES and SEV-SNP VMs, for more ranges than the
 * scenarios have.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "svm.h"

#define SEV	BIT(KVM_X86_SEV_VM)
#define ES	BIT(KVM_X86_SEV_ES_VM)
#define SNP	BIT(KVM_X86_SNP_VM)

/* Computes the ranges as sev_hardware_setup() does. */
static unsigned int count(u32 vm_types, unsigned int min_sev_asid,
			  unsigned int ciphertext_hiding_asids)
{
	unsigned int max_snp = min_sev_asid - 1;
	unsigned int min_es = 1;

	if (ciphertext_hiding_asids) {
		max_snp = ciphertext_hiding_asids;
		min_es = max_snp + 1;
	}
	return sev_count_es_asids(vm_types, min_es, min_sev_asid - 1, 1, max_snp);
}

static const struct capacity_case {
	const char *name;
	u32 vm_types;
	unsigned int min_sev_asid;
	unsigned int ciphertext_hiding_asids;
	unsigned int capacity;
} capacity_cases[] = {
	{ "no SEV", 0, 0, 0, 0 },
	{ "SEV only", SEV, 6, 0, 0 },
	{ "no ASID for SEV-ES", SEV, 1, 0, 0 },
	{ "one ASID", SEV | ES, 2, 0, 1 },
	{ "SEV-ES without SNP", SEV | ES, 6, 0, 5 },
	{ "one range for SEV-ES and SNP", SEV | ES | SNP, 6, 0, 5 },
	{ "one range, the firmware allows only SNP", SEV | SNP, 6, 0, 5 },
	{ "split range", SEV | ES | SNP, 6, 2, 5 },
	{ "split range, one ASID for SEV-ES", SEV | ES | SNP, 6, 4, 5 },
	{ "split range, no ASID for SEV-ES", SEV | SNP, 6, 5, 5 },
	{ "split range, the firmware allows only SNP", SEV | SNP, 6, 2, 2 },
	{ "split range, the firmware allows only SEV-ES", SEV | ES, 6, 2, 3 },
	{ "Milan", SEV | ES, 100, 0, 99 },
	{ "Milan, split range", SEV | ES | SNP, 100, 50, 99 },
};

static void capacity_desc(const struct capacity_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(capacity, capacity_cases, capacity_desc);

static void capacity_of_sev_es(struct kunit *test)
{
	const struct capacity_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->capacity, count(c->vm_types, c->min_sev_asid,
						 c->ciphertext_hiding_asids));
}

/* Counts the ASIDs one by one, for all ranges that KVM may set up. */
static void each_usable_asid_counts_once(struct kunit *test)
{
	unsigned int min_sev_asid, hiding, asid, capacity;
	u32 vm_types;

	for (min_sev_asid = 2; min_sev_asid < 20; min_sev_asid++)
		for (hiding = 0; hiding < min_sev_asid; hiding++)
			for (vm_types = 0; vm_types <= (SEV | ES | SNP); vm_types++) {
				/* KVM does not offer SEV-ES without an ASID. */
				if (vm_types & ES && hiding == min_sev_asid - 1)
					continue;
				capacity = 0;
				for (asid = 1; asid < min_sev_asid; asid++)
					capacity += (vm_types & ES && asid > hiding) ||
						    (vm_types & SNP &&
						     (!hiding || asid <= hiding));
				KUNIT_ASSERT_EQ_MSG(test, capacity,
						    count(vm_types, min_sev_asid, hiding),
						    "types %#x, SEV from %u, hiding %u",
						    vm_types, min_sev_asid, hiding);
			}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(capacity_of_sev_es, capacity_gen_params),
	KUNIT_CASE(each_usable_asid_counts_once),
	{}
};

static struct kunit_suite suite = {
	.name = "misc_cg_sev_es",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("Capacity of sev_es");
MODULE_LICENSE("GPL");
