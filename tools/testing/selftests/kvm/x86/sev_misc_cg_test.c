// SPDX-License-Identifier: GPL-2.0
/*
 * ASIDs of SEV and SEV-ES VMs as resources of the misc cgroup controller:
 * charged with the VM, limited by misc.max and by what the host has, moved
 * and mirrored with the encryption context, returned when the VM goes.
 *
 * Every subtest runs in a process of its own, in a tree of cgroups of its own
 * ("" is the parent, with the children "a" and "b"), so that whatever goes
 * wrong in one does not matter to the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "sev.h"
#include "kselftest.h"

/* More than any ASID range that a test should use up. */
#define MAX_VMS		512

#define OFFLINE_WAIT_US	200000

static char cg_root[256];

/* Why there can be no SEV ([0]) or SEV-ES ([1]) VMs here; NULL if there can. */
static const char *no_vms[2];

static const char platform_fails[] = "the platform fails to initialize";

static const char *res_name(bool es)
{
	return es ? "sev_es" : "sev";
}

/* The process is a subtest: it ends with the first thing that is wrong. */
#define CHECK(cond, fmt, ...)						\
do {									\
	if (!(cond)) {							\
		ksft_print_msg("line %d: %s: " fmt "\n", __LINE__,	\
			       #cond, ##__VA_ARGS__);			\
		exit(KSFT_FAIL);					\
	}								\
} while (0)

/* Shared with the parent, which prints it. */
static char *skip_reason;
#define SKIP_REASON_SIZE	128

static void __noreturn skip(const char *reason)
{
	snprintf(skip_reason, SKIP_REASON_SIZE, "%s", reason);
	exit(KSFT_SKIP);
}

/*
 * cgroups, named by their path below the parent
 */

static void cg_path(char *path, const char *cgroup, const char *file)
{
	snprintf(path, PATH_MAX, "%s/sev_misc_cg_test/%s/%s", cg_root, cgroup,
		 file);
}

static int file_write(const char *path, const char *text)
{
	int ret = 0, fd = open(path, O_WRONLY);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int cg_write(const char *cgroup, const char *file, const char *text)
{
	char path[PATH_MAX];

	cg_path(path, cgroup, file);
	return file_write(path, text);
}

/* The value of @key, or "" where the file does not have it. */
static const char *file_value(const char *path, const char *key)
{
	static char value[64];
	char name[64], number[64];
	FILE *file = fopen(path, "r");

	value[0] = 0;
	while (file && fscanf(file, "%63s %63s", name, number) == 2)
		if (!strcmp(name, key))
			snprintf(value, sizeof(value), "%s", number);
	if (file)
		fclose(file);
	return value;
}

static const char *root_value(const char *file, const char *key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cg_root, file);
	return file_value(path, key);
}

static void check_value(int line, const char *cgroup, const char *file,
			const char *key, const char *expected)
{
	char path[PATH_MAX];
	const char *value;

	cg_path(path, cgroup, file);
	value = file_value(path, key);
	if (strcmp(value, expected)) {
		ksft_print_msg("line %d: %s/%s: '%s %s', expected '%s'\n", line,
			       cgroup, file, key, value, expected);
		exit(KSFT_FAIL);
	}
}

#define CHECK_VALUE(cgroup, file, key, value)				\
	check_value(__LINE__, cgroup, file, key, value)

/* What the host does not have is in no file. */
static void check_usage(int line, const char *cgroup, bool es,
			const char *expected)
{
	if (!root_value("misc.capacity", res_name(es))[0] &&
	    !strcmp(expected, "0"))
		expected = "";
	check_value(line, cgroup, "misc.current", res_name(es), expected);
}

#define CHECK_USAGE(cgroup, es, value)					\
	check_usage(__LINE__, cgroup, es, value)

#define CHECK_WRITE(cgroup, file, text)					\
do {									\
	int err = cg_write(cgroup, file, text);				\
									\
	CHECK(!err, "%s", strerror(-err));				\
} while (0)

static void set_max(const char *cgroup, bool es, int max)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %d", res_name(es), max);
	CHECK_WRITE(cgroup, "misc.max", line);
}

static void enter(const char *cgroup)
{
	CHECK_WRITE(cgroup, "cgroup.procs", "0");
}

/* Gone for user space at once, offline in the kernel a little later. */
static void remove_cgroup(const char *cgroup)
{
	char path[PATH_MAX];

	cg_path(path, cgroup, "");
	CHECK(!rmdir(path), "%s", strerror(errno));
	usleep(OFFLINE_WAIT_US);
}

static void remove_tree(void)
{
	static const char * const cgroups[] = { "a", "b", "" };
	char path[PATH_MAX];
	int i;

	for (i = 0; i < ARRAY_SIZE(cgroups); i++) {
		cg_path(path, cgroups[i], "");
		if (rmdir(path) && errno != ENOENT)
			ksft_print_msg("%s: %s\n", path, strerror(errno));
	}
}

static bool make_tree(void)
{
	static const char * const cgroups[] = { "", "a", "b" };
	char path[PATH_MAX];
	int i;

	remove_tree();
	for (i = 0; i < ARRAY_SIZE(cgroups); i++) {
		cg_path(path, cgroups[i], "");
		if (mkdir(path, 0755))
			return false;
		if (!i && cg_write("", "cgroup.subtree_control", "+misc"))
			return false;
	}
	return true;
}

/*
 * VMs
 */

/* The types of VMs that are charged as SEV or as SEV-ES VMs, a bit each. */
static int vm_types(bool es)
{
	return kvm_check_cap(KVM_CAP_VM_TYPES) &
	       (es ? BIT(KVM_X86_SEV_ES_VM) | BIT(KVM_X86_SNP_VM) :
		     BIT(KVM_X86_SEV_VM));
}

static unsigned long vm_type(bool es)
{
	return es ? KVM_X86_SEV_ES_VM : KVM_X86_SEV_VM;
}

static struct kvm_vm *vm_create_aux(bool es)
{
	return vm_create_barebones_type(vm_type(es));
}

/* Returns 0, or the errno of KVM_SEV_INIT2, which is what takes an ASID. */
static int sev_init(struct kvm_vm *vm)
{
	struct kvm_sev_init init = { 0 };

	return __vm_sev_ioctl(vm, KVM_SEV_INIT2, &init) ? errno : 0;
}

/* NULL if there is no ASID to be had. */
static struct kvm_vm *try_vm_create_type(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	int err = sev_init(vm);

	if (!err)
		return vm;
	kvm_vm_free(vm);
	CHECK(err == EBUSY, "KVM_SEV_INIT2: %s", strerror(err));
	return NULL;
}

static struct kvm_vm *try_vm_create(bool es)
{
	return try_vm_create_type(vm_type(es));
}

static struct kvm_vm *vm_create_in(const char *cgroup, bool es)
{
	struct kvm_vm *vm;

	enter(cgroup);
	vm = try_vm_create(es);
	CHECK(vm, "no ASID in '%s'", cgroup);
	return vm;
}

/* With a vCPU, and its context in the firmware. */
static struct kvm_vm *vm_launch_in(const char *cgroup, bool es)
{
	struct kvm_vm *vm = vm_create_in(cgroup, es);

	__vm_vcpu_add(vm, 0);
	sev_vm_launch(vm, es ? SEV_POLICY_ES : 0);
	return vm;
}

/* Returns 0 or errno. */
static int vm_move(struct kvm_vm *dst, struct kvm_vm *src)
{
	return __vm_enable_cap(dst, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, src->fd) ?
	       errno : 0;
}

static int vm_mirror(struct kvm_vm *dst, struct kvm_vm *src)
{
	return __vm_enable_cap(dst, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, src->fd) ?
	       errno : 0;
}

/* A VM in @cgroup that @src can be moved to. */
static struct kvm_vm *vm_move_target_in(const char *cgroup, bool es)
{
	struct kvm_vm *vm = vm_create_aux(es);

	__vm_vcpu_add(vm, 0);
	enter(cgroup);
	return vm;
}

/*
 * Charged and returned
 */

static void test_charge(bool es)
{
	struct kvm_vm *vm = vm_launch_in("a", es);

	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("a", !es, "0");
	CHECK_USAGE("", es, "1");
	CHECK_USAGE("b", es, "0");
	kvm_vm_free(vm);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("", es, "0");
	CHECK_VALUE("a", "misc.peak", res_name(es), "1");
}

static void test_failed_init(bool es)
{
	struct kvm_sev_init init = { .flags = ~0u };
	struct kvm_vm *vm = vm_create_aux(es);

	enter("a");
	CHECK(__vm_sev_ioctl(vm, KVM_SEV_INIT2, &init), "bad flags taken");
	CHECK_USAGE("a", es, "0");
	kvm_vm_free(vm);
	CHECK_USAGE("a", es, "0");
}

static void test_task_moves(bool es)
{
	struct kvm_vm *vm = vm_create_in("a", es);

	enter("b");
	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("b", es, "0");
	kvm_vm_free(vm);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "0");
}

static void test_removed_cgroup(bool es)
{
	struct kvm_vm *vm = vm_create_in("a", es);

	enter("b");
	remove_cgroup("a");
	CHECK_USAGE("", es, "1");
	kvm_vm_free(vm);
	CHECK_USAGE("", es, "0");
}

static void test_killed_owner(bool es)
{
	int ready[2], status;
	pid_t pid;
	char c;

	CHECK(!pipe(ready), "%s", strerror(errno));
	pid = fork();
	if (!pid) {
		vm_launch_in("a", es);
		if (write(ready[1], "", 1) == 1)
			pause();
		exit(KSFT_FAIL);
	}
	close(ready[1]);
	CHECK(read(ready[0], &c, 1) == 1, "no VM");
	CHECK_USAGE("a", es, "1");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("", es, "0");
}

/*
 * Refused
 */

static void test_max(bool es)
{
	char event[32];
	struct kvm_vm *vm;

	set_max("a", es, 1);
	vm = vm_create_in("a", es);
	CHECK(!try_vm_create(es), "created beyond misc.max");
	CHECK_USAGE("a", es, "1");
	snprintf(event, sizeof(event), "%s.max", res_name(es));
	CHECK_VALUE("a", "misc.events", event, "1");
	CHECK_VALUE("", "misc.events", event, "1");

	/* The other kind of VM, the sibling, and whoever comes after. */
	kvm_vm_free(vm_create_in("b", es));
	kvm_vm_free(vm);
	kvm_vm_free(vm_create_in("a", es));
	CHECK_USAGE("a", es, "0");
}

/*
 * Takes all ASIDs that are left, and says how many.  SEV-SNP VMs are charged as
 * SEV-ES VMs, and may have a part of the ASIDs for themselves.
 */
static int exhaust(struct kvm_vm **vms, const char *cgroup, bool es)
{
	int capacity = atoi(root_value("misc.capacity", res_name(es)));
	int used = atoi(root_value("misc.current", res_name(es)));
	unsigned long type;
	int n = 0;

	if (capacity > MAX_VMS)
		skip("too many ASIDs");

	enter(cgroup);
	for (type = KVM_X86_SEV_VM; type <= KVM_X86_SNP_VM; type++) {
		if (!(vm_types(es) & BIT(type)))
			continue;
		while ((vms[n] = try_vm_create_type(type)))
			CHECK(n++ < capacity - used, "more VMs than ASIDs");
	}
	CHECK(n == capacity - used, "%d VMs, capacity %d, %d in use before", n,
	      capacity, used);
	return n;
}

static void test_capacity(bool es)
{
	struct kvm_vm *vms[MAX_VMS + 1];
	int n = exhaust(vms, "a", es);

	enter("b");
	CHECK(!try_vm_create(es), "more VMs than ASIDs");
	CHECK_USAGE("b", es, "0");
	kvm_vm_free(vms[0]);
	vms[0] = vm_create_in("b", es);
	while (n--)
		kvm_vm_free(vms[n]);
	CHECK_USAGE("", es, "0");
}

/* Shown on the levels below the one that refuses. */
static void test_peak_of_refused_charge(bool es)
{
	set_max("", es, 0);
	enter("a");
	CHECK(!try_vm_create(es), "created beyond misc.max");
	CHECK_VALUE("a", "misc.peak", res_name(es), "0");
	CHECK_VALUE("", "misc.peak", res_name(es), "0");
}

/* The cgroup that holds everything has no max: nothing of its own refused. */
static void test_capacity_is_no_max(bool es)
{
	struct kvm_vm *vms[MAX_VMS + 1];
	char max[32];

	snprintf(max, sizeof(max), "%s.max", res_name(es));
	exhaust(vms, "a", es);
	CHECK_VALUE("a", "misc.events.local", max, "0");
	CHECK_VALUE("a", "misc.events", max, "0");
	CHECK_VALUE("", "misc.events", max, "0");
}

/* Returns -1 on a kernel without alloc_fail. */
static int alloc_fails(const char *cgroup, bool es)
{
	char path[PATH_MAX], alloc_fail[32];
	const char *value;

	snprintf(alloc_fail, sizeof(alloc_fail), "%s.alloc_fail", res_name(es));
	cg_path(path, cgroup, "misc.events.local");
	value = file_value(path, alloc_fail);
	return value[0] ? atoi(value) : -1;
}

static void test_capacity_alloc_fail(bool es)
{
	struct kvm_vm *vms[MAX_VMS + 1];

	if (alloc_fails("b", es) < 0)
		skip("no alloc_fail");
	exhaust(vms, "a", es);
	enter("b");
	CHECK(!try_vm_create(es), "more VMs than ASIDs");
	CHECK(alloc_fails("b", es) == 1, "%d", alloc_fails("b", es));
	CHECK(!alloc_fails("", es), "%d", alloc_fails("", es));
}

/*
 * Moved
 */

static void test_move(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_move_target_in("b", es);
	int err = vm_move(dst, src);

	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("a", !es, "0");
	CHECK_USAGE("b", es, "1");
	CHECK_USAGE("b", !es, "0");
	CHECK_USAGE("", es, "1");
	CHECK_USAGE("", !es, "0");

	kvm_vm_free(src);
	CHECK_USAGE("b", es, "1");
	kvm_vm_free(dst);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "0");
	CHECK_USAGE("b", !es, "0");
	CHECK_USAGE("", es, "0");
}

static void test_move_within_cgroup(bool es)
{
	struct kvm_vm *src, *dst;
	int err;

	set_max("a", es, 1);
	src = vm_launch_in("a", es);
	dst = vm_move_target_in("a", es);
	err = vm_move(dst, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "1");
	kvm_vm_free(src);
	CHECK_USAGE("a", es, "1");
	kvm_vm_free(dst);
	CHECK_USAGE("a", es, "0");
}

static void test_move_refused(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_move_target_in("b", es);
	int err;

	set_max("b", es, 0);
	err = vm_move(dst, src);
	CHECK(err == EBUSY, "%s", strerror(err));
	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("b", es, "0");
	CHECK_USAGE("", es, "1");

	/* Nothing is lost: it can be tried again. */
	set_max("b", es, 1);
	err = vm_move(dst, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "1");
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE("", es, "0");
}

/* Fails for another reason, after the place where a charge might be taken. */
static void test_move_fails(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_create_aux(es);
	int err;

	enter("b");
	err = vm_move(dst, src);
	CHECK(err == EINVAL, "no vCPUs to move to: %s", strerror(err));
	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("b", es, "0");
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "0");
}

static void test_move_from_removed_cgroup(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_move_target_in("b", es);
	int err;

	remove_cgroup("a");
	err = vm_move(dst, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("b", es, "1");
	CHECK_USAGE("", es, "1");
	kvm_vm_free(src);
	kvm_vm_free(dst);
	CHECK_USAGE("", es, "0");
}

static void test_move_under_full_parent(bool es)
{
	struct kvm_vm *src, *dst;
	int err;

	set_max("", es, 1);
	src = vm_launch_in("a", es);
	dst = vm_move_target_in("b", es);
	err = vm_move(dst, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "1");
	CHECK_USAGE("", es, "1");
	CHECK_VALUE("", "misc.peak", res_name(es), "1");
}

/*
 * Mirrored: a mirror VM shares the ASID of the VM that it mirrors
 */

static void test_mirror(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *mirror = vm_create_aux(es);
	int err;

	enter("b");
	err = vm_mirror(mirror, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("b", es, "0");

	/* The ASID is in use for as long as one of them lives. */
	kvm_vm_free(src);
	CHECK_USAGE("a", es, "1");
	kvm_vm_free(mirror);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "0");
}

static void test_mirror_of_moved_vm(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *mirror = vm_create_aux(es);
	struct kvm_vm *dst;
	int err;

	err = vm_mirror(mirror, src);
	CHECK(!err, "%s", strerror(err));
	dst = vm_move_target_in("b", es);
	err = vm_move(dst, src);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "1");
	kvm_vm_free(src);
	kvm_vm_free(dst);
	CHECK_USAGE("b", es, "1");
	kvm_vm_free(mirror);
	CHECK_USAGE("b", es, "0");
	CHECK_USAGE("", es, "0");
}

/* Its context is moved, to a VM that then is the mirror. */
static void test_move_of_mirror(bool es)
{
	struct kvm_vm *src = vm_create_in("a", es);
	struct kvm_vm *mirror = vm_create_aux(es);
	struct kvm_vm *dst = vm_create_aux(es);
	int err;

	err = vm_mirror(mirror, src);
	CHECK(!err, "%s", strerror(err));
	enter("b");
	err = vm_move(dst, mirror);
	CHECK(!err, "%s", strerror(err));
	CHECK_USAGE("a", es, "1");
	CHECK_USAGE("b", es, "0");
	CHECK_USAGE("b", false, "0");
	kvm_vm_free(mirror);
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE("a", es, "0");
	CHECK_USAGE("b", es, "0");
	CHECK_USAGE("", es, "0");
}

/*
 * Limits and capacity
 */

static void test_two_limits_in_one_write(bool es)
{
	if (!root_value("misc.capacity", "sev")[0] ||
	    !root_value("misc.capacity", "sev_es")[0])
		skip("not both of sev and sev_es");
	CHECK_WRITE("a", "misc.max", "sev 2\nsev_es 1\n");
	CHECK_VALUE("a", "misc.max", "sev", "2");
	CHECK_VALUE("a", "misc.max", "sev_es", "1");
}

static void test_capacity_in_child(bool es)
{
	char capacity[64];

	snprintf(capacity, sizeof(capacity), "%s",
		 root_value("misc.capacity", res_name(es)));
	CHECK(capacity[0], "no %s in the root's misc.capacity", res_name(es));
	CHECK_VALUE("a", "misc.capacity", res_name(es), capacity);
}

static void test_capacity_in_namespace(bool es)
{
	enter("a");
	CHECK(!unshare(CLONE_NEWCGROUP | CLONE_NEWNS), "%s", strerror(errno));
	/* The host's view goes, the container's comes. */
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	      !umount2(cg_root, MNT_DETACH) &&
	      !mount("none", cg_root, "cgroup2", 0, NULL), "%s", strerror(errno));
	CHECK(root_value("misc.capacity", res_name(es))[0], "no %s there",
	      res_name(es));
}

/* Skips where that is not possible. */
static void unload_kvm_amd(void)
{
	int i, ret = -1;

	if (access("/sys/module/kvm_amd/initstate", F_OK))
		skip("kvm_amd is built in");
	/* VMs of processes that have just ended may still be going. */
	for (i = 0; i < 20 && ret; i++) {
		ret = system("modprobe -r kvm_amd");
		usleep(ret ? 100000 : 0);
	}
	if (ret)
		skip("kvm_amd is in use");
}

static void load_kvm_amd(void)
{
	CHECK(!system("modprobe kvm_amd"), "kvm_amd does not come back");
}

static void test_limits_outlive_module(bool es)
{
	set_max("a", es, 1);
	unload_kvm_amd();
	CHECK(!root_value("misc.capacity", res_name(es))[0], "still there");
	load_kvm_amd();
	CHECK_VALUE("a", "misc.max", res_name(es), "1");
	vm_create_in("a", es);
	CHECK(!try_vm_create(es), "the limit does not hold");
}

/* As a service manager does it at boot: kvm_amd may be loaded later. */
static void test_limit_before_module(bool es)
{
	char max[64];
	int err;

	unload_kvm_amd();
	snprintf(max, sizeof(max), "%s 0", res_name(es));
	err = cg_write("a", "misc.max", max);
	/* Loaded whatever came of it: the next subtest needs it. */
	load_kvm_amd();
	if (err == -EINVAL)
		skip("no limits before kvm_amd is loaded");
	CHECK(!err, "%s", strerror(-err));
	CHECK_VALUE("a", "misc.max", res_name(es), "0");
	enter("a");
	CHECK(!try_vm_create(es), "the limit does not hold for the first VM");
}

/* Needs no VM: what the host cannot have must not be announced. */
static void test_capacity_is_usable(bool es)
{
	bool announced = root_value("misc.capacity", res_name(es))[0];
	struct kvm_vm *vms[MAX_VMS + 1];

	/* What a platform that may come back will have stays announced. */
	if (no_vms[es] == platform_fails)
		skip(platform_fails);
	if (announced && vm_types(es))
		exhaust(vms, "a", es);
	else
		CHECK(!announced && no_vms[es], "%s: %s",
		      announced ? "announced" : "not announced",
		      no_vms[es] ?: "there can be VMs");
}

/*
 * The platform is tried again each time and no ASID is spent on it, so that
 * there are as many as ever when it comes back.
 */
static void test_platform_fails(bool es)
{
	int capacity = atoi(root_value("misc.capacity", res_name(es)));
	struct kvm_sev_init init = { 0 };
	struct kvm_vm *vm;
	int i, ret;

	CHECK(capacity, "not announced");
	enter("a");
	for (i = 0; i < 2 * (capacity + 1); i++) {
		struct kvm_sev_cmd cmd = {
			.id = KVM_SEV_INIT2,
			.data = (unsigned long)&init,
		};

		/* By turns, with the older way, which takes no type of VM. */
		if (i % 2) {
			cmd.id = es ? KVM_SEV_ES_INIT : KVM_SEV_INIT;
			cmd.data = 0;
			vm = vm_create_barebones();
		} else {
			vm = vm_create_aux(es);
		}
		ret = ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
		CHECK(ret && errno == EIO && cmd.error,
		      "try %d: returned %d, %s, firmware error %#x", i, ret,
		      strerror(errno), cmd.error);
		kvm_vm_free(vm);
	}
	CHECK_USAGE("a", es, "0");
	CHECK_VALUE("a", "misc.peak", res_name(es), "0");
	CHECK(alloc_fails("a", es) <= 0, "%d", alloc_fails("a", es));
}

static const struct subtest {
	const char *name;
	void (*fn)(bool es);
	bool es;		/* with SEV-ES VMs */
	bool either;		/* with SEV VMs, or SEV-ES VMs if there are none */
	bool no_vm;		/* runs where there can be no VMs */
	bool fails;		/* runs where the platform fails, only there */
} subtests[] = {
	{ "SEV: VM is charged, and returned when it goes", test_charge },
	{ "SEV-ES: VM is charged, and returned when it goes", test_charge, true },
	{ "SEV: failed init charges nothing", test_failed_init },
	{ "SEV-ES: failed init charges nothing", test_failed_init, true },
	{ "SEV: charge stays when the task moves", test_task_moves },
	{ "SEV-ES: charge stays when the task moves", test_task_moves, true },
	{ "SEV: removed cgroup stays charged to its parent", test_removed_cgroup },
	{ "SEV-ES: removed cgroup stays charged to its parent", test_removed_cgroup, true },
	{ "SEV: killed owner returns everything", test_killed_owner },
	{ "SEV-ES: killed owner returns everything", test_killed_owner, true },
	{ "SEV: refused by misc.max", test_max },
	{ "SEV-ES: refused by misc.max", test_max, true },
	{ "SEV: refused by exhausted capacity", test_capacity },
	{ "SEV-ES: refused by exhausted capacity", test_capacity, true },
	{ "SEV: charge moves along", test_move },
	{ "SEV: move within a full cgroup", test_move_within_cgroup },
	{ "SEV-ES: move within a full cgroup", test_move_within_cgroup, true },
	{ "SEV: refused move changes nothing", test_move_refused },
	{ "SEV-ES: failed move changes nothing", test_move_fails, true },
	{ "SEV: move out of a removed cgroup", test_move_from_removed_cgroup },
	{ "SEV: mirror is not charged", test_mirror },
	{ "SEV-ES: mirror is not charged", test_mirror, true },
	{ "SEV: mirrored VM is moved", test_mirror_of_moved_vm },
	{ "SEV: limits outlive kvm_amd", test_limits_outlive_module },
	{ "SEV-ES: limits outlive kvm_amd", test_limits_outlive_module, true },
	{ "SEV: limit set before kvm_amd is loaded", test_limit_before_module },
	{ "SEV-ES: limit set before kvm_amd is loaded", test_limit_before_module, true },
	{ "refused charge raises no peak below the refusing level",
	  test_peak_of_refused_charge, .either = true },
	{ "exhausted capacity is counted as no max",
	  test_capacity_is_no_max, .either = true },
	{ "exhausted capacity is counted as alloc_fail where it is met",
	  test_capacity_alloc_fail, .either = true },
	{ "move to a sibling under a full parent",
	  test_move_under_full_parent, .either = true },
	{ "SEV: as many VMs as misc.capacity says",
	  test_capacity_is_usable, .no_vm = true },
	{ "SEV-ES: as many VMs as misc.capacity says",
	  test_capacity_is_usable, true, .no_vm = true },
	{ "two resources in one write to misc.max",
	  test_two_limits_in_one_write, .either = true },
	{ "capacity can be read in a child cgroup",
	  test_capacity_in_child, .either = true },
	{ "capacity can be read in a cgroup namespace",
	  test_capacity_in_namespace, .either = true },
	{ "SEV: platform that fails costs no ASID",
	  test_platform_fails, .fails = true },
	{ "SEV-ES: platform that fails costs no ASID",
	  test_platform_fails, true, .fails = true },
	{ "charge of an SEV-ES VM moves along", test_move, true },
	{ "refused move of an SEV-ES VM changes nothing",
	  test_move_refused, true },
	{ "SEV-ES VM moves out of a removed cgroup",
	  test_move_from_removed_cgroup, true },
	{ "mirrored SEV-ES VM is moved", test_mirror_of_moved_vm, true },
	/* Last: what is leaked where these fail is lost until the next boot. */
	{ "move of a mirror charges nothing", test_move_of_mirror },
	{ "move of an SEV-ES mirror charges nothing",
	  test_move_of_mirror, true },
};

/* Also finds out whether the platform works, which may be tried only now. */
static const char *why_no_vms(bool es)
{
	struct kvm_vm *vm;
	int err;

	if (!(vm_types(es) & BIT(vm_type(es))))
		return es ? "no SEV-ES VMs" : "no SEV VMs";
	vm = vm_create_aux(es);
	err = sev_init(vm);
	kvm_vm_free(vm);
	switch (err) {
	case ENOTTY:
		return es ? "no ASIDs for SEV-ES VMs" : "no ASIDs for SEV VMs";
	case EIO:
		return platform_fails;
	default:
		return NULL;
	}
}

static const char *why_skip(const struct subtest *t, bool es)
{
	if (t->no_vm || (t->fails && no_vms[es] == platform_fails))
		return NULL;
	return no_vms[es];
}

static void run(const struct subtest *t)
{
	bool es = t->either ? no_vms[false] && !no_vms[true] : t->es;
	const char *reason = why_skip(t, es);
	int status = KSFT_FAIL;
	pid_t pid;

	if (reason) {
		ksft_test_result_skip("%s # %s\n", t->name, reason);
		return;
	}

	if (make_tree()) {
		fflush(stdout);
		pid = fork();
		if (!pid) {
			t->fn(es);
			/* VMs that are still there go with the process. */
			exit(KSFT_PASS);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
			status = WEXITSTATUS(status);
	} else {
		ksft_print_msg("cgroups: %s\n", strerror(errno));
	}
	remove_tree();

	if (status == KSFT_SKIP)
		ksft_test_result_skip("%s # %s\n", t->name, skip_reason);
	else
		ksft_test_result(status == KSFT_PASS, "%s\n", t->name);
}

static bool file_has_word(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	bool found = false;
	char buf[64];

	while (file && !found && fscanf(file, "%63s", buf) == 1)
		found = !strcmp(buf, word);
	if (file)
		fclose(file);
	return found;
}

static bool find_cgroup2(void)
{
	char line[PATH_MAX + 256], type[64];
	FILE *mounts = fopen("/proc/self/mounts", "r");
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %255s %63s", cg_root, type) == 2 &&
			!strcmp(type, "cgroup2");
	if (mounts)
		fclose(mounts);
	return found;
}

int main(int argc, char *argv[])
{
	char path[PATH_MAX];
	struct rlimit files = { 4 * MAX_VMS, 4 * MAX_VMS };
	bool had_misc, fails;
	int i, nr = 0;

	ksft_print_header();
	/* Skips where there is no KVM. */
	close(open_kvm_dev_path_or_exit());
	if (!find_cgroup2())
		ksft_exit_skip("cgroup v2 isn't mounted\n");
	snprintf(path, sizeof(path), "%s/cgroup.controllers", cg_root);
	if (!file_has_word(path, "misc"))
		ksft_exit_skip("misc controller isn't available on cgroup v2\n");

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cg_root);
	had_misc = file_has_word(path, "misc");
	if (file_write(path, "+misc"))
		ksft_exit_skip("misc controller can't be enabled\n");

	skip_reason = mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(skip_reason != MAP_FAILED, "mmap");
	/* Some for each VM. */
	setrlimit(RLIMIT_NOFILE, &files);

	for (i = 0; i < ARRAY_SIZE(no_vms); i++)
		no_vms[i] = why_no_vms(i);
	fails = no_vms[false] == platform_fails ||
		no_vms[true] == platform_fails;

	for (i = 0; i < ARRAY_SIZE(subtests); i++)
		nr += !subtests[i].fails || fails;
	ksft_set_plan(nr);
	for (i = 0; i < ARRAY_SIZE(subtests); i++)
		if (!subtests[i].fails || fails)
			run(&subtests[i]);

	if (!had_misc)
		file_write(path, "-misc");
	ksft_finished();
}
