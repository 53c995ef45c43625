/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What misc.c does with credit, for the model checker spin
 *
 *	root
 *	  a, with a word for each of two CPUs
 *	  b, with one
 *
 * Two users charge, uncharge and move while a manager reads, sets a limit,
 * withdraws the resource or frees a cgroup: from any state that the invariants
 * allow, as far as it makes a difference, in every interleaving of what they do
 * to the words.  What is under the lock and touches no word is one step, as
 * nobody sees into it.
 *
 * Beside the numbers of misc.c are those of the rules: true_usage and so on,
 * changed in the very step that an operation takes effect in.  An operation
 * that was granted must fit in that step, one that was refused must not, and
 * what a reader found must be true in one: that is linearizability.
 *
 * An exchange that expects what is not there fails and sees what is, so a guess
 * comes to the same as a look, unless it denies at once.
 *
 * Words are exchanged with full barriers and everything else is under the
 * lock, so sequential consistency is no simplification.
 *
 * CASE is what the manager does, and BREAK what is broken.  Each of these must
 * make the model fail in that case, which the rig has to see.
 */
#define READ	0
#define LIMIT	1
#define UNREGISTER 2
#define FREE	3

#define NOTHING	0
#define UNCHECKED_TAKE    1	/* READ: credit is taken that is not there */
#define NO_CLOSE          2	/* READ: a charge is refused on an upper bound */
#define CLOSE_LEAF        3	/* READ: only the leaf's words are closed */
#define NO_PEAK           4	/* READ: an upper bound above the peak is no reason to close */
#define READ_LIVE         5	/* READ: a reader does not close what it reads */
#define PREFETCH          6	/* READ: credit beyond what was uncharged */
#define OVERFLOW          7	/* READ: a word takes more than fits */
#define UNCHECKED_AMOUNT  8	/* READ: more is uncharged by amount than the word has of it */
#define LOCAL_AMOUNT      9	/* READ: what other CPUs have by amount is not asked for */
#define SPLIT_CLOSE      10	/* READ: to close is to read and then to write */
#define REOPEN           11	/* READ: a word is opened that is open */
#define MAX_KEEPS        12	/* LIMIT: a lowered limit closes nothing */
#define OPEN_ALWAYS      13	/* LIMIT: words are opened although a limit is exceeded */
#define UNREGISTER_KEEPS 14	/* UNREGISTER: the provider goes, credit stays */
#define FREE_KEEPS       15	/* FREE: a cgroup is freed with its word open */

#define ROOT	0
#define A	1
#define B	2
#define END	3	/* the end of the way up */
#define NR	3
#define WORDS	3
#define WORD_MAX 2
#define USERS	2
/* That the second user makes while the first one makes one; what is broken shows with fewer. */
#define OPS	(BREAK == NOTHING -> 2 : 1)

#define PARENT(c)	((c) == ROOT -> END : ROOT)
#define CGROUP(w)	((w) < 2 -> A : B)
/* Whether @c is @top or below it. */
#define BELOW(c, top)	((c) == (top) || (top) == ROOT)

/* misc.c's */
bool locked;
bool registered = true;
byte usage[NR], limit[NR], peak[NR], by_amount[NR];
/* A word is exchanged as a whole. */
typedef word_t { bool open; byte credit; byte held };
word_t word[WORDS];

/* The rules' */
byte true_usage[NR], true_limit[NR], true_peak[NR], true_by_amount[NR];
bool true_registered = true;
bool freed;	/* b is, which then has neither charges nor users */

inline lock()	{ atomic { !locked -> locked = true } }
inline unlock()	{ locked = false }

/* @amount is granted to @cg, up to below @end, in this step. */
inline granted(cg, end, amount, is_by_amount)
{
	c = cg;
	do
	:: c != end ->
		true_usage[c] = true_usage[c] + amount;
		assert(true_usage[c] <= true_limit[c]);
		true_peak[c] = (true_usage[c] > true_peak[c] -> true_usage[c] : true_peak[c]);
		assert(true_peak[c] == peak[c]);
		c = PARENT(c)
	:: else -> break
	od;
	true_by_amount[cg] = true_by_amount[cg] + (is_by_amount -> amount : 0);
	c = 0
}

inline returned(cg, end, amount, is_by_amount)
{
	c = cg;
	do
	:: c != end ->
		assert(true_usage[c] >= amount);
		true_usage[c] = true_usage[c] - amount;
		c = PARENT(c)
	:: else -> break
	od;
	assert(!is_by_amount || true_by_amount[cg] >= amount);
	true_by_amount[cg] = true_by_amount[cg] - (is_by_amount -> amount : 0);
	c = 0
}

inline add(cg, end, amount)
{
	c = cg;
	do
	:: c != end ->
		usage[c] = usage[c] + amount;
		peak[c] = (usage[c] > peak[c] -> usage[c] : peak[c]);
		c = PARENT(c)
	:: else -> break
	od;
	c = 0
}

inline sub(cg, end, amount)
{
	c = cg;
	do
	:: c != end ->
		assert(usage[c] >= amount);
		usage[c] = usage[c] - amount;
		c = PARENT(c)
	:: else -> break
	od;
	c = 0
}

inline look(x)
{
	seen.open = word[x].open;
	seen.credit = word[x].credit;
	seen.held = word[x].held
}

/* misc_cg_close(), in one step. */
inline close(x)
{
	assert(!freed || x != 2);
	by_amount[CGROUP(x)] = by_amount[CGROUP(x)] + word[x].held;
	sub(CGROUP(x), END, word[x].credit);
	word[x].open = false; word[x].credit = 0; word[x].held = 0
}

/* misc_cg_close_below() */
inline close_below(top)
{
	do
	:: d_step { i < WORDS && BREAK != SPLIT_CLOSE ->
		if
		:: word[i].open && BELOW(CGROUP(i), top) -> close(i)
		:: else
		fi;
		i++ }
	:: d_step { i < WORDS && BREAK == SPLIT_CLOSE -> look(i) };
		d_step {
			if
			:: word[i].open && BELOW(CGROUP(i), top) ->
				word[i].credit = seen.credit;
				close(i)
			:: else
			fi;
			i++
		}
	:: i == WORDS -> break
	od;
	i = 0
}

/* What misc_cg_try_add() returns, or END for NULL; here nothing is added yet. */
inline find_tight(cg, end, amount)
{
	d_step {
		tight = END;
		c = cg;
		do
		:: c != end ->
			if
			:: usage[c] + amount > limit[c] ||
			   (BREAK != NO_PEAK && usage[c] + amount > peak[c]) -> tight = c
			:: else
			fi;
			c = PARENT(c)
		:: else -> break
		od;
		if
		:: tight != END && BREAK == CLOSE_LEAF -> tight = cg
		:: else
		fi;
		c = 0
	}
}

/*
 * misc_cg_add(): first words are closed, in any order, as they may have been
 * opened in any; then it takes effect in one step.
 */
inline make_room(cg, end, amount)
{
	do
	:: atomic {
		find_tight(cg, end, amount);
		if
		:: tight == END || BREAK == NO_CLOSE -> break
		:: tight != END && BREAK != NO_CLOSE && word[0].open && BELOW(A, tight) -> close(0)
		:: tight != END && BREAK != NO_CLOSE && word[1].open && BELOW(A, tight) -> close(1)
		:: tight != END && BREAK != NO_CLOSE && word[2].open && BELOW(B, tight) -> close(2)
		:: else -> break
		fi }
	od;
	tight = 0
}

/* The lowest level that refuses, or END. */
inline decide(cg, end, amount)
{
	refused = END;
	c = cg;
	do
	:: c != end && refused == END && usage[c] + amount > limit[c] -> refused = c
	:: c != end && refused == END && usage[c] + amount <= limit[c] ->
		assert(true_usage[c] + amount <= true_limit[c]);
		c = PARENT(c)
	:: else -> break
	od;
	assert(refused == END || true_usage[refused] + amount > true_limit[refused]);
	c = 0
}

/* misc_cg_take() */
inline take(w, amount, is_by_amount)
{
	d_step { look(w) };
	do
	:: seen.credit < amount && (BREAK != UNCHECKED_TAKE || !seen.open) ->
		done = false;
		break
	:: else ->
		d_step {
			done = (seen.open == word[w].open && seen.credit == word[w].credit &&
				seen.held == word[w].held);
			if
			:: done ->
				word[w].credit = (word[w].credit > amount -> word[w].credit - amount : 0);
				word[w].held = word[w].held + (is_by_amount -> amount : 0);
				assert(true_registered);
				granted(CGROUP(w), END, amount, is_by_amount)
			:: else -> look(w)
			fi
		};
		if
		:: done -> break
		:: else
		fi
	od
}

/* misc_cg_give(); under the lock what is by amount has been seen to already. */
inline give(w, amount, from_held, was_by_amount)
{
	d_step { look(w) };
	do
	:: (from_held && (BREAK == UNCHECKED_AMOUNT -> !seen.open : amount > seen.held)) ||
	   (!from_held && !seen.open) ||
	   (!from_held && BREAK != OVERFLOW && amount + seen.credit + seen.held > WORD_MAX) ->
		done = false;
		break
	:: else ->
		d_step {
			done = (seen.open == word[w].open && seen.credit == word[w].credit &&
				seen.held == word[w].held);
			if
			:: done ->
				word[w].credit = word[w].credit + amount;
				if
				:: from_held -> word[w].held = (word[w].held > amount -> word[w].held - amount : 0)
				:: else
				fi;
				assert(word[w].credit + word[w].held <= WORD_MAX);
				returned(CGROUP(w), END, amount, was_by_amount)
			:: else -> look(w)
			fi
		};
		if
		:: done -> break
		:: else
		fi
	od
}

inline may_open(cg)
{
	d_step {
		done = (usage[ROOT] <= limit[ROOT] && usage[cg] <= limit[cg]) || BREAK == OPEN_ALWAYS
	}
}

/* misc_cg_charge() */
inline charge(w, amount, is_by_amount)
{
	if
	:: take(w, amount, is_by_amount)
	:: done = false	/* by a wrong guess */
	fi;
	if
	:: done -> refused = END
	:: else ->
		lock();
		take(w, amount, is_by_amount);
		if
		:: done -> refused = END
		:: !done && !registered ->
			assert(!true_registered);
			refused = ROOT
		:: else ->
			make_room(CGROUP(w), END, amount);
			d_step {
				decide(CGROUP(w), END, amount);
				if
				:: refused == END ->
					add(CGROUP(w), END, amount);
					granted(CGROUP(w), END, amount, is_by_amount);
					by_amount[CGROUP(w)] = by_amount[CGROUP(w)] + (is_by_amount -> amount : 0)
				:: else
				fi
			}
		fi;
		unlock()
	fi
}

/* misc_cg_uncharge(); @refused if it was more than had been charged by amount. */
inline uncharge(w, amount, is_by_amount)
{
	refused = END;
	if
	:: give(w, amount, is_by_amount, is_by_amount)
	:: done = false	/* by a wrong guess */
	fi;
	if
	:: done
	:: else ->
		lock();
		if
		:: is_by_amount ->
			if
			:: amount > by_amount[CGROUP(w)] && BREAK != LOCAL_AMOUNT -> close_below(CGROUP(w))
			:: else
			fi;
			d_step {
				if
				:: amount > by_amount[CGROUP(w)] ->
					refused = CGROUP(w);
					assert(amount > true_by_amount[CGROUP(w)])
				:: else ->
					by_amount[CGROUP(w)] = by_amount[CGROUP(w)] - amount
				fi
			}
		:: else
		fi;
		if
		:: refused == END -> give(w, amount, false, is_by_amount)
		:: else -> done = true
		fi;
		if
		:: done
		:: else -> may_open(CGROUP(w));
			if
			:: done && (!word[w].open || BREAK == REOPEN) && amount <= WORD_MAX ->
				/* Another one may have to close for it. */
				if
				:: skip
				:: d_step { word[0].open && w != 0 -> close(0) }
				:: d_step { word[1].open && w != 1 -> close(1) }
				:: d_step { word[2].open && w != 2 -> close(2) }
				fi;
				d_step {
					if
					:: BREAK == PREFETCH -> add(CGROUP(w), END, 1)
					:: else
					fi;
					word[w].open = true; word[w].credit = amount + (BREAK == PREFETCH -> 1 : 0);
					returned(CGROUP(w), END, amount, is_by_amount)
				}
			:: else ->
				d_step {
					sub(CGROUP(w), END, amount);
					returned(CGROUP(w), END, amount, is_by_amount)
				}
			fi
		fi;
		unlock()
	fi
}

inline move(src, dst, amount)
{
	lock();
	make_room(dst, ROOT, amount);
	d_step {
		decide(dst, ROOT, amount);
		if
		:: refused == END ->
			add(dst, ROOT, amount);
			granted(dst, ROOT, amount, false);
			sub(src, ROOT, amount);
			returned(src, ROOT, amount, false)
		:: else
		fi
	};
	unlock()
}

proctype user(byte cg, held, ops; bool is_by_amount)
{
	byte c, i, tight, refused, w, amount;
	bool done;
	word_t seen;

	do
	:: ops > 0 ->
		atomic {
			ops--;
			if
			:: cg == A -> w = 0
			:: cg == A -> w = 1
			:: cg == B -> w = 2
			fi;
			if
			:: amount = 1
			:: held == 0 || is_by_amount -> amount = 2
			fi
		};
		if
		:: held == 0 ->
			charge(w, amount, is_by_amount);
			held = (refused == END -> amount : 0)
		:: held > 0 && amount == 1 ->
			uncharge(w, held, is_by_amount);
			/* Unless the other one has returned it. */
			assert(refused == END || is_by_amount);
			held = 0
		:: held > 0 && amount == 1 && !is_by_amount && CASE != FREE ->
			move(cg, (cg == A -> B : A), held);
			cg = (refused == END -> (cg == A -> B : A) : cg)
		:: is_by_amount && amount == 2 ->
			/* Perhaps more than there is. */
			uncharge(w, amount, true);
			held = (refused == END && held >= 2 -> held - 2 : held)
		fi;
		atomic {
			amount = 0; w = 0; refused = 0; done = 0;
			seen.open = 0; seen.credit = 0; seen.held = 0
		}
	:: else -> break
	od;
	held = 0;
	cg = 0
}

/*
 * misc_cg_read_credit() takes what is in the words and puts it back when it has
 * seen all of them; what it shows was so in between.
 */
inline read(cg)
{
	lock();
	do
	:: d_step { i < WORDS ->
		if
		:: word[i].open && BELOW(CGROUP(i), cg) ->
			n = n + word[i].credit;
			found[i].open = true;
			found[i].credit = word[i].credit;
			found[i].held = word[i].held;
			word[i].open = (BREAK == READ_LIVE);
			word[i].credit = (word[i].open -> word[i].credit : 0);
			word[i].held = (word[i].open -> word[i].held : 0);
			found[i].open = !word[i].open
		:: else
		fi;
		i++ }
	:: i == WORDS -> break
	od;
	skip;	/* no loop may end in a d_step */
	d_step {
		assert(usage[cg] - n == true_usage[cg]);
		assert(peak[cg] == true_peak[cg])
	};
	do
	:: d_step { i > 0 ->
		i--;
		if
		:: found[i].open ->
			word[i].credit = found[i].credit;
			word[i].held = found[i].held;
			word[i].open = true
		:: else
		fi;
		found[i].open = false;
		found[i].credit = 0;
		found[i].held = 0 }
	:: i == 0 -> break
	od;
	unlock()
}

inline set_limit(cg, value)
{
	lock();
	limit[cg] = value;
	if
	:: usage[cg] > limit[cg] && BREAK != MAX_KEEPS -> close_below(cg)
	:: else
	fi;
	/* It takes effect at the latest when it returns. */
	true_limit[cg] = value;
	unlock()
}

inline unregister()
{
	lock();
	registered = false;
	limit[ROOT] = 0;
	if
	:: usage[ROOT] > 0 && BREAK != UNREGISTER_KEEPS -> close_below(ROOT)
	:: else
	fi;
	d_step { true_limit[ROOT] = 0; true_registered = false };
	unlock();
	lock();
	d_step { registered = true; limit[ROOT] = 3; true_limit[ROOT] = 3; true_registered = true };
	unlock()
}

/* css_free() of b */
inline free_b()
{
	lock();
	if
	:: BREAK != FREE_KEEPS -> close_below(B)
	:: else
	fi;
	unlock();
	freed = true
}

proctype manager()
{
	byte c, i, n;
	word_t seen, found[WORDS];

	if
	:: CASE == READ -> read(ROOT)
	:: CASE == READ -> read(A)
	:: CASE == LIMIT -> set_limit(ROOT, 0)
	:: CASE == LIMIT -> set_limit(ROOT, 2)
	:: CASE == LIMIT -> set_limit(A, 0)
	:: CASE == LIMIT -> set_limit(A, 2)
	:: CASE == UNREGISTER -> unregister()
	:: CASE == FREE -> free_b()
	fi;
	c = 0; i = 0; n = 0;
	d_step { seen.open = 0; seen.credit = 0; seen.held = 0 }
}

/*
 * Both users charge by amount and are in a, or each has charges and they are in
 * a and b; at most one level is short of room.
 */
init
{
	byte c, i, n, held[USERS], cg[USERS];
	bool is_by_amount;

	atomic {
		if
		:: is_by_amount = false
		:: is_by_amount = true
		fi;
		cg[0] = A;
		cg[1] = (is_by_amount || CASE == FREE -> A : B);
		for (i : 0 .. USERS - 1) {
			if
			:: held[i] = 0
			:: held[i] = 1
			fi;
			add(cg[i], END, held[i]);
			by_amount[cg[i]] = by_amount[cg[i]] + (is_by_amount -> held[i] : 0)
		}
		for (c : 0 .. NR - 1) {
			true_usage[c] = usage[c];
			true_by_amount[c] = by_amount[c]
		}
		for (i : 0 .. WORDS - 1) {
			if
			:: n = 0
			:: i != 2 || !is_by_amount -> word[i].open = true; n = 1
			:: i == 0 -> word[i].open = true; n = 2
			:: i == 0 && is_by_amount -> word[i].open = true; n = 0
			fi;
			word[i].credit = n;
			add(CGROUP(i), END, n);
			if
			:: word[i].open && by_amount[CGROUP(i)] ->
				word[i].held = by_amount[CGROUP(i)];
				if
				:: n + word[i].held > WORD_MAX -> word[i].held = WORD_MAX - n
				:: else
				fi;
				by_amount[CGROUP(i)] = by_amount[CGROUP(i)] - word[i].held
			:: true
			fi
		}
		if
		:: n = 0
		:: n = 1
		:: n = 4
		fi;
		for (c : 0 .. NR - 1) {
			peak[c] = usage[c] + n;
			true_peak[c] = peak[c];
			limit[c] = 9
		}
		if
		:: c = ROOT
		:: c = A
		fi;
		if
		:: n < 4
		:: n == 4 -> limit[c] = usage[c]
		:: n == 4 -> limit[c] = usage[c] + 1
		:: n == 4 && usage[c] > 0 && !word[0].open && !word[1].open && !word[2].open -> limit[c] = usage[c] - 1
		fi;
		for (c : 0 .. NR - 1) {
			true_limit[c] = limit[c]
		}
		run user(cg[0], held[0], 1, is_by_amount);
		run user(cg[1], held[1], OPS, is_by_amount);
		run manager();
		c = 0; i = 0; n = 0; is_by_amount = 0;
		cg[0] = 0; cg[1] = 0; held[0] = 0; held[1] = 0
	}
	/* When all stand still, it adds up. */
	_nr_pr == 1;
	d_step {
		for (i : 0 .. WORDS - 1) {
			/* What it began with. */
			assert(!word[i].open || (usage[ROOT] <= limit[ROOT] && usage[CGROUP(i)] <= limit[CGROUP(i)]));
			assert(usage[CGROUP(i)] <= peak[CGROUP(i)] && usage[ROOT] <= peak[ROOT])
		}
		for (i : 0 .. WORDS - 1) {
			sub(CGROUP(i), END, word[i].credit);
			by_amount[CGROUP(i)] = by_amount[CGROUP(i)] + word[i].held
		}
		for (i : 0 .. NR - 1) {
			assert(usage[i] == true_usage[i]);
			assert(by_amount[i] == true_by_amount[i]);
			assert(peak[i] == true_peak[i])
		}
	}
}
