#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit tests on UML and tells how much of misc.c they reach.
#
#   rig/test-quality/coverage.sh BASE

. "$(dirname "$0")/../lib.sh"

[ $# = 1 ] || die "usage: rig/test-quality/coverage.sh BASE"

"$rig/tests/kunit.sh" "$1" uml-coverage
cd "$top"
/usr/bin/python3 -B "$rig/test-quality/coverage.py" kernel/cgroup/misc.c rig/test-quality/coverage.accepted <"$build/$1/coverage.json"
