// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw mode. The saved settings are the one file-global of the launcher: a handler of SIGBUS or
 * SIGSEGV must be able to put the terminal back, and has no other way to find it.
 */
#include "vellum/terminal.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "util/error.h"
#include "util/types.h"

static struct termios saved;
static int is_raw;

/* A background job must leave the terminal alone, or it would be stopped for touching it. */
bool terminal_is_ours(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Not so when it is gone: there is no job then. */
bool terminal_is_anothers(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) != getpgrp();
}

void terminal_make_raw(void)
{
	struct termios raw;

	if (!__atomic_load_n(&is_raw, __ATOMIC_ACQUIRE) && tcgetattr(STDIN_FILENO, &saved))
		return;
	raw = saved;
	cfmakeraw(&raw);
	__atomic_store_n(&is_raw, 1, __ATOMIC_RELEASE);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* In the background the settings are those of the job in front, which the shell has restored. */
void terminal_restore(void)
{
	if (__atomic_exchange_n(&is_raw, 0, __ATOMIC_ACQ_REL) && !terminal_is_anothers())
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void leave(const char *line)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&room, 1, 0) > 0 && write(STDERR_FILENO, line, strlen(line)) < 0)
		_exit(STATUS_IO);
	_exit(STATUS_OS);
}

static void on_crash(int sig)
{
	static const char no_memory[] =
		"vellum: --mem-path: the host ran out of room for guest memory (make room there)\n";
	static const char refused[] =
		"vellum: --sandbox: a call that was given up (report it, use --sandbox off)\n";

	terminal_restore();
	if (sig == SIGBUS)
		leave(no_memory);
	if (sig == SIGSYS)
		leave(refused);
	/* SA_RESETHAND: the second one ends the process the ordinary way. */
	raise(sig);
}

/*
 * SIGBUS is how a full filesystem under --mem-path shows when the launcher touches guest RAM,
 * SIGSYS how the sandbox refuses a system call.
 */
void terminal_guard_crashes(void)
{
	static const int signals[] = { SIGBUS, SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGSYS };
	struct sigaction action;
	size_t i;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_crash;
	action.sa_flags = (int)SA_RESETHAND;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}
