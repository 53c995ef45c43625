/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the misc controller share.  Each test gets new cgroups:
 *
 *	root		the root of cgroup v2, or of a v1 hierarchy
 *	  parent	"misc_test"
 *	    left
 *	    right
 *
 * and, from the module test_misc_cg, two resources, "widget" with a capacity of
 * 10 and "gadget" with one of 5, and two open files, each of which holds one
 * charge.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "cgroup_util.h"

#define DEVICE		"/dev/test_misc_cg"

/* More than any file has that is read here. */
#define FILE_SIZE	4096

/* A removed cgroup goes offline, and lets go of misc, a little later. */
#define OFFLINE_WAIT_US	200000
#define OFFLINE_TRIES	25

static char v2_root[PATH_MAX];
static char v1_root[PATH_MAX] = "/tmp/test_misc.XXXXXX";
static const char *root, *parent, *left, *right;
static int file1, file2;
static bool v2_had_misc;
static pid_t main_pid;

/*
 * Files of cgroups
 */

static bool has_file(const char *cgroup, const char *control)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, control);
	return !access(path, F_OK);
}

/* The value of the line "KEY VALUE"; NULL if there is no such line or file. */
static char *read_value(const char *cgroup, const char *control,
			const char *key, char buf[FILE_SIZE])
{
	size_t len = strlen(key);
	char *line, *pos = buf;

	if (cg_read(cgroup, control, buf, FILE_SIZE))
		return NULL;
	while ((line = strsep(&pos, "\n")))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return line + len + 1;
	return NULL;
}

/* @value is a string, as some values have 64 bits and one is "max". */
static bool has_value(const char *cgroup, const char *control, const char *key,
		      const char *value)
{
	char buf[FILE_SIZE];
	char *seen = read_value(cgroup, control, key, buf);

	if (seen ? value && !strcmp(seen, value) : !value)
		return true;
	ksft_print_msg("%s/%s: %s is %s, expected %s\n", cgroup, control, key,
		       seen ?: "not listed", value ?: "not listed");
	return false;
}

#define EXPECT_VALUE(cgroup, control, key, value)			\
	EXPECT_TRUE(has_value(cgroup, control, key, value))

/* No such line, file or cgroup. */
#define NONE	-1

/* The values that the file has in root, parent, left and right. */
static bool has_values(const char *control, const char *key,
		       const long values[4])
{
	const char * const cgroups[] = { root, parent, left, right };
	char value[32];
	bool ret = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(cgroups); i++) {
		snprintf(value, sizeof(value), "%ld", values[i]);
		ret &= has_value(cgroups[i], control, key,
				 values[i] == NONE ? NULL : value);
	}
	return ret;
}

#define EXPECT_VALUES(control, key, ...)				\
do {									\
	const long __values[4] = { __VA_ARGS__ };			\
									\
	EXPECT_TRUE(has_values(control, key, __values));		\
} while (0)

#define EXPECT_CURRENT(...)						\
	EXPECT_VALUES("misc.current", "widget", __VA_ARGS__)

static int set_max(const char *cgroup, const char *lines)
{
	return cg_write(cgroup, "misc.max", (char *)lines);
}

/*
 * The cgroups
 */

/* On v1 every cgroup has every controller of its hierarchy. */
static int set_subtree_control(const char *cgroup, char *controllers)
{
	int ret = cg_write(cgroup, "cgroup.subtree_control", controllers);

	return ret == -ENOENT ? 0 : ret;
}

static int destroy_one(const char *path, const struct stat *st, int type,
		       struct FTW *ftw)
{
	return type == FTW_DP ? cg_destroy(path) : 0;
}

static int tree_destroy(void)
{
	if (cg_enter_current(root))
		return -1;
	if (access(parent, F_OK))
		return 0;
	return nftw(parent, destroy_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int tree_create(const char *hierarchy)
{
	root = hierarchy;
	parent = cg_name(root, "misc_test");
	left = cg_name(parent, "left");
	right = cg_name(parent, "right");

	/* A test that was killed may have left its cgroups. */
	return tree_destroy() ?:
	       set_subtree_control(root, "+misc") ?:
	       cg_create(parent) ?:
	       set_subtree_control(parent, "+misc") ?:
	       cg_create(left) ?:
	       cg_create(right);
}

/*
 * The hierarchies: misc is on one at a time, and leaves it when the last of its
 * cgroups there has gone offline.
 */

static int mount_v1(void)
{
	int i;

	if (has_file(v1_root, "misc.capacity"))
		return 0;
	if (cg_enter_current(v2_root) || set_subtree_control(v2_root, "-misc"))
		return -1;
	for (i = 0; i < OFFLINE_TRIES; i++) {
		if (!mount("none", v1_root, "cgroup", 0, "misc"))
			return 0;
		if (errno != EBUSY)
			return -1;
		usleep(OFFLINE_WAIT_US);
	}
	return -1;
}

/* A hierarchy with cgroups in it survives that it is unmounted. */
static int umount_v1(void)
{
	int i;

	for (i = 0; i < OFFLINE_TRIES; i++) {
		if (!has_file(v1_root, "misc.capacity"))
			return 0;
		if (cg_enter_current(v1_root) || umount(v1_root))
			return -1;
		usleep(OFFLINE_WAIT_US);
		if (!cg_read_strstr(v2_root, "cgroup.controllers", "misc"))
			return 0;
		if (mount("none", v1_root, "cgroup", 0, "misc"))
			return -1;
	}
	return -1;
}

static void restore_hierarchies(void)
{
	/* Children of tests exit() as well. */
	if (getpid() != main_pid)
		return;
	umount_v1();
	rmdir(v1_root);
	set_subtree_control(v2_root, v2_had_misc ? "+misc" : "-misc");
}

/*
 * The provider
 */

/* Writes a command in a task of @cgroup; returns 0 or -errno. */
static int command_in(const char *cgroup, int fd, const char *fmt, ...)
{
	va_list args;
	int ret;

	if (cg_enter_current(cgroup))
		return -1;
	va_start(args, fmt);
	ret = vdprintf(fd, fmt, args) < 0 ? -errno : 0;
	va_end(args);
	return cg_enter_current(root) ?: ret;
}

#define command(fd, ...)	command_in(root, fd, __VA_ARGS__)

static int charge_in(const char *cgroup, int fd, const char *what)
{
	return command_in(cgroup, fd, "charge %s", what);
}

static int load_provider(void)
{
	if (access(DEVICE, F_OK) && system("modprobe test_misc_cg 2>/dev/null"))
		return -1;
	return access(DEVICE, F_OK);
}

/*
 * A name keeps its place until the next boot, and the test before has left it
 * registered.
 */
static int register_again(const char *name, int capacity)
{
	command(file1, "unregister %s", name);
	return command(file1, "register %s %d", name, capacity);
}

static void setup(struct __test_metadata *_metadata, bool v1)
{
	if (load_provider())
		SKIP(return, "no test provider: CONFIG_TEST_MISC_CG, test_misc_cg.ko");
	if (v1 && mount_v1())
		SKIP(return, "misc can't be moved to a v1 hierarchy: %s",
		     strerror(errno));
	if (!v1)
		ASSERT_EQ(0, umount_v1());

	ASSERT_EQ(0, tree_create(v1 ? v1_root : v2_root));
	file1 = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, file1);
	file2 = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, file2);
	ASSERT_EQ(0, register_again("widget", 10));
	ASSERT_EQ(0, register_again("gadget", 5));
}

static void teardown(struct __test_metadata *_metadata)
{
	close(file1);
	close(file2);
	EXPECT_EQ(0, tree_destroy());
}

FIXTURE(misc) {};

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
	setup(_metadata, variant->v1);
}

FIXTURE_TEARDOWN(misc)
{
	teardown(_metadata);
}

static void skip_all(const char *reason)
{
	ksft_print_header();
	ksft_exit_skip("%s\n", reason);
}

static int run_misc_tests(int argc, char **argv)
{
	if (geteuid())
		skip_all("needs to be run as root");
	if (cg_find_unified_root(v2_root, sizeof(v2_root), NULL))
		skip_all("cgroup v2 isn't mounted");
	if (cg_read_strstr(v2_root, "cgroup.controllers", "misc"))
		skip_all("misc controller isn't available on cgroup v2");
	if (!mkdtemp(v1_root))
		skip_all("no temporary directory");
	v2_had_misc = !cg_read_strstr(v2_root, "cgroup.subtree_control", "misc");
	main_pid = getpid();
	atexit(restore_hierarchies);

	return test_harness_run(argc, argv);
}
