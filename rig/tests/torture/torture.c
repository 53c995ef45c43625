// SPDX-License-Identifier: GPL-2.0
/*
 * Stress test of the controller from user space.
 *
 *	torture SECONDS SEED
 *
 * Runs half of the time on cgroup v2, half on a v1 hierarchy.  Many workers
 * charge, move and release through /dev/test_misc_cg and as SEV, SEV-ES and
 * SEV-SNP VMs, write limits and capacities, make and remove cgroups, migrate
 * tasks, and are killed; if the kernel has fault injection, allocations fail
 * meanwhile.  Each worker checks the results of its calls; readers check
 * invariants of the files.  The conductor starts the workers.
 *
 * Every REST_EVERY seconds the workers release all charges and rest.  Then all
 * usage must be 0; the modules are unloaded and loaded again, and the limits
 * must remain, also those that are set while the modules are unloaded.  The
 * refusals in the kernel's log are checked, too.
 *
 * The first error ends the test.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm_snp.h"
#include "lib.h"

#define V2_ROOT		"/sys/fs/cgroup"
#define V1_ROOT		"/tmp/v1"
#define KUNIT		"/sys/kernel/debug/kunit/misc_cg_threads"

#define ARRAY_SIZE(a)	((int)(sizeof(a) / sizeof((a)[0])))

#define REST_EVERY	10	/* seconds */
#define SAY_EVERY	30
#define PATIENCE	60
#define MAX_NAMES	40	/* of the kernel's 64 */

/*
 * Resources
 */

enum { WILD, SEVEN, STEADY, STILL, SEV, SEV_ES, NR_RESOURCES };

static const struct resource {
	const char *name;
	unsigned int capacity;
} resources[NR_RESOURCES] = {
	/* Registered and unregistered, with any capacity and amounts. */
	[WILD] = { "torture_wild", 50 },
	/* The same, but all amounts and thus all sums are multiples of 7. */
	[SEVEN] = { "torture_seven", 350 },
	/* Always registered, with this capacity. */
	[STEADY] = { "torture_steady", 60 },
	/* The same; charged only by movers, only below moves/. */
	[STILL] = { "torture_still", 1000 },
	/* The ASIDs of the test machine. */
	[SEV] = { "sev", 10 },
	[SEV_ES] = { "sev_es", 5 },
};

#define PARAMETERS \
	"resources=torture_wild:50,torture_seven:350,torture_steady:60,torture_still:1000"

/* Charges of STILL that every mover holds, and the amount of each. */
#define MOVER_FILES	4
#define MOVER_AMOUNT	3

/*
 * The cgroups that exist from the beginning to the end
 */

enum {
	LEAF	= 1,	/* has tasks */
	TREE	= 2,	/* limiters write its limits */
	FIXED	= 4,	/* its limits only change while there is no provider */
	MOVES	= 8,	/* only movers charge here */
};

/*
 * Churners make and remove cgroups below this one.  The longest of their paths
 * are longer than the paths in the log.
 */
#define NAME_50	"name_of_fifty_characters_0123456789_0123456789_012"
#define NAME_170 NAME_50 NAME_50 NAME_50 "_and_twenty_more_012"
#define CHURN	"churn/" NAME_170 "/" NAME_170
#define CHURN_SIZE 600	/* of a buffer for a path below CHURN */

static struct cgroup {
	const char *name;
	int flags;
	int max;	/* limit of STEADY, if FIXED */
	int max_sev;	/* limit of SEV, if FIXED */
} cgroups[] = {
	{ "" },
	{ "tree", TREE },
	{ "tree/a", TREE },
	{ "tree/a/a", TREE },
	{ "tree/a/a/a", TREE | LEAF },
	{ "tree/a/a/b", TREE | LEAF },
	{ "tree/a/b", TREE },
	{ "tree/a/b/a", TREE },
	{ "tree/a/b/a/a", TREE | LEAF },
	{ "tree/b", TREE },
	{ "tree/b/a", TREE | LEAF },
	{ "tree/b/b", TREE | LEAF },
	{ "fixed", FIXED, 12, 3 },
	{ "fixed/a", FIXED | LEAF, 7, 1 },
	{ "fixed/b", FIXED | LEAF, 8, 2 },
	{ "lower" },
	{ "lower/a", LEAF },
	{ "lower/b" },
	{ "lower/b/a", LEAF },
	{ "moves", MOVES },
	{ "moves/a", MOVES | LEAF },
	{ "moves/b", MOVES },
	{ "moves/b/a", MOVES | LEAF },
	{ "moves/b/b", MOVES | LEAF },
	{ "switch" },
	{ "switch/a", LEAF },
	{ "churn" },
	{ "churn/" NAME_170 },
	{ CHURN },
};

#define NR_CGROUPS	ARRAY_SIZE(cgroups)

static bool v1;
static char top[64];

static const char *path_of(const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

/*
 * Data shared by all processes
 */

enum {
	GRANTED, REFUSED, MOVED, VMS, SNP_VMS, MADE, REMOVED, ENTERED, WRITES, READS,
	FAULTS, KILLS, RESTS, LOADS, NAMES, KUNITS, LOGGED, CUT, NR_COUNTS
};

static const char * const count_names[NR_COUNTS] = {
	"charges granted", "refused", "moved", "VMs", "of SEV-SNP",
	"cgroups made", "removed", "tasks moved", "writes", "files read and checked",
	"allocations failed", "owners killed", "times all at rest",
	"modules loaded", "new names", "KUnit runs", "refusals logged",
	"with a path cut",
};

static struct shared {
	bool stop;
	bool rest;		/* release everything and wait */
	int resting;
	long counts[NR_COUNTS];
	int movers_ready, moves_generation;
	pid_t migrate[16];
	int nr_migrate;
	bool failed;
	char error[1024];
} *shared;

#define get_shared(what)	__atomic_load_n(&shared->what, __ATOMIC_SEQ_CST)
#define set_shared(what, value)	__atomic_store_n(&shared->what, value, __ATOMIC_SEQ_CST)
#define add_shared(what, n)	__atomic_add_fetch(&shared->what, n, __ATOMIC_SEQ_CST)

static void count(int what)
{
	add_shared(counts[what], 1);
}

/* Ends this process and stops the test; main() prints the first error. */
static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&shared->failed, true, __ATOMIC_SEQ_CST)) {
		va_start(args, fmt);
		vsnprintf(shared->error, sizeof(shared->error), fmt, args);
		va_end(args);
	}
	set_shared(stop, true);
	_exit(1);
}

static uint64_t seed;

static unsigned int any(unsigned int below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/*
 * Faults: in one operation of sixteen the Nth allocation fails, if the
 * operation makes that many
 */

static bool faults;	/* the kernel has fault injection */
static bool faulty, armed;

static void begin(void)
{
	armed = faulty && !any(16);
	if (armed)
		fault_arm(1 + any(12));
}

/*
 * The error of the operation.  ENOMEM becomes ENOANO, which no caller accepts,
 * unless an allocation was made to fail.
 */
static int end(int err)
{
	if (armed && fault_disarm()) {
		count(FAULTS);
		armed = false;
		return err;
	}
	armed = false;
	return err == -ENOMEM ? -ENOANO : err;
}

static const char *text_of(int err)
{
	return err == -ENOANO ? "ENOMEM without a fault" : strerror(-err);
}

/*
 * Parts of the workers' steps
 */

static int enter(const char *name)
{
	int err;

	begin();
	err = end(cg_put(path_of(name), "cgroup.procs", "0"));
	if (err && err != -ENOMEM)
		fail("%s: cannot be entered: %s", name, text_of(err));
	count(ENTERED);
	return err;
}

/* A random cgroup that has all flags of @all and none of @none. */
static const char *any_cgroup(int all, int none)
{
	const struct cgroup *c;

	do {
		c = &cgroups[any(NR_CGROUPS)];
	} while ((c->flags & all) != all || c->flags & none);
	return c->name;
}

static int leave_to_anywhere(void)
{
	return enter(any_cgroup(LEAF, MOVES));
}

static void __attribute__((noinline)) rest(void (*let_go)(void))
{
	let_go();
	add_shared(resting, 1);
	while (get_shared(rest) && !get_shared(stop))
		usleep(2000);
	add_shared(resting, -1);
}

/* Open files of the device; each may hold a charge. */
#define NR_FDS	6

static struct {
	int fd;
	bool held;
} fds[NR_FDS];

static int device_command(int fd, const char *text)
{
	int err;

	begin();
	err = end(write(fd, text, strlen(text)) < 0 ? -errno : 0);
	count(WRITES);
	return err;
}

static bool device_open(int i)
{
	int err;

	if (fds[i].fd > 0)
		return true;
	begin();
	fds[i].fd = open(DEVICE, O_WRONLY | O_CLOEXEC);
	err = end(fds[i].fd < 0 ? -errno : 0);
	if (err && err != -ENOMEM)
		fail("%s: %s", DEVICE, text_of(err));
	return !err;
}

static void device_close(int i)
{
	if (fds[i].fd > 0)
		close(fds[i].fd);
	fds[i].fd = 0;
	fds[i].held = false;
}

static void device_close_all(void)
{
	int i;

	for (i = 0; i < NR_FDS; i++)
		device_close(i);
}

static void charge(int i, int r)
{
	const struct resource *res = &resources[r];
	bool huge = !any(20);
	char text[64];
	uint64_t amount;
	int err;

	if (r == SEVEN)
		amount = huge ? UINT64_MAX - 1 : 7 * (1 + any(6));
	else
		amount = huge ? UINT64_MAX - any(70) : 1 + any(5);
	snprintf(text, sizeof(text), "charge%s %s %llu", any(4) ? "" : "-opener",
		 res->name, (unsigned long long)amount);
	err = device_command(fds[i].fd, text);
	switch (err) {
	case 0:
		if (fds[i].held)
			fail("%s: a file that holds a charge was charged again", text);
		if (huge)
			fail("%s: granted, but the capacity was never above 700", text);
		fds[i].held = true;
		count(GRANTED);
		break;
	case -EBUSY:
	case -ENOSPC:
		count(REFUSED);
		break;
	case -ENODEV:
		if (r == STEADY)
			fail("%s: %s, but it is registered", text, text_of(err));
		break;
	case -EINVAL:
		if (!fds[i].held)
			fail("%s: %s", text, text_of(err));
		break;
	case -ENOMEM:
		break;
	default:
		fail("%s: %s", text, text_of(err));
	}
}

static void move(int i)
{
	int err = device_command(fds[i].fd, "move");

	if (err == -EBUSY)
		count(REFUSED);
	else if (!err)
		count(MOVED);
	else if (err != -ENOMEM)
		fail("move: %s", text_of(err));
}

static void charger(void)
{
	int i = any(NR_FDS);

	if (!any(8))
		leave_to_anywhere();
	if (!device_open(i))
		return;
	switch (any(8)) {
	case 0 ... 3:
		charge(i, any(3));
		break;
	case 4 ... 5:
		move(i);
		break;
	case 6:
		if (!device_command(fds[i].fd, "release"))
			fds[i].held = false;
		break;
	case 7:
		device_close(i);
		break;
	}
}

/* Migrates tasks of chargers. */
static void migrator(void)
{
	char pid[16];
	int err;

	snprintf(pid, sizeof(pid), "%d", shared->migrate[any(shared->nr_migrate)]);
	begin();
	err = end(cg_put(path_of(any_cgroup(LEAF, MOVES)), "cgroup.procs", pid));
	if (err && err != -ENOMEM && !get_shared(stop))
		fail("task %s: cannot be moved: %s", pid, text_of(err));
	count(ENTERED);
	usleep(1000);
}

/* Moves charges of constant amounts. */
static bool mover_ready;

static void mover(void)
{
	char text[64];
	int i, err;

	if (!mover_ready) {
		snprintf(text, sizeof(text), "charge %s %d", resources[STILL].name,
			 MOVER_AMOUNT);
		while (enter(any_cgroup(MOVES | LEAF, 0)))
			;
		for (i = 0; i < MOVER_FILES; i++) {
			while (!device_open(i))
				;
			do {
				err = device_command(fds[i].fd, text);
			} while (err == -ENOMEM);
			if (err)
				fail("%s: %s", text, text_of(err));
			fds[i].held = true;
			count(GRANTED);
		}
		mover_ready = true;
		add_shared(moves_generation, 1);
		add_shared(movers_ready, 1);
	}

	enter(any_cgroup(MOVES | LEAF, 0));
	err = device_command(fds[any(MOVER_FILES)].fd, "move");
	if (err && err != -ENOMEM)
		fail("move without any limit: %s", text_of(err));
	if (!err)
		count(MOVED);
}

static void mover_let_go(void)
{
	if (mover_ready) {
		add_shared(movers_ready, -1);
		add_shared(moves_generation, 1);
	}
	mover_ready = false;
	device_close_all();
}

/*
 * Limits
 */

/* The value in the line of @name, NULL if there is no such line. */
static const char *value_of(const char *buf, const char *name)
{
	size_t len = strlen(name);

	for (; *buf; buf = strchr(buf, '\n') + 1) {
		if (!strncmp(buf, name, len) && buf[len] == ' ')
			return buf + len + 1;
		if (!strchr(buf, '\n'))
			break;
	}
	return NULL;
}

static uint64_t number_of(const char *buf, const char *name)
{
	const char *value = value_of(buf, name);

	if (!value)
		return 0;
	return !strncmp(value, "max", 3) ? UINT64_MAX : strtoull(value, NULL, 10);
}

static void read_file(const char *name, const char *file, char *buf, size_t size)
{
	int err;

	begin();
	err = cg_get(path_of(name), file, buf, size);
	err = end(err < 0 ? err : 0);
	if (err == -ENOMEM)
		err = cg_get(path_of(name), file, buf, size);
	if (err < 0)
		fail("%s/%s: %s", name, file, text_of(err));
	count(READS);
}

static int nr_limiters, this_limiter;
static uint64_t limits[NR_CGROUPS][NR_RESOURCES];

/* A cgroup's limits have one writer, and must read as it wrote them. */
static void limiter(void)
{
	static const struct {
		const char *text;
		int err;
	} nonsense[] = {
		{ "torture_nonsense 1\n", -EINVAL },
		{ "torture_steady", -EINVAL },
		{ "torture_steady 1 2", -EINVAL },
		{ "torture_steady -1", -EINVAL },
		{ "torture_steady 5\ntorture_steady 6\n", -EINVAL },
		{ "torture_steady 5\ntorture_wild 6\ntorture 7\n", -EINVAL },
		{ "torture_steady 18446744073709551616\n", -ERANGE },
		{ "\n", -EINVAL },
	};
	int c, r, n, err, expected = 0;
	uint64_t new[NR_RESOURCES];
	char text[512] = "", buf[4096];
	size_t len = 0;

	do {
		c = any(NR_CGROUPS);
	} while (!(cgroups[c].flags & TREE) || c % nr_limiters != this_limiter);

	memcpy(new, limits[c], sizeof(new));
	if (any(4)) {
		for (n = 1 + any(3), r = any(3); n--; r++) {
			new[r] = any(3) ? any(r == SEVEN ? 200 : 30) : UINT64_MAX;
			len += snprintf(text + len, sizeof(text) - len,
					new[r] == UINT64_MAX ? "%s max\n" :
					any(2) ? "%s %llu\n" : " %s\t %#llx\n",
					resources[r].name, (unsigned long long)new[r]);
		}
	} else {
		n = any(ARRAY_SIZE(nonsense));
		snprintf(text, sizeof(text), "%s", nonsense[n].text);
		expected = nonsense[n].err;
	}

	begin();
	err = end(cg_put(path_of(cgroups[c].name), "misc.max", text));
	count(WRITES);
	if (err != expected && err != -ENOMEM)
		fail("%s/misc.max: '%s': %s, not %s", cgroups[c].name, text,
		     text_of(err), strerror(-expected));
	if (!err)
		memcpy(limits[c], new, sizeof(new));

	read_file(cgroups[c].name, "misc.max", buf, sizeof(buf));
	for (r = 0; r < NR_RESOURCES; r++)
		if (value_of(buf, resources[r].name) &&
		    number_of(buf, resources[r].name) != limits[c][r])
			fail("%s/misc.max: %s is %llu, %llu was written", cgroups[c].name,
			     resources[r].name,
			     (unsigned long long)number_of(buf, resources[r].name),
			     (unsigned long long)limits[c][r]);
	usleep(1000);
}

static void nothing(void)
{
}

/* After a write of a limit returns, no charge beyond the limit is granted. */
static void lowerer(void)
{
	const char *name = resources[STEADY].name;
	unsigned int max = any(20);
	uint64_t now, before;
	char text[64], buf[4096];
	int i, err;

	snprintf(text, sizeof(text), "%s %u", name, max);
	begin();
	err = end(cg_put(path_of("lower"), "misc.max", text));
	count(WRITES);
	if (err == -ENOMEM)
		return;
	if (err)
		fail("lower/misc.max: '%s': %s", text, text_of(err));

	before = UINT64_MAX;
	for (i = 0; i < 30; i++) {
		read_file("lower", "misc.current", buf, sizeof(buf));
		now = number_of(buf, name);
		if (now > before && now > max)
			fail("lower/misc.current: %llu after %llu, with a max of %u",
			     (unsigned long long)now, (unsigned long long)before, max);
		before = now;
	}
}

/*
 * Resources that are registered and unregistered
 */

static bool registered[2];

/* Registers a new name, for which also new cgroups must have counters. */
static void new_name(void)
{
	static long last;
	char text[64];
	int err;

	if (get_shared(counts[NAMES]) == MAX_NAMES || now() - last < REST_EVERY)
		return;
	last = now();
	snprintf(text, sizeof(text), "register new_%ld 1000", get_shared(counts[NAMES]));
	err = device_command(fds[0].fd, text);
	if (!err)
		count(NAMES);
	else if (err != -ENOMEM)
		fail("%s: %s", text, text_of(err));
}

/* Charges the newest name, or the next one, which may just be registered. */
static void charge_newest_name(int i)
{
	char text[64];
	int err;

	snprintf(text, sizeof(text), "charge new_%ld 1", get_shared(counts[NAMES]) - any(2));
	err = device_command(fds[i].fd, text);
	if (!err)
		fds[i].held = true;
	/* Not registered yet, or the modules have been loaded again since. */
	else if (err != -ENODEV && err != -ENOMEM && err != -EINVAL)
		fail("%s: %s", text, text_of(err));
}

static void provider(void)
{
	int r = any(2), err, expected;
	unsigned int number = any(4) ? any(r == SEVEN ? 700 : 100) : 0;
	char text[64];

	if (!device_open(0))
		return;
	new_name();
	switch (any(4)) {
	case 0:
		snprintf(text, sizeof(text), "unregister %s", resources[r].name);
		expected = registered[r] ? 0 : -ENODEV;
		break;
	case 1:
		snprintf(text, sizeof(text), "capacity %s %u", resources[r].name,
			 number);
		expected = registered[r] ? 0 : -ENODEV;
		break;
	default:
		snprintf(text, sizeof(text), "register %s %u", resources[r].name,
			 number);
		expected = registered[r] ? -EEXIST : 0;
		break;
	}
	err = device_command(fds[0].fd, text);
	if (err == expected && !err)
		registered[r] = text[0] == 'u' ? false : true;
	else if (err != expected && err != -ENOMEM)
		fail("%s: %s, not %s", text, text_of(err), strerror(-expected));
	usleep(10000);
}

/* The modules are loaded again before the provider continues. */
static void provider_let_go(void)
{
	device_close_all();
	registered[WILD] = registered[SEVEN] = true;
}

/*
 * Cgroups that are made and removed
 */

static int this_churner;

static int make_cgroup(const char *name)
{
	int err;

	do {
		begin();
		err = end(mkdir(path_of(name), 0755) ? -errno : 0);
	} while (err == -ENOMEM);
	if (err)
		fail("%s: mkdir: %s", name, text_of(err));
	count(MADE);
	return 0;
}

static void remove_cgroup(const char *name)
{
	if (rmdir(path_of(name)))
		fail("%s: rmdir: %s", name, strerror(errno));
	count(REMOVED);
}

/* Removes cgroups that hold charges, then moves or releases the charges. */
static void churner(void)
{
	char outer[CHURN_SIZE], inner[CHURN_SIZE + 100], text[CHURN_SIZE + 200];
	struct pollfd events = { .events = POLLPRI };
	char longer[80] = "";
	int i, err;

	if (any(4))
		memset(longer, 'x', any(sizeof(longer)));
	snprintf(outer, sizeof(outer), CHURN "/%d", this_churner);
	snprintf(inner, sizeof(inner), "%s/inner%s", outer, longer);
	make_cgroup(outer);
	while (!v1) {
		begin();
		err = end(cg_put(path_of(outer), "cgroup.subtree_control", "+misc"));
		if (!err)
			break;
		if (err != -ENOMEM)
			fail("%s: +misc: %s", outer, text_of(err));
	}
	make_cgroup(inner);

	snprintf(text, sizeof(text), "%s %u", resources[STEADY].name, any(10));
	err = cg_put(path_of(inner), "misc.max", text);
	if (err)
		fail("%s/misc.max: '%s': %s", inner, text, strerror(-err));
	snprintf(text, sizeof(text), "%s/misc.events", inner);
	events.fd = open(path_of(text), O_RDONLY | O_CLOEXEC);

	while (enter(inner))
		;
	for (i = 0; i < NR_FDS; i++) {
		if (!device_open(i))
			continue;
		if (any(4))
			charge(i, any(3));
		else
			charge_newest_name(i);
	}
	poll(&events, 1, any(3));
	while (leave_to_anywhere())
		;
	remove_cgroup(inner);
	remove_cgroup(outer);
	close(events.fd);
	for (i = 0; i < NR_FDS; i++) {
		if (fds[i].fd > 0 && any(2))
			move(i);
		if (any(4))
			device_close(i);
	}
}

/* Disables and enables the controller in a cgroup whose tasks charge. */
static void switcher(void)
{
	static bool on = true;
	int err;

	if (!v1) {
		begin();
		err = end(cg_put(path_of("switch"), "cgroup.subtree_control",
				 on ? "-misc" : "+misc"));
		if (!err)
			on = !on;
		else if (err != -ENOMEM)
			fail("switch: %smisc: %s", on ? "-" : "+", text_of(err));
	}
	usleep(5000);
}

/*
 * Owners that are killed
 */

static int kvm = -1, sev = -1;
static void vm_worker(void);

static void killer(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* The open fail-nth file is that of the parent. */
		faulty = false;
		for (;;) {
			charger();
			if (!any(20))
				vm_worker();
		}
	}
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	usleep(any(40000));
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid: %s", strerror(errno));
	count(KILLS);
}

/*
 * SEV VMs
 */

#define NR_VMS	4

static struct {
	int fd;
	bool mirror, snp;
} vms[NR_VMS];

static void vm_close(int i)
{
	if (vms[i].fd > 0)
		close(vms[i].fd);
	vms[i].fd = 0;
	vms[i].mirror = vms[i].snp = false;
}

static void vms_let_go(void)
{
	int i;

	for (i = 0; i < NR_VMS; i++)
		vm_close(i);
	if (kvm >= 0)
		close(kvm);
	if (sev >= 0)
		close(sev);
	kvm = -1;
	sev = -1;
}

/* Creates a VM with the encryption context of VM @from; -1: with a new ASID. */
static int vm_create(int how, int from)
{
	struct snp_init init = { 0 };
	struct kvm_sev_cmd cmd = {
		.id = how,
		.data = (unsigned long)&init,
		.sev_fd = sev,
	};
	struct kvm_enable_cap cap = { .cap = how, .args[0] = from };
	bool snp = from < 0 && how == SNP_INIT2;
	int err, vm;

	begin();
	vm = ioctl(kvm, KVM_CREATE_VM, snp ? KVM_X86_SNP_VM : 0);
	err = end(vm < 0 ? -errno : 0);
	if (err)
		return err;
	begin();
	if (from < 0)
		err = ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd) ? -errno : 0;
	else
		err = ioctl(vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
	/* That is how KVM calls a page that it could not give to the firmware. */
	err = end(snp && err == -EIO ? -ENOMEM : err);
	if (!err)
		return vm;
	close(vm);
	return err;
}

/* With a context in the firmware, or without. */
static int snp_create(void)
{
	struct snp_launch_start start = { .policy = SNP_POLICY };
	struct kvm_sev_cmd cmd = {
		.id = SNP_LAUNCH_START,
		.data = (unsigned long)&start,
		.sev_fd = sev,
	};
	int vm = vm_create(SNP_INIT2, -1);

	if (vm > 0 && any(2) && ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd))
		fail("SEV-SNP VM: no launch: %s, firmware error %#x", strerror(errno), cmd.error);
	return vm;
}

static bool has_snp(void)
{
	return ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) & 1 << KVM_X86_SNP_VM;
}

static void vm_worker(void)
{
	int i = any(NR_VMS), j = any(NR_VMS), vm;
	bool snp;

	if (kvm < 0) {
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
		if (kvm < 0 || sev < 0)
			fail("/dev/kvm, /dev/sev: %s", strerror(errno));
	}
	if (!any(2))
		leave_to_anywhere();

	if (vms[i].fd <= 0) {
		snp = !any(3) && has_snp();
		vm = snp ? snp_create() : vm_create(any(2) ? KVM_SEV_INIT : KVM_SEV_ES_INIT, -1);
		if (vm > 0) {
			vms[i].fd = vm;
			vms[i].snp = snp;
			count(VMS);
			if (snp)
				count(SNP_VMS);
		} else if (vm == -EBUSY) {
			count(REFUSED);
		} else if (vm != -ENOMEM) {
			fail("SEV VM: %s", text_of(vm));
		}
	} else if (!any(3)) {
		vm = vm_create(KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, vms[i].fd);
		if (vm > 0) {
			close(vms[i].fd);
			vms[i].fd = vm;
			count(MOVED);
		} else if (vm == -EBUSY && !vms[i].mirror) {
			count(REFUSED);
		} else if (vm != -ENOMEM && !(vm == -EINVAL && vms[i].snp)) {
			fail("SEV VM: not moved: %s", text_of(vm));
		}
	} else if (!any(3) && vms[j].fd <= 0 && !vms[i].mirror && !vms[i].snp) {
		vm = vm_create(KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, vms[i].fd);
		if (vm > 0) {
			vms[j].fd = vm;
			vms[j].mirror = true;
		} else if (vm != -ENOMEM) {
			fail("SEV VM: not mirrored: %s", text_of(vm));
		}
	} else {
		vm_close(i);
	}
}

/*
 * Readers
 */

/* All lines must be "NAME NUMBER", with no name twice. */
static void check_grammar(const char *where, int file, const char *buf)
{
	bool events = file >= 5;
	char seen[64][40];
	int i, n = 0, len, digits;
	const char *p = buf;
	char end;

	while (*p) {
		len = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
		if (events)
			len += strspn(p + len, ".") + strspn(p + len + 1, "abcdefghijklmnopqrstuvwxyz_");
		if (!len || len >= 40 || p[len] != ' ' || n == 64)
			break;
		snprintf(seen[n], sizeof(seen[n]), "%.*s", len, p);
		if (events && !strstr(seen[n], ".max") &&
		    !(file == 6 && strstr(seen[n], ".alloc_fail")))
			break;
		for (i = 0; i < n; i++)
			if (!strcmp(seen[i], seen[n]))
				fail("%s: '%s' twice: %s", where, seen[n], buf);
		n++;
		p += len + 1;
		if (file == 3 && !strncmp(p, "max\n", 4)) {
			p += 4;
			continue;
		}
		if (sscanf(p, "%*20[0-9]%n%c", &digits, &end) != 1 || end != '\n')
			break;
		p += digits + 1;
	}
	if (*p)
		fail("%s: not 'NAME NUMBER': '%.60s' in '%s'", where, p, buf);
}

enum { CAPACITY, CURRENT, PEAK, MAX, EFFECTIVE, EVENTS, EVENTS_LOCAL };

struct history {
	uint64_t peak, max, local_max, alloc_fail;
};

static void never_less(const char *what, const struct cgroup *c, int r,
		       uint64_t *old, uint64_t new)
{
	if (new < *old)
		fail("%s/%s: %s is %llu after %llu", c->name, what,
		     resources[r].name, (unsigned long long)new,
		     (unsigned long long)*old);
	*old = new;
}

static void check_resource(struct cgroup *c, int r, char text[][4096])
{
	static struct history histories[NR_CGROUPS][NR_RESOURCES];
	struct history *h = &histories[c - cgroups][r];
	const struct resource *res = &resources[r];
	uint64_t current = number_of(text[CURRENT], res->name);
	uint64_t peak = number_of(text[PEAK], res->name);
	char event[40];

	/* misc.current was read before misc.peak. */
	if (peak < current)
		fail("%s/misc.peak: %s is %llu, it was %llu before", c->name,
		     res->name, (unsigned long long)peak,
		     (unsigned long long)current);
	if (r == SEVEN && (current % 7 || peak % 7))
		fail("%s: %s is %llu, its peak %llu: not multiples of 7", c->name,
		     res->name, (unsigned long long)current,
		     (unsigned long long)peak);
	if (r >= STEADY && (current > res->capacity || peak > res->capacity))
		fail("%s: %s is %llu, its peak %llu, with a capacity of %u", c->name,
		     res->name, (unsigned long long)current,
		     (unsigned long long)peak, res->capacity);
	if (c->flags & FIXED && (r == STEADY || r == SEV)) {
		unsigned int max = r == SEV ? c->max_sev : c->max;

		if (current > max || peak > max)
			fail("%s: %s is %llu, its peak %llu, with a max of %u",
			     c->name, res->name, (unsigned long long)current,
			     (unsigned long long)peak, max);
	}
	if (r >= STEADY && number_of(text[EFFECTIVE], res->name) > res->capacity)
		fail("%s/misc.max.effective: %s: %llu, with a capacity of %u",
		     c->name, res->name,
		     (unsigned long long)number_of(text[EFFECTIVE], res->name),
		     res->capacity);
	if (r >= STEADY && number_of(text[CAPACITY], res->name) != 0 &&
	    number_of(text[CAPACITY], res->name) != res->capacity)
		fail("%s/misc.capacity: %s: %llu, not %u", c->name, res->name,
		     (unsigned long long)number_of(text[CAPACITY], res->name),
		     res->capacity);

	never_less("misc.peak", c, r, &h->peak, peak);
	snprintf(event, sizeof(event), "%s.alloc_fail", res->name);
	never_less("misc.events.local", c, r, &h->alloc_fail,
		   number_of(text[EVENTS_LOCAL], event));
	snprintf(event, sizeof(event), "%s.max", res->name);
	never_less("misc.events.local", c, r, &h->local_max,
		   number_of(text[EVENTS_LOCAL], event));
	never_less("misc.events", c, r, &h->max, number_of(text[EVENTS], event));
	/* misc.events.local was read before misc.events. */
	if (h->max < h->local_max)
		fail("%s/misc.events: %s is %llu, %llu of it local", c->name, event,
		     (unsigned long long)h->max, (unsigned long long)h->local_max);
}

/* The usage of "moves" must be constant while movers only move. */
static void check_moves(int movers)
{
	uint64_t expected = movers * MOVER_FILES * MOVER_AMOUNT, now;
	int generation = get_shared(moves_generation);
	bool ready = get_shared(movers_ready) == movers;
	char buf[4096];

	read_file("moves", "misc.current", buf, sizeof(buf));
	now = number_of(buf, resources[STILL].name);
	if (ready && get_shared(moves_generation) == generation &&
	    now != expected)
		fail("moves/misc.current: %llu, but movers hold %llu",
		     (unsigned long long)now, (unsigned long long)expected);
	read_file("moves", "misc.peak", buf, sizeof(buf));
	now = number_of(buf, resources[STILL].name);
	if (now > expected)
		fail("moves/misc.peak: %llu, but movers never held more than %llu",
		     (unsigned long long)now, (unsigned long long)expected);
}

static int nr_movers;

static void reader(void)
{
	static const int order[] = {
		CURRENT, PEAK, EVENTS_LOCAL, EVENTS, CAPACITY, MAX, EFFECTIVE
	};
	struct cgroup *c = &cgroups[any(NR_CGROUPS)];
	static char text[NR_FILES][4096];
	struct pollfd events = { .events = POLLPRI };
	char name[CHURN_SIZE];
	int i, f;

	check_moves(nr_movers);
	/* The switcher removes the files of this cgroup at times. */
	if (!strcmp(c->name, "switch/a"))
		return;

	for (i = 0; i < (int)NR_FILES; i++) {
		f = order[i];
		read_file(c->name, misc_files[f], text[f], sizeof(text[f]));
		snprintf(name, sizeof(name), "%s/%s", c->name, misc_files[f]);
		check_grammar(name, f, text[f]);
	}
	for (i = 0; i < NR_RESOURCES; i++)
		check_resource(c, i, text);

	snprintf(name, sizeof(name), "%s/misc.events", c->name);
	events.fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	poll(&events, 1, any(3));
	close(events.fd);
	/* This cgroup may not be complete yet, or be removed at any time. */
	snprintf(name, sizeof(name), CHURN "/%d/inner/misc.current", any(2));
	if (get(text[0], sizeof(text[0]), path_of(name)) > 0)
		check_grammar(name, CURRENT, text[0]);
}

/* Runs the KUnit tests of concurrency beside the other workers. */
static void kunit(void)
{
	static char buf[1 << 16];

	if (put("1", KUNIT "/run"))
		return (void)sleep(1);
	if (get(buf, sizeof(buf), KUNIT "/results") < 0 || strstr(buf, "not ok") ||
	    !strstr(buf, "ok "))
		fail("KUnit: misc_cg_threads: %.900s", buf);
	count(KUNITS);
}

/*
 * The kinds of workers, with their numbers
 */

static const struct crowd {
	void (*step)(void);
	void (*let_go)(void);	/* NULL: continues while the others rest */
	int number;
	int *which;
} crowds[] = {
	{ charger, device_close_all, 6, NULL },
	{ mover, mover_let_go, 2, NULL },
	{ limiter, nothing, 2, &this_limiter },
	{ lowerer, nothing, 1, NULL },
	{ provider, provider_let_go, 1, NULL },
	{ churner, device_close_all, 2, &this_churner },
	{ migrator, nothing, 1, NULL },
	{ switcher, nothing, 1, NULL },
	{ killer, nothing, 2, NULL },
	{ vm_worker, vms_let_go, 2, NULL },
	{ reader, NULL, 2, NULL },
	{ kunit, NULL, 1, NULL },
};

#define MAX_WORKERS 32

static pid_t workers[MAX_WORKERS];
static int nr_workers, nr_resting;

static void start(const struct crowd *crowd, int which)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid) {
		if (crowd->step == charger)
			shared->migrate[shared->nr_migrate++] = pid;
		workers[nr_workers++] = pid;
		nr_resting += !!crowd->let_go;
		return;
	}

	seed += 1000 * nr_workers;
	faulty = faults && !fault_open();
	if (crowd->which)
		*crowd->which = which;
	memset(limits, 0xff, sizeof(limits));
	registered[WILD] = registered[SEVEN] = true;
	while (leave_to_anywhere())
		;
	while (!get_shared(stop)) {
		if (crowd->let_go && get_shared(rest))
			rest(crowd->let_go);
		crowd->step();
	}
	if (crowd->let_go)
		crowd->let_go();
	_exit(0);
}

/*
 * The conductor
 */

/* Waits until @n workers are at rest. */
static void wait_for_rest(int n)
{
	long end = now() + PATIENCE;
	int status;
	pid_t pid;

	while (get_shared(resting) != n) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0 || get_shared(stop))
			fail("worker %d has ended: status %#x", pid, status);
		if (now() > end)
			fail("%d of %d workers are at rest after %d s",
			     get_shared(resting), nr_resting, PATIENCE);
		usleep(1000);
	}
}

static void load_modules(void)
{
	int err = module_load("lib/test_misc_cg.ko", PARAMETERS);

	if (!err)
		err = module_load("arch/x86/kvm/kvm-amd.ko", "");
	if (err)
		fail("modules cannot be loaded: %s", strerror(-err));
	add_shared(counts[LOADS], 2);
}

static void unload_modules(void)
{
	char buf[4096];
	int r, err = module_unload("test_misc_cg");

	if (!err)
		err = module_unload("kvm_amd");
	if (err)
		fail("modules cannot be unloaded: %s", strerror(-err));

	if (cg_get(v1 ? V1_ROOT : V2_ROOT, "misc.capacity", buf, sizeof(buf)) < 0)
		fail("misc.capacity cannot be read");
	for (r = 0; r < NR_RESOURCES; r++)
		if (value_of(buf, resources[r].name))
			fail("misc.capacity has %s, whose module is unloaded",
			     resources[r].name);
}

static void check_nothing_in_use(void)
{
	char buf[4096];
	int c, r;

	for (c = 0; c < NR_CGROUPS; c++) {
		if (cg_get(path_of(cgroups[c].name), "misc.current", buf, sizeof(buf)) < 0) {
			if (strcmp(cgroups[c].name, "switch/a"))
				fail("%s has no misc.current", cgroups[c].name);
			continue;
		}
		for (r = 0; r < NR_RESOURCES; r++)
			if (number_of(buf, resources[r].name))
				fail("%s: %s is %llu after all charges were released",
				     cgroups[c].name, resources[r].name,
				     (unsigned long long)number_of(buf, resources[r].name));
	}
}

/*
 * Refusals in the kernel's log, except those of KUnit: each line must be
 * complete, and the refusing cgroup must be the charged one or its ancestor
 */

static int kmsg = -1;

/* Checks that @path is in our tree; returns whether its beginning is cut. */
static bool path_is_cut(const char *path, const char *line)
{
	bool cut = !strncmp(path, ".../", 4);

	if ((!cut && strcmp(path, "/torture") && strncmp(path, "/torture/", 9)) ||
	    strlen(path) > 400 + (cut ? strlen("...") : 0))
		fail("the log has a wrong path: %s", line);
	return cut;
}

static void check_refusal(const char *line)
{
	unsigned long long amount, usage, max;
	char charged[512], refusing[512] = "";
	const char *rest;
	bool cut;
	int n = 0, end = 0;

	sscanf(line, "%*[a-z_]: charge of %llu in %511s refused by %n", &amount,
	       charged, &n);
	if (!n)
		fail("the log has a malformed refusal: %s", line);
	cut = path_is_cut(charged, line);
	rest = line + n;
	if (!strncmp(rest, "the max of ", 11)) {
		n = 0;
		sscanf(rest, "the max of %511[^: ]%n", refusing, &n);
		rest += n;
		if (!path_is_cut(refusing, line) && !cut &&
		    strncmp(charged, refusing, strlen(refusing)))
			fail("the log has a refusal by a cgroup that is no ancestor: %s", line);
	} else if (!strncmp(rest, "the host's capacity", 19)) {
		rest += 19;
	}
	if (sscanf(rest, ": %llu of %llu in use\n%n", &usage, &max, &end) != 2 || !end)
		fail("the log has a malformed refusal: %s", line);
	if (usage <= max && amount <= max - usage)
		fail("the log has the refusal of a charge that fits: %s", line);
	count(LOGGED);
	if (cut)
		count(CUT);
}

static void check_log(void)
{
	char record[8192], *line;
	ssize_t len;

	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = 0;
		line = strstr(record, "cgroup: misc: ");
		if (!line || !strstr(line, "refused by"))
			continue;
		line += strlen("cgroup: misc: ");
		if (!strncmp(line, "torture_", 8) || !strncmp(line, "sev", 3))
			check_refusal(line);
	}
}

/*
 * Reads misc.max of all cgroups, or only its lines with numbers.  Leaves out
 * names of KUnit, which does not rest, and new names, which are not registered
 * again when the modules are loaded.
 */
static void read_limits(char text[][4096], bool only_numbers)
{
	char buf[4096], *line;
	int c;

	for (c = 1; c < NR_CGROUPS; c++) {
		if (!strcmp(cgroups[c].name, "switch/a"))
			continue;
		read_file(cgroups[c].name, "misc.max", buf, sizeof(buf));
		text[c][0] = 0;
		for (line = strtok(buf, "\n"); line; line = strtok(NULL, "\n"))
			if (strncmp(line, "kunit_", 6) && strncmp(line, "new_", 4) &&
			    !(only_numbers && strstr(line, " max")))
				strcat(strcat(text[c], line), "\n");
	}
}

static void compare_limits(char before[][4096], char after[][4096],
			   const char *when)
{
	int c;

	for (c = 1; c < NR_CGROUPS; c++)
		if (strcmp(after[c], before[c]))
			fail("%.60s/misc.max: '%s' before the modules were unloaded, '%s' %s",
			     cgroups[c].name, before[c], after[c], when);
}

/* Writes and reads limits of a known name that has no provider. */
static void write_limits(void)
{
	const char *name = resources[SEV].name;
	char text[64], buf[4096];
	int c, err;

	for (c = 0; c < NR_CGROUPS; c++) {
		const struct cgroup *cg = &cgroups[c];

		if (!(cg->flags & FIXED))
			continue;
		snprintf(text, sizeof(text), "%s max", name);
		err = cg_put(path_of(cg->name), "misc.max", text);
		read_file(cg->name, "misc.max", buf, sizeof(buf));
		if (err || value_of(buf, name))
			fail("%s/misc.max: '%s': %s, reads '%s'", cg->name, text,
			     strerror(-err), buf);
		snprintf(text, sizeof(text), "%s %d", name, cg->max_sev);
		err = cg_put(path_of(cg->name), "misc.max", text);
		read_file(cg->name, "misc.max", buf, sizeof(buf));
		if (err || number_of(buf, name) != (uint64_t)cg->max_sev)
			fail("%s/misc.max: '%s': %s, reads '%s'", cg->name, text,
			     strerror(-err), buf);
	}
}

/* All workers release everything; the modules are unloaded and loaded again. */
static void rest_all(void)
{
	static char before[NR_CGROUPS][4096], numbers[NR_CGROUPS][4096];
	static char after[NR_CGROUPS][4096];

	set_shared(rest, true);
	wait_for_rest(nr_resting);
	check_nothing_in_use();
	check_log();

	/* misc.max shows "max" only of resources with a capacity, numbers always. */
	put("register torture_wild 1", DEVICE);
	put("capacity torture_wild 1", DEVICE);
	put("register torture_seven 1", DEVICE);
	put("capacity torture_seven 1", DEVICE);
	read_limits(before, false);
	read_limits(numbers, true);
	unload_modules();
	read_limits(after, true);
	compare_limits(numbers, after, "afterwards");
	write_limits();
	load_modules();
	read_limits(after, false);
	compare_limits(before, after, "after they were loaded again");
	count(RESTS);
	set_shared(rest, false);
	wait_for_rest(0);
}

static void make_cgroups(void)
{
	char text[64];
	int c, err;

	for (c = 0; c < NR_CGROUPS; c++) {
		const struct cgroup *cg = &cgroups[c];

		make_cgroup(cg->name);
		err = 0;
		if (!v1 && !(cg->flags & LEAF))
			err = cg_put(path_of(cg->name), "cgroup.subtree_control", "+misc");
		if (!err && cg->flags & FIXED) {
			snprintf(text, sizeof(text), "%s %d\n%s %d", resources[STEADY].name,
				 cg->max, resources[SEV].name, cg->max_sev);
			err = cg_put(path_of(cg->name), "misc.max", text);
		}
		if (err)
			fail("%s: %s", cg->name, strerror(-err));
	}
}

static void remove_cgroups(void)
{
	long end = now() + PATIENCE;
	char buf[4096];
	int c;

	for (c = NR_CGROUPS - 1; c >= 0; c--)
		remove_cgroup(cgroups[c].name);
	if (v1)
		return;
	while (cg_get(V2_ROOT, "cgroup.stat", buf, sizeof(buf)) < 0 ||
	       number_of(buf, "nr_dying_descendants")) {
		if (now() > end)
			fail("removed cgroups are not freed after %d s: %s", PATIENCE, buf);
		usleep(10000);
	}
}

static bool misc_is_on_v2(void)
{
	char buf[4096];

	return cg_get(V2_ROOT, "cgroup.controllers", buf, sizeof(buf)) >= 0 &&
	       strstr(buf, "misc");
}

/* Retries until the last cgroup with misc in the v2 hierarchy is freed. */
static void go_to_v1(void)
{
	long end = now() + PATIENCE;
	int err = cg_put(V2_ROOT, "cgroup.subtree_control", "-misc");

	if (err)
		fail("-misc: %s", strerror(-err));
	mkdir(V1_ROOT, 0755);
	while (mount("none", V1_ROOT, "cgroup", 0, "misc")) {
		if (errno != EBUSY || now() > end)
			fail("misc cannot be moved to v1: %s", strerror(errno));
		usleep(10000);
	}
}

/* Retries: a v1 hierarchy that still has cgroups survives its unmount. */
static void go_to_v2(void)
{
	long end = now() + PATIENCE;
	int i;

	for (;;) {
		if (umount(V1_ROOT))
			fail("%s: cannot be unmounted: %s", V1_ROOT, strerror(errno));
		for (i = 0; i < 20; i++) {
			if (misc_is_on_v2())
				return;
			usleep(10000);
		}
		if (mount("none", V1_ROOT, "cgroup", 0, "misc") || now() > end)
			fail("misc does not return to v2: %s", strerror(errno));
	}
}

static void say_counts(const char *what)
{
	int i;

	printf("torture: %s", what);
	for (i = 0; i < NR_COUNTS; i++)
		printf(", %ld %s", get_shared(counts[i]), count_names[i]);
	printf("\n");
	fflush(stdout);
}

static void torture(int seconds)
{
	long start_time = now(), rest_time = start_time, say_time = start_time;
	unsigned int i;
	int n, status;
	pid_t pid;

	snprintf(top, sizeof(top), "%s/torture", v1 ? V1_ROOT : V2_ROOT);
	make_cgroups();
	nr_workers = 0;
	nr_resting = 0;
	shared->nr_migrate = 0;
	for (i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
		if (crowds[i].step == limiter)
			nr_limiters = crowds[i].number;
		if (crowds[i].step == mover)
			nr_movers = crowds[i].number;
	}
	for (i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++)
		for (n = 0; n < crowds[i].number; n++)
			start(&crowds[i], n);

	while (now() - start_time < seconds) {
		usleep(100000);
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0)
			fail("worker %d has ended: status %#x", pid, status);
		if (now() - say_time >= SAY_EVERY) {
			say_time = now();
			say_counts(v1 ? "on v1" : "on v2");
		}
		if (now() - rest_time >= REST_EVERY) {
			rest_all();
			rest_time = now();
		}
	}

	rest_all();
	set_shared(stop, true);
	while (wait(&status) > 0)
		if (status)
			fail("a worker ended with status %#x", status);
	check_nothing_in_use();
	remove_cgroups();
	set_shared(stop, false);
	/* The provider worker has left its resources in any state. */
	unload_modules();
	load_modules();
}

static void conduct(int seconds)
{
	char buf[4096];
	int i, r, err;

	err = cg_put(V2_ROOT, "cgroup.subtree_control", "+misc");
	if (err)
		fail("+misc: %s", strerror(-err));
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		fail("/dev/kmsg: %s", strerror(errno));
	lseek(kmsg, 0, SEEK_END);
	module_unload("kvm_amd");
	load_modules();
	if (cg_get(V2_ROOT, "misc.capacity", buf, sizeof(buf)) < 0)
		fail("misc.capacity cannot be read");
	for (r = 0; r < NR_RESOURCES; r++)
		if (number_of(buf, resources[r].name) != resources[r].capacity)
			fail("this machine does not have %u of %s: %s", resources[r].capacity,
			     resources[r].name, buf);

	torture(seconds / 2);
	go_to_v1();
	v1 = true;
	torture(seconds - seconds / 2);
	go_to_v2();
	v1 = false;
	unload_modules();

	for (i = 0; i < NR_COUNTS; i++)
		if (!shared->counts[i] && i != CUT && (i != FAULTS || faults))
			fail("0 %s", count_names[i]);
}

int main(int argc, char **argv)
{
	int seconds = argc == 3 ? atoi(argv[1]) : 0;
	int status;
	pid_t pid;

	setlinebuf(stdout);
	if (seconds < 1) {
		fprintf(stderr, "usage: torture SECONDS SEED\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	faults = !fault_init();

	/* The conductor's process group is killed when the conductor ends. */
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		conduct(seconds);
		say_counts("done");
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("torture");
		return 1;
	}
	kill(-pid, SIGKILL);
	if (status) {
		printf("torture: FAILED: %s\n", shared->failed ? shared->error : "the conductor has crashed");
		return 1;
	}
	return 0;
}
