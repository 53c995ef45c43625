// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the machine's PSP: commands that KVM never sends, and the
 * firmware's error for each.  KVM must not have been loaded yet: it would keep
 * ASIDs of its own, and the tests shut the platform down.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/psp-sev.h>
#include <asm/processor.h>
#include <asm/sev.h>
#if __has_include(<asm/cpuid/api.h>)	/* 7.3 */
#include <asm/cpuid/api.h>
#endif

#define POLICY_ES	BIT(2)
/* Bit 16: SMT is allowed.  Bit 17 must be 1. */
#define SNP_POLICY	(BIT(16) | BIT(17))

static u32 max_asid, min_sev_asid;

/* The firmware's status of a command. */
static int cmd(int id, void *data)
{
	int status = 0, ret = sev_do_cmd(id, data, &status);

	return ret && ret != -EIO ? ret : status;
}

#define EXPECT_STATUS(test, status, call)				\
	KUNIT_EXPECT_EQ(test, SEV_RET_##status, call)
#define ASSERT_STATUS(test, status, call)				\
	KUNIT_ASSERT_EQ(test, SEV_RET_##status, call)

/*
 * Pages.  All of them are the host's again when the test ends.
 */

static int reclaim(u64 pa, bool huge)
{
	struct sev_data_snp_page_reclaim data = { .paddr = pa | huge };

	return cmd(SEV_CMD_SNP_PAGE_RECLAIM, &data);
}

/* Pages that the host could not get back. */
static unsigned int lost;

static void page_free(void *page)
{
	if (reclaim(__pa(page), false) ||
	    rmp_make_shared(__pa(page) >> PAGE_SHIFT, PG_LEVEL_4K))
		lost++;
	else
		free_page((unsigned long)page);
}

/*
 * A page that the RMP assigns to @asid and that no launch has used yet.  If
 * @asid is 0, the page is the firmware's.
 */
static u64 page_new(struct kunit *test, u32 asid)
{
	void *page = (void *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, page_free, page));
	KUNIT_ASSERT_EQ(test, 0, rmp_make_private(__pa(page) >> PAGE_SHIFT, 0,
						  PG_LEVEL_4K, asid, true));
	return __pa(page);
}

static void huge_page_free(void *page)
{
	if (reclaim(__pa(page), true) ||
	    rmp_make_shared(__pa(page) >> PAGE_SHIFT, PG_LEVEL_2M))
		lost++;
	else
		free_pages((unsigned long)page, get_order(PMD_SIZE));
}

/* The same with 2 MB. */
static u64 huge_page_new(struct kunit *test, u32 asid)
{
	void *page = (void *)__get_free_pages(GFP_KERNEL, get_order(PMD_SIZE));

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, huge_page_free,
							   page));
	KUNIT_ASSERT_EQ(test, 0, rmp_make_private(__pa(page) >> PAGE_SHIFT, 0,
						  PG_LEVEL_2M, asid, true));
	return __pa(page);
}

/* A page that the host has not given away. */
static u64 host_page_new(struct kunit *test)
{
	void *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return __pa(page);
}

/*
 * Guests of SEV-SNP, by the address of the context
 */

static int gctx_create(u64 context)
{
	struct sev_data_snp_addr data = { .address = context };

	return cmd(SEV_CMD_SNP_GCTX_CREATE, &data);
}

static int decommission(u64 context)
{
	struct sev_data_snp_addr data = { .address = context };

	return cmd(SEV_CMD_SNP_DECOMMISSION, &data);
}

static int launch_start(u64 context, u64 policy)
{
	struct sev_data_snp_launch_start data = {
		.gctx_paddr = context,
		.policy = policy,
	};

	return cmd(SEV_CMD_SNP_LAUNCH_START, &data);
}

static int activate(u64 context, u32 asid)
{
	struct sev_data_snp_activate data = {
		.gctx_paddr = context,
		.asid = asid,
	};

	return cmd(SEV_CMD_SNP_ACTIVATE, &data);
}

static int launch_update(u64 context, u64 page, bool huge, int type)
{
	struct sev_data_snp_launch_update data = {
		.gctx_paddr = context,
		.address = page,
		.page_size = huge,
		.page_type = type,
	};

	return cmd(SEV_CMD_SNP_LAUNCH_UPDATE, &data);
}

static int launch_finish(u64 context)
{
	struct sev_data_snp_launch_finish data = { .gctx_paddr = context };

	return cmd(SEV_CMD_SNP_LAUNCH_FINISH, &data);
}

static void guest_free(void *context)
{
	decommission(__pa(context));
}

/* A guest's context in which LAUNCH_START has not been called. */
static u64 guest_new(struct kunit *test)
{
	u64 context = page_new(test, 0);

	ASSERT_STATUS(test, SUCCESS, gctx_create(context));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, guest_free,
							   __va(context)));
	return context;
}

/* A guest whose launch has started and not ended.  It has @asid, unless 0. */
static u64 launching_new(struct kunit *test, u32 asid)
{
	u64 context = guest_new(test);

	ASSERT_STATUS(test, SUCCESS, launch_start(context, SNP_POLICY));
	if (asid)
		ASSERT_STATUS(test, SUCCESS, activate(context, asid));
	return context;
}

static void context_in_a_page_of_others_is_refused(struct kunit *test)
{
	u64 context = guest_new(test);

	EXPECT_STATUS(test, INVALID_PAGE_STATE, gctx_create(host_page_new(test)));
	EXPECT_STATUS(test, INVALID_PAGE_STATE, gctx_create(page_new(test, 1)));
	EXPECT_STATUS(test, INVALID_PAGE_STATE, gctx_create(context));
	EXPECT_STATUS(test, INVALID_PARAM, gctx_create(page_new(test, 0) + 8));
}

static void context_in_a_2_mb_page_is_refused(struct kunit *test)
{
	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      gctx_create(huge_page_new(test, 0)));
}

static void commands_to_a_page_without_context_are_refused(struct kunit *test)
{
	u64 page = page_new(test, 0);

	EXPECT_STATUS(test, INVALID_GUEST, launch_start(page, SNP_POLICY));
	EXPECT_STATUS(test, INVALID_GUEST, activate(page, 1));
	EXPECT_STATUS(test, INVALID_GUEST, launch_finish(page));
	EXPECT_STATUS(test, INVALID_GUEST, decommission(page));
	EXPECT_STATUS(test, INVALID_PARAM, decommission(page + 8));
}

static void commands_before_launch_start_are_refused(struct kunit *test)
{
	u64 context = guest_new(test);

	EXPECT_STATUS(test, INVALID_GUEST_STATE, activate(context, 1));
	EXPECT_STATUS(test, INVALID_GUEST_STATE,
		      launch_update(context, page_new(test, 1),
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_GUEST_STATE, launch_finish(context));
}

static void policy_for_other_firmware_is_refused(struct kunit *test)
{
	u64 context = guest_new(test);

	EXPECT_STATUS(test, POLICY_FAILURE, launch_start(context, 0));
	EXPECT_STATUS(test, POLICY_FAILURE,
		      launch_start(context, SNP_POLICY | 0xffff));
	EXPECT_STATUS(test, SUCCESS, launch_start(context, SNP_POLICY));
	EXPECT_STATUS(test, INVALID_GUEST_STATE,
		      launch_start(context, SNP_POLICY));
}

static void asid_outside_of_the_snp_range_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 0);

	EXPECT_STATUS(test, INVALID_ASID, activate(context, 0));
	EXPECT_STATUS(test, INVALID_ASID, activate(context, max_asid + 1));
	EXPECT_STATUS(test, INVALID_ASID, activate(context, min_sev_asid));
	EXPECT_STATUS(test, SUCCESS, activate(context, min_sev_asid - 1));
}

static void asid_of_another_guest_is_refused(struct kunit *test)
{
	u64 owner = launching_new(test, 1);
	u64 other = launching_new(test, 0);

	EXPECT_STATUS(test, ASID_OWNED, activate(other, 1));
	/* The launch has not ended: nothing of @owner is in caches. */
	EXPECT_STATUS(test, SUCCESS, decommission(owner));
	EXPECT_STATUS(test, SUCCESS, activate(other, 1));
}

static void second_asid_for_a_guest_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 1);

	EXPECT_STATUS(test, ACTIVE, activate(context, 2));
	EXPECT_STATUS(test, ASID_OWNED, activate(context, 1));
}

static void asid_of_a_launched_guest_needs_a_flush(struct kunit *test)
{
	u64 launched = launching_new(test, 1);
	u64 next = launching_new(test, 0);

	EXPECT_STATUS(test, SUCCESS, launch_finish(launched));
	EXPECT_STATUS(test, SUCCESS, decommission(launched));
	EXPECT_STATUS(test, DFFLUSH_REQUIRED, activate(next, 1));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_SNP_DF_FLUSH, NULL));
	EXPECT_STATUS(test, SUCCESS, activate(next, 1));
}

static void asid_that_still_has_pages_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 0);

	page_new(test, 2);
	EXPECT_STATUS(test, INVALID_CONFIG, activate(context, 2));
	EXPECT_STATUS(test, SUCCESS, activate(context, 1));
}

static void page_of_others_is_not_launched(struct kunit *test)
{
	u64 context = launching_new(test, 1);
	u64 page = page_new(test, 1);

	EXPECT_STATUS(test, INVALID_PAGE_STATE,
		      launch_update(context, host_page_new(test),
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_STATE,
		      launch_update(context, page_new(test, 0),
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_OWNER,
		      launch_update(context, page_new(test, 2),
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PARAM,
		      launch_update(context, page + 8,
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, SUCCESS,
		      launch_update(context, page, false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_STATE,
		      launch_update(context, page,
				    false, SNP_PAGE_TYPE_NORMAL));
}

static void page_of_the_wrong_size_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 1);
	u64 huge = huge_page_new(test, 1);

	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      launch_update(context, page_new(test, 1),
				    true, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      launch_update(context, huge,
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_STATE,
		      launch_update(context, huge + PAGE_SIZE,
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      launch_update(context, huge, true, SNP_PAGE_TYPE_VMSA));
	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      launch_update(context, huge, true, SNP_PAGE_TYPE_SECRET));
	EXPECT_STATUS(test, INVALID_PAGE_SIZE,
		      launch_update(context, huge, true, SNP_PAGE_TYPE_CPUID));
	EXPECT_STATUS(test, SUCCESS,
		      launch_update(context, huge, true, SNP_PAGE_TYPE_ZERO));
}

static void page_type_that_does_not_exist_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 1);
	u64 page = page_new(test, 1);

	EXPECT_STATUS(test, INVALID_PARAM, launch_update(context, page, false, 0));
	EXPECT_STATUS(test, INVALID_PARAM,
		      launch_update(context, page, false, SNP_PAGE_TYPE_MAX));
	EXPECT_STATUS(test, SUCCESS,
		      launch_update(context, page,
				    false, SNP_PAGE_TYPE_UNMEASURED));
}

static void launch_without_an_asid_is_refused(struct kunit *test)
{
	u64 context = launching_new(test, 0);

	EXPECT_STATUS(test, INACTIVE,
		      launch_update(context, page_new(test, 1),
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, INACTIVE, launch_finish(context));
}

static void launch_is_not_continued_after_its_end(struct kunit *test)
{
	u64 context = launching_new(test, 1);
	u64 page = page_new(test, 1);

	EXPECT_STATUS(test, SUCCESS, launch_finish(context));
	EXPECT_STATUS(test, INVALID_GUEST_STATE, launch_finish(context));
	EXPECT_STATUS(test, INVALID_GUEST_STATE,
		      launch_update(context, page,
				    false, SNP_PAGE_TYPE_NORMAL));
	EXPECT_STATUS(test, SUCCESS, decommission(context));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_SNP_DF_FLUSH, NULL));
}

static void page_is_reclaimed_unless_the_firmware_needs_it(struct kunit *test)
{
	u64 context = guest_new(test);
	u64 page = page_new(test, 1);
	u64 huge = huge_page_new(test, 0);

	EXPECT_STATUS(test, INVALID_PAGE_STATE, reclaim(context, false));
	EXPECT_STATUS(test, INVALID_PAGE_SIZE, reclaim(huge, false));
	EXPECT_STATUS(test, INVALID_PARAM, reclaim(page + 8, false));
	EXPECT_STATUS(test, INVALID_ADDRESS, reclaim(1ULL << 45, false));
	EXPECT_STATUS(test, SUCCESS, reclaim(page, false));
	EXPECT_STATUS(test, SUCCESS, reclaim(page, false));
	EXPECT_STATUS(test, SUCCESS, reclaim(host_page_new(test), false));
}

/*
 * Guests of SEV and SEV-ES, by their handles
 */

/* A command that takes nothing but the handle. */
static int sev_guest_cmd(int id, u32 handle)
{
	struct sev_data_decommission data = { .handle = handle };

	return cmd(id, &data);
}

static int sev_activate(u32 handle, u32 asid)
{
	struct sev_data_activate data = { .handle = handle, .asid = asid };

	return cmd(SEV_CMD_ACTIVATE, &data);
}

static int sev_update(int id, u32 handle, u64 pa, u32 len)
{
	struct sev_data_launch_update_data data = {
		.handle = handle,
		.address = pa,
		.len = len,
	};

	return cmd(id, &data);
}

static void sev_guest_free(void *handle)
{
	sev_guest_cmd(SEV_CMD_DEACTIVATE, (unsigned long)handle);
	sev_guest_cmd(SEV_CMD_DECOMMISSION, (unsigned long)handle);
}

/* A guest whose launch has started, without an ASID. */
static u32 sev_guest_new(struct kunit *test, u32 policy)
{
	struct sev_data_launch_start data = { .policy = policy };

	ASSERT_STATUS(test, SUCCESS, cmd(SEV_CMD_LAUNCH_START, &data));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, sev_guest_free,
				(void *)(unsigned long)data.handle));
	return data.handle;
}

static void sev_handle_that_does_not_exist_is_refused(struct kunit *test)
{
	struct sev_data_guest_status status = { .handle = 9999, .state = 1 };
	struct sev_data_launch_start shared = { .handle = 9999 };

	/* Without any guest the platform is not in the state for it. */
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, sev_activate(9999, 1));
	sev_guest_new(test, 0);
	EXPECT_STATUS(test, INVALID_GUEST, sev_activate(9999, 1));
	EXPECT_STATUS(test, INVALID_GUEST,
		      sev_guest_cmd(SEV_CMD_DECOMMISSION, 9999));
	EXPECT_STATUS(test, INVALID_GUEST, cmd(SEV_CMD_LAUNCH_START, &shared));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_GUEST_STATUS, &status));
	KUNIT_EXPECT_EQ(test, 0, status.state);
}

static void sev_asid_of_the_wrong_kind_is_refused(struct kunit *test)
{
	u32 sev = sev_guest_new(test, 0);
	u32 es = sev_guest_new(test, POLICY_ES);

	EXPECT_STATUS(test, INVALID_ASID, sev_activate(sev, 1));
	EXPECT_STATUS(test, INVALID_ASID, sev_activate(es, min_sev_asid));
	EXPECT_STATUS(test, INVALID_ASID, sev_activate(sev, max_asid + 1));
	EXPECT_STATUS(test, SUCCESS, sev_activate(sev, min_sev_asid));
	EXPECT_STATUS(test, SUCCESS, sev_activate(es, 1));
}

static void sev_es_and_snp_share_asids(struct kunit *test)
{
	u32 es = sev_guest_new(test, POLICY_ES);

	launching_new(test, 1);
	EXPECT_STATUS(test, ASID_OWNED, sev_activate(es, 1));
	EXPECT_STATUS(test, SUCCESS, sev_activate(es, 2));
	EXPECT_STATUS(test, ASID_OWNED, activate(launching_new(test, 0), 2));
}

static void sev_guest_with_an_asid_is_not_decommissioned(struct kunit *test)
{
	u32 handle = sev_guest_new(test, 0);

	EXPECT_STATUS(test, INACTIVE, sev_guest_cmd(SEV_CMD_DEACTIVATE, handle));
	EXPECT_STATUS(test, SUCCESS, sev_activate(handle, max_asid));
	EXPECT_STATUS(test, ACTIVE, sev_activate(handle, max_asid - 1));
	EXPECT_STATUS(test, ACTIVE, sev_guest_cmd(SEV_CMD_DECOMMISSION, handle));
	EXPECT_STATUS(test, SUCCESS, sev_guest_cmd(SEV_CMD_DEACTIVATE, handle));
	EXPECT_STATUS(test, SUCCESS, sev_guest_cmd(SEV_CMD_DECOMMISSION, handle));
}

static void sev_launch_update_is_checked(struct kunit *test)
{
	u32 handle = sev_guest_new(test, 0);
	u64 page = host_page_new(test);
	struct sev_data_launch_measure measure = {
		.handle = handle,
		.address = page,
		.len = 48,
	};

	EXPECT_STATUS(test, INACTIVE,
		      sev_update(SEV_CMD_LAUNCH_UPDATE_DATA, handle, page, 16));
	EXPECT_STATUS(test, SUCCESS, sev_activate(handle, max_asid));
	EXPECT_STATUS(test, INVALID_ADDRESS,
		      sev_update(SEV_CMD_LAUNCH_UPDATE_DATA, handle, page + 8, 16));
	EXPECT_STATUS(test, INVALID_LEN,
		      sev_update(SEV_CMD_LAUNCH_UPDATE_DATA, handle, page, 8));
	EXPECT_STATUS(test, UNSUPPORTED,
		      sev_update(SEV_CMD_LAUNCH_UPDATE_VMSA, handle, page,
				 PAGE_SIZE));
	EXPECT_STATUS(test, INVALID_GUEST_STATE,
		      sev_guest_cmd(SEV_CMD_LAUNCH_FINISH, handle));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_LAUNCH_MEASURE, &measure));
	EXPECT_STATUS(test, SUCCESS,
		      sev_guest_cmd(SEV_CMD_LAUNCH_FINISH, handle));
	EXPECT_STATUS(test, INVALID_GUEST_STATE,
		      sev_update(SEV_CMD_LAUNCH_UPDATE_DATA, handle, page, 16));
	EXPECT_STATUS(test, SUCCESS, sev_guest_cmd(SEV_CMD_DEACTIVATE, handle));
	EXPECT_STATUS(test, DFFLUSH_REQUIRED, sev_activate(handle, max_asid));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_DF_FLUSH, NULL));
}

/*
 * The platform
 */

static int snp_init_ex(bool init_rmp)
{
	struct sev_data_snp_init_ex data = { .init_rmp = init_rmp };

	return cmd(SEV_CMD_SNP_INIT_EX, &data);
}

static void platform_is_not_initialized_twice(struct kunit *test)
{
	struct sev_data_snp_shutdown_ex shutdown = { .len = sizeof(shutdown) };
	struct sev_data_init init = { };

	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, cmd(SEV_CMD_INIT, &init));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, snp_init_ex(true));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE,
		      cmd(SEV_CMD_SNP_SHUTDOWN_EX, &shutdown));
}

static void commands_are_refused_while_the_platform_is_down(struct kunit *test)
{
	struct sev_data_snp_shutdown_ex shutdown = { .len = sizeof(shutdown) };
	struct sev_platform_init_args args = { .probe = true };
	struct sev_data_launch_start start = { };
	struct sev_data_init init = { };
	u64 page = host_page_new(test);

	sev_platform_shutdown();
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, gctx_create(page));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, launch_start(page, SNP_POLICY));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, decommission(page));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, reclaim(page, false));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_SNP_DF_FLUSH, NULL));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_DF_FLUSH, NULL));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE,
		      cmd(SEV_CMD_LAUNCH_START, &start));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, sev_activate(1, max_asid));
	EXPECT_STATUS(test, SUCCESS, cmd(SEV_CMD_SNP_SHUTDOWN_EX, &shutdown));

	/* sev_platform_shutdown() has shut down the IOMMU: the RMP is invalid. */
	EXPECT_STATUS(test, RMP_INIT_REQUIRED, snp_init_ex(false));
	EXPECT_STATUS(test, INVALID_PLATFORM_STATE, cmd(SEV_CMD_INIT, &init));

	/* The platform is up again: it can create a guest. */
	KUNIT_ASSERT_EQ(test, 0, sev_platform_init(&args));
	guest_new(test);
}

static void the_host_has_all_pages_back(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, lost);
}

static int psp_suite_init(struct kunit_suite *suite)
{
	struct sev_platform_init_args args = { .probe = true };
	int ret = sev_platform_init(&args);

	max_asid = cpuid_ecx(0x8000001f);
	min_sev_asid = cpuid_edx(0x8000001f);
	/* ASIDs may have been used before the platform was initialized. */
	return ret ?: cmd(SEV_CMD_SNP_DF_FLUSH, NULL);
}

static struct kunit_case psp_cases[] = {
	KUNIT_CASE(context_in_a_page_of_others_is_refused),
	KUNIT_CASE(context_in_a_2_mb_page_is_refused),
	KUNIT_CASE(commands_to_a_page_without_context_are_refused),
	KUNIT_CASE(commands_before_launch_start_are_refused),
	KUNIT_CASE(policy_for_other_firmware_is_refused),
	KUNIT_CASE(asid_outside_of_the_snp_range_is_refused),
	KUNIT_CASE(asid_of_another_guest_is_refused),
	KUNIT_CASE(second_asid_for_a_guest_is_refused),
	KUNIT_CASE(asid_of_a_launched_guest_needs_a_flush),
	KUNIT_CASE(asid_that_still_has_pages_is_refused),
	KUNIT_CASE(page_of_others_is_not_launched),
	KUNIT_CASE(page_of_the_wrong_size_is_refused),
	KUNIT_CASE(page_type_that_does_not_exist_is_refused),
	KUNIT_CASE(launch_without_an_asid_is_refused),
	KUNIT_CASE(launch_is_not_continued_after_its_end),
	KUNIT_CASE(page_is_reclaimed_unless_the_firmware_needs_it),
	KUNIT_CASE(sev_handle_that_does_not_exist_is_refused),
	KUNIT_CASE(sev_asid_of_the_wrong_kind_is_refused),
	KUNIT_CASE(sev_es_and_snp_share_asids),
	KUNIT_CASE(sev_guest_with_an_asid_is_not_decommissioned),
	KUNIT_CASE(sev_launch_update_is_checked),
	KUNIT_CASE(platform_is_not_initialized_twice),
	KUNIT_CASE(commands_are_refused_while_the_platform_is_down),
	KUNIT_CASE(the_host_has_all_pages_back),
	{}
};

static struct kunit_suite psp_suite = {
	.name = "psp",
	.suite_init = psp_suite_init,
	.test_cases = psp_cases,
};
kunit_test_suite(psp_suite);

MODULE_DESCRIPTION("KUnit tests of the commands of an emulated PSP");
MODULE_LICENSE("GPL");
