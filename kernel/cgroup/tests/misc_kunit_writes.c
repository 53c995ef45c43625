// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: random writes to misc.max, included by
 * misc_kunit.c.
 *
 * Inputs come from a grammar that is mostly right, then some of their bytes
 * are changed.  A reference, which reads the rules one character at a time,
 * says what each comes to; misc.max must be as it says after every write.
 */

#define W_NAMES	3
#define W_SIZE	(PAGE_SIZE - 1)

struct w_limits {
	u64 max[W_NAMES];
	bool set[W_NAMES];
};

struct w_state {
	const char *name[W_NAMES];
	struct misc_cg_res *res[W_NAMES];
	struct w_limits now;
	char text[W_SIZE + 1];
	size_t len;
};

/*
 * The reference
 */

static bool w_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

static int w_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* An optional plus; 0x, 0 or nothing; digits; too many of them are -ERANGE. */
static int w_number(const char *s, const char *end, u64 *number)
{
	bool overflow = false;
	int base = 10;
	u64 n = 0;
	const char *first;

	if (s < end && *s == '+')
		s++;
	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
	    w_digit(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (s < end && *s == '0') {
		base = 8;
	}
	for (first = s; s < end && w_digit(*s) < base; s++) {
		overflow |= check_mul_overflow(n, base, &n);
		overflow |= check_add_overflow(n, w_digit(*s), &n);
	}
	if (overflow)
		return -ERANGE;
	if (s == first || s < end)
		return -EINVAL;
	*number = n;
	return 0;
}

static bool w_is(const char *s, const char *end, const char *word)
{
	while (s < end && *s == *word) {
		s++;
		word++;
	}
	return s == end && !*word;
}

/* White space, a name, a blank, white space, a value, white space. */
static int w_line(struct w_state *w, const char *s, const char *end,
		  struct w_limits *limits)
{
	const char *blank;
	int i;

	while (s < end && w_white(*s))
		s++;
	while (s < end && w_white(end[-1]))
		end--;
	for (blank = s; blank < end && *blank != ' ' && *blank != '\t'; blank++)
		;
	for (i = 0; i < W_NAMES; i++)
		if (w_is(s, blank, w->name[i]))
			break;
	if (i == W_NAMES || limits->set[i])
		return -EINVAL;

	for (s = blank; s < end && w_white(*s); s++)
		;
	limits->set[i] = true;
	limits->max[i] = U64_MAX;
	return w_is(s, end, "max") ? 0 : w_number(s, end, &limits->max[i]);
}

/*
 * Lines, with white space before the first and after the last, then NULs.
 * The first line that is wrong tells the error.
 */
static int w_reference(struct w_state *w, struct w_limits *limits)
{
	const char *s = w->text, *end = s, *eol;
	int ret;

	while (end < s + w->len && *end)
		end++;
	for (eol = end; eol < s + w->len; eol++)
		if (*eol)
			return -EINVAL;
	while (s < end && w_white(*s))
		s++;
	while (s < end && w_white(end[-1]))
		end--;
	do {
		for (eol = s; eol < end && *eol != '\n'; eol++)
			;
		ret = w_line(w, s, eol, limits);
		if (ret)
			return ret;
		s = eol + 1;
	} while (eol < end);
	return 0;
}

/*
 * The inputs
 */

static void w_add(struct w_state *w, const char *s)
{
	while (*s && w->len < W_SIZE)
		w->text[w->len++] = *s++;
}

#define W_PICK(rnd, ...) ({						\
	static const char * const __choice[] = { __VA_ARGS__ };		\
									\
	__choice[t_random(rnd, ARRAY_SIZE(__choice))];			\
})

static void w_add_number(struct w_state *w, struct rnd_state *rnd)
{
	static const char * const formats[] = {
		"%llu", "%llu", "%llu", "0x%llx", "0X%llX", "0%llo", "+%llu",
		"0x%016llx", "%020llu", "-%llu", "%llx", "%llu0", "%llu%%",
	};
	u64 number = (u64)prandom_u32_state(rnd) << 32;
	char text[40];

	number |= prandom_u32_state(rnd);
	/* All lengths are as likely, and those are where mistakes are. */
	number >>= t_random(rnd, 64);
	if (!t_random(rnd, 8))
		number = U64_MAX - t_random(rnd, 3);
	snprintf(text, sizeof(text),
		 formats[t_random(rnd, ARRAY_SIZE(formats))], number);
	w_add(w, text);
}

static void w_add_line(struct w_state *w, struct rnd_state *rnd)
{
	w_add(w, W_PICK(rnd, "", "", "", "", "", "", " ", "\t", "\r", "\v "));
	if (t_random(rnd, 16))
		w_add(w, w->name[t_random(rnd, W_NAMES)]);
	else
		w_add(w, W_PICK(rnd, "", "kunit", "kunit_", "kunit_aa",
				"KUNIT_A", "kunit_a.max", "max", "0"));
	w_add(w, t_random(rnd, 16) ? " " :
	      W_PICK(rnd, "\t", "  ", "\t \v", "\v", "", "=", ":", "\n"));
	if (t_random(rnd, 4))
		w_add_number(w, rnd);
	else
		w_add(w, W_PICK(rnd, "max", "max", "max", "0", "00", "0x", "08",
				"18446744073709551615", "18446744073709551616",
				"0x10000000000000000", "02000000000000000000000",
				"99999999999999999999x", "maximum", "ma", "Max",
				"", "+", "++1", "-1", "1.5", "1 2", "1e3"));
	w_add(w, W_PICK(rnd, "", "", "", "", "", "", " ", "\r", " \t", " 1"));
}

static void w_generate(struct w_state *w, struct rnd_state *rnd)
{
	static const char bytes[] = "\0\n \t\v\r\xa0+-0x18af_kunitmax";
	unsigned int lines = t_random(rnd, 8) ? 1 + t_random(rnd, W_NAMES) :
					       t_random(rnd, 200);
	unsigned int changes = t_random(rnd, 4) ? 0 : 1 + t_random(rnd, 3);
	size_t at;

	w->len = 0;
	while (lines--) {
		w_add_line(w, rnd);
		if (lines)
			w_add(w, "\n");
	}
	w_add(w, W_PICK(rnd, "", "\n", "\n", "\n\n", "\t\n\t\n"));

	while (changes-- && w->len && w->len < W_SIZE) {
		at = t_random(rnd, w->len);
		switch (t_random(rnd, 3)) {
		case 0:
			w->text[at] = bytes[t_random(rnd, sizeof(bytes))];
			break;
		case 1:
			w->len--;
			memmove(w->text + at, w->text + at + 1, w->len - at);
			break;
		case 2:
			memmove(w->text + at + 1, w->text + at, w->len - at);
			w->text[at] = prandom_u32_state(rnd);
			w->len++;
			break;
		}
	}
	/* A string is sometimes written with its terminator. */
	if (!t_random(rnd, 16) && w->len < W_SIZE)
		w->text[w->len++] = '\0';
}

static void random_writes_do_what_the_reference_says(struct kunit *test)
{
	const unsigned int *part = test->param_value;
	unsigned int accepted = 0, invalid = 0, range = 0;
	struct rnd_state rnd;
	struct w_state *w;
	unsigned int step;
	int i, ret;

	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	w->res[0] = res_a;
	w->res[1] = res_b;
	/* A name that is known although it is not registered. */
	w->res[2] = t_register(test, "kunit_gone", 1);
	misc_cg_res_unregister(w->res[2]);
	for (i = 0; i < W_NAMES; i++) {
		w->name[i] = w->res[i]->name;
		w->now.max[i] = U64_MAX;
	}

	prandom_seed_state(&rnd, t_seed + *part);
	for (step = 0; step < T_STEPS_PER_PART; step++) {
		struct w_limits limits = {};

		w_generate(w, &rnd);
		ret = w_reference(w, &limits);
		for (i = 0; !ret && i < W_NAMES; i++)
			if (limits.set[i])
				w->now.max[i] = limits.max[i];
		accepted += !ret;
		invalid += ret == -EINVAL;
		range += ret == -ERANGE;

		KUNIT_ASSERT_EQ_MSG(test, ret,
				    t_write_bytes(leaf, w->text, w->len),
				    "step %u: \"%*pE\"", step, (int)w->len, w->text);
		for (i = 0; i < W_NAMES; i++) {
			KUNIT_ASSERT_EQ_MSG(test, w->now.max[i],
					    t_counter(w->res[i], leaf).max,
					    "%s, step %u: \"%*pE\"", w->name[i],
					    step, (int)w->len, w->text);
			KUNIT_ASSERT_EQ(test, t_counter(w->res[i], left).max,
					U64_MAX);
		}
	}

	/* A test of nothing but nonsense would be none. */
	KUNIT_EXPECT_GT(test, accepted, step / 10);
	KUNIT_EXPECT_GT(test, invalid, step / 10);
	KUNIT_EXPECT_GT(test, range, step / 200);
}

static struct kunit_case w_cases[] = {
	KUNIT_CASE_PARAM(random_writes_do_what_the_reference_says,
			 t_parts_gen_params),
	{}
};

static struct kunit_suite w_suite = {
	.name = "misc_cg_writes",
	.init = t_init,
	.exit = t_exit,
	.test_cases = w_cases,
};
