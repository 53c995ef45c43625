// SPDX-License-Identifier: GPL-2.0
/*
 * ASIDs of SEV and SEV-ES VMs as resources of the misc cgroup controller:
 * charged with the VM, limited by misc.max and by what the host has, moved
 * and mirrored with the encryption context, returned when the VM goes.
 *
 * Every subtest runs once with SEV VMs and once with SEV-ES VMs, in a process
 * and in cgroups of its own, so that whatever goes wrong in one does not matter
 * to the next:
 *
 *	sev_misc_cg_test	""
 *	  a
 *	  b
 *
 * KUnit tests the rules, in kernel/cgroup/tests.  Those that are here as well
 * show defects of kernels before this controller.
 */
#include <linux/psp-sev.h>
#include <mntent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test_util.h"
#include "kvm_util.h"
#include "sev.h"

/* More than any ASID range that a test should use up. */
#define MAX_VMS		512

/* Where cgroup v2 is mounted; the current directory. */
static char cg_root[256];

/* By type of VM: SEV ([0]) and SEV-ES ([1]). */
static const char * const res_name[] = { "sev", "sev_es" };
static const char * const max_event[] = { "sev.max", "sev_es.max" };
static const unsigned long vm_type[] = { KVM_X86_SEV_VM, KVM_X86_SEV_ES_VM };
static const int older_init[] = { KVM_SEV_INIT, KVM_SEV_ES_INIT };
static const char * const alloc_fail[] = {
	"sev.alloc_fail", "sev_es.alloc_fail",
};

/* Why there can be no VMs of the type here; NULL if there can. */
static const char *no_vms[2];

static const char platform_fails[] = "the platform fails to initialize";

/* The process is a subtest: it ends with the first thing that is wrong. */
#define CHECK(cond, fmt, ...)						\
do {									\
	if (!(cond)) {							\
		ksft_print_msg("line %d: %s: " fmt "\n", __LINE__,	\
			       #cond, ##__VA_ARGS__);			\
		exit(KSFT_FAIL);					\
	}								\
} while (0)

/* @call returns 0 or an errno. */
#define CHECK_ERR(call, expected)					\
do {									\
	int __err = (call);						\
									\
	CHECK(__err == (expected), "%s: %s", #call, strerror(__err));	\
} while (0)

/* Shared with the parent, which prints it. */
static const char **skip_reason;

static void __noreturn skip(const char *reason)
{
	*skip_reason = reason;
	exit(KSFT_SKIP);
}

/*
 * cgroups, named by their path below sev_misc_cg_test
 */

static const char * const cgroups[] = { "", "a", "b" };

static const char *cg_file(const char *cgroup, const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "sev_misc_cg_test/%s/%s", cgroup, file);
	return path;
}

/* Returns 0 or an errno. */
static int file_write(const char *path, const char *text)
{
	int err = 0, fd = open(path, O_WRONLY);

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static int cg_write(const char *cgroup, const char *file, const char *text)
{
	return file_write(cg_file(cgroup, file), text);
}

/* There is no such line or file. */
#define NONE	LLONG_MIN

/* The value of @key.  Of a counter that has underflowed, a negative number. */
static long long file_value(const char *path, const char *key)
{
	char name[64], number[64];
	long long value = NONE;
	FILE *file = fopen(path, "r");

	while (file && fscanf(file, "%63s %63s", name, number) == 2)
		if (!strcmp(name, key))
			value = strtoull(number, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* The capacity; 0 where there is none. */
static int announced(bool es)
{
	long long value = file_value("misc.capacity", res_name[es]);

	return value == NONE ? 0 : value;
}

static void check_value(int line, const char *cgroup, const char *file,
			const char *key, long long expected)
{
	long long value = file_value(cg_file(cgroup, file), key);

	CHECK(value == expected, "line %d: '%s' has %s %lld, not %lld", line,
	      cgroup, key, value, expected);
}

#define CHECK_VALUE(cgroup, file, key, expected)			\
	check_value(__LINE__, cgroup, file, key, expected)

/* Where the host has none and none is in use, nothing is listed. */
static void check_usage(int line, bool es, const long long usage[])
{
	long long expected;
	int i, type;

	for (i = 0; i < ARRAY_SIZE(cgroups); i++) {
		for (type = 0; type < 2; type++) {
			expected = type == es || usage[i] == NONE ? usage[i] : 0;
			if (!expected && !announced(type))
				expected = NONE;
			check_value(line, cgroups[i], "misc.current",
				    res_name[type], expected);
		}
	}
}

/* Usage of "", "a" and "b", of the one type of VM; that of the other is 0. */
#define CHECK_USAGE(es, ...)						\
do {									\
	const long long __usage[] = { __VA_ARGS__ };			\
									\
	check_usage(__LINE__, es, __usage);				\
} while (0)

static void set_max(const char *cgroup, bool es, int max)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %d", res_name[es], max);
	CHECK_ERR(cg_write(cgroup, "misc.max", line), 0);
}

static void enter(const char *cgroup)
{
	CHECK_ERR(cg_write(cgroup, "cgroup.procs", "0"), 0);
}

/* Gone for user space at once, offline in the kernel a little later. */
static void remove_cgroup(const char *cgroup)
{
	CHECK(!rmdir(cg_file(cgroup, "")), "%s", strerror(errno));
	usleep(200000);
}

static void remove_tree(void)
{
	int i;

	for (i = ARRAY_SIZE(cgroups) - 1; i >= 0; i--)
		rmdir(cg_file(cgroups[i], ""));
}

static bool make_tree(void)
{
	remove_tree();
	return !mkdir(cg_file("", ""), 0755) &&
	       !cg_write("", "cgroup.subtree_control", "+misc") &&
	       !mkdir(cg_file("a", ""), 0755) &&
	       !mkdir(cg_file("b", ""), 0755);
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

static struct kvm_vm *vm_create_aux(bool es)
{
	return vm_create_barebones_type(vm_type[es]);
}

/* The last KVM_SEV_INIT2 or older one, with the firmware's error. */
static struct kvm_sev_cmd init_cmd;

/* What takes an ASID.  Returns 0 or errno, as all that follow. */
static int sev_init(struct kvm_vm *vm, int id)
{
	struct kvm_sev_init init = {};

	memset(&init_cmd, 0, sizeof(init_cmd));
	init_cmd.id = id;
	if (id == KVM_SEV_INIT2)
		init_cmd.data = (unsigned long)&init;
	return ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, &init_cmd) ? errno : 0;
}

static int vm_move(struct kvm_vm *dst, struct kvm_vm *src)
{
	return __vm_enable_cap(dst, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, src->fd) ?
	       errno : 0;
}

/* NULL if there is no ASID to be had. */
static struct kvm_vm *try_vm_create(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	int err = sev_init(vm, KVM_SEV_INIT2);

	if (!err)
		return vm;
	kvm_vm_free(vm);
	CHECK(err == EBUSY, "KVM_SEV_INIT2: %s", strerror(err));
	return NULL;
}

static struct kvm_vm *vm_create_in(const char *cgroup, bool es)
{
	struct kvm_vm *vm;

	enter(cgroup);
	vm = try_vm_create(vm_type[es]);
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

/* A VM in @cgroup that another one can be moved to. */
static struct kvm_vm *vm_target_in(const char *cgroup, bool es)
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

	CHECK_USAGE(es, 1, 1, 0);
	kvm_vm_free(vm);
	CHECK_USAGE(es, 0, 0, 0);
	CHECK_VALUE("a", "misc.peak", res_name[es], 1);
}

static void test_older_init(bool es)
{
	struct kvm_vm *vm = vm_create_barebones();

	enter("a");
	CHECK_ERR(sev_init(vm, older_init[es]), 0);
	CHECK_USAGE(es, 1, 1, 0);
	kvm_vm_free(vm);
	CHECK_USAGE(es, 0, 0, 0);
}

static void test_older_init_without_type(bool es)
{
	struct kvm_vm *vm = vm_create_barebones();

	enter("a");
	CHECK_ERR(sev_init(vm, older_init[es]), ENOTTY);
	CHECK_USAGE(es, 0, 0, 0);
	kvm_vm_free(vm);
}

static void test_removed_cgroup(bool es)
{
	struct kvm_vm *vm = vm_create_in("a", es);

	enter("b");
	remove_cgroup("a");
	CHECK_USAGE(es, 1, NONE, 0);
	kvm_vm_free(vm);
	CHECK_USAGE(es, 0, NONE, 0);
}

static void test_killed_owner(bool es)
{
	pid_t pid = fork();

	if (!pid) {
		vm_launch_in("a", es);
		raise(SIGKILL);
	}
	CHECK(waitpid(pid, NULL, 0) == pid, "%s", strerror(errno));
	CHECK_USAGE(es, 0, 0, 0);
	CHECK_VALUE("a", "misc.peak", res_name[es], 1);
}

/*
 * Refused
 */

static void test_max(bool es)
{
	struct kvm_vm *vm;

	set_max("a", es, 1);
	vm = vm_create_in("a", es);
	CHECK(!try_vm_create(vm_type[es]), "created beyond misc.max");
	CHECK_USAGE(es, 1, 1, 0);
	CHECK_VALUE("a", "misc.events", max_event[es], 1);
	CHECK_VALUE("", "misc.events", max_event[es], 1);

	/* The sibling is not limited, nor is a after the VM has gone. */
	kvm_vm_free(vm_create_in("b", es));
	kvm_vm_free(vm);
	kvm_vm_free(vm_create_in("a", es));
	CHECK_USAGE(es, 0, 0, 0);
}

/* Older kernels raise the peaks below the level that refuses. */
static void test_peak_of_refused_charge(bool es)
{
	set_max("", es, 0);
	enter("a");
	CHECK(!try_vm_create(vm_type[es]), "created beyond misc.max");
	CHECK_VALUE("a", "misc.peak", res_name[es], 0);
	CHECK_VALUE("", "misc.peak", res_name[es], 0);
}

static struct kvm_vm *vms[MAX_VMS + 1];

/*
 * Takes all ASIDs that are left, and says how many.  SEV-SNP VMs are charged as
 * SEV-ES VMs, and may have a part of the ASIDs for themselves.
 */
static int exhaust(const char *cgroup, bool es)
{
	int used = file_value("misc.current", res_name[es]);
	int left = announced(es) - used;
	unsigned long type;
	int n = 0;

	if (left > MAX_VMS)
		skip("too many ASIDs");

	enter(cgroup);
	for (type = KVM_X86_SEV_VM; type <= KVM_X86_SNP_VM; type++) {
		if (!(vm_types(es) & BIT(type)))
			continue;
		while ((vms[n] = try_vm_create(type)))
			CHECK(n++ < left, "more VMs than ASIDs");
	}
	CHECK(n == left, "%d VMs, capacity %d, %d in use before", n,
	      announced(es), used);
	return n;
}

static void test_capacity(bool es)
{
	int n = exhaust("a", es);

	enter("b");
	CHECK(!try_vm_create(vm_type[es]), "more VMs than ASIDs");
	CHECK_USAGE(es, n, n, 0);
	kvm_vm_free(vms[0]);
	vms[0] = vm_create_in("b", es);
	CHECK_USAGE(es, n, n - 1, 1);
	while (n--)
		kvm_vm_free(vms[n]);
	CHECK_USAGE(es, 0, 0, 0);
}

/* The cgroup that holds everything has no max: nothing of its own refused. */
static void test_capacity_is_no_max(bool es)
{
	exhaust("a", es);
	CHECK_VALUE("a", "misc.events.local", max_event[es], 0);
	CHECK_VALUE("a", "misc.events", max_event[es], 0);
	CHECK_VALUE("", "misc.events", max_event[es], 0);
}

/*
 * Moved
 */

/* A VM of a is moved to one of @cgroup, which may be a as well. */
static void check_move(bool es, const char *cgroup, bool remove_a)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_target_in(cgroup, es);
	int in_b = cgroup[0] == 'b';

	if (remove_a)
		remove_cgroup("a");
	CHECK_ERR(vm_move(dst, src), 0);
	CHECK_USAGE(es, 1, remove_a ? NONE : !in_b, in_b);
	kvm_vm_free(src);
	CHECK_USAGE(es, 1, remove_a ? NONE : !in_b, in_b);
	kvm_vm_free(dst);
	CHECK_USAGE(es, 0, remove_a ? NONE : 0, 0);
}

static void test_move(bool es)
{
	check_move(es, "b", false);
}

static void test_move_from_removed_cgroup(bool es)
{
	check_move(es, "b", true);
}

static void test_move_within_cgroup(bool es)
{
	set_max("a", es, 1);
	check_move(es, "a", false);
}

static void test_move_under_full_parent(bool es)
{
	set_max("", es, 1);
	check_move(es, "b", false);
	CHECK_VALUE("", "misc.peak", res_name[es], 1);
}

static void test_move_refused(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_target_in("b", es);

	set_max("b", es, 0);
	CHECK_ERR(vm_move(dst, src), EBUSY);
	CHECK_USAGE(es, 1, 1, 0);

	/* Nothing is lost: it can be tried again. */
	set_max("b", es, 1);
	CHECK_ERR(vm_move(dst, src), 0);
	CHECK_USAGE(es, 1, 0, 1);
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE(es, 0, 0, 0);
}

/*
 * Fails for another reason, after the place where a charge might be taken: the
 * target has no vCPUs, which matters to SEV-ES VMs.
 */
static void test_move_fails(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *dst = vm_create_aux(es);

	enter("b");
	CHECK_ERR(vm_move(dst, src), EINVAL);
	CHECK_USAGE(es, 1, 1, 0);
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE(es, 0, 0, 0);
}

/*
 * Mirrored: a mirror VM shares the ASID of the VM that it mirrors
 */

static struct kvm_vm *vm_mirror_in(const char *cgroup, struct kvm_vm *src,
				   bool es)
{
	struct kvm_vm *vm = vm_create_aux(es);

	enter(cgroup);
	vm_enable_cap(vm, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, src->fd);
	return vm;
}

static void test_mirror(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *mirror = vm_mirror_in("b", src, es);

	CHECK_USAGE(es, 1, 1, 0);
	/* The ASID is in use for as long as one of them lives. */
	kvm_vm_free(src);
	CHECK_USAGE(es, 1, 1, 0);
	kvm_vm_free(mirror);
	CHECK_USAGE(es, 0, 0, 0);
}

static void test_mirror_of_moved_vm(bool es)
{
	struct kvm_vm *src = vm_launch_in("a", es);
	struct kvm_vm *mirror = vm_mirror_in("a", src, es);
	struct kvm_vm *dst = vm_target_in("b", es);

	CHECK_ERR(vm_move(dst, src), 0);
	CHECK_USAGE(es, 1, 0, 1);
	kvm_vm_free(src);
	kvm_vm_free(dst);
	CHECK_USAGE(es, 1, 0, 1);
	kvm_vm_free(mirror);
	CHECK_USAGE(es, 0, 0, 0);
}

/* Its context is moved, to a VM that then is the mirror. */
static void test_move_of_mirror(bool es)
{
	struct kvm_vm *src = vm_create_in("a", es);
	struct kvm_vm *mirror = vm_mirror_in("b", src, es);
	struct kvm_vm *dst = vm_create_aux(es);

	CHECK_ERR(vm_move(dst, mirror), 0);
	CHECK_USAGE(es, 1, 1, 0);
	kvm_vm_free(mirror);
	kvm_vm_free(dst);
	kvm_vm_free(src);
	CHECK_USAGE(es, 0, 0, 0);
}

/*
 * Limits and capacity
 */

static void test_two_limits_in_one_write(bool es)
{
	if (!announced(false) || !announced(true))
		skip("not both of sev and sev_es");
	CHECK_ERR(cg_write("a", "misc.max", es ? "sev_es 1\nsev 2\n" :
						 "sev 2\nsev_es 1\n"), 0);
	CHECK_VALUE("a", "misc.max", "sev", 2);
	CHECK_VALUE("a", "misc.max", "sev_es", 1);
}

static void test_capacity_in_child(bool es)
{
	CHECK(announced(es), "not announced");
	CHECK_VALUE("a", "misc.capacity", res_name[es], announced(es));
}

static void test_capacity_in_namespace(bool es)
{
	enter("a");
	CHECK(!unshare(CLONE_NEWCGROUP | CLONE_NEWNS), "%s", strerror(errno));
	/* The host's view goes, the container's comes. */
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	      !umount2(cg_root, MNT_DETACH) &&
	      !mount("none", cg_root, "cgroup2", 0, NULL) && !chdir(cg_root),
	      "%s", strerror(errno));
	CHECK(announced(es), "not announced there");
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

static void test_limits_outlive_module(bool es)
{
	set_max("a", es, 1);
	unload_kvm_amd();
	CHECK(!announced(es), "still announced");
	CHECK(!system("modprobe kvm_amd"), "it does not come back");
	CHECK_VALUE("a", "misc.max", res_name[es], 1);
	vm_create_in("a", es);
	CHECK(!try_vm_create(vm_type[es]), "the limit does not hold");
}

/* As a service manager does it at boot: kvm_amd may be loaded later. */
static void test_limit_before_module(bool es)
{
	int err;

	unload_kvm_amd();
	err = cg_write("a", "misc.max", es ? "sev_es 0" : "sev 0");
	/* Loaded whatever came of it: the next subtest needs it. */
	CHECK(!system("modprobe kvm_amd"), "it does not come back");
	if (err == EINVAL)
		skip("no limits before kvm_amd is loaded");
	CHECK_ERR(err, 0);
	enter("a");
	CHECK(!try_vm_create(vm_type[es]), "the limit does not hold");
}

/* Needs no VM: what the host cannot have must not be announced. */
static void test_capacity_is_usable(bool es)
{
	/* What a platform that may come back will have stays announced. */
	if (no_vms[es] == platform_fails)
		skip(platform_fails);
	if (announced(es) && vm_types(es))
		exhaust("a", es);
	else
		CHECK(!announced(es) && no_vms[es], "%d announced; %s",
		      announced(es), no_vms[es] ?: "there can be VMs");
}

/*
 * The platform is tried again each time and no ASID is spent on it, so that
 * there are as many as ever when it comes back.
 */
static void test_platform_fails(bool es)
{
	int i, err, tries = 2 * (announced(es) + 1);
	struct kvm_vm *vm;

	CHECK(announced(es), "not announced");
	enter("a");
	for (i = 0; i < tries; i++) {
		vm = i % 2 ? vm_create_barebones() : vm_create_aux(es);
		err = sev_init(vm, i % 2 ? older_init[es] : KVM_SEV_INIT2);
		CHECK(err == EIO && init_cmd.error,
		      "try %d: %s, firmware error %#x", i, strerror(err),
		      init_cmd.error);
		kvm_vm_free(vm);
	}
	CHECK_USAGE(es, 0, 0, 0);
	CHECK_VALUE("a", "misc.peak", res_name[es], 0);
	/* Older kernels do not count these. */
	CHECK(file_value(cg_file("a", "misc.events.local"),
			 alloc_fail[es]) <= 0, "a charge was refused");
}

static const struct subtest {
	const char *name;
	void (*fn)(bool es);
	bool only_es;
	bool no_vm;		/* runs where there can be no VMs, too */
	bool only_no_vm;	/* runs only where KVM supports no such VMs */
	bool fails;		/* runs only where the platform fails */
} subtests[] = {
	{ "VM is charged, and returned when it goes", test_charge },
	{ "VM of the older init is charged", test_older_init },
	{ "older init makes no VM that the host cannot have",
	  test_older_init_without_type, .only_no_vm = true },
	{ "removed cgroup stays charged to its parent", test_removed_cgroup },
	{ "killed owner returns everything", test_killed_owner },
	{ "refused by misc.max", test_max },
	{ "refused by exhausted capacity", test_capacity },
	{ "refused charge raises no peak below the refusing level",
	  test_peak_of_refused_charge },
	{ "exhausted capacity is counted as no max", test_capacity_is_no_max },
	{ "as many VMs as misc.capacity says",
	  test_capacity_is_usable, .no_vm = true },
	{ "platform that fails costs no ASID",
	  test_platform_fails, .fails = true },
	{ "two resources in one write to misc.max",
	  test_two_limits_in_one_write },
	{ "capacity can be read in a child cgroup", test_capacity_in_child },
	{ "capacity can be read in a cgroup namespace",
	  test_capacity_in_namespace },
	{ "limits outlive kvm_amd", test_limits_outlive_module },
	{ "limit set before kvm_amd is loaded", test_limit_before_module },
	{ "charge moves along", test_move },
	{ "move within a full cgroup", test_move_within_cgroup },
	{ "move to a sibling under a full parent",
	  test_move_under_full_parent },
	{ "refused move changes nothing", test_move_refused },
	{ "failed move changes nothing", test_move_fails, .only_es = true },
	{ "move out of a removed cgroup", test_move_from_removed_cgroup },
	{ "mirror is not charged", test_mirror },
	{ "mirrored VM is moved", test_mirror_of_moved_vm },
	/* Last: what is leaked where it fails is lost until the next boot. */
	{ "move of a mirror charges nothing", test_move_of_mirror },
};

/* Also finds out whether the platform works, which may be tried only now. */
static const char *why_no_vms(bool es)
{
	struct kvm_vm *vm;
	int err;

	if (!(vm_types(es) & BIT(vm_type[es])))
		return es ? "no SEV-ES VMs" : "no SEV VMs";
	vm = vm_create_aux(es);
	err = sev_init(vm, KVM_SEV_INIT2);
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

/* A platform that fails is a case of its own: KVM supports the VMs there. */
static bool applies(const struct subtest *t, bool es)
{
	bool fails = no_vms[es] == platform_fails;
	bool unsupported = no_vms[es] && !fails;

	return (es || !t->only_es) && (fails || !t->fails) &&
	       (unsupported || !t->only_no_vm);
}

static int run_process(const struct subtest *t, bool es)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		t->fn(es);
		/* VMs that are still there go with the process. */
		exit(KSFT_PASS);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
	       WEXITSTATUS(status) : KSFT_FAIL;
}

static void run(const struct subtest *t, bool es)
{
	const char *type = es ? "SEV-ES" : "SEV";
	int status = KSFT_SKIP;

	*skip_reason = no_vms[es];
	if (!no_vms[es] || t->no_vm || t->only_no_vm || t->fails) {
		status = make_tree() ? run_process(t, es) : KSFT_FAIL;
		remove_tree();
	}
	if (status == KSFT_SKIP)
		ksft_test_result_skip("%s: %s # %s\n", type, t->name,
				      *skip_reason);
	else
		ksft_test_result(status == KSFT_PASS, "%s: %s\n", type, t->name);
}

static bool find_cgroup2(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *m;

	while (mounts && (m = getmntent(mounts))) {
		if (!strcmp(m->mnt_type, "cgroup2")) {
			snprintf(cg_root, sizeof(cg_root), "%s", m->mnt_dir);
			return true;
		}
	}
	return false;
}

int main(int argc, char *argv[])
{
	struct rlimit files = { 4 * MAX_VMS, 4 * MAX_VMS };
	int i, nr = 0;

	ksft_print_header();
	/* Skips where there is no KVM. */
	close(open_kvm_dev_path_or_exit());
	if (!find_cgroup2() || chdir(cg_root))
		ksft_exit_skip("cgroup v2 isn't mounted\n");
	if (file_write("cgroup.subtree_control", "+misc"))
		ksft_exit_skip("misc controller isn't available on cgroup v2\n");

	skip_reason = mmap(NULL, sizeof(*skip_reason), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(skip_reason != MAP_FAILED, "mmap");
	/* Some for each VM. */
	setrlimit(RLIMIT_NOFILE, &files);

	no_vms[false] = why_no_vms(false);
	no_vms[true] = why_no_vms(true);
	/* Each subtest twice: with SEV VMs, then with SEV-ES VMs. */
	for (i = 0; i < 2 * ARRAY_SIZE(subtests); i++)
		nr += applies(&subtests[i / 2], i % 2);
	ksft_set_plan(nr);
	for (i = 0; i < 2 * ARRAY_SIZE(subtests); i++)
		if (applies(&subtests[i / 2], i % 2))
			run(&subtests[i / 2], i % 2);

	ksft_finished();
}
