// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: the content of its files, and writes to
 * misc.max.
 */
#include <linux/prandom.h>

#include "misc_kunit.h"

struct line {
	int cg;
	const char *file;
	const char *content;
};

static void expect_lines(struct kunit *test, const struct line *lines, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_STREQ_MSG(test, lines[i].content,
				       misc_kunit_show(CG(lines[i].cg),
						       lines[i].file),
				       "misc.%s of cgroup %d", lines[i].file,
				       lines[i].cg);
}

/* The charges and refusals that the tables below are the result of. */
static void use_resources(struct kunit *test)
{
	SET_MAX(TOP, "kunit_a 50");
	SET_MAX(LEFT, "kunit_a 10\nkunit_b 0");
	GRANTED(0, LEAF, 10);
	RELEASED(0);
	GRANTED(0, LEAF, 4);
	GRANTED_OF(RES_B, 1, RIGHT, 20);
	REFUSED(-EBUSY, 2, LEAF, 11);
	REFUSED(-EBUSY, 2, LEAF, 11);
	REFUSED_OF(RES_B, -EBUSY, 2, LEFT, 1);
	REFUSED_OF(RES_B, -ENOSPC, 2, RIGHT, 101);
}

static void every_resource_has_a_line_in_every_file(struct kunit *test)
{
	static const struct line lines[] = {
		/* The host's, the same in every cgroup. */
		{ ROOT, "capacity", "kunit_a 100\nkunit_b 100\n" },
		{ LEFT, "capacity", "kunit_a 100\nkunit_b 100\n" },
		/* Usage and peak here and below. */
		{ ROOT, "current", "kunit_a 4\nkunit_b 20\n" },
		{ LEAF, "current", "kunit_a 4\nkunit_b 0\n" },
		{ RIGHT, "current", "kunit_a 0\nkunit_b 20\n" },
		{ ROOT, "peak", "kunit_a 10\nkunit_b 20\n" },
		{ RIGHT, "peak", "kunit_a 0\nkunit_b 20\n" },
		/* What was written here. */
		{ TOP, "max", "kunit_a 50\nkunit_b max\n" },
		{ LEFT, "max", "kunit_a 10\nkunit_b 0\n" },
		{ LEAF, "max", "kunit_a max\nkunit_b max\n" },
		/* The smallest from here up, and the capacity. */
		{ TOP, "max.effective", "kunit_a 50\nkunit_b 100\n" },
		{ LEAF, "max.effective", "kunit_a 10\nkunit_b 0\n" },
		{ RIGHT, "max.effective", "kunit_a 50\nkunit_b 100\n" },
		/* Refusals by max here and below. */
		{ TOP, "events", "kunit_a.max 2\nkunit_b.max 1\n" },
		{ LEAF, "events", "kunit_a.max 0\nkunit_b.max 0\n" },
		{ RIGHT, "events", "kunit_a.max 0\nkunit_b.max 0\n" },
		/* Refusals by max here, and of charges here. */
		{ LEFT, "events.local",
		  "kunit_a.max 2\nkunit_a.alloc_fail 0\n"
		  "kunit_b.max 1\nkunit_b.alloc_fail 1\n" },
		{ LEAF, "events.local",
		  "kunit_a.max 0\nkunit_a.alloc_fail 2\n"
		  "kunit_b.max 0\nkunit_b.alloc_fail 0\n" },
		{ RIGHT, "events.local",
		  "kunit_a.max 0\nkunit_a.alloc_fail 0\n"
		  "kunit_b.max 0\nkunit_b.alloc_fail 1\n" },
	};

	use_resources(test);
	expect_lines(test, lines, ARRAY_SIZE(lines));
	/* Only misc.max says "max". */
	misc_cg_res_set_capacity(RES_B, U64_MAX);
	EXPECT_FILE(RIGHT, "max.effective",
		    "kunit_a 50\nkunit_b 18446744073709551615\n");
}

static void without_capacity_only_numbers_that_are_not_0_are_listed(struct kunit *test)
{
	static const struct line lines[] = {
		{ ROOT, "capacity", "kunit_b 100\n" },
		{ LEAF, "capacity", "kunit_b 100\n" },
		{ LEAF, "max.effective", "kunit_b 0\n" },
		{ ROOT, "current", "kunit_a 4\nkunit_b 20\n" },
		{ RIGHT, "current", "kunit_b 20\n" },
		{ LEAF, "peak", "kunit_a 10\nkunit_b 0\n" },
		{ RIGHT, "peak", "kunit_b 20\n" },
		{ LEFT, "max", "kunit_a 10\nkunit_b 0\n" },
		{ LEAF, "max", "kunit_b max\n" },
		{ TOP, "events", "kunit_a.max 2\nkunit_b.max 1\n" },
		{ RIGHT, "events", "kunit_b.max 0\n" },
		/* Each key by itself. */
		{ LEFT, "events.local",
		  "kunit_a.max 2\nkunit_b.max 1\nkunit_b.alloc_fail 1\n" },
		{ LEAF, "events.local",
		  "kunit_a.alloc_fail 2\nkunit_b.max 0\nkunit_b.alloc_fail 0\n" },
	};

	use_resources(test);
	misc_cg_res_set_capacity(RES_A, 0);
	expect_lines(test, lines, ARRAY_SIZE(lines));
	/* The files are the same whether or not the resource is registered. */
	misc_cg_res_unregister(RES_A);
	expect_lines(test, lines, ARRAY_SIZE(lines));

	/* A max of 0 is a limit. */
	SET_MAX(LEAF, "kunit_a 0");
	EXPECT_FILE(LEAF, "max", "kunit_a 0\nkunit_b max\n");
	RELEASED(0);
	EXPECT_FILE(ROOT, "current", "kunit_b 20\n");
}

static void names_are_listed_in_order_of_first_registration(struct kunit *test)
{
	struct misc_cg_res *res = misc_kunit_register("kunit_0_later", 1);

	misc_cg_res_unregister(RES_A);
	misc_cg_res_unregister(RES_B);
	misc_kunit_register("kunit_b", 2);
	misc_kunit_register("kunit_a", 3);
	EXPECT_FILE(ROOT, "capacity",
		    "kunit_a 3\nkunit_b 2\nkunit_0_later 1\n");
	misc_cg_res_unregister(res);
	/* Those that the kernel knows come first, registered or not. */
	SET_MAX(LEAF, "kunit_b 5\nsev_es 1\ntdx 3\nkunit_a 4\nsev 2");
	KUNIT_EXPECT_STREQ(test, "sev 2\nsev_es 1\ntdx 3\nkunit_a 4\nkunit_b 5\n",
			   misc_kunit_read(CG(LEAF), "max", misc_kunit.text,
					   sizeof(misc_kunit.text)));
}

/* Of one write to misc.max, either all lines are taken or none. */
static void max_takes_lines_of_a_name_and_a_number(struct kunit *test)
{
#define TAKES(text, a, b) \
	{ text, sizeof(text) - 1, 0, "kunit_a " a "\nkunit_b " b "\n" }
#define REFUSES(text, error) \
	{ text, sizeof(text) - 1, error, "kunit_a 1\nkunit_b 2\n" }
	static const struct {
		const char *text;
		size_t len;
		int ret;
		const char *max;
	} writes[] = {
		TAKES("kunit_a 5", "5", "2"),
		TAKES("kunit_a 0", "0", "2"),
		TAKES("kunit_a +7", "7", "2"),
		TAKES("kunit_a 0x1f", "31", "2"),
		TAKES("kunit_a 010", "8", "2"),
		TAKES("kunit_a max", "max", "2"),
		TAKES("kunit_a 18446744073709551614", "18446744073709551614", "2"),
		TAKES("kunit_a 18446744073709551615", "max", "2"),
		TAKES("kunit_a 0xffffffffffffffff", "max", "2"),
		/* White space around names and numbers. */
		TAKES("  kunit_a   7 \t\n", "7", "2"),
		TAKES("kunit_a\t9", "9", "2"),
		TAKES("\v\r kunit_a \v\r 9\xa0\f", "9", "2"),
		TAKES("\n\nkunit_a 3\n\n", "3", "2"),
		/* Several lines in one write, in any order. */
		TAKES("kunit_b 5\nkunit_a 4\n", "4", "5"),
		TAKES("kunit_a max\n kunit_b 6\r\n", "max", "6"),
		/* A string may be written with its terminator. */
		TAKES("kunit_a 5\0", "5", "2"),
		TAKES("kunit_a 5\n\0\0", "5", "2"),
		REFUSES("kunit_a 6\0kunit_b 7", -EINVAL),
		REFUSES("\0kunit_a 6", -EINVAL),
		/* No name, or no such name. */
		REFUSES("", -EINVAL),
		REFUSES("\n", -EINVAL),
		REFUSES("5", -EINVAL),
		REFUSES("kunit_unknown 5", -EINVAL),
		REFUSES("kunit_aa 5", -EINVAL),
		REFUSES("kunit_a.max 5", -EINVAL),
		REFUSES("kunit_a=5", -EINVAL),
		REFUSES("kunit_a\v5", -EINVAL),
		/* No number. */
		REFUSES("kunit_a", -EINVAL),
		REFUSES("kunit_a x", -EINVAL),
		REFUSES("kunit_a 5x", -EINVAL),
		REFUSES("kunit_a 0x", -EINVAL),
		REFUSES("kunit_a 08", -EINVAL),
		REFUSES("kunit_a -1", -EINVAL),
		REFUSES("kunit_a maximum", -EINVAL),
		REFUSES("kunit_a 5 6", -EINVAL),
		REFUSES("kunit_a max 5", -EINVAL),
		/* Too large a number. */
		REFUSES("kunit_a 18446744073709551616", -ERANGE),
		REFUSES("kunit_a 02000000000000000000000", -ERANGE),
		/* One line that is right, and one that is wrong. */
		REFUSES("kunit_a 5\nkunit_a 6", -EINVAL),
		REFUSES("kunit_a 5\nkunit_b 6\nkunit_a max", -EINVAL),
		REFUSES("kunit_a 5\n\nkunit_b 6", -EINVAL),
		REFUSES("kunit_a 5\nkunit_b", -EINVAL),
		REFUSES("kunit_a 5\nkunit_b 99999999999999999999999", -ERANGE),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		SET_MAX(LEAF, "kunit_a 1\nkunit_b 2");
		KUNIT_EXPECT_EQ_MSG(test, writes[i].ret,
				    misc_kunit_write(CG(LEAF), writes[i].text,
						     writes[i].len),
				    "\"%*pE\"", (int)writes[i].len,
				    writes[i].text);
		KUNIT_EXPECT_STREQ_MSG(test, writes[i].max,
				       misc_kunit_show(CG(LEAF), "max"),
				       "\"%*pE\"", (int)writes[i].len,
				       writes[i].text);
	}
	EXPECT_FILE(LEFT, "max", "kunit_a max\nkunit_b max\n");
}

/* Lines of random pieces, each of which is known to be right or wrong. */
static void random_lines_are_taken_together_or_not_at_all(struct kunit *test)
{
	static const char * const names[] = {
		"kunit_a", "kunit_b", "kunit_a", "kunit_b", "kunit_", "max", "=",
	};
	static const char * const blanks[] = {
		" ", " ", " ", " ", "\t", "  ", " \v", "", "=", "\n",
	};
	static const struct {
		const char *text;
		u64 max;
		int ret;
	} values[] = {
		{ "0", 0 }, { "7", 7 }, { "+8", 8 }, { "0x1F", 31 }, { "010", 8 },
		{ "max", U64_MAX }, { "18446744073709551615", U64_MAX },
		{ "9223372036854775808", 1ULL << 63 },
		{ "18446744073709551616", 0, -ERANGE },
		{ "0x10000000000000000", 0, -ERANGE },
		{ "-1", 0, -EINVAL }, { "08", 0, -EINVAL }, { "1 2", 0, -EINVAL },
		{ "maximum", 0, -EINVAL }, { "", 0, -EINVAL },
	};
	static const char * const ends[] = { "", "", "", " ", "\t", "\r", " \f" };
	unsigned int step, nr, lines, value, name, blank, set, granted = 0;
	u64 now[2] = { U64_MAX, U64_MAX }, next[2];
	struct rnd_state rnd;
	char text[400];
	int ret;

#define PICK(array)	(prandom_u32_state(&rnd) % ARRAY_SIZE(array))
	prandom_seed_state(&rnd, misc_kunit_seed);
	for (step = 0; step < misc_kunit_steps / 10; step++) {
		memcpy(next, now, sizeof(next));
		text[0] = '\0';
		ret = 0;
		set = 0;
		lines = 1 + prandom_u32_state(&rnd) % 3;
		for (nr = 0; nr < lines; nr++) {
			name = PICK(names);
			blank = PICK(blanks);
			value = PICK(values);
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				 "%s%s%s%s%s%s", nr ? "\n" : "", ends[PICK(ends)],
				 names[name], blanks[blank], values[value].text,
				 ends[PICK(ends)]);
			/* The first line that is wrong decides. */
			if (ret)
				continue;
			if (name >= 4 || blank >= 7 || set & BIT(name % 2))
				ret = -EINVAL;
			else
				ret = values[value].ret;
			set |= BIT(name % 2);
			next[name % 2] = values[value].max;
		}
		KUNIT_ASSERT_EQ_MSG(test, ret, misc_kunit_set_max(CG(LEAF), text),
				    "step %u: \"%*pE\"", step,
				    (int)strlen(text), text);
		if (!ret)
			memcpy(now, next, sizeof(now));
		granted += !ret;
		KUNIT_ASSERT_EQ(test, now[0],
				misc_kunit_counter(RES_A, CG(LEAF)).max);
		KUNIT_ASSERT_EQ(test, now[1],
				misc_kunit_counter(RES_B, CG(LEAF)).max);
	}
	KUNIT_EXPECT_GT(test, granted, step / 20);
	EXPECT_FILE(LEFT, "max", "kunit_a max\nkunit_b max\n");
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_resource_has_a_line_in_every_file),
	KUNIT_CASE(without_capacity_only_numbers_that_are_not_0_are_listed),
	KUNIT_CASE(names_are_listed_in_order_of_first_registration),
	KUNIT_CASE(max_takes_lines_of_a_name_and_a_number),
	KUNIT_CASE(random_lines_are_taken_together_or_not_at_all),
	{}
};

MISC_KUNIT_SUITE("misc_cg_files", misc_kunit_init, misc_kunit_exit, cases);
