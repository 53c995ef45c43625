/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel interfaces that misc.c uses, ours and stock's, for user space:
 * atomic operations, locks, reference counts, and the sizes and alignment of
 * allocations are those of x86.  Interfaces that the benchmark does not reach
 * do nothing.
 */
#ifndef RIG_BENCH_SHIM_H
#define RIG_BENCH_SHIM_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef unsigned long long u64;
typedef long long s64;
typedef uint32_t u32;
typedef uint8_t u8;
typedef unsigned int gfp_t;

#define U8_MAX		UINT8_MAX
#define U64_MAX		UINT64_MAX
#define S64_MAX		INT64_MAX
#define S64_MIN		INT64_MIN
#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define noinline	__attribute__((noinline))
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define ERR_PTR(error)	((void *)(long)(error))
#define IS_ERR(p)	unlikely((unsigned long)(p) >= -4095UL)
#define IS_ERR_OR_NULL(p) (unlikely(!(p)) || IS_ERR(p))
#define EXPORT_SYMBOL_GPL(x)
#define VISIBLE_IF_KUNIT	static
#define IS_ENABLED(option) 0
#define check_add_overflow(a, b, sum) __builtin_add_overflow(a, b, sum)
#define lockdep_assert_held(x)
#define static_assert(x) _Static_assert(x, "")
#define might_lock(x)	((void)(x))
#define pr_info(...)	do { if (0) printf(__VA_ARGS__); } while (0)
#define pr_warn(...)	pr_info(__VA_ARGS__)
#define WARN_ONCE(condition, ...) ({			\
	bool warn_ = (condition);			\
	if (unlikely(warn_))				\
		abort();				\
	warn_;						\
})

/*
 * Atomic operations
 */

typedef struct { s64 counter; } atomic64_t;

static inline s64 atomic64_read(const atomic64_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline void atomic64_set(atomic64_t *v, s64 n)
{
	__atomic_store_n(&v->counter, n, __ATOMIC_RELAXED);
}

static inline s64 atomic64_add_return(s64 n, atomic64_t *v)
{
	return __atomic_add_fetch(&v->counter, n, __ATOMIC_SEQ_CST);
}

static inline bool atomic64_add_negative(s64 n, atomic64_t *v)
{
	return atomic64_add_return(n, v) < 0;
}

static inline void atomic64_inc(atomic64_t *v)
{
	atomic64_add_return(1, v);
}

static inline s64 atomic64_cmpxchg(atomic64_t *v, s64 old, s64 n)
{
	__atomic_compare_exchange_n(&v->counter, &old, n, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 n)
{
	return __atomic_compare_exchange_n(&v->counter, old, n, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline s64 atomic64_xchg(atomic64_t *v, s64 n)
{
	return __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST);
}

static inline s64 atomic64_fetch_or(s64 bits, atomic64_t *v)
{
	return __atomic_fetch_or(&v->counter, bits, __ATOMIC_SEQ_CST);
}

static inline void atomic64_set_release(atomic64_t *v, s64 n)
{
	__atomic_store_n(&v->counter, n, __ATOMIC_RELEASE);
}

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * Spinlocks for two threads, like qspinlock: one compare-exchange and one store
 * without contention; the second thread sets the pending bit and waits for the
 * lock.
 */

typedef union {
	u32 val;
	struct {
		uint8_t locked;
		uint8_t pending;
	};
	uint16_t locked_pending;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define cpu_relax()	__builtin_ia32_pause()

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->val = 0;
}

static __always_inline bool spin_trylock(spinlock_t *lock)
{
	u32 old = 0;

	return __atomic_compare_exchange_n(&lock->val, &old, 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static noinline void spin_lock_pending(spinlock_t *lock)
{
	/* The other thread has waited and is about to take the lock. */
	while (__atomic_load_n(&lock->val, __ATOMIC_RELAXED) == 0x100)
		cpu_relax();
	if (__atomic_fetch_or(&lock->val, 0x100, __ATOMIC_ACQUIRE) & ~0xffU)
		abort();
	while (__atomic_load_n(&lock->locked, __ATOMIC_ACQUIRE))
		cpu_relax();
	__atomic_store_n(&lock->locked_pending, 1, __ATOMIC_RELAXED);
}

static __always_inline void spin_lock(spinlock_t *lock)
{
	if (unlikely(!spin_trylock(lock)))
		spin_lock_pending(lock);
}

static __always_inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

static inline spinlock_t *spin_lock_guarded(spinlock_t *lock)
{
	spin_lock(lock);
	return lock;
}

static inline void spin_unlock_guarded(spinlock_t **lock)
{
	spin_unlock(*lock);
}

#define guard(what)	guard_##what
#define guard_spinlock(lock)						\
	spinlock_t *guarded_ __attribute__((cleanup(spin_unlock_guarded))) = \
		spin_lock_guarded(lock)

#define scoped_guard(what, lock) scoped_guard_##what(lock)
#define scoped_guard_spinlock(lock)					\
	for (bool once_ = true; once_; )				\
		for (guard_spinlock(lock); once_; once_ = false)

/* Only one thread makes and removes cgroups. */
struct mutex { int unused; };
#define __MUTEX_INITIALIZER(name) { 0 }
#define guard_mutex(mutex) ((void)(mutex))
#define scoped_guard_mutex(mutex) (void)(mutex);

/*
 * Allocations: objects with the sizes, density and alignment of kmalloc()'s
 * slabs
 */

#define SLAB_REGION	(1UL << 20)

static const unsigned int slab_sizes[] = {
	8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192, 16384,
	32768, 65536,
};

static void *slab_free[ARRAY_SIZE(slab_sizes)];
static unsigned long allocated;

/* The first bytes of a region are its size class, for kfree(). */
static void slab_fill(unsigned int class)
{
	size_t size = slab_sizes[class], offset = size < 4096 ? 4096 : size;
	char *region = aligned_alloc(SLAB_REGION, SLAB_REGION);

	*(unsigned int *)region = class;
	for (; offset + size <= SLAB_REGION; offset += size) {
		*(void **)(region + offset) = slab_free[class];
		slab_free[class] = region + offset;
	}
}

static void *slab_alloc(size_t size)
{
	unsigned int class = 0;
	void *p;

	while (slab_sizes[class] < size)
		class++;
	if (!slab_free[class])
		slab_fill(class);
	p = slab_free[class];
	slab_free[class] = *(void **)p;
	allocated += slab_sizes[class];
	return memset(p, 0, size);
}

static void kfree(const void *p)
{
	unsigned int class;

	if (!p)
		return;
	class = *(unsigned int *)((unsigned long)p & ~(SLAB_REGION - 1));
	*(void **)p = slab_free[class];
	slab_free[class] = (void *)p;
}

#define GFP_KERNEL	0
#define GFP_KERNEL_ACCOUNT 0
#define kcalloc(n, size, flags) ((void)(flags), slab_alloc((n) * (size)))
#define kzalloc(size, flags) slab_alloc(size)
#define kzalloc_obj(x)	slab_alloc(sizeof(x))

/*
 * Lists
 */

struct list_head { struct list_head *next, *prev; };

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define list_entry(p, type, member) container_of(p, type, member)
#define list_for_each_entry(p, head, member)				\
	for (p = list_entry((head)->next, typeof(*p), member);		\
	     &p->member != (head);					\
	     p = list_entry(p->member.next, typeof(*p), member))

static inline void list_add_tail(struct list_head *new, struct list_head *head)
{
	new->next = head;
	new->prev = head->prev;
	head->prev->next = new;
	head->prev = new;
}

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

/*
 * Cgroups.  A css has the same size as in the kernel.  A reference to a css
 * other than the root's is an addition to a per-CPU variable, here to one per
 * thread.
 */

struct cgroup { int unused; };
struct cgroup_file { char size[56]; };

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	void *ss;
	long refs;		/* index in css_refs */
	char size[64];
	unsigned int flags;
	char more_size[100];
	struct cgroup_subsys_state *parent;
	int nr_descendants;
};

enum { CSS_NO_REF = 1 };
#define CSS_MAX		(1 << 17)

static __thread s64 css_refs[CSS_MAX];
static long nr_css;

static inline void css_init(struct cgroup_subsys_state *css,
			    struct cgroup_subsys_state *parent)
{
	css->parent = parent;
	css->flags = parent ? 0 : CSS_NO_REF;
	css->refs = nr_css++;
	if (nr_css > CSS_MAX)
		abort();
}

static __always_inline void css_refs_add(struct cgroup_subsys_state *css, s64 n)
{
	if (!(css->flags & CSS_NO_REF))
		css_refs[READ_ONCE(css->refs)] += n;
}

#define css_get(css)	css_refs_add(css, 1)
#define css_put(css)	css_refs_add(css, -1)

struct css_set { struct cgroup_subsys_state *subsys[1]; };
struct task_struct { struct css_set *cgroups; };

static __thread struct css_set current_css_set;
static __thread struct task_struct current_task;

#define current		(&current_task)

static __always_inline void set_current_css(struct cgroup_subsys_state *css)
{
	current_css_set.subsys[0] = css;
	current_task.cgroups = &current_css_set;
}

static __always_inline struct cgroup_subsys_state *
task_get_css(struct task_struct *task, int id)
{
	struct cgroup_subsys_state *css;

	css = READ_ONCE(READ_ONCE(task->cgroups)->subsys[id]);
	css_get(css);
	return css;
}

/*
 * Interfaces that are not reached
 */

#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]
#define test_bit(nr, bits) ((bits)[(nr) / 64] >> (nr) % 64 & 1)
#define __test_and_set_bit(nr, bits) test_bit(nr, bits)
#define set_bit(nr, bits) ((void)test_bit(nr, bits))
#define __set_bit(nr, bits) ((bits)[(nr) / 64] |= 1UL << (nr) % 64)
#define for_each_set_bit(nr, bits, size)				\
	for ((nr) = 0; (nr) < (size); (nr)++)				\
		if (test_bit(nr, bits))

struct ratelimit_state { int unused; };

#define RATELIMIT_STATE_INIT_FLAGS(name, interval, burst, flags) { 0 }

static inline bool __ratelimit(struct ratelimit_state *state)
{
	return false;
}

#define trace_misc_cg_charge_refused(name, ...) ((void)(name))
#define rcu_read_lock()
#define rcu_read_unlock()

struct seq_file { int unused; };
struct kernfs_open_file { int unused; };

struct cftype {
	const char *name;
	unsigned long private;
	unsigned int flags;
	size_t file_offset;
	int (*seq_show)(struct seq_file *sf, void *v);
	ssize_t (*write)(struct kernfs_open_file *of, char *buf, size_t nbytes,
			 loff_t off);
};

struct cgroup_subsys {
	struct cgroup_subsys_state *(*css_alloc)(struct cgroup_subsys_state *);
	void (*css_free)(struct cgroup_subsys_state *css);
	struct cftype *legacy_cftypes, *dfl_cftypes;
};

enum { CFTYPE_NOT_ON_ROOT, CFTYPE_ONLY_ON_ROOT };
enum { misc_cgrp_id };

#define seq_css(sf)	((struct cgroup_subsys_state *)(sf))
#define seq_cft(sf)	((struct cftype *)(sf))
#define of_css(of)	((struct cgroup_subsys_state *)(of))
#define seq_printf(sf, ...) ((void)(sf))
#define cgroup_name(cgroup, name, size) ((void)(cgroup), (name)[0] = 0, 0)
#define cgroup_file_notify(file) ((void)(file))
#define strscpy(to, from, size) snprintf(to, size, "%s", from)
#define strim(s)	(s)
#define strstrip(s)	(s)
#define skip_spaces(s)	(s)
#define memchr_inv(p, c, size) ((void)(p), (void)(size), NULL)
#define kstrtou64(s, base, result) ((void)(result), 0)

#endif
