/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KUnit tests of the misc controller: what all of them use.
 *
 * Every test starts with two resources, "kunit_a" and "kunit_b", each with a
 * capacity of 100, and with these cgroups:
 *
 *	ROOT
 *	  TOP
 *	    LEFT
 *	      LEAF
 *	    RIGHT
 *
 * Numbers of all five are written in this order: "30 30 10 10 20".
 *
 * The cgroups are made by the css_alloc() of the controller and get what the
 * cgroup core would give them, but nobody else sees them: their directories and
 * files are in a kernfs tree that is not mounted.  After each test its charges
 * are released and its cgroups removed, and no reference may be left.
 *
 * tools/testing/selftests/cgroup/test_misc.c tests the same rules through real
 * files.  They are tested here as well because these tests
 *  - need no user space and take seconds, so that each of many small mistakes
 *    made in misc.c on purpose can be tried against them, one by one;
 *  - reach all of misc.c on any machine that runs UML;
 *  - produce moments that user space cannot: an allocation that fails, a name
 *    that arrives while a cgroup is half made, two threads in one step.
 */
#ifndef _MISC_KUNIT_H
#define _MISC_KUNIT_H

#include <kunit/test.h>
#include <linux/list.h>
#include <linux/misc_cgroup.h>

#include "../misc-internal.h"

/* MORE is an extra cgroup that a test may create. */
enum { ROOT, TOP, LEFT, LEAF, RIGHT, NR_CGROUPS, MORE = NR_CGROUPS };

struct misc_kunit {
	struct kunit *test;
	struct misc_cg *cg[NR_CGROUPS + 1];
	struct misc_cg_res *a, *b;
	struct misc_cg_charge charge[8];	/* for the test to use */
	unsigned int nr_names;			/* before the test made any */
	unsigned int nr_made;			/* cgroups */
	struct kernfs_root *files;
	struct list_head cgroups;		/* parents before children */
	u64 log_seq;				/* the end of the log at the start */
	unsigned int releases;			/* misc_cg_credit_releases before */
	char line[1200];
	char text[PAGE_SIZE];
};

extern struct misc_kunit misc_kunit;

#define CG(i)		(misc_kunit.cg[i])
#define RES_A		(misc_kunit.a)
#define RES_B		(misc_kunit.b)

/* The parameters of the module. */
extern unsigned int misc_kunit_seed, misc_kunit_steps, misc_kunit_ms;

int misc_kunit_init(struct kunit *test);
void misc_kunit_exit(struct kunit *test);
void misc_kunit_return_all(struct kunit *test);

/*
 * Cgroups and names
 */
struct misc_cg *misc_kunit_mkdir(struct misc_cg *parent, const char *name);
struct cgroup_subsys_state *misc_kunit_css_alloc(struct misc_cg *parent);
struct misc_cg *misc_kunit_online(struct cgroup_subsys_state *css,
				  const char *name);
void misc_kunit_rmdir(struct misc_cg *cg);
bool misc_kunit_is_released(struct misc_cg *cg);
void misc_kunit_free(struct misc_cg *cg);

struct misc_cg_res *misc_kunit_register(const char *name, u64 capacity);
void misc_kunit_forget_names(unsigned int keep);

/* @n references besides the one that keeps a cgroup until its removal. */
#define EXPECT_REFS(cg, n) \
	KUNIT_EXPECT_EQ(test, 1 + (n), misc_kunit_refs(CG(cg)))

static inline long misc_kunit_refs(struct misc_cg *cg)
{
	return atomic_long_read(&cg->css.refcnt.data->count);
}

/*
 * Numbers
 */
#define NEW_COUNTER(the_max) ((struct misc_cg_counter) {		\
	.max = the_max,							\
	.credit = ATOMIC64_INIT(MISC_CG_CREDIT_CLOSED),			\
})

/* What users see: without credit. */
struct misc_cg_counter misc_kunit_counter(struct misc_cg_res *res,
					  struct misc_cg *cg);
const char *misc_kunit_numbers(size_t offset);

#define EXPECT_USAGE_OF(res, cg, amount) \
	KUNIT_EXPECT_EQ(test, amount, misc_kunit_counter(res, CG(cg)).usage)
/* The numbers of kunit_a in all five cgroups. */
#define EXPECT_NUMBERS(member, s)					\
	KUNIT_EXPECT_STREQ(test, s, misc_kunit_numbers(			\
		offsetof(struct misc_cg_counter, member)))
#define EXPECT_USAGE(s)		EXPECT_NUMBERS(usage, s)
#define EXPECT_PEAK(s)		EXPECT_NUMBERS(peak, s)
#define EXPECT_MAX_EVENTS(s)	EXPECT_NUMBERS(max_events, s)
#define EXPECT_LOCAL_EVENTS(s)	EXPECT_NUMBERS(max_events_local, s)
#define EXPECT_ALLOC_FAILS(s)	EXPECT_NUMBERS(alloc_fails, s)

/*
 * Charges, by their number
 */
int misc_kunit_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		    struct misc_cg *cg);

#define HOLDER(i)	(&misc_kunit.charge[i])
#define CHARGE(i, res, cg, amount) \
	misc_cg_charge_cgroup(HOLDER(i), res, CG(cg), amount)
#define CHARGE_CURRENT(i, res, amount) \
	misc_cg_charge_current(HOLDER(i), res, amount)
#define MOVE(to, from, cg)	misc_kunit_move(HOLDER(to), HOLDER(from), CG(cg))
#define MOVE_CURRENT(to, from) \
	misc_cg_charge_move_current(HOLDER(to), HOLDER(from))
#define TRANSFER(to, from)	misc_cg_charge_transfer(HOLDER(to), HOLDER(from))
#define RELEASE(i)		misc_cg_charge_release(HOLDER(i))

#define EXPECT_EMPTY(i)	KUNIT_EXPECT_FALSE(test, misc_kunit_holds(HOLDER(i)))
#define REFUSED_OF(res, error, i, cg, amount) \
	KUNIT_EXPECT_EQ(test, error, CHARGE(i, res, cg, amount))
#define GRANTED_OF(res, i, cg, amount)	REFUSED_OF(res, 0, i, cg, amount)
/* Charges of kunit_a. */
#define REFUSED(error, i, cg, amount)	REFUSED_OF(RES_A, error, i, cg, amount)
#define GRANTED(i, cg, amount)		REFUSED(0, i, cg, amount)
#define MOVE_REFUSED(error, to, from, cg) \
	KUNIT_EXPECT_EQ(test, error, MOVE(to, from, cg))
#define MOVED(to, from, cg)		MOVE_REFUSED(0, to, from, cg)
#define RELEASED(i)	KUNIT_EXPECT_FALSE(test, misc_kunit_release(HOLDER(i)))

static inline bool misc_kunit_holds(const struct misc_cg_charge *charge)
{
	return memchr_inv(charge, 0, sizeof(*charge));
}

static inline bool misc_kunit_release(struct misc_cg_charge *charge)
{
	misc_cg_charge_release(charge);
	return misc_kunit_holds(charge);
}

/*
 * Files
 */
const char *misc_kunit_read(struct misc_cg *cg, const char *name, char *buf,
			    size_t size);
int misc_kunit_write(struct misc_cg *cg, const char *bytes, size_t len);

/* The content of a file without the lines of this kernel's real providers. */
const char *misc_kunit_show(struct misc_cg *cg, const char *name);

#define EXPECT_FILE(cg, name, content) \
	KUNIT_EXPECT_STREQ(test, content, misc_kunit_show(CG(cg), name))
#define SET_MAX(cg, s) \
	KUNIT_EXPECT_EQ(test, 0, misc_kunit_set_max(CG(cg), s))

static inline int misc_kunit_set_max(struct misc_cg *cg, const char *text)
{
	return misc_kunit_write(cg, text, strlen(text));
}

/*
 * The log
 */
void misc_kunit_log_start(void);
unsigned int misc_kunit_logged(const char *text);
void misc_kunit_clear_warn_once(void);

/* @text was logged @n times since misc_kunit_log_start(). */
#define EXPECT_LOGGED(n, text) \
	KUNIT_EXPECT_EQ(test, n, misc_kunit_logged(text))

/* Announces the warning in the log: any other warning there is a failure. */
#define EXPECT_WARNING(text, what) do {					\
	misc_kunit_clear_warn_once();					\
	kunit_info(test, "expect WARNING: kernel/cgroup/misc.c\n");	\
	misc_kunit_log_start();						\
	what;								\
	EXPECT_LOGGED(1, text);						\
} while (0)

/*
 * Suites
 */
#define MISC_KUNIT_SUITE(suite_name, init_fn, exit_fn, cases)		\
	static struct kunit_suite suite = {				\
		.name = suite_name,					\
		.init = init_fn,					\
		.exit = exit_fn,					\
		.test_cases = cases,					\
	};								\
	kunit_test_suite(suite)

#endif /* _MISC_KUNIT_H */
