/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Miscellaneous cgroup controller: limits on countable host resources that no
 * other controller covers.
 *
 * Copyright 2020 Google LLC
 * Author: Vipin Sharma <vipinsh@google.com>
 *
 * A provider registers a resource and charges to a cgroup each amount that it
 * hands out.
 */
#ifndef _MISC_CGROUP_H_
#define _MISC_CGROUP_H_

#include <linux/types.h>

struct misc_cg;
struct misc_cg_res;

/**
 * struct misc_cg_charge - an amount of a resource that one owner holds
 *
 * To be embedded, zeroed, in the object that holds the amount (a VM, an open
 * file).  It remembers resource, cgroup and amount, so that release and move
 * take no arguments that could be wrong, and holds a reference to the cgroup.
 * A charge is empty if it is zeroed, released, or the source of a completed
 * transfer or move.  The owner must serialize calls on the same charge.
 *
 * A charge is valid only at the address where it was charged, or to which it
 * was transferred or moved.  Never assign it, and never move the memory that
 * contains it (krealloc()): a call with a copy at another address warns and
 * does nothing.  An old copy that is written back to the same address is not
 * noticed, and would be released a second time.
 *
 * The controller keeps no pointer to the charge.  If the amount can never be
 * handed out again (a device does not take an ID back), the owner may be freed
 * without a release: the amount then stays charged, and the cgroup is never
 * freed.
 */
struct misc_cg_charge {
	/* private: */
#ifdef CONFIG_CGROUP_MISC
	struct misc_cg_charge *self;	/* its address, NULL if it is empty */
	struct misc_cg_res *res;
	struct misc_cg *cg;
	u64 amount;			/* in units of the resource */
#endif
};

#ifdef CONFIG_CGROUP_MISC

struct misc_cg_res *misc_cg_res_register(const char *name, u64 capacity);
void misc_cg_res_unregister(struct misc_cg_res *res);
void misc_cg_res_set_capacity(struct misc_cg_res *res, u64 capacity);

int misc_cg_charge_current(struct misc_cg_charge *charge,
			   struct misc_cg_res *res, u64 amount);
int misc_cg_charge_cgroup(struct misc_cg_charge *charge,
			  struct misc_cg_res *res, struct misc_cg *cg,
			  u64 amount);
void misc_cg_charge_release(struct misc_cg_charge *charge);
void misc_cg_charge_transfer(struct misc_cg_charge *to,
			     struct misc_cg_charge *from);
int misc_cg_charge_move_current(struct misc_cg_charge *to,
				struct misc_cg_charge *from);

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

static inline int misc_cg_charge_cgroup(struct misc_cg_charge *charge,
					struct misc_cg_res *res,
					struct misc_cg *cg, u64 amount)
{
	return 0;
}

static inline void misc_cg_charge_release(struct misc_cg_charge *charge)
{
}

static inline void misc_cg_charge_transfer(struct misc_cg_charge *to,
					   struct misc_cg_charge *from)
{
}

static inline int misc_cg_charge_move_current(struct misc_cg_charge *to,
					      struct misc_cg_charge *from)
{
	return 0;
}

static inline struct misc_cg *get_current_misc_cg(void)
{
	return NULL;
}

static inline void put_misc_cg(struct misc_cg *cg)
{
}

#endif /* CONFIG_CGROUP_MISC */
#endif /* _MISC_CGROUP_H_ */
