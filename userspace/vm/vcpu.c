// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU and the thread that runs it. The loop makes one system call per exit, KVM_RUN itself;
 * everything else happens in the handlers.
 */
#include "vm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/cpuid.h"
#include "vm/vcpu_state.h"

#define KICK_SIGNAL	SIGUSR1

/**
 * vcpu_create() - make a vCPU and map its run page
 * @vcpu: filled in; vcpu_destroy() is harmless even after an error
 * @kvm: an open hypervisor with a VM
 * @index: number and APIC id
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int vcpu_create(struct vcpu *vcpu, const struct kvm *kvm, u32 index, struct error *err)
{
	void *run;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->kvm = kvm;
	vcpu->index = index;
	vcpu->fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return kvm_fail(kvm, "KVM_CREATE_VCPU", err);
	run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return kvm_fail(kvm, "mmap of the vCPU", err);
	vcpu->run = run;
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->kvm->run_size);
	if (vcpu->kvm && vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}

/* CPUID, MSRs and local APIC; general registers stay in reset state, waiting for INIT and SIPI. */
int vcpu_setup(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid, u32 cpus, struct error *err)
{
	bool deadline = kvm_cap(vcpu->kvm, KVM_CAP_TSC_DEADLINE_TIMER);

	cpuid_set_topology(cpuid, vcpu->index, cpus, deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		return kvm_fail(vcpu->kvm, "KVM_SET_CPUID2", err);
	if (vcpu_set_reset_msrs(vcpu, err))
		return -1;
	return vcpu_set_lapic(vcpu, err);
}

/* String instructions arrive as one exit with several elements. */
static void handle_pio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;
	u32 i;

	for (i = 0; i < run->io.count; i++, data += run->io.size)
		vcpu->io->pio(vcpu->io_ctx, run->io.port, data, run->io.size, write);
}

static void report_internal_error(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = { 0 };

	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	stop_request(vcpu->stop, STATUS_GUEST,
		     "guest: vCPU %u at rip 0x%llx: the hypervisor cannot go on (KVM_EXIT_INTERNAL_ERROR, suberror %u, data 0x%llx)",
		     vcpu->index, regs.rip, run->internal.suberror,
		     run->internal.ndata ? run->internal.data[0] : 0);
}

static void report_crash(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		stop_request(vcpu->stop, STATUS_GUEST,
			     "guest: vCPU %u: triple fault (look at the guest's last messages)",
			     vcpu->index);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		report_internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		stop_request(vcpu->stop, STATUS_GUEST,
			     "guest: vCPU %u: the CPU refused to enter the guest (reason 0x%llx)",
			     vcpu->index, run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_UNKNOWN:
		stop_request(vcpu->stop, STATUS_GUEST,
			     "guest: vCPU %u: unknown hardware exit 0x%llx", vcpu->index,
			     run->hw.hardware_exit_reason);
		break;
	default:
		stop_request(vcpu->stop, STATUS_GUEST, "guest: vCPU %u: unexpected exit reason %u",
			     vcpu->index, run->exit_reason);
	}
}

static void handle_system_event(struct vcpu *vcpu)
{
	u32 type = vcpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_RESET)
		stop_request(vcpu->stop, STATUS_RESET, "guest: asked for a reset");
	else if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		stop_request(vcpu->stop, STATUS_OK, "%s", "");
	else
		stop_request(vcpu->stop, STATUS_GUEST, "guest: crashed (system event %u)", type);
}

/* Return: true to run on. */
static bool handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_pio(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		vcpu->io->mmio(vcpu->io_ctx, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			       run->mmio.is_write);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		return false;
	default:
		report_crash(vcpu);
		return false;
	}
}

static void report_run_error(struct vcpu *vcpu)
{
	if (errno == EFAULT)
		stop_request(vcpu->stop, STATUS_OS,
			     "guest memory: the host cannot back a page (lower --mem or free memory)");
	else
		stop_request(vcpu->stop, STATUS_OS, "--device %s: KVM_RUN of vCPU %u: %s",
			     vcpu->kvm->path, vcpu->index, strerror(errno));
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	sigset_t kick;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	while (!__atomic_load_n(&vcpu->quit, __ATOMIC_ACQUIRE)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			/* EAGAIN: a vCPU still waiting for its SIPI was woken up */
			if (errno == EINTR || errno == EAGAIN)
				continue;
			report_run_error(vcpu);
			break;
		}
		if (!handle_exit(vcpu))
			break;
	}
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig;
}

/* The caller has every signal blocked, so the thread starts with every signal blocked. */
int vcpu_start(struct vcpu *vcpu, struct error *err)
{
	struct sigaction action = { .sa_handler = on_kick };
	int r;

	sigaction(KICK_SIGNAL, &action, NULL);
	r = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (r)
		return error_set(err, STATUS_OS, "--cpus: cannot start vCPU %u: %s (lower --cpus)",
				 vcpu->index, strerror(r));
	vcpu->started = true;
	return 0;
}

/*
 * Ask the thread to end. immediate_exit closes the window between the look at @quit and the entry
 * into KVM_RUN.
 */
void vcpu_end(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->quit, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/**
 * vcpu_join() - wait for a vCPU's thread
 * @vcpu: the vCPU, after vcpu_end()
 * @until: CLOCK_MONOTONIC, how long to wait at most
 *
 * Return: false when it still runs: it waits for a device.
 */
bool vcpu_join(struct vcpu *vcpu, const struct timespec *until)
{
	if (vcpu->started && pthread_clockjoin_np(vcpu->thread, NULL, CLOCK_MONOTONIC, until))
		return false;
	vcpu->started = false;
	return true;
}
