// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: many threads at once, included by
 * misc_kunit.c.
 *
 * Every thread repeats one step until the time is up, several to a CPU.  All
 * amounts and limits are multiples of K: a number that was read in two halves,
 * or between two additions that belong together, does not look like that.  A
 * large K has upper and lower half equal.
 *
 * Only this suite may run while others use the controller.
 */

static u64 k_unit;

#define K		k_unit
#define K_HELD		4
#define K_READERS	2

static unsigned int k_ms = 300;
module_param_named(kunit_ms, k_ms, uint, 0644);

static const u64 k_units[] = { 7 * ((1ULL << 32) + 1), 7 };

static void k_unit_desc(const u64 *unit, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "multiples of %llu", *unit);
}

KUNIT_ARRAY_PARAM(k_units, k_units, k_unit_desc);

struct k_thread;

struct k_run {
	struct kunit *test;
	struct mutex tree;		/* what cgroup_mutex is to the core */
	const char *wrong;		/* what a thread found first */
	struct k_thread *threads;
	unsigned int nr_threads;
	struct misc_cg *cgs[4];		/* leaf, left, right, top */
	atomic64_t refused[4];		/* charges and moves of each of them */
};

struct k_thread {
	struct k_run *run;
	struct k_thread *next;
	struct task_struct *task;
	void (*step)(struct k_thread *th);
	u64 nr;
	struct rnd_state rnd;
	struct misc_cg *cg;		/* where it charges, if in one place */
	struct misc_cg_charge held[K_HELD];
	char text[PAGE_SIZE];
};

static void k_wrong(struct k_thread *th, const char *what)
{
	cmpxchg(&th->run->wrong, NULL, what);
}

static int k_loop(void *arg)
{
	struct k_thread *th = arg;

	while (!kthread_should_stop()) {
		th->step(th);
		th->nr++;
		cond_resched();
	}
	return 0;
}

static struct k_run *k_prepare(struct kunit *test)
{
	struct k_run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, run);
	k_unit = *(const u64 *)test->param_value;
	run->test = test;
	run->cgs[0] = leaf;
	run->cgs[1] = left;
	run->cgs[2] = right;
	run->cgs[3] = top;
	mutex_init(&run->tree);
	misc_cg_res_set_capacity(res_a, 1000 * K);
	misc_cg_res_set_capacity(res_b, 1000 * K);
	return run;
}

static struct k_thread *k_add(struct k_run *run, void (*step)(struct k_thread *),
			      struct misc_cg *cg)
{
	struct k_thread *th = kunit_kzalloc(run->test, sizeof(*th), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(run->test, th);
	th->run = run;
	th->step = step;
	th->cg = cg;
	th->next = run->threads;
	run->threads = th;
	prandom_seed_state(&th->rnd, t_seed + run->nr_threads++);
	return th;
}

static void k_release_all(struct k_run *run)
{
	struct k_thread *th;
	int i;

	for (th = run->threads; th; th = th->next)
		for (i = 0; i < K_HELD; i++)
			misc_cg_charge_release(&th->held[i]);
}

/* For as long as one run lasts; what is held then stays held. */
static void k_go(struct k_run *run)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct kunit *test = run->test;
	struct k_thread *th;
	u64 steps = 0;

	for (th = run->threads; th; th = th->next) {
		th->task = kthread_create(k_loop, th, "misc_kunit");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, th->task);
		kthread_bind(th->task, cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	for (th = run->threads; th; th = th->next)
		wake_up_process(th->task);
	msleep(k_ms);
	for (th = run->threads; th; th = th->next) {
		kthread_stop(th->task);
		KUNIT_EXPECT_GT(test, th->nr, 0);
		steps += th->nr;
	}
	kunit_info(test, "%u threads on %u CPUs, %llu steps\n", run->nr_threads,
		   num_online_cpus(), steps);
	if (run->wrong)
		KUNIT_FAIL(test, "%s", run->wrong);
}

/*
 * Steps
 */

static u64 k_amount(struct k_thread *th)
{
	return (1 + t_random(&th->rnd, 3)) * K;
}

static void k_count(struct k_thread *th, int cg, int ret)
{
	if (!ret)
		return;
	if (ret != -EBUSY && ret != -ENOSPC)
		k_wrong(th, "neither charged nor refused");
	atomic64_inc(&th->run->refused[cg]);
}

/* Charge, move or release one of those that are held. */
static void k_churn(struct k_thread *th)
{
	struct k_run *run = th->run;
	struct misc_cg_charge *c = &th->held[t_random(&th->rnd, K_HELD)];
	struct misc_cg_charge moved = {};
	int cg = t_random(&th->rnd, ARRAY_SIZE(run->cgs));

	if (!c->self) {
		k_count(th, cg, misc_cg_charge_cgroup(c, res_a, run->cgs[cg],
						      k_amount(th)));
	} else if (t_random(&th->rnd, 2)) {
		misc_cg_charge_release(c);
	} else {
		k_count(th, cg, t_move(&moved, c, run->cgs[cg]));
		misc_cg_charge_transfer(c, &moved);
	}
}

/* Move what is held to and fro. */
static void k_move(struct k_thread *th)
{
	struct k_run *run = th->run;
	struct misc_cg_charge *c = &th->held[t_random(&th->rnd, K_HELD)];
	struct misc_cg_charge moved = {};

	if (t_move(&moved, c, run->cgs[t_random(&th->rnd, 3)]))
		k_wrong(th, "refused to move where nothing is limited");
	misc_cg_charge_transfer(c, &moved);
}

/* The number in the line of that key; none is 0, max is a multiple of K too. */
static u64 k_read_key(struct k_thread *th, struct misc_cg *cg, const char *file,
		      const char *key)
{
	u64 number = 0;
	char *line;

	t_show(cg, file, th->text, sizeof(th->text));
	line = strstr(th->text, key);
	if (!line)
		return 0;
	line += strlen(key);
	if (!strncmp(line, " max\n", 5))
		return 0;
	if (sscanf(line, " %llu\n", &number) != 1)
		k_wrong(th, "a line with no number in it");
	return number;
}

static u64 k_read(struct k_thread *th, struct misc_cg *cg, const char *file)
{
	return k_read_key(th, cg, file, "kunit_a");
}

static void k_expect_whole(struct k_thread *th, u64 number)
{
	u64 rest;

	div64_u64_rem(number, K, &rest);
	if (rest)
		k_wrong(th, "a sum that never was");
}

/* Every file says a thing or nothing. */
static void k_read_everything(struct k_thread *th)
{
	struct k_run *run = th->run;
	struct misc_cg *cg = run->cgs[t_random(&th->rnd, ARRAY_SIZE(run->cgs))];
	u64 before = k_read(th, cg, "misc.peak");
	u64 local, fails;

	k_expect_whole(th, before);
	k_expect_whole(th, k_read(th, cg, "misc.current"));
	k_expect_whole(th, k_read(th, cg, "misc.capacity"));
	k_expect_whole(th, k_read(th, cg, "misc.max.effective"));
	k_expect_whole(th, k_read(th, cg, "misc.max"));
	if (k_read(th, cg, "misc.peak") < before)
		k_wrong(th, "a peak that fell");

	fails = k_read_key(th, cg, "misc.events.local", "kunit_a.alloc_fail");
	local = k_read_key(th, cg, "misc.events.local", "kunit_a.max");
	if (k_read_key(th, cg, "misc.events", "kunit_a.max") < local)
		k_wrong(th, "more refusals here than here and below");
	if (k_read_key(th, cg, "misc.events.local", "kunit_a.max") < local ||
	    k_read_key(th, cg, "misc.events.local", "kunit_a.alloc_fail") < fails)
		k_wrong(th, "refusals that never were");
}

/*
 * Tests
 */

static void k_charge_what_fits(struct k_thread *th)
{
	if (misc_cg_charge_cgroup(&th->held[0], res_a, th->cg, K))
		k_wrong(th, "a charge that fits is refused");
	misc_cg_charge_release(&th->held[0]);
}

static void k_charge_too_much(struct k_thread *th)
{
	if (!misc_cg_charge_cgroup(&th->held[0], res_a, th->cg, 4 * K))
		k_wrong(th, "a charge that does not fit is granted");
	misc_cg_charge_release(&th->held[0]);
}

/* Stock adds before it checks, and refuses what it should not meanwhile. */
static void charge_that_fits_is_never_refused(struct kunit *test)
{
	struct k_run *run = k_prepare(test);

	misc_cg_res_set_capacity(res_a, 4 * K);
	snprintf(t.line, sizeof(t.line), "kunit_a %llu", 3 * K);
	SET_MAX(top, t.line);
	k_add(run, k_charge_what_fits, leaf);
	k_add(run, k_charge_too_much, leaf);
	k_add(run, k_charge_what_fits, right);
	k_add(run, k_charge_too_much, right);
	k_add(run, k_charge_what_fits, top);
	k_add(run, k_charge_too_much, top);
	k_go(run);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_LE(test, t_counter(res_a, top).peak, 3 * K);
}

static void k_read_limited(struct k_thread *th)
{
	const u64 limits[] = { 5 * K, 8 * K, 6 * K, 10 * K };
	struct k_run *run = th->run;
	int i = t_random(&th->rnd, ARRAY_SIZE(run->cgs));

	if (k_read(th, run->cgs[i], "misc.current") > limits[i] ||
	    k_read(th, run->cgs[i], "misc.peak") > limits[i] ||
	    k_read(th, root, "misc.current") > 9 * K)
		k_wrong(th, "usage above max or capacity");
}

static void usage_is_never_above_max_or_capacity(struct kunit *test)
{
	struct k_run *run = k_prepare(test);
	unsigned int i;

	misc_cg_res_set_capacity(res_a, 9 * K);
	snprintf(t.line, sizeof(t.line), "kunit_a %llu", 5 * K);
	SET_MAX(leaf, t.line);
	snprintf(t.line, sizeof(t.line), "kunit_a %llu", 8 * K);
	SET_MAX(left, t.line);
	snprintf(t.line, sizeof(t.line), "kunit_a %llu", 6 * K);
	SET_MAX(right, t.line);
	snprintf(t.line, sizeof(t.line), "kunit_a %llu", 10 * K);
	SET_MAX(top, t.line);
	for (i = 0; i < num_online_cpus() + 1; i++)
		k_add(run, k_churn, NULL);
	for (i = 0; i < K_READERS; i++)
		k_add(run, k_read_limited, NULL);
	k_go(run);
	k_release_all(run);
	EXPECT_USAGE("0 0 0 0 0");
}

#define K_MOVERS	3

static void k_read_moved(struct k_thread *th)
{
	u64 part;

	if (k_read(th, top, "misc.current") != K_MOVERS * K_HELD * K ||
	    k_read(th, root, "misc.current") != K_MOVERS * K_HELD * K)
		k_wrong(th, "a move is seen from above");
	part = k_read(th, left, "misc.current");
	k_expect_whole(th, part);
	if (part > K_MOVERS * K_HELD * K)
		k_wrong(th, "more than there is");
}

static void move_is_not_seen_from_above(struct kunit *test)
{
	struct k_run *run = k_prepare(test);
	struct k_thread *th;
	unsigned int i, j;

	for (i = 0; i < K_MOVERS; i++) {
		th = k_add(run, k_move, NULL);
		for (j = 0; j < K_HELD; j++)
			KUNIT_EXPECT_EQ(test, 0,
					misc_cg_charge_cgroup(&th->held[j],
							      res_a, leaf, K));
	}
	for (i = 0; i < K_READERS; i++)
		k_add(run, k_read_moved, NULL);
	k_go(run);
	k_release_all(run);
}

/* Once the call has returned, what is above the limit only falls. */
static void k_lower(struct k_thread *th)
{
	bool capacity = t_random(&th->rnd, 2);
	struct misc_cg *cg = capacity ? root : top;
	u64 usage, before = U64_MAX;
	int i;

	snprintf(th->text, sizeof(th->text), "kunit_a %llu", 2 * K);
	if (capacity)
		misc_cg_res_set_capacity(res_a, 2 * K);
	else if (t_write(top, th->text))
		k_wrong(th, "misc.max is not written");
	for (i = 0; i < 20; i++) {
		usage = k_read(th, cg, "misc.current");
		if (usage > 2 * K && usage > before)
			k_wrong(th, "a charge beyond a limit in force");
		before = usage;
		cond_resched();
	}
	misc_cg_res_set_capacity(res_a, 1000 * K);
	if (t_write(top, "kunit_a max"))
		k_wrong(th, "misc.max is not written");
	cond_resched();
}

static void lowered_limit_holds_when_the_write_returns(struct kunit *test)
{
	struct k_run *run = k_prepare(test);
	unsigned int i;

	k_add(run, k_lower, NULL);
	for (i = 0; i < num_online_cpus() + 1; i++)
		k_add(run, k_churn, NULL);
	k_go(run);
	k_release_all(run);
	EXPECT_USAGE("0 0 0 0 0");
}

static void k_set_max(struct k_thread *th)
{
	struct k_run *run = th->run;
	struct misc_cg *cg = run->cgs[t_random(&th->rnd, ARRAY_SIZE(run->cgs))];
	char *text = th->text;

	snprintf(text, sizeof(th->text), "kunit_a %llu\nkunit_b %llu",
		 t_random(&th->rnd, 20) * K, t_random(&th->rnd, 20) * K);
	mutex_lock(&run->tree);
	if (t_write(cg, text))
		k_wrong(th, "misc.max is not written");
	mutex_unlock(&run->tree);
}

static void k_set_capacity(struct k_thread *th)
{
	misc_cg_res_set_capacity(res_a, t_random(&th->rnd, 30) * K);
}

/* The other resource comes and goes, what is charged of it stays. */
static void k_register(struct k_thread *th)
{
	struct misc_cg_res *res;

	/* Rarely, as the log has what is in use. */
	if (t_random(&th->rnd, 5000))
		return;
	misc_cg_res_unregister(res_b);
	if (misc_cg_charge_cgroup(&th->held[1], res_b, leaf, K) != -ENODEV)
		k_wrong(th, "charged although not registered");
	res = misc_cg_res_register("kunit_b", 1000 * K);
	if (res != res_b)
		k_wrong(th, "not registered");
	misc_cg_charge_release(&th->held[0]);
	if (misc_cg_charge_cgroup(&th->held[0], res_b, right, K) == -ENODEV)
		k_wrong(th, "not charged although registered");
}

static void k_churn_other(struct k_thread *th)
{
	struct k_run *run = th->run;
	int cg = t_random(&th->rnd, ARRAY_SIZE(run->cgs));
	int ret = misc_cg_charge_cgroup(&th->held[0], res_b, run->cgs[cg],
					k_amount(th));

	if (ret && ret != -EBUSY && ret != -ENOSPC && ret != -ENODEV)
		k_wrong(th, "neither charged nor refused");
	misc_cg_charge_release(&th->held[0]);
}

/* A cgroup is removed while it is charged, and goes when it no longer is. */
static void k_mkdir_rmdir(struct k_thread *th)
{
	struct k_run *run = th->run;
	struct misc_cg *cg;

	mutex_lock(&run->tree);
	cg = t_child(run->test, left);
	mutex_unlock(&run->tree);

	if (!misc_cg_charge_cgroup(&th->held[0], res_a, cg, K))
		k_count(th, 2, t_move(&th->held[1], &th->held[0],
				      right));

	mutex_lock(&run->tree);
	t_remove(cg);
	if (t_released(cg) != !th->held[0].cg)
		k_wrong(th, "a reference too many or too few");
	mutex_unlock(&run->tree);

	misc_cg_charge_release(&th->held[0]);
	misc_cg_charge_release(&th->held[1]);
	mutex_lock(&run->tree);
	if (t_released(cg))
		t_free(cg);
	else
		k_wrong(th, "a reference is left");
	mutex_unlock(&run->tree);
}

/* When all stand still, everything is what the threads have done. */
static void everything_at_once_adds_up(struct kunit *test)
{
	struct k_run *run = k_prepare(test);
	u64 usage[ARRAY_SIZE(run->cgs)] = {};
	struct k_thread *th;
	unsigned int i, j;

	k_add(run, k_set_max, NULL);
	k_add(run, k_set_capacity, NULL);
	k_add(run, k_register, NULL);
	k_add(run, k_churn_other, NULL);
	k_add(run, k_churn_other, NULL);
	k_add(run, k_mkdir_rmdir, NULL);
	k_add(run, k_mkdir_rmdir, NULL);
	for (i = 0; i < num_online_cpus() + 1; i++)
		k_add(run, k_churn, NULL);
	for (i = 0; i < K_READERS; i++)
		k_add(run, k_read_everything, NULL);
	k_go(run);

	for (th = run->threads; th; th = th->next)
		for (i = 0; i < K_HELD; i++)
			for (j = 0; j < ARRAY_SIZE(usage); j++)
				if (th->held[i].res == res_a &&
				    th->held[i].cg == run->cgs[j])
					usage[j] += th->held[i].amount;
	usage[1] += usage[0];
	usage[3] += usage[1] + usage[2];
	for (i = 0; i < ARRAY_SIZE(usage); i++) {
		struct misc_cg_counter c = t_counter(res_a, run->cgs[i]);

		KUNIT_EXPECT_EQ(test, c.usage, usage[i]);
		KUNIT_EXPECT_GE(test, c.peak, usage[i]);
		KUNIT_EXPECT_EQ(test, c.alloc_fails,
				atomic64_read(&run->refused[i]));
	}
	k_release_all(run);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, root), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res_b, root), 0);
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC
static struct k_locked {
	struct lockdep_map *map;
	struct task_struct *by;
	unsigned int nr;
} k_locked;

static void k_lock_probe(void *data, struct lockdep_map *lock,
			 unsigned int subclass, int trylock, int read,
			 int check, struct lockdep_map *next, unsigned long ip)
{
	struct k_locked *locked = data;

	/* Other tasks must not even look, or add 0. */
	if (current == locked->by && lock == locked->map)
		locked->nr++;
}

static void k_lock_unprobe(void *data)
{
	unregister_trace_lock_acquire(k_lock_probe, data);
	tracepoint_synchronize_unregister();
}

static void k_locks_on(struct kunit *test, struct k_locked *locked)
{
	locked->by = current;
	KUNIT_ASSERT_EQ(test, 0, register_trace_lock_acquire(k_lock_probe,
							     locked));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, k_lock_unprobe,
							   locked));
}

#define EXPECT_LOCKED(what) do {					\
	k_locked.nr = 0;						\
	what;								\
	KUNIT_EXPECT_EQ_MSG(test, k_locked.nr, 1, #what);		\
} while (0)

/* Which lockdep cannot tell of a path that forgets it. */
static void every_call_takes_the_lock_once(struct kunit *test)
{
	k_locks_on(test, &k_locked);
	k_locked.map = &res_a->lock.dep_map;
	EXPECT_LOCKED(CHARGE(0, res_a, leaf, 3));
	EXPECT_LOCKED(MOVE(1, 0, right));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(misc_cg_res_set_capacity(res_a, 50));
	EXPECT_LOCKED(misc_cg_res_unregister(res_a));
	EXPECT_LOCKED(misc_cg_res_register("kunit_a", 50));
	EXPECT_LOCKED(t_write(leaf, "kunit_a 5\nkunit_b 6"));
	EXPECT_LOCKED(t_read(leaf, "misc.current"));

	k_locked.map = &misc_cg_mutex.dep_map;
	EXPECT_LOCKED(misc_cg_res_register("kunit_a", 50));
	EXPECT_LOCKED(t_child(test, leaf));
}

/*
 * Lockdep is told of the lock of slot 0, which none of these takes: so it finds
 * who calls from an interrupt even if nothing is charged there.
 */
static void every_call_says_that_it_may_take_the_lock(struct kunit *test)
{
	k_locks_on(test, &k_locked);
	k_locked.map = &misc_cg_resources[0].lock.dep_map;
	EXPECT_LOCKED(CHARGE(0, res_a, leaf, 3));
	EXPECT_LOCKED(CHARGE(1, NULL, leaf, 3));
	EXPECT_LOCKED(CHARGE(1, res_a, leaf, 0));
	EXPECT_LOCKED(misc_cg_charge_current(&charges[1], NULL, 1));
	EXPECT_LOCKED(MOVE_CURRENT(1, 0));
	EXPECT_LOCKED(MOVE_CURRENT(1, 0));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(RELEASE(1));
	EXPECT_LOCKED(misc_cg_res_set_capacity(res_a, 50));
	EXPECT_LOCKED(misc_cg_res_set_capacity(NULL, 50));
	EXPECT_LOCKED(misc_cg_res_unregister(res_a));
	EXPECT_LOCKED(misc_cg_res_unregister(ERR_PTR(-EINVAL)));
}
#else
static void every_call_takes_the_lock_once(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_LOCK_ALLOC");
}

static void every_call_says_that_it_may_take_the_lock(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_LOCK_ALLOC");
}
#endif

struct k_free {
	struct completion done;
	struct misc_cg *cg;
};

static int k_free(void *arg)
{
	struct k_free *f = arg;

	t_free(f->cg);
	complete_all(&f->done);
	return 0;
}

/* Who is making counters for all cgroups must not lose one on the way. */
static void cgroup_stays_while_a_name_arrives(struct kunit *test)
{
	struct k_free f = { .cg = leaf };

	init_completion(&f.done);
	t_remove(leaf);
	mutex_lock(&misc_cg_mutex);
	kthread_run(k_free, &f, "misc_kunit");
	KUNIT_EXPECT_FALSE(test, wait_for_completion_timeout(&f.done, HZ / 10));
	mutex_unlock(&misc_cg_mutex);
	wait_for_completion(&f.done);
}

static struct kunit_case k_cases[] = {
	KUNIT_CASE_PARAM(charge_that_fits_is_never_refused, k_units_gen_params),
	KUNIT_CASE_PARAM(usage_is_never_above_max_or_capacity, k_units_gen_params),
	KUNIT_CASE_PARAM(move_is_not_seen_from_above, k_units_gen_params),
	KUNIT_CASE_PARAM(lowered_limit_holds_when_the_write_returns,
			 k_units_gen_params),
	KUNIT_CASE_PARAM(everything_at_once_adds_up, k_units_gen_params),
	KUNIT_CASE(every_call_takes_the_lock_once),
	KUNIT_CASE(every_call_says_that_it_may_take_the_lock),
	KUNIT_CASE(cgroup_stays_while_a_name_arrives),
	{}
};

static struct kunit_suite k_suite = {
	.name = "misc_cg_concurrency",
	.init = t_init,
	.exit = t_return_all,
	.test_cases = k_cases,
};
