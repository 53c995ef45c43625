#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Counts the results of a run: kunit.py's parser reads those of the tests, splats.sh checks the kernel's log. All splats
# together count as one failure.
#
#   rig/tests/verdict.sh BASE KTAP_FILE KERNEL_LOG

. "$(dirname "$0")/../kernel/tree.sh"

[ $# = 3 ] || die "usage: rig/tests/verdict.sh BASE KTAP_FILE KERNEL_LOG"
base=$1 ktap=$2 log=$3
check_base "$base"
passed=0 failed=0 skipped=0

summary=$(/usr/bin/python3 -B "$home/source/tools/testing/kunit/kunit.py" \
	parse "$ktap") || true
grep -E '\[(FAILED|CRASHED|SKIPPED|ERROR)\]|^.{11}ERROR' <<<"$summary" || true
numbers=$(sed -n 's/.*Ran [0-9]* tests: //p' <<<"$summary")
[ -n "$numbers" ] || die "$ktap: there are no test results"
IFS=', ' read -ra words <<<"$numbers"
for ((i = 0; i < ${#words[@]}; i += 2)); do
	case ${words[i]} in
	passed:) passed=${words[i + 1]} ;;
	skipped:) skipped=${words[i + 1]} ;;
	*) failed=$((failed + words[i + 1])) ;;
	esac
done
# The parser does not count a program that failed although its subtests passed.
programs=$(grep -c '^not ok ' "$ktap" || true)
[ "$failed" -ge "$programs" ] || failed=$programs
"$rig/tests/splats.sh" "$log" || failed=$((failed + 1))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
