// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: many threads at once.
 *
 * Every thread repeats one step until the time is up, several to a CPU.  All
 * amounts and limits are multiples of K: a number that was read in two halves,
 * or between two additions that belong together, does not look like that.
 *
 * Only this suite can run while others use the controller: it forgets no names.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/prandom.h>

#include "misc_kunit.h"

#define K		(7 * ((1ULL << 32) + 1))
#define NR_HELD		4

struct thread {
	struct task_struct *task;
	struct thread *next;
	void (*step)(struct thread *th);
	u64 nr;
	struct rnd_state rnd;
	struct misc_cg_charge held[NR_HELD];
	char text[PAGE_SIZE];
};

static struct thread *threads;
static const char *wrong;		/* what a thread has found first */
static atomic_t refused[NR_CGROUPS];	/* charges and moves */
static DEFINE_MUTEX(tree);		/* what cgroup_mutex is to the core */

static void expect(bool right, const char *what)
{
	if (!right)
		cmpxchg(&wrong, NULL, what);
}

static u32 pick(struct thread *th, u32 below)
{
	return prandom_u32_state(&th->rnd) % below;
}

/* TOP, LEFT, LEAF or RIGHT. */
static int pick_cgroup(struct thread *th)
{
	return TOP + pick(th, NR_CGROUPS - TOP);
}

static int start(struct kunit *test)
{
	misc_kunit_init(test);
	threads = NULL;
	wrong = NULL;
	memset(refused, 0, sizeof(refused));
	misc_cg_res_set_capacity(RES_A, 1000 * K);
	misc_cg_res_set_capacity(RES_B, 1000 * K);
	return 0;
}

static void add_threads(unsigned int nr, void (*step)(struct thread *))
{
	struct kunit *test = misc_kunit.test;
	struct thread *th;

	while (nr--) {
		th = kunit_kzalloc(test, sizeof(*th), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, th);
		th->step = step;
		th->next = threads;
		threads = th;
	}
}

static int misc_kunit_thread(void *arg)
{
	struct thread *th = arg;

	while (!kthread_should_stop()) {
		th->step(th);
		WRITE_ONCE(th->nr, th->nr + 1);
		cond_resched();
	}
	return 0;
}

/* What is held at the end stays held. */
static void run_threads(struct kunit *test)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);
	unsigned int seed = misc_kunit_seed;
	struct thread *th;

	for (th = threads; th; th = th->next) {
		prandom_seed_state(&th->rnd, seed++);
		th->task = kthread_create(misc_kunit_thread, th, "misc_kunit");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, th->task);
		kthread_bind(th->task, cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	for (th = threads; th; th = th->next)
		wake_up_process(th->task);
	msleep(misc_kunit_ms);
	/* On a busy machine, a thread may still wait for its first step. */
	for (th = threads; th; th = th->next)
		while (!READ_ONCE(th->nr))
			msleep(20);
	for (th = threads; th; th = th->next)
		kthread_stop(th->task);
	if (wrong)
		KUNIT_FAIL(test, "%s", wrong);
}

static void release_all(struct kunit *test)
{
	struct thread *th;
	int i;

	for (th = threads; th; th = th->next)
		for (i = 0; i < NR_HELD; i++)
			misc_cg_charge_release(&th->held[i]);
	EXPECT_USAGE("0 0 0 0 0");
}

/*
 * Steps
 */

static void set_max(int cg, u64 max)
{
	char text[64];

	snprintf(text, sizeof(text), "kunit_a %llu\nkunit_b %llu", max, max);
	expect(!misc_kunit_set_max(CG(cg), text), "misc.max is not written");
}

static void count(int cg, int ret)
{
	expect(!ret || ret == -EBUSY || ret == -ENOSPC,
	       "neither charged nor refused");
	if (ret)
		atomic_inc(&refused[cg]);
}

/* Charge, move or release one of those that are held. */
static void churn(struct thread *th)
{
	struct misc_cg_charge *held = &th->held[pick(th, NR_HELD)];
	int cg = pick_cgroup(th);
	struct misc_cg_charge moved = {};

	if (!held->self) {
		count(cg, misc_cg_charge_cgroup(held, RES_A, CG(cg),
						(1 + pick(th, 3)) * K));
	} else if (pick(th, 2)) {
		misc_cg_charge_release(held);
	} else {
		count(cg, misc_kunit_move(&moved, held, CG(cg)));
		misc_cg_charge_transfer(held, &moved);
	}
}

/* Of kunit_a; 0 if the file has no such line, or says max. */
static u64 read_amount(struct thread *th, int cg, const char *file)
{
	u64 amount = 0, rest;
	char *line;

	misc_kunit_read(CG(cg), file, th->text, sizeof(th->text));
	line = strstr(th->text, "kunit_a ");
	if (line && strncmp(line, "kunit_a max\n", 12))
		expect(sscanf(line, "kunit_a %llu\n", &amount) == 1,
		       "a line with no number in it");
	div64_u64_rem(amount, K, &rest);
	expect(!rest, "a sum that never was");
	return amount;
}

/*
 * Tests
 */

static void charge_what_fits(struct thread *th)
{
	expect(!misc_cg_charge_cgroup(&th->held[0], RES_A, CG(pick_cgroup(th)),
				      K), "a charge that fits is refused");
	misc_cg_charge_release(&th->held[0]);
}

static void charge_too_much(struct thread *th)
{
	expect(misc_cg_charge_cgroup(&th->held[0], RES_A, CG(pick_cgroup(th)),
				     4 * K),
	       "a charge that does not fit is granted");
}

/* Stock adds before it checks, and refuses what it should not meanwhile. */
static void charge_that_fits_is_never_refused(struct kunit *test)
{
	misc_cg_res_set_capacity(RES_A, 4 * K);
	set_max(TOP, 3 * K);
	add_threads(3, charge_what_fits);
	add_threads(3, charge_too_much);
	run_threads(test);
	KUNIT_EXPECT_LE(test, misc_kunit_counter(RES_A, CG(TOP)).peak, 3 * K);
	release_all(test);
}

static void move_within_top(struct thread *th)
{
	struct misc_cg_charge *held = &th->held[pick(th, NR_HELD)];
	struct misc_cg_charge moved = {};

	expect(!misc_kunit_move(&moved, held, CG(LEFT + pick(th, 3))),
	       "refused to move where nothing is limited");
	misc_cg_charge_transfer(held, &moved);
}

#define ALL_MOVED	(3 * NR_HELD * K)

static void read_moved(struct thread *th)
{
	expect(read_amount(th, TOP, "current") == ALL_MOVED &&
	       read_amount(th, ROOT, "current") == ALL_MOVED,
	       "a move is seen from above");
	expect(read_amount(th, LEFT, "current") <= ALL_MOVED,
	       "more than there is");
}

static void move_is_not_seen_from_above(struct kunit *test)
{
	struct thread *th;
	int i;

	add_threads(3, move_within_top);
	for (th = threads; th; th = th->next)
		for (i = 0; i < NR_HELD; i++)
			misc_cg_charge_cgroup(&th->held[i], RES_A, CG(LEAF), K);
	add_threads(2, read_moved);
	run_threads(test);
	release_all(test);
}

/* Charge another amount before releasing the one that is held. */
static void pass_on(struct thread *th)
{
	expect(!misc_cg_charge_cgroup(&th->held[1], RES_A, CG(pick_cgroup(th)),
				      K), "refused where nothing is limited");
	misc_cg_charge_release(&th->held[0]);
	misc_cg_charge_transfer(&th->held[0], &th->held[1]);
}

#define NR_PASSING	4

static void read_passed_on(struct thread *th)
{
	u64 usage = read_amount(th, TOP, "current");

	expect(usage >= NR_PASSING * K && usage <= 2 * NR_PASSING * K,
	       "usage that there never was");
}

/* A reader that read the credit of one cgroup after the other would see less. */
static void all_credit_is_read_at_one_moment(struct kunit *test)
{
	struct thread *th;

	add_threads(NR_PASSING, pass_on);
	for (th = threads; th; th = th->next)
		KUNIT_ASSERT_EQ(test, 0, misc_cg_charge_cgroup(&th->held[0],
							       RES_A, CG(LEAF),
							       K));
	add_threads(2, read_passed_on);
	run_threads(test);
	release_all(test);
}

static void read_everything(struct thread *th)
{
	int cg = pick_cgroup(th);
	u64 peak = read_amount(th, cg, "peak");

	read_amount(th, cg, "current");
	read_amount(th, cg, "capacity");
	read_amount(th, cg, "max.effective");
	read_amount(th, cg, "max");
	expect(read_amount(th, cg, "peak") >= peak, "a peak that fell");
}

/* Once the call has returned, usage above the limit only falls. */
static void set_any_limit(struct thread *th)
{
	u64 limit = pick(th, 20) * K, usage, before = U64_MAX;
	int cg = pick(th, NR_CGROUPS), i;

	if (cg == ROOT)
		misc_cg_res_set_capacity(RES_A, limit);
	else
		set_max(cg, limit);
	for (i = 0; i < 20; i++) {
		usage = read_amount(th, cg, "current");
		expect(usage <= limit || usage <= before,
		       "a charge beyond a limit in force");
		before = usage;
		cond_resched();
	}
}

/* The other resource comes and goes, what is charged of it stays. */
static void register_other(struct thread *th)
{
	/* Rarely, as the log has what is in use. */
	if (pick(th, 5000))
		return;
	misc_cg_res_unregister(RES_B);
	expect(misc_cg_charge_cgroup(&th->held[1], RES_B, CG(LEAF), K) ==
	       -ENODEV, "charged although not registered");
	misc_cg_charge_release(&th->held[0]);
	expect(misc_cg_res_register("kunit_b", 1000 * K) == RES_B &&
	       misc_cg_charge_cgroup(&th->held[0], RES_B, CG(RIGHT), K) !=
	       -ENODEV, "not charged although registered");
}

/* A cgroup is removed while it is charged, and goes when it no longer is. */
static void mkdir_rmdir(struct thread *th)
{
	struct misc_cg *cg;

	scoped_guard(mutex, &tree)
		cg = misc_kunit_mkdir(CG(LEFT), NULL);
	if (!misc_cg_charge_cgroup(&th->held[0], RES_A, cg, K))
		count(RIGHT, misc_kunit_move(&th->held[1], &th->held[0],
					     CG(RIGHT)));
	scoped_guard(mutex, &tree)
		misc_kunit_rmdir(cg);
	expect(misc_kunit_is_released(cg) == !th->held[0].cg,
	       "a reference too many or too few");
	misc_cg_charge_release(&th->held[0]);
	misc_cg_charge_release(&th->held[1]);
	expect(misc_kunit_is_released(cg), "a reference is left");
	scoped_guard(mutex, &tree)
		misc_kunit_free(cg);
}

/* When all stand still, everything is what the threads have done. */
static void everything_at_once_adds_up(struct kunit *test)
{
	u64 usage[NR_CGROUPS] = {};
	struct misc_cg_counter c;
	struct thread *th;
	int i, j;

	add_threads(1, set_any_limit);
	add_threads(1, register_other);
	add_threads(2, mkdir_rmdir);
	add_threads(num_online_cpus() + 1, churn);
	add_threads(2, read_everything);
	run_threads(test);

	for (th = threads; th; th = th->next)
		for (i = 0; i < NR_HELD; i++)
			for (j = TOP; j < NR_CGROUPS; j++)
				if (th->held[i].res == RES_A &&
				    th->held[i].cg == CG(j))
					usage[j] += th->held[i].amount;
	usage[LEFT] += usage[LEAF];
	usage[TOP] += usage[LEFT] + usage[RIGHT];
	for (i = TOP; i < NR_CGROUPS; i++) {
		c = misc_kunit_counter(RES_A, CG(i));
		KUNIT_EXPECT_EQ(test, c.usage, usage[i]);
		KUNIT_EXPECT_GE(test, c.peak, usage[i]);
		KUNIT_EXPECT_EQ(test, c.alloc_fails, atomic_read(&refused[i]));
	}
	release_all(test);
	EXPECT_USAGE_OF(RES_B, ROOT, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(charge_that_fits_is_never_refused),
	KUNIT_CASE(move_is_not_seen_from_above),
	KUNIT_CASE(all_credit_is_read_at_one_moment),
	KUNIT_CASE(everything_at_once_adds_up),
	{}
};

MISC_KUNIT_SUITE("misc_cg_threads", start, misc_kunit_return_all, cases);
