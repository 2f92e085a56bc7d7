# SPDX-License-Identifier: GPL-2.0-only
# make help says what there is. Modules build for any kernel: KVER=release, or KDIR=its build tree.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

PREFIX ?= /usr/local
FETCH := selftests/lab/fetch
LAB := selftests/lab/lab

# The running kernel where its headers are installed, else the stock 6.12 the lab uses.
ifdef KDIR
KVER ?= $(shell cat $(KDIR)/include/config/kernel.release)
else
RUNNING := $(shell uname -r)
KVER ?= $(if $(wildcard /lib/modules/$(RUNNING)/build),$(RUNNING),$(shell $(FETCH) release 6.12))
KDIR = $(firstword $(wildcard /lib/modules/$(KVER)/build /usr/src/linux-headers-$(KVER)))
endif

BUILD = build/$(KVER)
KSOURCES := Kbuild $(shell find kmod uapi -type f)
# Links to the sources; those of files that are gone go, too.
LINK = cp -rsf $(CURDIR)/Kbuild $(CURDIR)/kmod $(CURDIR)/uapi $(BUILD)/ && find $(BUILD) -xtype l -delete
KMAKE = $(MAKE) -C $(KDIR) M=$(CURDIR)/$(BUILD)

.PHONY: all modules tools install uninstall modules_install check check-debug check-all check-kvm-selftests demo bench lab style sparse clean help

all: modules tools

help:
	@echo 'all modules tools    build (KVER=release or KDIR=tree for another kernel)'
	@echo 'install uninstall    modules for KVER; the vellum program, man pages and headers under PREFIX'
	@echo 'obj F=kmod/...c      one object, for the edit-compile loop'
	@echo 'check                style, unit tests, and every test in the emulated machines'
	@echo 'check-debug          every kernel-side test on the debug kernel'
	@echo 'check-all            the slow full runs that make check has a part of'
	@echo 'check-kvm-selftests  of those, the kernel'\''s own KVM selftests on both machines'
	@echo 'demo                 boots a Linux guest on Vellum in an emulated VT-x machine'
	@echo 'bench [BENCH=AREA]   compares with stock KVM'
	@echo 'lab [LAB_ARGS=...]   a shell in an emulated machine'
	@echo 'style sparse         the static checks alone'
	@echo 'clean                removes build/'

# Objects of several kernels must not meet: each kernel has a folder of links to the sources and builds there, one make
# at a time.
modules: $(BUILD)/.built

$(BUILD)/.built: $(KSOURCES)
	@test -n "$(KDIR)" || { echo "no headers for $(KVER): install linux-headers-$(KVER) or give KDIR=" >&2; exit 1; }
	@mkdir -p $(BUILD)
	@+flock $(BUILD)/.lock $(MAKE) --no-print-directory build-locked KVER=$(KVER) KDIR=$(KDIR)

.PHONY: build-locked
build-locked:
	@$(LINK)
	+$(KMAKE) modules
	@touch $(BUILD)/.built

.PHONY: obj
obj:
	@mkdir -p $(BUILD)
	@$(LINK)
	@+flock $(BUILD)/.lock $(KMAKE) $(basename $(F)).o

modules_install: modules
	+$(KMAKE) modules_install INSTALL_MOD_DIR=extra

# The programs, built by userspace/Makefile: warnings are errors there too.
tools:
	@mkdir -p build
	@+flock build/.lock $(MAKE) --no-print-directory -C userspace O=$(CURDIR)/build

MAN1 := vellum.1 vellum-run.1
MAN5 := vellumfs.5
HEADERS := vellum.h vellumfs.h vhost_blk.h
MANDIR = $(DESTDIR)$(PREFIX)/share/man
INCLUDEDIR = $(DESTDIR)$(PREFIX)/include/linux

install: tools modules_install
	install -D -m 755 build/vellum $(DESTDIR)$(PREFIX)/bin/vellum
	install -D -m 644 -t $(MANDIR)/man1 $(addprefix Documentation/man/,$(MAN1))
	install -D -m 644 -t $(MANDIR)/man5 $(addprefix Documentation/man/,$(MAN5))
	install -D -m 644 -t $(INCLUDEDIR) $(addprefix uapi/linux/,$(HEADERS))

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/vellum
	rm -f $(addprefix $(MANDIR)/man1/,$(MAN1)) $(addprefix $(MANDIR)/man5/,$(MAN5))
	rm -f $(addprefix $(INCLUDEDIR)/,$(HEADERS))
	rm -f $(INSTALL_MOD_PATH)/lib/modules/$(KVER)/extra/vellum*.ko* $(INSTALL_MOD_PATH)/lib/modules/$(KVER)/extra/kmod/*/vellum*.ko*
	/sbin/depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

style sparse:
	selftests/style/$@

check:
	@selftests/check check

check-debug:
	@selftests/check debug

check-all:
	@selftests/check all

check-kvm-selftests:
	@selftests/check all kvm-selftests-svm kvm-selftests-vtx kvm-selftests-icelake

demo:
	@selftests/demo

bench:
	@selftests/bench/run $(BENCH)

lab: tools
	@$(LAB) $(LAB_ARGS)

clean:
	rm -rf build
