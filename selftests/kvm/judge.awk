# SPDX-License-Identifier: GPL-2.0-only
# Reads the plan (table lines with their number first), the tests that have no line, and the machine's log; prints TAP.
# status: the lab's exit status. raw: tell how each test ended, compare with nothing.

# "fail" says what went wrong in one line; "pass", "skip" and "pass-N" (N subtests skipped) are as in the table.
function outcome(id,    status) {
	if (!(id in ended))
		return id in begun ? "fail (the machine was lost)" : "fail (never ran)"
	status = ended[id]
	if (status == 137 || status == 124)
		return "fail (timed out)" (error[id] != "" ? ": " error[id] : "")
	if (status == 127)
		return "fail (not built)"
	if (status == 4 || (status == 0 && skips[id] && !passes[id]))
		return "skip"
	if (status != 0 || fails[id])
		return "fail" (status == 0 ? "" : " (exit status " status ")") ": " error[id]
	return skips[id] ? "pass-" skips[id] : "pass"
}

function tell(good, text) {
	if (!good)
		bad = 1
	printf "%s %d - %s\n", good ? "ok" : "not ok", ++told, text
}

function judge(id,    got, kind) {
	got = id in omitted && !(id in begun) ? "omit" : outcome(id)
	kind = got
	sub(/ .*|:.*/, "", kind)
	if (raw != "")
		tell(kind != "fail", what[id] (kind == "fail" || kind ~ /-/ ? " # " got : "") (kind == "skip" ? " # SKIP" : "") took(id))
	else if (kind != want[id])
		tell(0, what[id] ": expected " want[id] ", got " got)
	else if (kind == "fail")
		printf "not ok %d - %s # TODO %s\n# %s\n", ++told, what[id], reason[id], got
	else if (kind == "skip" || kind == "omit")
		tell(1, what[id] " # SKIP " (kind == "omit" ? "not run: " : "") reason[id])
	else
		tell(1, what[id] (kind == "pass" ? "" : " (" substr(kind, 6) " subtests skipped: " reason[id] ")") took(id))
	if (kind == "fail" && (raw != "" || want[id] != "fail"))
		printf "%s", text[id]
}

function took(id) {
	return id in seconds ? sprintf(" (%.1f s)", seconds[id]) : ""
}

function complain(text) {
	sub(/^[ #]+/, "", text)
	if (error[open] == "")
		error[open] = text
}

FILENAME ~ /plan$/ {
	line = $0
	ids[++n] = $1
	want[$1] = $4
	if ($4 == "omit")
		omitted[$1] = 1
	if (match(line, /[ \t]# /)) {
		reason[$1] = substr(line, RSTART + 3)
		line = substr(line, 1, RSTART - 1)
	}
	count = split(line, word)
	what[$1] = word[6]
	for (i = 7; i <= count; i++)
		what[$1] = what[$1] " " word[i]
	if ($4 != "pass" && reason[$1] == "" || $4 !~ /^(pass(-[0-9]+)?|skip|fail|omit)$/)
		wrong[++wrongs] = $0
	next
}
FILENAME ~ /strangers$/ { stranger[++strangers] = $1; next }
/^#@ begin / { open = $3; begun[open] = 1; part = 0; next }
/^#@ end / { ended[$3] = $4; seconds[$3] = $6 - $5; open = ""; next }
open == "" { rest = rest "    " $0 "\n"; next }
{ text[open] = text[open] "    " $0 "\n" }
/^# Totals:/ {
	for (i = 3; i <= NF; i++) {
		split($i, pair, ":")
		if (pair[1] == "pass" || pair[1] == "xpass") passes[open] += pair[2]
		else if (pair[1] == "skip" || pair[1] == "xfail") skips[open] += pair[2]
		else fails[open] += pair[2]
	}
}
/^1\.\.0 # SKIP/ { skips[open]++ }
# An assertion is told in three parts: where, the process and its stack, and with two blanks in front what was wrong.
/^==== Test Assertion Failure/ { part = error[open] == ""; next }
part == 1 { complain($0); part = 2; next }
part == 2 && /^  [^ ]/ && !/^  pid=/ { error[open] = error[open] ":" $0; part = 0; next }
/^not ok |^# .*Expected .*\(.*\)/ { complain($0) }
END {
	for (i = 1; i <= n; i++)
		judge(ids[i])
	for (i = 1; i <= strangers; i++)
		tell(0, stranger[i] ": built, but the table has no line for it")
	for (i = 1; i <= wrongs; i++)
		tell(0, "the table, line " wrong[i] ": no such result, or no reason")
	if (status != 0) {
		tell(0, "the machine ended with status " status)
		printf "%s", rest
	}
	printf "1..%d\n", told
	exit bad
}
