// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: the fixture.  See misc_kunit.h.
 */
#include <linux/bug.h>
#include <linux/kernfs.h>
#include <linux/kmsg_dump.h>
#include <linux/moduleparam.h>
#include <linux/seq_file.h>
#include <asm/sections.h>

#include "misc_kunit.h"

struct misc_kunit misc_kunit;

unsigned int misc_kunit_seed = 1;
module_param_named(seed, misc_kunit_seed, uint, 0444);
unsigned int misc_kunit_steps = 1000000;
module_param_named(steps, misc_kunit_steps, uint, 0444);
unsigned int misc_kunit_ms = 300;
module_param_named(ms, misc_kunit_ms, uint, 0444);
/* 1: every release leaves credit.  64, as outside of tests: hardly any does. */
static unsigned int releases = 1;
module_param(releases, uint, 0444);

/*
 * Cgroups
 */

/* Takes the place of a cgroup of the cgroup core. */
struct stand_in {
	struct list_head node;
	struct misc_cg *cg;
	bool removed;
	bool released;
	struct cgroup cgroup;	/* last, it ends with a flexible array */
};

static struct stand_in *stand_in(struct misc_cg *cg)
{
	return container_of(cg->css.cgroup, struct stand_in, cgroup);
}

static void last_ref_put(struct percpu_ref *ref)
{
	stand_in(container_of(ref, struct misc_cg, css.refcnt))->released = true;
}

bool misc_kunit_is_released(struct misc_cg *cg)
{
	return stand_in(cg)->released;
}

static struct kernfs_node *directory(struct misc_cg *cg)
{
	return cg == &misc_cg_root ? kernfs_root_to_node(misc_kunit.files) :
				     cg->css.cgroup->kn;
}

static void make_files(struct kernfs_node *dir)
{
	struct kernfs_node *kn;
	struct cftype *cft;

	for (cft = misc_cgrp_subsys.dfl_cftypes; cft->name[0]; cft++) {
		kn = __kernfs_create_file(dir, cft->name, 0644, GLOBAL_ROOT_UID,
					  GLOBAL_ROOT_GID, 0, cft->kf_ops, cft,
					  NULL, NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(misc_kunit.test, kn);
	}
}

struct cgroup_subsys_state *misc_kunit_css_alloc(struct misc_cg *parent)
{
	struct cgroup_subsys_state *css;

	css = misc_cgrp_subsys.css_alloc(&parent->css);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(misc_kunit.test, css);
	return css;
}

/* The core's half of making a cgroup, after css_alloc(). */
struct misc_cg *misc_kunit_online(struct cgroup_subsys_state *css,
				  const char *name)
{
	struct misc_cg *cg = css_misc(css), *parent = cg->parent;
	struct stand_in *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct kunit *test = misc_kunit.test;
	struct kernfs_node *dir;

	KUNIT_ASSERT_NOT_NULL(test, s);
	dir = kernfs_create_dir(directory(parent), name, 0755, &s->cgroup);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir);
	kernfs_get(dir);
	make_files(dir);

	s->cg = cg;
	s->cgroup.kn = dir;
	RCU_INIT_POINTER(s->cgroup.subsys[misc_cgrp_id], css);
	css->cgroup = &s->cgroup;
	css->ss = &misc_cgrp_subsys;
	css->parent = &parent->css;
	css_get(css->parent);
	KUNIT_ASSERT_EQ(test, 0, percpu_ref_init(&css->refcnt, last_ref_put,
						 PERCPU_REF_INIT_ATOMIC,
						 GFP_KERNEL));
	list_add_tail(&s->node, &misc_kunit.cgroups);
	return cg;
}

struct misc_cg *misc_kunit_mkdir(struct misc_cg *parent, const char *name)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", misc_kunit.nr_made++);
	return misc_kunit_online(misc_kunit_css_alloc(parent), name ?: number);
}

/* From now on only references keep the cgroup. */
void misc_kunit_rmdir(struct misc_cg *cg)
{
	stand_in(cg)->removed = true;
	kernfs_remove(cg->css.cgroup->kn);
	percpu_ref_kill(&cg->css.refcnt);
}

void misc_kunit_free(struct misc_cg *cg)
{
	struct cgroup_subsys_state *parent = cg->css.parent;
	struct stand_in *s = stand_in(cg);

	list_del(&s->node);
	percpu_ref_exit(&cg->css.refcnt);
	misc_cgrp_subsys.css_free(&cg->css);
	kernfs_put(s->cgroup.kn);
	kfree(s);
	css_put(parent);
}

/*
 * Names and numbers
 */

struct misc_cg_res *misc_kunit_register(const char *name, u64 capacity)
{
	struct misc_cg_res *res = misc_cg_res_register(name, capacity);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(misc_kunit.test, res);
	return res;
}

/* The controller itself never forgets a name or its counters. */
void misc_kunit_forget_names(unsigned int keep)
{
	struct misc_cg_counter *batch;
	struct misc_cg *cg;
	unsigned int i, j;

	guard(mutex)(&misc_cg_mutex);

	list_for_each_entry(cg, &misc_cg_list, node) {
		for (i = keep; i < MISC_CG_RES_MAX; i++) {
			batch = cg->batches[i / MISC_CG_BATCH];
			j = i % MISC_CG_BATCH;
			if (j && batch) {
				batch[j] = NEW_COUNTER(cg->parent ?
						       MISC_CG_UNLIMITED : 0);
			} else {
				kfree(batch);
				cg->batches[i / MISC_CG_BATCH] = NULL;
			}
			clear_bit(i, cg->logged);
		}
	}
	for (i = keep; i < misc_cg_nr_resources; i++) {
		kfree(misc_cg_resources[i].places);
		memset(&misc_cg_resources[i], 0, sizeof(misc_cg_resources[i]));
	}
	misc_cg_nr_resources = keep;
}

struct misc_cg_counter misc_kunit_counter(struct misc_cg_res *res,
					  struct misc_cg *cg)
{
	struct misc_cg_counter counter;

	spin_lock(&res->lock);
	counter = *misc_cg_counter(res, cg);
	counter.usage -= misc_cg_credit_sum(res, cg);
	spin_unlock(&res->lock);
	atomic64_set(&counter.credit, 0);
	counter.nr_places = 0;
	counter.nr_releases = 0;
	return counter;
}

const char *misc_kunit_numbers(size_t offset)
{
	char *line = misc_kunit.line;
	int i, len = 0;

	for (i = ROOT; i < NR_CGROUPS; i++) {
		struct misc_cg_counter counter = misc_kunit_counter(RES_A, CG(i));

		len += sprintf(line + len, i ? " %llu" : "%llu",
			       *(u64 *)((void *)&counter + offset));
	}
	return line;
}

/* misc_cg_charge_move_current(), as from a task in @cg. */
int misc_kunit_move(struct misc_cg_charge *to, struct misc_cg_charge *from,
		    struct misc_cg *cg)
{
	if (from->self != from || to->self)
		return -EINVAL;
	css_get(&cg->css);
	return misc_cg_do_move(to, from, cg);
}

/*
 * Files
 */

const char *misc_kunit_read(struct misc_cg *cg, const char *name, char *buf,
			    size_t size)
{
	struct kernfs_open_file of = {
		.kn = kernfs_find_and_get(directory(cg), name),
	};
	struct seq_file sf = { .buf = buf, .size = size, .private = &of };
	int ret;

	/* RCU protects the parent, as an active reference does for a real file. */
	rcu_read_lock();
	ret = seq_cft(&sf)->seq_show(&sf, NULL);
	rcu_read_unlock();
	kernfs_put(of.kn);
	buf[min(sf.count, size - 1)] = '\0';
	return ret ? "cannot be read" : buf;
}

const char *misc_kunit_show(struct misc_cg *cg, const char *name)
{
	const char *line = misc_kunit_read(cg, name, misc_kunit.text,
					   sizeof(misc_kunit.text));

	while (!strncmp(line, "sev", strlen("sev")))
		line = strchr(line, '\n') + 1;
	return line;
}

/* Write to misc.max.  Return 0 if all bytes were taken. */
int misc_kunit_write(struct misc_cg *cg, const char *bytes, size_t len)
{
	struct kernfs_open_file of = {
		.kn = kernfs_find_and_get(directory(cg), "max"),
	};
	char *text = kmemdup_nul(bytes, len, GFP_KERNEL);
	ssize_t ret = -ENOMEM;

	if (text) {
		rcu_read_lock();
		ret = of_cft(&of)->write(&of, text, len, 0);
		rcu_read_unlock();
	}
	kfree(text);
	kernfs_put(of.kn);
	return ret == len ? 0 : ret < 0 ? ret : -EIO;
}

/*
 * The log
 */

void misc_kunit_log_start(void)
{
	struct kmsg_dump_iter log;

	kmsg_dump_rewind(&log);
	misc_kunit.log_seq = log.next_seq;
}

/* The number of lines since misc_kunit_log_start() that contain @text. */
unsigned int misc_kunit_logged(const char *text)
{
	struct kmsg_dump_iter log;
	unsigned int nr = 0;
	size_t len;

	kmsg_dump_rewind(&log);
	log.cur_seq = misc_kunit.log_seq;
	while (kmsg_dump_get_line(&log, false, misc_kunit.line,
				  sizeof(misc_kunit.line) - 1, &len)) {
		misc_kunit.line[len] = '\0';
		nr += !!strstr(misc_kunit.line, text);
	}
	return nr;
}

/* Like clear_warn_once in debugfs: let WARN_ONCE() warn again. */
void misc_kunit_clear_warn_once(void)
{
	generic_bug_clear_once();
	memset(__start_once, 0, __end_once - __start_once);
}

/*
 * Before and after each test
 */

/* The counters of the root cgroup still have the numbers of the last test. */
static struct misc_cg_res *register_afresh(const char *name)
{
	struct misc_cg_res *res = misc_kunit_register(name, 100);

	spin_lock(&res->lock);
	*misc_cg_counter(res, &misc_cg_root) = NEW_COUNTER(100);
	spin_unlock(&res->lock);
	return res;
}

int misc_kunit_init(struct kunit *test)
{
	memset(&misc_kunit, 0, sizeof(misc_kunit));
	INIT_LIST_HEAD(&misc_kunit.cgroups);
	misc_kunit.test = test;
	misc_kunit.releases = misc_cg_credit_releases;
	misc_cg_credit_releases = releases;
	misc_kunit.files = kernfs_create_root(NULL, 0, misc_cg_root.css.cgroup);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, misc_kunit.files);
	make_files(kernfs_root_to_node(misc_kunit.files));

	RES_A = register_afresh("kunit_a");
	RES_B = register_afresh("kunit_b");
	misc_kunit.nr_names = misc_cg_nr_resources;

	CG(ROOT) = &misc_cg_root;
	CG(TOP) = misc_kunit_mkdir(CG(ROOT), "top");
	CG(LEFT) = misc_kunit_mkdir(CG(TOP), "left");
	CG(LEAF) = misc_kunit_mkdir(CG(LEFT), "leaf");
	CG(RIGHT) = misc_kunit_mkdir(CG(TOP), "right");
	return 0;
}

/* Resources and cgroups of the running system are left alone. */
void misc_kunit_return_all(struct kunit *test)
{
	struct stand_in *s, *tmp;
	int i;

	misc_cg_credit_releases = misc_kunit.releases;
	if (!CG(RIGHT))
		return;

	for (i = 0; i < ARRAY_SIZE(misc_kunit.charge); i++)
		RELEASE(i);
	EXPECT_USAGE_OF(RES_A, ROOT, 0);
	EXPECT_USAGE_OF(RES_B, ROOT, 0);

	list_for_each_entry_safe_reverse(s, tmp, &misc_kunit.cgroups, node) {
		if (!s->removed)
			misc_kunit_rmdir(s->cg);
		KUNIT_EXPECT_TRUE_MSG(test, s->released,
				      "a reference has not been returned");
		misc_kunit_free(s->cg);
	}
	kernfs_destroy_root(misc_kunit.files);

	if (RES_A->registered)
		misc_cg_res_unregister(RES_A);
	if (RES_B->registered)
		misc_cg_res_unregister(RES_B);
}

void misc_kunit_exit(struct kunit *test)
{
	misc_kunit_return_all(test);
	if (misc_kunit.nr_names)
		misc_kunit_forget_names(misc_kunit.nr_names);
}
