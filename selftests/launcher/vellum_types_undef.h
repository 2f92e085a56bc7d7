/* SPDX-License-Identifier: GPL-2.0-only */
/* kselftest.h defines some of the macros of util/types.h, too: the launcher's win. */
#undef ARRAY_SIZE
#undef __printf
#undef __packed
