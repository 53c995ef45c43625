// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the misc controller: random histories.
 *
 * Random operations are applied to the controller and to a model: a list of
 * what is charged, from which everything else is computed.  The two must agree
 * after every step.
 */
#include <linux/prandom.h>

#include "misc_kunit.h"

#define LENGTH		10000	/* of one history, with a seed of its own */
#define NR_NODES	12
#define NR_HELD		24
#define NR_RES		2

struct node {
	struct misc_cg *cg;		/* NULL: unused */
	struct node *parent;
	bool removed;
	struct misc_cg_counter res[NR_RES];
};

struct held {
	struct misc_cg_charge charge;
	struct node *node;		/* NULL: nothing is held */
	unsigned int res;
	u64 amount;
};

static struct rnd_state rnd;
static u64 unit;
static struct misc_cg_res *res[NR_RES];
static bool registered[NR_RES];
static struct node nodes[NR_NODES];	/* the first is the root */
static struct held helds[NR_HELD];
static const char *wrong;

/* The next node in use.  The root is always in use. */
static struct node *next(struct node *n)
{
	while (++n < nodes + NR_NODES)
		if (n->cg)
			return n;
	return NULL;
}

static void expect(bool agrees, const char *what)
{
	if (!agrees && !wrong)
		wrong = what;
}

static u32 pick(u32 below)
{
	return prandom_u32_state(&rnd) % below;
}

static struct node *pick_node(void)
{
	struct node *n = &nodes[pick(NR_NODES)];

	return n->cg && !n->removed ? n : nodes;
}

/* Mostly small numbers, some next to @edge, some that could overflow. */
static u64 pick_value(u64 edge, u32 most)
{
	switch (pick(most < 100 ? 32 : 8)) {
	case 0:
		return U64_MAX - pick(2) * pick(100);
	case 1:
	case 2:
		return edge + (pick(3) - 1) * unit;
	default:
		return pick(most) * unit;
	}
}

/*
 * The model
 */

/* Usage, from nothing but what is held. */
static void recount(void)
{
	struct held *h;
	struct node *n;
	int i;

	for (n = nodes; n; n = next(n))
		for (i = 0; i < NR_RES; i++)
			n->res[i].usage = 0;
	for (h = helds; h < helds + NR_HELD; h++)
		for (n = h->node; n; n = n->parent)
			n->res[h->res].usage += h->amount;
	for (n = nodes; n; n = next(n))
		for (i = 0; i < NR_RES; i++)
			n->res[i].peak = max(n->res[i].peak, n->res[i].usage);
}

static u64 room(const struct node *n, unsigned int i)
{
	const struct misc_cg_counter *c = &n->res[i];

	if (n->parent && c->max == MISC_CG_UNLIMITED)
		return U64_MAX;
	return c->max > c->usage ? c->max - c->usage : 0;
}

/* The result of a charge to @node and its ancestors below @stop. */
static int charge(struct node *node, const struct node *stop, unsigned int i,
		  u64 amount)
{
	struct node *refusing = node, *n;

	while (refusing != stop && amount <= room(refusing, i))
		refusing = refusing->parent;
	if (refusing == stop)
		return 0;
	node->res[i].alloc_fails++;
	refusing->res[i].max_events_local++;
	for (n = refusing; n; n = n->parent)
		n->res[i].max_events++;
	return refusing->parent ? -EBUSY : -ENOSPC;
}

static bool is_above(const struct node *n, const struct node *below)
{
	while (below && below != n)
		below = below->parent;
	return below;
}

/*
 * Operations
 */

static void charge_or_release(void)
{
	struct held *h = &helds[pick(NR_HELD)];
	struct node *node = pick_node(), *n;
	u64 least = U64_MAX, amount;
	int ret;

	if (h->node) {
		misc_cg_charge_release(&h->charge);
		h->node = NULL;
		return;
	}
	h->res = pick(NR_RES);
	for (n = node; n; n = n->parent)
		least = min(least, room(n, h->res));
	amount = pick_value(least, 20);
	if (!amount)
		ret = -EINVAL;
	else if (!registered[h->res])
		ret = -ENODEV;
	else
		ret = charge(node, NULL, h->res, amount);
	expect(misc_cg_charge_cgroup(&h->charge, res[h->res], node->cg,
				     amount) == ret, "charge");
	if (!ret) {
		h->node = node;
		h->amount = amount;
	}
}

static void move_or_transfer(void)
{
	struct held *from = &helds[pick(NR_HELD)], *to = &helds[pick(NR_HELD)];
	struct node *node = from->node, *stop = node;
	int ret;

	if (!from->node || to->node)
		return;
	if (pick(3)) {
		node = pick_node();
		while (!is_above(stop, node))
			stop = stop->parent;
		ret = charge(node, stop, from->res, from->amount);
		expect(misc_kunit_move(&to->charge, &from->charge, node->cg) ==
		       ret, "move");
		if (ret)
			return;
	} else {
		misc_cg_charge_transfer(&to->charge, &from->charge);
	}
	to->node = node;
	to->res = from->res;
	to->amount = from->amount;
	from->node = NULL;
}

static void set_limit(void)
{
	struct node *n = pick_node();
	int i = pick(NR_RES);
	u64 max = pick_value(n->res[i].usage, 150);
	char text[80];

	if (n->parent) {
		snprintf(text, sizeof(text), "%s %llu\n", res[i]->name, max);
		expect(!misc_kunit_set_max(n->cg, text),
		       "write to misc.max");
	} else if (registered[i]) {
		misc_cg_res_set_capacity(res[i], max);
	} else {
		return;
	}
	n->res[i].max = max;
}

static void register_or_unregister(void)
{
	int i = pick(NR_RES);
	struct misc_cg_counter *c = &nodes[0].res[i];

	c->max = 0;
	if (registered[i]) {
		misc_cg_res_unregister(res[i]);
	} else {
		c->max = pick_value(c->usage, 150);
		misc_kunit_register(res[i]->name, c->max);
	}
	registered[i] ^= true;
}

static void mkdir(void)
{
	struct node *n = &nodes[pick(NR_NODES)], *parent = pick_node();
	int i;

	if (n->cg)
		return;
	*n = (struct node){
		.cg = misc_kunit_mkdir(parent->cg, NULL),
		.parent = parent,
	};
	for (i = 0; i < NR_RES; i++)
		n->res[i].max = MISC_CG_UNLIMITED;
}

static void rmdir(struct node *node)
{
	struct node *n;

	if (!node->parent || node->removed)
		return;
	for (n = nodes; n; n = next(n))
		if (n->parent == node && !n->removed)
			return;
	misc_kunit_rmdir(node->cg);
	node->removed = true;
}

/* Removed cgroups go when the last reference has gone, and no sooner. */
static void reap(void)
{
	struct node *n, *child;
	struct held *h;
	bool pinned;

again:
	for (n = nodes; n; n = next(n)) {
		pinned = !n->removed;
		for (h = helds; h < helds + NR_HELD; h++)
			pinned |= h->node == n;
		for (child = nodes; child; child = next(child))
			pinned |= child->parent == n;
		if (n->parent && misc_kunit_is_released(n->cg) == pinned)
			expect(false, "references");
		if (!pinned) {
			misc_kunit_free(n->cg);
			n->cg = NULL;
			goto again;
		}
	}
}

static void compare(void)
{
	struct misc_cg_counter c;
	struct node *n;
	int i;

	for (n = nodes; n; n = next(n)) {
		for (i = 0; i < NR_RES; i++) {
			c = misc_kunit_counter(res[i], n->cg);
			expect(c.usage == n->res[i].usage, "usage");
			expect(!memcmp(&c, &n->res[i], sizeof(c)),
			       "max, peak or events");
		}
	}
}

static void step(void)
{
	u32 kind = pick(200);

	if (kind < 90)
		charge_or_release();
	else if (kind < 140)
		move_or_transfer();
	else if (kind < 170)
		set_limit();
	else if (kind < 185)
		mkdir();
	else if (kind < 199)
		rmdir(pick_node());
	else
		register_or_unregister();
	recount();
	reap();
	compare();
}

static void finish(void)
{
	struct held *h;
	struct node *n;
	int i;

	for (h = helds; h < helds + NR_HELD; h++) {
		misc_cg_charge_release(&h->charge);
		h->node = NULL;
	}
	recount();
	compare();
	for (i = 0; i < NR_NODES; i++) {
		for (n = nodes; n; n = next(n))
			rmdir(n);
		reap();
	}
}

static void random_history_agrees_with_the_model(struct kunit *test)
{
	unsigned int seed = misc_kunit_seed, i;

	memset(nodes, 0, sizeof(nodes));
	memset(helds, 0, sizeof(helds));
	nodes[0].cg = CG(ROOT);
	wrong = NULL;
	res[0] = RES_A;
	res[1] = RES_B;
	for (i = 0; i < NR_RES; i++) {
		nodes[0].res[i].max = 100;
		registered[i] = true;
	}
	for (i = 0; i < misc_kunit_steps && !wrong; i++) {
		if (i % LENGTH == 0) {
			finish();
			/* With odd seeds, numbers take both halves of a u64. */
			unit = seed % 2 ? (1ULL << 32) + 1 : 1;
			prandom_seed_state(&rnd, seed++);
		}
		step();
	}
	finish();
	if (wrong)
		KUNIT_FAIL(test, "misc_kunit.seed=%u: step %u: %s", seed - 1,
			   (i - 1) % LENGTH, wrong);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_SLOW(random_history_agrees_with_the_model),
	{}
};

MISC_KUNIT_SUITE("misc_cg_history", misc_kunit_init, misc_kunit_exit, cases);
