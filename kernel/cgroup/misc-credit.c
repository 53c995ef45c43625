// SPDX-License-Identifier: GPL-2.0
/*
 * Miscellaneous cgroup controller: credit
 *
 * A charge and its release take the lock of the resource and walk to the root.
 * In a cgroup that charges and releases again and again, a released amount
 * stays counted instead, as the *credit* of that cgroup.  The next charge to the
 * cgroup takes it with one compare-and-exchange, without the lock, whatever the
 * depth of the cgroup.  All values that users see are the same as without
 * credit:
 *
 * - misc_cg_counter.usage is what the charges in the cgroup and its descendants
 *   hold, plus the credit of the same cgroups.  Readers subtract the credit.
 * - Credit is open only while usage is within the max in its cgroup and all
 *   ancestors.  So a charge that takes credit needs no check.
 * - Usage with credit never exceeds the peak.  So a charge that takes credit
 *   raises no peak.  That is why credit comes from released amounts only:
 *   credit that was counted ahead would raise a peak that no charges reached.
 *
 * Near a max or a peak the exact usage decides.  Then credit is *closed*: it is
 * subtracted from the usage of its cgroup and all ancestors, and charges and
 * releases there take the lock.  When all credit below a cgroup is closed, the
 * usage of the cgroup is exact as long as the lock is held.
 *
 * Credit that is not closed takes one of the resource's *places*, which are so
 * few, and all so near to the root, that closing all credit takes a time that no
 * tenant can extend.  Of the releases that take the lock while the credit of
 * their cgroup is closed, every 64th tries to get a place: only cgroups that
 * release often get one.
 *
 * Credit with a place can be *frozen*: charges and releases take the lock, as if
 * it were closed, but the amount stays.  A reader freezes the credit of several
 * cgroups to read all of it at one moment, and thaws it afterwards.  The search
 * for a place freezes credit to see whether it is used: the next charge or
 * release of the cgroup thaws it.
 *
 * Opening and thawing store the credit with release, and an exchange is a full
 * barrier.  So a charge that takes credit comes after everything that was done
 * before the release that left the credit, and a reader's last read comes after
 * it has frozen the other credit and before it thaws it.
 */
#include <linux/bitmap.h>
#include <linux/build_bug.h>

#include "misc-internal.h"

#define MISC_CG_CREDIT_LEVEL	16	/* no cgroup below it has a place */

/* After this many releases that took the lock, a cgroup tries to get a place. */
VISIBLE_IF_KUNIT unsigned int misc_cg_credit_releases = 64;

/*
 * All functions below are called with the lock of the resource held.
 */

static_assert(MISC_CG_CREDIT_PLACES <= U8_MAX);

/* Return the credit from before, which is negative if it was frozen. */
static s64 misc_cg_credit_freeze(struct misc_cg_counter *counter)
{
	return atomic64_fetch_or(MISC_CG_CREDIT_FROZEN, &counter->credit);
}

static bool misc_cg_is_below(struct misc_cg *cg, struct misc_cg *top)
{
	while (cg->level > top->level)
		cg = cg->parent;
	return cg == top;
}

/* Close the credit in place @i.  The cgroup in the last place moves there. */
static void misc_cg_credit_close(struct misc_cg_res *res, unsigned int i)
{
	struct misc_cg *cg = res->places[i];
	struct misc_cg_counter *counter = misc_cg_counter(res, cg);
	u64 credit = atomic64_xchg(&counter->credit, MISC_CG_CREDIT_CLOSED) &
		     S64_MAX;

	res->places[i] = res->places[--res->nr_places];
	for (; cg; cg = cg->parent) {
		counter = misc_cg_counter(res, cg);
		counter->usage -= credit;
		counter->nr_places--;
	}
}

/* Close the credit of @top and its descendants. */
void misc_cg_credit_close_below(struct misc_cg_res *res, struct misc_cg *top)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, top);
	unsigned int i = res->nr_places;

	lockdep_assert_held(&res->lock);

	while (counter->nr_places) {
		if (misc_cg_is_below(res->places[--i], top))
			misc_cg_credit_close(res, i);
	}
}

/*
 * The topmost cgroup from @cg to below @stop where @amount would exceed a max or
 * a peak, or NULL.
 */
static struct misc_cg *
misc_cg_topmost_exceeded(struct misc_cg_res *res, struct misc_cg *cg,
			 struct misc_cg *stop, u64 amount)
{
	struct misc_cg *topmost = NULL;

	for (; cg != stop; cg = cg->parent) {
		if (misc_cg_would_exceed(misc_cg_counter(res, cg), amount))
			topmost = cg;
	}
	return topmost;
}

/*
 * Before @amount is added to @cg and its ancestors below @stop: close credit
 * until no max and no peak would be exceeded, or until the usage of the topmost
 * cgroup where one would be is exact.  Then the usage of the cgroups below it is
 * exact as well, and those above it have room.
 *
 * If the topmost cgroup changes, the next one is a descendant: what was skipped
 * for the one before is not below the next one, either.
 */
void misc_cg_credit_make_room(struct misc_cg_res *res, struct misc_cg *cg,
			      struct misc_cg *stop, u64 amount)
{
	struct misc_cg *top = misc_cg_topmost_exceeded(res, cg, stop, amount);
	unsigned int i = res->nr_places;

	lockdep_assert_held(&res->lock);

	while (top && misc_cg_counter(res, top)->nr_places) {
		if (!misc_cg_is_below(res->places[--i], top))
			continue;
		misc_cg_credit_close(res, i);
		if (!misc_cg_would_exceed(misc_cg_counter(res, top), amount))
			top = misc_cg_topmost_exceeded(res, cg, stop, amount);
	}
}

/*
 * Make sure that a place is free.  If all are in use, freeze the credit in one
 * of them, by turns, or close that credit if it has stayed frozen since its last
 * turn.  A cgroup that uses its credit thaws it in between, and keeps its place.
 */
static bool misc_cg_credit_find_place(struct misc_cg_res *res)
{
	unsigned int i;

	if (res->nr_places < MISC_CG_CREDIT_PLACES)
		return true;
	i = res->next_place++ % MISC_CG_CREDIT_PLACES;
	if (misc_cg_credit_freeze(misc_cg_counter(res, res->places[i])) >= 0)
		return false;
	misc_cg_credit_close(res, i);
	return true;
}

/*
 * For a release that took the lock.  At every 64th in @cg, open the closed
 * credit of @cg with @amount, if no max is exceeded and a place is free.
 */
bool misc_cg_credit_open(struct misc_cg_res *res, struct misc_cg *cg,
			 u64 amount)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, cg);

	lockdep_assert_held(&res->lock);

	if (likely(++counter->nr_releases < misc_cg_credit_releases))
		return false;
	counter->nr_releases = 0;
	if (cg->level > MISC_CG_CREDIT_LEVEL || amount >= S64_MAX ||
	    misc_cg_topmost_exceeded(res, cg, NULL, 0) ||
	    !misc_cg_credit_find_place(res))
		return false;

	res->places[res->nr_places++] = cg;
	atomic64_set_release(&counter->credit, amount);
	for (; cg; cg = cg->parent)
		misc_cg_counter(res, cg)->nr_places++;
	return true;
}

/*
 * The credit of @top and its descendants, all at the moment at which the last
 * one is read: the others are frozen before, and thawed afterwards.
 */
u64 misc_cg_credit_sum(struct misc_cg_res *res, struct misc_cg *top)
{
	unsigned int left = misc_cg_counter(res, top)->nr_places;
	unsigned int i = res->nr_places;
	DECLARE_BITMAP(frozen, MISC_CG_CREDIT_PLACES) = {};
	struct misc_cg_counter *counter;
	s64 credit;
	u64 sum = 0;

	lockdep_assert_held(&res->lock);

	while (left) {
		if (!misc_cg_is_below(res->places[--i], top))
			continue;
		counter = misc_cg_counter(res, res->places[i]);
		credit = --left ? misc_cg_credit_freeze(counter) :
				  atomic64_read(&counter->credit);
		sum += credit & S64_MAX;
		/* What the search for a place has frozen stays frozen. */
		if (left && credit >= 0)
			__set_bit(i, frozen);
	}
	for_each_set_bit(i, frozen, MISC_CG_CREDIT_PLACES)
		misc_cg_credit_thaw(misc_cg_counter(res, res->places[i]));
	return sum;
}
