// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that takes the launcher over has what the launcher has. Once everything is open it gives
 * up all system calls but those that run a machine: it opens no file, makes no socket, starts no
 * program, makes no memory executable, and gets no privileges it does not have. The filter is
 * libseccomp's; a call that it refuses raises SIGSYS.
 */
#include "vellum/sandbox.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "util/types.h"

/* Which driver an ioctl belongs to. */
#define IOCTL_TYPE_MASK	((u64)_IOC_TYPEMASK << _IOC_TYPESHIFT)
#define IOCTL_TYPE(t)	((u64)(t) << _IOC_TYPESHIFT)

/* With any arguments: descriptors are those already open, memory is the launcher's own. */
static const int always[] = {
	/* Consoles, eventfds, disks and taps. */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(preadv),
	SCMP_SYS(pwritev), SCMP_SYS(fdatasync), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_settime), SCMP_SYS(close), SCMP_SYS(flock),
	/* Netlink sockets: leaving a bridge. */
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	/* Threads and memory. */
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(restart_syscall), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(madvise), SCMP_SYS(mremap),
	/* Signals. */
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn), SCMP_SYS(getpgrp),
	/* Time and chance. */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom),
};

/* Of the terminal and of taps: others type into the shell, or make links. */
static const u64 ioctls[] = { TCGETS, TCSETS, TIOCGPGRP, TUNSETOFFLOAD };

/* Whole drivers: what an open VM or vhost device can do it does to its owner. */
static const u64 ioctl_types[] = { KVMIO, VHOST_VIRTIO };

static int add_always(scmp_filter_ctx filter)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < ARRAY_SIZE(always); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, always[i], 0);
	return r;
}

static int add_ioctls(scmp_filter_ctx filter)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < ARRAY_SIZE(ioctl_types); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE_MASK,
					     IOCTL_TYPE(ioctl_types[i])));
	for (i = 0; !r && i < ARRAY_SIZE(ioctls); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	return r;
}

/*
 * New threads of this process, not new processes. What clone3() asks for lies in memory, which a
 * filter does not see: libc takes clone() instead.
 */
static int add_threads(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) ?:
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) ?:
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)) ?:
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				SCMP_A0(SCMP_CMP_EQ, (u64)getpid()));
}

/* Memory of one's own, none to execute. */
static int add_memory(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) ?:
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/**
 * sandbox_enter() - give up what running a machine does not take
 * @err: filled in on failure
 *
 * For the calling thread and those it makes: it is to be the only one. There is no way back.
 *
 * Return: 0 or -1.
 */
int sandbox_enter(struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int r = -ENOMEM;

	/* The first gmtime_r() reads the time zone's file. */
	tzset();
	if (filter)
		r = add_always(filter) ?: add_ioctls(filter) ?: add_threads(filter) ?:
		    add_memory(filter) ?: seccomp_load(filter);
	seccomp_release(filter);
	if (!r)
		return 0;
	return error_set(err, STATUS_UNAVAILABLE,
			 "--sandbox: %s (run a kernel with CONFIG_SECCOMP_FILTER, or use --sandbox off)",
			 strerror(-r));
}
