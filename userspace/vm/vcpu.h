/* SPDX-License-Identifier: GPL-2.0-only */
/* One virtual CPU: its descriptor, its thread, its exits. */
#ifndef VELLUM_VM_VCPU_H
#define VELLUM_VM_VCPU_H

#include "util/stop.h"
#include "vm/kvm.h"

#include <pthread.h>

struct kvm_cpuid2;
struct kvm_run;

/**
 * struct vcpu_io - where a vCPU's accesses go; implemented by the machine
 * @pio: one port access of @len bytes (1, 2, 4) at @data
 * @mmio: one memory access of @len bytes (1 to 8) at @data outside RAM
 *
 * Both are called on the vCPU's thread, from several threads at once.
 */
struct vcpu_io {
	void (*pio)(void *ctx, u16 port, u8 *data, u32 len, bool write);
	void (*mmio)(void *ctx, u64 addr, u8 *data, u32 len, bool write);
};

/**
 * struct vcpu - a virtual CPU
 * @kvm: its VM
 * @io: handlers of its accesses, called with @io_ctx
 * @stop: told when the guest crashes
 * @run: page shared with the hypervisor
 * @fd: descriptor, -1 when closed
 * @index: number and APIC id
 * @quit: set before the thread is kicked for the last time
 * @started: @thread exists
 */
struct vcpu {
	const struct kvm *kvm;
	const struct vcpu_io *io;
	void *io_ctx;
	struct stopper *stop;
	struct kvm_run *run;
	pthread_t thread;
	int fd;
	u32 index;
	int quit;
	bool started;
};

int vcpu_create(struct vcpu *vcpu, const struct kvm *kvm, u32 index, struct error *err);
int vcpu_setup(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid, u32 cpus, struct error *err);
int vcpu_start(struct vcpu *vcpu, struct error *err);
void vcpu_end(struct vcpu *vcpu);
bool vcpu_join(struct vcpu *vcpu, const struct timespec *until);
void vcpu_destroy(struct vcpu *vcpu);

#endif
