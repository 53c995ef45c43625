// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a tenant with two branches of 5,000 levels and 1,000 cgroups beside
 * them, and has the module lock_hold make and time the calls that take longest
 * there.  Prints "lock-hold: CASE CONDITION MEDIAN LONGEST" in ns.  The
 * condition is "readers" while two processes read the files of the 1,000
 * cgroups, otherwise "quiet".
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../machine/initramfs/lib.h"

#define ROOT	"/sys/fs/cgroup"
#define TENANT	ROOT "/tenant"
#define MODULE	"/sys/module/lock_hold/parameters/"
#define RUN	MODULE "run"
#define LEVELS	5000	/* the root is the first, a branch's top the third */
#define BESIDE	1000

static const char *condition = "quiet";
static char res[32];

static void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "lock-hold: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static int sys(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* A branch: the path of its top, and the open folder of its deepest level. */
struct branch {
	const char *top;
	int deepest;
};

/* Makes each level from the one above, as paths are limited to 4,096 bytes. */
static void make(struct branch *b)
{
	char path[64];
	int i;

	must(sys(mkdir(b->top, 0755)), b->top);
	must(cg_put(b->top, "cgroup.subtree_control", "+misc"), b->top);
	snprintf(path, sizeof(path), "%s/beside", b->top);
	must(sys(mkdir(path, 0755)), path);
	must(sys(chdir(b->top)), b->top);
	for (i = 4; i <= LEVELS; i++) {
		must(sys(mkdir("c", 0755)), "mkdir");
		must(sys(chdir("c")), "chdir");
		if (i < LEVELS)
			must(put("+misc", "cgroup.subtree_control"), "+misc");
	}
	b->deepest = sys(open(".", O_RDONLY | O_DIRECTORY));
	must(b->deepest, "open");
}

static void enter_deepest(struct branch *b)
{
	must(sys(fchdir(b->deepest)), "fchdir");
	must(put("0", "cgroup.procs"), "cgroup.procs");
}

static void enter_beside(struct branch *b)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/beside", b->top);
	must(cg_put(path, "cgroup.procs", "0"), path);
}

static void run(const char *command)
{
	must(put(command, RUN), command);
}

static void report(const char *what)
{
	char text[64];

	must(get(text, sizeof(text), RUN), RUN);
	printf("lock-hold: %s %s %s", what, condition, text);
	fflush(stdout);
}

/* The resource's number in a file of the branch's top. */
static unsigned long long number(struct branch *b, const char *file)
{
	char text[256], key[64], *line;

	must(cg_get(b->top, file, text, sizeof(text)), file);
	snprintf(key, sizeof(key), "%s ", res);
	line = strstr(text, key);
	if (!line)
		must(-ENOENT, file);
	return strtoull(line + strlen(key), NULL, 10);
}

static void set_max(struct branch *b, const char *max)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %s", res, max);
	must(cg_put(b->top, "misc.max", text), text);
}

static void set_max_to_usage(struct branch *b)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number(b, "misc.current"));
	set_max(b, text);
}

/*
 * Makes each later charge of the deepest level exceed the peak of the top, but
 * of no level below: the first walk finds this at its end.
 */
static void reach_peak(struct branch *b, int slot)
{
	char command[64];

	enter_deepest(b);
	run("raise");
	enter_beside(b);
	snprintf(command, sizeof(command), "hold %d %llu", slot,
		 number(b, "misc.peak") - number(b, "misc.current"));
	run(command);
	enter_deepest(b);
}

static void measure(struct branch *a, struct branch *b)
{
	int ret;

	enter_deepest(a);
	run("raise");
	run("charge");
	report("charge");
	run("release");
	report("release");
	run("read misc.current");
	report("read_current");
	if (!access("misc.max.effective", R_OK)) {
		run("read misc.max.effective");
		report("read_max_effective");
	}

	reach_peak(a, 0);
	run("charge");
	report("charge_new_peak");
	set_max_to_usage(a);
	run("refuse");
	report("refused_charge");

	reach_peak(b, 1);
	ret = put("move", RUN);
	/* Stock has no such call. */
	if (ret != -EOPNOTSUPP) {
		must(ret, "move");
		report("move_new_peak");
		set_max_to_usage(a);
		enter_deepest(a);
		run("refuse_move");
		report("refused_move");
	}

	set_max(a, "max");
	run("release");
	run("drop 0");
	run("drop 1");
}

/* Reads the files of the cgroups beside the branches in an endless loop. */
static void reader(int start)
{
	static const char * const files[] = {
		"misc.current", "misc.peak", "misc.max", "misc.events",
	};
	char path[64], text[256];
	int i, j;

	for (i = start;; i++)
		for (j = 0; j < 4; j++) {
			snprintf(path, sizeof(path), TENANT "/many%d", i % BESIDE);
			must(cg_get(path, files[j], text, sizeof(text)), path);
		}
}

int main(void)
{
	struct branch a = { .top = TENANT "/a" }, b = { .top = TENANT "/b" };
	pid_t readers[2];
	int i, fd;
	char path[64];

	fd = open("/rig/lock_hold.ko", O_RDONLY);
	must(sys(syscall(SYS_finit_module, fd, "", 0)), "lock_hold.ko");
	must(get(res, sizeof(res), MODULE "name"), "name");
	res[strcspn(res, "\n")] = 0;

	must(cg_put(ROOT, "cgroup.subtree_control", "+misc"), ROOT);
	must(sys(mkdir(TENANT, 0755)), TENANT);
	must(cg_put(TENANT, "cgroup.subtree_control", "+misc"), TENANT);
	for (i = 0; i < BESIDE; i++) {
		snprintf(path, sizeof(path), TENANT "/many%d", i);
		must(sys(mkdir(path, 0755)), path);
	}
	make(&a);
	make(&b);

	measure(&a, &b);
	for (i = 0; i < 2; i++) {
		readers[i] = fork();
		if (!readers[i])
			reader(i * BESIDE / 2);
	}
	condition = "readers";
	measure(&a, &b);
	for (i = 0; i < 2; i++) {
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
	}
	return 0;
}
