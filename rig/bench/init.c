// SPDX-License-Identifier: GPL-2.0
/*
 * init of the benchmark's kernel: makes the cgroups, has the module time what
 * only a kernel can do, and times itself what users do.  Prints lines "bench:
 * CASE DEPTH THREADS RESOURCES NUMBER" to the kernel's log; the number is in ns
 * unless the case says something else.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../guest/lib.h"

#define ROOT	"/cg"
#define RUN	"/sys/module/bench/parameters/run"


static const int depths[] = { 1, 2, 3, 4, 5, 8, 16 };
#define NR_DEPTHS	(sizeof(depths) / sizeof(depths[0]))

static int cpus, resources;

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
		resources, number);
	fclose(log);
}

static void say_number(const char *what, double number)
{
	char text[32];

	snprintf(text, sizeof(text), "%.2f\n", number);
	say(what, 0, 1, text);
}

/* What the module does is "WHAT N". */
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

/*
 * Leaf number @leaf, @depth levels from the root, itself and the root counted,
 * in the chain of cgroups number @chain.
 */
static const char *path(int chain, int depth, int leaf)
{
	static char p[PATH_MAX];
	size_t len = snprintf(p, sizeof(p), ROOT);
	int i;

	for (i = 2; i < depth; i++) {
		len += snprintf(p + len, sizeof(p) - len, "/c%d", chain);
		make_parent(p);
	}
	if (depth > 1) {
		snprintf(p + len, sizeof(p) - len, "/l%d.%d", chain, leaf);
		make(p);
	}
	return p;
}

static void enter(const char *cgroup)
{
	must(cg_put(cgroup, "cgroup.procs", "0"), cgroup);
}

/* The module's thread @n charges this cgroup. */
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
		take(i, path(0, depth, 0));
	run("pair", threads);
	result(threads > 1 ? "pair_same" : "pair_own", depth, threads);
	if (threads == 1 || depth == 1)
		return;

	for (i = 0; i < threads; i++)
		take(i, path(0, depth, i));
	run("pair", threads);
	result("pair_siblings", depth, threads);

	for (i = 0; i < threads; i++)
		take(i, path(i, depth, 0));
	run("pair", threads);
	result("pair_root", depth, threads);
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sys(sched_setaffinity(0, sizeof(set), &set)), "sched_setaffinity");
}

/* One thread charges, another CPU's reads all the time. */
static void with_reader(int depth, const char *what, const char *file)
{
	char buf[4096];
	pid_t reader;
	int fd;

	reader = fork();
	if (!reader) {
		on_cpu(1);
		fd = open(file, O_RDONLY);
		while (pread(fd, buf, sizeof(buf), 0) >= 0)
			;
		_exit(1);
	}
	take(0, path(0, depth, 0));
	run("pair", 1);
	result(what, depth, 1);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
}

/* Reading each file of @cgroup; what stock does not have is left out. */
static void files(const char *cgroup, const char *suffix)
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
		snprintf(text, sizeof(text), "read_%s%s", misc_files[i], suffix);
		result(text, 0, 1);
	}
}

/* What /proc/meminfo says is used by the kernel for all sorts of things. */
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

static void set_max(const char *cgroup, const char *max)
{
	char text[32];

	/* What is charged is the last one, or stock's. */
#ifdef STOCK
	snprintf(text, sizeof(text), "sev %s", max);
#else
	snprintf(text, sizeof(text), "bench%d %s", resources - 1, max);
#endif
	must(cg_put(cgroup, "misc.max", text), text);
}

/* Cgroups number @from to @to, each hundred in a parent of its own. */
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

/* With @n resources, and @more cgroups than those that there are. */
static void set_resources(int n, int cgroups, int more)
{
	double before;

	resources = n;
	run("resources", n);
	/* Until cgroups that were removed before are freed. */
	sleep(2);
	before = memory();
	make_many(cgroups, cgroups + more);
	say_number("bytes_per_cgroup", (memory() - before) / (more + more / 100));
	files(one_of_many(cgroups + 1), "");
	/* In the root, where we are; those that are freed meanwhile are part of it. */
	run("mkdir_rmdir", 0);
	result("mkdir_rmdir", 0, 1);
}

static void register_another(const char *what)
{
	resources++;
	run("resources", resources);
	result(what, 0, 1);
}

static void charging(void)
{
	unsigned int i;
	int threads;

	run("floor", 0);
	result("two_locked_adds", 0, 1);
	for (i = 0; i < NR_DEPTHS; i++) {
		int depth = depths[i];

		for (threads = 1; threads <= cpus;
		     threads += threads < 2 ? 1 : 2)
			pairs(depth, threads);
		if (cpus > 1) {
			with_reader(depth, "pair_own_root_read",
				    ROOT "/misc.current");
			with_reader(depth, "pair_own_leaf_read",
				    strcat((char *)path(0, depth, 0),
					   "/misc.current"));
		}
		take(0, path(1, depth, 1));
		run("climb", 1);
		result("climb", depth, 1);

		enter(path(0, depth, 0));
		run("object", 1);
		result("object", depth, 1);
		enter(ROOT);

		take(0, path(0, depth, 0));
		run("refuse_capacity", 1);
		result("refuse_capacity", depth, 1);
		run("page_counter", depth);
		result("page_counter", depth, 1);
		run("pids", depth);
		result("pids", depth, 1);
		if (depth == 1)
			continue;

		set_max(path(0, depth, 0), "0");
		run("refuse", 1);
		result("refuse_leaf", depth, 1);
		set_max(path(0, depth, 0), "max");

		enter(path(0, depth, 0));
		run("fill", 1);
		enter(path(0, depth, 1));
		run("move", 1);
		result("move", depth, 1);
		run("empty", 1);
		enter(ROOT);
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

	make_many(0, 10);
	register_another("register_10");
	set_resources(1, 10, 990);
	register_another("register_1000");
	charging();
	set_resources(8, 1000, 1000);
	set_resources(63, 2000, 1000);
	make_many(3000, 10000);
	register_another("register_10000");
	files(ROOT, "_of_10000");
	put("bench: done\n", "/dev/kmsg");
	reboot(RB_POWER_OFF);
}
