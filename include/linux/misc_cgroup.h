/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Miscellaneous cgroup controller: limits on countable host resources that no
 * other controller covers.
 *
 * A provider registers a resource and charges what it hands out of it to
 * cgroups.  See "Misc" in Documentation/admin-guide/cgroup-v2.rst for what
 * users see.
 */
#ifndef _LINUX_MISC_CGROUP_H
#define _LINUX_MISC_CGROUP_H

#include <linux/types.h>

struct misc_cg;
struct misc_cg_res;

/**
 * struct misc_cg_charge - what one owner holds of a resource
 *
 * To be embedded, zeroed, in the object that owns the resource (a VM, an open
 * file).  It remembers resource, cgroup and amount, so that a release or a
 * move cannot name wrong ones, and holds the reference to the cgroup while it
 * is charged.  Calls on one charge are to be serialized by its owner, as for
 * any other field.  A charge is on no list: an owner that leaks the resource
 * on purpose may be freed with the charge in it; the amount stays charged.
 */
struct misc_cg_charge {
	/* private: */
#ifdef CONFIG_CGROUP_MISC
	struct misc_cg_res *res;
	struct misc_cg *cg;
	u64 amount;
#endif
};

#ifdef CONFIG_CGROUP_MISC

struct misc_cg_res *misc_cg_res_register(const char *name, u64 capacity);
void misc_cg_res_unregister(struct misc_cg_res *res);
void misc_cg_res_set_capacity(struct misc_cg_res *res, u64 capacity);

int misc_cg_charge_current(struct misc_cg_charge *charge,
			   struct misc_cg_res *res, u64 amount);
int misc_cg_charge_move_current(struct misc_cg_charge *to,
				struct misc_cg_charge *from);
void misc_cg_charge_release(struct misc_cg_charge *charge);

int misc_cg_try_charge(struct misc_cg_res *res, struct misc_cg *cg, u64 amount);
void misc_cg_uncharge(struct misc_cg_res *res, struct misc_cg *cg, u64 amount);
struct misc_cg *get_current_misc_cg(void);
void put_misc_cg(struct misc_cg *cg);

#else /* !CONFIG_CGROUP_MISC: everything is granted, nothing is counted */

static inline struct misc_cg_res *misc_cg_res_register(const char *name,
						       u64 capacity)
{
	return NULL;
}

static inline void misc_cg_res_unregister(struct misc_cg_res *res)
{
}

static inline void misc_cg_res_set_capacity(struct misc_cg_res *res,
					    u64 capacity)
{
}

static inline int misc_cg_charge_current(struct misc_cg_charge *charge,
					 struct misc_cg_res *res, u64 amount)
{
	return 0;
}

static inline int misc_cg_charge_move_current(struct misc_cg_charge *to,
					      struct misc_cg_charge *from)
{
	return 0;
}

static inline void misc_cg_charge_release(struct misc_cg_charge *charge)
{
}

static inline int misc_cg_try_charge(struct misc_cg_res *res,
				     struct misc_cg *cg, u64 amount)
{
	return 0;
}

static inline void misc_cg_uncharge(struct misc_cg_res *res,
				    struct misc_cg *cg, u64 amount)
{
}

static inline struct misc_cg *get_current_misc_cg(void)
{
	return NULL;
}

static inline void put_misc_cg(struct misc_cg *cg)
{
}

#endif /* CONFIG_CGROUP_MISC */
#endif /* _LINUX_MISC_CGROUP_H */
