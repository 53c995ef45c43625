/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What misc.c, ours and stock's, takes from the kernel, so that it can be timed
 * in user space with the locked instructions that an x86 kernel has for it.  UML
 * has others for spinlocks and interrupts.  What is not timed does nothing.
 */
#ifndef RIG_BENCH_SHIM_H
#define RIG_BENCH_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint64_t u64;
typedef int64_t s64;
typedef uint32_t u32;

#define U64_MAX		UINT64_MAX
#define S32_MAX		INT32_MAX
#define BIT_ULL(n)	(1ULL << (n))
#define lower_32_bits(n) ((u32)(n))
#define __percpu
#define __aligned(n)	__attribute__((aligned(n)))
#define ____cacheline_aligned_in_smp __aligned(64)
#define noinline	__attribute__((noinline))
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define ERR_PTR(error)	((void *)(long)(error))
#define IS_ERR(p)	unlikely((unsigned long)(p) >= -4095UL)
#define IS_ERR_OR_NULL(p) (unlikely(!(p)) || IS_ERR(p))
#define EXPORT_SYMBOL_GPL(x)
#define lockdep_assert_held(x)
#define pr_info(...)
#define pr_warn(...)
#define WARN_ONCE(condition, ...) ({			\
	bool warn_ = condition;				\
	if (unlikely(warn_))				\
		abort();				\
	warn_;						\
})

/* Atomic operations: lock xadd, lock cmpxchg, xchg. */
typedef struct { s64 counter; } atomic64_t;

static inline s64 atomic64_read(const atomic64_t *v)
{
	return READ_ONCE(v->counter);
}

static inline void atomic64_set(atomic64_t *v, s64 n)
{
	WRITE_ONCE(v->counter, n);
}

static inline void atomic64_set_release(atomic64_t *v, s64 n)
{
	__atomic_store_n(&v->counter, n, __ATOMIC_RELEASE);
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

static inline s64 atomic64_xchg(atomic64_t *v, s64 n)
{
	return __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST);
}

static __always_inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 n)
{
	return __atomic_compare_exchange_n(&v->counter, old, n, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline s64 atomic64_cmpxchg(atomic64_t *v, s64 old, s64 n)
{
	atomic64_try_cmpxchg(v, &old, n);
	return old;
}

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/*
 * A lock as qspinlock takes and returns it where nobody waits, and as nobody
 * does here: lock cmpxchg, then a store.
 */
typedef struct { u32 locked; } spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->locked = 0;
}

static __always_inline void spin_lock_irq(spinlock_t *lock)
{
	u32 old = 0;

	if (unlikely(!__atomic_compare_exchange_n(&lock->locked, &old, 1, false,
						  __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		abort();
}

static __always_inline void spin_unlock_irq(spinlock_t *lock)
{
	__atomic_store_n((char *)&lock->locked, 0, __ATOMIC_RELEASE);
}

/* Without cli and sti, which user space may not; popf stands for the latter. */
#define save_flags(flags)						\
	asm volatile("pushf; pop %0" : "=rm" (flags) : : "memory")
#define restore_flags(flags)						\
	asm volatile("push %0; popf" : : "g" (flags) : "memory", "cc")

#define spin_lock_irqsave(lock, flags) do {				\
	save_flags(flags);						\
	spin_lock_irq(lock);						\
} while (0)

#define spin_unlock_irqrestore(lock, flags) do {			\
	spin_unlock_irq(lock);						\
	restore_flags(flags);						\
} while (0)

/* One CPU, whose area is found as %gs finds it in the kernel. */
static __thread unsigned long this_cpu_off;
#define nr_cpu_ids	1U
#define __alloc_percpu(size, align) kzalloc(size, GFP_KERNEL)
#define alloc_percpu(type) kzalloc(sizeof(type), GFP_KERNEL)
#define free_percpu	free
#define raw_cpu_ptr(p) ({						\
	unsigned long ptr_ = (unsigned long)(p);			\
									\
	asm ("add %1, %0" : "+r" (ptr_) : "m" (this_cpu_off));		\
	(typeof(p))ptr_;						\
})

#define GFP_KERNEL	0
#define kzalloc(size, flags) calloc(1, ((size) + 63) & ~63UL)
#define kzalloc_obj(x)	kzalloc(sizeof(x), GFP_KERNEL)
#define struct_size(p, member, n) (sizeof(*(p)) + flex_array_size(p, member, n))
#define flex_array_size(p, member, n) ((n) * sizeof(*(p)->member))
#define kvcalloc(n, size, flags) calloc(n, size)
#define kfree		free
#define kvfree		free

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(name)	struct list_head name = { &name, &name }
#define INIT_LIST_HEAD(head) (*(head) = (struct list_head){ head, head })
#define list_empty(head) ((head)->next == (head))
#define list_entry(p, type, member) container_of(p, type, member)
#define list_first_entry(head, type, member) \
	list_entry((head)->next, type, member)
#define list_for_each_entry(p, head, member)				\
	for (p = list_entry((head)->next, typeof(*p), member);		\
	     &p->member != (head);					\
	     p = list_entry(p->member.next, typeof(*p), member))
#define list_for_each_entry_safe(p, n, head, member)			\
	for (p = list_entry((head)->next, typeof(*p), member),		\
	     n = list_entry(p->member.next, typeof(*p), member);	\
	     &p->member != (head);					\
	     p = n, n = list_entry(n->member.next, typeof(*n), member))

static inline void list_add(struct list_head *new, struct list_head *head)
{
	new->next = head->next;
	new->prev = head;
	head->next->prev = new;
	head->next = new;
}

static inline void list_add_tail(struct list_head *new, struct list_head *head)
{
	list_add(new, head->prev);
}

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	list_del(entry);
	list_add(entry, head);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	list_del(entry);
	list_add_tail(entry, head);
}

#define DEFINE_MUTEX(name) int name
#define mutex_lock(m)	((void)(m))
#define mutex_unlock(m)	((void)(m))
#define guard(what)	(void)guard_##what
#define guard_mutex(m)	0
#define guard_rcu()	0
#define rcu_read_lock()
#define rcu_read_unlock()

#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]
#define test_bit(nr, bits)	((bits)[(nr) / 64] >> (nr) % 64 & 1)
#define test_and_set_bit(nr, bits) test_bit(nr, bits)
#define DEFAULT_RATELIMIT_INTERVAL 0
#define DEFAULT_RATELIMIT_BURST 0
#define DEFINE_RATELIMIT_STATE(name, interval, burst) int name
#define __ratelimit(state)	((void)(state), 0)
#define trace_misc_cg_charge_refused(...) do { } while (0)

/* Cgroups, of which only the tree is real. */
struct cgroup { int x; };
struct cgroup_file { int x; };
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};
struct seq_file { int x; };
struct kernfs_open_file { int x; };
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
struct task_struct;

enum { CFTYPE_NOT_ON_ROOT, CFTYPE_ONLY_ON_ROOT, misc_cgrp_id };
#define current		NULL
#define task_get_css(task, id) ((struct cgroup_subsys_state *)NULL)
#define css_put(css)	((void)(css))
#define seq_css(sf)	((struct cgroup_subsys_state *)(sf))
#define seq_cft(sf)	((struct cftype *)(sf))
#define of_css(of)	((struct cgroup_subsys_state *)(of))
#define seq_printf(...)	do { } while (0)
#define cgroup_path(cgroup, path, size) ((path)[0] = 0)
#define cgroup_file_notify(file) ((void)(file))
#define strscpy(to, from, size) snprintf(to, size, "%s", from)
#define strim(s)	(s)
#define strstrip(s)	(s)
#define skip_spaces(s)	(s)
#define memchr_inv(p, c, size) NULL
#define kstrtou64(s, base, result) ((void)(result), 0)

#endif
