// SPDX-License-Identifier: GPL-2.0-only
/* The program: finds the subcommand, prints the one line that says what went wrong. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/types.h"
#include "vellum/commands.h"

/* For the last words, to a terminal that somebody stopped. */
#define PATIENCE_MSEC	2000

struct command {
	const char *name;
	int (*run)(int argc, char **argv, struct error *err);
	const char *summary;
};

static const struct command commands[] = {
	{ "run", cmd_run, "boot a Linux kernel in a virtual machine" },
	{ "info", cmd_info, "show what a hypervisor device offers" },
	{ "version", cmd_version, "show the version" },
};

static void show_help(FILE *to)
{
	size_t i;

	fprintf(to, "usage: vellum COMMAND [OPTION]...\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s%s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n\"vellum COMMAND --help\" tells more.\n");
}

/* A descriptor 0, 1 or 2 that is closed would be reused for a device or a disk. */
static int fill_standard_fds(struct error *err)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return error_set(err, STATUS_OS, "/dev/null: not there (mount /dev)");
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

static int dispatch(int argc, char **argv, struct error *err)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	size_t i;

	if (!name)
		return error_set(err, STATUS_USAGE, "no command (see \"vellum help\")");
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
		show_help(stdout);
		return STATUS_OK;
	}
	if (!strcmp(name, "--version"))
		name = "version";
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1, err);
	return error_set(err, STATUS_USAGE, "%s: unknown command (see \"vellum help\")", name);
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	int status = fill_standard_fds(&err);

	if (!status)
		status = dispatch(argc, argv, &err);
	if (status < 0)
		return error_print(&err, PATIENCE_MSEC);
	if (fflush(stdout) || ferror(stdout)) {
		error_set(&err, STATUS_IO, "stdout: cannot be written");
		return error_print(&err, PATIENCE_MSEC);
	}
	return status;
}
