// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: random histories, included by
 * misc_kunit.c.
 *
 * A history is a sequence of operations, each a handful of numbers that mean
 * something in every state.  It is applied to the controller and to a model,
 * a plain list of what is charged from which everything else is computed; the
 * two must agree after every step.  If they do not, the history is cut after
 * that step, every operation is left out that it fails without as well, and
 * what remains is printed.
 */

#define H_LENGTH	10000
#define H_NODES		12
#define H_HELD		24
/* The fixture's two resources, one that is new at first, and a known name. */
#define H_RES		4
#define H_NEW		2
#define H_KNOWN		3
/* Shrinking is given up after this, within the time that a test has. */
#define H_SHRINK_TIME	(60 * HZ)

enum h_kind {
	H_CHARGE,	/* charge, or release what the slot holds */
	H_MOVE,
	H_TRANSFER,
	H_COPY,		/* use a copy of what a slot holds, or held */
	H_MAX,
	H_CAPACITY,
	H_MKDIR,
	H_RMDIR,
	H_REGISTER,	/* or unregister */
	H_KINDS
};

static const struct {
	const char *name;
	unsigned int often;
} h_kinds[H_KINDS] = {
	[H_CHARGE]	= { "charge or release", 250 },
	[H_MOVE]	= { "move", 100 },
	[H_TRANSFER]	= { "transfer", 50 },
	[H_COPY]	= { "use a copy", 50 },
	[H_MAX]		= { "max", 50 },
	[H_CAPACITY]	= { "capacity", 20 },
	[H_MKDIR]	= { "mkdir", 30 },
	[H_RMDIR]	= { "rmdir", 25 },
	[H_REGISTER]	= { "register or unregister", 4 },
};

struct h_op {
	u8 kind;
	u8 res;
	u8 node;
	u8 slot;
	u8 other;	/* the slot to move or transfer to */
	u8 use;		/* of a copy */
	bool near;	/* the value is relative to where it starts to matter */
	u64 unit;
	u64 value;
};

struct h_numbers {
	u64 max;
	u64 usage;
	u64 peak;
	u64 max_events;
	u64 max_events_local;
	u64 alloc_fails;
};

struct h_node {
	struct misc_cg *cg;	/* NULL: unused */
	int parent;		/* -1 in the root */
	bool removed;
	struct h_numbers res[H_RES];
};

struct h_held {
	struct misc_cg_charge charge;
	struct misc_cg_charge copy;	/* of the last one that it held */
	unsigned int res;
	int node;
	u64 amount;		/* 0: nothing is held */
};

struct h_state {
	struct kunit *test;
	struct misc_cg_res *res[H_RES];	/* NULL: no such name yet */
	const char *name[H_RES];
	u64 capacity[H_RES];
	bool registered[H_RES];
	struct h_node node[H_NODES];
	struct h_held held[H_HELD];
	const char *why;		/* what did not agree */
};

static void h_expect(struct h_state *h, bool agrees, const char *why)
{
	if (!agrees && !h->why)
		h->why = why;
}

/*
 * The model
 */

/* Usage, from nothing but what is held. */
static void h_recount(struct h_state *h)
{
	unsigned int res;
	int i, n;

	for (n = 0; n < H_NODES; n++)
		for (res = 0; res < H_RES; res++)
			h->node[n].res[res].usage = 0;
	for (i = 0; i < H_HELD; i++) {
		struct h_held *held = &h->held[i];

		if (!held->amount)
			continue;
		for (n = held->node; n >= 0; n = h->node[n].parent)
			h->node[n].res[held->res].usage += held->amount;
	}
	for (n = 0; n < H_NODES; n++) {
		for (res = 0; res < H_RES; res++) {
			struct h_numbers *m = &h->node[n].res[res];

			m->peak = max(m->peak, m->usage);
		}
	}
}

static bool h_under(struct h_state *h, int node, int top)
{
	while (node >= 0 && node != top)
		node = h->node[node].parent;
	return node == top;
}

/* A max of "max" has room for everything, the capacity is a number. */
static u64 h_room(struct h_state *h, unsigned int res, int node)
{
	struct h_numbers *m = &h->node[node].res[res];
	u64 limit = node ? m->max : h->capacity[res];

	if (node && limit == U64_MAX)
		return U64_MAX;
	return limit > m->usage ? limit - m->usage : 0;
}

/* What adding an amount to the levels from node up to below end comes to. */
static int h_add(struct h_state *h, unsigned int res, int node, int end,
		 u64 amount)
{
	int n;

	for (n = node; n != end; n = h->node[n].parent) {
		if (amount <= h_room(h, res, n))
			continue;
		h->node[node].res[res].alloc_fails++;
		if (!n)
			return -ENOSPC;
		h->node[n].res[res].max_events_local++;
		for (; n > 0; n = h->node[n].parent)
			h->node[n].res[res].max_events++;
		return -EBUSY;
	}
	return 0;
}

/*
 * Operations
 */

/* Most mistakes are made by one unit. */
static u64 h_value(const struct h_op *op, u64 where)
{
	return op->near ? where + op->value - op->unit : op->value;
}

static void h_charge(struct h_state *h, struct h_held *held,
		     const struct h_op *op, int node)
{
	struct misc_cg_res *res = h->res[op->res];
	struct misc_cg *cg = h->node[node].cg;
	u64 room = U64_MAX;
	u64 amount;
	int n, ret;

	for (n = node; n >= 0; n = h->node[n].parent)
		room = min(room, h_room(h, op->res, n));
	amount = h_value(op, room);

	if (!amount)
		ret = -EINVAL;
	else if (!h->registered[op->res])
		ret = -ENODEV;
	else
		ret = h_add(h, op->res, node, -1, amount);

	h_expect(h, misc_cg_charge_cgroup(&held->charge, res, cg, amount) == ret,
		 "charge");
	if (ret)
		return;
	held->copy = held->charge;
	held->res = op->res;
	held->node = node;
	held->amount = amount;
}

static void h_release(struct h_held *held)
{
	misc_cg_charge_release(&held->charge);
	held->amount = 0;
}

/* Only moves to another slot: the slot itself is not empty. */
static void h_move(struct h_state *h, struct h_held *to, struct h_held *from,
		   int node)
{
	int end = from->node;
	int ret;

	if (!from->amount || to->amount)
		return;
	while (!h_under(h, node, end))
		end = h->node[end].parent;
	ret = h_add(h, from->res, node, end, from->amount);
	h_expect(h, t_move(&to->charge, &from->charge,
			   h->node[node].cg) == ret, "move");
	if (ret)
		return;
	to->copy = to->charge;
	to->res = from->res;
	to->node = node;
	to->amount = from->amount;
	from->amount = 0;
}

/* Of an empty charge, to one that holds something: nothing is done. */
static void h_transfer(struct h_held *to, struct h_held *from)
{
	if (from->amount && to->amount)
		return;
	misc_cg_charge_transfer(&to->charge, &from->charge);
	if (!from->amount)
		return;
	to->copy = to->charge;
	to->res = from->res;
	to->node = from->node;
	to->amount = from->amount;
	from->amount = 0;
}

/* Nothing is done, as the comparison with the model shows. */
static void h_use_copy(struct h_state *h, struct h_held *held,
		       struct h_held *other, enum c_use use)
{
	struct misc_cg_charge copy = held->copy, empty = {};

	/* Nothing to copy yet, or to be transferred to the copy. */
	if (!copy.self || !other->amount)
		return;
	h_expect(h, c_use(&copy, use, &empty, &other->charge) == -EINVAL,
		 "use of a copy");
	h_expect(h, !memcmp(&copy, &held->copy, sizeof(copy)), "a copy");
	h_expect(h, t_is_empty(&empty), "a charge made from a copy");
}

static void h_set_max(struct h_state *h, const struct h_op *op, int node)
{
	struct h_numbers *m = &h->node[node].res[op->res];
	u64 max = h_value(op, m->usage);
	char text[80];

	if (!node)
		return;
	snprintf(text, sizeof(text), "%s %llu\n", h->name[op->res], max);
	h_expect(h, t_write(h->node[node].cg, text) ==
		 (h->res[op->res] ? 0 : -EINVAL), "write to misc.max");
	if (h->res[op->res])
		m->max = max;
}

static void h_set_capacity(struct h_state *h, const struct h_op *op)
{
	if (!h->registered[op->res])
		return;
	h->capacity[op->res] = h_value(op, h->node[0].res[op->res].usage);
	misc_cg_res_set_capacity(h->res[op->res], h->capacity[op->res]);
}

static void h_register(struct h_state *h, const struct h_op *op)
{
	unsigned int i = op->res;
	struct misc_cg_res *res = h->res[i];

	if (h->registered[i]) {
		misc_cg_res_unregister(res);
		h->capacity[i] = 0;
	} else {
		h->capacity[i] = h_value(op, h->node[0].res[i].usage);
		h->res[i] = misc_cg_res_register(h->name[i], h->capacity[i]);
		h_expect(h, !IS_ERR_OR_NULL(h->res[i]) &&
			 (!res || res == h->res[i]), "register");
		if (h->why) {
			h->res[i] = res;
			return;
		}
	}
	h->registered[i] ^= true;
}

static void h_mkdir(struct h_state *h, int parent)
{
	int n, i;

	for (n = 0; h->node[n].cg; n++)
		if (n == H_NODES - 1)
			return;
	h->node[n] = (struct h_node){
		.cg = t_child(h->test, h->node[parent].cg),
		.parent = parent,
	};
	for (i = 0; i < H_RES; i++)
		h->node[n].res[i].max = U64_MAX;
}

static void h_rmdir(struct h_state *h, int node)
{
	int n;

	if (!node || h->node[node].removed)
		return;
	for (n = 0; n < H_NODES; n++)
		if (h->node[n].cg && !h->node[n].removed &&
		    h->node[n].parent == node)
			return;
	t_remove(h->node[node].cg);
	h->node[node].removed = true;
}

static bool h_pinned(struct h_state *h, int node)
{
	int i;

	if (!h->node[node].removed)
		return true;
	for (i = 0; i < H_HELD; i++)
		if (h->held[i].amount && h->held[i].node == node)
			return true;
	for (i = 0; i < H_NODES; i++)
		if (h->node[i].cg && h->node[i].parent == node)
			return true;
	return false;
}

/* Removed cgroups go when the last reference has gone, and no sooner. */
static void h_reap(struct h_state *h)
{
	bool again;
	int n;

	do {
		again = false;
		for (n = 1; n < H_NODES; n++) {
			struct misc_cg *cg = h->node[n].cg;

			if (!cg || !h->node[n].removed)
				continue;
			h_expect(h, t_released(cg) == !h_pinned(h, n),
				 "references");
			if (!t_released(cg))
				continue;
			t_free(cg);
			h->node[n].cg = NULL;
			again = true;
		}
	} while (again && !h->why);
}

static u64 h_effective_max(struct h_state *h, unsigned int res, int node)
{
	u64 effective = h->capacity[res];
	int n;

	for (n = node; n > 0; n = h->node[n].parent)
		effective = min(effective, h->node[n].res[res].max);
	return effective;
}

static void h_compare(struct h_state *h)
{
	unsigned int res;
	int n;

	for (n = 0; n < H_NODES; n++) {
		for (res = 0; h->node[n].cg && res < H_RES; res++) {
			struct h_numbers *m = &h->node[n].res[res];
			struct misc_cg *cg = h->node[n].cg;
			struct misc_cg_counter c;
			u64 effective;

			if (!h->res[res])
				continue;
			effective = t_value(h->res[res], cg,
					    MISC_CG_MAX_EFFECTIVE);
			h_expect(h, t_value(h->res[res], cg, MISC_CG_CAPACITY) ==
				 h->capacity[res], "capacity");
			h_expect(h, effective == h_effective_max(h, res, n),
				 "effective max");
			c = t_counter(h->res[res], cg);
			h_expect(h, c.usage == m->usage, "usage");
			h_expect(h, c.peak == m->peak, "peak");
			/* Of the root, these are shown nowhere. */
			if (!n)
				continue;
			h_expect(h, c.max == m->max, "max");
			h_expect(h, c.max_events == m->max_events, ".max");
			h_expect(h, c.max_events_local == m->max_events_local,
				 "local .max");
			h_expect(h, c.alloc_fails == m->alloc_fails,
				 ".alloc_fail");
		}
	}
}

/* Whether controller and model agree on what this operation does. */
static bool h_apply(struct h_state *h, const struct h_op *op)
{
	struct h_held *held = &h->held[op->slot];
	int node = op->node;

	/* The root is always there. */
	while (!h->node[node].cg || h->node[node].removed)
		node = (node + 1) % H_NODES;

	switch (op->kind) {
	case H_CHARGE:
		if (held->amount)
			h_release(held);
		else
			h_charge(h, held, op, node);
		break;
	case H_MOVE:
		h_move(h, &h->held[op->other], held, node);
		break;
	case H_TRANSFER:
		h_transfer(&h->held[op->other], held);
		break;
	case H_COPY:
		h_use_copy(h, held, &h->held[op->other], op->use);
		break;
	case H_MAX:
		h_set_max(h, op, node);
		break;
	case H_CAPACITY:
		h_set_capacity(h, op);
		break;
	case H_MKDIR:
		h_mkdir(h, node);
		break;
	case H_RMDIR:
		h_rmdir(h, node);
		break;
	case H_REGISTER:
		h_register(h, op);
		break;
	}
	h_recount(h);
	h_reap(h);
	h_compare(h);
	return !h->why;
}

/*
 * Histories
 */

static void h_begin(struct h_state *h, struct kunit *test)
{
	int i;

	*h = (struct h_state){
		.test = test,
		.res = {
			[0] = res_a,
			[1] = res_b,
			[H_KNOWN] = misc_cg_res_find("tdx"),
		},
		.name = {
			[0] = "kunit_a",
			[1] = "kunit_b",
			[H_NEW] = "kunit_new",
			[H_KNOWN] = "tdx",
		},
		.node = { { .cg = root, .parent = -1 } },
	};
	for (i = 0; i < H_RES; i++)
		if (h->res[i])
			t_reset_root(h->res[i]);
	for (i = 0; i < 2; i++) {
		if (!h->res[i]->registered)
			t_register(test, h->name[i], 100);
		misc_cg_res_set_capacity(h->res[i], 100);
		h->capacity[i] = 100;
		h->registered[i] = true;
	}
}

static void h_end(struct h_state *h)
{
	int i, n, children;

	for (i = 0; i < H_HELD; i++)
		h_release(&h->held[i]);
	h_recount(h);
	h_compare(h);
	do {
		children = 0;
		for (n = 1; n < H_NODES; n++) {
			if (!h->node[n].cg)
				continue;
			children++;
			h_rmdir(h, n);
		}
		h_reap(h);
	} while (children && !h->why);
	for (i = H_NEW; i < H_RES; i++)
		if (h->registered[i])
			misc_cg_res_unregister(h->res[i]);
	t_forget_names(t.nr_names);
}

/* The number of operations until one fails, with that; 0 if none does. */
static unsigned int h_run(struct kunit *test, struct h_state *h,
			  const struct h_op *ops, unsigned int nr)
{
	unsigned int i;

	h_begin(h, test);
	for (i = 0; i < nr; i++)
		if (!h_apply(h, &ops[i]))
			break;
	h_end(h);
	if (!h->why)
		return 0;
	return min(i + 1, nr);
}

/* Leave out whatever can be, in ever smaller pieces. */
static unsigned int h_shrink(struct kunit *test, struct h_state *h,
			     struct h_op *ops, unsigned int nr,
			     struct h_op *less)
{
	unsigned long end = jiffies + H_SHRINK_TIME;
	unsigned int piece = nr / 2;
	unsigned int at, failed;
	bool shrunk;

	while (piece) {
		shrunk = false;
		for (at = 0; at + piece <= nr; ) {
			if (time_after(jiffies, end))
				return nr;
			memcpy(less, ops, at * sizeof(*ops));
			memcpy(less + at, ops + at + piece,
			       (nr - at - piece) * sizeof(*ops));
			failed = h_run(test, h, less, nr - piece);
			if (!failed) {
				at += piece;
				continue;
			}
			nr = failed;
			memcpy(ops, less, nr * sizeof(*ops));
			shrunk = true;
		}
		if (!shrunk)
			piece /= 2;
	}
	return nr;
}

static struct h_op h_random_op(struct rnd_state *rnd, u64 unit)
{
	struct h_op op = {
		.unit = unit,
		.res = t_random(rnd, H_RES),
		.node = t_random(rnd, H_NODES),
		.slot = t_random(rnd, H_HELD),
		.other = t_random(rnd, H_HELD),
		.use = t_random(rnd, C_USES),
	};
	unsigned int all = 0;
	bool limit;
	u32 i;

	for (i = 0; i < H_KINDS; i++)
		all += h_kinds[i].often;
	i = t_random(rnd, all);
	while (i >= h_kinds[op.kind].often)
		i -= h_kinds[op.kind++].often;
	limit = op.kind >= H_MAX;

	/* Mostly numbers that get in each other's way, some that could wrap. */
	switch (t_random(rnd, limit ? 8 : 32)) {
	case 0:
		op.value = U64_MAX;
		break;
	case 1:
		op.value = U64_MAX - t_random(rnd, 100);
		break;
	case 2:
	case 3:
		op.near = true;
		op.value = t_random(rnd, 3) * unit;
		break;
	default:
		op.value = t_random(rnd, limit ? 150 : 20) * unit;
		break;
	}
	return op;
}

static void h_report(struct kunit *test, struct h_state *h, unsigned int seed,
		     unsigned int failed, struct h_op *ops, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		kunit_info(test, "%u: %s, resource %u, cgroup %u, slot %u to %u, use %u, value %llu%s\n",
			   i + 1, h_kinds[ops[i].kind].name, ops[i].res,
			   ops[i].node, ops[i].slot, ops[i].other, ops[i].use,
			   ops[i].value,
			   ops[i].near ? " less a unit, from the edge" : "");
	KUNIT_FAIL(test, "misc.kunit_seed=%u fails at step %u, and with the %u steps above: %s",
		   seed, failed, nr, h->why);
}

static void random_history_agrees_with_the_model(struct kunit *test)
{
	const unsigned int *part = test->param_value;
	struct h_op *ops, *less;
	struct h_state *h;
	unsigned int steps = T_STEPS_PER_PART;
	unsigned int seed = t_seed + *part;
	unsigned int nr, failed = 0;
	struct rnd_state rnd;
	/* With odd seeds, numbers take both halves of a u64. */
	u64 unit = seed % 2 ? (1ULL << 32) + 1 : 1;

	h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);
	ops = kunit_kcalloc(test, H_LENGTH, sizeof(*ops), GFP_KERNEL);
	less = kunit_kcalloc(test, H_LENGTH, sizeof(*ops), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, h && ops && less);
	c_use_up_warnings(test);

	for (; steps && !failed; steps -= nr, seed += T_PARTS) {
		prandom_seed_state(&rnd, seed);
		for (nr = 0; nr < min(steps, H_LENGTH); nr++)
			ops[nr] = h_random_op(&rnd, unit);
		failed = h_run(test, h, ops, nr);
		if (!failed)
			continue;
		nr = h_shrink(test, h, ops, failed, less);
		h_run(test, h, ops, nr);
		h_report(test, h, seed, failed, ops, nr);
		return;
	}
}

static void h_exit(struct kunit *test)
{
	t_exit(test);
	t_reset_root(misc_cg_res_find("tdx"));
}

static struct kunit_case h_cases[] = {
	KUNIT_CASE_PARAM(random_history_agrees_with_the_model,
			 t_parts_gen_params),
	{}
};

static struct kunit_suite h_suite = {
	.name = "misc_cg_history",
	.init = t_init,
	.exit = h_exit,
	.test_cases = h_cases,
};
