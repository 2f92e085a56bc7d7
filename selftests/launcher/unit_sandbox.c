// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what the launcher can still do when it has shut itself in: threads, memory, eventfds, the
 * clock and the ioctls of its devices, so that a guest's machine runs; and what it cannot: files,
 * sockets, programs, processes, code, other processes' memory, keys for the shell. Without the
 * filter each of the latter succeeds or fails by an error; with it the process ends by SIGSYS.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "vellum/sandbox.h"

#define PAGE	4096

/* Runs @call in a shut-in child. Return: its wait status. */
static int shut_in(bool (*call)(void))
{
	struct error err;
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGSYS, SIG_DFL);
		if (sandbox_enter(&err))
			_exit(2);
		_exit(call() ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void *thread(void *arg)
{
	pthread_setname_np(pthread_self(), "shut-in");
	eventfd_write(*(int *)arg, 1);
	return NULL;
}

static int event;
static pid_t parent;

static bool run_threads(void)
{
	eventfd_t count;
	pthread_t t;

	return !pthread_create(&t, NULL, thread, &event) && !pthread_join(t, NULL) &&
	       !eventfd_read(event, &count) && count == 1;
}

static bool use_memory(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	*p = 1;
	return !madvise(p, PAGE, MADV_DONTNEED) && !*p && !munmap(p, PAGE);
}

static bool read_clocks(void)
{
	struct timespec brief = { .tv_nsec = 1 };
	time_t now = time(NULL);
	struct tm tm;

	return gmtime_r(&now, &tm) && !nanosleep(&brief, NULL);
}

static bool signal_threads(void)
{
	signal(SIGUSR1, SIG_IGN);
	return !pthread_kill(pthread_self(), SIGUSR1);
}

/* /dev/null knows none of them, and says so. */
static bool use_devices(void)
{
	struct kvm_regs regs;

	return ioctl(event, KVM_RUN, 0) && ioctl(event, KVM_GET_REGS, &regs) &&
	       !isatty(STDIN_FILENO | 1 << 20);
}

FIXTURE(sandbox) {};
FIXTURE_SETUP(sandbox)
{
	event = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, event);
	parent = getpid();
}

FIXTURE_TEARDOWN(sandbox)
{
	close(event);
}

TEST_F(sandbox, keeps_what_a_machine_needs)
{
	EXPECT_EQ(0, shut_in(run_threads));
	EXPECT_EQ(0, shut_in(use_memory));
	EXPECT_EQ(0, shut_in(read_clocks));
	EXPECT_EQ(0, shut_in(signal_threads));
	EXPECT_EQ(0, shut_in(use_devices));
}

static bool open_file(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool start_program(void)
{
	char *const args[] = { "true", NULL };

	return !execve("/bin/true", args, args + 1);
}

static bool make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0;
}

static bool make_code(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED;
}

static bool turn_data_into_code(void)
{
	static char page[2 * PAGE] __attribute__((aligned(PAGE)));

	return !mprotect(page, PAGE, PROT_READ | PROT_EXEC);
}

static bool look_at_others(void)
{
	return !ptrace(PTRACE_ATTACH, parent, NULL, NULL);
}

static bool signal_others(void)
{
	return !kill(parent, 0);
}

static bool type_into_the_shell(void)
{
	return !ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static bool be_traced(void)
{
	return !prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
}

TEST_F(sandbox, refuses_all_else)
{
	static const struct {
		const char *what;
		bool (*call)(void);
	} refused[] = {
		{ "open", open_file },
		{ "socket", make_socket },
		{ "execve", start_program },
		{ "fork", make_process },
		{ "mmap for code", make_code },
		{ "mprotect for code", turn_data_into_code },
		{ "ptrace", look_at_others },
		{ "kill", signal_others },
		{ "TIOCSTI", type_into_the_shell },
		{ "prctl", be_traced },
	};
	size_t i;
	int status;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		status = shut_in(refused[i].call);
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
			TH_LOG("%s: wait status 0x%x", refused[i].what, status);
	}
}

/* What a program gets by its file's set-user-ID bit, too. */
TEST_F(sandbox, gains_no_privileges)
{
	struct error err;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (sandbox_enter(&err))
			_exit(2);
		/* Asking is refused, and so is a second filter: ask the kernel from outside. */
		eventfd_write(event, 1);
		for (;;)
			nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	eventfd_t count;
	char line[64], path[32];
	FILE *f;
	bool found = false;

	ASSERT_EQ(0, eventfd_read(event, &count));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		found |= !strcmp(line, "NoNewPrivs:\t1\n");
	fclose(f);
	EXPECT_TRUE(found);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST_HARNESS_MAIN
