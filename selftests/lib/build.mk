# SPDX-License-Identifier: GPL-2.0-only
# Flags and objects of programs built on the test VMM; include before kselftest's lib.mk.
# Guest code is linked into the program and runs at its link address: no PIE, no stack protector,
# no FPU registers, no CET, and loops must not become calls of libc's memcpy.
LIBDIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
GUESTDIR := $(LIBDIR)/../guest

CFLAGS += -std=gnu11 -O2 -g -Wall -Wextra -Werror
CFLAGS += -I$(LIBDIR) -I$(GUESTDIR) -isystem $(KSFT_DIR)
CFLAGS += -fno-pie -fno-stack-protector -fcf-protection=none -mgeneral-regs-only
# The harness compares and names parameters as it likes.
CFLAGS += -Wno-sign-compare -Wno-unused-parameter
CFLAGS += -fno-tree-loop-distribute-patterns -fno-strict-aliasing -pthread
LDFLAGS += -static -no-pie -pthread

TVM_SRCS := $(addprefix $(LIBDIR)/,tvm.c state.c run.c) $(addprefix $(GUESTDIR)/,runtime.c msr.c)
TVM_ASM := $(addprefix $(GUESTDIR)/,vectors.S real.S prot.S long.S)
TVM_HDRS := $(wildcard $(LIBDIR)/*.h $(GUESTDIR)/*.h)
TVM_OBJS = $(addprefix $(OUTPUT)/tvm-,$(notdir $(TVM_SRCS:.c=.o) $(TVM_ASM:.S=.o)))

# Called after lib.mk, which sets OUTPUT and the default goal
define tvm_rules
$(OUTPUT)/tvm-%.o: $(LIBDIR)/%.c $(TVM_HDRS)
	@mkdir -p $(OUTPUT)
	$(CC) $(CFLAGS) -c $$< -o $$@
$(OUTPUT)/tvm-%.o: $(GUESTDIR)/%.c $(TVM_HDRS)
	@mkdir -p $(OUTPUT)
	$(CC) $(CFLAGS) -c $$< -o $$@
$(OUTPUT)/tvm-%.o: $(GUESTDIR)/%.S $(TVM_HDRS)
	@mkdir -p $(OUTPUT)
	$(CC) $(CFLAGS) -c $$< -o $$@
endef
