// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller, included by misc.c.
 *
 * One test for each rule, named after it.  Every test starts with two
 * resources of capacity 100 and these cgroups:
 *
 *	root
 *	  top
 *	    left
 *	      leaf
 *	    right
 *
 * Numbers of all five are written in this order: "30 30 10 10 20".
 *
 * The cgroups are made as the cgroup core would make them, but nobody else
 * sees them.  They have references that count and files that can be read and
 * written.  After each test its charges are released, its cgroups removed, and
 * all references must have been returned.
 */
#include <asm/sections.h>
#include <kunit/test.h>
#include <linux/bug.h>
#include <linux/dcache.h>
#include <linux/debug_locks.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/kernfs.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>

/* For the probes of the tests; misc.c has defined its own tracepoint. */
#undef CREATE_TRACE_POINTS
#include <trace/events/kmem.h>
#include <trace/events/lock.h>
#include <trace/events/printk.h>

#include "../cgroup-internal.h"

static struct misc_cg *root, *top, *left, *leaf, *right;
static struct misc_cg_res *res_a, *res_b;	/* "kunit_a" and "kunit_b" */
static struct misc_cg_charge charges[8];	/* for the test to use */

/* What stands in for a cgroup of the core. */
struct t_cgroup {
	struct list_head node;
	struct misc_cg *cg;
	bool removed;
	bool released;
	struct cgroup cgroup;	/* last, it ends with a flexible array */
};

/* The last call of the controller's tracepoint. */
struct t_trace {
	unsigned int nr;
	char resource[MISC_CG_NAME_LEN];
	u64 amount;
	struct cgroup *charging;
	struct cgroup *refusing;
	u64 usage;
	u64 limit;
	bool locked;
	bool in_rcu;
};

/* The controller's messages to the log, printed by the task of the test. */
struct t_log {
	struct task_struct *by;
	unsigned int nr;
	bool locked;		/* the last one, with the lock of kunit_a held */
	char last[1200];
};

/* What the task of the test has freed. */
struct t_frees {
	struct task_struct *by;
	unsigned int nr;
};

static struct {
	struct t_trace trace;
	struct t_log log;
	struct t_frees frees;
	struct list_head cgroups;	/* parents before children */
	unsigned int nr_made;
	unsigned int nr_names;		/* before the test made any */
	char line[1200];
	char text[PAGE_SIZE];
	char raw[PAGE_SIZE];
} t;

/*
 * Random tests run in parts, each within the time that KUnit gives a test, and
 * each from seeds of its own; the part has no other influence.
 */
#define T_PARTS			20
#define T_STEPS_PER_PART	DIV_ROUND_UP(t_steps, T_PARTS)

static unsigned int t_seed = 1;
module_param_named(kunit_seed, t_seed, uint, 0444);
static unsigned int t_steps = 1000000;
module_param_named(kunit_steps, t_steps, uint, 0444);

static const unsigned int t_parts[T_PARTS] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
};

static void t_part_desc(const unsigned int *part, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", t_seed + *part);
}

KUNIT_ARRAY_PARAM(t_parts, t_parts, t_part_desc);

static u32 t_random(struct rnd_state *rnd, u32 below)
{
	return prandom_u32_state(rnd) % below;
}

/*
 * Cgroups
 */

static struct t_cgroup *t_of(struct misc_cg *cg)
{
	return container_of(cg->css.cgroup, struct t_cgroup, cgroup);
}

static void t_release(struct percpu_ref *ref)
{
	struct misc_cg *cg = container_of(ref, struct misc_cg, css.refcnt);

	t_of(cg)->released = true;
}

static bool t_released(struct misc_cg *cg)
{
	return t_of(cg)->released;
}

/* References to a cgroup; a living one without children has one. */
static long t_refs(struct misc_cg *cg)
{
	return atomic_long_read(&cg->css.refcnt.data->count);
}

/* The core's half of making a cgroup, after css_alloc(). */
static struct misc_cg *t_online(struct kunit *test, struct misc_cg *parent,
				const char *name,
				struct cgroup_subsys_state *css)
{
	struct kernfs_node *dir = parent->css.cgroup->kn;
	struct t_cgroup *tc = kzalloc(sizeof(*tc), GFP_KERNEL);
	struct kernfs_node *file;
	struct cftype *cft;
	char file_name[64];

	KUNIT_ASSERT_NOT_NULL(test, tc);
	dir = kernfs_create_dir(dir, name, 0755, &tc->cgroup);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir);
	kernfs_get(dir);

	tc->cg = css_misc(css);
	tc->cgroup.kn = dir;
	tc->cgroup.level = parent->css.cgroup->level + 1;
	tc->cgroup.root = &cgrp_dfl_root;
	RCU_INIT_POINTER(tc->cgroup.subsys[misc_cgrp_id], css);
	for (cft = misc_cg_files; cft->name[0]; cft++) {
		scnprintf(file_name, sizeof(file_name), "misc.%s", cft->name);
		file = __kernfs_create_file(dir, file_name, 0644,
					    GLOBAL_ROOT_UID, GLOBAL_ROOT_GID,
					    0, cft->kf_ops, cft, NULL, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	}

	css->cgroup = &tc->cgroup;
	css->ss = &misc_cgrp_subsys;
	css->parent = &parent->css;
	css_get(css->parent);
	KUNIT_ASSERT_EQ(test, 0, percpu_ref_init(&css->refcnt, t_release,
						 PERCPU_REF_INIT_ATOMIC,
						 GFP_KERNEL));
	list_add_tail(&tc->node, &t.cgroups);
	return tc->cg;
}

static struct cgroup_subsys_state *t_css_alloc(struct kunit *test,
					       struct misc_cg *parent)
{
	struct cgroup_subsys_state *css;

	css = misc_cgrp_subsys.css_alloc(&parent->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	return css;
}

static struct misc_cg *t_child_named(struct kunit *test, struct misc_cg *parent,
				     const char *name)
{
	return t_online(test, parent, name, t_css_alloc(test, parent));
}

static struct misc_cg *t_child(struct kunit *test, struct misc_cg *parent)
{
	char name[32];

	snprintf(name, sizeof(name), "kunit_%u", t.nr_made++);
	return t_child_named(test, parent, name);
}

/* rmdir: from here on only references keep it. */
static void t_remove(struct misc_cg *cg)
{
	t_of(cg)->removed = true;
	kernfs_remove(cg->css.cgroup->kn);
	percpu_ref_kill(&cg->css.refcnt);
}

static void t_free(struct misc_cg *cg)
{
	struct cgroup_subsys_state *parent = cg->css.parent;
	struct t_cgroup *tc = t_of(cg);

	list_del(&tc->node);
	percpu_ref_exit(&cg->css.refcnt);
	misc_cgrp_subsys.css_free(&cg->css);
	kernfs_put(tc->cgroup.kn);
	kfree(tc);
	css_put(parent);
}

/* Forget the names that a test has made; slots are for ever otherwise. */
static void t_forget_names(unsigned int keep)
{
	struct misc_cg *cg;
	unsigned int i;

	guard(mutex)(&misc_cg_mutex);

	list_for_each_entry(cg, &misc_cg_list, node) {
		for (i = keep; i < MISC_CG_RES_MAX; i++) {
			struct misc_cg_counter **batch;

			batch = &cg->batches[i / MISC_CG_BATCH];
			if (i % MISC_CG_BATCH && *batch) {
				(*batch)[i % MISC_CG_BATCH] =
					(struct misc_cg_counter){
						.max = cg->parent ? U64_MAX : 0,
					};
			} else {
				kfree(*batch);
				*batch = NULL;
			}
			clear_bit(i, cg->logged);
		}
	}
	for (i = keep; i < misc_cg_nr_resources; i++)
		memset(&misc_cg_resources[i], 0, sizeof(misc_cg_resources[i]));
	misc_cg_nr_resources = keep;
}

/*
 * Numbers
 */

static struct misc_cg_counter t_counter(struct misc_cg_res *res,
					struct misc_cg *cg)
{
	struct misc_cg_counter counter;

	spin_lock(&res->lock);
	counter = *misc_cg_counter(res, cg);
	spin_unlock(&res->lock);
	return counter;
}

static u64 t_value(struct misc_cg_res *res, struct misc_cg *cg,
		   enum misc_cg_value what)
{
	u64 value;

	spin_lock(&res->lock);
	value = misc_cg_read(res, cg, what);
	spin_unlock(&res->lock);
	return value;
}

static u64 t_usage(struct misc_cg_res *res, struct misc_cg *cg)
{
	return t_counter(res, cg).usage;
}

static const char *t_levels(struct misc_cg_res *res, size_t field,
			    bool with_root)
{
	struct misc_cg *cgs[] = { root, top, left, leaf, right };
	int i, len = 0;

	for (i = with_root ? 0 : 1; i < ARRAY_SIZE(cgs); i++) {
		struct misc_cg_counter counter = t_counter(res, cgs[i]);

		len += scnprintf(t.line + len, sizeof(t.line) - len,
				 len ? " %llu" : "%llu",
				 *(u64 *)((void *)&counter + field));
	}
	return t.line;
}

/* Of root, top, left, leaf and right. */
#define T_LEVELS(field) \
	t_levels(res_a, offsetof(struct misc_cg_counter, field), true)
#define EXPECT_USAGE(s) KUNIT_EXPECT_STREQ(test, T_LEVELS(usage), s)
#define EXPECT_PEAK(s) KUNIT_EXPECT_STREQ(test, T_LEVELS(peak), s)

/* Of top, left, leaf and right: refusals of the root are shown nowhere. */
#define T_REFUSALS(field) \
	t_levels(res_a, offsetof(struct misc_cg_counter, field), false)
#define EXPECT_MAX_EVENTS(s) \
	KUNIT_EXPECT_STREQ(test, T_REFUSALS(max_events), s)
#define EXPECT_LOCAL_MAX_EVENTS(s) \
	KUNIT_EXPECT_STREQ(test, T_REFUSALS(max_events_local), s)
#define EXPECT_ALLOC_FAILS(s) \
	KUNIT_EXPECT_STREQ(test, T_REFUSALS(alloc_fails), s)

/*
 * Charges of kunit_a, by their number in charges[]
 */

/* misc_cg_charge_move_current(), as from a task in @cg. */
static int t_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		  struct misc_cg *cg)
{
	if (from->self != from || to->self)
		return -EINVAL;
	css_get(&cg->css);
	return misc_cg_do_move(to, from, cg);
}

static bool t_is_empty(struct misc_cg_charge *charge)
{
	return !memchr_inv(charge, 0, sizeof(*charge));
}

#define CHARGE(i, res, cg, amount) \
	misc_cg_charge_cgroup(&charges[i], res, cg, amount)
#define GRANTED(i, cg, amount) \
	KUNIT_EXPECT_EQ(test, CHARGE(i, res_a, cg, amount), 0)
#define REFUSED(error, i, cg, amount) \
	KUNIT_EXPECT_EQ(test, CHARGE(i, res_a, cg, amount), error)

#define MOVE(to, from, cg) t_move(&charges[to], &charges[from], cg)
#define MOVED(to, from, cg) KUNIT_EXPECT_EQ(test, MOVE(to, from, cg), 0)
#define MOVE_REFUSED(error, to, from, cg) \
	KUNIT_EXPECT_EQ(test, MOVE(to, from, cg), error)

#define MOVE_CURRENT(to, from) \
	misc_cg_charge_move_current(&charges[to], &charges[from])
#define TRANSFER(to, from) \
	misc_cg_charge_transfer(&charges[to], &charges[from])

#define RELEASE(i) misc_cg_charge_release(&charges[i])

#define EXPECT_EMPTY(i) KUNIT_EXPECT_TRUE(test, t_is_empty(&charges[i]))

/*
 * Files
 */

static struct kernfs_node *t_file(struct misc_cg *cg, const char *name)
{
	return kernfs_find_and_get(cg->css.cgroup->kn, name);
}

/* What reading a file gives; false if there is no such file. */
static bool t_show(struct misc_cg *cg, const char *name, char *buf, size_t size)
{
	struct kernfs_open_file of = { .kn = t_file(cg, name) };
	struct seq_file sf = { .buf = buf, .size = size, .private = &of };
	int ret;

	buf[0] = '\0';
	if (!of.kn)
		return false;
	ret = seq_cft(&sf)->seq_show(&sf, NULL);
	kernfs_put(of.kn);
	buf[min(sf.count, size - 1)] = '\0';
	return !ret && !seq_has_overflowed(&sf);
}

/* The same, less the lines of other providers; tdx has none here. */
static const char *t_read(struct misc_cg *cg, const char *name)
{
	char *line, *end;

	if (!t_show(cg, name, t.raw, sizeof(t.raw)))
		return "no such file";
	t.text[0] = '\0';
	for (line = t.raw; *line; line = end) {
		end = strchrnul(line, '\n');
		end += *end == '\n';
		if (!strncmp(line, "kunit_", strlen("kunit_")) ||
		    !strncmp(line, "tdx", strlen("tdx")))
			strncat(t.text, line, end - line);
	}
	return t.text;
}

#define EXPECT_FILE(cg, name, content) \
	KUNIT_EXPECT_STREQ(test, t_read(cg, name), content)

/* Writes to misc.max: 0 if it took everything. */
static ssize_t t_write_bytes(struct misc_cg *cg, const char *bytes, size_t len)
{
	struct kernfs_open_file of = { .kn = t_file(cg, "misc.max") };
	ssize_t ret;

	if (!of.kn)
		return -ENOENT;
	memcpy(t.raw, bytes, len);
	t.raw[len] = '\0';
	ret = of_cft(&of)->write(&of, t.raw, len, 0);
	kernfs_put(of.kn);
	/* It took everything, or nothing. */
	if (ret >= 0 && ret != len)
		return -EIO;
	return ret < 0 ? ret : 0;
}

static ssize_t t_write(struct misc_cg *cg, const char *text)
{
	return t_write_bytes(cg, text, strlen(text));
}

#define SET_MAX(cg, text) KUNIT_EXPECT_EQ(test, t_write(cg, text), 0)

/*
 * The log, warnings, and what is freed
 */

static bool t_is_locked(struct misc_cg_res *res)
{
#ifdef CONFIG_LOCKDEP
	return lockdep_is_held(&res->lock) == LOCK_STATE_HELD;
#else
	return false;
#endif
}

static bool t_is_our_message(const char *text, size_t len)
{
	static const char * const ours[] = {
		"cgroup: misc: ",
		": a copy of a charge was used",
		": this charge is not empty",
		": not registered",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(ours); i++)
		if (strnstr(text, ours[i], len))
			return true;
	return false;
}

static void t_log_probe(void *data, const char *text, size_t len)
{
	struct t_log *log = data;

	if (current != log->by || !t_is_our_message(text, len))
		return;
	log->nr++;
	log->locked = t_is_locked(res_a);
	snprintf(log->last, sizeof(log->last), "%.*s", (int)len, text);
	strim(log->last);
}

static void t_log_off(void *data)
{
	unregister_trace_console(t_log_probe, data);
	tracepoint_synchronize_unregister();
}

static void t_log_on(struct kunit *test)
{
	t.log.by = current;
	if (register_trace_console(t_log_probe, &t.log))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_log_off,
							   &t.log));
}

/* What clear_warn_once of debugfs does: warnings come once per boot else. */
static void t_clear_warn_once(void)
{
	generic_bug_clear_once();
	memset(__start_once, 0, __end_once - __start_once);
}

/*
 * Expects that the next calls warn, with this message and no other; for who
 * reads the log, it announces the warning.  After t_log_on().
 */
#define EXPECT_WARNING(message, what) do {				\
	unsigned int __nr = t.log.nr;					\
									\
	t_clear_warn_once();						\
	kunit_info(test, "expect WARNING: kernel/cgroup/misc.c\n");	\
	what;								\
	KUNIT_EXPECT_EQ(test, t.log.nr, __nr + 1);			\
	KUNIT_EXPECT_STREQ(test, t.log.last, message);			\
} while (0)

static void t_frees_probe(void *data, unsigned long where, const void *what)
{
	struct t_frees *frees = data;

	/* Other tasks must not even add 0. */
	if (what && in_task() && current == frees->by)
		frees->nr++;
}

static void t_frees_off(void *data)
{
	unregister_trace_kfree(t_frees_probe, data);
	tracepoint_synchronize_unregister();
}

static void t_frees_on(struct kunit *test)
{
	t.frees.by = current;
	if (register_trace_kfree(t_frees_probe, &t.frees))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_frees_off,
							   &t.frees));
}

#define EXPECT_FREES(n, what) do {					\
	t.frees.nr = 0;							\
	what;								\
	KUNIT_EXPECT_EQ_MSG(test, t.frees.nr, n, #what);		\
} while (0)

/*
 * Before and after each test
 */

/* The root cgroup stays for ever: let a test begin with nothing in it. */
static void t_reset_root(struct misc_cg_res *res)
{
	struct misc_cg_counter *counter = misc_cg_counter(res, &misc_cg_root);

	spin_lock(&res->lock);
	*counter = (struct misc_cg_counter){ .max = counter->max };
	spin_unlock(&res->lock);
}

static struct misc_cg_res *t_register(struct kunit *test, const char *name,
				      u64 capacity)
{
	struct misc_cg_res *res = misc_cg_res_register(name, capacity);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, res);
	return res;
}

static int t_init(struct kunit *test)
{
	memset(&t, 0, sizeof(t));
	memset(charges, 0, sizeof(charges));
	INIT_LIST_HEAD(&t.cgroups);

	res_a = t_register(test, "kunit_a", 100);
	res_b = t_register(test, "kunit_b", 100);
	t_reset_root(res_a);
	t_reset_root(res_b);
	t.nr_names = misc_cg_nr_resources;

	root = &misc_cg_root;
	top = t_child(test, root);
	left = t_child(test, top);
	leaf = t_child(test, left);
	right = t_child(test, top);
	return 0;
}

static void t_return_all(struct kunit *test)
{
	struct t_cgroup *tc, *tmp;
	int i;

	if (!t.nr_names)
		return;

	for (i = 0; i < ARRAY_SIZE(charges); i++)
		RELEASE(i);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, root), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res_b, root), 0);

	list_for_each_entry_safe_reverse(tc, tmp, &t.cgroups, node) {
		if (!tc->removed)
			t_remove(tc->cg);
		KUNIT_EXPECT_TRUE_MSG(test, tc->released,
				      "a reference has not been returned");
		t_free(tc->cg);
	}

	if (res_a->registered)
		misc_cg_res_unregister(res_a);
	if (res_b->registered)
		misc_cg_res_unregister(res_b);
}

static void t_exit(struct kunit *test)
{
	t_return_all(test);
	if (t.nr_names)
		t_forget_names(t.nr_names);
}

/*
 * Charges
 */

static void charge_counts_here_and_on_every_ancestor(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	EXPECT_USAGE("10 10 10 10 0");
	GRANTED(1, right, 20);
	EXPECT_USAGE("30 30 10 10 20");
	GRANTED(2, top, 3);
	EXPECT_USAGE("33 33 10 10 20");
	GRANTED(3, root, 4);
	EXPECT_USAGE("37 33 10 10 20");

	RELEASE(1);
	EXPECT_USAGE("17 13 10 10 0");
	RELEASE(0);
	EXPECT_USAGE("7 3 0 0 0");
}

static void resources_do_not_touch_each_other(struct kunit *test)
{
	SET_MAX(leaf, "kunit_b 0");
	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res_b, leaf, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, CHARGE(2, res_b, top, 100), 0);

	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_MAX_EVENTS("0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, root), 100);
	KUNIT_EXPECT_EQ(test, t_usage(res_b, leaf), 0);
}

static void charge_current_charges_the_cgroup_of_the_task(struct kunit *test)
{
	struct misc_cg *cg = get_current_misc_cg();
	u64 before = t_usage(res_a, cg);

	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&charges[0], res_a, 10), 0);
	KUNIT_EXPECT_PTR_EQ(test, charges[0].cg, cg);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, cg), before + 10);
	RELEASE(0);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, cg), before);
	put_misc_cg(cg);
}

static void amount_of_zero_is_invalid(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&charges[0], res_a, 0),
			-EINVAL);
	REFUSED(-EINVAL, 0, leaf, 0);
	EXPECT_EMPTY(0);
	EXPECT_ALLOC_FAILS("0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

static void no_cgroup_is_invalid(struct kunit *test)
{
	REFUSED(-EINVAL, 0, NULL, 1);
	put_misc_cg(NULL);
	EXPECT_EMPTY(0);
	EXPECT_USAGE("0 0 0 0 0");
}

static void no_resource_is_no_device(struct kunit *test)
{
	struct misc_cg_res *none[] = { NULL, ERR_PTR(-ENOSPC) };
	int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		KUNIT_EXPECT_EQ(test, -ENODEV,
				misc_cg_charge_current(&charges[0], none[i], 1));
		KUNIT_EXPECT_EQ(test, CHARGE(0, none[i], leaf, 1), -ENODEV);
		misc_cg_res_set_capacity(none[i], 1);
		misc_cg_res_unregister(none[i]);
	}
	EXPECT_EMPTY(0);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

static void unregistered_resource_is_no_device(struct kunit *test)
{
	misc_cg_res_unregister(res_a);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&charges[0], res_a, 1),
			-ENODEV);
	REFUSED(-ENODEV, 0, leaf, 1);

	EXPECT_EMPTY(0);
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0");
}

static void refused_charge_changes_no_usage(struct kunit *test)
{
	struct misc_cg *refusing[] = { top, left, leaf };
	int i;

	GRANTED(0, leaf, 10);
	for (i = 0; i < ARRAY_SIZE(refusing); i++) {
		SET_MAX(refusing[i], "kunit_a 15");
		REFUSED(-EBUSY, 1, leaf, 6);
		EXPECT_EMPTY(1);
		EXPECT_USAGE("10 10 10 10 0");
		SET_MAX(refusing[i], "kunit_a max");
	}
	REFUSED(-ENOSPC, 1, leaf, 91);
	EXPECT_EMPTY(1);
	EXPECT_USAGE("10 10 10 10 0");
}

/* Stock raises the peak of the levels below the one that refuses. */
static void refused_charge_raises_no_peak(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	SET_MAX(top, "kunit_a 15");
	REFUSED(-EBUSY, 1, leaf, 6);
	EXPECT_PEAK("10 10 10 10 0");
	SET_MAX(top, "kunit_a max");
	REFUSED(-ENOSPC, 1, leaf, 91);
	EXPECT_PEAK("10 10 10 10 0");
}

/* Stock grants an amount that makes the sum overflow. */
static void huge_amount_does_not_overflow(struct kunit *test)
{
	GRANTED(0, leaf, 1);
	REFUSED(-ENOSPC, 1, right, U64_MAX - 1);
	REFUSED(-ENOSPC, 1, leaf, U64_MAX);
	misc_cg_res_set_capacity(res_a, U64_MAX);
	REFUSED(-ENOSPC, 1, root, U64_MAX);
	SET_MAX(leaf, "kunit_a 10");
	REFUSED(-EBUSY, 1, leaf, U64_MAX);
	REFUSED(-EBUSY, 1, leaf, U64_MAX - 5);
	SET_MAX(leaf, "kunit_a 18446744073709551614");
	REFUSED(-EBUSY, 1, leaf, U64_MAX);
	EXPECT_USAGE("1 1 1 1 0");
}

static void every_amount_can_be_charged(struct kunit *test)
{
	misc_cg_res_set_capacity(res_a, U64_MAX);
	GRANTED(0, leaf, U64_MAX - 1);
	GRANTED(1, right, 1);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, top), U64_MAX);

	RELEASE(0);
	EXPECT_USAGE("1 1 0 0 1");
	RELEASE(1);
	GRANTED(0, leaf, U64_MAX);
}

/* Stock adds first and checks then, so that others are refused meanwhile. */
static void refused_charge_refuses_nobody_else(struct kunit *test)
{
	GRANTED(0, leaf, 60);
	REFUSED(-ENOSPC, 1, left, 41);
	GRANTED(1, right, 40);
	EXPECT_USAGE("100 100 60 60 40");
}

static void peak_is_the_highest_usage_of_each_level(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	GRANTED(1, right, 20);
	EXPECT_PEAK("30 30 10 10 20");
	RELEASE(0);
	GRANTED(0, left, 5);
	EXPECT_PEAK("30 30 10 10 20");
	GRANTED(2, left, 6);
	EXPECT_PEAK("31 31 11 10 20");
}

static void released_charge_is_empty_and_can_be_used_again(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	RELEASE(0);
	EXPECT_EMPTY(0);
	EXPECT_USAGE("0 0 0 0 0");

	KUNIT_EXPECT_EQ(test, CHARGE(0, res_b, right, 7), 0);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, right), 7);
}

static void charge_is_released_once(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	GRANTED(1, leaf, 10);
	RELEASE(0);
	RELEASE(0);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
}

static void charge_that_holds_something_cannot_be_charged(struct kunit *test)
{
	int ret;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	EXPECT_WARNING("kunit_a: this charge is not empty",
		       ret = misc_cg_charge_current(&charges[0], res_b, 5));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	EXPECT_WARNING("kunit_a: this charge is not empty",
		       ret = CHARGE(0, NULL, right, 5));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);

	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, root), 0);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	KUNIT_EXPECT_EQ(test, t_refs(right), 1);
	RELEASE(0);
	EXPECT_USAGE("0 0 0 0 0");
}

/* As TDX did with stock: it releases, whether it was charged or refused. */
static void refused_owner_that_is_torn_down_releases_nothing(struct kunit *test)
{
	SET_MAX(leaf, "kunit_a 2");
	GRANTED(0, leaf, 1);
	GRANTED(1, leaf, 1);
	REFUSED(-EBUSY, 2, leaf, 1);
	RELEASE(2);
	EXPECT_USAGE("2 2 2 2 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 3);
	REFUSED(-EBUSY, 2, leaf, 1);
}

static void charge_owns_one_reference(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
	GRANTED(0, leaf, 60);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	REFUSED(-ENOSPC, 1, leaf, 60);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	GRANTED(1, leaf, 40);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 3);
	RELEASE(0);
	RELEASE(1);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

static void caller_keeps_its_reference_to_a_given_cgroup(struct kunit *test)
{
	css_get(&leaf->css);
	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 3);
	put_misc_cg(leaf);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
}

static void charge_outlives_its_removed_cgroup(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	t_remove(leaf);
	t_remove(left);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_FALSE(test, t_released(leaf));

	RELEASE(0);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_TRUE(test, t_released(leaf));
}

/* The owner gives up something that the host cannot use again. */
static void leaked_charge_stays_charged(struct kunit *test)
{
	struct misc_cg_charge *owner = kzalloc(sizeof(*owner), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, owner);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_cgroup(owner, res_a, leaf, 10), 0);
	charges[7] = *owner;	/* for the cleanup only */
	charges[7].self = &charges[7];
	kfree(owner);

	EXPECT_USAGE("10 10 10 10 0");
	REFUSED(-ENOSPC, 0, leaf, 91);
	GRANTED(0, leaf, 90);
	RELEASE(0);
	misc_cg_res_unregister(res_a);
	t_remove(leaf);
	KUNIT_EXPECT_FALSE(test, t_released(leaf));
	EXPECT_USAGE("10 10 10 10 0");
}

static struct kunit_case t_charge_cases[] = {
	KUNIT_CASE(charge_counts_here_and_on_every_ancestor),
	KUNIT_CASE(resources_do_not_touch_each_other),
	KUNIT_CASE(charge_current_charges_the_cgroup_of_the_task),
	KUNIT_CASE(amount_of_zero_is_invalid),
	KUNIT_CASE(no_cgroup_is_invalid),
	KUNIT_CASE(no_resource_is_no_device),
	KUNIT_CASE(unregistered_resource_is_no_device),
	KUNIT_CASE(refused_charge_changes_no_usage),
	KUNIT_CASE(refused_charge_raises_no_peak),
	KUNIT_CASE(huge_amount_does_not_overflow),
	KUNIT_CASE(every_amount_can_be_charged),
	KUNIT_CASE(refused_charge_refuses_nobody_else),
	KUNIT_CASE(peak_is_the_highest_usage_of_each_level),
	KUNIT_CASE(released_charge_is_empty_and_can_be_used_again),
	KUNIT_CASE(charge_is_released_once),
	KUNIT_CASE(charge_that_holds_something_cannot_be_charged),
	KUNIT_CASE(refused_owner_that_is_torn_down_releases_nothing),
	KUNIT_CASE(charge_owns_one_reference),
	KUNIT_CASE(caller_keeps_its_reference_to_a_given_cgroup),
	KUNIT_CASE(charge_outlives_its_removed_cgroup),
	KUNIT_CASE(leaked_charge_stays_charged),
	{}
};

static struct kunit_suite t_charge_suite = {
	.name = "misc_cg_charge",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_charge_cases,
};

/*
 * Limits, and how refusals are counted and reported
 */

static void max_is_granted_exactly(struct kunit *test)
{
	struct misc_cg *limited[] = { leaf, left, top };
	int i;

	for (i = 0; i < ARRAY_SIZE(limited); i++) {
		SET_MAX(limited[i], "kunit_a 10");
		REFUSED(-EBUSY, 0, leaf, 11);
		GRANTED(0, leaf, 9);
		REFUSED(-EBUSY, 1, leaf, 2);
		GRANTED(1, leaf, 1);
		REFUSED(-EBUSY, 2, leaf, 1);
		RELEASE(0);
		RELEASE(1);
		SET_MAX(limited[i], "kunit_a max");
	}
}

static void max_of_a_cgroup_limits_its_subtree_only(struct kunit *test)
{
	SET_MAX(left, "kunit_a 10");
	REFUSED(-EBUSY, 0, leaf, 11);
	REFUSED(-EBUSY, 0, left, 11);
	GRANTED(0, right, 11);
	GRANTED(1, top, 11);
	GRANTED(2, root, 11);
}

static void max_of_zero_refuses_everything(struct kunit *test)
{
	SET_MAX(top, "kunit_a 0");
	REFUSED(-EBUSY, 0, leaf, 1);
	REFUSED(-EBUSY, 0, top, 1);
	GRANTED(0, root, 1);
}

static void max_below_usage_takes_nothing_away(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	GRANTED(1, leaf, 10);
	SET_MAX(left, "kunit_a 15");
	EXPECT_USAGE("20 20 20 20 0");
	REFUSED(-EBUSY, 2, leaf, 1);
	REFUSED(-EBUSY, 2, leaf, U64_MAX);

	RELEASE(0);
	REFUSED(-EBUSY, 2, leaf, 6);
	GRANTED(2, leaf, 5);
}

/* Also where nothing fits any more: then it is the capacity that refuses. */
static void max_of_max_never_refuses(struct kunit *test)
{
	misc_cg_res_set_capacity(res_a, U64_MAX);
	GRANTED(0, leaf, U64_MAX);
	REFUSED(-ENOSPC, 1, leaf, 1);
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 0");
}

static void written_max_of_2_to_the_64_less_1_is_max(struct kunit *test)
{
	misc_cg_res_set_capacity(res_a, U64_MAX);
	SET_MAX(leaf, "kunit_a 18446744073709551615");
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	GRANTED(0, leaf, U64_MAX);
	REFUSED(-ENOSPC, 1, leaf, 1);
}

static void max_above_capacity_is_allowed(struct kunit *test)
{
	SET_MAX(leaf, "kunit_a 1000");
	EXPECT_FILE(leaf, "misc.max", "kunit_a 1000\nkunit_b max\n");
	REFUSED(-ENOSPC, 0, leaf, 101);
	GRANTED(0, leaf, 100);
}

static void capacity_is_granted_exactly(struct kunit *test)
{
	REFUSED(-ENOSPC, 0, leaf, 101);
	GRANTED(0, leaf, 60);
	REFUSED(-ENOSPC, 1, right, 41);
	GRANTED(1, right, 40);
	REFUSED(-ENOSPC, 2, root, 1);

	misc_cg_res_set_capacity(res_a, 101);
	GRANTED(2, root, 1);
}

static void capacity_below_usage_takes_nothing_away(struct kunit *test)
{
	GRANTED(0, leaf, 60);
	GRANTED(1, right, 10);
	misc_cg_res_set_capacity(res_a, 20);
	EXPECT_USAGE("70 70 60 60 10");
	REFUSED(-ENOSPC, 2, right, 1);
	REFUSED(-ENOSPC, 2, right, U64_MAX - 70);
	RELEASE(0);
	REFUSED(-ENOSPC, 2, right, 11);
	GRANTED(2, right, 10);
}

static void capacity_of_zero_refuses_everything(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	misc_cg_res_set_capacity(res_a, 0);
	REFUSED(-ENOSPC, 1, leaf, 1);
	REFUSED(-ENOSPC, 1, root, 1);
	EXPECT_USAGE("10 10 10 10 0");
	RELEASE(0);
	REFUSED(-ENOSPC, 1, leaf, 1);
}

static void max_event_counts_where_it_was_refused_and_above(struct kunit *test)
{
	SET_MAX(left, "kunit_a 10");
	REFUSED(-EBUSY, 0, leaf, 11);
	EXPECT_MAX_EVENTS("1 1 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 0");

	REFUSED(-EBUSY, 0, left, 11);
	EXPECT_MAX_EVENTS("2 2 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 2 0 0");
	EXPECT_ALLOC_FAILS("0 1 1 0");
}

static void lowest_max_that_refuses_counts(struct kunit *test)
{
	SET_MAX(top, "kunit_a 5");
	SET_MAX(left, "kunit_a 10");
	REFUSED(-EBUSY, 0, leaf, 11);
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0");
	EXPECT_MAX_EVENTS("1 1 0 0");
	REFUSED(-EBUSY, 0, leaf, 6);
	EXPECT_LOCAL_MAX_EVENTS("1 1 0 0");
	EXPECT_MAX_EVENTS("2 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 2 0");
}

static void max_refuses_before_capacity(struct kunit *test)
{
	SET_MAX(top, "kunit_a 100");
	REFUSED(-EBUSY, 0, leaf, 101);
	EXPECT_LOCAL_MAX_EVENTS("1 0 0 0");
}

/* Stock counts it where nobody sees it, or as a max that it is not. */
static void exhausted_capacity_is_alloc_fail_and_no_max_event(struct kunit *test)
{
	GRANTED(0, leaf, 100);
	REFUSED(-ENOSPC, 1, leaf, 1);
	REFUSED(-ENOSPC, 1, right, 1);
	REFUSED(-ENOSPC, 1, right, 1);
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 2");
}

static void granted_charge_counts_no_event(struct kunit *test)
{
	SET_MAX(left, "kunit_a 10");
	GRANTED(0, leaf, 10);
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0");
}

/* Whether a file's pollers have been woken since the last call. */
static bool t_woken(struct cgroup_file *cfile)
{
	bool woken = cfile->notified_at;

	cfile->notified_at = 0;
	return woken;
}

/* One that the core has set up, whatever that takes, to be copied. */
static struct cgroup_file t_cgroup_file(struct kunit *test)
{
	struct kernfs_node *parent = cgrp_dfl_root.cgrp.kn, *dir;
	struct cgroup_file cfile;
	int ret;

	/* The core breaks the protection that mkdir and rmdir come with. */
	kernfs_unbreak_active_protection(parent);
	ret = cgroup_mkdir(parent, "kunit_misc", 0755);
	kernfs_break_active_protection(parent);
	KUNIT_ASSERT_EQ(test, ret, 0);

	dir = kernfs_find_and_get(parent, "kunit_misc");
	KUNIT_ASSERT_NOT_NULL(test, dir);
	cfile = ((struct cgroup *)dir->priv)->events_file;
	kernfs_unbreak_active_protection(dir);
	KUNIT_EXPECT_EQ(test, cgroup_rmdir(dir), 0);
	kernfs_break_active_protection(dir);
	kernfs_put(dir);
	return cfile;
}

static void refusal_wakes_the_pollers_of_both_events_files(struct kunit *test)
{
	struct cgroup_file cfile = t_cgroup_file(test);
	struct misc_cg *cgs[] = { top, left, leaf, right };
	int i;

	/* That 0 is long ago is what lets the core tell pollers at once. */
	if (time_in_range(jiffies, 0ul, (unsigned long)HZ))
		kunit_skip(test, "jiffies are about to wrap");
	for (i = 0; i < ARRAY_SIZE(cgs); i++) {
		cgs[i]->events_file = cfile;
		cgs[i]->events_local_file = cfile;
		cgs[i]->events_file.kn = t_file(cgs[i], "misc.events");
		cgs[i]->events_local_file.kn =
			t_file(cgs[i], "misc.events.local");
	}

	SET_MAX(left, "kunit_a 10");
	CHARGE(0, res_a, leaf, 10);
	for (i = 0; i < ARRAY_SIZE(cgs); i++) {
		KUNIT_EXPECT_FALSE(test, t_woken(&cgs[i]->events_file));
		KUNIT_EXPECT_FALSE(test, t_woken(&cgs[i]->events_local_file));
	}

	/* Refused by left's max. */
	CHARGE(1, res_a, leaf, 1);
	KUNIT_EXPECT_TRUE(test, t_woken(&leaf->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&leaf->events_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&left->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&left->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&top->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&top->events_file));

	/* By capacity. */
	CHARGE(1, res_a, right, 91);
	KUNIT_EXPECT_TRUE(test, t_woken(&right->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&right->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&top->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&top->events_file));

	/* A move, by left's max. */
	CHARGE(1, res_a, right, 1);
	MOVE(2, 1, leaf);
	KUNIT_EXPECT_TRUE(test, t_woken(&leaf->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&left->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&left->events_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&top->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&right->events_local_file));

	for (i = 0; i < ARRAY_SIZE(cgs); i++) {
		kernfs_put(cgs[i]->events_file.kn);
		kernfs_put(cgs[i]->events_local_file.kn);
	}
}

static void t_probe(void *data, const char *resource, u64 amount,
		    struct cgroup *charging, struct cgroup *refusing, u64 usage,
		    u64 limit)
{
	struct t_trace *trace = data;

	trace->nr++;
	strscpy(trace->resource, resource, sizeof(trace->resource));
	trace->amount = amount;
	trace->charging = charging;
	trace->refusing = refusing;
	trace->usage = usage;
	trace->limit = limit;
	trace->locked = t_is_locked(res_a);
	trace->in_rcu = rcu_read_lock_held();
}

static void t_unprobe(void *data)
{
	unregister_trace_misc_cg_charge_refused(t_probe, data);
	tracepoint_synchronize_unregister();
}

static void t_trace_on(struct kunit *test)
{
	if (register_trace_misc_cg_charge_refused(t_probe, &t.trace))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_unprobe,
							   &t.trace));
}

#define EXPECT_TRACE(n, name, what, who, by, used, most) do {		\
	KUNIT_EXPECT_EQ(test, t.trace.nr, n);				\
	KUNIT_EXPECT_STREQ(test, t.trace.resource, name);		\
	KUNIT_EXPECT_EQ(test, t.trace.amount, what);			\
	KUNIT_EXPECT_PTR_EQ(test, t.trace.charging, (who)->css.cgroup);\
	KUNIT_EXPECT_PTR_EQ(test, t.trace.refusing, (by)->css.cgroup);	\
	KUNIT_EXPECT_EQ(test, t.trace.usage, used);			\
	KUNIT_EXPECT_EQ(test, t.trace.limit, most);			\
} while (0)

static void refusal_is_traced_with_what_it_was_decided_on(struct kunit *test)
{
	t_trace_on(test);
	SET_MAX(left, "kunit_a 15");
	CHARGE(0, res_a, leaf, 10);
	CHARGE(1, res_a, right, 20);
	KUNIT_EXPECT_EQ(test, t.trace.nr, 0);

	CHARGE(2, res_a, leaf, 6);
	EXPECT_TRACE(1, "kunit_a", 6, leaf, left, 10, 15);
	CHARGE(2, res_a, right, 71);
	EXPECT_TRACE(2, "kunit_a", 71, right, root, 30, 100);
	MOVE(2, 1, leaf);
	EXPECT_TRACE(3, "kunit_a", 20, leaf, left, 10, 15);
	/* RCU keeps the root's cgroup, which moving to v1 replaces. */
	KUNIT_EXPECT_TRUE(test, t.trace.in_rcu);
}

static void refusal_is_reported_after_unlocking(struct kunit *test)
{
	t_trace_on(test);
	t_log_on(test);
	SET_MAX(left, "kunit_a 5");
	CHARGE(0, res_a, right, 10);
	CHARGE(1, res_a, leaf, 6);
	KUNIT_EXPECT_EQ(test, t.trace.nr, 1);
	KUNIT_EXPECT_FALSE(test, t.trace.locked);
	KUNIT_EXPECT_FALSE(test, t.log.locked);
	MOVE(1, 0, leaf);
	KUNIT_EXPECT_EQ(test, t.trace.nr, 2);
	KUNIT_EXPECT_FALSE(test, t.trace.locked);
}

static void charge_of_the_root_is_seen_by_the_tracepoint_only(struct kunit *test)
{
	t_trace_on(test);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res_b, root, 101), -ENOSPC);
	EXPECT_TRACE(1, "kunit_b", 101, root, root, 0, 100);
	REFUSED(-ENOSPC, 0, root, 101);
	EXPECT_TRACE(2, "kunit_a", 101, root, root, 0, 100);
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0");
}

static struct kunit_case t_limits_cases[] = {
	KUNIT_CASE(max_is_granted_exactly),
	KUNIT_CASE(max_of_a_cgroup_limits_its_subtree_only),
	KUNIT_CASE(max_of_zero_refuses_everything),
	KUNIT_CASE(max_below_usage_takes_nothing_away),
	KUNIT_CASE(max_of_max_never_refuses),
	KUNIT_CASE(written_max_of_2_to_the_64_less_1_is_max),
	KUNIT_CASE(max_above_capacity_is_allowed),
	KUNIT_CASE(capacity_is_granted_exactly),
	KUNIT_CASE(capacity_below_usage_takes_nothing_away),
	KUNIT_CASE(capacity_of_zero_refuses_everything),
	KUNIT_CASE(max_event_counts_where_it_was_refused_and_above),
	KUNIT_CASE(lowest_max_that_refuses_counts),
	KUNIT_CASE(max_refuses_before_capacity),
	KUNIT_CASE(exhausted_capacity_is_alloc_fail_and_no_max_event),
	KUNIT_CASE(granted_charge_counts_no_event),
	KUNIT_CASE(refusal_wakes_the_pollers_of_both_events_files),
	KUNIT_CASE(refusal_is_traced_with_what_it_was_decided_on),
	KUNIT_CASE(refusal_is_reported_after_unlocking),
	KUNIT_CASE(charge_of_the_root_is_seen_by_the_tracepoint_only),
	{}
};

static struct kunit_suite t_limits_suite = {
	.name = "misc_cg_limits",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_limits_cases,
};

/*
 * Moves
 */

static void move_of_an_empty_charge_does_nothing(struct kunit *test)
{
	t_log_on(test);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(1, 0), 0);
	EXPECT_EMPTY(0);
	EXPECT_EMPTY(1);

	GRANTED(1, leaf, 10);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(1, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, charges[1].cg, leaf);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t.log.nr, 0);
}

static void move_onto_a_charge_that_holds_something_is_invalid(struct kunit *test)
{
	int ret;

	t_log_on(test);
	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res_b, right, 5), 0);
	EXPECT_WARNING("kunit_b: this charge is not empty",
		       ret = MOVE_CURRENT(1, 0));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	EXPECT_WARNING("kunit_a: this charge is not empty",
		       ret = MOVE_CURRENT(0, 0));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);

	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, right), 5);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
	KUNIT_EXPECT_EQ(test, t_refs(right), 2);
	RELEASE(0);
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, right), 0);
}

static void move_current_moves_to_the_cgroup_of_the_task(struct kunit *test)
{
	struct misc_cg *cg = get_current_misc_cg();

	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, MOVE_CURRENT(1, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, charges[1].cg, cg);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, cg), 10);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, leaf), 0);
	put_misc_cg(cg);
}

static void moved_charge_is_held_by_its_new_owner_only(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	MOVED(1, 0, right);
	EXPECT_EMPTY(0);
	KUNIT_EXPECT_PTR_EQ(test, charges[1].cg, right);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
	KUNIT_EXPECT_EQ(test, t_refs(right), 2);

	RELEASE(0);
	EXPECT_USAGE("10 10 0 0 10");
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(right), 1);
}

static void move_within_a_cgroup_checks_no_max(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	SET_MAX(leaf, "kunit_a 0");
	SET_MAX(top, "kunit_a 0");
	misc_cg_res_set_capacity(res_a, 1);
	MOVED(1, 0, leaf);
	EXPECT_EMPTY(0);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
}

static void move_to_an_ancestor_checks_no_max(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	SET_MAX(leaf, "kunit_a 0");
	SET_MAX(left, "kunit_a 0");
	SET_MAX(top, "kunit_a 0");
	MOVED(1, 0, left);
	EXPECT_USAGE("10 10 10 0 0");
	MOVED(0, 1, top);
	EXPECT_USAGE("10 10 0 0 0");
	MOVED(1, 0, root);
	EXPECT_USAGE("10 0 0 0 0");
	EXPECT_PEAK("10 10 10 10 0");
}

static void move_to_a_descendant_checks_the_levels_that_gain(struct kunit *test)
{
	GRANTED(0, top, 10);
	SET_MAX(left, "kunit_a 9");
	MOVE_REFUSED(-EBUSY, 1, 0, leaf);
	SET_MAX(left, "kunit_a 10");
	SET_MAX(leaf, "kunit_a 9");
	MOVE_REFUSED(-EBUSY, 1, 0, leaf);
	EXPECT_USAGE("10 10 0 0 0");
	EXPECT_PEAK("10 10 0 0 0");
	SET_MAX(leaf, "kunit_a 10");
	MOVED(1, 0, leaf);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 0");
}

static void move_to_a_cousin_checks_the_levels_that_gain(struct kunit *test)
{
	GRANTED(0, right, 10);
	SET_MAX(left, "kunit_a 9");
	MOVE_REFUSED(-EBUSY, 1, 0, leaf);
	EXPECT_USAGE("10 10 0 0 10");
	EXPECT_PEAK("10 10 0 0 10");
	SET_MAX(left, "kunit_a 10");
	MOVED(1, 0, leaf);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 10");
}

static void move_across_the_root_checks_up_to_below_it(struct kunit *test)
{
	struct misc_cg *aside = t_child(test, root);

	GRANTED(0, aside, 100);
	SET_MAX(top, "kunit_a 99");
	MOVE_REFUSED(-EBUSY, 1, 0, right);
	SET_MAX(top, "kunit_a 100");
	MOVED(1, 0, right);
	EXPECT_USAGE("100 100 0 0 100");
	EXPECT_PEAK("100 100 0 0 100");
	KUNIT_EXPECT_EQ(test, t_usage(res_a, aside), 0);
}

/* Stock charges the destination before it uncharges the source. */
static void full_common_ancestor_does_not_matter(struct kunit *test)
{
	SET_MAX(top, "kunit_a 10");
	GRANTED(0, leaf, 10);
	MOVED(1, 0, right);
	EXPECT_USAGE("10 10 0 0 10");
	SET_MAX(top, "kunit_a 0");
	MOVED(0, 1, leaf);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 10");
}

static void move_checks_no_capacity(struct kunit *test)
{
	GRANTED(0, root, 100);
	MOVED(1, 0, leaf);
	misc_cg_res_set_capacity(res_a, 1);
	MOVED(0, 1, right);
	EXPECT_USAGE("100 100 0 0 100");
}

static void move_from_a_removed_cgroup_succeeds(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	t_remove(leaf);
	KUNIT_EXPECT_FALSE(test, t_released(leaf));
	MOVED(1, 0, right);
	KUNIT_EXPECT_TRUE(test, t_released(leaf));
	EXPECT_USAGE("10 10 0 0 10");
}

static void move_of_an_unregistered_resource_succeeds(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	misc_cg_res_unregister(res_a);
	MOVED(1, 0, right);
	EXPECT_USAGE("10 10 0 0 10");
}

static void refused_move_changes_nothing_but_events(struct kunit *test)
{
	GRANTED(0, right, 10);
	SET_MAX(left, "kunit_a 5");
	SET_MAX(top, "kunit_a 1");
	MOVE_REFUSED(-EBUSY, 1, 0, leaf);

	EXPECT_USAGE("10 10 0 0 10");
	EXPECT_PEAK("10 10 0 0 10");
	EXPECT_EMPTY(1);
	KUNIT_EXPECT_PTR_EQ(test, charges[0].cg, right);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
	KUNIT_EXPECT_EQ(test, t_refs(right), 2);

	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0");
	EXPECT_MAX_EVENTS("1 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 0");

	RELEASE(0);
	EXPECT_USAGE("0 0 0 0 0");
}

static void move_of_a_huge_amount_does_not_overflow(struct kunit *test)
{
	misc_cg_res_set_capacity(res_a, U64_MAX);
	GRANTED(0, leaf, 1);
	GRANTED(1, right, U64_MAX - 1);
	REFUSED(-ENOSPC, 2, root, 1);
	SET_MAX(leaf, "kunit_a 18446744073709551614");
	MOVE_REFUSED(-EBUSY, 2, 1, leaf);
	RELEASE(0);
	MOVED(2, 1, leaf);
	KUNIT_EXPECT_EQ(test, t_usage(res_a, leaf), U64_MAX - 1);
}

static struct kunit_case t_move_cases[] = {
	KUNIT_CASE(move_of_an_empty_charge_does_nothing),
	KUNIT_CASE(move_onto_a_charge_that_holds_something_is_invalid),
	KUNIT_CASE(move_current_moves_to_the_cgroup_of_the_task),
	KUNIT_CASE(moved_charge_is_held_by_its_new_owner_only),
	KUNIT_CASE(move_within_a_cgroup_checks_no_max),
	KUNIT_CASE(move_to_an_ancestor_checks_no_max),
	KUNIT_CASE(move_to_a_descendant_checks_the_levels_that_gain),
	KUNIT_CASE(move_to_a_cousin_checks_the_levels_that_gain),
	KUNIT_CASE(move_across_the_root_checks_up_to_below_it),
	KUNIT_CASE(full_common_ancestor_does_not_matter),
	KUNIT_CASE(move_checks_no_capacity),
	KUNIT_CASE(move_from_a_removed_cgroup_succeeds),
	KUNIT_CASE(move_of_an_unregistered_resource_succeeds),
	KUNIT_CASE(refused_move_changes_nothing_but_events),
	KUNIT_CASE(move_of_a_huge_amount_does_not_overflow),
	{}
};

static struct kunit_suite t_move_suite = {
	.name = "misc_cg_move",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_move_cases,
};

/*
 * Transfers
 */

static void transfer_changes_no_number(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	SET_MAX(leaf, "kunit_a 0");
	misc_cg_res_set_capacity(res_a, 1);
	TRANSFER(1, 0);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 0");
	EXPECT_MAX_EVENTS("0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 2);
}

static void transferred_charge_is_held_by_its_new_owner_only(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	TRANSFER(1, 0);
	EXPECT_EMPTY(0);
	RELEASE(0);
	EXPECT_USAGE("10 10 10 10 0");
	RELEASE(1);
	EXPECT_EMPTY(1);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
}

static void transferred_charge_can_be_moved(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	TRANSFER(1, 0);
	MOVED(0, 1, right);
	EXPECT_USAGE("10 10 0 0 10");
	TRANSFER(1, 0);
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
}

static void transfer_of_an_empty_charge_does_nothing(struct kunit *test)
{
	t_log_on(test);
	TRANSFER(1, 0);
	EXPECT_EMPTY(0);
	EXPECT_EMPTY(1);

	GRANTED(1, leaf, 10);
	TRANSFER(1, 0);
	EXPECT_USAGE("10 10 10 10 0");
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t.log.nr, 0);
}

static void transfer_onto_a_charge_that_holds_something_does_nothing(struct kunit *test)
{
	t_log_on(test);
	GRANTED(0, leaf, 10);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res_b, right, 5), 0);
	EXPECT_WARNING("kunit_b: this charge is not empty", TRANSFER(1, 0));
	EXPECT_WARNING("kunit_a: this charge is not empty", TRANSFER(0, 0));

	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, right), 5);
	RELEASE(0);
	RELEASE(1);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, right), 0);
	KUNIT_EXPECT_EQ(test, t_refs(leaf), 1);
	KUNIT_EXPECT_EQ(test, t_refs(right), 1);
}

static void transfer_works_without_cgroup_and_resource(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	misc_cg_res_unregister(res_a);
	t_remove(leaf);
	TRANSFER(1, 0);
	KUNIT_EXPECT_FALSE(test, t_released(leaf));
	RELEASE(1);
	KUNIT_EXPECT_TRUE(test, t_released(leaf));
	EXPECT_USAGE("0 0 0 0 0");
}

static struct kunit_case t_transfer_cases[] = {
	KUNIT_CASE(transfer_changes_no_number),
	KUNIT_CASE(transferred_charge_is_held_by_its_new_owner_only),
	KUNIT_CASE(transferred_charge_can_be_moved),
	KUNIT_CASE(transfer_of_an_empty_charge_does_nothing),
	KUNIT_CASE(transfer_onto_a_charge_that_holds_something_does_nothing),
	KUNIT_CASE(transfer_works_without_cgroup_and_resource),
	{}
};

static struct kunit_suite t_transfer_suite = {
	.name = "misc_cg_transfer",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_transfer_cases,
};

/*
 * Registration
 */

static void name_has_1_to_31_of_a_to_z_0_to_9_and_underscore(struct kunit *test)
{
	static const char * const good[] = {
		"k",
		"_",
		"0",
		"kunit_az_09",
		"kunit_31_characters_are_fine_xx",
	};
	static const char * const bad[] = {
		NULL,
		"",
		" ",
		"kunit_a ",
		"kunit_a.max",
		"kunit_a-b",
		"kunit_a\n",
		"kunit_A",
		"kunit_\xc3\xa4",
		"kunit_of_32_characters_is_too_xx",
	};
	struct misc_cg_res *res;
	int i;

	KUNIT_ASSERT_EQ(test, strlen(good[4]), 31);
	KUNIT_ASSERT_EQ(test, strlen(bad[9]), 32);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		res = misc_cg_res_register(good[i], 1);
		KUNIT_EXPECT_FALSE_MSG(test, IS_ERR(res), "\"%s\"", good[i]);
		misc_cg_res_unregister(res);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		res = misc_cg_res_register(bad[i], 1);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(res), -EINVAL,
				    "\"%s\"", bad[i]);
	}
}

static void name_is_copied(struct kunit *test)
{
	char name[] = "kunit_copied";
	struct misc_cg_res *res = t_register(test, name, 7);

	memset(name, 'x', sizeof(name) - 1);
	EXPECT_FILE(top, "misc.capacity",
		    "kunit_a 100\nkunit_b 100\nkunit_copied 7\n");
	misc_cg_res_unregister(res);
}

static void registered_name_exists(struct kunit *test)
{
	struct misc_cg_res *res = misc_cg_res_register("kunit_a", 5);

	KUNIT_EXPECT_PTR_EQ(test, res, ERR_PTR(-EEXIST));
	GRANTED(0, leaf, 100);
}

static void registering_again_brings_limits_peaks_and_events_back(struct kunit *test)
{
	SET_MAX(left, "kunit_a 10");
	GRANTED(0, leaf, 7);
	REFUSED(-EBUSY, 1, leaf, 7);
	RELEASE(0);
	misc_cg_res_unregister(res_a);

	KUNIT_EXPECT_PTR_EQ(test, t_register(test, "kunit_a", 50), res_a);
	EXPECT_FILE(left, "misc.max", "kunit_a 10\nkunit_b max\n");
	EXPECT_PEAK("7 7 7 7 0");
	EXPECT_MAX_EVENTS("1 1 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 0");
	REFUSED(-EBUSY, 1, leaf, 11);
	REFUSED(-ENOSPC, 1, right, 51);
}

static void limits_end_with_their_cgroup(struct kunit *test)
{
	SET_MAX(right, "kunit_a 10");
	t_remove(right);
	EXPECT_FILE(t_child(test, top), "misc.max",
		    "kunit_a max\nkunit_b max\n");
}

static void unregistering_keeps_outstanding_charges_counted(struct kunit *test)
{
	GRANTED(0, leaf, 10);
	GRANTED(1, leaf, 20);
	GRANTED(2, right, 5);
	misc_cg_res_unregister(res_a);
	EXPECT_USAGE("35 35 30 30 5");
	RELEASE(0);
	RELEASE(2);
	EXPECT_USAGE("20 20 20 20 0");
}

static void outstanding_charges_count_against_the_new_capacity(struct kunit *test)
{
	GRANTED(0, leaf, 60);
	misc_cg_res_unregister(res_a);
	t_register(test, "kunit_a", 70);
	REFUSED(-ENOSPC, 1, right, 11);
	GRANTED(1, right, 10);

	RELEASE(0);
	EXPECT_USAGE("10 10 0 0 10");
	GRANTED(0, leaf, 60);
}

static void unregistering_twice_is_harmless(struct kunit *test)
{
	t_log_on(test);
	misc_cg_res_unregister(res_a);
	EXPECT_WARNING("kunit_a: not registered", {
		misc_cg_res_unregister(res_a);
		misc_cg_res_unregister(res_a);
	});
	t_register(test, "kunit_a", 10);
	GRANTED(0, leaf, 10);
}

static void capacity_of_an_unregistered_resource_stays_zero(struct kunit *test)
{
	t_log_on(test);
	misc_cg_res_unregister(res_a);
	EXPECT_WARNING("kunit_a: not registered", {
		misc_cg_res_set_capacity(res_a, 10);
		misc_cg_res_set_capacity(res_a, 10);
	});
	EXPECT_FILE(leaf, "misc.capacity", "kunit_b 100\n");
	REFUSED(-ENODEV, 0, leaf, 1);
}

static void new_name_counts_in_cgroups_that_were_there_before(struct kunit *test)
{
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;
	struct misc_cg *half;

	/* One of them half made: the core has not linked it yet. */
	css = t_css_alloc(test, leaf);
	res = t_register(test, "kunit_new", 10);
	half = t_online(test, leaf, "kunit_half", css);

	KUNIT_EXPECT_EQ(test, CHARGE(0, res, half, 1), 0);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res, right, 2), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res, half), 1);
	KUNIT_EXPECT_EQ(test, t_usage(res, leaf), 1);
	KUNIT_EXPECT_EQ(test, t_usage(res, top), 3);
	KUNIT_EXPECT_EQ(test, t_usage(res, root), 3);
	EXPECT_FILE(half, "misc.max", "kunit_a max\nkunit_b max\nkunit_new max\n");

	RELEASE(0);
	RELEASE(1);
	misc_cg_res_unregister(res);
}

static void new_cgroup_counts_all_names(struct kunit *test)
{
	struct misc_cg *cg;

	misc_cg_res_unregister(res_b);
	cg = t_child(test, leaf);
	t_register(test, "kunit_b", 100);
	GRANTED(0, cg, 1);
	KUNIT_EXPECT_EQ(test, CHARGE(1, res_b, cg, 2), 0);
	EXPECT_USAGE("1 1 1 1 0");
	KUNIT_EXPECT_EQ(test, t_usage(res_b, leaf), 2);
}

/* css_alloc() and css_free() are all that it sees. */
static void aborted_cgroup_leaves_nothing_behind(struct kunit *test)
{
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;

	css = t_css_alloc(test, leaf);
	misc_cgrp_subsys.css_free(css);

	res = t_register(test, "kunit_new", 10);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res, leaf, 1), 0);
	RELEASE(0);
	misc_cg_res_unregister(res);
}

/*
 * From here on the task's nth allocation fails, and no other; 0 for none.
 * Debugfs is how failslab is told to fail those that may sleep, and not to
 * fill the log.
 */
static void t_fail_nth(struct kunit *test, unsigned int nth)
{
#ifdef CONFIG_FAILSLAB
	struct dentry *dir = debugfs_lookup("failslab", NULL);
	struct dentry *sleeping = debugfs_lookup("ignore-gfp-wait", dir);
	struct dentry *verbose = debugfs_lookup("verbose", dir);

	KUNIT_ASSERT_TRUE(test, sleeping && verbose);
	*(bool *)d_inode(sleeping)->i_private = !nth;
	*(unsigned long *)d_inode(verbose)->i_private = 0;
	dput(verbose);
	dput(sleeping);
	dput(dir);
	current->fail_nth = nth;
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB");
#endif
}

/* Whether the allocation that was to fail has come. */
static bool t_failed_nth(struct kunit *test)
{
	bool failed = false;

#ifdef CONFIG_FAILSLAB
	failed = !current->fail_nth;
#endif
	t_fail_nth(test, 0);
	return failed;
}

/* What a cgroup has for the counters of all names. */
#define T_BATCHES	DIV_ROUND_UP(misc_cg_nr_resources, MISC_CG_BATCH)

/* Until the next name needs memory in each cgroup. */
static void t_fill_batch(struct kunit *test)
{
	char name[32];

	while (misc_cg_nr_resources % MISC_CG_BATCH) {
		snprintf(name, sizeof(name), "kunit_fill_%u",
			 misc_cg_nr_resources);
		misc_cg_res_unregister(t_register(test, name, 1));
	}
}

static void new_name_without_memory_is_not_registered(struct kunit *test)
{
	unsigned int nr_names, nth, failed = 0;
	struct misc_cg_res *res;

	t_fill_batch(test);
	nr_names = misc_cg_nr_resources;
	for (nth = 1; ; nth++) {
		t_fail_nth(test, nth);
		res = misc_cg_res_register("kunit_new", 10);
		if (!t_failed_nth(test))
			break;
		/* Not ours: kmemleak allocates on every allocation. */
		if (!IS_ERR(res)) {
			misc_cg_res_unregister(res);
			t_forget_names(nr_names);
			continue;
		}
		failed++;
		KUNIT_ASSERT_PTR_EQ(test, res, ERR_PTR(-ENOMEM));
		KUNIT_EXPECT_EQ(test, misc_cg_nr_resources, nr_names);
		KUNIT_EXPECT_EQ(test, t_write(leaf, "kunit_new 1"), -EINVAL);
		EXPECT_FILE(leaf, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
		/* Also the counters that were made before. */
		t_forget_names(nr_names);
	}

	/* One for each cgroup. */
	KUNIT_EXPECT_EQ(test, failed, list_count_nodes(&misc_cg_list));
	EXPECT_FILE(leaf, "misc.capacity",
		    "kunit_a 100\nkunit_b 100\nkunit_new 10\n");
	misc_cg_res_unregister(res);
}

static void next_name_uses_counters_that_a_failure_has_left(struct kunit *test)
{
	struct misc_cg_res *res;

	t_fill_batch(test);
	t_fail_nth(test, 2);
	res = misc_cg_res_register("kunit_new", 10);
	KUNIT_EXPECT_TRUE(test, t_failed_nth(test));
	/* With kmemleak, the second allocation may not be ours. */
	if (IS_ERR(res))
		res = t_register(test, "kunit_newer", 10);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res, leaf, 11), -ENOSPC);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res, leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res, root), 10);
	RELEASE(0);
	misc_cg_res_unregister(res);
}

static void new_cgroup_without_memory_leaves_nothing_behind(struct kunit *test)
{
	size_t cgroups = list_count_nodes(&misc_cg_list);
	struct cgroup_subsys_state *css;
	unsigned int nth, failed = 0;
	struct misc_cg *cg;

	t_frees_on(test);
	for (nth = 1; ; nth++) {
		t.frees.nr = 0;
		t_fail_nth(test, nth);
		css = misc_cgrp_subsys.css_alloc(&leaf->css);
		if (!t_failed_nth(test))
			break;
		if (!IS_ERR(css)) {
			misc_cgrp_subsys.css_free(css);
			continue;
		}
		KUNIT_ASSERT_PTR_EQ(test, css, ERR_PTR(-ENOMEM));
		/* All that came before the one that failed. */
		KUNIT_EXPECT_EQ(test, t.frees.nr, failed);
		failed++;
		KUNIT_EXPECT_EQ(test, list_count_nodes(&misc_cg_list), cgroups);
	}

	/* The cgroup and its counters. */
	KUNIT_EXPECT_EQ(test, failed, 1 + T_BATCHES);
	cg = t_online(test, leaf, "kunit_late", css);
	GRANTED(0, cg, 1);
}

/* As if the root cgroup and the known names were not there yet. */
static void boot_without_memory_fails(struct kunit *test)
{
	struct misc_cg_counter *batch = misc_cg_root.batches[0];
	unsigned int nr_names = misc_cg_nr_resources;
	struct cgroup_subsys_state *css;

	list_del(&misc_cg_root.node);
	misc_cg_root.batches[0] = NULL;
	misc_cg_nr_resources = 0;
	t_fail_nth(test, 1);
	css = misc_cgrp_subsys.css_alloc(NULL);
	KUNIT_EXPECT_TRUE(test, t_failed_nth(test));
	KUNIT_EXPECT_PTR_EQ(test, css, ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_NULL(test, misc_cg_root.batches[0]);
	misc_cg_nr_resources = nr_names;
	misc_cg_root.batches[0] = batch;
	list_move(&misc_cg_root.node, &misc_cg_list);
}

static void new_name_counts_in_removed_cgroups_too(struct kunit *test)
{
	struct misc_cg_res *res;

	GRANTED(0, leaf, 1);
	t_remove(leaf);
	res = t_register(test, "kunit_new", 10);
	/* As from a task that is still exiting there. */
	KUNIT_EXPECT_EQ(test, CHARGE(1, res, leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res, top), 1);
	RELEASE(1);
	misc_cg_res_unregister(res);
}

static void at_most_64_names(struct kunit *test)
{
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;
	char name[32];
	int i;

	for (i = t.nr_names; i < 64; i++) {
		snprintf(name, sizeof(name), "kunit_fill_%d", i);
		res = misc_cg_res_register(name, i);
		KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(res), "name %d", i);
		misc_cg_res_unregister(res);
	}
	KUNIT_EXPECT_PTR_EQ(test, misc_cg_res_register("kunit_one_more", 1),
			    ERR_PTR(-ENOSPC));

	/* The last one is as good as the first. */
	res = t_register(test, name, 10);
	snprintf(t.line, sizeof(t.line), "%s 5\n", name);
	SET_MAX(leaf, t.line);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res, leaf, 6), -EBUSY);
	misc_cg_res_unregister(res);
	t_frees_on(test);
	css = t_css_alloc(test, leaf);
	EXPECT_FREES(1 + T_BATCHES, misc_cgrp_subsys.css_free(css));

	/* Those that have a slot can come and go. */
	res = t_register(test, name, 10);
	KUNIT_EXPECT_EQ(test, CHARGE(0, res, right, 10), 0);
	RELEASE(0);
	misc_cg_res_unregister(res);
	misc_cg_res_unregister(res_a);
	t_register(test, "kunit_a", 10);
	GRANTED(0, t_child(test, leaf), 10);
}

/* Ten below each, and half of the names come when half of them are there. */
static void all_names_count_in_10000_cgroups(struct kunit *test)
{
	/* Fewer where random tests, too, are to take fewer steps. */
	unsigned int nr = clamp(t_steps / 100, 2U, 10000U);
	unsigned int nr_res = 2, i;
	struct cgroup_subsys_state *css;
	struct misc_cg_charge *charge;
	struct misc_cg_res **res;
	struct misc_cg **cgs;
	u64 *held, *below;
	char name[32];

	res = kunit_kcalloc(test, MISC_CG_RES_MAX, sizeof(*res), GFP_KERNEL);
	held = kunit_kcalloc(test, MISC_CG_RES_MAX, sizeof(*held), GFP_KERNEL);
	cgs = kunit_kcalloc(test, nr, sizeof(*cgs), GFP_KERNEL);
	below = kunit_kcalloc(test, nr, sizeof(*below), GFP_KERNEL);
	charge = kunit_kcalloc(test, 2 * nr, sizeof(*charge), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, res && held && cgs && below && charge);
	res[0] = res_a;
	res[1] = res_b;
	misc_cg_res_set_capacity(res_a, nr);
	misc_cg_res_set_capacity(res_b, nr);

	for (i = 0; i < nr; i++) {
		while (misc_cg_nr_resources < (i < nr / 2 ? 32 : 64)) {
			snprintf(name, sizeof(name), "kunit_%u", nr_res);
			res[nr_res++] = t_register(test, name, nr);
		}
		css = t_css_alloc(test, i ? cgs[(i - 1) / 10] : leaf);
		css->flags |= CSS_NO_REF;
		cgs[i] = css_misc(css);
	}
	/* Each holds one of the last resource, and one of another. */
	for (i = nr; i--; ) {
		held[nr_res - 1]++;
		held[i % (nr_res - 1)]++;
		KUNIT_ASSERT_EQ(test, 0,
				misc_cg_charge_cgroup(&charge[2 * i],
						      res[nr_res - 1],
						      cgs[i], 1));
		KUNIT_ASSERT_EQ(test, 0,
				misc_cg_charge_cgroup(&charge[2 * i + 1],
						      res[i % (nr_res - 1)],
						      cgs[i], 1));
		below[i]++;
		if (i)
			below[(i - 1) / 10] += below[i];
	}
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, t_usage(res[nr_res - 1], cgs[i]), below[i]);
	for (i = 0; i < nr_res; i++)
		KUNIT_EXPECT_EQ(test, t_usage(res[i], root), held[i]);

	for (i = nr; i--; ) {
		misc_cg_charge_release(&charge[2 * i]);
		misc_cg_charge_release(&charge[2 * i + 1]);
		misc_cgrp_subsys.css_free(&cgs[i]->css);
	}
	for (i = 0; i < nr_res; i++) {
		KUNIT_EXPECT_EQ(test, t_usage(res[i], root), 0);
		if (i > 1)
			misc_cg_res_unregister(res[i]);
	}
}

/*
 * Names that are known before anybody registers them.  No machine that runs
 * these tests has a provider of "tdx".
 */

static void known_names_have_the_first_slots(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, misc_cg_resources[0].name, "sev");
	KUNIT_EXPECT_STREQ(test, misc_cg_resources[1].name, "sev_es");
	KUNIT_EXPECT_STREQ(test, misc_cg_resources[2].name, "tdx");
	KUNIT_EXPECT_GT(test, misc_cg_res_index(res_a), 2);
}

static void known_name_registers_in_its_slot(struct kunit *test)
{
	struct misc_cg_res *tdx = t_register(test, "tdx", 10);

	KUNIT_EXPECT_PTR_EQ(test, tdx, &misc_cg_resources[2]);
	misc_cg_res_unregister(tdx);
}

static void known_name_has_no_capacity_before_it_is_registered(struct kunit *test)
{
	EXPECT_FILE(leaf, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(root, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	KUNIT_EXPECT_EQ(test, CHARGE(0, &misc_cg_resources[2], leaf, 1), -ENODEV);
}

static void limit_of_a_known_name_holds_from_the_first_charge_on(struct kunit *test)
{
	struct misc_cg_res *tdx;

	SET_MAX(left, "tdx 1");
	EXPECT_FILE(left, "misc.max", "tdx 1\nkunit_a max\nkunit_b max\n");
	tdx = t_register(test, "tdx", 10);
	EXPECT_FILE(left, "misc.max", "tdx 1\nkunit_a max\nkunit_b max\n");
	KUNIT_EXPECT_EQ(test, CHARGE(0, tdx, leaf, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, CHARGE(0, tdx, leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, CHARGE(1, tdx, leaf, 1), -EBUSY);

	RELEASE(0);
	misc_cg_res_unregister(tdx);
	t_reset_root(tdx);
}

static struct kunit_case t_register_cases[] = {
	KUNIT_CASE(name_has_1_to_31_of_a_to_z_0_to_9_and_underscore),
	KUNIT_CASE(name_is_copied),
	KUNIT_CASE(registered_name_exists),
	KUNIT_CASE(registering_again_brings_limits_peaks_and_events_back),
	KUNIT_CASE(limits_end_with_their_cgroup),
	KUNIT_CASE(unregistering_keeps_outstanding_charges_counted),
	KUNIT_CASE(outstanding_charges_count_against_the_new_capacity),
	KUNIT_CASE(unregistering_twice_is_harmless),
	KUNIT_CASE(capacity_of_an_unregistered_resource_stays_zero),
	KUNIT_CASE(new_name_counts_in_cgroups_that_were_there_before),
	KUNIT_CASE(new_cgroup_counts_all_names),
	KUNIT_CASE(aborted_cgroup_leaves_nothing_behind),
	KUNIT_CASE(new_name_counts_in_removed_cgroups_too),
	KUNIT_CASE(new_name_without_memory_is_not_registered),
	KUNIT_CASE(next_name_uses_counters_that_a_failure_has_left),
	KUNIT_CASE(new_cgroup_without_memory_leaves_nothing_behind),
	KUNIT_CASE(boot_without_memory_fails),
	KUNIT_CASE(at_most_64_names),
	KUNIT_CASE_SLOW(all_names_count_in_10000_cgroups),
	KUNIT_CASE(known_names_have_the_first_slots),
	KUNIT_CASE(known_name_registers_in_its_slot),
	KUNIT_CASE(known_name_has_no_capacity_before_it_is_registered),
	KUNIT_CASE(limit_of_a_known_name_holds_from_the_first_charge_on),
	{}
};

static struct kunit_suite t_register_suite = {
	.name = "misc_cg_register",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_register_cases,
};

/*
 * Files
 */

static void root_has_capacity_current_and_peak_only(struct kunit *test)
{
	static const struct {
		const char *name;
		bool on_root;
	} files[] = {
		{ "misc.capacity", true },
		{ "misc.current", true },
		{ "misc.peak", true },
		{ "misc.max", false },
		{ "misc.max.effective", false },
		{ "misc.events", false },
		{ "misc.events.local", false },
	};
	struct kernfs_node *kn;
	int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		kn = t_file(root, files[i].name);
		KUNIT_EXPECT_EQ_MSG(test, !!kn, files[i].on_root, "%s",
				    files[i].name);
		kernfs_put(kn);
		kn = t_file(leaf, files[i].name);
		KUNIT_EXPECT_NOT_NULL_MSG(test, kn, "%s", files[i].name);
		kernfs_put(kn);
	}
	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(misc_cg_files) - 1, ARRAY_SIZE(files));
	KUNIT_EXPECT_PTR_EQ(test, misc_cgrp_subsys.legacy_cftypes,
			    misc_cgrp_subsys.dfl_cftypes);
}

static void capacity_is_the_same_everywhere(struct kunit *test)
{
	SET_MAX(top, "kunit_a 5");
	EXPECT_FILE(root, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(top, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(leaf, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	misc_cg_res_set_capacity(res_a, U64_MAX);
	EXPECT_FILE(leaf, "misc.capacity",
		    "kunit_a 18446744073709551615\nkunit_b 100\n");
}

static void current_shows_usage(struct kunit *test)
{
	EXPECT_FILE(root, "misc.current", "kunit_a 0\nkunit_b 0\n");
	CHARGE(0, res_a, leaf, 10);
	CHARGE(1, res_b, right, 20);
	EXPECT_FILE(root, "misc.current", "kunit_a 10\nkunit_b 20\n");
	EXPECT_FILE(top, "misc.current", "kunit_a 10\nkunit_b 20\n");
	EXPECT_FILE(leaf, "misc.current", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(right, "misc.current", "kunit_a 0\nkunit_b 20\n");
}

static void peak_shows_peak(struct kunit *test)
{
	EXPECT_FILE(root, "misc.peak", "kunit_a 0\nkunit_b 0\n");
	CHARGE(0, res_a, leaf, 10);
	RELEASE(0);
	CHARGE(0, res_a, right, 4);
	EXPECT_FILE(root, "misc.peak", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(right, "misc.peak", "kunit_a 4\nkunit_b 0\n");
}

static void max_shows_what_was_written_here(struct kunit *test)
{
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	SET_MAX(left, "kunit_b 7");
	EXPECT_FILE(left, "misc.max", "kunit_a max\nkunit_b 7\n");
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	EXPECT_FILE(top, "misc.max", "kunit_a max\nkunit_b max\n");
	SET_MAX(left, "kunit_b max");
	EXPECT_FILE(left, "misc.max", "kunit_a max\nkunit_b max\n");
}

static void effective_max_is_the_smallest_from_here_up(struct kunit *test)
{
	EXPECT_FILE(leaf, "misc.max.effective", "kunit_a 100\nkunit_b 100\n");
	SET_MAX(top, "kunit_a 50");
	EXPECT_FILE(top, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	EXPECT_FILE(leaf, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(leaf, "kunit_a 60");
	EXPECT_FILE(leaf, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(leaf, "kunit_a 40");
	EXPECT_FILE(leaf, "misc.max.effective", "kunit_a 40\nkunit_b 100\n");
	EXPECT_FILE(left, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(left, "kunit_a 0");
	EXPECT_FILE(leaf, "misc.max.effective", "kunit_a 0\nkunit_b 100\n");
	/* Usage does not matter, and it is a number even if it is the largest. */
	CHARGE(0, res_b, leaf, 10);
	misc_cg_res_set_capacity(res_b, U64_MAX);
	EXPECT_FILE(leaf, "misc.max.effective",
		    "kunit_a 0\nkunit_b 18446744073709551615\n");
}

static void events_count_refusals_by_max_here_and_below(struct kunit *test)
{
	EXPECT_FILE(top, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
	SET_MAX(left, "kunit_a 10\nkunit_b 0");
	CHARGE(0, res_a, leaf, 11);
	CHARGE(0, res_a, leaf, 11);
	CHARGE(0, res_b, left, 1);
	CHARGE(0, res_a, right, 101);
	EXPECT_FILE(leaf, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
	EXPECT_FILE(left, "misc.events", "kunit_a.max 2\nkunit_b.max 1\n");
	EXPECT_FILE(top, "misc.events", "kunit_a.max 2\nkunit_b.max 1\n");
	EXPECT_FILE(right, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
}

static void local_events_count_this_max_and_own_charges(struct kunit *test)
{
	EXPECT_FILE(top, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	SET_MAX(left, "kunit_a 10\nkunit_b 0");
	CHARGE(0, res_a, leaf, 11);
	CHARGE(0, res_a, leaf, 11);
	CHARGE(0, res_b, left, 1);
	CHARGE(0, res_a, right, 101);
	EXPECT_FILE(leaf, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 2\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	EXPECT_FILE(left, "misc.events.local",
		    "kunit_a.max 2\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 1\nkunit_b.alloc_fail 1\n");
	EXPECT_FILE(right, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 1\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	EXPECT_FILE(top, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
}

static void names_are_listed_in_order_of_first_registration(struct kunit *test)
{
	struct misc_cg_res *res = t_register(test, "kunit_0_later", 1);

	misc_cg_res_unregister(res_a);
	misc_cg_res_unregister(res_b);
	t_register(test, "kunit_b", 2);
	t_register(test, "kunit_a", 3);
	EXPECT_FILE(root, "misc.capacity",
		    "kunit_a 3\nkunit_b 2\nkunit_0_later 1\n");
	EXPECT_FILE(leaf, "misc.current",
		    "kunit_a 0\nkunit_b 0\nkunit_0_later 0\n");
	misc_cg_res_unregister(res);
}

/* Where KVM has sev and sev_es registered, the lines are the same. */
static void known_names_are_listed_first_in_the_order_of_their_table(struct kunit *test)
{
	static const char text[] =
		"sev 2\nsev_es 1\ntdx 3\nkunit_a 4\nkunit_b 5\n";

	SET_MAX(leaf, "kunit_b 5\nsev_es 1\ntdx 3\nkunit_a 4\nsev 2");
	KUNIT_EXPECT_TRUE(test, t_show(leaf, "misc.max", t.raw, sizeof(t.raw)));
	KUNIT_EXPECT_STREQ(test, t.raw, text);
}

static void max_is_listed_with_a_capacity_or_a_limit(struct kunit *test)
{
	SET_MAX(leaf, "kunit_a 10");
	SET_MAX(left, "kunit_a 0");
	misc_cg_res_unregister(res_a);
	EXPECT_FILE(leaf, "misc.max", "kunit_a 10\nkunit_b max\n");
	EXPECT_FILE(left, "misc.max", "kunit_a 0\nkunit_b max\n");
	EXPECT_FILE(right, "misc.max", "kunit_b max\n");
	SET_MAX(leaf, "kunit_a max");
	EXPECT_FILE(leaf, "misc.max", "kunit_b max\n");
	t_register(test, "kunit_a", 1);
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b max\n");
}

static void without_capacity_only_numbers_that_are_not_0_are_listed(struct kunit *test)
{
	int unregistered;

	SET_MAX(leaf, "kunit_a 10");
	CHARGE(0, res_a, leaf, 10);
	CHARGE(1, res_a, leaf, 1);
	/* A capacity of 0 and none look the same. */
	misc_cg_res_set_capacity(res_a, 0);
	for (unregistered = 0; unregistered < 2; unregistered++) {
		EXPECT_FILE(root, "misc.capacity", "kunit_b 100\n");
		EXPECT_FILE(leaf, "misc.capacity", "kunit_b 100\n");
		EXPECT_FILE(leaf, "misc.max.effective", "kunit_b 100\n");

		EXPECT_FILE(root, "misc.current", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(leaf, "misc.current", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(right, "misc.current", "kunit_b 0\n");
		EXPECT_FILE(leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(right, "misc.peak", "kunit_b 0\n");
		EXPECT_FILE(top, "misc.events",
			    "kunit_a.max 1\nkunit_b.max 0\n");
		EXPECT_FILE(right, "misc.events", "kunit_b.max 0\n");
		EXPECT_FILE(leaf, "misc.events.local",
			    "kunit_a.max 1\nkunit_a.alloc_fail 1\n"
			    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
		EXPECT_FILE(top, "misc.events.local",
			    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
		if (!unregistered)
			misc_cg_res_unregister(res_a);
	}

	RELEASE(0);
	EXPECT_FILE(root, "misc.current", "kunit_b 0\n");
	EXPECT_FILE(leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
}

static void event_keys_are_listed_one_by_one(struct kunit *test)
{
	/* Refused by the capacity: no .max anywhere. */
	CHARGE(0, res_a, leaf, 101);
	misc_cg_res_set_capacity(res_a, 0);
	EXPECT_FILE(leaf, "misc.events.local",
		    "kunit_a.alloc_fail 1\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
}

static void max_takes_numbers_as_the_kernel_writes_them(struct kunit *test)
{
	static const struct {
		const char *text;
		const char *max;
	} writes[] = {
		{ "kunit_a 5", "kunit_a 5\nkunit_b max\n" },
		{ "kunit_a 6\n", "kunit_a 6\nkunit_b max\n" },
		{ "kunit_a 0x1f", "kunit_a 31\nkunit_b max\n" },
		{ "kunit_a 0X1F", "kunit_a 31\nkunit_b max\n" },
		{ "kunit_a 010", "kunit_a 8\nkunit_b max\n" },
		{ "kunit_a 0", "kunit_a 0\nkunit_b max\n" },
		{ "  kunit_a   7 \t\n", "kunit_a 7\nkunit_b max\n" },
		{ "kunit_a\t9", "kunit_a 9\nkunit_b max\n" },
		{ "kunit_a max", "kunit_a max\nkunit_b max\n" },
		{ "kunit_a 18446744073709551614",
		  "kunit_a 18446744073709551614\nkunit_b max\n" },
		{ "kunit_a 18446744073709551615",
		  "kunit_a max\nkunit_b max\n" },
		{ "kunit_a 0xffffffffffffffff",
		  "kunit_a max\nkunit_b max\n" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		SET_MAX(leaf, "kunit_a 1");
		KUNIT_EXPECT_EQ_MSG(test, t_write(leaf, writes[i].text),
				    0, "\"%s\"", writes[i].text);
		EXPECT_FILE(leaf, "misc.max", writes[i].max);
	}
}

static void max_refuses_nonsense_and_stays_as_it_is(struct kunit *test)
{
	static const struct {
		const char *text;
		int ret;
	} writes[] = {
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ " ", -EINVAL },
		{ "kunit_a", -EINVAL },
		{ "kunit_a ", -EINVAL },
		{ "kunit_a\n", -EINVAL },
		{ "kunit_a\n5", -EINVAL },
		{ "5", -EINVAL },
		{ "max", -EINVAL },
		{ "kunit_unknown 5", -EINVAL },
		{ "kunit 5", -EINVAL },
		{ "kunit_aa 5", -EINVAL },
		{ "KUNIT_A 5", -EINVAL },
		{ "kunit_a.max 5", -EINVAL },
		{ "kunit_a=5", -EINVAL },
		{ "kunit_a x", -EINVAL },
		{ "kunit_a 5x", -EINVAL },
		{ "kunit_a 0x", -EINVAL },
		{ "kunit_a 08", -EINVAL },
		{ "kunit_a -1", -EINVAL },
		{ "kunit_a 1.5", -EINVAL },
		{ "kunit_a Max", -EINVAL },
		{ "kunit_a maximum", -EINVAL },
		{ "kunit_a 5 6", -EINVAL },
		{ "kunit_a 5 max", -EINVAL },
		{ "kunit_a max 5", -EINVAL },
		{ "kunit_a 5 kunit_b 6", -EINVAL },
		{ "kunit_a 18446744073709551616", -ERANGE },
		{ "kunit_a 0x10000000000000000", -ERANGE },
		{ "kunit_a 99999999999999999999999", -ERANGE },
		{ "kunit_a 5\nkunit_a 6", -EINVAL },
		{ "kunit_a 5\nkunit_a 5", -EINVAL },
		{ "kunit_a 5\nkunit_b 6\nkunit_a max", -EINVAL },
		{ "kunit_a 5\nkunit_unknown 6", -EINVAL },
		{ "kunit_unknown 6\nkunit_a 5", -EINVAL },
		{ "kunit_a 5\nkunit_b", -EINVAL },
		{ "kunit_a 5\nkunit_b 99999999999999999999999", -ERANGE },
	};
	int i;

	SET_MAX(leaf, "kunit_a 1\nkunit_b 2");
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		KUNIT_EXPECT_EQ_MSG(test, t_write(leaf, writes[i].text),
				    writes[i].ret, "\"%s\"", writes[i].text);
		EXPECT_FILE(leaf, "misc.max", "kunit_a 1\nkunit_b 2\n");
	}
}

static void max_takes_a_terminator_and_nothing_after_it(struct kunit *test)
{
	static const char terminated[] = "kunit_a 5";
	static const char more[] = "kunit_a 6\0kunit_b 7";

	KUNIT_EXPECT_EQ(test, t_write_bytes(leaf, terminated,
					    sizeof(terminated)), 0);
	EXPECT_FILE(leaf, "misc.max", "kunit_a 5\nkunit_b max\n");
	KUNIT_EXPECT_EQ(test, t_write_bytes(leaf, more, sizeof(more)),
			-EINVAL);
	EXPECT_FILE(leaf, "misc.max", "kunit_a 5\nkunit_b max\n");
}

/* Stock takes one line: nobody can limit two resources at once. */
static void max_takes_several_lines(struct kunit *test)
{
	SET_MAX(leaf, "kunit_b 5\nkunit_a 4\n");
	EXPECT_FILE(leaf, "misc.max", "kunit_a 4\nkunit_b 5\n");
	SET_MAX(leaf, "kunit_a max\nkunit_b 6");
	EXPECT_FILE(leaf, "misc.max", "kunit_a max\nkunit_b 6\n");
	/* A name that is not mentioned stays as it is. */
	SET_MAX(leaf, "kunit_a 1");
	EXPECT_FILE(leaf, "misc.max", "kunit_a 1\nkunit_b 6\n");
}

static void max_takes_back_what_it_showed(struct kunit *test)
{
	char *text;

	SET_MAX(leaf, "kunit_a 12");
	text = kunit_kstrdup(test, t_read(leaf, "misc.max"),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, text);
	SET_MAX(leaf, "kunit_a 1\nkunit_b 1\n");
	/* Even if one of the providers has gone in between. */
	misc_cg_res_unregister(res_a);
	SET_MAX(leaf, text);
	t_register(test, "kunit_a", 100);
	EXPECT_FILE(leaf, "misc.max", text);
	REFUSED(-EBUSY, 0, leaf, 13);
}

static void max_binds_from_the_write_on(struct kunit *test)
{
	GRANTED(0, leaf, 5);
	RELEASE(0);
	SET_MAX(left, "kunit_a 4");
	REFUSED(-EBUSY, 0, leaf, 5);
	SET_MAX(left, "kunit_a 5");
	GRANTED(0, leaf, 5);
}

static struct kunit_case t_files_cases[] = {
	KUNIT_CASE(root_has_capacity_current_and_peak_only),
	KUNIT_CASE(capacity_is_the_same_everywhere),
	KUNIT_CASE(current_shows_usage),
	KUNIT_CASE(peak_shows_peak),
	KUNIT_CASE(max_shows_what_was_written_here),
	KUNIT_CASE(effective_max_is_the_smallest_from_here_up),
	KUNIT_CASE(events_count_refusals_by_max_here_and_below),
	KUNIT_CASE(local_events_count_this_max_and_own_charges),
	KUNIT_CASE(names_are_listed_in_order_of_first_registration),
	KUNIT_CASE(known_names_are_listed_first_in_the_order_of_their_table),
	KUNIT_CASE(max_is_listed_with_a_capacity_or_a_limit),
	KUNIT_CASE(without_capacity_only_numbers_that_are_not_0_are_listed),
	KUNIT_CASE(event_keys_are_listed_one_by_one),
	KUNIT_CASE(max_takes_numbers_as_the_kernel_writes_them),
	KUNIT_CASE(max_refuses_nonsense_and_stays_as_it_is),
	KUNIT_CASE(max_takes_a_terminator_and_nothing_after_it),
	KUNIT_CASE(max_takes_several_lines),
	KUNIT_CASE(max_takes_back_what_it_showed),
	KUNIT_CASE(max_binds_from_the_write_on),
	{}
};

static struct kunit_suite t_files_suite = {
	.name = "misc_cg_files",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_files_cases,
};

#include "misc_kunit_copy.c"
#include "misc_kunit_log.c"
#include "misc_kunit_history.c"
#include "misc_kunit_writes.c"
#include "misc_kunit_concurrency.c"
#include "misc_kunit_interrupt.c"

kunit_test_suites(&t_charge_suite, &c_suite, &t_limits_suite, &t_move_suite,
		  &t_transfer_suite, &t_register_suite, &t_files_suite,
		  &l_suite, &h_suite, &w_suite, &k_suite);
