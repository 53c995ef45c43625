// SPDX-License-Identifier: GPL-2.0
/*
 * The files of the misc controller, as user space reads and writes them: what
 * they show, what misc.max accepts, and how a refused charge is reported.
 *
 * KUnit tests the rules, in kernel/cgroup/tests.  What looks like one of them
 * here is how user space sees it: in real files, on cgroup v2 and on v1.
 */
#include <poll.h>
#include <sys/inotify.h>

#include "misc_util.h"

#define TRACING		"/sys/kernel/tracing"

#define U64_MAX_STR	"18446744073709551615"

/* Notifications of one file are rate-limited, and sent by a work item. */
#define EVENT_WAIT_MS	5000

static const struct {
	const char *name;
	mode_t mode;
	bool in_root;
} files[] = {
	{ "misc.capacity",	0444, true },
	{ "misc.current",	0444, true },
	{ "misc.peak",		0444, true },
	{ "misc.max",		0644, false },
	{ "misc.max.effective",	0444, false },
	{ "misc.events",	0444, false },
	{ "misc.events.local",	0444, false },
};

/*
 * What the files show
 */

/* 0 if there is no such file. */
static mode_t mode_of(const char *cgroup, const char *control)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", cgroup, control);
	return stat(path, &st) ? 0 : st.st_mode & 0777;
}

TEST_F(misc, limits_and_events_are_not_in_the_root)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_EQ(files[i].mode, mode_of(left, files[i].name)) {
			TH_LOG("%s", files[i].name);
		}
		EXPECT_EQ(files[i].in_root ? files[i].mode : 0,
			  mode_of(root, files[i].name)) {
			TH_LOG("%s of the root", files[i].name);
		}
	}
}

TEST_F(misc, new_cgroup_is_unlimited_and_unused)
{
	EXPECT_VALUE(left, "misc.capacity", "widget", "10");
	EXPECT_VALUE(left, "misc.current", "widget", "0");
	EXPECT_VALUE(left, "misc.peak", "widget", "0");
	EXPECT_VALUE(left, "misc.max", "widget", "max");
	EXPECT_VALUE(left, "misc.max.effective", "widget", "10");
	EXPECT_VALUE(left, "misc.events", "widget.max", "0");
	EXPECT_VALUE(left, "misc.events.local", "widget.max", "0");
	EXPECT_VALUE(left, "misc.events.local", "widget.alloc_fail", "0");
}

/* Readers of misc.events strip ".max" and take the rest for a resource. */
static bool well_formed(const char *control, const char *line)
{
	const char *value = strchr(line, ' ');

	if (!value)
		return false;
	if (!strcmp(control, "misc.events") &&
	    (value - line < 4 || strncmp(value - 4, ".max", 4)))
		return false;
	value++;
	if (!strcmp(value, "max"))
		return !strcmp(control, "misc.max");
	return *value && !value[strspn(value, "0123456789")];
}

TEST_F(misc, every_line_is_a_key_and_a_number)
{
	char buf[FILE_SIZE], *line, *pos;
	int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, cg_read(left, files[i].name, buf, sizeof(buf)));
		pos = buf;
		while ((line = strsep(&pos, "\n")) && *line) {
			EXPECT_TRUE(well_formed(files[i].name, line)) {
				TH_LOG("%s: %s", files[i].name, line);
			}
		}
	}
}

TEST_F(misc, capacity_is_the_same_in_every_cgroup)
{
	ASSERT_EQ(0, set_max(left, "widget 1"));
	EXPECT_VALUES("misc.capacity", "widget", 10, 10, 10, 10);
	ASSERT_EQ(0, command(file1, "capacity widget 12"));
	EXPECT_VALUES("misc.capacity", "widget", 12, 12, 12, 12);
}

TEST_F(misc, current_is_the_sum_of_the_subtree)
{
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	ASSERT_EQ(0, charge_in(right, file2, "widget 2"));
	EXPECT_CURRENT(5, 5, 3, 2);
	EXPECT_VALUES("misc.current", "gadget", 0, 0, 0, 0);
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(2, 2, 0, 2);
}

TEST_F(misc, peak_stays)
{
	ASSERT_EQ(0, charge_in(left, file1, "widget 3"));
	ASSERT_EQ(0, command(file1, "release"));
	ASSERT_EQ(0, charge_in(right, file1, "widget 2"));
	EXPECT_VALUE(parent, "misc.peak", "widget", "3");
	EXPECT_VALUE(left, "misc.peak", "widget", "3");
	EXPECT_VALUE(right, "misc.peak", "widget", "2");
}

/* Numbers have 64 bits in files and commands, and no sum of them wraps. */
TEST_F(misc, charge_of_the_largest_amount)
{
	ASSERT_EQ(0, command(file1, "capacity widget " U64_MAX_STR));
	ASSERT_EQ(0, charge_in(left, file1, "widget 1"));
	EXPECT_EQ(-ENOSPC, charge_in(left, file2, "widget " U64_MAX_STR));
	EXPECT_CURRENT(1, 1, 1, 0);
	EXPECT_EQ(0, charge_in(left, file2, "widget 18446744073709551614"));
	EXPECT_VALUE(left, "misc.current", "widget", U64_MAX_STR);
	EXPECT_VALUE(parent, "misc.current", "widget", U64_MAX_STR);
	EXPECT_VALUE(left, "misc.peak", "widget", U64_MAX_STR);
}

TEST_F(misc, effective_max_is_the_smallest_up_to_the_root)
{
	ASSERT_EQ(0, set_max(parent, "widget 4"));
	ASSERT_EQ(0, set_max(left, "widget 2"));
	EXPECT_VALUES("misc.max.effective", "widget", NONE, 4, 2, 4);
	ASSERT_EQ(0, set_max(left, "widget 1000"));
	EXPECT_VALUES("misc.max.effective", "widget", NONE, 4, 4, 4);
	ASSERT_EQ(0, set_max(parent, "widget 1000"));
	EXPECT_VALUES("misc.max.effective", "widget", NONE, 10, 10, 10);
	EXPECT_VALUES("misc.max.effective", "gadget", NONE, 5, 5, 5);
}

/* A capacity of 0 and a resource that is not registered look the same. */
TEST_F(misc, without_capacity_only_what_is_not_0_is_listed)
{
	static const char * const commands[] = {
		"capacity widget 0", "unregister widget",
	};
	int i;

	ASSERT_EQ(0, set_max(left, "widget 3"));
	ASSERT_EQ(0, charge_in(left, file1, "widget 2"));
	ASSERT_EQ(-EBUSY, charge_in(left, file2, "widget 2"));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		ASSERT_EQ(0, command(file2, "%s", commands[i]));
		EXPECT_VALUES("misc.capacity", "widget", NONE, NONE, NONE, NONE);
		EXPECT_VALUES("misc.max.effective", "widget",
			      NONE, NONE, NONE, NONE);
		EXPECT_VALUES("misc.max", "widget", NONE, NONE, 3, NONE);
		EXPECT_CURRENT(2, 2, 2, NONE);
		EXPECT_VALUES("misc.events", "widget.max", NONE, 1, 1, NONE);
		EXPECT_VALUES("misc.events.local", "widget.max",
			      NONE, NONE, 1, NONE);
		EXPECT_VALUES("misc.events.local", "widget.alloc_fail",
			      NONE, NONE, 1, NONE);
	}
	ASSERT_EQ(0, command(file1, "release"));
	EXPECT_CURRENT(NONE, NONE, NONE, NONE);
	EXPECT_VALUE(left, "misc.peak", "widget", "2");
	ASSERT_EQ(0, set_max(left, "widget max"));
	EXPECT_VALUES("misc.max", "widget", NONE, NONE, NONE, NONE);
}

/*
 * Writes to misc.max.  The grammar of a line is tested by KUnit.
 */

TEST_F(misc, max_takes_several_lines)
{
	ASSERT_EQ(0, set_max(left, "widget 4\ngadget 2\n"));
	EXPECT_VALUE(left, "misc.max", "widget", "4");
	EXPECT_VALUE(left, "misc.max", "gadget", "2");
	EXPECT_VALUE(right, "misc.max", "widget", "max");
}

TEST_F(misc, max_takes_all_lines_or_none)
{
	static const struct {
		const char *lines;
		int ret;
	} writes[] = {
		{ "widget 7\nno_such_name 3\n", -EINVAL },
		{ "widget 7\ngadget\n", -EINVAL },
		{ "widget 7\nwidget 8\n", -EINVAL },
		{ "widget 7\ngadget 18446744073709551616\n", -ERANGE },
	};
	int i;

	ASSERT_EQ(0, set_max(left, "widget 4\ngadget 2\n"));
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		EXPECT_EQ(writes[i].ret, set_max(left, writes[i].lines)) {
			TH_LOG("wrote '%s'", writes[i].lines);
		}
		EXPECT_VALUE(left, "misc.max", "widget", "4");
		EXPECT_VALUE(left, "misc.max", "gadget", "2");
	}
}

TEST_F(misc, max_takes_back_what_it_gave)
{
	char given[FILE_SIZE], again[FILE_SIZE];

	ASSERT_EQ(0, set_max(left, "widget 4"));
	ASSERT_EQ(0, cg_read(left, "misc.max", given, sizeof(given)));
	EXPECT_EQ(0, set_max(right, given));
	ASSERT_EQ(0, cg_read(right, "misc.max", again, sizeof(again)));
	EXPECT_STREQ(given, again);
}

TEST_F(misc, max_takes_a_page_at_once)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char *lines = calloc(1, size + 2);

	ASSERT_NE(NULL, lines);
	memset(lines, ' ', size + 1);
	memcpy(lines, "widget 3", strlen("widget 3"));
	EXPECT_EQ(-E2BIG, set_max(left, lines));
	EXPECT_VALUE(left, "misc.max", "widget", "max");
	lines[size] = 0;
	EXPECT_EQ(0, set_max(left, lines));
	EXPECT_VALUE(left, "misc.max", "widget", "3");
	free(lines);
}

/*
 * Refused charges of a task in left: which files count them, and whose pollers are woken
 */

/* misc.events and misc.events.local of parent, left and right. */
#define NR_EVENTS	6

FIXTURE(refusal) {
	bool counted[NR_EVENTS];
};

FIXTURE_VARIANT(refusal) {
	const char *parent_max, *left_max;
	const char *amount;
	int ret;
	/* In root, parent, left and right. */
	long events_max[4], local_max[4], local_alloc_fail[4];
};

FIXTURE_VARIANT_ADD(refusal, by_own_max) {
	.parent_max = "widget max",
	.left_max = "widget 1",
	.amount = "widget 2",
	.ret = -EBUSY,
	.events_max =		{ NONE, 1, 1, 0 },
	.local_max =		{ NONE, 0, 1, 0 },
	.local_alloc_fail =	{ NONE, 0, 1, 0 },
};

FIXTURE_VARIANT_ADD(refusal, by_parents_max) {
	.parent_max = "widget 1",
	.left_max = "widget max",
	.amount = "widget 2",
	.ret = -EBUSY,
	.events_max =		{ NONE, 1, 0, 0 },
	.local_max =		{ NONE, 1, 0, 0 },
	.local_alloc_fail =	{ NONE, 0, 1, 0 },
};

FIXTURE_VARIANT_ADD(refusal, by_the_capacity) {
	.parent_max = "widget max",
	.left_max = "widget max",
	.amount = "widget 11",
	.ret = -ENOSPC,
	.events_max =		{ NONE, 0, 0, 0 },
	.local_max =		{ NONE, 0, 0, 0 },
	.local_alloc_fail =	{ NONE, 0, 1, 0 },
};

FIXTURE_SETUP(refusal)
{
	int i;

	setup(_metadata, false);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, set_max(parent, variant->parent_max));
	ASSERT_EQ(0, set_max(left, variant->left_max));
	for (i = 0; i < NR_EVENTS / 2; i++) {
		self->counted[2 * i] = variant->events_max[i + 1];
		self->counted[2 * i + 1] = variant->local_max[i + 1] ||
					   variant->local_alloc_fail[i + 1];
	}
}

FIXTURE_TEARDOWN(refusal)
{
	teardown(_metadata);
}

static int open_events(int i)
{
	const char * const cgroups[] = { parent, left, right };

	return cg_open(cgroups[i / 2], i % 2 ? "misc.events.local" :
					       "misc.events", O_RDONLY);
}

TEST_F(refusal, is_counted)
{
	ASSERT_EQ(variant->ret, charge_in(left, file1, variant->amount));
	EXPECT_CURRENT(0, 0, 0, 0);
	EXPECT_TRUE(has_values("misc.events", "widget.max", variant->events_max));
	EXPECT_TRUE(has_values("misc.events.local", "widget.max",
			       variant->local_max));
	EXPECT_TRUE(has_values("misc.events.local", "widget.alloc_fail",
			       variant->local_alloc_fail));
}

TEST_F(refusal, wakes_pollers_of_the_files_that_count_it)
{
	struct pollfd events[NR_EVENTS];
	char buf[FILE_SIZE];
	int i;

	for (i = 0; i < NR_EVENTS; i++) {
		events[i].fd = open_events(i);
		events[i].events = POLLPRI;
		/* What has been read is no news. */
		ASSERT_LT(0, read(events[i].fd, buf, sizeof(buf)));
	}
	ASSERT_EQ(0, poll(events, NR_EVENTS, 0));
	ASSERT_EQ(variant->ret, charge_in(left, file1, variant->amount));
	for (i = 0; i < NR_EVENTS; i++)
		if (self->counted[i])
			poll(&events[i], 1, EVENT_WAIT_MS);
	for (i = 0; i < NR_EVENTS; i++) {
		EXPECT_EQ(self->counted[i], poll(&events[i], 1, 0)) {
			TH_LOG("events file %d", i);
		}
	}
}

TEST_F(refusal, is_a_modification_of_the_files_that_count_it)
{
	unsigned int expected = 0, seen = 0;
	struct inotify_event event;
	struct pollfd watch = { .events = POLLIN };
	char path[PATH_MAX];
	int i, wd;

	watch.fd = inotify_init1(0);
	for (i = 0; i < NR_EVENTS; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", open_events(i));
		wd = inotify_add_watch(watch.fd, path, IN_MODIFY);
		ASSERT_LT(0, wd);
		expected |= self->counted[i] << wd;
	}
	ASSERT_EQ(variant->ret, charge_in(left, file1, variant->amount));
	while (poll(&watch, 1, seen == expected ? 0 : EVENT_WAIT_MS) == 1) {
		ASSERT_EQ(sizeof(event), read(watch.fd, &event, sizeof(event)));
		seen |= 1 << event.wd;
	}
	EXPECT_EQ(expected, seen);
}

/*
 * Refusals in the kernel's log
 */

FIXTURE(log) {
	int kmsg;
};

FIXTURE_SETUP(log)
{
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (self->kmsg < 0)
		SKIP(return, "no /dev/kmsg");
	ASSERT_LE(0, lseek(self->kmsg, 0, SEEK_END));
	setup(_metadata, false);
}

FIXTURE_TEARDOWN(log)
{
	close(self->kmsg);
	teardown(_metadata);
}

/* The next refusal in the log, from the resource's name on; false if none. */
static bool next_refusal(int kmsg, char line[FILE_SIZE])
{
	char record[8192], *start;
	ssize_t len;

	/* EPIPE: some have been overwritten. */
	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = 0;
		start = strstr(record, "misc: widget: charge of ");
		if (!start)
			continue;
		start += strlen("misc: ");
		snprintf(line, FILE_SIZE, "%.*s", (int)strcspn(start, "\n"),
			 start);
		return true;
	}
	return false;
}

/*
 * Has a charge of 11 refused until the log says that @refuser did: refusals of
 * other cgroups may have used up the burst of the rate limit.
 */
static bool logs(int kmsg, const char *cgroup, const char *refuser)
{
	char line[FILE_SIZE] = "", expected[FILE_SIZE];
	int i, ret;

	snprintf(expected, sizeof(expected),
		 "widget: charge of 11 in %s refused by the %s in use",
		 cgroup + strlen(root), refuser);
	for (i = 0; i < 1000; i++) {
		ret = charge_in(cgroup, file2, "widget 11");
		if (ret != -EBUSY && ret != -ENOSPC) {
			ksft_print_msg("charge: %d\n", ret);
			return false;
		}
		if (next_refusal(kmsg, line))
			break;
		usleep(10000);
	}
	if (!strcmp(line, expected))
		return true;
	ksft_print_msg("log: '%s', expected '%s'\n", line, expected);
	return false;
}

TEST_F_TIMEOUT(log, names_the_charged_and_the_refusing_cgroup, 120)
{
	ASSERT_EQ(0, set_max(parent, "widget 3"));
	ASSERT_EQ(0, charge_in(right, file1, "widget 2"));
	EXPECT_TRUE(logs(self->kmsg, left, "max of /misc_test: 2 of 3"));
}

TEST_F_TIMEOUT(log, names_the_capacity_that_refused, 120)
{
	ASSERT_EQ(0, charge_in(right, file1, "widget 4"));
	EXPECT_TRUE(logs(self->kmsg, left, "host's capacity: 4 of 10"));
}

TEST_F_TIMEOUT(log, has_the_first_refusal_only, 120)
{
	char line[FILE_SIZE];
	int i;

	ASSERT_TRUE(logs(self->kmsg, left, "host's capacity: 0 of 10"));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(-ENOSPC, charge_in(left, file1, "widget 11"));
	EXPECT_FALSE(next_refusal(self->kmsg, line));
}

#define HEX_64	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* As of a container in kind: a Kubernetes node that is a container itself. */
static const char * const kind_path[] = {
	"docker", HEX_64, "kubelet.slice", "kubelet-kubepods.slice",
	"kubelet-kubepods-burstable.slice",
	"kubelet-kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice",
	"cri-containerd-" HEX_64 ".scope",
};

TEST_F_TIMEOUT(log, has_the_whole_path_of_a_nested_container, 120)
{
	const char *cgroup = parent;
	char refuser[FILE_SIZE];
	int i;

	for (i = 0; i < ARRAY_SIZE(kind_path); i++) {
		ASSERT_EQ(0, set_subtree_control(cgroup, "+misc"));
		cgroup = cg_name(cgroup, kind_path[i]);
		ASSERT_EQ(0, cg_create(cgroup));
	}
	ASSERT_EQ(0, set_max(cgroup, "widget 1"));
	snprintf(refuser, sizeof(refuser), "max of %s: 0 of 1",
		 cgroup + strlen(root));
	EXPECT_TRUE(logs(self->kmsg, cgroup, refuser));
}

/*
 * Refusals as trace events
 */

#define TRACE_INSTANCE	TRACING "/instances/misc_test"
#define TRACE_ENABLE	TRACE_INSTANCE \
	"/events/misc_cgroup/misc_cg_charge_refused/enable"

static unsigned long long cgroup_id(const char *cgroup)
{
	struct stat st;

	return stat(cgroup, &st) ? 0 : st.st_ino;
}

static bool traced(const char *trace, int amount, const char *charging,
		   const char *refusing, int limit)
{
	char event[FILE_SIZE];

	snprintf(event, sizeof(event),
		 "misc_cg_charge_refused: resource=widget amount=%d charging=%llu refusing=%llu usage=2 limit=%d\n",
		 amount, cgroup_id(charging), cgroup_id(refusing), limit);
	if (strstr(trace, event))
		return true;
	ksft_print_msg("trace: %sexpected: %s", trace, event);
	return false;
}

TEST_F(misc, refusal_is_traced)
{
	char trace[4 * FILE_SIZE];

	if (access(TRACING "/events", F_OK))
		mount("none", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/instances", F_OK))
		SKIP(return, "no tracefs");
	rmdir(TRACE_INSTANCE);
	ASSERT_EQ(0, mkdir(TRACE_INSTANCE, 0700));
	EXPECT_EQ(1, write_text(TRACE_ENABLE, "1", 1));

	EXPECT_EQ(0, set_max(parent, "widget 3"));
	EXPECT_EQ(0, charge_in(right, file1, "widget 2"));
	EXPECT_EQ(-EBUSY, charge_in(left, file2, "widget 4"));
	EXPECT_EQ(-ENOSPC, charge_in(root, file2, "widget 9"));

	EXPECT_LT(0, read_text(TRACE_INSTANCE "/trace", trace, sizeof(trace)));
	EXPECT_TRUE(traced(trace, 4, left, parent, 3));
	EXPECT_TRUE(traced(trace, 9, root, root, 10));
	write_text(TRACE_ENABLE, "0", 1);
	EXPECT_EQ(0, rmdir(TRACE_INSTANCE));
}

int main(int argc, char **argv)
{
	return run_misc_tests(argc, argv);
}
