// SPDX-License-Identifier: GPL-2.0
/*
 * The misc controller as user space sees it: every misc.* file, on cgroup v2
 * and again on a v1 hierarchy.
 *
 * What is charged comes from the module test_misc_cg, whose device lets a test
 * charge, move and release any amount, and from real SEV VMs where there are
 * some.  A test gets a fresh tree:
 *
 *	root/misc_test		self->tree.parent
 *	root/misc_test/a	self->tree.a
 *	root/misc_test/b	self->tree.b
 *
 * and two resources, RES with a capacity of 10 and RES2 with one of 5.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/kvm.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "cgroup_util.h"

#define DEVICE		"/dev/test_misc_cg"
#define TRACING		"/sys/kernel/tracing"

/* A name keeps its place for ever, hence always the same. */
#define RES		"ksft_a"
#define RES2		"ksft_b"

#define U64_MAX_STR	"18446744073709551615"

/* More than any file has that is read here. */
#define FILE_SIZE	4096

/* Removed cgroups let go of the controller a little later. */
#define MOUNT_TRIES	500
#define MOUNT_WAIT_US	10000
#define OFFLINE_WAIT_US	200000
#define UMOUNT_TRIES	20
#define UMOUNT_WAIT_US	200000

static char v2_root[PATH_MAX];
static bool v2_had_misc;
static pid_t main_pid;
static char v1_root[PATH_MAX] = "/tmp/test_misc.XXXXXX";

/*
 * Files
 */

static bool has_file(const char *cgroup, const char *control)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, control);
	return !access(path, F_OK);
}

static int open_file(const char *cgroup, const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	return open(path, flags);
}

/* The line of a file that starts with @key and a blank; NULL if none does. */
static char *find_line(const char *cgroup, const char *control,
		       const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);
	char *line, *pos = buf;

	if (cg_read(cgroup, control, buf, size))
		return NULL;
	while ((line = strsep(&pos, "\n")))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return line;
	return NULL;
}

static bool shows(const char *cgroup, const char *control, const char *key)
{
	char buf[FILE_SIZE];

	return find_line(cgroup, control, key, buf, sizeof(buf));
}

/* The file has the line "KEY VALUE"; says what it has if it has another. */
static bool reads(const char *cgroup, const char *control, const char *key,
		  const char *value)
{
	char buf[FILE_SIZE];
	char *line = find_line(cgroup, control, key, buf, sizeof(buf));

	if (line && !strcmp(line + strlen(key) + 1, value))
		return true;
	ksft_print_msg("%s/%s: '%s', expected '%s %s'\n", cgroup, control,
		       line ?: "", key, value);
	return false;
}

/*
 * The tree
 */

struct tree {
	char *root;
	char *parent;
	char *a;
	char *b;
};

static int destroy_one(const char *path, const struct stat *st, int type,
		       struct FTW *ftw)
{
	return type == FTW_DP ? cg_destroy(path) : 0;
}

static int destroy_recursively(const char *path)
{
	if (access(path, F_OK))
		return 0;
	return nftw(path, destroy_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* On v1 every cgroup has every controller of its hierarchy. */
static int enable_misc(const char *cgroup)
{
	int ret = cg_write(cgroup, "cgroup.subtree_control", "+misc");

	return ret == -ENOENT ? 0 : ret;
}

static int disable_misc(const char *cgroup)
{
	int ret = cg_write(cgroup, "cgroup.subtree_control", "-misc");

	return ret == -ENOENT ? 0 : ret;
}

/* Gone for user space at once, offline in the kernel a little later. */
static int remove_cgroup(const char *cgroup)
{
	if (rmdir(cgroup))
		return -errno;
	return usleep(OFFLINE_WAIT_US);
}

static int tree_create(struct tree *tree, char *root)
{
	tree->root = root;
	tree->parent = cg_name(root, "misc_test");
	tree->a = cg_name(tree->parent, "a");
	tree->b = cg_name(tree->parent, "b");

	/* What a test that was killed has left. */
	if (destroy_recursively(tree->parent) || enable_misc(root) ||
	    cg_create(tree->parent) || enable_misc(tree->parent) ||
	    cg_create(tree->a) || cg_create(tree->b))
		return -1;
	return cg_enter_current(root);
}

static int tree_destroy(struct tree *tree)
{
	int ret = cg_enter_current(tree->root) ?:
		  destroy_recursively(tree->parent);

	free(tree->parent);
	free(tree->a);
	free(tree->b);
	return ret;
}

/*
 * The hierarchies: misc is on one at a time, and leaves it only when no cgroup
 * of it is in use any more, a little after the last one has been removed.
 */

static int mount_v1(void)
{
	int i, ret;

	if (has_file(v1_root, "misc.capacity"))
		return 0;
	if (cg_enter_current(v2_root) || disable_misc(v2_root))
		return -1;
	for (i = 0; i < MOUNT_TRIES; i++) {
		ret = mount("none", v1_root, "cgroup", 0, "misc");
		if (!ret || errno != EBUSY)
			break;
		usleep(MOUNT_WAIT_US);
	}
	return ret;
}

/* A hierarchy with cgroups in it survives that it is unmounted. */
static int umount_v1(void)
{
	int i;

	for (i = 0; i < UMOUNT_TRIES; i++) {
		if (!has_file(v1_root, "misc.capacity"))
			return 0;
		if (cg_enter_current(v1_root) || umount(v1_root))
			return -1;
		usleep(UMOUNT_WAIT_US);
		if (!cg_read_strstr(v2_root, "cgroup.controllers", "misc"))
			return 0;
		if (mount("none", v1_root, "cgroup", 0, "misc"))
			return -1;
	}
	return -1;
}

/* Leaves the system as it was before. */
static void restore_hierarchies(void)
{
	/* Children of tests exit() as well. */
	if (getpid() != main_pid)
		return;
	umount_v1();
	rmdir(v1_root);
	if (v2_had_misc)
		enable_misc(v2_root);
	else
		disable_misc(v2_root);
}

static int set_max(const char *cgroup, const char *lines)
{
	return cg_write(cgroup, "misc.max", (char *)lines);
}

#if defined(__x86_64__) && defined(KVM_MEMORY_ENCRYPT_OP)
/*
 * Real owners: SEV VMs, each of which has an ASID
 */

FIXTURE(sev) {
	struct tree tree;
	int kvm;
	int sev;
};

/* Returns the VM, or -errno. */
static int vm_create(int kvm, int sev, int init)
{
	struct kvm_sev_cmd cmd = { .id = init, .sev_fd = sev };
	int ret, vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return -errno;
	if (!ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd))
		return vm;
	ret = -errno;
	close(vm);
	return ret;
}

static int vm_create_in(struct tree *tree, const char *cgroup, int kvm, int sev,
			int init)
{
	int ret = cg_enter_current(cgroup) ?: vm_create(kvm, sev, init);

	return cg_enter_current(tree->root) ?: ret;
}

FIXTURE_SETUP(sev)
{
	self->kvm = open("/dev/kvm", O_RDWR);
	self->sev = open("/dev/sev", O_RDWR);
	if (self->kvm < 0 || self->sev < 0)
		SKIP(return, "no SEV host: no /dev/kvm or no /dev/sev");
	ASSERT_EQ(0, umount_v1());
	/* The root's files may be there only once the controller is in use. */
	ASSERT_EQ(0, enable_misc(v2_root));
	if (!shows(v2_root, "misc.capacity", "sev"))
		SKIP(return, "no SEV host: no ASIDs for SEV VMs");
	ASSERT_EQ(0, tree_create(&self->tree, v2_root));
}

FIXTURE_TEARDOWN(sev)
{
	EXPECT_EQ(0, tree_destroy(&self->tree));
}

TEST_F(sev, vm_is_charged_while_it_lives)
{
	struct tree *t = &self->tree;
	int vm = vm_create_in(t, t->a, self->kvm, self->sev, KVM_SEV_INIT);

	ASSERT_LE(0, vm);
	EXPECT_TRUE(reads(t->a, "misc.current", "sev", "1"));
	EXPECT_TRUE(reads(t->parent, "misc.current", "sev", "1"));
	close(vm);
	EXPECT_TRUE(reads(t->a, "misc.current", "sev", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", "sev", "0"));
	EXPECT_TRUE(reads(t->a, "misc.peak", "sev", "1"));
}

TEST_F(sev, es_vm_is_charged_while_it_lives)
{
	struct tree *t = &self->tree;
	int vm;

	if (!shows(v2_root, "misc.capacity", "sev_es"))
		SKIP(return, "no ASIDs for SEV-ES VMs");
	vm = vm_create_in(t, t->a, self->kvm, self->sev, KVM_SEV_ES_INIT);
	if (vm == -ENOTTY)
		SKIP(return, "all ASIDs for SEV-ES VMs are for SEV-SNP VMs");
	ASSERT_LE(0, vm);
	EXPECT_TRUE(reads(t->a, "misc.current", "sev_es", "1"));
	EXPECT_TRUE(reads(t->a, "misc.current", "sev", "0"));
	close(vm);
	EXPECT_TRUE(reads(t->a, "misc.current", "sev_es", "0"));
}

TEST_F(sev, vm_is_refused_by_max)
{
	struct tree *t = &self->tree;
	int vm;

	ASSERT_EQ(0, set_max(t->a, "sev 1"));
	vm = vm_create_in(t, t->a, self->kvm, self->sev, KVM_SEV_INIT);
	ASSERT_LE(0, vm);
	EXPECT_EQ(-EBUSY,
		  vm_create_in(t, t->a, self->kvm, self->sev, KVM_SEV_INIT));
	EXPECT_TRUE(reads(t->a, "misc.current", "sev", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events", "sev.max", "1"));
	close(vm);
	EXPECT_LE(0, vm_create_in(t, t->a, self->kvm, self->sev, KVM_SEV_INIT));
}

TEST_F(sev, vm_is_refused_by_capacity)
{
	struct tree *t = &self->tree;
	int vms[256];
	int n;

	for (n = 0; n < ARRAY_SIZE(vms); n++) {
		vms[n] = vm_create_in(t, t->a, self->kvm, self->sev,
				      KVM_SEV_INIT);
		if (vms[n] < 0)
			break;
	}
	if (n == ARRAY_SIZE(vms))
		SKIP(return, "more ASIDs than this test may use up");
	EXPECT_LT(0, n);
	EXPECT_EQ(-EBUSY, vms[n]);
	while (n--)
		close(vms[n]);
	EXPECT_TRUE(reads(t->a, "misc.current", "sev", "0"));
}
#endif /* __x86_64__ */

/*
 * The provider
 */

static int load_provider(void)
{
	if (access(DEVICE, F_OK) &&
	    system("modprobe test_misc_cg 2>/dev/null"))
		return -1;
	return access(DEVICE, F_OK);
}

static int unload_provider(void)
{
	return system("modprobe -r test_misc_cg");
}

/* Returns 0 or -errno, as all that follow. */
static int command(int fd, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = vdprintf(fd, fmt, args);
	va_end(args);
	return ret < 0 ? -errno : 0;
}

/* Registered afresh with its capacity, whatever the last test has left. */
static int reset_resource(int dev, const char *name, int capacity)
{
	int ret = command(dev, "unregister %s", name);

	if (ret && ret != -ENODEV)
		return ret;
	return command(dev, "register %s %d", name, capacity);
}

/* As a task of that cgroup would do it. */
static int charge_in(struct tree *tree, const char *cgroup, int fd,
		     const char *name, unsigned long long amount)
{
	int ret = cg_enter_current(cgroup) ?:
		  command(fd, "charge %s %llu", name, amount);

	return cg_enter_current(tree->root) ?: ret;
}

/* As a task elsewhere would do it for the one that opened the file. */
static int charge_opener_from(struct tree *tree, const char *cgroup, int fd,
			      unsigned long long amount)
{
	int ret = cg_enter_current(cgroup) ?:
		  command(fd, "charge-opener " RES " %llu", amount);

	return cg_enter_current(tree->root) ?: ret;
}

static int open_device_in(struct tree *tree, const char *cgroup)
{
	int fd = -1;

	if (!cg_enter_current(cgroup))
		fd = open(DEVICE, O_WRONLY);
	return cg_enter_current(tree->root) ? -1 : fd;
}

static int move_to(struct tree *tree, const char *cgroup, int fd)
{
	int ret = cg_enter_current(cgroup) ?: command(fd, "move");

	return cg_enter_current(tree->root) ?: ret;
}

FIXTURE(misc) {
	struct tree tree;
	int dev;	/* for commands, and for one charge */
	int dev2;	/* for another one */
};

FIXTURE_VARIANT(misc) {
	bool v1;
};

FIXTURE_VARIANT_ADD(misc, v2) {
	.v1 = false,
};

FIXTURE_VARIANT_ADD(misc, v1) {
	.v1 = true,
};

FIXTURE_SETUP(misc)
{
	if (load_provider())
		SKIP(return, "no test provider: CONFIG_TEST_MISC_CG, test_misc_cg.ko");
	if (variant->v1 && mount_v1())
		SKIP(return, "misc can't be moved to a v1 hierarchy: %s",
		     strerror(errno));
	if (!variant->v1)
		ASSERT_EQ(0, umount_v1());

	self->dev = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, self->dev);
	self->dev2 = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, self->dev2);
	/* In this order, for names_in_order_of_first_registration. */
	ASSERT_EQ(0, reset_resource(self->dev, RES, 10));
	ASSERT_EQ(0, reset_resource(self->dev, RES2, 5));
	ASSERT_EQ(0, tree_create(&self->tree, variant->v1 ? v1_root : v2_root));
}

FIXTURE_TEARDOWN(misc)
{
	/* If limit_set_before_registration_holds_for_the_first_charge did. */
	command(self->dev, "unregister tdx");
	command(self->dev, "unregister sev");
	close(self->dev);
	close(self->dev2);
	EXPECT_EQ(0, tree_destroy(&self->tree));
}

/*
 * Who has which files
 */

TEST_F(misc, limits_and_events_not_in_root)
{
	struct tree *t = &self->tree;

	EXPECT_TRUE(has_file(t->root, "misc.capacity"));
	EXPECT_TRUE(has_file(t->root, "misc.current"));
	EXPECT_TRUE(has_file(t->root, "misc.peak"));
	EXPECT_FALSE(has_file(t->root, "misc.max"));
	EXPECT_FALSE(has_file(t->root, "misc.max.effective"));
	EXPECT_FALSE(has_file(t->root, "misc.events"));
	EXPECT_FALSE(has_file(t->root, "misc.events.local"));
}

TEST_F(misc, new_cgroup_is_unlimited_and_empty)
{
	struct tree *t = &self->tree;

	EXPECT_TRUE(reads(t->a, "misc.capacity", RES, "10"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "0"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "max"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES, "10"));
	EXPECT_TRUE(reads(t->a, "misc.events", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "0"));
}

/* Clients strip ".max" and take the rest for a resource. */
TEST_F(misc, events_has_no_other_keys)
{
	char buf[FILE_SIZE], *line, *pos = buf;

	ASSERT_EQ(0, cg_read(self->tree.a, "misc.events", buf, sizeof(buf)));
	while ((line = strsep(&pos, "\n")) && *line)
		EXPECT_NE(NULL, strstr(line, ".max ")) {
			TH_LOG("misc.events: %s", line);
		}
}

TEST_F(misc, names_in_order_of_first_registration)
{
	char buf[FILE_SIZE];

	ASSERT_EQ(0, command(self->dev, "unregister " RES));
	ASSERT_EQ(0, command(self->dev, "unregister " RES2));
	ASSERT_EQ(0, command(self->dev, "register " RES2 " 5"));
	ASSERT_EQ(0, command(self->dev, "register " RES " 10"));

	ASSERT_EQ(0, cg_read(self->tree.a, "misc.capacity", buf, sizeof(buf)));
	EXPECT_NE(NULL, strstr(buf, RES " 10\n" RES2 " 5\n"));
}

/*
 * Names and amounts
 */

static bool refuses_name(int dev, const char *name)
{
	int ret = command(dev, "register %s 1", name);

	if (ret == -EINVAL)
		return true;
	ksft_print_msg("registering %s: %d\n", name, ret);
	return false;
}

TEST_F(misc, bad_names)
{
	static const char * const bad[] = {
		"Widget", "wid-get", "wid.get", "wid/get", "widg\xc3\xa9t",
		"a23456789012345678901234567890_2",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_TRUE(refuses_name(self->dev, bad[i]));
}

TEST_F(misc, longest_name)
{
	static const char name[] = "ksft_name_of_31_characters_____";

	ASSERT_EQ(31, strlen(name));
	EXPECT_EQ(0, command(self->dev, "register %s 1", name));
	EXPECT_TRUE(reads(self->tree.a, "misc.capacity", name, "1"));
	EXPECT_EQ(0, command(self->dev, "unregister %s", name));
}

TEST_F(misc, name_registered_twice)
{
	EXPECT_EQ(-EEXIST, command(self->dev, "register " RES " 3"));
	EXPECT_TRUE(reads(self->tree.a, "misc.capacity", RES, "10"));
}

TEST_F(misc, charge_of_nothing)
{
	EXPECT_EQ(-EINVAL, charge_in(&self->tree, self->tree.a, self->dev, RES, 0));
	EXPECT_TRUE(reads(self->tree.a, "misc.events.local", RES ".alloc_fail",
			  "0"));
}

/* No sum of usage and amount may wrap. */
TEST_F(misc, charge_of_the_largest_amount)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "capacity " RES " " U64_MAX_STR));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 1));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->a, self->dev2, RES, ULLONG_MAX));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "1"));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev2, RES, ULLONG_MAX - 1));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, U64_MAX_STR));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, U64_MAX_STR));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, U64_MAX_STR));
}

/* The capacity is a number and refuses, a max of "max" is none and does not. */
TEST_F(misc, max_of_max_never_refuses)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "capacity " RES " " U64_MAX_STR));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev, RES, ULLONG_MAX));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->a, self->dev2, RES, 1));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));
}

TEST_F(misc, largest_amount_against_max)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "capacity " RES " " U64_MAX_STR));
	ASSERT_EQ(0, set_max(t->parent, RES " 5"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 5));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, ULLONG_MAX));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, ULLONG_MAX - 4));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "5"));
}

/*
 * misc.capacity
 */

TEST_F(misc, capacity_in_every_cgroup)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	EXPECT_TRUE(reads(t->root, "misc.capacity", RES, "10"));
	EXPECT_TRUE(reads(t->parent, "misc.capacity", RES, "10"));
	EXPECT_TRUE(reads(t->a, "misc.capacity", RES, "10"));
}

TEST_F(misc, capacity_changes)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "capacity " RES " 12"));
	EXPECT_TRUE(reads(t->a, "misc.capacity", RES, "12"));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev, RES, 12));
}

TEST_F(misc, exhausted_capacity_refuses)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 8));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->b, self->dev2, RES, 3));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->root, self->dev2, RES, 3));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev2, RES, 2));
}

/* Nobody's max has refused, however much of it all one cgroup holds. */
TEST_F(misc, exhausted_capacity_is_no_max_event)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 10));
	ASSERT_EQ(-ENOSPC, charge_in(t, t->a, self->dev2, RES, 1));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".alloc_fail", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "0"));
}

TEST_F(misc, capacity_below_usage)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 6));
	ASSERT_EQ(0, command(self->dev, "capacity " RES " 4"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "6"));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->b, self->dev2, RES, 1));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev2, RES, 4));
}

TEST_F(misc, capacity_of_zero)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 2));
	ASSERT_EQ(0, command(self->dev, "capacity " RES " 0"));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->b, self->dev2, RES, 1));
	EXPECT_FALSE(shows(t->a, "misc.capacity", RES));
	EXPECT_FALSE(shows(t->a, "misc.max", RES));
	EXPECT_FALSE(shows(t->a, "misc.max.effective", RES));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->b, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_FALSE(shows(t->b, "misc.events.local", RES ".max"));
	EXPECT_FALSE(shows(t->b, "misc.current", RES));
}

/*
 * misc.current and misc.peak
 */

TEST_F(misc, current_is_the_sum_of_the_subtree)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, charge_in(t, t->b, self->dev2, RES, 2));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "5"));
	EXPECT_TRUE(reads(t->root, "misc.current", RES, "5"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES2, "0"));

	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->root, "misc.current", RES, "2"));
}

TEST_F(misc, peak_stays)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, command(self->dev, "release"));
	ASSERT_EQ(0, charge_in(t, t->b, self->dev, RES, 2));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "3"));
	EXPECT_TRUE(reads(t->b, "misc.peak", RES, "2"));
	EXPECT_TRUE(reads(t->parent, "misc.peak", RES, "3"));
}

TEST_F(misc, refused_charge_raises_no_peak)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 4"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 1));
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 4));
	ASSERT_EQ(-EBUSY, charge_in(t, t->b, self->dev2, RES, 11));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "1"));
	EXPECT_TRUE(reads(t->b, "misc.peak", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.peak", RES, "1"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "1"));
}

/*
 * misc.max
 */

TEST_F(misc, max_reads_back)
{
	static const struct {
		const char *write, *read;
	} tests[] = {
		{ RES " 0", "0" },
		{ RES " 7", "7" },
		{ RES " 7\n", "7" },
		{ " " RES "\t 8 ", "8" },
		{ RES " 0x1f", "31" },
		{ RES " 010", "8" },
		{ RES " 18446744073709551614", "18446744073709551614" },
		{ RES " " U64_MAX_STR, "max" },
		{ RES " 3", "3" },
		{ RES " max", "max" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		EXPECT_EQ(0, set_max(self->tree.a, tests[i].write)) {
			TH_LOG("wrote '%s'", tests[i].write);
		}
		EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, tests[i].read));
		EXPECT_TRUE(reads(self->tree.a, "misc.max", RES2, "max"));
	}
	EXPECT_TRUE(reads(self->tree.b, "misc.max", RES, "max"));
}

TEST_F(misc, max_takes_several_lines)
{
	ASSERT_EQ(0, set_max(self->tree.a, RES " 4\n" RES2 " 2\n"));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, "4"));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES2, "2"));
}

TEST_F(misc, max_takes_back_what_it_gave)
{
	char buf[FILE_SIZE], again[FILE_SIZE];

	ASSERT_EQ(0, set_max(self->tree.a, RES " 4"));
	ASSERT_EQ(0, cg_read(self->tree.a, "misc.max", buf, sizeof(buf)));
	EXPECT_EQ(0, set_max(self->tree.b, buf));
	EXPECT_TRUE(reads(self->tree.b, "misc.max", RES, "4"));
	ASSERT_EQ(0, cg_read(self->tree.b, "misc.max", again, sizeof(again)));
	EXPECT_STREQ(buf, again);
}

TEST_F(misc, max_takes_all_lines_or_none)
{
	ASSERT_EQ(0, set_max(self->tree.a, RES " 4\n" RES2 " 2\n"));
	EXPECT_EQ(-EINVAL, set_max(self->tree.a, RES " 7\nno_such_name 3\n"));
	EXPECT_EQ(-ERANGE,
		  set_max(self->tree.a, RES " 7\n" RES2 " 18446744073709551616\n"));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, "4"));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES2, "2"));
}

TEST_F(misc, max_refuses_bad_writes)
{
	static const struct {
		const char *write;
		int ret;
	} tests[] = {
		{ "\n", -EINVAL },
		{ "no_such_name 3", -EINVAL },
		{ RES, -EINVAL },
		{ RES " ", -EINVAL },
		{ " 3", -EINVAL },
		{ RES " three", -EINVAL },
		{ RES " 3x", -EINVAL },
		{ RES " -1", -EINVAL },
		{ RES " 3.0", -EINVAL },
		{ RES " maximum", -EINVAL },
		{ RES " 3 4", -EINVAL },
		{ RES " max 4", -EINVAL },
		{ RES " 3 " RES2 " 4", -EINVAL },
		{ RES " 3\n" RES " 4", -EINVAL },
		{ RES " 3\n\n" RES2 " 4", -EINVAL },
		{ RES "\n3", -EINVAL },
		{ RES " 18446744073709551616", -ERANGE },
		{ RES " 99999999999999999999999999", -ERANGE },
	};
	size_t size = sysconf(_SC_PAGESIZE);
	char *page;
	int i;

	ASSERT_EQ(0, set_max(self->tree.a, RES " 2"));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		EXPECT_EQ(tests[i].ret, set_max(self->tree.a, tests[i].write)) {
			TH_LOG("wrote '%s'", tests[i].write);
		}
		EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, "2"));
		EXPECT_TRUE(reads(self->tree.a, "misc.max", RES2, "max"));
	}

	/* One byte more than kernfs takes. */
	page = malloc(size + 2);
	ASSERT_NE(NULL, page);
	memset(page, ' ', size + 2);
	memcpy(page, RES " 3", strlen(RES " 3"));
	page[size + 1] = 0;
	EXPECT_EQ(-E2BIG, set_max(self->tree.a, page));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, "2"));
	page[size] = 0;
	EXPECT_EQ(0, set_max(self->tree.a, page));
	EXPECT_TRUE(reads(self->tree.a, "misc.max", RES, "3"));
	free(page);
}

TEST_F(misc, max_lists_a_name_while_a_limit_is_set)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 3"));
	ASSERT_EQ(0, command(self->dev, "capacity " RES " 0"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	EXPECT_FALSE(shows(t->b, "misc.max", RES));
	ASSERT_EQ(0, set_max(t->a, RES " max"));
	EXPECT_FALSE(shows(t->a, "misc.max", RES));
}

TEST_F(misc, max_refuses_charge)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 3"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 4));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 1));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "3"));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev2, RES, 4));
}

TEST_F(misc, max_of_zero_refuses_everything)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 0"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 1));
}

TEST_F(misc, max_binds_the_subtree)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 4"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	EXPECT_EQ(-EBUSY, charge_in(t, t->b, self->dev2, RES, 2));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev2, RES, 1));
}

TEST_F(misc, max_below_usage)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 4));
	ASSERT_EQ(0, set_max(t->a, RES " 2"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "4"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 1));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev2, RES, 2));
}

TEST_F(misc, max_effective_is_the_smallest_up_to_the_root)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 4"));
	EXPECT_TRUE(reads(t->parent, "misc.max.effective", RES, "4"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES, "4"));
	ASSERT_EQ(0, set_max(t->a, RES " 2"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES, "2"));
	EXPECT_TRUE(reads(t->b, "misc.max.effective", RES, "4"));
	ASSERT_EQ(0, set_max(t->a, RES " 1000"));
	ASSERT_EQ(0, set_max(t->parent, RES " 1000"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES, "10"));
	ASSERT_EQ(0, command(self->dev, "capacity " RES " 1"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES, "1"));
	EXPECT_TRUE(reads(t->a, "misc.max.effective", RES2, "5"));
}

/*
 * misc.events and misc.events.local
 */

TEST_F(misc, refusal_by_own_max_is_counted)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 2));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events", RES ".max", "1"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".alloc_fail", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "1"));
	EXPECT_TRUE(reads(t->b, "misc.events", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events", RES2 ".max", "0"));
}

TEST_F(misc, refusal_by_parents_max_is_counted)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 1"));
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 2));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "1"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".alloc_fail", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "1"));
}

TEST_F(misc, refusal_is_the_lowest_levels)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 1"));
	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	/* More than the capacity as well: no max refused last. */
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 11));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "1"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "1"));
}

static int open_events(const char *cgroup, const char *control)
{
	char buf[FILE_SIZE];
	int fd = cg_open(cgroup, control, O_RDONLY);

	/* What has been read is old news. */
	if (fd >= 0 && read(fd, buf, sizeof(buf)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool event_within(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };

	return poll(&pollfd, 1, timeout_ms) == 1 && pollfd.revents & POLLPRI;
}

TEST_F(misc, events_wake_pollers)
{
	struct tree *t = &self->tree;
	int own, local, parent, other;

	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	own = open_events(t->a, "misc.events");
	local = open_events(t->a, "misc.events.local");
	parent = open_events(t->parent, "misc.events");
	other = open_events(t->b, "misc.events.local");
	ASSERT_FALSE(event_within(own, 0));
	ASSERT_FALSE(event_within(local, 0));
	ASSERT_FALSE(event_within(parent, 0));

	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 2));
	EXPECT_TRUE(event_within(own, 5000));
	EXPECT_TRUE(event_within(local, 5000));
	EXPECT_TRUE(event_within(parent, 5000));
	EXPECT_FALSE(event_within(other, 0));
}

TEST_F(misc, exhausted_capacity_wakes_pollers_of_the_charging_cgroup)
{
	struct tree *t = &self->tree;
	int own, local;

	own = open_events(t->a, "misc.events");
	local = open_events(t->a, "misc.events.local");
	ASSERT_EQ(-ENOSPC, charge_in(t, t->a, self->dev, RES, 11));
	EXPECT_TRUE(event_within(local, 5000));
	EXPECT_FALSE(event_within(own, 0));
}

TEST_F(misc, refusal_wakes_pollers_of_the_refusing_cgroup)
{
	struct tree *t = &self->tree;
	int parent_local, local;

	ASSERT_EQ(0, set_max(t->parent, RES " 1"));
	parent_local = open_events(t->parent, "misc.events.local");
	local = open_events(t->a, "misc.events.local");
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 2));
	EXPECT_TRUE(event_within(parent_local, 5000));
	EXPECT_TRUE(event_within(local, 5000));
}

/*
 * Refusals in the log and as a trace event
 */

/*
 * The next record of the log that is a refusal of RES, from its name on.  False
 * if there is none yet.
 */
static bool next_refusal(int kmsg, char *line, size_t size)
{
	char record[8192], *start;
	ssize_t len;

	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = 0;
		start = strstr(record, "misc: " RES ": charge of ");
		if (!start)
			continue;
		start += strlen("misc: ");
		snprintf(line, size, "%.*s", (int)strcspn(start, "\n"), start);
		return true;
	}
	return false;
}

/* Opened at its end; -1 if there is none. */
static int open_log(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	return kmsg;
}

/*
 * Charge 11, which must be refused, until that is in the log: other cgroups'
 * refusals may have used up the burst of the rate limit.
 */
static bool refuse_until_logged(struct tree *tree, const char *cgroup, int dev,
				int kmsg, char *line, size_t size)
{
	int i, ret;

	for (i = 0; i < 1000; i++) {
		ret = charge_in(tree, cgroup, dev, RES, 11);
		if (ret != -EBUSY && ret != -ENOSPC) {
			ksft_print_msg("charge: %d\n", ret);
			return false;
		}
		if (next_refusal(kmsg, line, size))
			return true;
		usleep(10000);
	}
	ksft_print_msg("nothing in the log\n");
	return false;
}

TEST_F_TIMEOUT(misc, refusal_is_logged_once, 120)
{
	struct tree *t = &self->tree;
	char line[FILE_SIZE];
	int kmsg, i;

	kmsg = open_log();
	if (kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	ASSERT_TRUE(refuse_until_logged(t, t->a, self->dev, kmsg, line,
					sizeof(line)));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 2));
	EXPECT_FALSE(next_refusal(kmsg, line, sizeof(line)));
}

TEST_F_TIMEOUT(misc, log_has_the_charged_and_the_refusing_cgroup, 120)
{
	struct tree *t = &self->tree;
	char line[FILE_SIZE];
	int kmsg;

	kmsg = open_log();
	if (kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_EQ(0, set_max(t->parent, RES " 3"));
	ASSERT_EQ(0, charge_in(t, t->b, self->dev, RES, 2));
	ASSERT_TRUE(refuse_until_logged(t, t->a, self->dev2, kmsg, line,
					sizeof(line)));
	EXPECT_STREQ(RES
		     ": charge of 11 in /misc_test/a refused by the max of /misc_test: 2 of 3 in use",
		     line);
}

TEST_F_TIMEOUT(misc, log_has_the_capacity_that_refused, 120)
{
	struct tree *t = &self->tree;
	char line[FILE_SIZE];
	int kmsg;

	kmsg = open_log();
	if (kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_EQ(0, charge_in(t, t->b, self->dev, RES, 4));
	ASSERT_TRUE(refuse_until_logged(t, t->a, self->dev2, kmsg, line,
					sizeof(line)));
	EXPECT_STREQ(RES
		     ": charge of 11 in /misc_test/a refused by the host's capacity: 4 of 10 in use",
		     line);
}

/* Creates the cgroups of @path below @cgroup one by one. */
static char *create_nested(const char *cgroup, const char *path)
{
	char *leaf = cg_name(cgroup, path);
	char *slash = leaf + strlen(cgroup);
	int ret;

	do {
		*slash = 0;
		ret = enable_misc(leaf);
		*slash = '/';
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = 0;
		ret = ret ?: cg_create(leaf);
		if (slash)
			*slash = '/';
	} while (!ret && slash);
	if (!ret)
		return leaf;
	free(leaf);
	return NULL;
}

/* A limit of 1 on the cgroup @path below the parent refuses and is logged. */
static bool logs_path(struct tree *tree, int dev, int kmsg, const char *path,
		      const char *logged)
{
	char line[FILE_SIZE], expected[FILE_SIZE];
	char *leaf = create_nested(tree->parent, path);
	bool ret;

	snprintf(expected, sizeof(expected),
		 RES ": charge of 11 in %s refused by the max of %s: 0 of 1 in use",
		 logged, logged);
	ret = leaf && !set_max(leaf, RES " 1") &&
	      refuse_until_logged(tree, leaf, dev, kmsg, line, sizeof(line));
	if (ret && strcmp(line, expected)) {
		ksft_print_msg("log: '%s', expected '%s'\n", line, expected);
		ret = false;
	}
	free(leaf);
	return ret;
}

#define HEX_64	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* As of a container in kind: a Kubernetes node that is a container itself. */
#define KIND_PATH							\
	"docker/" HEX_64 "/kubelet.slice/kubelet-kubepods.slice"	\
	"/kubelet-kubepods-burstable.slice"				\
	"/kubelet-kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice" \
	"/cri-containerd-" HEX_64 ".scope"

TEST_F_TIMEOUT(misc, log_has_the_whole_path_of_a_nested_container, 120)
{
	int kmsg;

	kmsg = open_log();
	if (kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_EQ(301, strlen("/" KIND_PATH));
	EXPECT_TRUE(logs_path(&self->tree, self->dev, kmsg, KIND_PATH,
			      "/misc_test/" KIND_PATH));
}

#define LONG_NAME(first)	#first "_" HEX_64 HEX_64

/* Whole names at its end stay, as these tell containers apart. */
TEST_F_TIMEOUT(misc, log_cuts_a_longer_path_at_its_start, 120)
{
	static const char path[] =
		LONG_NAME(first) "/" LONG_NAME(second) "/" LONG_NAME(third);
	int kmsg;

	kmsg = open_log();
	if (kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_LT(400, strlen("/misc_test/") + strlen(path));
	EXPECT_TRUE(logs_path(&self->tree, self->dev, kmsg, path,
			      ".../" LONG_NAME(second) "/" LONG_NAME(third)));
}

static unsigned long long cgroup_id(const char *cgroup)
{
	struct stat st;

	return stat(cgroup, &st) ? 0 : st.st_ino;
}

#define TRACE_INSTANCE	TRACING "/instances/misc_test"

/* The trace, or its part from the first such event on. */
static char *read_trace(char *buf, size_t size)
{
	if (read_text(TRACE_INSTANCE "/trace", buf, size) <= 0)
		return NULL;
	return strstr(buf, "misc_cg_charge_refused:");
}

TEST_F(misc, refusal_is_traced)
{
	static const char enable[] =
		TRACE_INSTANCE "/events/misc_cgroup/misc_cg_charge_refused/enable";
	char buf[4 * FILE_SIZE], by_max[FILE_SIZE], by_capacity[FILE_SIZE];
	struct tree *t = &self->tree;
	char *trace;

	if (access(TRACING "/events", F_OK))
		mount("none", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/instances", F_OK))
		SKIP(return, "no tracefs");
	rmdir(TRACE_INSTANCE);
	ASSERT_EQ(0, mkdir(TRACE_INSTANCE, 0700));
	EXPECT_EQ(1, write_text(enable, "1", 1));

	EXPECT_EQ(0, set_max(t->parent, RES " 3"));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev, RES, 2));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 4));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->root, self->dev2, RES, 9));
	trace = read_trace(buf, sizeof(buf));
	write_text(enable, "0", 1);
	EXPECT_EQ(0, rmdir(TRACE_INSTANCE));

	ASSERT_NE(NULL, trace);
	snprintf(by_max, sizeof(by_max),
		 "resource=" RES " amount=4 charging=%llu refusing=%llu usage=2 limit=3\n",
		 cgroup_id(t->a), cgroup_id(t->parent));
	snprintf(by_capacity, sizeof(by_capacity),
		 "resource=" RES " amount=9 charging=%llu refusing=%llu usage=2 limit=10\n",
		 cgroup_id(t->root), cgroup_id(t->root));
	EXPECT_NE(NULL, strstr(trace, by_max)) {
		TH_LOG("trace: %sexpected: %s", trace, by_max);
	}
	EXPECT_NE(NULL, strstr(trace, by_capacity)) {
		TH_LOG("trace: %sexpected: %s", trace, by_capacity);
	}
}

/*
 * Resources come and go
 */

TEST_F(misc, unregistered_name_is_hidden)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "unregister " RES));
	EXPECT_FALSE(shows(t->root, "misc.capacity", RES));
	EXPECT_FALSE(shows(t->a, "misc.capacity", RES));
	EXPECT_FALSE(shows(t->a, "misc.current", RES));
	EXPECT_FALSE(shows(t->a, "misc.peak", RES));
	EXPECT_FALSE(shows(t->a, "misc.max", RES));
	EXPECT_FALSE(shows(t->a, "misc.max.effective", RES));
	EXPECT_FALSE(shows(t->a, "misc.events", RES ".max"));
	EXPECT_FALSE(shows(t->a, "misc.events.local", RES ".alloc_fail"));
	EXPECT_TRUE(reads(t->a, "misc.capacity", RES2, "5"));
	EXPECT_EQ(-ENODEV, charge_in(t, t->a, self->dev, RES, 1));
}

TEST_F(misc, unregistered_name_is_shown_while_in_use)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 2));
	ASSERT_EQ(0, command(self->dev, "unregister " RES));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->root, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "2"));
	EXPECT_FALSE(shows(t->b, "misc.current", RES));
	EXPECT_FALSE(shows(t->a, "misc.capacity", RES));
	EXPECT_FALSE(shows(t->a, "misc.max", RES));

	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_FALSE(shows(t->a, "misc.current", RES));
	EXPECT_FALSE(shows(t->root, "misc.current", RES));
}

/* Else a limit would turn into none when a module is loaded again. */
TEST_F(misc, everything_outlives_registration)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 3"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 2));
	ASSERT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 2));
	ASSERT_EQ(0, command(self->dev2, "unregister " RES));
	ASSERT_EQ(0, command(self->dev2, "register " RES " 7"));

	EXPECT_TRUE(reads(t->a, "misc.capacity", RES, "7"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "2"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "1"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev2, RES, 2));
	EXPECT_EQ(-ENOSPC, charge_in(t, t->b, self->dev2, RES, 6));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
}

TEST_F(misc, max_of_an_unregistered_name_can_be_set)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, command(self->dev, "unregister " RES));
	EXPECT_EQ(0, set_max(t->a, RES " 3\n" RES2 " 4\n"));
	ASSERT_EQ(0, command(self->dev, "register " RES " 10"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 4));
}

TEST_F(misc, limits_outlive_the_module)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 3"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 2));
	close(self->dev);
	close(self->dev2);
	ASSERT_EQ(0, unload_provider());
	EXPECT_FALSE(shows(t->a, "misc.capacity", RES));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	ASSERT_EQ(0, system("modprobe test_misc_cg resources=" RES ":8"));

	self->dev = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, self->dev);
	EXPECT_TRUE(reads(t->a, "misc.capacity", RES, "8"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "2"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev, RES, 4));
}

/*
 * Known names: sev and sev_es of AMD's hosts, tdx of Intel's.  One of them has
 * no provider, whatever the host is.
 */

static const char *known_name_without_provider(const char *root)
{
	return shows(root, "misc.capacity", "tdx") ? "sev" : "tdx";
}

static int set_max_of(const char *cgroup, const char *name, int max)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %d", name, max);
	return set_max(cgroup, line);
}

TEST_F(misc, limit_set_before_registration_holds_for_the_first_charge)
{
	struct tree *t = &self->tree;
	const char *name = known_name_without_provider(t->root);

	ASSERT_EQ(0, set_max_of(t->a, name, 1));
	ASSERT_EQ(0, command(self->dev, "register %s 5", name));
	EXPECT_EQ(-EBUSY, charge_in(t, t->a, self->dev, name, 2));
	EXPECT_EQ(0, charge_in(t, t->a, self->dev, name, 1));
	EXPECT_EQ(0, charge_in(t, t->b, self->dev2, name, 2));
}

/* Needs no test provider. */
FIXTURE(known_names) {
	struct tree tree;
	const char *name;
};

FIXTURE_SETUP(known_names)
{
	ASSERT_EQ(0, umount_v1());
	ASSERT_EQ(0, tree_create(&self->tree, v2_root));
	self->name = known_name_without_provider(v2_root);
}

FIXTURE_TEARDOWN(known_names)
{
	EXPECT_EQ(0, tree_destroy(&self->tree));
}

TEST_F(known_names, limit_is_taken_before_registration)
{
	EXPECT_EQ(0, set_max_of(self->tree.a, self->name, 5));
}

TEST_F(known_names, limit_reads_back_before_registration)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max_of(t->a, self->name, 5));
	EXPECT_TRUE(reads(t->a, "misc.max", self->name, "5"));
	EXPECT_FALSE(shows(t->b, "misc.max", self->name));
}

TEST_F(known_names, limit_makes_nothing_available)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max_of(t->a, self->name, 5));
	EXPECT_FALSE(shows(t->a, "misc.capacity", self->name));
	EXPECT_FALSE(shows(t->a, "misc.max.effective", self->name));
	EXPECT_FALSE(shows(t->a, "misc.current", self->name));
}

/* sev before sev_es: some readers match by prefix and take the first line. */
TEST_F(known_names, listed_in_their_order)
{
	char buf[FILE_SIZE];

	ASSERT_EQ(0, set_max(self->tree.a, "tdx 3\nsev_es 2\nsev 1\n"));
	ASSERT_EQ(0, cg_read(self->tree.a, "misc.max", buf, sizeof(buf)));
	EXPECT_TRUE(strstr(buf, "sev 1\nsev_es 2\ntdx 3\n") == buf) {
		TH_LOG("misc.max: %s", buf);
	}
}

/*
 * Charges on behalf of another task
 */

TEST_F(misc, charge_for_the_opener_is_the_openers_cgroups)
{
	struct tree *t = &self->tree;
	int dev = open_device_in(t, t->a);

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, charge_opener_from(t, t->b, dev, 2));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "2"));
	close(dev);
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
}

TEST_F(misc, refused_charge_for_the_opener_is_counted_in_the_openers_cgroup)
{
	struct tree *t = &self->tree;
	int dev = open_device_in(t, t->a);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	EXPECT_EQ(-EBUSY, charge_opener_from(t, t->b, dev, 2));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_TRUE(reads(t->b, "misc.events.local", RES ".alloc_fail", "0"));
	close(dev);
}

TEST_F(misc, charge_for_the_opener_whose_cgroup_was_removed)
{
	struct tree *t = &self->tree;
	int dev = open_device_in(t, t->a);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, remove_cgroup(t->a));
	EXPECT_EQ(0, charge_opener_from(t, t->b, dev, 2));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "2"));
	close(dev);
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
}

/*
 * Tasks and cgroups come and go
 */

TEST_F(misc, charge_stays_when_the_task_moves)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, cg_enter_current(t->a));
	ASSERT_EQ(0, command(self->dev, "charge " RES " 2"));
	ASSERT_EQ(0, cg_enter_current(t->b));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "2"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	ASSERT_EQ(0, cg_enter_current(t->root));
}

static void charge_and_pause(const char *cgroup)
{
	int fd = open(DEVICE, O_WRONLY);

	if (fd >= 0 && !cg_enter_current(cgroup) &&
	    !command(fd, "charge " RES " 3"))
		pause();
	_exit(1);
}

TEST_F(misc, killed_owner_returns_everything)
{
	struct tree *t = &self->tree;
	int status, i;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		charge_and_pause(t->a);
	for (i = 0; i < 1000; i++) {
		if (!cg_read_strstr(t->a, "misc.current", RES " 3\n"))
			break;
		usleep(10000);
	}
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "3"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "3"));
}

TEST_F(misc, removed_cgroup_stays_charged_to_its_parent)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 4"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, remove_cgroup(t->a));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "3"));
	EXPECT_EQ(-EBUSY, charge_in(t, t->b, self->dev2, RES, 2));

	/* The new one of that name has nothing to do with it. */
	ASSERT_EQ(0, cg_create(t->a));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
}

/*
 * Charges are moved
 */

TEST_F(misc, move_of_nothing)
{
	EXPECT_EQ(0, move_to(&self->tree, self->tree.a, self->dev));
	EXPECT_TRUE(reads(self->tree.a, "misc.current", RES, "0"));
}

TEST_F(misc, move_within_the_cgroup)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, set_max(t->a, RES " 1"));
	EXPECT_EQ(0, move_to(t, t->a, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "3"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".max", "0"));
}

TEST_F(misc, move_to_a_sibling_under_a_full_parent)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->parent, RES " 3"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	EXPECT_EQ(0, move_to(t, t->b, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->b, "misc.peak", RES, "3"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->parent, "misc.peak", RES, "3"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "0"));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
}

TEST_F(misc, move_refused_by_the_destination)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, set_max(t->b, RES " 2"));
	EXPECT_EQ(-EBUSY, move_to(t, t->b, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->b, "misc.peak", RES, "0"));
	EXPECT_TRUE(reads(t->b, "misc.events.local", RES ".max", "1"));
	EXPECT_TRUE(reads(t->b, "misc.events.local", RES ".alloc_fail", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "1"));
	/* It is still a's, and whole. */
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
}

TEST_F(misc, move_to_an_ancestor)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, set_max(t->parent, RES " 1"));
	EXPECT_EQ(0, move_to(t, t->root, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->root, "misc.current", RES, "3"));
}

/* Also: on v2, tasks get into a parent only once it has no children's misc. */
TEST_F(misc, move_from_a_removed_cgroup_to_its_full_parent)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, set_max(t->parent, RES " 1"));
	ASSERT_EQ(0, remove_cgroup(t->a));
	ASSERT_EQ(0, disable_misc(t->parent));
	EXPECT_EQ(0, move_to(t, t->parent, self->dev));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->parent, "misc.events", RES ".max", "0"));
	ASSERT_EQ(0, command(self->dev, "release"));
	EXPECT_TRUE(reads(t->parent, "misc.current", RES, "0"));
}

TEST_F(misc, move_to_a_descendant)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->root, self->dev, RES, 10));
	ASSERT_EQ(0, set_max(t->parent, RES " 9"));
	EXPECT_EQ(-EBUSY, move_to(t, t->a, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "0"));
	EXPECT_TRUE(reads(t->a, "misc.peak", RES, "0"));
	EXPECT_TRUE(reads(t->parent, "misc.events.local", RES ".max", "1"));
	EXPECT_TRUE(reads(t->a, "misc.events.local", RES ".alloc_fail", "1"));

	/* The host is full, which a move does not make any fuller. */
	ASSERT_EQ(0, set_max(t->parent, RES " 10"));
	EXPECT_EQ(0, move_to(t, t->a, self->dev));
	EXPECT_TRUE(reads(t->a, "misc.current", RES, "10"));
	EXPECT_TRUE(reads(t->parent, "misc.peak", RES, "10"));
	EXPECT_TRUE(reads(t->root, "misc.current", RES, "10"));
}

TEST_F(misc, move_of_an_unregistered_resource)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, command(self->dev, "unregister " RES));
	EXPECT_EQ(0, move_to(t, t->b, self->dev));
	EXPECT_FALSE(shows(t->a, "misc.current", RES));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "3"));
}

TEST_F(misc, move_with_capacity_below_usage)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 3));
	ASSERT_EQ(0, command(self->dev, "capacity " RES " 1"));
	EXPECT_EQ(0, move_to(t, t->b, self->dev));
	EXPECT_TRUE(reads(t->b, "misc.current", RES, "3"));
	EXPECT_TRUE(reads(t->b, "misc.events.local", RES ".alloc_fail", "0"));
}

/*
 * Containers and other users
 */

/* The part of a container: its cgroup is the root of all that it sees. */
static int read_in_namespace(const char *cgroup, void *arg)
{
	const char *root = arg;
	bool v1 = !strcmp(root, v1_root);

	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS))
		return KSFT_SKIP;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    umount2(root, MNT_DETACH) ||
	    mount("none", root, v1 ? "cgroup" : "cgroup2", 0, v1 ? "misc" : NULL))
		return KSFT_FAIL;
	if (!reads(root, "misc.capacity", RES, "10") ||
	    !reads(root, "misc.max", RES, "2") ||
	    !reads(root, "misc.max.effective", RES, "2") ||
	    !reads(root, "misc.max.effective", RES2, "3") ||
	    !reads(root, "misc.current", RES, "1"))
		return KSFT_FAIL;
	return KSFT_PASS;
}

TEST_F(misc, capacity_and_limit_in_a_cgroup_namespace)
{
	struct tree *t = &self->tree;
	int ret;

	ASSERT_EQ(0, set_max(t->parent, RES2 " 3"));
	ASSERT_EQ(0, set_max(t->a, RES " 2"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 1));
	ret = cg_run(t->a, read_in_namespace, t->root);
	if (ret == KSFT_SKIP)
		SKIP(return, "no cgroup namespaces");
	EXPECT_EQ(KSFT_PASS, ret);
}

static int fail(int line)
{
	ksft_print_msg("line %d\n", line);
	return KSFT_FAIL;
}

/*
 * Gives a to an unprivileged user in a cgroup of its own in it, who makes a
 * second one and has a go.
 */
static int as_delegatee(struct tree *tree,
			int (*fn)(struct tree *tree, const char *child))
{
	static const char * const files[] = {
		"", "cgroup.procs", "cgroup.subtree_control",
	};
	char *child = cg_name(tree->a, "child");
	char *owner = cg_name(tree->a, "owner");
	int i, status;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", tree->a, files[i]);
		if (has_file(tree->a, files[i]) &&
		    chown(path, TEST_UID, TEST_UID))
			return fail(__LINE__);
	}

	pid = fork();
	if (!pid) {
		int ret = cg_create(owner) || cg_enter_current(owner) ||
			  setgid(TEST_UID) || setuid(TEST_UID) ||
			  enable_misc(tree->a) || cg_create(child) ?
			  fail(__LINE__) : fn(tree, child);

		fflush(stdout);
		_exit(ret);
	}
	free(child);
	free(owner);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	       WEXITSTATUS(status) : KSFT_FAIL;
}

static int limit_child(struct tree *tree, const char *child)
{
	/* What is the delegater's stays his. */
	if (set_max(tree->a, RES " 9") != -EACCES)
		return fail(__LINE__);
	if (set_max(child, RES " 1"))
		return fail(__LINE__);
	if (!reads(child, "misc.max", RES, "1") ||
	    !reads(child, "misc.max.effective", RES, "1"))
		return fail(__LINE__);
	return KSFT_PASS;
}

TEST_F(misc, delegated_subtree_is_limited_by_its_user)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 2"));
	EXPECT_EQ(KSFT_PASS, as_delegatee(t, limit_child));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "2"));
}

/*
 * Memory: an unprivileged owner of a delegated subtree may create any number of
 * cgroups, so what these take counts against the owner's memory.max.
 */

#define NR_OWNED	1000

/* Less than what the controller takes for a cgroup on any 64-bit kernel. */
#define MIN_CSS_SIZE	500

/* The statistics are brought up to date every two seconds. */
#define STATISTICS_WAIT_S	5

FIXTURE(memory) {
	struct tree tree;
	bool had_memory;
};

FIXTURE_SETUP(memory)
{
	struct tree *t = &self->tree;

	if (cg_read_strstr(v2_root, "cgroup.controllers", "memory"))
		SKIP(return, "no memory controller on cgroup v2");
	ASSERT_EQ(0, umount_v1());
	self->had_memory = !cg_read_strstr(v2_root, "cgroup.subtree_control",
					   "memory");
	ASSERT_EQ(0, cg_write(v2_root, "cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, tree_create(t, v2_root));
	ASSERT_EQ(0, cg_write(t->parent, "cgroup.subtree_control", "+memory"));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, tree_destroy(&self->tree));
	if (!self->had_memory)
		cg_write(v2_root, "cgroup.subtree_control", "-memory");
}

/* How much more memory @cgroup has after @fn; -1 if that failed. */
static long memory_growth(const char *cgroup, int (*fn)(const char *parent),
			  const char *parent)
{
	static const char key[] = "slab_unreclaimable ";
	long before, after;

	sleep(STATISTICS_WAIT_S);
	before = cg_read_key_long(cgroup, "memory.stat", key);
	if (fn(parent))
		return -1;
	sleep(STATISTICS_WAIT_S);
	after = cg_read_key_long(cgroup, "memory.stat", key);
	return before < 0 || after < 0 ? -1 : after - before;
}

static int create_many(const char *parent)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; i < NR_OWNED; i++) {
		snprintf(path, sizeof(path), "%s/%d", parent, i);
		if (mkdir(path, 0755))
			return -errno;
	}
	return 0;
}

/* In a cgroup of its own in a, unprivileged: with misc in @child or without. */
static int create_many_as_owner(struct tree *tree, const char *child)
{
	char *without = cg_name(tree->a, "without");
	long growth[2];

	if (cg_create(without) || enable_misc(child))
		return fail(__LINE__);
	growth[0] = memory_growth(tree->a, create_many, without);
	growth[1] = memory_growth(tree->a, create_many, child);
	ksft_print_msg("%d cgroups: %ld bytes without misc, %ld bytes with it\n",
		       NR_OWNED, growth[0], growth[1]);
	free(without);
	if (growth[0] < 0 || growth[1] < 0)
		return fail(__LINE__);
	return growth[1] - growth[0] < NR_OWNED * MIN_CSS_SIZE ?
	       fail(__LINE__) : KSFT_PASS;
}

TEST_F_TIMEOUT(memory, cgroups_are_charged_to_their_unprivileged_owner, 300)
{
	EXPECT_EQ(KSFT_PASS, as_delegatee(&self->tree, create_many_as_owner));
}

/*
 * Random writes to misc.max by an unprivileged owner: mostly lines that are
 * right, then some of their bytes changed.  What the documentation says each
 * comes to, the file must show.
 */

#define WHITE		" \t\n\v\f\r\xa0"
#define NR_WRITES	3000

struct limits {
	unsigned long long max[2];	/* of RES and RES2 */
	bool set[2];
};

struct fuzz {
	regex_t number;		/* what a number begins with */
	unsigned int random;
	char text[256];
	size_t len;
};

static unsigned int pick(struct fuzz *f, unsigned int below)
{
	return rand_r(&f->random) / 7 % below;
}

#define PICK(f, ...) ({							\
	static const char * const __choice[] = { __VA_ARGS__ };		\
									\
	__choice[pick(f, ARRAY_SIZE(__choice))];			\
})

static bool fuzz_init(struct fuzz *f)
{
	return !regcomp(&f->number,
			"^[+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)",
			REG_EXTENDED);
}

/* @s without the white space around it. */
static char *strip(char *s)
{
	size_t len;

	s += strspn(s, WHITE);
	len = strlen(s);
	while (len && strchr(WHITE, s[len - 1]))
		s[--len] = 0;
	return s;
}

/* One line: 0, -EINVAL or -ERANGE. */
static int expect_line(struct fuzz *f, char *line, struct limits *limits)
{
	char *name = strip(line), *value = name + strcspn(name, " \t");
	regmatch_t m;
	int i;

	if (!*value)
		return -EINVAL;
	*value++ = 0;
	value += strspn(value, WHITE);

	i = !strcmp(name, RES) ? 0 : !strcmp(name, RES2) ? 1 : -1;
	if (i < 0 || limits->set[i])
		return -EINVAL;
	limits->set[i] = true;
	limits->max[i] = ULLONG_MAX;
	if (!strcmp(value, "max"))
		return 0;
	if (regexec(&f->number, value, 1, &m, 0))
		return -EINVAL;
	errno = 0;
	limits->max[i] = strtoull(value, NULL, 0);
	if (errno)
		return -errno;
	return value[m.rm_eo] ? -EINVAL : 0;
}

/* What writing the text must come to; the first bad line tells the error. */
static int expect_write(struct fuzz *f, struct limits *limits)
{
	char text[sizeof(f->text) + 1] = "", *line, *rest;
	size_t i, len = strnlen(f->text, f->len);
	int ret;

	for (i = len; i < f->len; i++)
		if (f->text[i])
			return -EINVAL;
	memcpy(text, f->text, len);
	rest = strip(text);
	while ((line = strsep(&rest, "\n"))) {
		ret = expect_line(f, line, limits);
		if (ret)
			return ret;
	}
	return 0;
}

static void fuzz_add(struct fuzz *f, const char *s)
{
	size_t len = strlen(s);

	if (f->len + len > sizeof(f->text))
		return;
	memcpy(f->text + f->len, s, len);
	f->len += len;
}

static void fuzz_add_number(struct fuzz *f)
{
	unsigned long long n = ((unsigned long long)rand_r(&f->random) << 33) ^
			       ((unsigned long long)rand_r(&f->random) << 12) ^
			       rand_r(&f->random);
	char number[32];

	snprintf(number, sizeof(number),
		 PICK(f, "%llu", "%llu", "%llu", "%llu", "%#llx", "%#llx",
		      "%#llo", "+%llu", "-%llu", "%llu9"),
		 n >> pick(f, 64));
	fuzz_add(f, number);
}

static void fuzz_text(struct fuzz *f)
{
	static const char bytes[] = "\0\n \t\v\xa0+-0x8f_ksabm";
	int lines = 1 + pick(f, 2), changes = pick(f, 3) ? 0 : 1 + pick(f, 2);

	f->len = 0;
	while (lines--) {
		fuzz_add(f, PICK(f, "", "", "", " ", "\t\r"));
		fuzz_add(f, PICK(f, RES, RES, RES, RES, RES2, RES2, RES2, RES2,
				 RES2, RES2, RES "x", ""));
		fuzz_add(f, PICK(f, " ", " ", " ", " ", " ", " ", " ", " ", "\t",
				 "  \v", "", "="));
		if (pick(f, 3))
			fuzz_add_number(f);
		else
			fuzz_add(f, PICK(f, "max", "max", "max", "0", "0x", "",
					 U64_MAX_STR, "18446744073709551616",
					 "0x10000000000000000", "maxx", "1 2",
					 "99999999999999999999x"));
		fuzz_add(f, PICK(f, "", "", "", " ", "\r"));
		if (lines)
			fuzz_add(f, "\n");
	}
	fuzz_add(f, PICK(f, "", "\n", "\n\n"));
	while (changes-- && f->len)
		f->text[pick(f, f->len)] = bytes[pick(f, sizeof(bytes))];
	/* Some write a string with its terminator. */
	if (!pick(f, 16) && f->len < sizeof(f->text))
		f->text[f->len++] = 0;
	/* A write of nothing does not reach the file. */
	if (!f->len)
		fuzz_add(f, "\n");
}

static bool has_limits(const char *cgroup, struct limits *limits)
{
	static const char * const names[] = { RES, RES2 };
	char value[32];
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(value, sizeof(value), "%llu", limits->max[i]);
		if (!reads(cgroup, "misc.max", names[i],
			   limits->max[i] == ULLONG_MAX ? "max" : value))
			return false;
	}
	return true;
}

static int write_at_random(struct tree *tree, const char *cgroup)
{
	struct limits now = { .max = { ULLONG_MAX, ULLONG_MAX } };
	struct fuzz f = {};
	int i, j, ret, expected, accepted = 0, range = 0;
	int fd = open_file(cgroup, "misc.max", O_RDWR);

	if (fd < 0 || !fuzz_init(&f))
		return fail(__LINE__);
	f.random = getenv("SEED") ? atoi(getenv("SEED")) : getpid();
	ksft_print_msg("SEED=%u\n", f.random);

	for (i = 0; i < NR_WRITES; i++) {
		struct limits limits = {};

		fuzz_text(&f);
		expected = expect_write(&f, &limits);
		for (j = 0; !expected && j < ARRAY_SIZE(now.max); j++)
			if (limits.set[j])
				now.max[j] = limits.max[j];
		ret = write(fd, f.text, f.len);
		ret = ret < 0 ? -errno : ret == f.len ? 0 : -EIO;
		if (ret != expected || !has_limits(cgroup, &now)) {
			ksft_print_msg("write %d: %d, expected %d:", i, ret,
				       expected);
			for (j = 0; j < f.len; j++)
				printf(" %02x", (unsigned char)f.text[j]);
			printf("\n");
			return fail(__LINE__);
		}
		accepted += !ret;
		range += ret == -ERANGE;
	}
	/* Not only nonsense, not only sense. */
	if (accepted < NR_WRITES / 10 || accepted > NR_WRITES * 9 / 10 ||
	    range < NR_WRITES / 100)
		return fail(__LINE__);
	return KSFT_PASS;
}

TEST_F_TIMEOUT(misc, random_writes_by_a_delegatee, 120)
{
	struct tree *t = &self->tree;

	ASSERT_EQ(0, set_max(t->a, RES " 2"));
	EXPECT_EQ(KSFT_PASS, as_delegatee(t, write_at_random));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "2"));
}

/*
 * Odd ways to read and write
 */

/* Reads the rest of a file in pieces of @size. */
static size_t read_pieces(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + size < FILE_SIZE && (n = read(fd, buf + len, size)) > 0)
		len += n;
	buf[len] = 0;
	return len;
}

static const char * const all_files[] = {
	"misc.capacity", "misc.current", "misc.peak", "misc.max",
	"misc.max.effective", "misc.events", "misc.events.local",
};

TEST_F(misc, pieces_of_any_size_make_the_whole)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 13, 61 };
	char whole[FILE_SIZE], pieces[FILE_SIZE];
	struct tree *t = &self->tree;
	int i, j, fd;

	ASSERT_EQ(0, set_max(t->a, RES " " U64_MAX_STR "\n" RES2 " 3"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 10));
	for (i = 0; i < ARRAY_SIZE(all_files); i++) {
		ASSERT_EQ(0, cg_read(t->a, all_files[i], whole, sizeof(whole)));
		ASSERT_NE(NULL, strstr(whole, RES));
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			fd = open_file(t->a, all_files[i], O_RDONLY);
			ASSERT_LE(0, fd);
			read_pieces(fd, pieces, sizes[j]);
			EXPECT_STREQ(whole, pieces);
			close(fd);
		}
	}
}

TEST_F(misc, reading_goes_on_where_lseek_says)
{
	char whole[FILE_SIZE], rest[FILE_SIZE];
	struct tree *t = &self->tree;
	int i, at, fd;

	for (i = 0; i < ARRAY_SIZE(all_files); i++) {
		ASSERT_EQ(0, cg_read(t->a, all_files[i], whole, sizeof(whole)));
		fd = open_file(t->a, all_files[i], O_RDONLY);
		ASSERT_LE(0, fd);
		for (at = strlen(whole); at >= 0; at--) {
			ASSERT_EQ(at, lseek(fd, at, SEEK_SET));
			read_pieces(fd, rest, 5);
			EXPECT_STREQ(whole + at, rest);
		}
		close(fd);
	}
}

/* One open file says at any time what is true then. */
TEST_F(misc, reading_again_from_the_start_is_up_to_date)
{
	struct tree *t = &self->tree;
	int fd = open_file(t->a, "misc.current", O_RDONLY);
	char buf[FILE_SIZE];

	ASSERT_LE(0, fd);
	read_pieces(fd, buf, 1);
	EXPECT_NE(NULL, strstr(buf, RES " 0\n"));
	ASSERT_EQ(0, charge_in(t, t->a, self->dev, RES, 7));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	read_pieces(fd, buf, 1);
	EXPECT_NE(NULL, strstr(buf, RES " 7\n"));
	close(fd);
}

/* Each write is a whole one: there is nothing to append to. */
TEST_F(misc, writes_do_not_depend_on_the_position)
{
	struct tree *t = &self->tree;
	int fd = open_file(t->a, "misc.max", O_RDWR | O_APPEND);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, command(fd, RES " 1"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "1"));
	EXPECT_EQ(0, command(fd, RES " 2"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "2"));
	ASSERT_EQ(100, lseek(fd, 100, SEEK_SET));
	EXPECT_EQ(0, command(fd, RES " 3"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "3"));
	close(fd);

	fd = open_file(t->a, "misc.max", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(strlen(RES " 4"), pwrite(fd, RES " 4", strlen(RES " 4"), 3));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "4"));
	EXPECT_EQ(0, command(fd, RES2 " 1"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES, "4"));
	EXPECT_TRUE(reads(t->a, "misc.max", RES2, "1"));
	close(fd);
}

TEST_F(misc, read_only_files_refuse_writes)
{
	struct tree *t = &self->tree;
	int i, fd;

	for (i = 0; i < ARRAY_SIZE(all_files); i++) {
		if (!strcmp(all_files[i], "misc.max"))
			continue;
		/* Root may open it all the same. */
		fd = open_file(t->a, all_files[i], O_WRONLY);
		EXPECT_GT(0, fd < 0 ? -errno : command(fd, RES " 1"));
		close(fd);
	}
}

/* Writes the same until it is killed. */
static pid_t keep_writing(const char *cgroup, const char *lines)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		set_max(cgroup, lines);
}

TEST_F_TIMEOUT(misc, concurrent_writers_and_a_reader, 120)
{
	static const char * const lines[] = {
		RES " 6148914691236517205\n" RES2 " 6148914691236517205\n",
		RES " 12297829382473034410\n" RES2 " 12297829382473034410\n",
		/* The last line spoils it. */
		RES " 1\n" RES2 " 1\n" RES " 1\n",
	};
	struct tree *t = &self->tree;
	pid_t pid[ARRAY_SIZE(lines)];
	char buf[FILE_SIZE], *line = NULL;
	int i, seen[2] = {};

	ASSERT_EQ(0, set_max(t->a, lines[0]));
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		pid[i] = keep_writing(t->a, lines[i]);
	for (i = 0; i < 2000; i++) {
		line = find_line(t->a, "misc.max", i % 2 ? RES : RES2, buf,
				 sizeof(buf));
		if (line && strstr(line, " 6148914691236517205"))
			seen[0]++;
		else if (line && strstr(line, " 12297829382473034410"))
			seen[1]++;
		else
			break;
	}
	EXPECT_EQ(2000, i) {
		TH_LOG("misc.max: %s", line ?: "");
	}
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		kill(pid[i], SIGKILL);
		EXPECT_EQ(pid[i], waitpid(pid[i], NULL, 0));
	}
	/* They did write at the same time. */
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
}

int main(int argc, char **argv)
{
	if (geteuid()) {
		ksft_print_header();
		ksft_exit_skip("needs to be run as root\n");
	}
	if (cg_find_unified_root(v2_root, sizeof(v2_root), NULL)) {
		ksft_print_header();
		ksft_exit_skip("cgroup v2 isn't mounted\n");
	}
	if (cg_read_strstr(v2_root, "cgroup.controllers", "misc")) {
		ksft_print_header();
		ksft_exit_skip("misc controller isn't available on cgroup v2\n");
	}
	if (!mkdtemp(v1_root)) {
		ksft_print_header();
		ksft_exit_skip("no temporary directory\n");
	}
	v2_had_misc = !cg_read_strstr(v2_root, "cgroup.subtree_control", "misc");
	main_pid = getpid();
	atexit(restore_hierarchies);

	return test_harness_run(argc, argv);
}
