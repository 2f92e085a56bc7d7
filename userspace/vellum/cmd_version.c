// SPDX-License-Identifier: GPL-2.0-only
/* "vellum version" */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "vellum/commands.h"
#include "vellum/version.h"

static void print_json(void)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "name", json_object_new_string("vellum"));
	json_object_object_add(root, "version", json_object_new_string(VELLUM_VERSION));
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

int cmd_version(int argc, char **argv, struct error *err)
{
	if (argc == 1) {
		puts("vellum " VELLUM_VERSION);
		return STATUS_OK;
	}
	if (argc == 2 && !strcmp(argv[1], "--json")) {
		print_json();
		return STATUS_OK;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		puts("usage: vellum version [--json]");
		return STATUS_OK;
	}
	return error_set(err, STATUS_USAGE, "%s: unknown argument (only --json is)", argv[1]);
}
