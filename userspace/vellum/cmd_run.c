// SPDX-License-Identifier: GPL-2.0-only
/* "vellum run": build a machine, run it until something ends it, say why. */
#include <stdlib.h>
#include <unistd.h>

#include "vellum/commands.h"
#include "vellum/loop.h"
#include "vellum/machine.h"
#include "vellum/nets.h"
#include "vellum/run_options.h"
#include "vellum/terminal.h"

/*
 * A thread is stuck at a stopped terminal or a slow disk. Leave the cleaning up to the kernel, and
 * do not get stuck on the terminal with the last words: they go out only if there is room for them.
 */
static void leave(int status, const struct error *err)
{
	if (status < 0)
		status = err->status;
	if (*err->text)
		error_print(err, 0);
	_exit(status);
}

/* Return: exit status, or -1 with a line to print. */
static int outcome(const struct machine *m, struct error *err)
{
	*err = m->stop.why;
	return *err->text ? -1 : err->status;
}

static int run(struct machine *m, const struct run_options *options, int signal_fd,
	       struct error *err)
{
	int r = machine_create(m, options, err);
	bool stopped;

	if (!r)
		r = machine_start(m, err);
	if (!r)
		loop_run(m, signal_fd);
	/* Stopping may take its time, the user's keys work again meanwhile. */
	terminal_restore();
	stopped = machine_stop(m);
	if (!r)
		r = outcome(m, err);
	if (!stopped) {
		/* All but a bridge goes with the process. */
		nets_destroy(m);
		leave(r, err);
	}
	machine_destroy(m);
	return r;
}

static int run_machine(const struct run_options *options, struct error *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	int signal_fd, r;

	if (!m)
		return error_set(err, STATUS_OS, "memory: not even for the launcher (free some)");
	signal_fd = loop_block_signals(err);
	if (signal_fd < 0) {
		free(m);
		return -1;
	}
	terminal_guard_crashes();
	r = run(m, options, signal_fd, err);
	close(signal_fd);
	free(m);
	return r;
}

int cmd_run(int argc, char **argv, struct error *err)
{
	struct run_options *options = calloc(1, sizeof(*options));
	int r = -1;

	if (!options)
		return error_set(err, STATUS_OS, "memory: not even for the options (free some)");
	if (run_options_parse(options, argc, argv, err)) {
		r = -1;
	} else if (options->help) {
		run_options_usage();
		r = STATUS_OK;
	} else {
		r = run_machine(options, err);
	}
	free(options);
	return r;
}
