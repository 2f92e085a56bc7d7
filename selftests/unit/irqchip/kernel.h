/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of a kernel as the interrupt controllers use: single-threaded, so
 * locks check only that they are taken and dropped in turn.
 */
#ifndef UNIT_IRQCHIP_KERNEL_H
#define UNIT_IRQCHIP_KERNEL_H

#include <asm/types.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef s64 ktime_t;

#ifndef __user
#define __user
#endif
#define __rcu
#define __percpu
#define __init
#define U8_MAX			((u8)~0)
#define U16_MAX			((u16)~0)
#define U32_MAX			((u32)~0)
#define U64_MAX			((u64)~0)
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096
#define PAGE_MASK		(~(PAGE_SIZE - 1UL))
#define BITS_PER_LONG		64
#define BITS_PER_BYTE		8

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_UP((unsigned long long)(n), d)
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, 64)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, m) ((type *)((char *)(p) - offsetof(type, m)))
#define BUILD_BUG_ON(c)		static_assert(!(c), #c)
#define likely(x)		(x)
#define unlikely(x)		(x)
#define DECLARE_STATIC_CALL(name, func) extern __typeof__(func) name##_call
#define static_call(name)	name##_call
#define noinline
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define X86_EFLAGS_TF		0x100
#define bitmap_zero(p, n)	memset(p, 0, (n) / 8)
#define bitmap_empty(p, n)	(!((p)[0] | (p)[1] | (p)[2] | (p)[3]))	/* the only size: 256 */
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define smp_load_acquire(p)	READ_ONCE(*(p))
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)
#define smp_mb()		do { } while (0)
#define smp_wmb()		do { } while (0)
#define smp_rmb()		do { } while (0)
#define smp_mb__before_atomic()	do { } while (0)
#define smp_mb__after_atomic()	do { } while (0)
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof(*(p)->m) * (n))
#define array_index_nospec(i, n) ((i) < (n) ? (i) : 0)

/* bits */
#define __fls(x)		(63 - (unsigned int)__builtin_clzl(x))
#define __ffs(x)		((unsigned int)__builtin_ctzl(x))
#define __ffs(x)		((unsigned int)__builtin_ctzl(x))
#define hweight_long(x)		((unsigned int)__builtin_popcountl(x))

static inline bool test_bit(unsigned long n, const unsigned long *p)
{
	return p[n / 64] >> n % 64 & 1;
}

static inline void set_bit(unsigned long n, unsigned long *p)
{
	p[n / 64] |= BIT(n % 64);
}

static inline void clear_bit(unsigned long n, unsigned long *p)
{
	p[n / 64] &= ~BIT(n % 64);
}

static inline bool test_and_set_bit(unsigned long n, unsigned long *p)
{
	bool old = test_bit(n, p);

	set_bit(n, p);
	return old;
}

static inline bool test_and_clear_bit(unsigned long n, unsigned long *p)
{
	bool old = test_bit(n, p);

	clear_bit(n, p);
	return old;
}

#define __set_bit	set_bit
#define __clear_bit	clear_bit
#define for_each_set_bit(bit, p, n)					\
	for ((bit) = 0; (bit) < (n); (bit)++)				\
		if (!test_bit(bit, p)) { } else

/* atomics */
typedef struct { int v; } atomic_t;
typedef struct { s64 v; } atomic64_t;

#define atomic_read(a)		((a)->v)
#define atomic_set(a, x)	((void)((a)->v = (x)))
#define atomic_add(x, a)	((void)((a)->v += (x)))
#define atomic_inc(a)		((void)(a)->v++)

static inline int atomic_cmpxchg(atomic_t *a, int old, int new)
{
	int was = a->v;

	if (was == old)
		a->v = new;
	return was;
}

static inline int atomic_dec_if_positive(atomic_t *a)
{
	return a->v > 0 ? --a->v : a->v - 1;
}

/* locks: held or not */
typedef struct { int held; } spinlock_t;
typedef struct { int held; } raw_spinlock_t;
typedef struct { int held; } rwlock_t;
struct mutex { int held; };
struct srcu_struct { int readers; };

static inline void unit_lock(int *held)
{
	assert(!*held);
	*held = 1;
}

static inline void unit_unlock(int *held)
{
	assert(*held);
	*held = 0;
}

#define spin_lock_init(l)		((void)((l)->held = 0))
#define spin_lock(l)			unit_lock(&(l)->held)
#define spin_unlock(l)			unit_unlock(&(l)->held)
#define spin_lock_irq(l)		spin_lock(l)
#define spin_unlock_irq(l)		spin_unlock(l)
#define spin_lock_irqsave(l, f)		((void)((f) = 0), spin_lock(l))
#define spin_unlock_irqrestore(l, f)	((void)(f), spin_unlock(l))
#define mutex_lock(l)			unit_lock(&(l)->held)
#define mutex_unlock(l)			unit_unlock(&(l)->held)
#define lockdep_is_held(l)		((l)->held)
#define lockdep_assert_held(l)		assert((l)->held)
#define srcu_read_lock(s)		((s)->readers++)
#define srcu_read_unlock(s, i)		((void)(i), (s)->readers--)
#define synchronize_srcu_expedited(s)	assert(!(s)->readers)
#define synchronize_srcu(s)		assert(!(s)->readers)
#define synchronize_rcu()		do { } while (0)
#define synchronize_rcu_expedited()	do { } while (0)
#define get_state_synchronize_rcu()	0
#define cond_synchronize_rcu(state)	((void)(state))
#define rcu_read_lock()			do { } while (0)
#define rcu_read_unlock()		do { } while (0)
#define rcu_dereference(p)		(p)
#define rcu_access_pointer(p)		(p)
#define rcu_dereference_protected(p, c)	((void)(c), (p))
#define srcu_dereference(p, s)		(assert((s)->readers), (p))
#define srcu_dereference_check(p, s, c)	(assert((s)->readers || (c)), (p))
#define rcu_assign_pointer(p, v)	((p) = (v))
#define RCU_INIT_POINTER(p, v)		((p) = (v))
#define rcu_replace_pointer(p, v, c)	({ __typeof__(p) __old = (p); (p) = (v); __old; })
#define kfree_rcu(p, m)			free(p)
#define kvfree_rcu(p, m)		free(p)
struct rcu_head { int unused; };

/* memory */
#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
#define kzalloc(n, g)		calloc(1, n)
#define kcalloc(n, s, g)	calloc(n, s)
#define kmalloc(n, g)		malloc(n)
#define kvzalloc(n, g)		calloc(1, n)
#define kfree(p)		free((void *)(p))
#define kvfree(p)		free((void *)(p))
#define ERR_PTR(e)		((void *)(long)(e))
#define PTR_ERR(p)		((int)(long)(p))
#define IS_ERR(p)		((unsigned long)(p) >= -4095UL)

static inline unsigned long get_zeroed_page(int gfp)
{
	void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	(void)gfp;
	return (unsigned long)memset(page, 0, PAGE_SIZE);
}

#define free_page(p)		free((void *)(p))

/* time: world.c turns it */
#define NSEC_PER_SEC		1000000000L
#define NSEC_PER_MSEC		1000000L
#define NSEC_PER_USEC		1000L
#define PIT_TICK_RATE		1193182UL

enum hrtimer_mode { HRTIMER_MODE_ABS_HARD };
enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	ktime_t expires;
	bool active;
	struct hrtimer *next;
};

extern unsigned int tsc_khz;
u64 rdtsc(void);
ktime_t ktime_get(void);
void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *timer);
u64 hrtimer_forward_now(struct hrtimer *timer, ktime_t interval);

#undef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC	1

/* as kmod/compat/compat.h has it */
static inline void hv_hrtimer_setup(struct hrtimer *timer,
				    enum hrtimer_restart (*function)(struct hrtimer *),
				    int clock, enum hrtimer_mode mode)
{
	(void)clock;
	(void)mode;
	timer->function = function;
}

#define ktime_get_ns()		((u64)ktime_get())
#define ktime_sub(a, b)		((a) - (b))
#define ktime_add_ns(t, n)	((ktime_t)((t) + (n)))
#define ktime_to_ns(t)		(t)
#define ns_to_ktime(n)		((ktime_t)(n))
#define ktime_before(a, b)	((a) < (b))
#define div_u64(a, b)		((a) / (b))
#define mul_u64_u32_div(a, m, d) ((u64)((unsigned __int128)(a) * (m) / (d)))

/* what struct hv_vm and struct hv_vcpu hold and nobody here looks at */
struct kref { int unused; };
struct mmu_notifier { int unused; };
struct list_head { struct list_head *next, *prev; };
struct preempt_notifier { int unused; };
struct fpu_guest { int unused; };
struct rcuwait { void *task; };
#define current ((void *)0)

#endif /* UNIT_IRQCHIP_KERNEL_H */
