/* SPDX-License-Identifier: GPL-2.0-only */
/* The short integer names and the few helper macros the launcher is written in. */
#ifndef VELLUM_UTIL_TYPES_H
#define VELLUM_UTIL_TYPES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define MIB			BIT_ULL(20)
#define GIB			BIT_ULL(30)
#define __attr(name)		__attribute__((name))
#define __packed		__attr(packed)
#define __printf(fmt, args)	__attr(format(printf, fmt, args))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* Round to a multiple of @align, a power of two. */
static inline u64 align_up(u64 x, u64 align)
{
	return (x + align - 1) & ~(align - 1);
}

static inline u64 align_down(u64 x, u64 align)
{
	return x & ~(align - 1);
}

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

#endif
