// SPDX-License-Identifier: GPL-2.0
/*
 * Makes every allocation of an operation fail once: for N = 1, 2, ... the Nth
 * one, until the operation makes fewer.  Each time the operation must fail with
 * ENOMEM, or succeed all the same, and is then undone.  After that the misc.*
 * files must read as before.  Prints TAP.
 *
 * Counters are allocated for four names at once, so that only every fourth new
 * name needs memory for them.  Of the four names that are registered here in a
 * row, one does.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "lib.h"

#define ROOT	"/sys/fs/cgroup"
#define TOP	ROOT "/faults"
#define A	TOP "/a"
#define B	TOP "/b"
#define FRESH	TOP "/fresh"

#define TEST	"lib/test_misc_cg.ko"

/* More than any operation makes: ends an endless loop. */
#define MAX_ALLOCATIONS	5000

/* The first error of the current test */
static char wrong[512];

static __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
	va_list args;

	if (wrong[0])
		return;
	va_start(args, fmt);
	vsnprintf(wrong, sizeof(wrong), fmt, args);
	va_end(args);
}

/* Reads all misc.* files of all cgroups. */
static void read_state(char *buf, size_t size)
{
	static const char * const cgroups[] = { ROOT, TOP, A, B };
	size_t len = 0;
	int i, ret;

	for (i = 0; i < 4 * (int)NR_FILES; i++) {
		const char *file = misc_files[i % NR_FILES];
		const char *cgroup = cgroups[i / NR_FILES];

		ret = cg_get(cgroup, file, buf + len, size - len);
		if (ret < 0 && ret != -ENOENT)
			say("%s/%s: %s", cgroup, file, strerror(-ret));
		len += ret > 0 ? ret : 0;
		len += snprintf(buf + len, size - len, "(%s/%s)\n", cgroup, file);
	}
}

/* Reports the first difference. */
static void compare_states(const char *before, const char *after)
{
	while (*before && *before == *after) {
		before++;
		after++;
	}
	if (*before || *after)
		say("files have changed: '%.40s' was '%.40s'", after, before);
}

/*
 * Operations, each with the operation that undoes it
 */

static int device = -1;

static int device_open(void)
{
	device = open(DEVICE, O_WRONLY | O_CLOEXEC);
	return device < 0 ? -errno : 0;
}

static int device_close(void)
{
	return close(device);
}

static int command(const char *text)
{
	return write(device, text, strlen(text)) < 0 ? -errno : 0;
}

/* After a failure, misc.max must refuse the name: it must not have a slot. */
static int register_name(const char *name)
{
	char text[64];
	int err;

	snprintf(text, sizeof(text), "register %s 5", name);
	err = command(text);
	if (err) {
		fault_arm(0);
		snprintf(text, sizeof(text), "%s 5", name);
		if (cg_put(A, "misc.max", text) != -EINVAL)
			say("misc.max accepts %s, which is not registered", name);
	}
	return err;
}

static int unregister_name(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "unregister %s", name);
	return command(text);
}

static int register_first(void)
{
	return register_name("faults_1");
}

static int unregister_first(void)
{
	return unregister_name("faults_1");
}

static int register_second(void)
{
	return register_name("faults_2");
}

static int unregister_second(void)
{
	return unregister_name("faults_2");
}

static int make_cgroup(void)
{
	return mkdir(FRESH, 0755) ? -errno : 0;
}

static int remove_cgroup(void)
{
	return rmdir(FRESH) ? -errno : 0;
}

static int enter(void)
{
	return cg_put(B, "cgroup.procs", "0");
}

static int leave(void)
{
	return cg_put(A, "cgroup.procs", "0");
}

static int enable(void)
{
	return cg_put(TOP, "cgroup.subtree_control", "+misc");
}

static int disable(void)
{
	return cg_put(TOP, "cgroup.subtree_control", "-misc");
}

static int charge(void)
{
	return command("charge faults_1 2");
}

static int release(void)
{
	return command("release");
}

static int limit(void)
{
	return cg_put(A, "misc.max", "faults_1 3\nfaults_2 max\n");
}

static int unlimit(void)
{
	return cg_put(A, "misc.max", "faults_1 max\nfaults_2 max\n");
}

static int read_files(void)
{
	char buf[4096];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_FILES && ret >= 0; i++)
		ret = cg_get(A, misc_files[i], buf, sizeof(buf));
	return ret < 0 ? ret : 0;
}

static int nothing(void)
{
	return 0;
}

static int load_test(void)
{
	return module_load(TEST, "resources=faults_3:3,faults_4:4");
}

static int unload_test(void)
{
	return module_unload("test_misc_cg");
}

/*
 * Tests
 */

static struct result {
	int n;		/* allocations that were made to fail */
	int absorbed;	/* those after which the operation succeeded */
} result;

/* Ends when @op makes fewer than N allocations; that last @op is not undone. */
static void fail_each(int (*op)(void), int (*undo)(void))
{
	static char before[1 << 16], after[1 << 16];
	int n, err, failed;

	result = (struct result){};
	for (n = 1; !wrong[0]; n++) {
		if (n > MAX_ALLOCATIONS)
			return say("more than %d allocations", MAX_ALLOCATIONS);

		read_state(before, sizeof(before));
		fault_arm(n);
		err = op();
		failed = fault_disarm();
		if (!failed) {
			if (err)
				say("%s without a fault", strerror(-err));
			break;
		}

		result.n++;
		if (err && err != -ENOMEM)
			say("allocation %d: %s", n, strerror(-err));
		if (!err) {
			result.absorbed++;
			err = undo();
			if (err)
				say("allocation %d: not undone: %s", n, strerror(-err));
		}
		read_state(after, sizeof(after));
		compare_states(before, after);
	}
	if (!result.n)
		say("no allocation was made to fail");
}

static const struct test {
	const char *name;
	int (*op)(void);
	int (*undo)(void);
	bool keep;	/* do not undo the last @op: later tests need it */
	const char *under;	/* only allocations below this kernel function */
} tests[] = {
	{ "enable misc", enable, disable, .keep = true },
	{ "make a cgroup", make_cgroup, remove_cgroup },
	{ "enter a cgroup", enter, leave },
	{ "load a provider", load_test, unload_test, .keep = true,
	  .under = "do_one_initcall" },
	{ "open its device", device_open, device_close, .keep = true },
	{ "register a name", register_first, unregister_first, .keep = true },
	{ "register another", register_second, unregister_second, .keep = true },
	{ "charge", charge, release },
	{ "set limits", limit, unlimit },
	{ "read the files", read_files, nothing },
};

#define NR_TESTS (sizeof(tests) / sizeof(tests[0]))

static void run(unsigned int i)
{
	const struct test *t = &tests[i];
	int err;

	wrong[0] = 0;
	err = fault_filter("require", t->under);
	if (err)
		say("%s: %s", t->under, strerror(-err));
	fail_each(t->op, t->undo);
	if (!t->keep && !wrong[0] && t->undo())
		say("not undone");

	printf("# %d allocations failed, without effect: %d\n", result.n,
	       result.absorbed);
	if (wrong[0])
		printf("# %s\n", wrong);
	printf("%s %d %s\n", wrong[0] ? "not ok" : "ok", i + 1, t->name);
}

int main(void)
{
	unsigned int i;
	int failed = 0;

	setbuf(stdout, NULL);
	printf("TAP version 13\n");
	if (fault_init() || fault_open()) {
		printf("1..0 # SKIP the kernel cannot make allocations fail\n");
		return 4;
	}
	if (cg_put(ROOT, "cgroup.subtree_control", "+misc") ||
	    mkdir(TOP, 0755) || mkdir(A, 0755) || mkdir(B, 0755) || leave()) {
		perror("faults: setup");
		return 1;
	}

	printf("1..%zu\n", NR_TESTS);
	for (i = 0; i < NR_TESTS; i++) {
		run(i);
		failed += !!wrong[0];
	}

	device_close();
	unload_test();
	cg_put(ROOT, "cgroup.procs", "0");
	if (rmdir(B) || rmdir(A) || rmdir(TOP)) {
		perror("faults: rmdir");
		failed++;
	}
	return failed > 0;
}
