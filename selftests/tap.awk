# SPDX-License-Identifier: GPL-2.0-only
# Reads one log of ./check: "#@ expect T", "#@ begin T", TAP, "#@ end T STATUS", "#@ status S". Prints a line per program, the
# output of those that failed, and "# sum PASSED FAILED SKIPPED". A program that ends badly without saying so, that says
# less than it planned, or that never ran, is a failure.
function fresh() { ok = bad = skip = plan = 0; planned = 0; text = "" }
function finish(test, status,    why) {
	ran[test] = 1
	if (status == 4 && !ok && !bad)
		skip += !skip
	else if (status != 0 && !bad) {
		bad = 1
		why = status == 124 || status == 137 ? " (timed out)" : status == 127 ? " (not there)" : " (exit status " status ")"
	} else if (planned && ok + bad + skip != plan) {
		bad++
		why = " (planned " plan ", told " ok + bad + skip - 1 ")"
	} else if (!ok && !bad && !skip)
		ok = 1
	passed += ok; failed += bad; skipped += skip
	printf "%s %s %s: %d passed, %d failed, %d skipped%s\n", bad ? "not ok" : "ok", name, test, ok, bad, skip, why
	if (bad)
		printf "%s", text
}
BEGIN { fresh() }
/^#@ expect / { expected[++n] = $3; next }
/^#@ begin / { if (open) finish(open, "lost"); open = $3; fresh(); next }
/^#@ end / && $3 == open { finish(open, $4); open = ""; fresh(); next }
/^#@ status / && NF == 3 { status = $3; next }
{ text = text "    " $0 "\n" }
/^1\.\.[0-9]+/ { plan += substr($1, 4); planned = 1 }
/^ok .*# *SKIP/ { skip++; next }
/^not ok .*# *(TODO|XFAIL)/ { skip++; next }
/^ok / { ok++ }
/^not ok / { bad++ }
END {
	if (open)
		finish(open, "lost with the machine")
	for (i = 1; i <= n; i++)
		if (!(expected[i] in ran)) {
			failed++
			missing = missing " " expected[i]
		}
	if (missing != "")
		printf "not ok %s: never ran:%s\n", name, missing
	if (status != 0 || missing != "") {
		failed += status != 0
		printf "not ok %s: the whole ended with status %s\n%s", name, status, missing != "" || open == "" ? text : ""
	}
	printf "# sum %d %d %d %s in %d s\n", passed, failed, skipped, name, seconds
}
