/* SPDX-License-Identifier: GPL-2.0-only */
/* What the way into a guest and back takes from <asm/nospec-branch.h>; for the assembler. */
#ifndef VELLUM_COMPAT_ENTER_H
#define VELLUM_COMPAT_ENTER_H

#include <asm/nospec-branch.h>

/* Call depth tracking came in 6.2. */
#ifndef CREDIT_CALL_DEPTH
#define CREDIT_CALL_DEPTH
#endif

/* 6.1 has one for all entries of the kernel. */
#ifndef UNTRAIN_RET_VM
#define UNTRAIN_RET_VM	UNTRAIN_RET
#endif

#endif /* VELLUM_COMPAT_ENTER_H */
