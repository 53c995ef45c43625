// SPDX-License-Identifier: GPL-2.0
/*
 * What tdx.c does when the misc controller refuses a TD, in user space: the
 * rig has no TDX host.  tdx_functions.h has __tdx_td_init() and the functions
 * that take and free a host key ID, cut out of the kernel's tdx.c as they are;
 * all that they call is stubs.  Prints TAP.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

typedef unsigned long long u64;

/* The controller: one cgroup, with a limit of one TD. */

#define MISC_CG_RES_TDX	0
#define MAX		1

struct misc_cg { long usage; };
struct misc_cg_res;
struct misc_cg_charge { bool held; };

static struct misc_cg cgroup;

/* As of stock. */

static struct misc_cg *get_current_misc_cg(void)
{
	return &cgroup;
}

static void put_misc_cg(struct misc_cg *cg)
{
}

static int misc_cg_try_charge(int type, struct misc_cg *cg, u64 amount)
{
	if (cg->usage + (long)amount > MAX)
		return -EBUSY;
	cg->usage += amount;
	return 0;
}

static void misc_cg_uncharge(int type, struct misc_cg *cg, u64 amount)
{
	if (cg)
		cg->usage -= amount;
}

/* As of the new controller. */

static int misc_cg_charge_current(struct misc_cg_charge *charge,
				  struct misc_cg_res *res, u64 amount)
{
	int ret = misc_cg_try_charge(MISC_CG_RES_TDX, &cgroup, amount);

	charge->held = !ret;
	return ret;
}

static void misc_cg_charge_release(struct misc_cg_charge *charge)
{
	if (charge->held)
		cgroup.usage--;
	charge->held = false;
}

/* Everything else works, and does nothing. */

#define __ro_after_init
#define PAGE_SIZE			4096
#define GFP_KERNEL			0
#define GFP_KERNEL_ACCOUNT		0
#define TDX_RND_NO_ENTROPY		1
#define TDX_SEAMCALL_STATUS_MASK	~0ULL
#define TDX_OPERAND_INVALID		2
#define TDX_BUG_ON(err, op, kvm)	(err)
#define TDX_BUG_ON_1(err, op, a, kvm)	(err)
#define for_each_present_cpu(i)		for (i = 0; i < 1; i++)
#define for_each_online_cpu(i)		for (i = 0; i < 1; i++)
#define cpumask_set_cpu(cpu, mask)	((void)(cpu))
#define cpumask_clear_cpu(cpu, mask)	((void)(cpu))
#define cpumask_empty(mask)		true
#define cpumask_test_and_set_cpu(cpu, mask)	false
#define topology_physical_package_id(cpu)	(cpu)
#define zalloc_cpumask_var(mask, gfp)	(*(mask) = NULL, true)
#define free_cpumask_var(mask)		((void)(mask))
#define cpus_read_lock()
#define cpus_read_unlock()
#define mutex_lock(lock)
#define mutex_unlock(lock)
#define pr_warn_ratelimited(...)
#define __pa(x)				0
#define kzalloc_objs(obj, n, gfp)	calloc(n, sizeof(obj))
#define kfree(x)			free(x)
#define alloc_page(gfp)			calloc(1, 1)
#define __free_page(page)		free(page)
#define tdh_mng_create(td, hkid)	0
#define tdh_mng_addcx(td, page)		0
#define tdh_mng_init(td, params, out)	((void)(params), *(out) = 0, 0ULL)
#define smp_call_on_cpu(cpu, fn, arg, phys)	0
#define tdx_mmu_release_hkid(kvm)
#define tdx_reclaim_td_control_pages(kvm)

typedef void *cpumask_var_t;

struct page;
struct td_params;
struct kvm { int id; };

struct kvm_tdx {
	struct kvm kvm;
	struct misc_cg *misc_cg;
	struct misc_cg_charge misc_cg_charge;
	int hkid;
	struct {
		struct page *tdr_page, **tdcs_pages;
		int tdcs_nr_pages, tdcx_nr_pages;
	} td;
};

static const struct {
	struct { int tdcs_base_size, tdvps_base_size; } td_ctrl;
} sysinfo = { { PAGE_SIZE, 2 * PAGE_SIZE } }, *tdx_sysinfo = &sysinfo;

static struct kvm_tdx *to_kvm_tdx(struct kvm *kvm)
{
	return (struct kvm_tdx *)kvm;
}

static int tdx_guest_keyid_alloc(void)
{
	return 1;
}

static void tdx_guest_keyid_free(int hkid)
{
}

#include "tdx_functions.h"

int main(void)
{
	struct kvm_tdx td[3] = {};
	u64 err;
	int i, ret, granted = 0;

	for (i = 0; i < 3; i++) {
		ret = __tdx_td_init(&td[i].kvm, NULL, &err);
		granted += !ret;
		printf("# TD %d: %d, usage %ld\n", i + 1, ret, cgroup.usage);
	}
	printf("TAP version 13\n1..1\n%sok 1 TDX: refused TD returns nothing\n",
	       granted == MAX && cgroup.usage == MAX ? "" : "not ");
	return granted != MAX;
}
