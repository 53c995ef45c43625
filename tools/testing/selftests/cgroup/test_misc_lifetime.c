// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of charges and limits of the misc controller when tasks and
 * charges move, owners are killed, cgroups are removed and modules unloaded;
 * and what a container and an unprivileged owner can do with the files.
 *
 * KUnit tests the rules of moves and of registration, in kernel/cgroup/tests;
 * here they are seen with real tasks, removed cgroups and modules.
 *
 * Except limit_holds_for_the_first_charge, the tests of known names and of
 * memory need no test provider.  They run on kernels before this controller as
 * well, and fail there: a limit is refused while its module is not loaded, and
 * nobody is charged for cgroups.
 */
#include <sched.h>
#include <signal.h>

#include "misc_util.h"

/*
 * Tasks
 */

TEST_F(misc, charge_stays_when_the_task_moves)
{
	ASSERT_EQ(0, cg_enter_current(left));
	ASSERT_LT(0, dprintf(file1, "charge widget 2"));
	ASSERT_EQ(0, cg_enter_current(right));
	EXPECT_CURRENT(2, 2, 2, 0);
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(0, 0, 0, 0);
}

TEST_F(misc, killed_owner_returns_everything)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		file1 = open(DEVICE, O_WRONLY);
		cg_enter_current(left);
		dprintf(file1, "charge widget 3");
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_CURRENT(0, 0, 0, 0);
	EXPECT_VALUE(left, "misc.peak", "widget", "3");
}

/* Returns an open file whose opener is left, or -1. */
static int open_in_left(void)
{
	int fd = cg_enter_current(left) ? -1 : open(DEVICE, O_WRONLY);

	return cg_enter_current(root) ? -1 : fd;
}

TEST_F(misc, charge_for_the_opener_is_in_its_cgroup)
{
	int fd = open_in_left();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, command_in(right, fd, "charge-opener widget 2"));
	EXPECT_CURRENT(2, 2, 2, 0);
	close(fd);
	EXPECT_CURRENT(0, 0, 0, 0);
}

/*
 * Removed cgroups
 */

static int remove_cgroup(const char *cgroup)
{
	if (rmdir(cgroup))
		return -errno;
	return usleep(OFFLINE_WAIT_US);
}

TEST_F(misc, removed_cgroup_stays_charged_to_its_parent)
{
	ASSERT_EQ(0, set_max(parent, "widget 4"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	ASSERT_EQ(0, remove_cgroup(left));
	EXPECT_CURRENT(3, 3, NONE, 0);
	EXPECT_EQ(-EBUSY, charge_in(right, file2, "widget 2"));

	/* The new one of that name has nothing to do with it. */
	ASSERT_EQ(0, cg_create(left));
	EXPECT_CURRENT(3, 3, 0, 0);
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(0, 0, 0, 0);
}

TEST_F(misc, removed_cgroup_can_be_charged)
{
	int fd = open_in_left();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, remove_cgroup(left));
	EXPECT_EQ(0, command_in(right, fd, "charge-opener widget 2"));
	EXPECT_CURRENT(2, 2, NONE, 0);
	close(fd);
	EXPECT_CURRENT(0, 0, NONE, 0);
}

/* On v2, tasks get into parent only when its children have no misc. */
TEST_F(misc, charge_moves_from_a_removed_cgroup_to_its_full_parent)
{
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	ASSERT_EQ(0, set_max(parent, "widget 1"));
	ASSERT_EQ(0, remove_cgroup(left));
	ASSERT_EQ(0, set_subtree_control(parent, "-misc"));
	EXPECT_EQ(0, command_in(parent, file1, "move"));
	EXPECT_VALUE(parent, "misc.current", "widget", "3");
	EXPECT_VALUE(parent, "misc.events", "widget.max", "0");
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_VALUE(parent, "misc.current", "widget", "0");
}

/*
 * Moves
 */

TEST_F(misc, charge_moves_to_a_sibling_under_a_full_parent)
{
	ASSERT_EQ(0, set_max(parent, "widget 3"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	EXPECT_EQ(0, command_in(right, file1, "move"));
	EXPECT_CURRENT(3, 3, 0, 3);
	EXPECT_VALUES("misc.events", "widget.max", NONE, 0, 0, 0);
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(0, 0, 0, 0);
}

TEST_F(misc, refused_move_leaves_the_charge_where_it_was)
{
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	ASSERT_EQ(0, set_max(right, "widget 2"));
	EXPECT_EQ(-EBUSY, command_in(right, file1, "move"));
	EXPECT_CURRENT(3, 3, 3, 0);
	EXPECT_VALUES("misc.events", "widget.max", NONE, 1, 0, 1);
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(0, 0, 0, 0);
}

/*
 * Modules.  If a limit turned into none when a module is loaded again, a tenant
 * would get out.
 */

TEST_F(misc, usage_and_limits_outlive_registration)
{
	ASSERT_EQ(0, set_max(left, "widget 3"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 2"));
	ASSERT_EQ(0, command(file2, "unregister widget"));
	EXPECT_EQ(-ENODEV, charge_in(left, file2, "widget 1"));
	ASSERT_EQ(0, command(file2, "register widget 7"));

	EXPECT_VALUES("misc.capacity", "widget", 7, 7, 7, 7);
	EXPECT_CURRENT(2, 2, 2, 0);
	EXPECT_EQ(-EBUSY, charge_in(left, file2, "widget 2"));
	EXPECT_EQ(-ENOSPC, charge_in(right, file2, "widget 6"));
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(0, 0, 0, 0);
}

TEST_F(misc, limits_outlive_the_module)
{
	ASSERT_EQ(0, set_max(left, "widget 3"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 2"));
	close(file1);
	close(file2);
	ASSERT_EQ(0, system("modprobe -r test_misc_cg"));
	EXPECT_VALUES("misc.capacity", "widget", NONE, NONE, NONE, NONE);
	EXPECT_VALUE(left, "misc.max", "widget", "3");
	EXPECT_EQ(0, set_max(right, "widget 1"));
	ASSERT_EQ(0, system("modprobe test_misc_cg resources=widget:8"));

	file1 = open(DEVICE, O_WRONLY);
	file2 = open(DEVICE, O_WRONLY);
	EXPECT_VALUES("misc.capacity", "widget", 8, 8, 8, 8);
	EXPECT_VALUE(left, "misc.peak", "widget", "2");
	EXPECT_CURRENT(0, 0, 0, 0);
	EXPECT_EQ(-EBUSY, charge_in(left, file1, "widget 4"));
	EXPECT_EQ(-EBUSY, charge_in(right, file1, "widget 2"));
}

/*
 * Known names: sev and sev_es of AMD's hosts, tdx of Intel's.  One of them has
 * no provider, whatever the host is.
 */

FIXTURE(known_name) {
	const char *name;
	char limit[32];
};

FIXTURE_SETUP(known_name)
{
	char buf[FILE_SIZE];

	ASSERT_EQ(0, umount_v1());
	ASSERT_EQ(0, tree_create(v2_root));
	self->name = read_value(root, "misc.capacity", "tdx", buf) ? "sev" :
								      "tdx";
	snprintf(self->limit, sizeof(self->limit), "%s 1", self->name);
}

FIXTURE_TEARDOWN(known_name)
{
	EXPECT_EQ(0, tree_destroy());
}

TEST_F(known_name, limit_can_be_set_before_registration)
{
	ASSERT_EQ(0, set_max(left, self->limit));
	EXPECT_VALUES("misc.max", self->name, NONE, NONE, 1, NONE);
}

TEST_F(known_name, limit_makes_nothing_available)
{
	ASSERT_EQ(0, set_max(left, self->limit));
	EXPECT_VALUES("misc.capacity", self->name, NONE, NONE, NONE, NONE);
	EXPECT_VALUES("misc.max.effective", self->name, NONE, NONE, NONE, NONE);
	EXPECT_VALUES("misc.current", self->name, NONE, NONE, NONE, NONE);
}

TEST_F(known_name, limit_holds_for_the_first_charge)
{
	int fd, too_much, just_right;

	if (load_provider())
		SKIP(return, "no test provider: CONFIG_TEST_MISC_CG, test_misc_cg.ko");
	fd = open(DEVICE, O_WRONLY);
	ASSERT_EQ(0, set_max(left, self->limit));
	ASSERT_EQ(0, command(fd, "register %s 5", self->name));
	too_much = command_in(left, fd, "charge %s 2", self->name);
	just_right = command_in(left, fd, "charge %s 1", self->name);
	EXPECT_EQ(0, command(fd, "release"));
	ASSERT_EQ(0, command(fd, "unregister %s", self->name));
	close(fd);
	EXPECT_EQ(-EBUSY, too_much);
	EXPECT_EQ(0, just_right);
}

/* Some readers match by prefix and take the first line. */
TEST_F(known_name, sev_is_listed_before_sev_es)
{
	char buf[FILE_SIZE];

	ASSERT_EQ(0, set_max(left, "tdx 3\nsev_es 2\nsev 1\n"));
	ASSERT_EQ(0, cg_read(left, "misc.max", buf, sizeof(buf)));
	EXPECT_TRUE(buf == strstr(buf, "sev 1\nsev_es 2\ntdx 3\n")) {
		TH_LOG("misc.max: %s", buf);
	}
}

/*
 * Containers and unprivileged owners
 */

/* A container, whose cgroup is the root of all that it sees. */
static int read_in_namespace(const char *cgroup, void *arg)
{
	bool v1 = root == v1_root;

	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS))
		return KSFT_SKIP;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    umount2(root, MNT_DETACH) ||
	    mount("none", root, v1 ? "cgroup" : "cgroup2", 0, v1 ? "misc" : NULL))
		return KSFT_FAIL;
	return has_value(root, "misc.capacity", "widget", "10") &&
	       has_value(root, "misc.max", "widget", "2") &&
	       has_value(root, "misc.max.effective", "widget", "2") &&
	       has_value(root, "misc.max.effective", "gadget", "3") &&
	       has_value(root, "misc.current", "widget", "1") ?
	       KSFT_PASS : KSFT_FAIL;
}

TEST_F(misc, capacity_and_limits_can_be_read_in_a_namespace)
{
	int ret;

	ASSERT_EQ(0, set_max(parent, "gadget 3"));
	ASSERT_EQ(0, set_max(left, "widget 2"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 1"));
	ret = cg_run(left, read_in_namespace, NULL);
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
 * Delegates left to an unprivileged user, who calls @fn in "owner" and has
 * "child" besides.
 */
static int as_owner_of_left(int (*fn)(const char *child))
{
	static const char * const delegated[] = {
		"", "cgroup.procs", "cgroup.subtree_control",
	};
	char *owner = cg_name(left, "owner");
	char *child = cg_name(left, "child");
	int i, status;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(delegated); i++) {
		char *path = cg_control(left, delegated[i]);

		if (chown(path, TEST_UID, TEST_UID) && errno != ENOENT)
			return fail(__LINE__);
		free(path);
	}

	pid = fork();
	if (!pid) {
		int ret = cg_create(owner) || cg_enter_current(owner) ||
			  setgid(TEST_UID) || setuid(TEST_UID) ||
			  set_subtree_control(left, "+misc") ||
			  cg_create(child) ? fail(__LINE__) : fn(child);

		fflush(stdout);
		_exit(ret);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	       WEXITSTATUS(status) : KSFT_FAIL;
}

static int limit_child(const char *child)
{
	/* What is the delegater's stays the delegater's. */
	if (set_max(left, "widget 9") != -EACCES)
		return fail(__LINE__);
	if (set_max(child, "widget 1\ngadget 2\n") ||
	    set_max(child, "widget 1\nwidget 2\n") != -EINVAL)
		return fail(__LINE__);
	return has_value(child, "misc.max", "widget", "1") &&
	       has_value(child, "misc.max", "gadget", "2") &&
	       has_value(child, "misc.max.effective", "widget", "1") ?
	       KSFT_PASS : fail(__LINE__);
}

TEST_F(misc, owner_of_a_subtree_limits_it)
{
	ASSERT_EQ(0, set_max(left, "widget 2"));
	EXPECT_EQ(KSFT_PASS, as_owner_of_left(limit_child));
	EXPECT_VALUE(left, "misc.max", "widget", "2");
}

/*
 * Memory: an unprivileged owner of a delegated subtree may create any number of
 * cgroups, so what these take counts against the owner's memory.max.
 */

#define NR_OWNED	250

/* Less than what the controller takes for a cgroup on any 64-bit kernel. */
#define MIN_CSS_SIZE	500

/* The statistics are brought up to date every two seconds. */
#define STATISTICS_WAIT_S	5

FIXTURE(memory) {
	bool had_memory;
};

FIXTURE_SETUP(memory)
{
	if (cg_read_strstr(v2_root, "cgroup.controllers", "memory"))
		SKIP(return, "no memory controller on cgroup v2");
	ASSERT_EQ(0, umount_v1());
	self->had_memory = !cg_read_strstr(v2_root, "cgroup.subtree_control",
					   "memory");
	ASSERT_EQ(0, set_subtree_control(v2_root, "+memory"));
	ASSERT_EQ(0, tree_create(v2_root));
	ASSERT_EQ(0, set_subtree_control(parent, "+memory"));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, tree_destroy());
	if (!self->had_memory)
		set_subtree_control(v2_root, "-memory");
}

/* Returns how much more memory left has with children of @cgroup, or -1. */
static long memory_of_children(const char *cgroup)
{
	static const char key[] = "slab_unreclaimable ";
	long before, after;
	int i;

	sleep(STATISTICS_WAIT_S);
	before = cg_read_key_long(left, "memory.stat", key);
	for (i = 0; i < NR_OWNED; i++)
		if (cg_create(cg_name_indexed(cgroup, "child", i)))
			return -1;
	sleep(STATISTICS_WAIT_S);
	after = cg_read_key_long(left, "memory.stat", key);
	return before < 0 || after < 0 ? -1 : after - before;
}

static int create_children(const char *with_misc)
{
	char *without = cg_name(left, "without");
	long growth[2];

	if (cg_create(without) || set_subtree_control(with_misc, "+misc"))
		return fail(__LINE__);
	growth[0] = memory_of_children(without);
	growth[1] = memory_of_children(with_misc);
	ksft_print_msg("%d cgroups: %ld bytes without misc, %ld bytes with it\n",
		       NR_OWNED, growth[0], growth[1]);
	return growth[0] < 0 || growth[1] < 0 ||
	       growth[1] - growth[0] < NR_OWNED * MIN_CSS_SIZE ?
	       fail(__LINE__) : KSFT_PASS;
}

TEST_F_TIMEOUT(memory, cgroups_are_charged_to_their_unprivileged_owner, 300)
{
	EXPECT_EQ(KSFT_PASS, as_owner_of_left(create_children));
}

int main(int argc, char **argv)
{
	return run_misc_tests(argc, argv);
}
