/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KVM's interface for SEV-SNP VMs.  The headers of the host that compiles the
 * tests may lack it: it came with Linux 6.8 (memory) and 6.11 (VMs).
 */
#ifndef KVM_SNP_H
#define KVM_SNP_H

#include <linux/kvm.h>

#ifndef KVM_X86_SNP_VM
#define KVM_X86_SNP_VM			4
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES		235
#endif

/* Commands of KVM_MEMORY_ENCRYPT_OP, and their data. */
#define SNP_INIT2			22
#define SNP_LAUNCH_START		100
#define SNP_LAUNCH_UPDATE		101
#define SNP_LAUNCH_FINISH		102

struct snp_init {
	__u64 vmsa_features;
	__u32 flags;
	__u16 ghcb_version;
	__u16 pad1;
	__u32 pad2[8];
};

struct snp_launch_start {
	__u64 policy;
	__u8 gosvw[16];
	__u16 flags;
	__u8 pad0[6];
	__u64 pad1[4];
};

struct snp_launch_update {
	__u64 gfn_start;
	__u64 uaddr;
	__u64 len;
	__u8 type;
	__u8 pad0;
	__u16 flags;
	__u32 pad1;
	__u64 pad2[4];
};

#define SNP_PAGE_NORMAL			1
#define SNP_PAGE_ZERO			3

struct snp_launch_finish {
	__u64 id_block_uaddr;
	__u64 id_auth_uaddr;
	__u8 id_block_en;
	__u8 auth_key_en;
	__u8 vcek_disabled;
	__u8 host_data[32];
	__u8 pad0[3];
	__u16 flags;
	__u64 pad1[4];
};

#define SNP_POLICY			(1 << 16 | 1 << 17)	/* SMT allowed; a bit that must be 1 */

/* Private memory. */
struct snp_memory_region {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

struct snp_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};

struct snp_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};

#define SNP_SET_MEMORY_REGION		_IOW(KVMIO, 0x49, struct snp_memory_region)
#define SNP_SET_MEMORY_ATTRIBUTES	_IOW(KVMIO, 0xd2, struct snp_memory_attributes)
#define SNP_CREATE_GUEST_MEMFD		_IOWR(KVMIO, 0xd4, struct snp_guest_memfd)
#define SNP_REGION_GUEST_MEMFD		(1 << 2)
#define SNP_MEMORY_PRIVATE		(1 << 3)

#endif
