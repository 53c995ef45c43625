// SPDX-License-Identifier: GPL-2.0
/*
 * Creates SEV VMs, as a VMM does, and holds them until it is killed.
 *
 *	sev-vm [-e|-s|-l] COUNT
 *
 * -e creates SEV-ES VMs, -s SEV-SNP VMs.  -l creates SEV-SNP VMs and starts their
 * launch, so that the firmware has a context for each.  Only -l needs /dev/sev;
 * otherwise /dev/kvm is enough.  No VM is run.
 *
 * Prints one line for each VM, "created" or "refused: ERROR", stops at the first
 * refusal and prints "holding N".  On SIGUSR1 it moves the encryption context of
 * its first VM to a new VM, as an upgrade of the VMM on the same host does, and
 * prints "moved" or "not moved: ERROR".  KVM moves no SEV-SNP VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_snp.h"

static int kvm;
static int sev = -1;
static int type;	/* of the VMs */

static int create_vm(void)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, type);

	if (vm < 0) {
		perror("KVM_CREATE_VM");
		exit(1);
	}
	return vm;
}

static int sev_command(int vm, int id, void *data)
{
	struct kvm_sev_cmd cmd = {
		.id = id,
		.data = (__u64)(unsigned long)data,
		.sev_fd = sev,
	};

	return ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static int sev_init(int vm, int id)
{
	struct snp_init init = { 0 };

	return sev_command(vm, id, &init);
}

static void launch_start(int vm)
{
	struct snp_launch_start start = { .policy = SNP_POLICY };

	if (sev_command(vm, SNP_LAUNCH_START, &start)) {
		perror("KVM_SEV_SNP_LAUNCH_START");
		exit(1);
	}
}

static void move_vm(int *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM,
		.args[0] = *vm,
	};
	int new = create_vm();

	if (ioctl(new, KVM_ENABLE_CAP, &cap)) {
		printf("not moved: %s\n", strerror(errno));
		close(new);
		return;
	}
	close(*vm);
	*vm = new;
	printf("moved\n");
}

int main(int argc, char **argv)
{
	int es = argc == 3 && !strcmp(argv[1], "-e");
	int launch = argc == 3 && !strcmp(argv[1], "-l");
	int snp = launch || (argc == 3 && !strcmp(argv[1], "-s"));
	int count = argc == 2 + (es || snp) ? atoi(argv[argc - 1]) : 0;
	int init = snp ? SNP_INIT2 : es ? KVM_SEV_ES_INIT : KVM_SEV_INIT;
	int vms[64], n, signal;
	sigset_t move;

	setbuf(stdout, NULL);
	if (count < 1 || count > 64) {
		fprintf(stderr, "usage: sev-vm [-e|-s|-l] COUNT, with COUNT 1 to 64\n");
		return 2;
	}
	type = snp ? KVM_X86_SNP_VM : 0;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		perror("/dev/kvm");
		return 1;
	}
	if (launch) {
		sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
		if (sev < 0) {
			perror("/dev/sev");
			return 1;
		}
	}

	sigemptyset(&move);
	sigaddset(&move, SIGUSR1);
	sigprocmask(SIG_BLOCK, &move, NULL);

	for (n = 0; n < count; n++) {
		vms[n] = create_vm();
		if (sev_init(vms[n], init)) {
			printf("VM %d: refused: %s\n", n + 1, strerror(errno));
			close(vms[n]);
			break;
		}
		if (launch)
			launch_start(vms[n]);
		printf("VM %d: created\n", n + 1);
	}
	printf("holding %d\n", n);

	while (!sigwait(&move, &signal))
		if (n)
			move_vm(&vms[0]);
	return 0;
}
