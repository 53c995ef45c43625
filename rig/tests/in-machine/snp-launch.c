// SPDX-License-Identifier: GPL-2.0
/*
 * Launches SEV-SNP VMs, up to the point where a guest would run, with the
 * commands in the right order and in wrong ones.  The firmware's errors must
 * reach user space, and the ASID of every VM must be released.  Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_snp.h"

#define PAGE		4096
#define PAGES		8
#define GPA		0x100000
#define GFN		(GPA / PAGE)

/* The firmware's errors. */
#define NO_ERROR		0
#define INVALID_GUEST_STATE	0x02
#define POLICY_FAILURE		0x07
#define UNSUPPORTED		0x15

static int kvm, sev;
static char *memory;

static int vm, memfd, vcpu;
static unsigned int fw_error;	/* of the last command */
static const char *wrong;	/* the first check that fails in a test */
static int wrong_line, wrong_errno;

#define CHECK(what)							\
do {									\
	if (!wrong && !(what)) {					\
		wrong = #what;						\
		wrong_line = __LINE__;					\
		wrong_errno = errno;					\
	}								\
} while (0)

/* Returns 0 or errno. */
static int command(int id, void *data)
{
	struct kvm_sev_cmd cmd = {
		.id = id,
		.data = (unsigned long)data,
		.sev_fd = sev,
	};
	int err = ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd) ? errno : 0;

	fw_error = cmd.error;
	return err;
}

static int start(unsigned long long policy)
{
	struct snp_launch_start data = { .policy = policy };

	return command(SNP_LAUNCH_START, &data);
}

static int update(int page, int count, int type)
{
	struct snp_launch_update data = {
		.gfn_start = GFN + page,
		.uaddr = (unsigned long)memory + page * PAGE,
		.len = count * PAGE,
		.type = type,
	};

	return command(SNP_LAUNCH_UPDATE, &data);
}

static int finish(int id_block)
{
	struct snp_launch_finish data = {
		.id_block_uaddr = (unsigned long)memory,
		.id_auth_uaddr = (unsigned long)memory,
		.id_block_en = id_block,
	};

	return command(SNP_LAUNCH_FINISH, &data);
}

/* Create a VM with an ASID and private memory, but no context in the firmware. */
static void vm_new(void)
{
	struct snp_init init = { 0 };
	struct snp_guest_memfd file = { .size = PAGES * PAGE };
	struct snp_memory_region region = {
		.flags = SNP_REGION_GUEST_MEMFD,
		.guest_phys_addr = GPA,
		.memory_size = PAGES * PAGE,
		.userspace_addr = (unsigned long)memory,
	};
	struct snp_memory_attributes private = {
		.address = GPA,
		.size = PAGES * PAGE,
		.attributes = SNP_MEMORY_PRIVATE,
	};

	vm = ioctl(kvm, KVM_CREATE_VM, KVM_X86_SNP_VM);
	CHECK(vm >= 0);
	CHECK(!command(SNP_INIT2, &init));
	memfd = ioctl(vm, SNP_CREATE_GUEST_MEMFD, &file);
	CHECK(memfd >= 0);
	region.guest_memfd = memfd;
	CHECK(!ioctl(vm, SNP_SET_MEMORY_REGION, &region));
	CHECK(!ioctl(vm, SNP_SET_MEMORY_ATTRIBUTES, &private));
}

static void vm_end(void)
{
	close(vcpu);
	close(memfd);
	close(vm);
}

static void launch(void)
{
	CHECK(!start(SNP_POLICY));
	CHECK(!update(0, 4, SNP_PAGE_NORMAL));
	CHECK(!update(4, 1, SNP_PAGE_ZERO));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	CHECK(vcpu >= 0);
	CHECK(!finish(0));
}

/* More often than there are ASIDs. */
static void test_launch(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (i)
			vm_end();
		if (i)
			vm_new();
		launch();
	}
}

static void test_never_finished(void)
{
	CHECK(!start(SNP_POLICY));
	CHECK(!update(0, PAGES, SNP_PAGE_NORMAL));
}

static void test_order(void)
{
	struct snp_init init = { 0 };

	CHECK(command(SNP_INIT2, &init));
	CHECK(update(0, 1, SNP_PAGE_NORMAL) == EINVAL);
	CHECK(finish(0) == EINVAL);
	CHECK(!start(SNP_POLICY));
	CHECK(start(SNP_POLICY) == EINVAL);
	CHECK(!update(0, 1, SNP_PAGE_NORMAL));
	CHECK(!finish(0));
}

static void test_page_twice(void)
{
	CHECK(!start(SNP_POLICY));
	CHECK(!update(0, 2, SNP_PAGE_NORMAL));
	CHECK(update(1, 2, SNP_PAGE_NORMAL) == EIO);
	CHECK(!update(2, 1, SNP_PAGE_NORMAL));
	CHECK(!finish(0));
}

static void test_update_after_finish(void)
{
	launch();
	CHECK(update(5, 2, SNP_PAGE_NORMAL) == EIO);
	CHECK(fw_error == INVALID_GUEST_STATE);
}

static void test_finish_twice(void)
{
	CHECK(!start(SNP_POLICY));
	CHECK(!finish(0));
	CHECK(finish(0) == EIO);
	CHECK(fw_error == INVALID_GUEST_STATE);
}

/* After a policy that the firmware refuses, the launch can be started again. */
static void test_policy(void)
{
	CHECK(start(SNP_POLICY | 0xffff));
	CHECK(fw_error == POLICY_FAILURE);
	launch();
}

static void test_id_block(void)
{
	CHECK(!start(SNP_POLICY));
	CHECK(finish(1) == EIO);
	CHECK(fw_error == UNSUPPORTED);
	CHECK(!finish(0));
}

/* A launch with another file than /dev/sev fails, and can be started again. */
static void test_not_the_firmware(void)
{
	int real = sev;

	sev = kvm;
	CHECK(start(SNP_POLICY));
	sev = real;
	launch();
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "VMs are launched, one after another", test_launch },
	{ "launch that is never finished", test_never_finished },
	{ "commands in a wrong order", test_order },
	{ "page that is already the guest's", test_page_twice },
	{ "page after the end of the launch", test_update_after_finish },
	{ "launch that is finished twice", test_finish_twice },
	{ "policy that the firmware refuses", test_policy },
	{ "ID block that the firmware refuses", test_id_block },
	{ "another file in the place of /dev/sev", test_not_the_firmware },
};

#define NR_TESTS	(int)(sizeof(tests) / sizeof(tests[0]))

int main(void)
{
	int i, failed = 0;

	setbuf(stdout, NULL);
	printf("TAP version 13\n");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	if (kvm < 0 || sev < 0 || !(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) & 1 << KVM_X86_SNP_VM)) {
		printf("1..0 # SKIP no SEV-SNP VMs\n");
		return 4;
	}
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, PAGES * PAGE);

	printf("1..%d\n", NR_TESTS);
	for (i = 0; i < NR_TESTS; i++) {
		wrong = NULL;
		vcpu = -1;
		vm_new();
		tests[i].fn();
		vm_end();
		if (wrong)
			printf("# line %d: %s; errno %d, firmware error %#x\n",
			       wrong_line, wrong, wrong_errno, fw_error);
		failed |= !!wrong;
		printf("%sok %d %s\n", wrong ? "not " : "", i + 1, tests[i].name);
	}
	return failed;
}
