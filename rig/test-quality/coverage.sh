#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit tests on UML and tells how much of the controller they reach.
#
#   rig/test-quality/coverage.sh BASE

. "$(dirname "$0")/../lib.sh"

[ $# = 1 ] || die "usage: rig/test-quality/coverage.sh BASE"

"$rig/tests/kunit.sh" "$1" uml-coverage
cd "$top"
/usr/bin/python3 -B "$rig/test-quality/coverage.py" rig/test-quality/coverage.accepted \
	kernel/cgroup/misc{,-credit}.c kernel/cgroup/misc-internal.h <"$build/$1/coverage.json"
