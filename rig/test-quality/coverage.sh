#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit tests on UML and tells how much of misc.c they reach.
#
#   coverage.sh BASE

. "$(dirname "$0")/lib.sh"

[ $# = 1 ] || die "usage: coverage.sh BASE"

"$rig/kunit.sh" "$1" uml-coverage
cd "$top"
/usr/bin/python3 -B "$rig/coverage.py" kernel/cgroup/misc.c rig/coverage-unreached <"$build/$1/coverage.json"
