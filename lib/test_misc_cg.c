// SPDX-License-Identifier: GPL-2.0
/*
 * A provider of misc cgroup resources that user space controls
 *
 * The module registers the resources in its parameter, for example
 * resources=widget:10,gadget:3, and creates a device, /dev/test_misc_cg.  Each
 * open file of the device owns one charge, as a VM owns its ASID: the charge is
 * released when the file is closed, also when the process is killed.  A write
 * is one command, and fails with the error of the call that the command makes:
 *
 *	charge NAME AMOUNT		charge the cgroup of the writer
 *	charge-opener NAME AMOUNT	charge the cgroup in which the file was
 *					opened, on behalf of its opener
 *	move				move the charge to the cgroup of the
 *					writer: from the file to a charge on
 *					the stack, then transfer it back to the
 *					file
 *	release				release the charge
 *	register NAME CAPACITY		register a resource
 *	capacity NAME CAPACITY		change the capacity of a resource
 *	unregister NAME			unregister a resource
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* One more than a valid name may have: tests also try a name of this length. */
#define NAME_LEN	32

static char *resources;
module_param(resources, charp, 0444);
MODULE_PARM_DESC(resources, "NAME:CAPACITY,... to register when loaded");

struct test_res {
	struct list_head node;
	struct misc_cg_res *res;
	char name[NAME_LEN + 1];
};

/* Guards the list: resources in it stay registered while the mutex is held. */
static DEFINE_MUTEX(test_res_mutex);
static LIST_HEAD(test_res_list);

struct test_file {
	struct mutex lock;		/* Guards charge. */
	struct misc_cg_charge charge;
	struct misc_cg *opener;		/* cgroup at open(), referenced */
};

static struct test_res *test_res_find(const char *name)
{
	struct test_res *r;

	list_for_each_entry(r, &test_res_list, node)
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

static int test_res_register(const char *name, u64 capacity)
{
	struct test_res *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return -ENOMEM;

	strscpy(r->name, name, sizeof(r->name));
	r->res = misc_cg_res_register(name, capacity);
	if (IS_ERR(r->res)) {
		int ret = PTR_ERR(r->res);

		kfree(r);
		return ret;
	}
	list_add_tail(&r->node, &test_res_list);
	return 0;
}

static void test_res_unregister(struct test_res *r)
{
	misc_cg_res_unregister(r->res);
	list_del(&r->node);
	kfree(r);
}

static void test_res_unregister_all(void)
{
	struct test_res *r, *next;

	list_for_each_entry_safe_reverse(r, next, &test_res_list, node)
		test_res_unregister(r);
}

static int test_file_move(struct test_file *f)
{
	struct misc_cg_charge to = {};
	int ret = misc_cg_charge_move_current(&to, &f->charge);

	if (!ret)
		misc_cg_charge_transfer(&f->charge, &to);
	return ret;
}

static int test_file_charge(struct test_file *f, struct misc_cg *cg,
			    const char *name, u64 amount)
{
	struct misc_cg_charge empty = {};
	struct misc_cg_res *res = NULL;
	struct test_res *r;

	/* Charging would warn, but this is a mistake of the program only. */
	if (memcmp(&f->charge, &empty, sizeof(empty)))
		return -EINVAL;

	/*
	 * Another writer may unregister the resource before it is charged here.
	 * The charge then fails; @res stays valid, as no resource is freed.
	 */
	scoped_guard(mutex, &test_res_mutex) {
		r = test_res_find(name);
		if (r)
			res = r->res;
	}
	if (cg)
		return misc_cg_charge_cgroup(&f->charge, res, cg, amount);
	return misc_cg_charge_current(&f->charge, res, amount);
}

static int test_file_command(struct test_file *f, char *line)
{
	char verb[16], name[NAME_LEN + 1], amount[32];
	struct test_res *r;
	u64 number = 0;
	int words, end = 0;
	int ret = 0;

	words = sscanf(line, "%15s%n %32s%n %31s%n", verb, &end, name, &end,
		       amount, &end);
	if (words < 1 || line[end])
		return -EINVAL;
	if (words == 3)
		ret = kstrtou64(amount, 10, &number);
	if (ret)
		return ret;

	if (words == 1 && !strcmp(verb, "move"))
		return test_file_move(f);
	if (words == 1 && !strcmp(verb, "release")) {
		misc_cg_charge_release(&f->charge);
		return 0;
	}
	if (words == 3 && !strcmp(verb, "charge"))
		return test_file_charge(f, NULL, name, number);
	if (words == 3 && !strcmp(verb, "charge-opener"))
		return test_file_charge(f, f->opener, name, number);

	guard(mutex)(&test_res_mutex);

	if (words == 3 && !strcmp(verb, "register"))
		return test_res_register(name, number);
	if (words < 2)
		return -EINVAL;
	r = test_res_find(name);
	if (!r)
		return -ENODEV;
	if (words == 3 && !strcmp(verb, "capacity")) {
		misc_cg_res_set_capacity(r->res, number);
		return 0;
	}
	if (words == 2 && !strcmp(verb, "unregister")) {
		test_res_unregister(r);
		return 0;
	}
	return -EINVAL;
}

static ssize_t test_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	struct test_file *f = file->private_data;
	char *line;
	int ret;

	if (count >= PAGE_SIZE)
		return -EINVAL;
	line = memdup_user_nul(buf, count);
	if (IS_ERR(line))
		return PTR_ERR(line);

	mutex_lock(&f->lock);
	ret = test_file_command(f, strim(line));
	mutex_unlock(&f->lock);

	kfree(line);
	return ret ?: count;
}

static int test_open(struct inode *inode, struct file *file)
{
	struct test_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	f->opener = get_current_misc_cg();
	file->private_data = f;
	return 0;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test_file *f = file->private_data;

	misc_cg_charge_release(&f->charge);
	put_misc_cg(f->opener);
	kfree(f);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.write = test_write,
	.release = test_release,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "test_misc_cg",
	.fops = &test_fops,
};

static int __init test_init(void)
{
	char *list = kstrdup(resources ?: "", GFP_KERNEL);
	char *next = list, *name, *capacity;
	int ret = -ENOMEM;
	u64 number;

	if (!list)
		return ret;

	while ((name = strsep(&next, ","))) {
		if (!*name)
			continue;
		capacity = name;
		strsep(&capacity, ":");
		ret = capacity ? kstrtou64(capacity, 0, &number) : -EINVAL;
		if (!ret)
			ret = test_res_register(name, number);
		if (ret) {
			pr_err("resources=: %s: not NAME:CAPACITY, or refused: %d\n",
			       name, ret);
			goto out;
		}
	}

	ret = misc_register(&test_device);
out:
	if (ret)
		test_res_unregister_all();
	kfree(list);
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	test_res_unregister_all();
}
module_exit(test_exit);

MODULE_DESCRIPTION("Provider of misc cgroup resources for tests");
MODULE_LICENSE("GPL");
