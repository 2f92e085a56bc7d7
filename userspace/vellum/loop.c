// SPDX-License-Identifier: GPL-2.0-only
/* The main loop waits for nothing but poll(), so signals and the escape key always work. */
#include "vellum/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vellum/input.h"

#define RETRY_MSEC	20
#define AWAY_MSEC	1000

enum { POLL_SIGNAL, POLL_STOP, POLL_WANT_INPUT, POLL_RTC, POLL_STDIN, POLL_COUNT };

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static bool is_ignored(int sig)
{
	struct sigaction old;

	return !sigaction(sig, NULL, &old) && old.sa_handler == SIG_IGN;
}

/**
 * loop_block_signals() - turn signals into events, before any thread exists
 * @err: filled in on failure
 *
 * Every signal is blocked but those a bug raises: SIGPIPE and SIGXFSZ become errors of write(2).
 * What was ignored so far, as SIGHUP is under nohup(1), is no event: a signalfd would tell of it.
 *
 * Return: a signalfd, or -1.
 */
int loop_block_signals(struct error *err)
{
	static const int synchronous[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP,
					   SIGSYS };
	sigset_t block, events;
	size_t i;
	int fd;

	sigfillset(&block);
	for (i = 0; i < ARRAY_SIZE(synchronous); i++)
		sigdelset(&block, synchronous[i]);
	pthread_sigmask(SIG_SETMASK, &block, NULL);
	sigemptyset(&events);
	for (i = 0; i < ARRAY_SIZE(ending_signals); i++)
		if (!is_ignored(ending_signals[i]))
			sigaddset(&events, ending_signals[i]);
	sigaddset(&events, SIGCONT);
	fd = signalfd(-1, &events, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, STATUS_OS, "signalfd: %s", strerror(errno));
	return fd;
}

static void handle_signal(struct machine *m, struct input *in, int fd)
{
	struct signalfd_siginfo info;
	int sig;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	sig = (int)info.ssi_signo;
	if (sig == SIGCONT) {
		input_look_around(in);
		return;
	}
	stop_request(&m->stop, STATUS_SIGNAL + sig, "SIG%s: guest stopped before it powered off",
		     sigabbrev_np(sig));
}

void loop_run(struct machine *m, int signal_fd)
{
	struct pollfd fds[POLL_COUNT] = {
		[POLL_SIGNAL] = { .fd = signal_fd, .events = POLLIN },
		[POLL_STOP] = { .fd = m->stop.event_fd, .events = POLLIN },
		[POLL_WANT_INPUT] = { .fd = m->want_input_fd, .events = POLLIN },
		[POLL_RTC] = { .fd = m->rtc.timer_fd, .events = POLLIN },
		[POLL_STDIN] = { .events = POLLIN },
	};
	struct input in;
	eventfd_t count;
	int patience;

	input_init(&in, m);
	while (!stop_requested(&m->stop)) {
		if (in.away)
			input_look_around(&in);
		patience = in.away ? AWAY_MSEC : -1;
		if (input_flush(&in))
			patience = RETRY_MSEC;
		fds[POLL_STDIN].fd = input_wants_read(&in) ? STDIN_FILENO : -1;
		if (poll(fds, POLL_COUNT, patience) < 0)
			continue;
		if (fds[POLL_SIGNAL].revents)
			handle_signal(m, &in, signal_fd);
		if (fds[POLL_WANT_INPUT].revents)
			eventfd_read(m->want_input_fd, &count);
		if (fds[POLL_RTC].revents)
			rtc_tick(&m->rtc);
		if (fds[POLL_STDIN].revents)
			input_read(&in);
	}
}
