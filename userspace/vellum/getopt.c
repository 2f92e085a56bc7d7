// SPDX-License-Identifier: GPL-2.0-only
/* Option parsing common to the subcommands. */
#include "vellum/getopt.h"

#include <getopt.h>
#include <stddef.h>

/**
 * next_option() - the next option of a command line
 * @argc: as main() has it
 * @argv: as main() has it
 * @options: long options; their values are positive
 * @err: filled in on failure
 *
 * Return: the option's value with optarg set, 0 at the end, -1 on an error.
 */
int next_option(int argc, char **argv, const struct option *options, struct error *err)
{
	int at = optind;
	int c;

	opterr = 0;
	/* "+": the first word that is no option ends them, so that the one looked at is known. */
	c = getopt_long(argc, argv, "+:", options, NULL);
	if (c == ':')
		return error_set(err, STATUS_USAGE, "%s: needs a value (see --help)", argv[at]);
	if (c == '?')
		return error_set(err, STATUS_USAGE, "%s: unknown option (see --help)", argv[at]);
	if (c < 0 && optind < argc)
		return error_set(err, STATUS_USAGE, "%s: unexpected argument (see --help)",
				 argv[optind]);
	return c < 0 ? 0 : c;
}
