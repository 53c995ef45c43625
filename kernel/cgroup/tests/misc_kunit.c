// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller, included by misc.c.
 *
 * What the controller promises, one promise per test, named after it.  Every
 * test starts with two resources of capacity 100 and these cgroups:
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
 * written, and whatever a test leaves behind is returned and checked to be
 * balanced after it.
 */
#include <kunit/test.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kernfs.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>

/* Listened to; misc.c has made its own. */
#undef CREATE_TRACE_POINTS
#include <trace/events/kmem.h>
#include <trace/events/lock.h>
#include <trace/events/printk.h>

#include "../cgroup-internal.h"

/* What stands in for a cgroup of the core. */
struct t_cgroup {
	struct list_head node;
	struct misc_cg *cg;
	bool removed;
	bool released;
	struct cgroup cgroup;	/* last, it ends with a flexible array */
};

/* What the last refusal told the tracepoint. */
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

/* What a task has had printed of kunit_a and kunit_b. */
struct t_log {
	struct task_struct *by;
	unsigned int nr;		/* lines */
	bool in_rcu;			/* the last one */
	char last[256];
};

/* What a task has freed. */
struct t_frees {
	struct task_struct *by;
	unsigned int nr;
};

struct t_fixture {
	struct misc_cg_res *a;
	struct misc_cg_res *b;
	struct misc_cg *root;
	struct misc_cg *top;
	struct misc_cg *left;
	struct misc_cg *leaf;
	struct misc_cg *right;

	struct misc_cg_charge c[8];	/* for the test to use */
	struct t_trace trace;
	struct t_log log;
	struct t_frees frees;
	struct list_head cgroups;	/* parents before children */
	unsigned int nr_made;
	unsigned int nr_names;		/* before the test made any */
	char line[160];
	char text[PAGE_SIZE];
	char raw[PAGE_SIZE];
};

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
 * Announces that calling a function is going to warn, in itself or in another;
 * any other WARNING fails the run.  They come once per boot: each is provoked
 * by one test only.  The log names the function, which must not be inlined.
 */
#define EXPECT_WARNING(where, function) ({				\
	typeof(function) *__function = function;			\
									\
	kunit_info(test, "expect WARNING: " #where "\n");		\
	OPTIMIZER_HIDE_VAR(__function);					\
	__function;							\
})

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
				struct cgroup_subsys_state *css)
{
	struct t_fixture *t = test->priv;
	struct kernfs_node *dir = parent->css.cgroup->kn;
	struct t_cgroup *tc = kzalloc(sizeof(*tc), GFP_KERNEL);
	struct kernfs_node *file;
	struct cftype *cft;
	char name[64];

	KUNIT_ASSERT_NOT_NULL(test, tc);
	snprintf(name, sizeof(name), "kunit_%u", t->nr_made++);
	dir = kernfs_create_dir(dir, name, 0755, &tc->cgroup);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir);
	kernfs_get(dir);

	tc->cg = css_misc(css);
	tc->cgroup.kn = dir;
	tc->cgroup.level = parent->css.cgroup->level + 1;
	tc->cgroup.root = &cgrp_dfl_root;
	RCU_INIT_POINTER(tc->cgroup.subsys[misc_cgrp_id], css);
	for (cft = misc_cg_files; cft->name[0]; cft++) {
		scnprintf(name, sizeof(name), "misc.%s", cft->name);
		file = __kernfs_create_file(dir, name, 0644, GLOBAL_ROOT_UID,
					    GLOBAL_ROOT_GID, 0, cft->kf_ops,
					    cft, NULL, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	}

	css->cgroup = &tc->cgroup;
	css->ss = &misc_cgrp_subsys;
	css->parent = &parent->css;
	css_get(css->parent);
	KUNIT_ASSERT_EQ(test, 0, percpu_ref_init(&css->refcnt, t_release,
						 PERCPU_REF_INIT_ATOMIC,
						 GFP_KERNEL));
	list_add_tail(&tc->node, &t->cgroups);
	return tc->cg;
}

static struct misc_cg *t_child(struct kunit *test, struct misc_cg *parent)
{
	struct cgroup_subsys_state *css;

	css = misc_cgrp_subsys.css_alloc(&parent->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	return t_online(test, parent, css);
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

/* Where they begin is where the array does that they were allocated as. */
static void t_free_words(struct misc_cg_res *res)
{
	struct misc_cg_open_word *word, *first = NULL;

	list_splice(&res->open_words, &res->spare);
	list_for_each_entry(word, &res->spare, node)
		if (!first || word < first)
			first = word;
	kvfree(first);
}

/* Forget the names that a test has made; slots are for ever otherwise. */
static void t_forget_names(unsigned int keep)
{
	struct misc_cg *cg;
	unsigned int i;

	mutex_lock(&misc_cg_mutex);
	for (i = keep; i < misc_cg_nr_resources; i++) {
		list_for_each_entry(cg, &misc_cg_list, node)
			misc_cg_counter_free(cg, i);
		t_free_words(&misc_cg_resources[i]);
		memset(&misc_cg_resources[i], 0, sizeof(misc_cg_resources[i]));
	}
	misc_cg_nr_resources = keep;
	mutex_unlock(&misc_cg_mutex);
}

/*
 * Numbers
 */

static struct misc_cg_counter t_counter(struct misc_cg_res *res,
					struct misc_cg *cg)
{
	return misc_cg_view(res, cg, true).counter;
}

static const char *t_levels(struct t_fixture *t, struct misc_cg_res *res,
			    size_t field)
{
	struct misc_cg *cgs[] = {
		t->root, t->top, t->left, t->leaf, t->right
	};
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(cgs); i++) {
		struct misc_cg_counter counter = t_counter(res, cgs[i]);

		len += scnprintf(t->line + len, sizeof(t->line) - len,
				 i ? " %llu" : "%llu",
				 *(u64 *)((void *)&counter + field));
	}
	return t->line;
}

/* Of root, top, left, leaf and right. */
#define T_LEVELS(field) \
	t_levels(t, t->a, offsetof(struct misc_cg_counter, field))
#define EXPECT_USAGE(s) KUNIT_EXPECT_STREQ(test, T_LEVELS(usage), s)
#define EXPECT_PEAK(s) KUNIT_EXPECT_STREQ(test, T_LEVELS(peak), s)
#define EXPECT_MAX_EVENTS(s) KUNIT_EXPECT_STREQ(test, T_LEVELS(nr_max), s)
#define EXPECT_LOCAL_MAX_EVENTS(s) \
	KUNIT_EXPECT_STREQ(test, T_LEVELS(nr_max_local), s)
#define EXPECT_ALLOC_FAILS(s) \
	KUNIT_EXPECT_STREQ(test, T_LEVELS(nr_alloc_fail), s)

static u64 t_usage(struct misc_cg_res *res, struct misc_cg *cg)
{
	return t_counter(res, cg).usage;
}

/* What lies in the words of a cgroup, which stay as they are. */
static u64 t_in_words(struct misc_cg_res *res, struct misc_cg *cg,
		      u64 (*part)(u64 word))
{
	struct misc_cg_open_word *open;
	u64 sum = 0;

	spin_lock_irq(&res->lock);
	list_for_each_entry(open, &res->open_words, node)
		if (open->counter == misc_cg_counter(res, cg))
			sum += part(atomic64_read(&open->word->value));
	spin_unlock_irq(&res->lock);
	return sum;
}

/* Here, not below. */
static u64 t_charged_by_amount(struct misc_cg_res *res, struct misc_cg *cg)
{
	return t_counter(res, cg).charged_by_amount +
	       t_in_words(res, cg, misc_cg_word_by_amount);
}

/*
 * Charges, as from a task in @cg; a test that has gone wrong does not crash
 */

static int t_charge(struct misc_cg_charge *charge, struct misc_cg_res *res,
		    struct misc_cg *cg, u64 amount)
{
	if (charge->cg)
		return -EEXIST;
	css_get(&cg->css);
	return misc_cg_charge_to(charge, res, cg, amount);
}

static int t_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		  struct misc_cg *cg)
{
	if (!from->cg || to->cg)
		return -ENOENT;
	css_get(&cg->css);
	return misc_cg_charge_move_to(to, from, cg);
}

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

/* The same, less the lines of other providers. */
static const char *t_read(struct kunit *test, struct misc_cg *cg,
			  const char *name)
{
	struct t_fixture *t = test->priv;
	char *line, *end;

	if (!t_show(cg, name, t->raw, sizeof(t->raw)))
		return "no such file";
	t->text[0] = '\0';
	for (line = t->raw; *line; line = end) {
		end = strchrnul(line, '\n');
		end += *end == '\n';
		if (!strncmp(line, "kunit_", strlen("kunit_")))
			strncat(t->text, line, end - line);
	}
	return t->text;
}

#define EXPECT_FILE(cg, name, content) \
	KUNIT_EXPECT_STREQ(test, t_read(test, cg, name), content)

/* Writes to misc.max: 0 if it took everything. */
static ssize_t t_write_bytes(struct kunit *test, struct misc_cg *cg,
			     const char *bytes, size_t len)
{
	struct t_fixture *t = test->priv;
	struct kernfs_open_file of = { .kn = t_file(cg, "misc.max") };
	ssize_t ret;

	if (!of.kn)
		return -ENOENT;
	memcpy(t->raw, bytes, len);
	t->raw[len] = '\0';
	ret = of_cft(&of)->write(&of, t->raw, len, 0);
	kernfs_put(of.kn);
	/* It took everything, or nothing. */
	if (ret >= 0 && ret != len)
		return -EIO;
	return ret < 0 ? ret : 0;
}

static ssize_t t_write(struct kunit *test, struct misc_cg *cg, const char *text)
{
	return t_write_bytes(test, cg, text, strlen(text));
}

#define SET_MAX(cg, text) KUNIT_EXPECT_EQ(test, t_write(test, cg, text), 0)

/*
 * The log, and what is freed
 */

static void t_log_probe(void *data, const char *text, size_t len)
{
	struct t_log *log = data;

	if (current != log->by || !(strnstr(text, "kunit_a:", len) ||
				    strnstr(text, "kunit_b:", len)))
		return;
	log->nr++;
	log->in_rcu = rcu_read_lock_held();
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
	struct t_fixture *t = test->priv;

	t->log.by = current;
	if (register_trace_console(t_log_probe, &t->log))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_log_off,
							   &t->log));
}

/* The last line is this, in that cgroup. */
#define EXPECT_LOG(text, cg) do {					\
	char __path[128], __text[256];					\
									\
	cgroup_path((cg)->css.cgroup, __path, sizeof(__path));		\
	snprintf(__text, sizeof(__text), "%s, in %s", text, __path);	\
	KUNIT_EXPECT_STREQ(test, t->log.last, __text);			\
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
	struct t_fixture *t = test->priv;

	t->frees.by = current;
	if (register_trace_kfree(t_frees_probe, &t->frees))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_frees_off,
							   &t->frees));
}

#define EXPECT_FREES(n, what) do {					\
	t->frees.nr = 0;						\
	what;								\
	KUNIT_EXPECT_EQ_MSG(test, t->frees.nr, n, #what);		\
} while (0)

/*
 * Before and after each test
 */

/* The root cgroup stays for ever: let a test begin with nothing in it. */
static void t_reset_root(struct misc_cg_res *res)
{
	struct misc_cg_counter *counter;

	spin_lock_irq(&res->lock);
	counter = misc_cg_counter(res, &misc_cg_root);
	misc_cg_close_below(res, counter);
	counter->usage = 0;
	counter->peak = 0;
	counter->charged_by_amount = 0;
	spin_unlock_irq(&res->lock);
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
	struct t_fixture *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	INIT_LIST_HEAD(&t->cgroups);
	test->priv = t;

	t->a = t_register(test, "kunit_a", 100);
	t->b = t_register(test, "kunit_b", 100);
	t_reset_root(t->a);
	t_reset_root(t->b);
	t->nr_names = misc_cg_nr_resources;

	t->root = &misc_cg_root;
	t->top = t_child(test, t->root);
	t->left = t_child(test, t->top);
	t->leaf = t_child(test, t->left);
	t->right = t_child(test, t->top);
	return 0;
}

static void t_uncharge_all(struct misc_cg_res *res, struct misc_cg *cg)
{
	u64 amount = t_charged_by_amount(res, cg);

	if (amount)
		misc_cg_uncharge(res, cg, amount);
}

static void t_return_all(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct t_cgroup *tc, *tmp;
	int i;

	if (!t || !t->b)
		return;

	for (i = 0; i < ARRAY_SIZE(t->c); i++)
		misc_cg_charge_release(&t->c[i]);
	list_for_each_entry(tc, &t->cgroups, node) {
		t_uncharge_all(t->a, tc->cg);
		t_uncharge_all(t->b, tc->cg);
	}
	t_uncharge_all(t->a, &misc_cg_root);
	t_uncharge_all(t->b, &misc_cg_root);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, &misc_cg_root), 0);
	KUNIT_EXPECT_EQ(test, t_usage(t->b, &misc_cg_root), 0);

	list_for_each_entry_safe_reverse(tc, tmp, &t->cgroups, node) {
		if (!tc->removed)
			t_remove(tc->cg);
		KUNIT_EXPECT_TRUE_MSG(test, tc->released,
				      "a reference has not been returned");
		t_free(tc->cg);
	}

	if (t->a->registered)
		misc_cg_res_unregister(t->a);
	if (t->b->registered)
		misc_cg_res_unregister(t->b);
}

static void t_exit(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_return_all(test);
	if (t && t->nr_names)
		t_forget_names(t->nr_names);
}

/*
 * Charges
 */

static void charge_counts_here_and_on_every_ancestor(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 20), 0);
	EXPECT_USAGE("30 30 10 10 20");
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->top, 3), 0);
	EXPECT_USAGE("33 33 10 10 20");
	KUNIT_EXPECT_EQ(test, t_charge(&c[3], t->a, t->root, 4), 0);
	EXPECT_USAGE("37 33 10 10 20");

	misc_cg_charge_release(&c[1]);
	EXPECT_USAGE("17 13 10 10 0");
	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("7 3 0 0 0");
}

static void amount_counts_here_and_on_every_ancestor(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->right, 20), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->root, 4), 0);
	EXPECT_USAGE("34 30 10 10 20");

	misc_cg_uncharge(t->a, t->leaf, 10);
	EXPECT_USAGE("24 20 0 0 20");
}

static void amount_can_be_returned_in_parts(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), 0);
	misc_cg_uncharge(t->a, t->leaf, 12);
	EXPECT_USAGE("3 3 3 3 0");
	misc_cg_uncharge(t->a, t->leaf, 3);
	EXPECT_USAGE("0 0 0 0 0");
}

static void resources_do_not_touch_each_other(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->leaf, "kunit_b 0");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->b, t->leaf, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->b, t->top, 100), 0);

	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_MAX_EVENTS("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->root), 100);
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->leaf), 0);
}

static void charge_current_charges_the_cgroup_of_the_task(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *cg = get_current_misc_cg();
	u64 before = t_usage(t->a, cg);

	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&t->c[0], t->a, 10), 0);
	KUNIT_EXPECT_PTR_EQ(test, t->c[0].cg, cg);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, cg), before + 10);
	misc_cg_charge_release(&t->c[0]);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, cg), before);
	put_misc_cg(cg);
}

static void amount_of_zero_is_invalid(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&t->c[0], t->a, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 0), -EINVAL);
	KUNIT_EXPECT_NULL(test, t->c[0].cg);
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
}

static void no_cgroup_is_invalid(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, NULL, 1), -EINVAL);
	misc_cg_uncharge(t->a, NULL, 1);
	put_misc_cg(NULL);
	EXPECT_USAGE("0 0 0 0 0");
}

static void no_resource_is_no_device(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *none[] = { NULL, ERR_PTR(-ENOSPC) };
	int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		KUNIT_EXPECT_EQ(test, -ENODEV,
				misc_cg_charge_current(&t->c[0], none[i], 1));
		KUNIT_EXPECT_EQ(test, -ENODEV,
				misc_cg_try_charge(none[i], t->leaf, 1));
		misc_cg_uncharge(none[i], t->leaf, 1);
		misc_cg_res_set_capacity(none[i], 1);
		misc_cg_res_unregister(none[i]);
	}
	KUNIT_EXPECT_NULL(test, t->c[0].cg);
}

static void unregistered_resource_is_no_device(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	misc_cg_res_unregister(t->a);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&t->c[0], t->a, 1),
			-ENODEV);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1), -ENODEV);

	KUNIT_EXPECT_NULL(test, t->c[0].cg);
	EXPECT_USAGE("0 0 0 0 0");
	EXPECT_MAX_EVENTS("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
}

static void refused_charge_changes_no_usage(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *refusing[] = { t->top, t->left, t->leaf };
	int i;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);
	for (i = 0; i < ARRAY_SIZE(refusing); i++) {
		SET_MAX(refusing[i], "kunit_a 15");
		KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 6),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 6),
				-EBUSY);
		KUNIT_EXPECT_NULL(test, t->c[0].cg);
		EXPECT_USAGE("10 10 10 10 0");
		SET_MAX(refusing[i], "kunit_a max");
	}
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 91), -ENOSPC);
	KUNIT_EXPECT_NULL(test, t->c[0].cg);
	EXPECT_USAGE("10 10 10 10 0");
}

/* Stock raises the peak of the levels below the one that refuses. */
static void refused_charge_raises_no_peak(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 10), 0);
	SET_MAX(t->top, "kunit_a 15");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 6), -EBUSY);
	EXPECT_PEAK("10 10 10 10 0");
	SET_MAX(t->top, "kunit_a max");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 91), -ENOSPC);
	EXPECT_PEAK("10 10 10 10 0");
}

/* Stock grants what makes the sum wrap. */
static void huge_amount_does_not_wrap(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, U64_MAX - 1),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->root, U64_MAX), -ENOSPC);
	/* "max" is a number like others to what would not fit into a u64. */
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, U64_MAX), -EBUSY);
	misc_cg_res_set_capacity(t->a, U64_MAX);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->root, U64_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, U64_MAX), -EBUSY);
	SET_MAX(t->leaf, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, U64_MAX), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, U64_MAX - 5),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, U64_MAX),
			-EBUSY);
	EXPECT_USAGE("1 1 1 1 0");
}

static void every_amount_can_be_charged(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	misc_cg_res_set_capacity(t->a, U64_MAX);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, U64_MAX - 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->root, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->top), U64_MAX);

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("1 1 0 0 1");
	misc_cg_charge_release(&c[1]);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, U64_MAX), 0);
}

/* Stock adds first and checks then, so that others are refused meanwhile. */
static void refused_charge_refuses_nobody_else(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->left, 41), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 40), 0);
	EXPECT_USAGE("100 100 60 60 40");
}

static void peak_is_the_highest_usage_of_each_level(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 20), 0);
	EXPECT_PEAK("30 30 10 10 20");
	misc_cg_charge_release(&c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->left, 5), 0);
	EXPECT_PEAK("30 30 10 10 20");
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->left, 6), 0);
	EXPECT_PEAK("31 31 11 10 20");
}

static void released_charge_is_empty_and_can_be_used_again(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("0 0 0 0 0");

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 10), 0);
	misc_cg_charge_release(&c[0]);
	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("10 10 10 10 0");

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->b, t->right, 7), 0);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->right), 7);
}

static void charge_that_holds_something_cannot_be_charged(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			EXPECT_WARNING(misc_cg_charge_current,
				       misc_cg_charge_current)(&c[0], t->a, 5));
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_PTR_EQ(test, c[0].cg, t->leaf);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&c[0], t->a, 5), -EINVAL);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_current(&c[0], NULL, 5), -EINVAL);
}

static void uncharge_of_more_than_was_charged_changes_nothing(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 20), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->right, 20), 0);
	/* The second time from credit, which has to know it, too. */
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);
	misc_cg_uncharge(t->a, t->leaf, 10);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);

	t_log_on(test);
	EXPECT_WARNING(misc_cg_warn_uncharge,
		       misc_cg_uncharge)(t->a, t->leaf, 11);
	EXPECT_LOG("kunit_a: uncharging 11 where 10 are charged", t->leaf);
	/* The root's cgroup, too, can be named. */
	KUNIT_EXPECT_TRUE(test, t->log.in_rcu);
	EXPECT_USAGE("50 50 30 30 20");
	misc_cg_uncharge(t->a, t->leaf, U64_MAX);
	EXPECT_USAGE("50 50 30 30 20");
	/* Nor if the word is thought to have as much, and has less. */
	misc_cg_word(t->a, t->leaf)->guess = MISC_CG_OPEN |
		(u64)MISC_CG_WORD_MAX << MISC_CG_BY_AMOUNT;
	misc_cg_uncharge(t->a, t->leaf, 11);
	EXPECT_USAGE("50 50 30 30 20");
	/* Neither what was charged below, nor what a charge holds. */
	misc_cg_uncharge(t->a, t->left, 1);
	misc_cg_uncharge(t->a, t->root, 1);
	misc_cg_uncharge(t->a, t->right, 1);
	/* Nor another resource. */
	misc_cg_uncharge(t->b, t->leaf, 1);
	EXPECT_USAGE("50 50 30 30 20");
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->leaf), 0);

	/* Nor what was refused. */
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->right, 51), -ENOSPC);
	misc_cg_uncharge(t->a, t->right, 51);
	EXPECT_USAGE("50 50 30 30 20");

	misc_cg_uncharge(t->a, t->leaf, 10);
	EXPECT_USAGE("40 40 20 20 20");
}

/*
 * An owner that has only one way down, be it charged or refused, as TDX had:
 * by amount it returns what another owner holds.
 */
static void refused_owner_that_is_torn_down_returns_nothing(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->leaf, "kunit_a 2");
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1), -EBUSY);
	misc_cg_uncharge(t->a, t->leaf, 1);
	EXPECT_USAGE("1 1 1 1 0");
	misc_cg_uncharge(t->a, t->leaf, 1);

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, 1), -EBUSY);
	misc_cg_charge_release(&c[2]);
	EXPECT_USAGE("2 2 2 2 0");
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 3);
	misc_cg_charge_release(&c[1]);
	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("0 0 0 0 0");
}

static void charge_owns_one_reference(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 2);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 60), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 2);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 40), 0);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 3);
	misc_cg_charge_release(&c[0]);
	misc_cg_charge_release(&c[1]);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
}

static void amount_owns_no_reference(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
	misc_cg_uncharge(t->a, t->leaf, 10);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
}

static void charge_outlives_its_removed_cgroup(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	t_remove(t->leaf);
	t_remove(t->left);
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_FALSE(test, t_released(t->leaf));

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_TRUE(test, t_released(t->leaf));
}

/* The owner gives up a resource that the host cannot get back. */
static void leaked_charge_stays_charged(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *owner = kzalloc(sizeof(*owner), GFP_KERNEL);
	struct misc_cg_charge *c = t->c;

	KUNIT_ASSERT_NOT_NULL(test, owner);
	KUNIT_EXPECT_EQ(test, t_charge(owner, t->a, t->leaf, 10), 0);
	t->c[7] = *owner;	/* for the cleanup only */
	kfree(owner);

	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 91), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 90), 0);
	misc_cg_charge_release(&c[0]);
	misc_cg_res_unregister(t->a);
	t_remove(t->leaf);
	KUNIT_EXPECT_FALSE(test, t_released(t->leaf));
	EXPECT_USAGE("10 10 10 10 0");
}

struct t_interrupt {
	struct irq_work work;
	struct t_fixture *t;
	int ret[7];
	bool hard;
};

static void t_interrupt(struct irq_work *work)
{
	struct t_interrupt *irq = container_of(work, struct t_interrupt, work);
	struct t_fixture *t = irq->t;
	struct misc_cg_charge *c = t->c;
	int *ret = irq->ret, i = 0;

	ret[i++] = t_charge(&c[0], t->a, t->leaf, 10);
	ret[i++] = t_charge(&c[1], t->a, t->right, 10);
	ret[i++] = t_charge(&c[1], t->a, t->leaf, 100);
	ret[i++] = t_move(&c[1], &c[0], t->right);
	ret[i++] = t_move(&c[1], &c[0], t->left);
	ret[i++] = misc_cg_try_charge(t->a, t->leaf, 1);
	ret[i++] = misc_cg_try_charge(t->a, t->right, 100);
	misc_cg_uncharge(t->a, t->leaf, 1);
	misc_cg_charge_release(&c[1]);
	misc_cg_res_set_capacity(t->a, 50);
	misc_cg_res_unregister(t->a);
	irq->hard = in_hardirq();
}

/* Whoever takes a lock without keeping interrupts off, lockdep now knows. */
static void everything_works_in_an_interrupt(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct t_interrupt irq = {
		.work = IRQ_WORK_INIT(t_interrupt),
		.t = t,
	};

	SET_MAX(t->right, "kunit_a 5");
	irq_work_queue(&irq.work);
	irq_work_sync(&irq.work);

	KUNIT_EXPECT_TRUE(test, irq.hard);
	KUNIT_EXPECT_EQ(test, irq.ret[0], 0);
	KUNIT_EXPECT_EQ(test, irq.ret[1], -EBUSY);
	KUNIT_EXPECT_EQ(test, irq.ret[2], -ENOSPC);
	KUNIT_EXPECT_EQ(test, irq.ret[3], -EBUSY);
	KUNIT_EXPECT_EQ(test, irq.ret[4], 0);
	KUNIT_EXPECT_EQ(test, irq.ret[5], 0);
	KUNIT_EXPECT_EQ(test, irq.ret[6], -EBUSY);
	EXPECT_USAGE("0 0 0 0 0");
}

static struct kunit_case t_charge_cases[] = {
	KUNIT_CASE(charge_counts_here_and_on_every_ancestor),
	KUNIT_CASE(amount_counts_here_and_on_every_ancestor),
	KUNIT_CASE(amount_can_be_returned_in_parts),
	KUNIT_CASE(resources_do_not_touch_each_other),
	KUNIT_CASE(charge_current_charges_the_cgroup_of_the_task),
	KUNIT_CASE(amount_of_zero_is_invalid),
	KUNIT_CASE(no_cgroup_is_invalid),
	KUNIT_CASE(no_resource_is_no_device),
	KUNIT_CASE(unregistered_resource_is_no_device),
	KUNIT_CASE(refused_charge_changes_no_usage),
	KUNIT_CASE(refused_charge_raises_no_peak),
	KUNIT_CASE(huge_amount_does_not_wrap),
	KUNIT_CASE(every_amount_can_be_charged),
	KUNIT_CASE(refused_charge_refuses_nobody_else),
	KUNIT_CASE(peak_is_the_highest_usage_of_each_level),
	KUNIT_CASE(released_charge_is_empty_and_can_be_used_again),
	KUNIT_CASE(charge_that_holds_something_cannot_be_charged),
	KUNIT_CASE(uncharge_of_more_than_was_charged_changes_nothing),
	KUNIT_CASE(refused_owner_that_is_torn_down_returns_nothing),
	KUNIT_CASE(charge_owns_one_reference),
	KUNIT_CASE(amount_owns_no_reference),
	KUNIT_CASE(charge_outlives_its_removed_cgroup),
	KUNIT_CASE(leaked_charge_stays_charged),
	KUNIT_CASE(everything_works_in_an_interrupt),
	{}
};

static struct kunit_suite t_charge_suite = {
	.name = "misc_cg_charge",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_charge_cases,
};

/*
 * Limits, and how refusals are counted and told
 */

static void max_is_granted_exactly(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *limited[] = { t->leaf, t->left, t->top };
	int i;

	for (i = 0; i < ARRAY_SIZE(limited); i++) {
		SET_MAX(limited[i], "kunit_a 10");
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 11),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 9), 0);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 2),
				-EBUSY);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1), 0);
		KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 1),
				-EBUSY);
		misc_cg_uncharge(t->a, t->leaf, 10);
		SET_MAX(limited[i], "kunit_a max");
	}
}

static void max_of_a_cgroup_limits_its_subtree_only(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 11), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->left, 11), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->right, 11), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->top, 11), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->root, 11), 0);
}

static void max_of_zero_refuses_everything(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->top, "kunit_a 0");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->top, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->root, 1), 0);
}

static void max_below_usage_takes_nothing_away(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 10), 0);
	SET_MAX(t->left, "kunit_a 15");
	EXPECT_USAGE("20 20 20 20 0");
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, U64_MAX), -EBUSY);

	misc_cg_charge_release(&c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, 6), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->leaf, 5), 0);
}

static void max_above_capacity_is_allowed(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->leaf, "kunit_a 1000");
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a 1000\nkunit_b max\n");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 101), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 100), 0);
}

static void capacity_is_granted_exactly(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 101), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 41), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 40), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->root, 1), -ENOSPC);

	misc_cg_res_set_capacity(t->a, 101);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->root, 1), 0);
}

static void capacity_below_usage_takes_nothing_away(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 10), 0);
	misc_cg_res_set_capacity(t->a, 20);
	EXPECT_USAGE("70 70 60 60 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->right, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->right, U64_MAX - 70),
			-ENOSPC);
	misc_cg_charge_release(&c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->right, 11), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->right, 10), 0);
}

static void capacity_of_zero_refuses_everything(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 10), 0);
	misc_cg_res_set_capacity(t->a, 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->root, 1), -ENOSPC);
	EXPECT_USAGE("10 10 10 10 0");
	misc_cg_charge_release(&t->c[0]);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 1), -ENOSPC);
}

static void max_event_counts_where_it_was_refused_and_above(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 11), -EBUSY);
	EXPECT_MAX_EVENTS("0 1 1 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 0");

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->left, 11), -EBUSY);
	EXPECT_MAX_EVENTS("0 2 2 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 2 0 0");
	EXPECT_ALLOC_FAILS("0 0 1 1 0");
}

static void lowest_max_that_refuses_counts(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->top, "kunit_a 5");
	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 11), -EBUSY);
	EXPECT_LOCAL_MAX_EVENTS("0 0 1 0 0");
	EXPECT_MAX_EVENTS("0 1 1 0 0");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 6), -EBUSY);
	EXPECT_LOCAL_MAX_EVENTS("0 1 1 0 0");
	EXPECT_MAX_EVENTS("0 2 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 2 0");
}

static void max_is_asked_before_capacity(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->top, "kunit_a 100");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 101), -EBUSY);
	EXPECT_LOCAL_MAX_EVENTS("0 1 0 0 0");
}

/* Stock counts it where nobody sees it, or as a max that it is not. */
static void exhausted_capacity_is_alloc_fail_and_no_max_event(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 100), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->leaf, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->right, 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->a, t->right, 1), -ENOSPC);
	EXPECT_MAX_EVENTS("0 0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 2");
}

static void granted_charge_counts_no_event(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 10), 0);
	EXPECT_MAX_EVENTS("0 0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
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
	struct kernfs_node *root = cgrp_dfl_root.cgrp.kn, *dir;
	struct cgroup_file cfile;
	int ret;

	/* The core breaks the protection that mkdir and rmdir come with. */
	kernfs_unbreak_active_protection(root);
	ret = cgroup_mkdir(root, "kunit_misc", 0755);
	kernfs_break_active_protection(root);
	KUNIT_ASSERT_EQ(test, ret, 0);

	dir = kernfs_find_and_get(root, "kunit_misc");
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
	struct t_fixture *t = test->priv;
	struct misc_cg *cgs[] = { t->top, t->left, t->leaf, t->right };
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

	SET_MAX(t->left, "kunit_a 10");
	t_charge(&t->c[0], t->a, t->leaf, 10);
	for (i = 0; i < ARRAY_SIZE(cgs); i++) {
		KUNIT_EXPECT_FALSE(test, t_woken(&cgs[i]->events_file));
		KUNIT_EXPECT_FALSE(test, t_woken(&cgs[i]->events_local_file));
	}

	/* Refused by left's max. */
	t_charge(&t->c[1], t->a, t->leaf, 1);
	KUNIT_EXPECT_TRUE(test, t_woken(&t->leaf->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->leaf->events_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->left->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->left->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->top->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->top->events_file));

	/* By capacity. */
	t_charge(&t->c[1], t->a, t->right, 91);
	KUNIT_EXPECT_TRUE(test, t_woken(&t->right->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->right->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->top->events_local_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->top->events_file));

	/* A move, by left's max. */
	t_charge(&t->c[1], t->a, t->right, 1);
	t_move(&t->c[2], &t->c[1], t->leaf);
	KUNIT_EXPECT_TRUE(test, t_woken(&t->leaf->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->left->events_local_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->left->events_file));
	KUNIT_EXPECT_TRUE(test, t_woken(&t->top->events_file));
	KUNIT_EXPECT_FALSE(test, t_woken(&t->right->events_local_file));

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
	trace->locked = irqs_disabled();
	trace->in_rcu = rcu_read_lock_held();
}

static void t_unprobe(void *data)
{
	unregister_trace_misc_cg_charge_refused(t_probe, data);
	tracepoint_synchronize_unregister();
}

static void t_trace_on(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	if (register_trace_misc_cg_charge_refused(t_probe, &t->trace))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, t_unprobe,
							   &t->trace));
}

#define EXPECT_TRACE(n, name, what, who, by, used, most) do {		\
	KUNIT_EXPECT_EQ(test, t->trace.nr, n);				\
	KUNIT_EXPECT_STREQ(test, t->trace.resource, name);		\
	KUNIT_EXPECT_EQ(test, t->trace.amount, what);			\
	KUNIT_EXPECT_PTR_EQ(test, t->trace.charging, (who)->css.cgroup);\
	KUNIT_EXPECT_PTR_EQ(test, t->trace.refusing, (by)->css.cgroup);	\
	KUNIT_EXPECT_EQ(test, t->trace.usage, used);			\
	KUNIT_EXPECT_EQ(test, t->trace.limit, most);			\
} while (0)

static void refusal_is_traced_with_what_it_was_decided_on(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	t_trace_on(test);
	SET_MAX(t->left, "kunit_a 15");
	t_charge(&c[0], t->a, t->leaf, 10);
	t_charge(&c[1], t->a, t->right, 20);
	KUNIT_EXPECT_EQ(test, t->trace.nr, 0);

	t_charge(&c[2], t->a, t->leaf, 6);
	EXPECT_TRACE(1, "kunit_a", 6, t->leaf, t->left, 10, 15);
	t_charge(&c[2], t->a, t->right, 71);
	EXPECT_TRACE(2, "kunit_a", 71, t->right, t->root, 30, 100);
	t_move(&c[2], &c[1], t->leaf);
	EXPECT_TRACE(3, "kunit_a", 20, t->leaf, t->left, 10, 15);
	/* Which keeps the root's cgroup, of which there may be another soon. */
	KUNIT_EXPECT_TRUE(test, t->trace.in_rcu);
}

static void refusal_is_told_after_unlocking(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	t_trace_on(test);
	SET_MAX(t->left, "kunit_a 5");
	t_charge(&c[0], t->a, t->right, 10);
	t_charge(&c[1], t->a, t->leaf, 6);
	KUNIT_EXPECT_EQ(test, t->trace.nr, 1);
	KUNIT_EXPECT_FALSE(test, t->trace.locked);
	t_move(&c[1], &c[0], t->leaf);
	KUNIT_EXPECT_EQ(test, t->trace.nr, 2);
	KUNIT_EXPECT_FALSE(test, t->trace.locked);
}

static void charge_of_the_root_is_seen_by_the_tracepoint_only(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	t_trace_on(test);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->b, t->root, 101), -ENOSPC);
	EXPECT_TRACE(1, "kunit_b", 101, t->root, t->root, 0, 100);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->root, 101), -ENOSPC);
	EXPECT_TRACE(2, "kunit_a", 101, t->root, t->root, 0, 100);
	EXPECT_MAX_EVENTS("0 0 0 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 0 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 0 0");
}

static struct kunit_case t_limits_cases[] = {
	KUNIT_CASE(max_is_granted_exactly),
	KUNIT_CASE(max_of_a_cgroup_limits_its_subtree_only),
	KUNIT_CASE(max_of_zero_refuses_everything),
	KUNIT_CASE(max_below_usage_takes_nothing_away),
	KUNIT_CASE(max_above_capacity_is_allowed),
	KUNIT_CASE(capacity_is_granted_exactly),
	KUNIT_CASE(capacity_below_usage_takes_nothing_away),
	KUNIT_CASE(capacity_of_zero_refuses_everything),
	KUNIT_CASE(max_event_counts_where_it_was_refused_and_above),
	KUNIT_CASE(lowest_max_that_refuses_counts),
	KUNIT_CASE(max_is_asked_before_capacity),
	KUNIT_CASE(exhausted_capacity_is_alloc_fail_and_no_max_event),
	KUNIT_CASE(granted_charge_counts_no_event),
	KUNIT_CASE(refusal_wakes_the_pollers_of_both_events_files),
	KUNIT_CASE(refusal_is_traced_with_what_it_was_decided_on),
	KUNIT_CASE(refusal_is_told_after_unlocking),
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
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, misc_cg_charge_move_current(&c[1], &c[0]), 0);
	KUNIT_EXPECT_NULL(test, c[0].cg);
	KUNIT_EXPECT_NULL(test, c[1].cg);

	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_move_current(&c[1], &c[0]), 0);
	KUNIT_EXPECT_PTR_EQ(test, c[1].cg, t->leaf);
	EXPECT_USAGE("10 10 10 10 0");
}

static void move_onto_a_charge_that_holds_something_is_invalid(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->b, t->right, 5), 0);
	t_log_on(test);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			EXPECT_WARNING(misc_cg_charge_move_current,
				       misc_cg_charge_move_current)(&c[1],
								    &c[0]));
	KUNIT_EXPECT_EQ(test, misc_cg_charge_move_current(&c[0], &c[0]),
			-EINVAL);
	KUNIT_EXPECT_STREQ(test, t->log.last,
			   "kunit_b: moving to a charge that is not empty");
	EXPECT_USAGE("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->right), 5);
	KUNIT_EXPECT_PTR_EQ(test, c[0].cg, t->leaf);
	KUNIT_EXPECT_PTR_EQ(test, c[1].cg, t->right);
}

static void move_current_moves_to_the_cgroup_of_the_task(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;
	struct misc_cg *cg = get_current_misc_cg();

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_charge_move_current(&c[1], &c[0]), 0);
	KUNIT_EXPECT_PTR_EQ(test, c[1].cg, cg);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, cg), 10);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->leaf), 0);
	put_misc_cg(cg);
}

static void moved_charge_is_held_by_its_new_owner_only(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), 0);
	KUNIT_EXPECT_NULL(test, c[0].cg);
	KUNIT_EXPECT_PTR_EQ(test, c[1].cg, t->right);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
	KUNIT_EXPECT_EQ(test, t_refs(t->right), 2);

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("10 10 0 0 10");
	misc_cg_charge_release(&c[1]);
	EXPECT_USAGE("0 0 0 0 0");
	KUNIT_EXPECT_EQ(test, t_refs(t->right), 1);
}

static void move_within_a_cgroup_asks_no_max(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	SET_MAX(t->leaf, "kunit_a 0");
	SET_MAX(t->top, "kunit_a 0");
	misc_cg_res_set_capacity(t->a, 1);
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), 0);
	KUNIT_EXPECT_NULL(test, c[0].cg);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 0");
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 2);
}

static void move_to_an_ancestor_asks_no_max(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	SET_MAX(t->leaf, "kunit_a 0");
	SET_MAX(t->left, "kunit_a 0");
	SET_MAX(t->top, "kunit_a 0");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->left), 0);
	EXPECT_USAGE("10 10 10 0 0");
	KUNIT_EXPECT_EQ(test, t_move(&c[0], &c[1], t->top), 0);
	EXPECT_USAGE("10 10 0 0 0");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->root), 0);
	EXPECT_USAGE("10 0 0 0 0");
	EXPECT_PEAK("10 10 10 10 0");
}

static void move_to_a_descendant_asks_the_levels_that_gain(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->top, 10), 0);
	SET_MAX(t->left, "kunit_a 9");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), -EBUSY);
	SET_MAX(t->left, "kunit_a 10");
	SET_MAX(t->leaf, "kunit_a 9");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), -EBUSY);
	EXPECT_USAGE("10 10 0 0 0");
	EXPECT_PEAK("10 10 0 0 0");
	SET_MAX(t->leaf, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), 0);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 0");
}

static void move_to_a_cousin_asks_the_levels_that_gain(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->right, 10), 0);
	SET_MAX(t->left, "kunit_a 9");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), -EBUSY);
	EXPECT_USAGE("10 10 0 0 10");
	EXPECT_PEAK("10 10 0 0 10");
	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), 0);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 10");
}

static void move_across_the_root_asks_up_to_below_it(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *aside = t_child(test, t->root);
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, aside, 100), 0);
	SET_MAX(t->top, "kunit_a 99");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), -EBUSY);
	SET_MAX(t->top, "kunit_a 100");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), 0);
	EXPECT_USAGE("100 100 0 0 100");
	EXPECT_PEAK("100 100 0 0 100");
	KUNIT_EXPECT_EQ(test, t_usage(t->a, aside), 0);
}

/* Stock charges the destination before it uncharges the source. */
static void full_common_ancestor_does_not_matter(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->top, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), 0);
	EXPECT_USAGE("10 10 0 0 10");
	SET_MAX(t->top, "kunit_a 0");
	KUNIT_EXPECT_EQ(test, t_move(&c[0], &c[1], t->leaf), 0);
	EXPECT_USAGE("10 10 10 10 0");
	EXPECT_PEAK("10 10 10 10 10");
}

static void move_asks_no_capacity(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->root, 100), 0);
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), 0);
	misc_cg_res_set_capacity(t->a, 1);
	KUNIT_EXPECT_EQ(test, t_move(&c[0], &c[1], t->right), 0);
	EXPECT_USAGE("100 100 0 0 100");
}

static void move_from_a_removed_cgroup_succeeds(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	t_remove(t->leaf);
	KUNIT_EXPECT_FALSE(test, t_released(t->leaf));
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), 0);
	KUNIT_EXPECT_TRUE(test, t_released(t->leaf));
	EXPECT_USAGE("10 10 0 0 10");
}

static void move_of_an_unregistered_resource_succeeds(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	misc_cg_res_unregister(t->a);
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->right), 0);
	EXPECT_USAGE("10 10 0 0 10");
}

static void refused_move_changes_nothing_but_events(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->right, 10), 0);
	SET_MAX(t->left, "kunit_a 5");
	SET_MAX(t->top, "kunit_a 1");
	KUNIT_EXPECT_EQ(test, t_move(&c[1], &c[0], t->leaf), -EBUSY);

	EXPECT_USAGE("10 10 0 0 10");
	EXPECT_PEAK("10 10 0 0 10");
	KUNIT_EXPECT_NULL(test, c[1].cg);
	KUNIT_EXPECT_PTR_EQ(test, c[0].cg, t->right);
	KUNIT_EXPECT_EQ(test, t_refs(t->leaf), 1);
	KUNIT_EXPECT_EQ(test, t_refs(t->right), 2);

	EXPECT_LOCAL_MAX_EVENTS("0 0 1 0 0");
	EXPECT_MAX_EVENTS("0 1 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 0");

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("0 0 0 0 0");
}

static void move_of_a_huge_amount_does_not_wrap(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	misc_cg_res_set_capacity(t->a, U64_MAX);
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, U64_MAX - 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[2], t->a, t->root, 1), -ENOSPC);
	SET_MAX(t->leaf, "kunit_a 18446744073709551614");
	KUNIT_EXPECT_EQ(test, t_move(&c[2], &c[1], t->leaf), -EBUSY);
	misc_cg_charge_release(&c[0]);
	KUNIT_EXPECT_EQ(test, t_move(&c[2], &c[1], t->leaf), 0);
	KUNIT_EXPECT_EQ(test, t_usage(t->a, t->leaf), U64_MAX - 1);
}

static struct kunit_case t_move_cases[] = {
	KUNIT_CASE(move_of_an_empty_charge_does_nothing),
	KUNIT_CASE(move_onto_a_charge_that_holds_something_is_invalid),
	KUNIT_CASE(move_current_moves_to_the_cgroup_of_the_task),
	KUNIT_CASE(moved_charge_is_held_by_its_new_owner_only),
	KUNIT_CASE(move_within_a_cgroup_asks_no_max),
	KUNIT_CASE(move_to_an_ancestor_asks_no_max),
	KUNIT_CASE(move_to_a_descendant_asks_the_levels_that_gain),
	KUNIT_CASE(move_to_a_cousin_asks_the_levels_that_gain),
	KUNIT_CASE(move_across_the_root_asks_up_to_below_it),
	KUNIT_CASE(full_common_ancestor_does_not_matter),
	KUNIT_CASE(move_asks_no_capacity),
	KUNIT_CASE(move_from_a_removed_cgroup_succeeds),
	KUNIT_CASE(move_of_an_unregistered_resource_succeeds),
	KUNIT_CASE(refused_move_changes_nothing_but_events),
	KUNIT_CASE(move_of_a_huge_amount_does_not_wrap),
	{}
};

static struct kunit_suite t_move_suite = {
	.name = "misc_cg_move",
	.init = t_init,
	.exit = t_exit,
	.test_cases = t_move_cases,
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
	struct t_fixture *t = test->priv;
	char name[] = "kunit_copied";
	struct misc_cg_res *res = t_register(test, name, 7);

	memset(name, 'x', sizeof(name) - 1);
	EXPECT_FILE(t->top, "misc.capacity",
		    "kunit_a 100\nkunit_b 100\nkunit_copied 7\n");
	misc_cg_res_unregister(res);
}

static void registered_name_exists(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *res = misc_cg_res_register("kunit_a", 5);

	KUNIT_EXPECT_PTR_EQ(test, res, ERR_PTR(-EEXIST));
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 100), 0);
}

static void registering_again_brings_limits_peaks_and_events_back(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	SET_MAX(t->left, "kunit_a 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 7), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 7), -EBUSY);
	misc_cg_charge_release(&c[0]);
	misc_cg_res_unregister(t->a);

	KUNIT_EXPECT_PTR_EQ(test, t_register(test, "kunit_a", 50), t->a);
	EXPECT_FILE(t->left, "misc.max", "kunit_a 10\nkunit_b max\n");
	EXPECT_PEAK("7 7 7 7 0");
	EXPECT_MAX_EVENTS("0 1 1 0 0");
	EXPECT_LOCAL_MAX_EVENTS("0 0 1 0 0");
	EXPECT_ALLOC_FAILS("0 0 0 1 0");
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 11), -EBUSY);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 51), -ENOSPC);
}

static void limits_end_with_their_cgroup(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->right, "kunit_a 10");
	t_remove(t->right);
	EXPECT_FILE(t_child(test, t->top), "misc.max",
		    "kunit_a max\nkunit_b max\n");
}

static void unregistering_keeps_outstanding_charges_counted(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 10), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->leaf, 20), 0);
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->right, 5), 0);
	misc_cg_res_unregister(t->a);
	EXPECT_USAGE("35 35 30 30 5");
	misc_cg_charge_release(&c[0]);
	misc_cg_uncharge(t->a, t->right, 5);
	EXPECT_USAGE("20 20 20 20 0");
}

static void outstanding_charges_count_against_the_new_capacity(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_charge *c = t->c;

	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
	misc_cg_res_unregister(t->a);
	t_register(test, "kunit_a", 70);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 11), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t_charge(&c[1], t->a, t->right, 10), 0);

	misc_cg_charge_release(&c[0]);
	EXPECT_USAGE("10 10 0 0 10");
	KUNIT_EXPECT_EQ(test, t_charge(&c[0], t->a, t->leaf, 60), 0);
}

static void unregistering_twice_is_harmless(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	misc_cg_res_unregister(t->a);
	EXPECT_WARNING(misc_cg_res_unregister,
		       misc_cg_res_unregister)(t->a);
	misc_cg_res_unregister(t->a);
	t_register(test, "kunit_a", 10);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 10), 0);
}

static void capacity_of_an_unregistered_resource_stays_zero(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	misc_cg_res_unregister(t->a);
	EXPECT_WARNING(misc_cg_res_set_capacity,
		       misc_cg_res_set_capacity)(t->a, 10);
	EXPECT_FILE(t->leaf, "misc.capacity", "kunit_b 100\n");
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 1), -ENODEV);
	misc_cg_res_set_capacity(t->a, 10);
}

static void new_name_counts_in_cgroups_that_were_there_before(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;
	struct misc_cg *half;

	/* One of them half made: the core has not linked it yet. */
	css = misc_cgrp_subsys.css_alloc(&t->leaf->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	res = t_register(test, "kunit_new", 10);
	half = t_online(test, t->leaf, css);

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], res, half, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], res, t->right, 2), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res, half), 1);
	KUNIT_EXPECT_EQ(test, t_usage(res, t->leaf), 1);
	KUNIT_EXPECT_EQ(test, t_usage(res, t->top), 3);
	KUNIT_EXPECT_EQ(test, t_usage(res, t->root), 3);
	EXPECT_FILE(half, "misc.max", "kunit_a max\nkunit_b max\nkunit_new max\n");

	misc_cg_charge_release(&t->c[0]);
	misc_cg_charge_release(&t->c[1]);
	misc_cg_res_unregister(res);
}

static void new_cgroup_counts_all_names(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg *cg;

	misc_cg_res_unregister(t->b);
	cg = t_child(test, t->leaf);
	t_register(test, "kunit_b", 100);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, cg, 1), 0);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], t->b, cg, 2), 0);
	EXPECT_USAGE("1 1 1 1 0");
	KUNIT_EXPECT_EQ(test, t_usage(t->b, t->leaf), 2);
}

/* css_alloc() and css_free() are all that it sees. */
static void aborted_cgroup_leaves_nothing_behind(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;

	css = misc_cgrp_subsys.css_alloc(&t->leaf->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	misc_cgrp_subsys.css_free(css);

	res = t_register(test, "kunit_new", 10);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], res, t->leaf, 1), 0);
	misc_cg_charge_release(&t->c[0]);
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

static void new_name_without_memory_leaves_nothing_behind(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *res;
	struct misc_cg *cg;
	int nth, failed = 0;

	t_frees_on(test);
	for (nth = 1; ; nth++) {
		t->frees.nr = 0;
		t_fail_nth(test, nth);
		res = misc_cg_res_register("kunit_new", 10);
		if (!t_failed_nth(test))
			break;
		/* Not ours: kmemleak allocates on every allocation. */
		if (!IS_ERR(res)) {
			misc_cg_res_unregister(res);
			t_forget_names(t->nr_names);
			continue;
		}
		/* All that came before the one that failed. */
		KUNIT_EXPECT_EQ(test, t->frees.nr, failed);
		failed++;
		KUNIT_ASSERT_PTR_EQ(test, res, ERR_PTR(-ENOMEM));
		KUNIT_EXPECT_EQ(test, misc_cg_nr_resources, t->nr_names);
		list_for_each_entry(cg, &misc_cg_list, node)
			KUNIT_EXPECT_NULL(test, cg->counters[t->nr_names]);
		KUNIT_EXPECT_EQ(test, t_write(test, t->leaf, "kunit_new 1"),
				-EINVAL);
		EXPECT_FILE(t->leaf, "misc.capacity",
			    "kunit_a 100\nkunit_b 100\n");
	}

	/* One for each cgroup, and one for the words that may be open. */
	KUNIT_EXPECT_EQ(test, failed, list_count_nodes(&misc_cg_list) + 1);
	EXPECT_FILE(t->leaf, "misc.capacity",
		    "kunit_a 100\nkunit_b 100\nkunit_new 10\n");
	misc_cg_res_unregister(res);
}

static void new_cgroup_without_memory_leaves_nothing_behind(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	size_t cgroups = list_count_nodes(&misc_cg_list);
	struct cgroup_subsys_state *css;
	struct misc_cg *cg;
	int nth, failed = 0;

	t_frees_on(test);
	for (nth = 1; ; nth++) {
		t->frees.nr = 0;
		t_fail_nth(test, nth);
		css = misc_cgrp_subsys.css_alloc(&t->leaf->css);
		if (!t_failed_nth(test))
			break;
		if (!IS_ERR(css)) {
			misc_cgrp_subsys.css_free(css);
			continue;
		}
		KUNIT_ASSERT_PTR_EQ(test, css, ERR_PTR(-ENOMEM));
		/* All that came before the one that failed. */
		KUNIT_EXPECT_EQ(test, t->frees.nr, failed);
		failed++;
		KUNIT_EXPECT_EQ(test, list_count_nodes(&misc_cg_list), cgroups);
	}

	/* The cgroup and its counters. */
	KUNIT_EXPECT_EQ(test, failed, 1 + misc_cg_nr_resources);
	cg = t_online(test, t->leaf, css);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, cg, 1), 0);
}

static void new_name_counts_in_removed_cgroups_too(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *res;

	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 1), 0);
	t_remove(t->leaf);
	res = t_register(test, "kunit_new", 10);
	/* As from a task that is still exiting there. */
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[1], res, t->leaf, 1), 0);
	KUNIT_EXPECT_EQ(test, t_usage(res, t->top), 1);
	misc_cg_charge_release(&t->c[1]);
	misc_cg_res_unregister(res);
}

static void at_most_64_names(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct cgroup_subsys_state *css;
	struct misc_cg_res *res;
	char name[32];
	int i;

	for (i = t->nr_names; i < 64; i++) {
		snprintf(name, sizeof(name), "kunit_fill_%d", i);
		res = misc_cg_res_register(name, i);
		KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(res), "name %d", i);
		misc_cg_res_unregister(res);
	}
	KUNIT_EXPECT_PTR_EQ(test, misc_cg_res_register("kunit_one_more", 1),
			    ERR_PTR(-ENOSPC));

	/* The last one is as good as the first. */
	res = t_register(test, name, 10);
	snprintf(t->line, sizeof(t->line), "%s 5\n", name);
	SET_MAX(t->leaf, t->line);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], res, t->leaf, 6), -EBUSY);
	misc_cg_res_unregister(res);
	t_frees_on(test);
	css = misc_cgrp_subsys.css_alloc(&t->leaf->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	EXPECT_FREES(1 + 64, misc_cgrp_subsys.css_free(css));

	/* Those that have a slot can come and go. */
	res = t_register(test, name, 10);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], res, t->right, 10), 0);
	misc_cg_charge_release(&t->c[0]);
	misc_cg_res_unregister(res);
	misc_cg_res_unregister(t->a);
	t_register(test, "kunit_a", 10);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a,
				       t_child(test, t->leaf), 10), 0);
}

/* Ten below each, and half of the names come when half of them are there. */
static void all_names_count_in_10000_cgroups(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	/* Fewer where random tests, too, are to take fewer steps. */
	unsigned int nr = clamp(t_steps / 100, 2U, 10000U);
	unsigned int nr_res = 2, i;
	struct cgroup_subsys_state *css;
	struct misc_cg_res **res;
	struct misc_cg **cgs;
	u64 *held, *below;
	char name[32];

	res = kunit_kcalloc(test, MISC_CG_RES_MAX, sizeof(*res), GFP_KERNEL);
	held = kunit_kcalloc(test, MISC_CG_RES_MAX, sizeof(*held), GFP_KERNEL);
	cgs = kunit_kcalloc(test, nr, sizeof(*cgs), GFP_KERNEL);
	below = kunit_kcalloc(test, nr, sizeof(*below), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, res && held && cgs && below);
	res[0] = t->a;
	res[1] = t->b;
	misc_cg_res_set_capacity(t->a, nr);
	misc_cg_res_set_capacity(t->b, nr);

	for (i = 0; i < nr; i++) {
		while (misc_cg_nr_resources < (i < nr / 2 ? 32 : 64)) {
			snprintf(name, sizeof(name), "kunit_%u", nr_res);
			res[nr_res++] = t_register(test, name, nr);
		}
		css = i ? &cgs[(i - 1) / 10]->css : &t->leaf->css;
		css = misc_cgrp_subsys.css_alloc(css);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
		cgs[i] = css_misc(css);
	}
	/* Each holds one of the last resource, and one of another. */
	for (i = nr; i--; ) {
		held[nr_res - 1]++;
		held[i % (nr_res - 1)]++;
		KUNIT_ASSERT_EQ(test, misc_cg_try_charge(res[nr_res - 1],
							 cgs[i], 1), 0);
		KUNIT_ASSERT_EQ(test, misc_cg_try_charge(res[i % (nr_res - 1)],
							 cgs[i], 1), 0);
		below[i]++;
		if (i)
			below[(i - 1) / 10] += below[i];
	}
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, t_usage(res[nr_res - 1], cgs[i]), below[i]);
	for (i = 0; i < nr_res; i++)
		KUNIT_EXPECT_EQ(test, t_usage(res[i], t->root), held[i]);

	for (i = nr; i--; ) {
		misc_cg_uncharge(res[nr_res - 1], cgs[i], 1);
		misc_cg_uncharge(res[i % (nr_res - 1)], cgs[i], 1);
		misc_cgrp_subsys.css_free(&cgs[i]->css);
	}
	for (i = 0; i < nr_res; i++) {
		KUNIT_EXPECT_EQ(test, t_usage(res[i], t->root), 0);
		if (i > 1)
			misc_cg_res_unregister(res[i]);
	}
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
	KUNIT_CASE(new_name_without_memory_leaves_nothing_behind),
	KUNIT_CASE(new_cgroup_without_memory_leaves_nothing_behind),
	KUNIT_CASE(at_most_64_names),
	KUNIT_CASE_SLOW(all_names_count_in_10000_cgroups),
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
	struct t_fixture *t = test->priv;
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
		kn = t_file(t->root, files[i].name);
		KUNIT_EXPECT_EQ_MSG(test, !!kn, files[i].on_root, "%s",
				    files[i].name);
		kernfs_put(kn);
		kn = t_file(t->leaf, files[i].name);
		KUNIT_EXPECT_NOT_NULL_MSG(test, kn, "%s", files[i].name);
		kernfs_put(kn);
	}
	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(misc_cg_files) - 1, ARRAY_SIZE(files));
	KUNIT_EXPECT_PTR_EQ(test, misc_cgrp_subsys.legacy_cftypes,
			    misc_cgrp_subsys.dfl_cftypes);
}

static void capacity_is_the_same_everywhere(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->top, "kunit_a 5");
	EXPECT_FILE(t->root, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(t->top, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	EXPECT_FILE(t->leaf, "misc.capacity", "kunit_a 100\nkunit_b 100\n");
	misc_cg_res_set_capacity(t->a, U64_MAX);
	EXPECT_FILE(t->leaf, "misc.capacity",
		    "kunit_a 18446744073709551615\nkunit_b 100\n");
}

static void current_shows_usage(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->root, "misc.current", "kunit_a 0\nkunit_b 0\n");
	t_charge(&t->c[0], t->a, t->leaf, 10);
	t_charge(&t->c[1], t->b, t->right, 20);
	EXPECT_FILE(t->root, "misc.current", "kunit_a 10\nkunit_b 20\n");
	EXPECT_FILE(t->top, "misc.current", "kunit_a 10\nkunit_b 20\n");
	EXPECT_FILE(t->leaf, "misc.current", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(t->right, "misc.current", "kunit_a 0\nkunit_b 20\n");
}

static void peak_shows_peak(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->root, "misc.peak", "kunit_a 0\nkunit_b 0\n");
	t_charge(&t->c[0], t->a, t->leaf, 10);
	misc_cg_charge_release(&t->c[0]);
	t_charge(&t->c[0], t->a, t->right, 4);
	EXPECT_FILE(t->root, "misc.peak", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(t->leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
	EXPECT_FILE(t->right, "misc.peak", "kunit_a 4\nkunit_b 0\n");
}

static void max_shows_what_was_written_here(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	SET_MAX(t->left, "kunit_b 7");
	EXPECT_FILE(t->left, "misc.max", "kunit_a max\nkunit_b 7\n");
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a max\nkunit_b max\n");
	EXPECT_FILE(t->top, "misc.max", "kunit_a max\nkunit_b max\n");
	SET_MAX(t->left, "kunit_b max");
	EXPECT_FILE(t->left, "misc.max", "kunit_a max\nkunit_b max\n");
}

static void effective_max_is_the_smallest_from_here_up(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_a 100\nkunit_b 100\n");
	SET_MAX(t->top, "kunit_a 50");
	EXPECT_FILE(t->top, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(t->leaf, "kunit_a 60");
	EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(t->leaf, "kunit_a 40");
	EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_a 40\nkunit_b 100\n");
	EXPECT_FILE(t->left, "misc.max.effective", "kunit_a 50\nkunit_b 100\n");
	SET_MAX(t->left, "kunit_a 0");
	EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_a 0\nkunit_b 100\n");
	/* Usage does not matter, and it is a number even if it is the largest. */
	t_charge(&t->c[0], t->b, t->leaf, 10);
	misc_cg_res_set_capacity(t->b, U64_MAX);
	EXPECT_FILE(t->leaf, "misc.max.effective",
		    "kunit_a 0\nkunit_b 18446744073709551615\n");
}

static void events_count_refusals_by_max_here_and_below(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->top, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
	SET_MAX(t->left, "kunit_a 10\nkunit_b 0");
	t_charge(&t->c[0], t->a, t->leaf, 11);
	t_charge(&t->c[0], t->a, t->leaf, 11);
	t_charge(&t->c[0], t->b, t->left, 1);
	t_charge(&t->c[0], t->a, t->right, 101);
	EXPECT_FILE(t->leaf, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
	EXPECT_FILE(t->left, "misc.events", "kunit_a.max 2\nkunit_b.max 1\n");
	EXPECT_FILE(t->top, "misc.events", "kunit_a.max 2\nkunit_b.max 1\n");
	EXPECT_FILE(t->right, "misc.events", "kunit_a.max 0\nkunit_b.max 0\n");
}

static void local_events_count_this_max_and_own_charges(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	EXPECT_FILE(t->top, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	SET_MAX(t->left, "kunit_a 10\nkunit_b 0");
	t_charge(&t->c[0], t->a, t->leaf, 11);
	t_charge(&t->c[0], t->a, t->leaf, 11);
	t_charge(&t->c[0], t->b, t->left, 1);
	t_charge(&t->c[0], t->a, t->right, 101);
	EXPECT_FILE(t->leaf, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 2\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	EXPECT_FILE(t->left, "misc.events.local",
		    "kunit_a.max 2\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 1\nkunit_b.alloc_fail 1\n");
	EXPECT_FILE(t->right, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 1\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
	EXPECT_FILE(t->top, "misc.events.local",
		    "kunit_a.max 0\nkunit_a.alloc_fail 0\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
}

static void names_are_listed_in_order_of_first_registration(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	struct misc_cg_res *res = t_register(test, "kunit_0_later", 1);

	misc_cg_res_unregister(t->a);
	misc_cg_res_unregister(t->b);
	t_register(test, "kunit_b", 2);
	t_register(test, "kunit_a", 3);
	EXPECT_FILE(t->root, "misc.capacity",
		    "kunit_a 3\nkunit_b 2\nkunit_0_later 1\n");
	EXPECT_FILE(t->leaf, "misc.current",
		    "kunit_a 0\nkunit_b 0\nkunit_0_later 0\n");
	misc_cg_res_unregister(res);
}

static void without_capacity_only_numbers_that_are_not_0_are_listed(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	int unregistered;

	SET_MAX(t->leaf, "kunit_a 10");
	t_charge(&t->c[0], t->a, t->leaf, 10);
	t_charge(&t->c[1], t->a, t->leaf, 1);
	/* A capacity of 0 and none look the same. */
	misc_cg_res_set_capacity(t->a, 0);
	for (unregistered = 0; unregistered < 2; unregistered++) {
		EXPECT_FILE(t->root, "misc.capacity", "kunit_b 100\n");
		EXPECT_FILE(t->leaf, "misc.capacity", "kunit_b 100\n");
		EXPECT_FILE(t->leaf, "misc.max", "kunit_b max\n");
		EXPECT_FILE(t->right, "misc.max", "kunit_b max\n");
		EXPECT_FILE(t->leaf, "misc.max.effective", "kunit_b 100\n");

		EXPECT_FILE(t->root, "misc.current", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(t->leaf, "misc.current", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(t->right, "misc.current", "kunit_b 0\n");
		EXPECT_FILE(t->leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
		EXPECT_FILE(t->right, "misc.peak", "kunit_b 0\n");
		EXPECT_FILE(t->top, "misc.events",
			    "kunit_a.max 1\nkunit_b.max 0\n");
		EXPECT_FILE(t->right, "misc.events", "kunit_b.max 0\n");
		EXPECT_FILE(t->leaf, "misc.events.local",
			    "kunit_a.max 1\nkunit_a.alloc_fail 1\n"
			    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
		EXPECT_FILE(t->top, "misc.events.local",
			    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
		if (!unregistered)
			misc_cg_res_unregister(t->a);
	}

	misc_cg_charge_release(&t->c[0]);
	EXPECT_FILE(t->root, "misc.current", "kunit_b 0\n");
	EXPECT_FILE(t->leaf, "misc.peak", "kunit_a 10\nkunit_b 0\n");
}

static void event_keys_are_listed_one_by_one(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	/* Refused by the capacity: no .max anywhere. */
	t_charge(&t->c[0], t->a, t->leaf, 101);
	misc_cg_res_set_capacity(t->a, 0);
	EXPECT_FILE(t->leaf, "misc.events.local",
		    "kunit_a.alloc_fail 1\n"
		    "kunit_b.max 0\nkunit_b.alloc_fail 0\n");
}

static void max_takes_numbers_as_the_kernel_writes_them(struct kunit *test)
{
	struct t_fixture *t = test->priv;
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
		SET_MAX(t->leaf, "kunit_a 1");
		KUNIT_EXPECT_EQ_MSG(test, t_write(test, t->leaf, writes[i].text),
				    0, "\"%s\"", writes[i].text);
		EXPECT_FILE(t->leaf, "misc.max", writes[i].max);
	}
}

static void max_refuses_nonsense_and_stays_as_it_is(struct kunit *test)
{
	struct t_fixture *t = test->priv;
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

	SET_MAX(t->leaf, "kunit_a 1\nkunit_b 2");
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		KUNIT_EXPECT_EQ_MSG(test, t_write(test, t->leaf, writes[i].text),
				    writes[i].ret, "\"%s\"", writes[i].text);
		EXPECT_FILE(t->leaf, "misc.max", "kunit_a 1\nkunit_b 2\n");
	}
}

static void max_takes_a_terminator_and_nothing_after_it(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	static const char terminated[] = "kunit_a 5";
	static const char more[] = "kunit_a 6\0kunit_b 7";

	KUNIT_EXPECT_EQ(test, t_write_bytes(test, t->leaf, terminated,
					    sizeof(terminated)), 0);
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a 5\nkunit_b max\n");
	KUNIT_EXPECT_EQ(test, t_write_bytes(test, t->leaf, more, sizeof(more)),
			-EINVAL);
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a 5\nkunit_b max\n");
}

/* Stock takes one line: nobody can limit two resources at once. */
static void max_takes_several_lines(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	SET_MAX(t->leaf, "kunit_b 5\nkunit_a 4\n");
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a 4\nkunit_b 5\n");
	SET_MAX(t->leaf, "kunit_a max\nkunit_b 6");
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a max\nkunit_b 6\n");
	/* A name that is not mentioned stays as it is. */
	SET_MAX(t->leaf, "kunit_a 1");
	EXPECT_FILE(t->leaf, "misc.max", "kunit_a 1\nkunit_b 6\n");
}

static void max_takes_back_what_it_showed(struct kunit *test)
{
	struct t_fixture *t = test->priv;
	char *text;

	SET_MAX(t->leaf, "kunit_a 12");
	text = kunit_kstrdup(test, t_read(test, t->leaf, "misc.max"),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, text);
	SET_MAX(t->leaf, "kunit_a 1\nkunit_b 1\n");
	/* Even if one of the providers has gone in between. */
	misc_cg_res_unregister(t->a);
	SET_MAX(t->leaf, text);
	t_register(test, "kunit_a", 100);
	EXPECT_FILE(t->leaf, "misc.max", text);
	KUNIT_EXPECT_EQ(test, t_charge(&t->c[0], t->a, t->leaf, 13), -EBUSY);
}

static void max_binds_from_the_write_on(struct kunit *test)
{
	struct t_fixture *t = test->priv;

	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), 0);
	misc_cg_uncharge(t->a, t->leaf, 5);
	SET_MAX(t->left, "kunit_a 4");
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), -EBUSY);
	SET_MAX(t->left, "kunit_a 5");
	KUNIT_EXPECT_EQ(test, misc_cg_try_charge(t->a, t->leaf, 5), 0);
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

#include "misc_kunit_log.c"
#include "misc_kunit_history.c"
#include "misc_kunit_writes.c"
#include "misc_kunit_concurrency.c"
#include "misc_kunit_credit.c"

kunit_test_suites(&l_suite, &t_charge_suite, &t_limits_suite, &t_move_suite,
		  &t_register_suite, &t_files_suite, &h_suite, &w_suite,
		  &k_suite, &c_suite);
