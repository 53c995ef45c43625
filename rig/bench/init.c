// SPDX-License-Identifier: GPL-2.0
/*
 * init of the benchmark's kernel: makes the cgroups, has the module bench time
 * the calls, and measures the memory of cgroups.  Prints lines "bench: CASE
 * DEPTH THREADS NAMES NUMBER" to the kernel's log.  The number is in ns, for
 * bytes_per_cgroup in bytes.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../machine/initramfs/lib.h"

#define ROOT	"/cg"
#define RUN	"/sys/module/bench/parameters/run"

static const int depths[] = { 1, 2, 5, 16 };

static int cpus, names;

static void must(int ret, const char *what)
{
	FILE *log;

	if (ret >= 0)
		return;
	log = fopen("/dev/kmsg", "w");
	fprintf(log, "bench: FAILED: %s: %s\n", what, strerror(-ret));
	fclose(log);
	reboot(RB_POWER_OFF);
}

static int sys(int ret)
{
	return ret < 0 ? -errno : ret;
}

static void say(const char *what, int depth, int threads, const char *number)
{
	FILE *log = fopen("/dev/kmsg", "w");

	fprintf(log, "bench: %s %d %d %d %s\n", what, depth, threads,
		names, number);
	fclose(log);
}

static void say_number(const char *what, double number)
{
	char text[32];

	snprintf(text, sizeof(text), "%.2f\n", number);
	say(what, 0, 1, text);
}

/* Sends the command "WHAT N" to the module. */
static void run(const char *what, int n)
{
	char command[32];

	snprintf(command, sizeof(command), "%s %d", what, n);
	must(put(command, RUN), command);
}

static void result(const char *what, int depth, int threads)
{
	char number[32];

	must(get(number, sizeof(number), RUN), RUN);
	say(what, depth, threads, number);
}

static void make(const char *cgroup)
{
	if (mkdir(cgroup, 0755) && errno != EEXIST)
		must(-errno, cgroup);
}

static void make_parent(const char *cgroup)
{
	make(cgroup);
	must(cg_put(cgroup, "cgroup.subtree_control", "+misc"), cgroup);
}

/* Makes leaf number @leaf at @depth, where the root has depth 1. */
static const char *path(int depth, int leaf)
{
	static char p[PATH_MAX];
	size_t len = snprintf(p, sizeof(p), ROOT);
	int i;

	for (i = 2; i < depth; i++) {
		len += snprintf(p + len, sizeof(p) - len, "/c");
		make_parent(p);
	}
	if (depth > 1) {
		snprintf(p + len, sizeof(p) - len, "/leaf%d", leaf);
		make(p);
	}
	return p;
}

static void enter(const char *cgroup)
{
	must(cg_put(cgroup, "cgroup.procs", "0"), cgroup);
}

/* Thread @n of the module is to charge this cgroup. */
static void take(int n, const char *cgroup)
{
	enter(cgroup);
	run("take", n);
	enter(ROOT);
}

static void pairs(int depth, int threads)
{
	int i;

	for (i = 0; i < threads; i++)
		take(i, path(depth, 0));
	run("pair", threads);
	result(threads > 1 ? "pair_same" : "pair", depth, threads);
	if (depth == 1)
		return;

	if (threads == 1) {
		take(1, path(depth, 1));
		run("turns", 0);
		result("pair_by_turns", depth, 1);
		return;
	}
	for (i = 0; i < threads; i++)
		take(i, path(depth, i));
	run("pair", threads);
	result("pair_siblings", depth, threads);
}

/* Times reading each file of @cgroup; stock lacks some of them. */
static void files(const char *cgroup)
{
	char text[PATH_MAX];
	unsigned int i;

	for (i = 0; i < NR_FILES; i++) {
		snprintf(text, sizeof(text), "%s/%s", cgroup, misc_files[i]);
		if (access(text, R_OK))
			continue;
		snprintf(text, sizeof(text), "read %s/%s", cgroup,
			 misc_files[i]);
		must(put(text, RUN), text);
		snprintf(text, sizeof(text), "read_%s", misc_files[i]);
		result(text, 0, 1);
	}
}

/* Memory of the kernel's slabs and per-CPU allocations, in bytes. */
static double memory(void)
{
	char buf[4096], *p;
	static const char * const keys[] = { "\nSlab:", "\nPercpu:" };
	double kib = 0;
	unsigned int i;

	must(get(buf, sizeof(buf), "/proc/meminfo"), "/proc/meminfo");
	for (i = 0; i < 2; i++) {
		p = strstr(buf, keys[i]);
		kib += p ? atof(p + strlen(keys[i])) : 0;
	}
	return kib * 1024;
}

/* The path of cgroup number @i.  Each hundred cgroups have one parent. */
static const char *one_of_many(int i)
{
	static char name[64];

	snprintf(name, sizeof(name), ROOT "/many%d", i / 100);
	if (i % 100 == 0)
		make_parent(name);
	snprintf(name, sizeof(name), ROOT "/many%d/%d", i / 100, i);
	return name;
}

static void make_many(int from, int to)
{
	for (; from < to; from++)
		make(one_of_many(from));
}

/* Measures with @n names, and makes 1,000 more cgroups. */
static void with_names(int n)
{
	static int cgroups;
	double before;

	names = n;
	run("names", n);
	/* Wait until removed cgroups are freed. */
	sleep(2);
	before = memory();
	make_many(cgroups, cgroups + 1000);
	say_number("bytes_per_cgroup", (memory() - before) / (1000 + 10));
	files(one_of_many(cgroups + 1));
	cgroups += 1000;
	/* This process is in the root. */
	run("mkdir_rmdir", 0);
	result("mkdir_rmdir", 0, 1);
}

static void charging(void)
{
	unsigned int i;

	run("floor", 0);
	result("two_locked_adds", 0, 1);
	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		pairs(depths[i], 1);
		if (cpus > 1)
			pairs(depths[i], 2);
	}
}

int main(void)
{
	int fd;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir(ROOT, 0755);
	must(sys(mount("dev", "/dev", "devtmpfs", 0, NULL)), "/dev");
	must(sys(mount("proc", "/proc", "proc", 0, NULL)), "/proc");
	must(sys(mount("sysfs", "/sys", "sysfs", 0, NULL)), "/sys");
	must(sys(mount("cgroup2", ROOT, "cgroup2", 0, NULL)), ROOT);
	must(cg_put(ROOT, "cgroup.subtree_control", "+misc"), ROOT);
	fd = open("/bench.ko", O_RDONLY);
	must(sys(syscall(SYS_finit_module, fd, "", 0)), "bench.ko");
	cpus = sysconf(_SC_NPROCESSORS_ONLN);

	with_names(3);
	charging();
	with_names(8);
	with_names(64);
	put("bench: done\n", "/dev/kmsg");
	reboot(RB_POWER_OFF);
}
