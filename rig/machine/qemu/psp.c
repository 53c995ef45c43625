/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AMD Platform Security Processor (PSP) with the functions that Linux needs to
 * run SEV guests: the mailbox of the SEV firmware, and the commands for the
 * life of a guest from LAUNCH_START to DECOMMISSION.
 *
 * It enforces the firmware's rules (states, owners of ASIDs, flushes): a
 * command that breaks a rule fails.  Memory is measured, but never encrypted.
 *
 * The ranges of ASIDs are properties of the CPUs, see sev-max-asid.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/core/cpu.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qom/object.h"

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

/* Status codes of the firmware.  */
enum {
    OK = 0x00,
    INVALID_PLATFORM_STATE = 0x01,
    INVALID_GUEST_STATE = 0x02,
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

/* Values in asids[]; any other value is the handle of the ASID's guest.  */
#define ASID_FREE       0
#define ASID_DIRTY      UINT32_MAX

struct AmdPsp {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    uint32_t init_fails;        /* number of INIT commands still to fail */

    uint32_t inten;
    uint32_t intsts;
    uint32_t cmdresp;
    uint32_t cmdbuf[2];

    /* State of the firmware.  */
    uint8_t state;
    bool es;
    uint32_t last_handle;
    GHashTable *guests;
    uint32_t max_asid;
    uint32_t min_asid;
    uint32_t *asids;
};

static void guest_free(gpointer opaque)
{
    Guest *g = opaque;

    g_checksum_free(g->digest);
    g_free(g);
}

static uint16_t cmd_shutdown(AmdPsp *s, uint8_t *buf)
{
    s->state = PLATFORM_UNINIT;
    s->es = false;
    g_hash_table_remove_all(s->guests);
    g_clear_pointer(&s->asids, g_free);
    return OK;
}

static uint32_t cpu_property(const char *name)
{
    return object_property_get_uint(OBJECT(first_cpu), name, &error_abort);
}

static uint16_t cmd_init(AmdPsp *s, uint8_t *buf)
{
    bool es = ldl_le_p(buf) & INIT_FLAG_ES;
    uint32_t asid;

    if (s->state != PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    if (s->init_fails) {
        s->init_fails--;
        return HW_PLATFORM;
    }
    /* SEV-ES needs the trusted memory region.  */
    if (es && !ldq_le_p(buf + 8)) {
        return INVALID_ADDRESS;
    }

    s->state = PLATFORM_INIT;
    s->es = es;
    s->max_asid = cpu_property("sev-max-asid");
    s->min_asid = cpu_property("sev-min-asid");
    s->asids = g_new(uint32_t, s->max_asid + 1);
    /* ASIDs may have been used before INIT: DF_FLUSH must come first.  */
    for (asid = 0; asid <= s->max_asid; asid++) {
        s->asids[asid] = ASID_DIRTY;
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
    if (pci_dma_write(PCI_DEVICE(s), ldq_le_p(addr), data, size)) {
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

static uint16_t cmd_df_flush(AmdPsp *s, uint8_t *buf)
{
    uint32_t asid;

    if (s->state == PLATFORM_UNINIT) {
        return INVALID_PLATFORM_STATE;
    }
    for (asid = 0; asid <= s->max_asid; asid++) {
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
    if ((policy & POLICY_ES) && !s->es) {
        return POLICY_FAILURE;
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

static uint16_t cmd_activate(AmdPsp *s, Guest *g, uint8_t *buf)
{
    uint32_t asid = ldl_le_p(buf + 4);
    bool es = g->policy & POLICY_ES;

    if (g->asid) {
        return ACTIVE;
    }
    if (asid == 0 || asid > s->max_asid || es != (asid < s->min_asid)) {
        return INVALID_ASID;
    }
    if (s->asids[asid] == ASID_DIRTY) {
        return DFFLUSH_REQUIRED;
    }
    if (s->asids[asid] != ASID_FREE) {
        return ASID_OWNED;
    }
    s->asids[asid] = g->handle;
    g->asid = asid;
    return OK;
}

static uint16_t cmd_deactivate(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (!g->asid) {
        return INACTIVE;
    }
    s->asids[g->asid] = ASID_DIRTY;
    g->asid = 0;
    return OK;
}

static uint16_t cmd_guest_status(AmdPsp *s, Guest *g, uint8_t *buf)
{
    stl_le_p(buf + 4, g->policy);
    stl_le_p(buf + 8, g->asid);
    buf[12] = g->state;
    return OK;
}

static uint16_t cmd_launch_update(AmdPsp *s, Guest *g, uint8_t *buf)
{
    uint64_t pa = ldq_le_p(buf + 8);
    uint32_t len = ldl_le_p(buf + 16);
    uint8_t chunk[4096];

    if (g->state != GUEST_LUPDATE) {
        return INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return INACTIVE;
    }
    if (len == 0 || len % 16) {
        return INVALID_LEN;
    }
    if (pa % 16) {
        return INVALID_ADDRESS;
    }
    while (len) {
        uint32_t n = MIN(len, sizeof(chunk));

        if (pci_dma_read(PCI_DEVICE(s), pa, chunk, n) != MEMTX_OK) {
            return INVALID_ADDRESS;
        }
        g_checksum_update(g->digest, chunk, n);
        pa += n;
        len -= n;
    }
    return OK;
}

static uint16_t cmd_launch_update_vmsa(AmdPsp *s, Guest *g, uint8_t *buf)
{
    if (!(g->policy & POLICY_ES)) {
        return POLICY_FAILURE;
    }
    return cmd_launch_update(s, g, buf);
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
    if (pci_dma_write(PCI_DEVICE(s), ldq_le_p(buf + 8), out, sizeof(out))) {
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

#define MAX_BUFFER 64

/* Buffers are packed; the layouts are those of Linux's <linux/psp-sev.h>.  */
static const struct {
    uint8_t len;
    uint16_t (*platform)(AmdPsp *s, uint8_t *buf);
    uint16_t (*guest)(AmdPsp *s, Guest *g, uint8_t *buf); /* handle at 0 */
} commands[] = {
    [0x01] = { 20, .platform = cmd_init },
    [0x02] = { 0, .platform = cmd_shutdown },
    [0x04] = { 12, .platform = cmd_platform_status },
    [0x08] = { 28, .platform = cmd_pdh_cert_export },
    [0x0a] = { 0, .platform = cmd_df_flush },
    [0x0c] = { 12, .platform = cmd_get_id },
    [0x20] = { 4, .guest = cmd_decommission },
    [0x21] = { 8, .guest = cmd_activate },
    [0x22] = { 4, .guest = cmd_deactivate },
    [0x23] = { 13, .guest = cmd_guest_status },
    [0x30] = { 36, .platform = cmd_launch_start },
    [0x31] = { 20, .guest = cmd_launch_update },
    [0x32] = { 20, .guest = cmd_launch_update_vmsa },
    [0x33] = { 20, .guest = cmd_launch_measure },
    [0x35] = { 4, .guest = cmd_launch_finish },
};

static uint16_t execute(AmdPsp *s, uint32_t id)
{
    uint64_t pa = s->cmdbuf[0] | (uint64_t)s->cmdbuf[1] << 32;
    uint8_t buf[MAX_BUFFER];
    uint16_t status;
    uint8_t len;

    if (id >= ARRAY_SIZE(commands) ||
        (!commands[id].platform && !commands[id].guest)) {
        qemu_log_mask(LOG_UNIMP, "amd-psp: command 0x%x\n", id);
        return INVALID_COMMAND;
    }

    len = commands[id].len;
    if (len && (!pa || pci_dma_read(PCI_DEVICE(s), pa, buf, len))) {
        return INVALID_ADDRESS;
    }
    if (commands[id].platform) {
        status = commands[id].platform(s, buf);
    } else if (s->state == PLATFORM_UNINIT) {
        status = INVALID_PLATFORM_STATE;
    } else {
        Guest *g = find_guest(s, ldl_le_p(buf));

        status = g ? commands[id].guest(s, g, buf) : INVALID_GUEST;
    }
    if (len && pci_dma_write(PCI_DEVICE(s), pa, buf, len)) {
        return INVALID_ADDRESS;
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
    cmd_shutdown(s, NULL);
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
    s->guests = g_hash_table_new_full(NULL, NULL, NULL, guest_free);
    memory_region_init_io(&s->mmio, OBJECT(s), &psp_ops, s, TYPE_AMD_PSP,
                          PSP_BAR_SIZE);
    pci_register_bar(pdev, PSP_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
}

static Property psp_properties[] = {
    /* Number of INIT commands that fail, to test how a host handles it.  */
    DEFINE_PROP_UINT32("init-fails", AmdPsp, init_fails, 0),
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
