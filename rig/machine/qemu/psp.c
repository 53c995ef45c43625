/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AMD Platform Security Processor (PSP) with the functions that Linux needs to
 * run SEV guests: the mailbox of the SEV firmware, and the commands for the
 * life of a guest from LAUNCH_START to DECOMMISSION.
 *
 * It enforces the firmware's rules for states, owners of ASIDs and of pages,
 * and flushes of the data fabric: a command that breaks one of them fails.  It
 * does not ask for WBINVD.  Memory of SEV and SEV-ES guests is measured, that of
 * SEV-SNP guests is not; none is encrypted.
 *
 * The ranges of ASIDs are properties of the CPUs, see sev-max-asid; so is
 * SEV-SNP, see sev-snp.  With SEV-SNP, the PSP reserves memory for the RMP, as
 * the BIOS of a host does: beyond the end of the RAM, and in no memory map.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hw/core/cpu.h"
#include "hw/i386/x86.h"
#include "hw/i386/x86-iommu.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "amd_iommu.h"
#include "rmp.h"

#define TYPE_AMD_PSP "amd-psp"
OBJECT_DECLARE_SIMPLE_TYPE(AmdPsp, AMD_PSP)

#define PSP_DEVICE_ID   0x14ca
#define PSP_BAR         2
#define PSP_BAR_SIZE    (128 * KiB)

/* Registers.  */
#define INTEN           0x10690
#define INTSTS          0x10694
#define CMDRESP         0x10980
#define CMDBUF_LOW      0x109e0
#define CMDBUF_HIGH     0x109e4
#define BOOTLOADER      0x109ec
#define FEATURES        0x109fc

#define INT_CMD_DONE    (1u << 1)
#define CMDRESP_IOC     (1u << 0)
#define CMDRESP_DONE    (1u << 31)
#define FEATURES_SEV    (1u << 0)

#define API_MAJOR       1
#define API_MINOR       55
#define BUILD           21
#define SVN_WITHOUT_ES  27

/* Status codes of the firmware.  */
enum {
    OK = 0x00,
    INVALID_PLATFORM_STATE = 0x01,
    INVALID_GUEST_STATE = 0x02,
    INVALID_CONFIG = 0x03,
    INVALID_LEN = 0x04,
    POLICY_FAILURE = 0x07,
    INACTIVE = 0x08,
    INVALID_ADDRESS = 0x09,
    ASID_OWNED = 0x0c,
    INVALID_ASID = 0x0d,
    DFFLUSH_REQUIRED = 0x0f,
    INVALID_GUEST = 0x10,
    INVALID_COMMAND = 0x11,
    ACTIVE = 0x12,
    HW_PLATFORM = 0x13,
    UNSUPPORTED = 0x15,
    INVALID_PARAM = 0x16,
    INVALID_PAGE_SIZE = 0x19,
    INVALID_PAGE_STATE = 0x1a,
    INVALID_PAGE_OWNER = 0x1c,
    RMP_INIT_REQUIRED = 0x20,
};

enum {
    PLATFORM_UNINIT,
    PLATFORM_INIT,
    PLATFORM_WORKING,
};

enum {
    GUEST_LUPDATE = 1,
    GUEST_LSECRET,
    GUEST_RUNNING,
};

#define INIT_FLAG_ES    (1u << 0)
#define STATUS_FLAG_ES  (1u << 8)
#define POLICY_ES       (1u << 2)

typedef struct Guest {
    uint32_t handle;
    uint32_t policy;
    uint32_t asid;              /* 0: not active */
    uint8_t state;
    GChecksum *digest;          /* of the launched memory */
} Guest;

enum {
    SNP_GUEST_INIT,
    SNP_GUEST_LAUNCH,
    SNP_GUEST_RUNNING,
};

#define SNP_POLICY_MBO  (1u << 17)      /* must be one */

/* A guest's context is a page of the host's memory, by which it is known.  */
typedef struct SnpGuest {
    hwaddr context;
    uint32_t asid;              /* 0: not active */
    uint8_t state;
} SnpGuest;

/* Values in asids[]; any other value is the handle of the ASID's guest.  */
#define ASID_FREE       0
#define ASID_DIRTY      UINT32_MAX
#define ASID_SNP        (UINT32_MAX - 1)

struct AmdPsp {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    MemoryRegion rmp;

    /* Numbers of commands still to fail.  */
    uint32_t init_fails;
    uint32_t snp_init_fails;
    uint32_t snp_decommission_fails;
    uint8_t snp_svn;            /* security version of the SNP firmware */

    uint32_t inten;
    uint32_t intsts;
    uint32_t cmdresp;
    uint32_t cmdbuf[2];

    /* State of the firmware.  */
    uint8_t state;
    bool es;
    uint32_t last_handle;
    GHashTable *guests;
    bool snp;                   /* initialized for SEV-SNP */
    bool rmp_valid;             /* initialized, by this SNP_INIT or an earlier one */
    uint32_t max_snp_asid;      /* ciphertext hiding; 0: not in use */
    GHashTable *snp_guests;     /* by the page of the context */
    uint32_t max_asid;
    uint32_t min_asid;
    uint32_t *asids;
};

/*
 * The host passes physical addresses, which an IOMMU must not translate.
 * Both functions return whether they failed.
 */
static bool dma_in(hwaddr pa, void *data, uint32_t len)
{
    return address_space_read(&address_space_memory, pa, MEMTXATTRS_UNSPECIFIED,
                              data, len) != MEMTX_OK;
}

static bool dma_out(hwaddr pa, const void *data, uint32_t len)
{
    return address_space_write(&address_space_memory, pa,
                               MEMTXATTRS_UNSPECIFIED, data, len) != MEMTX_OK;
}

/* States of pages, as entries of the RMP.  */
#define PAGE_FIRMWARE   (RMP_ASSIGNED | RMP_IMMUTABLE)
#define PAGE_CONTEXT    (RMP_ASSIGNED | RMP_IMMUTABLE | RMP_VMSA)
#define PAGE_RECLAIM    RMP_ASSIGNED
#define PAGE_HV_FIXED   RMP_IMMUTABLE

static bool page_is(hwaddr pa, uint64_t state)
{
    return rmp_covers(pa) && (rmp_get(pa) & ~RMP_2M) == state;
}

/* The entry of a page as commands see it: parts of a page of 2 MB have none.  */
static uint64_t page_entry(hwaddr pa)
{
    hwaddr huge = pa & ~(2 * MiB - 1);

    return pa != huge && rmp_get(huge) & RMP_2M ? 0 : rmp_get(pa);
}

/*
 * writable - whether the firmware may write to memory
 *
 * With SEV-SNP, the host must have given it all pages.
 */
static bool writable(AmdPsp *s, hwaddr pa, uint32_t len)
{
    hwaddr page;

    for (page = pa & TARGET_PAGE_MASK; s->snp && page < pa + len;
         page += TARGET_PAGE_SIZE) {
        if (!page_is(page, PAGE_FIRMWARE)) {
            return false;
        }
    }
    return true;
}

static void guest_free(gpointer opaque)
{
    Guest *g = opaque;

    g_checksum_free(g->digest);
    g_free(g);
}

static uint32_t cpu_property(const char *name)
{
    return object_property_get_uint(OBJECT(first_cpu), name, &error_abort);
}

/* Whether all CPUs have SEV-SNP switched on.  */
static bool snp_enabled(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (!(X86_CPU(cpu)->env.syscfg & MSR_SYSCFG_SNP_EN)) {
            return false;
        }
    }
    return true;
}

/* ASIDs may have been used before: DF_FLUSH must come first.  */
static void asids_init(AmdPsp *s)
{
    uint32_t asid;

    s->max_asid = cpu_property("sev-max-asid");
    s->min_asid = cpu_property("sev-min-asid");
    s->asids = g_new0(uint32_t, s->max_asid + 1);
    for (asid = 0; asid <= s->max_asid; asid++) {
        s->asids[asid] = ASID_DIRTY;
    }
}

/* Only a guest that has been running leaves traces in caches.  */
static void deactivate(AmdPsp *s, uint32_t *own, bool running)
{
    s->asids[*own] = running ? ASID_DIRTY : ASID_FREE;
    *own = 0;
}

static uint16_t cmd_shutdown(AmdPsp *s, uint8_t *buf)
{
    GHashTableIter iter;
    gpointer guest;

    s->state = PLATFORM_UNINIT;
    s->es = false;
    /* SEV-SNP goes on.  */
    g_hash_table_iter_init(&iter, s->guests);
    while (s->snp && g_hash_table_iter_next(&iter, NULL, &guest)) {
        Guest *g = guest;

        if (g->asid) {
            deactivate(s, &g->asid, g->state == GUEST_RUNNING);
        }
    }
    g_hash_table_remove_all(s->guests);
    if (!s->snp) {
        g_clear_pointer(&s->asids, g_free);
    }
    return OK;
}

static uint16_t cmd_init(AmdPsp *s, uint8_t *buf)
{
    bool es = ldl_le_p(buf) & INIT_FLAG_ES;
    uint64_t tmr = ldq_le_p(buf + 8);
    uint32_t tmr_len = ldl_le_p(buf + 16);
    uint32_t tmr_size = s->rmp_valid ? 2 * MiB : 1 * MiB;

    if (s->state != PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    if (s->init_fails) {
        s->init_fails--;
        return HW_PLATFORM;
    }
    /* SEV guests must not be able to change the RMP.  */
    if (snp_enabled() && !s->rmp_valid) {
        return INVALID_PLATFORM_STATE;
    }
    /* SEV-ES needs the trusted memory region.  */
    if (es && !writable(s, tmr, tmr_len)) {
        return INVALID_PAGE_STATE;
    }
    if (es && (!tmr || tmr % tmr_size)) {
        return INVALID_ADDRESS;
    }
    if (es && tmr_len != tmr_size) {
        return INVALID_LEN;
    }

    s->state = PLATFORM_INIT;
    s->es = es;
    if (!s->snp) {
        asids_init(s);
    }
    return OK;
}

static uint16_t cmd_platform_status(AmdPsp *s, uint8_t *buf)
{
    buf[0] = API_MAJOR;
    buf[1] = API_MINOR;
    buf[2] = s->state;
    stl_le_p(buf + 3, s->es ? STATUS_FLAG_ES : 0);
    buf[7] = BUILD;
    stl_le_p(buf + 8, g_hash_table_size(s->guests));
    return OK;
}

/*
 * give - copy data to a buffer of the host
 * @addr, @len: the command's fields for the buffer's address and size
 *
 * Sets the field @len to the size of the data, and fails if the buffer is
 * smaller: a host passes 0 to find out the size.
 */
static uint16_t give(AmdPsp *s, uint8_t *addr, uint8_t *len, const void *data,
                     uint32_t size)
{
    bool fits = ldl_le_p(len) >= size;

    stl_le_p(len, size);
    if (!fits) {
        return INVALID_LEN;
    }
    if (!writable(s, ldq_le_p(addr), size)) {
        return INVALID_PAGE_STATE;
    }
    if (dma_out(ldq_le_p(addr), data, size)) {
        return INVALID_ADDRESS;
    }
    return OK;
}

/* Zeroes instead of certificates, with the size of real ones.  */
static uint16_t cmd_pdh_cert_export(AmdPsp *s, uint8_t *buf)
{
    enum { CERT = 2084 };
    static const uint8_t zero[3 * CERT];
    uint16_t pdh, chain;

    if (s->state == PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    pdh = give(s, buf, buf + 8, zero, CERT);
    chain = give(s, buf + 16, buf + 24, zero, sizeof(zero));
    return pdh ?: chain;
}

/* The fixed ID of the only processor.  */
static uint16_t cmd_get_id(AmdPsp *s, uint8_t *buf)
{
    static const uint8_t id[64] = "amd-psp";

    return give(s, buf, buf + 8, id, sizeof(id));
}

/* In every state of the platform.  */
static uint16_t cmd_df_flush(AmdPsp *s, uint8_t *buf)
{
    uint32_t asid;

    for (asid = 0; s->asids && asid <= s->max_asid; asid++) {
        if (s->asids[asid] == ASID_DIRTY) {
            s->asids[asid] = ASID_FREE;
        }
    }
    return OK;
}

static Guest *find_guest(AmdPsp *s, uint32_t handle)
{
    return g_hash_table_lookup(s->guests, GUINT_TO_POINTER(handle));
}

static uint16_t cmd_launch_start(AmdPsp *s, uint8_t *buf)
{
    uint32_t shared = ldl_le_p(buf);
    uint32_t policy = ldl_le_p(buf + 4);
    Guest *g;

    if (s->state == PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    /* With a handle, the new guest shares the key of the guest it names.  */
    if (shared && !find_guest(s, shared)) {
        return INVALID_GUEST;
    }
    /* Newer firmware has no SEV-ES guests beside SEV-SNP ones.  */
    if ((policy & POLICY_ES) &&
        (!s->es || (s->snp && s->snp_svn >= SVN_WITHOUT_ES))) {
        return UNSUPPORTED;
    }

    g = g_new0(Guest, 1);
    g->handle = ++s->last_handle;
    g->policy = policy;
    g->state = GUEST_LUPDATE;
    g->digest = g_checksum_new(G_CHECKSUM_SHA256);
    g_hash_table_insert(s->guests, GUINT_TO_POINTER(g->handle), g);
    s->state = PLATFORM_WORKING;
    stl_le_p(buf, g->handle);
    return OK;
}

static uint16_t cmd_decommission(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (g->asid) {
        return ACTIVE;
    }
    g_hash_table_remove(s->guests, GUINT_TO_POINTER(g->handle));
    if (g_hash_table_size(s->guests) == 0) {
        s->state = PLATFORM_INIT;
    }
    return OK;
}

/*
 * activate - give an ASID to a guest
 * @own: the ASID that the guest has
 * @guest: its handle, or ASID_SNP
 * @min, @max: the ASIDs of guests of its kind
 */
static uint16_t activate(AmdPsp *s, uint32_t *own, uint32_t guest, uint32_t asid,
                         uint32_t min, uint32_t max)
{
    if (asid == 0 || asid > s->max_asid) {
        return INVALID_ASID;
    }
    if (s->asids[asid] != ASID_FREE && s->asids[asid] != ASID_DIRTY) {
        return ASID_OWNED;
    }
    if (*own) {
        return ACTIVE;
    }
    if (s->asids[asid] == ASID_DIRTY) {
        return DFFLUSH_REQUIRED;
    }
    if (asid < min || asid > max) {
        return INVALID_ASID;
    }
    s->asids[asid] = guest;
    *own = asid;
    return OK;
}

static uint16_t cmd_activate(AmdPsp *s, Guest *g, uint8_t *buf)
{
    uint32_t asid = ldl_le_p(buf + 4);

    if (g->policy & POLICY_ES) {
        return activate(s, &g->asid, g->handle, asid, s->max_snp_asid + 1,
                        s->min_asid - 1);
    }
    return activate(s, &g->asid, g->handle, asid, s->min_asid, s->max_asid);
}

static uint16_t cmd_deactivate(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (!g->asid) {
        return INACTIVE;
    }
    deactivate(s, &g->asid, g->state == GUEST_RUNNING);
    return OK;
}

/* The state of a guest that does not exist is 0.  */
static uint16_t cmd_guest_status(AmdPsp *s, uint8_t *buf)
{
    Guest *g = find_guest(s, ldl_le_p(buf));

    if (s->state == PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    stl_le_p(buf + 4, g ? g->policy : 0);
    stl_le_p(buf + 8, g ? g->asid : 0);
    buf[12] = g ? g->state : 0;
    return OK;
}

static uint16_t launch_update(AmdPsp *s, Guest *g, uint8_t *buf, bool vmsa)
{
    uint64_t pa = ldq_le_p(buf + 8);
    uint32_t len = ldl_le_p(buf + 16);
    uint8_t chunk[4096];

    if (g->state != GUEST_LUPDATE) {
        return INVALID_GUEST_STATE;
    }
    if (vmsa && !(g->policy & POLICY_ES)) {
        return UNSUPPORTED;
    }
    if (!g->asid) {
        return INACTIVE;
    }
    if (pa % 16) {
        return INVALID_ADDRESS;
    }
    if (len == 0 || len % 16) {
        return INVALID_LEN;
    }
    if (!writable(s, pa, len)) {
        return INVALID_PAGE_STATE;
    }
    while (len) {
        uint32_t n = MIN(len, sizeof(chunk));

        if (dma_in(pa, chunk, n)) {
            return INVALID_ADDRESS;
        }
        g_checksum_update(g->digest, chunk, n);
        pa += n;
        len -= n;
    }
    return OK;
}

static uint16_t cmd_launch_update(AmdPsp *s, Guest *g, uint8_t *buf)
{
    return launch_update(s, g, buf, false);
}

static uint16_t cmd_launch_update_vmsa(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (ldl_le_p(buf + 16) != TARGET_PAGE_SIZE) {
        return INVALID_LEN;
    }
    return launch_update(s, g, buf, true);
}

static uint16_t cmd_launch_measure(AmdPsp *s, Guest *g, uint8_t *buf)
{
    enum { MAC = 32, NONCE = 16 };
    /*
     * Real firmware gets the key from the session, encrypted for this
     * processor.  Here it is zero, so that a test can compute the result.
     */
    static const uint8_t key[16];
    uint8_t out[MAC + NONCE], head[8], digest[32];
    gsize mac_len = MAC, digest_len = sizeof(digest);
    GHmac *mac;

    if (g->state != GUEST_LUPDATE) {
        return INVALID_GUEST_STATE;
    }
    if (ldl_le_p(buf + 16) < sizeof(out)) {
        stl_le_p(buf + 16, sizeof(out));
        return INVALID_LEN;
    }
    if (!writable(s, ldq_le_p(buf + 8), sizeof(out))) {
        return INVALID_PAGE_STATE;
    }

    head[0] = 0x04;
    head[1] = API_MAJOR;
    head[2] = API_MINOR;
    head[3] = BUILD;
    stl_le_p(head + 4, g->policy);
    g_checksum_get_digest(g->digest, digest, &digest_len);
    qemu_guest_getrandom_nofail(out + MAC, NONCE);

    mac = g_hmac_new(G_CHECKSUM_SHA256, key, sizeof(key));
    g_hmac_update(mac, head, sizeof(head));
    g_hmac_update(mac, digest, sizeof(digest));
    g_hmac_update(mac, out + MAC, NONCE);
    g_hmac_get_digest(mac, out, &mac_len);
    g_hmac_unref(mac);

    g->state = GUEST_LSECRET;
    stl_le_p(buf + 16, sizeof(out));
    if (dma_out(ldq_le_p(buf + 8), out, sizeof(out))) {
        return INVALID_ADDRESS;
    }
    return OK;
}

static uint16_t cmd_launch_finish(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (g->state != GUEST_LSECRET) {
        return INVALID_GUEST_STATE;
    }
    g->state = GUEST_RUNNING;
    return OK;
}

/*
 * iommu_pages - give the pages that the IOMMU writes to it, or take them back
 *
 * These are its logs, and the page for the results of COMPLETION_WAIT.
 */
static void iommu_pages(uint64_t state)
{
    AMDVIState *iommu = (AMDVIState *)
        object_dynamic_cast(OBJECT(x86_iommu_get_default()),
                            TYPE_AMD_IOMMU_DEVICE);
    struct {
        hwaddr pa, len;
    } range[3] = { };
    int i;

    if (!iommu) {
        return;
    }
    range[0].pa = iommu->evtlog;
    range[0].len = iommu->evtlog_len * AMDVI_EVENT_LEN;
    range[1].pa = iommu->ppr_log;
    range[1].len = iommu->pprlog_len * AMDVI_EVENT_LEN;
    /* With SEV-SNP, the register has the address of that page.  */
    range[2].pa = ldq_le_p(&iommu->mmior[AMDVI_MMIO_EXCL_BASE]) &
                  AMDVI_MMIO_EXCL_LIMIT_MASK;
    range[2].len = TARGET_PAGE_SIZE;
    for (i = 0; i < ARRAY_SIZE(range); i++) {
        hwaddr pa = range[i].pa, end = pa + range[i].len;

        for (; pa && pa < end && rmp_covers(pa); pa += TARGET_PAGE_SIZE) {
            rmp_set(pa, state);
        }
    }
}

/* The pages that firmware and devices of the host write to: see SNP_INIT_EX.  */
static uint16_t hv_fixed_pages(hwaddr list)
{
    uint8_t head[8], range[16];
    uint32_t count, i;

    if (dma_in(list, head, sizeof(head))) {
        return INVALID_ADDRESS;
    }
    count = ldl_le_p(head);
    if (sizeof(head) + (uint64_t)count * sizeof(range) > TARGET_PAGE_SIZE) {
        return INVALID_PARAM;
    }
    for (i = 0; i < count; i++) {
        hwaddr pa, end;

        if (dma_in(list + sizeof(head) + i * sizeof(range), range,
                   sizeof(range))) {
            return INVALID_ADDRESS;
        }
        pa = ldq_le_p(range);
        end = pa + (hwaddr)ldl_le_p(range + 8) * TARGET_PAGE_SIZE;
        if (pa % TARGET_PAGE_SIZE) {
            return INVALID_ADDRESS;
        }
        for (; pa < end && rmp_covers(pa); pa += TARGET_PAGE_SIZE) {
            rmp_set(pa, PAGE_HV_FIXED);
        }
    }
    return OK;
}

#define SNP_INIT_RMP    (1u << 0)
#define SNP_INIT_LIST   (1u << 1)
#define SNP_INIT_HIDING (1u << 3)

static uint16_t snp_init(AmdPsp *s, uint32_t flags, hwaddr list,
                         uint32_t max_snp_asid)
{
    uint16_t status = OK;
    CPUState *cpu;
    hwaddr pa;

    if (s->snp || s->state != PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    if (!(flags & SNP_INIT_RMP) && !s->rmp_valid) {
        return RMP_INIT_REQUIRED;
    }
    if (flags & SNP_INIT_LIST && !(flags & SNP_INIT_RMP)) {
        return INVALID_PARAM;
    }
    if (!snp_enabled()) {
        return INVALID_CONFIG;
    }
    CPU_FOREACH(cpu) {
        if (flags & SNP_INIT_RMP && X86_CPU(cpu)->env.vm_hsave) {
            return INVALID_CONFIG;
        }
    }
    if (flags & SNP_INIT_HIDING &&
        (!max_snp_asid || max_snp_asid >= cpu_property("sev-min-asid"))) {
        return INVALID_PARAM;
    }
    if (s->snp_init_fails) {
        s->snp_init_fails--;
        return HW_PLATFORM;
    }

    if (flags & SNP_INIT_RMP) {
        for (pa = 0; rmp_covers(pa); pa += TARGET_PAGE_SIZE) {
            rmp_set(pa, 0);
        }
    }
    if (flags & SNP_INIT_LIST) {
        status = hv_fixed_pages(list);
    }
    if (!status) {
        iommu_pages(PAGE_FIRMWARE);
        s->snp = true;
        s->rmp_valid = true;
        s->max_snp_asid = flags & SNP_INIT_HIDING ? max_snp_asid : 0;
        asids_init(s);
    }
    return status;
}

static uint16_t cmd_snp_init(AmdPsp *s, uint8_t *buf)
{
    return snp_init(s, SNP_INIT_RMP, 0, 0);
}

static uint16_t cmd_snp_init_ex(AmdPsp *s, uint8_t *buf)
{
    return snp_init(s, ldl_le_p(buf), ldq_le_p(buf + 8), lduw_le_p(buf + 16));
}

/* Forgets all guests; their contexts stay in the RMP until its next initialization.  */
static void snp_clear(AmdPsp *s)
{
    s->snp = false;
    s->max_snp_asid = 0;
    g_hash_table_remove_all(s->snp_guests);
    g_clear_pointer(&s->asids, g_free);
}

#define SNP_SHUTDOWN_IOMMU (1u << 0)

static uint16_t cmd_snp_shutdown(AmdPsp *s, uint8_t *buf)
{
    uint32_t flags = ldl_le_p(buf + 4);
    uint32_t asid;

    if (s->state != PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    if (!s->snp) {
        return OK;
    }
    /* Also if a guest still has the ASID, when no flush helps.  */
    for (asid = 1; asid <= s->max_asid; asid++) {
        if (s->asids[asid] != ASID_FREE) {
            return DFFLUSH_REQUIRED;
        }
    }
    if (ldl_le_p(buf) != 8 || flags & ~SNP_SHUTDOWN_IOMMU) {
        return INVALID_PARAM;
    }
    if (flags & SNP_SHUTDOWN_IOMMU) {
        iommu_pages(PAGE_RECLAIM);
        s->rmp_valid = false;
    }
    snp_clear(s);
    return OK;
}

static uint32_t snp_guests_launched(AmdPsp *s)
{
    GHashTableIter iter;
    gpointer guest;
    uint32_t count = 0;

    g_hash_table_iter_init(&iter, s->snp_guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        count += ((SnpGuest *)guest)->state != SNP_GUEST_INIT;
    }
    return count;
}

static uint16_t cmd_snp_platform_status(AmdPsp *s, uint8_t *buf)
{
    enum { FEATURE_INFO = 1 << 3, HIDING_CAP = 1 << 5, HIDING_EN = 1 << 6 };
    hwaddr pa = ldq_le_p(buf);
    uint8_t status[32] = { API_MAJOR, API_MINOR, s->snp, s->rmp_valid, BUILD };

    if (!writable(s, pa, sizeof(status))) {
        return INVALID_PAGE_STATE;
    }
    stl_le_p(status + 8, FEATURE_INFO | HIDING_CAP |
                         (s->max_snp_asid ? HIDING_EN : 0));
    stl_le_p(status + 12, snp_guests_launched(s));
    /* The versions of the firmware, current and reported.  */
    status[16 + 6] = s->snp_svn;
    status[24 + 6] = s->snp_svn;
    if (dma_out(pa, status, sizeof(status))) {
        return INVALID_ADDRESS;
    }
    if (s->snp) {
        rmp_set(pa, PAGE_RECLAIM);
    }
    return OK;
}

static uint16_t cmd_snp_feature_info(AmdPsp *s, uint8_t *buf)
{
    hwaddr pa = ldq_le_p(buf + 8);
    uint8_t info[16] = { };

    if (ldl_le_p(buf) < 16) {
        return INVALID_PARAM;
    }
    if (ldl_le_p(buf + 4)) {
        return INVALID_PARAM;
    }
    if (!writable(s, pa, sizeof(info))) {
        return INVALID_PAGE_STATE;
    }
    info[8] = 1 << 3; /* ciphertext hiding */
    return dma_out(pa, info, sizeof(info)) ? INVALID_ADDRESS : OK;
}

/*
 * The host wants a page back that it gave to the firmware or to a guest, before
 * the guest could use it.  If the firmware does not keep the page from the host,
 * there is nothing to do.
 */
static uint16_t cmd_snp_page_reclaim(AmdPsp *s, uint8_t *buf)
{
    bool huge = ldq_le_p(buf) & 1;
    hwaddr pa = ldq_le_p(buf) & ~1ULL;
    hwaddr size = huge ? 2 * MiB : TARGET_PAGE_SIZE, end = pa + size;
    uint64_t entry;

    if (pa % TARGET_PAGE_SIZE) {
        return INVALID_PARAM;
    }
    if (!s->snp) {
        return INVALID_PLATFORM_STATE;
    }
    if (!rmp_covers(end - 1)) {
        return INVALID_ADDRESS;
    }
    entry = page_entry(pa);
    if (huge != !!(entry & RMP_2M)) {
        return INVALID_PAGE_SIZE;
    }
    if (!(entry & RMP_IMMUTABLE)) {
        return OK;
    }
    if (!(entry & RMP_ASSIGNED) || entry & (RMP_VMSA | RMP_VALIDATED)) {
        return INVALID_PAGE_STATE;
    }
    for (; pa < end; pa += TARGET_PAGE_SIZE) {
        rmp_set(pa, rmp_get(pa) & ~RMP_IMMUTABLE);
    }
    return OK;
}

static gpointer context_key(hwaddr context)
{
    return GSIZE_TO_POINTER(context);
}

static uint16_t cmd_snp_gctx_create(AmdPsp *s, uint8_t *buf)
{
    hwaddr pa = ldq_le_p(buf);
    SnpGuest *g;

    if (pa % TARGET_PAGE_SIZE) {
        return INVALID_PARAM;
    }
    if (!s->snp) {
        return INVALID_PLATFORM_STATE;
    }
    if (!rmp_covers(pa)) {
        return INVALID_ADDRESS;
    }
    if ((page_entry(pa) & ~RMP_2M) != PAGE_FIRMWARE) {
        return INVALID_PAGE_STATE;
    }
    if (page_entry(pa) & RMP_2M) {
        return INVALID_PAGE_SIZE;
    }
    g = g_new0(SnpGuest, 1);
    g->context = pa;
    g_hash_table_insert(s->snp_guests, context_key(pa), g);
    rmp_set(pa, PAGE_CONTEXT);
    return OK;
}

static uint16_t cmd_snp_launch_start(AmdPsp *s, SnpGuest *g, uint8_t *buf)
{
    uint64_t policy = ldq_le_p(buf + 8);

    if (g->state != SNP_GUEST_INIT) {
        return INVALID_GUEST_STATE;
    }
    /* No migration agents and no incoming images.  */
    if (ldl_le_p(buf + 24)) {
        return INVALID_PARAM;
    }
    /* The policy's low bits are the oldest firmware that the guest accepts.  */
    if (!(policy & SNP_POLICY_MBO) ||
        (policy & 0xffff) > (API_MAJOR << 8 | API_MINOR)) {
        return POLICY_FAILURE;
    }
    g->state = SNP_GUEST_LAUNCH;
    return OK;
}

static uint16_t cmd_snp_activate(AmdPsp *s, SnpGuest *g, uint8_t *buf)
{
    uint32_t asid = ldl_le_p(buf + 8);
    hwaddr pa;

    if (g->state == SNP_GUEST_INIT) {
        return INVALID_GUEST_STATE;
    }
    /* No memory may be the guest's before.  */
    for (pa = 0; asid && rmp_covers(pa); pa += TARGET_PAGE_SIZE) {
        if ((rmp_get(pa) & RMP_ASID) >> RMP_ASID_SHIFT == asid) {
            return INVALID_CONFIG;
        }
    }
    return activate(s, &g->asid, ASID_SNP, asid, 1,
                    s->max_snp_asid ?: s->min_asid - 1);
}

static uint16_t cmd_snp_launch_update(AmdPsp *s, SnpGuest *g, uint8_t *buf)
{
    enum {
        TYPE_NORMAL = 1, TYPE_VMSA, TYPE_ZERO, TYPE_UNMEASURED, TYPE_SECRETS,
        TYPE_CPUID,
    };
    static const uint8_t zero[4096];
    uint32_t type = extract32(ldl_le_p(buf + 8), 1, 3);
    bool huge = ldl_le_p(buf + 8) & 1;
    hwaddr size = huge ? 2 * MiB : TARGET_PAGE_SIZE, i;
    hwaddr pa = ldq_le_p(buf + 16);
    uint64_t entry;

    if (pa % TARGET_PAGE_SIZE) {
        return INVALID_PARAM;
    }
    if (!rmp_covers(pa)) {
        return INVALID_ADDRESS;
    }
    entry = page_entry(pa);
    if (!(entry & RMP_ASSIGNED) || !(entry & RMP_IMMUTABLE) ||
        !(entry & RMP_ASID) || entry & RMP_VALIDATED) {
        return INVALID_PAGE_STATE;
    }
    if (huge != !!(entry & RMP_2M)) {
        return INVALID_PAGE_SIZE;
    }
    if (type < TYPE_NORMAL || type > TYPE_CPUID) {
        return INVALID_PARAM;
    }
    if (huge && (type == TYPE_VMSA || type == TYPE_SECRETS || type == TYPE_CPUID)) {
        return INVALID_PAGE_SIZE;
    }
    if (g->state != SNP_GUEST_LAUNCH) {
        return INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return INACTIVE;
    }
    if ((entry & RMP_ASID) >> RMP_ASID_SHIFT != g->asid) {
        return INVALID_PAGE_OWNER;
    }
    for (i = 0; i < size; i += TARGET_PAGE_SIZE) {
        if (type == TYPE_ZERO && dma_out(pa + i, zero, sizeof(zero))) {
            return INVALID_ADDRESS;
        }
        entry = rmp_get(pa + i) & ~RMP_IMMUTABLE;
        rmp_set(pa + i, entry | RMP_VALIDATED |
                        (type == TYPE_VMSA ? RMP_VMSA : 0));
    }
    return OK;
}

static uint16_t cmd_snp_launch_finish(AmdPsp *s, SnpGuest *g, uint8_t *buf)
{
    enum { ID_BLOCK_EN = 1 << 0 };

    if (g->state != SNP_GUEST_LAUNCH) {
        return INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return INACTIVE;
    }
    /* Nothing is measured that an ID block could be compared to.  */
    if (buf[24] & ID_BLOCK_EN) {
        return UNSUPPORTED;
    }
    g->state = SNP_GUEST_RUNNING;
    return OK;
}

static uint16_t cmd_snp_decommission(AmdPsp *s, SnpGuest *g, uint8_t *buf)
{
    if (s->snp_decommission_fails) {
        s->snp_decommission_fails--;
        return HW_PLATFORM;
    }
    if (g->asid) {
        deactivate(s, &g->asid, g->state == SNP_GUEST_RUNNING);
    }
    rmp_set(g->context, PAGE_FIRMWARE);
    g_hash_table_remove(s->snp_guests, context_key(g->context));
    return OK;
}

#define MAX_BUFFER 64

/* Buffers are packed; the layouts are those of Linux's <linux/psp-sev.h>.  */
static const struct {
    uint8_t len;
    bool out;                   /* the command writes to its buffer */
    uint16_t (*platform)(AmdPsp *s, uint8_t *buf);
    uint16_t (*guest)(AmdPsp *s, Guest *g, uint8_t *buf); /* handle at 0 */
    uint16_t (*snp)(AmdPsp *s, SnpGuest *g, uint8_t *buf); /* context at 0 */
} commands[] = {
    [0x01] = { 20, .platform = cmd_init },
    [0x02] = { 0, .platform = cmd_shutdown },
    [0x04] = { 12, true, .platform = cmd_platform_status },
    [0x08] = { 28, true, .platform = cmd_pdh_cert_export },
    [0x0a] = { 0, .platform = cmd_df_flush },
    [0x0c] = { 12, true, .platform = cmd_get_id },
    [0x20] = { 4, .guest = cmd_decommission },
    [0x21] = { 8, .guest = cmd_activate },
    [0x22] = { 4, .guest = cmd_deactivate },
    [0x23] = { 13, true, .platform = cmd_guest_status },
    [0x30] = { 36, true, .platform = cmd_launch_start },
    [0x31] = { 20, .guest = cmd_launch_update },
    [0x32] = { 20, .guest = cmd_launch_update_vmsa },
    [0x33] = { 20, true, .guest = cmd_launch_measure },
    [0x35] = { 4, .guest = cmd_launch_finish },
    [0x81] = { 0, .platform = cmd_snp_init },
    [0x83] = { 8, .platform = cmd_snp_platform_status },
    [0x84] = { 0, .platform = cmd_df_flush },
    [0x85] = { 64, .platform = cmd_snp_init_ex },
    [0x86] = { 8, .platform = cmd_snp_shutdown },
    [0x90] = { 8, .snp = cmd_snp_decommission },
    [0x91] = { 12, .snp = cmd_snp_activate },
    [0x93] = { 8, .platform = cmd_snp_gctx_create },
    [0xa0] = { 48, .snp = cmd_snp_launch_start },
    [0xa1] = { 32, .snp = cmd_snp_launch_update },
    [0xa2] = { 64, .snp = cmd_snp_launch_finish },
    [0xc7] = { 8, .platform = cmd_snp_page_reclaim },
    [0xce] = { 16, .platform = cmd_snp_feature_info },
};

static uint16_t run(AmdPsp *s, uint32_t id, uint8_t *buf)
{
    if (commands[id].platform) {
        return commands[id].platform(s, buf);
    }
    if (commands[id].snp) {
        SnpGuest *g;

        if (ldq_le_p(buf) % TARGET_PAGE_SIZE) {
            return INVALID_PARAM;
        }
        if (!s->snp) {
            return INVALID_PLATFORM_STATE;
        }
        g = g_hash_table_lookup(s->snp_guests, context_key(ldq_le_p(buf)));
        return g ? commands[id].snp(s, g, buf) : INVALID_GUEST;
    } else {
        Guest *g;

        if (s->state != PLATFORM_WORKING) {
            return INVALID_PLATFORM_STATE;
        }
        g = find_guest(s, ldl_le_p(buf));
        return g ? commands[id].guest(s, g, buf) : INVALID_GUEST;
    }
}

static uint16_t execute(AmdPsp *s, uint32_t id)
{
    uint64_t pa = s->cmdbuf[0] | (uint64_t)s->cmdbuf[1] << 32;
    uint8_t buf[MAX_BUFFER];
    uint16_t status;
    uint8_t len;

    if (id >= ARRAY_SIZE(commands) ||
        (!commands[id].platform && !commands[id].guest && !commands[id].snp)) {
        qemu_log_mask(LOG_UNIMP, "amd-psp: command 0x%x\n", id);
        return INVALID_COMMAND;
    }

    len = commands[id].len;
    if (len && (!pa || dma_in(pa, buf, len))) {
        status = INVALID_ADDRESS;
    } else if (commands[id].out && !writable(s, pa, len)) {
        status = INVALID_PAGE_STATE;
    } else {
        status = run(s, id, buf);
        if (commands[id].out && dma_out(pa, buf, len)) {
            status = INVALID_ADDRESS;
        }
    }
    if (status) {
        qemu_log_mask(LOG_GUEST_ERROR, "amd-psp: command 0x%x: error 0x%x\n",
                      id, status);
    }
    return status;
}

static uint64_t psp_read(void *opaque, hwaddr addr, unsigned size)
{
    AmdPsp *s = opaque;

    switch (addr) {
    case INTEN:
        return s->inten;
    case INTSTS:
        return s->intsts;
    case CMDRESP:
        return s->cmdresp;
    case CMDBUF_LOW:
        return s->cmdbuf[0];
    case CMDBUF_HIGH:
        return s->cmdbuf[1];
    case BOOTLOADER:
        return API_MAJOR << 24 | API_MINOR << 16 | BUILD;
    case FEATURES:
        return FEATURES_SEV;
    default:
        return 0;
    }
}

static void psp_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    AmdPsp *s = opaque;
    PCIDevice *pdev = PCI_DEVICE(s);
    uint32_t id = extract32(val, 16, 11);

    switch (addr) {
    case INTEN:
        s->inten = val;
        break;
    case INTSTS:
        s->intsts &= ~val;
        break;
    case CMDBUF_LOW:
        s->cmdbuf[0] = val;
        break;
    case CMDBUF_HIGH:
        s->cmdbuf[1] = val;
        break;
    case CMDRESP:
        s->cmdresp = CMDRESP_DONE | id << 16 | execute(s, id);
        if (val & CMDRESP_IOC) {
            s->intsts |= INT_CMD_DONE;
            if ((s->inten & INT_CMD_DONE) && msi_enabled(pdev)) {
                msi_notify(pdev, 0);
            }
        }
        break;
    }
}

static const MemoryRegionOps psp_ops = {
    .read = psp_read,
    .write = psp_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static void psp_reset(DeviceState *dev)
{
    AmdPsp *s = AMD_PSP(dev);

    s->inten = 0;
    s->intsts = 0;
    s->cmdresp = 0;
    memset(s->cmdbuf, 0, sizeof(s->cmdbuf));
    s->last_handle = 0;
    s->rmp_valid = false;
    snp_clear(s);
    cmd_shutdown(s, NULL);
}

/* 16 bytes for each page of RAM, and of the RMP itself.  */
static void reserve_rmp(AmdPsp *s)
{
    X86MachineState *machine = X86_MACHINE(qdev_get_machine());
    hwaddr base = ROUND_UP(machine->above_4g_mem_start +
                           machine->above_4g_mem_size, 2 * MiB);
    hwaddr size = ROUND_UP(RMP_BOOKKEEPING +
                           base / TARGET_PAGE_SIZE * RMP_ENTRY, 2 * MiB) +
                  2 * MiB;
    CPUState *cpu;

    memory_region_init_ram(&s->rmp, OBJECT(s), "rmp", size, &error_fatal);
    memory_region_add_subregion_overlap(get_system_memory(), base, &s->rmp, 1);
    rmp_init(&s->rmp);
    CPU_FOREACH(cpu) {
        X86_CPU(cpu)->rmp_base = base;
        X86_CPU(cpu)->rmp_end = base + size - 1;
    }
}

static void psp_realize(PCIDevice *pdev, Error **errp)
{
    AmdPsp *s = AMD_PSP(pdev);

    if (!object_property_find(OBJECT(first_cpu), "sev-max-asid") ||
        !cpu_property("sev-max-asid")) {
        error_setg(errp, "amd-psp: the CPU has no SEV: set its property "
                   "sev-max-asid");
        return;
    }
    if (msi_init(pdev, 0, 1, true, false, errp)) {
        return;
    }
    if (X86_CPU(first_cpu)->sev_snp) {
        reserve_rmp(s);
    }
    s->guests = g_hash_table_new_full(NULL, NULL, NULL, guest_free);
    s->snp_guests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    memory_region_init_io(&s->mmio, OBJECT(s), &psp_ops, s, TYPE_AMD_PSP,
                          PSP_BAR_SIZE);
    pci_register_bar(pdev, PSP_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
}

static Property psp_properties[] = {
    /* Numbers of commands that fail, to test how a host handles it.  */
    DEFINE_PROP_UINT32("init-fails", AmdPsp, init_fails, 0),
    DEFINE_PROP_UINT32("snp-init-fails", AmdPsp, snp_init_fails, 0),
    DEFINE_PROP_UINT32("snp-decommission-fails", AmdPsp, snp_decommission_fails,
                       0),
    /* From 27 on, newer Linux has no SEV-ES VMs beside SEV-SNP on Zen 3.  */
    DEFINE_PROP_UINT8("snp-svn", AmdPsp, snp_svn, 26),
    DEFINE_PROP_END_OF_LIST(),
};

static const VMStateDescription psp_vmstate = {
    .name = TYPE_AMD_PSP,
    .unmigratable = 1,
};

static void psp_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);

    dc->desc = "AMD Platform Security Processor with SEV firmware";
    dc->hotpluggable = false;
    dc->reset = psp_reset;
    dc->vmsd = &psp_vmstate;
    device_class_set_props(dc, psp_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    pc->realize = psp_realize;
    pc->vendor_id = PCI_VENDOR_ID_AMD;
    pc->device_id = PSP_DEVICE_ID;
    pc->class_id = PCI_CLASS_CRYPT_OTHER;
}

static const TypeInfo psp_type = {
    .name = TYPE_AMD_PSP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(AmdPsp),
    .class_init = psp_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void psp_register_type(void)
{
    type_register_static(&psp_type);
}

type_init(psp_register_type)
