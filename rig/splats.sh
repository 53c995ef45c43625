#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Looks through a kernel log for what no run may cause.
#
#   splats.sh LOGFILE
#
# Prints each offending line and exits 1, or exits 0 silently. A test that provokes a warning on
# purpose announces it by a line that ends in "expect WARNING: WHERE": the next WARNING must then be from
# WHERE, a function or a source file, and must come; or in "allow WARNING: WHERE", if it need not come.
#
# A data race counts where a function of ours or of our tests is on one of the stacks, and neither just
# interrupted, nor printing, which it does from a buffer that is not its own, nor stopping a thread, which
# sets flags as it exits: the rest of the kernel has some that it lives with.

set -euo pipefail
export LC_ALL=C

[ $# = 1 ] || { echo "usage: splats.sh LOGFILE" >&2; exit 2; }
[ -r "$1" ] || { echo "error: cannot read $1" >&2; exit 2; }

awk '
	function bad(line) { print line; failed = 1 }
	function missing() {
		if (expected != "" && !allowed)
			bad("the announced WARNING from " expected " has not come")
		expected = ""
	}
	{ sub(/\r$/, "") }
	/Linux version / { booted = 1 }
	/(expect|allow) WARNING: [A-Za-z0-9_.\/]+$/ {
		missing()
		expected = $NF
		allowed = /allow WARNING: /
		next
	}
	/BUG: KCSAN: / {
		race = $0
		next
	}
	race != "" && / (read|write).* to 0x/ { elsewhere = 0 }
	race != "" && / (asm_(sysvec_|common_interrupt)|_printk\+0x|kthread_stop\+0x)/ { elsewhere = 1 }
	race != "" && !elsewhere && / ((misc_cg|(__)?sev)_[a-z0-9_.]*|css_misc|(get_current|put)_misc_cg|misc_kunit_thread|kunit_try_run_case)\+0x|\[test_misc_cg\]/ {
		bad(race)
		race = ""
	}
	race != "" && / =====/ { race = "" }
	/WARNING: / {
		if (expected != "" && match($0, "(^|[^A-Za-z0-9_.])" expected "[^A-Za-z0-9_]"))
			expected = ""
		else
			bad($0)
		next
	}
	/(^|[^A-Za-z])(BUG|INFO|UBSAN|KASAN|KFENCE|ODEBUG): / ||
	/(^|[^A-Za-z_])BUG [^ ]+ \((Not t|T)ainted/ ||
	/possible .* detected|kernel BUG at|Kernel panic|general protection fault|Oops[: ]/ ||
	/detected stall|soft lockup|hard LOCKUP|nobody cared/ ||
	/list_(add|del) corruption|refcount_t: |unreferenced object|kmemleak: [0-9]+ new/ ||
	/unable to handle|Segfault with no mm|Kernel mode (fault|signal)/ { bad($0) }
	# Nobody knows what was in it.
	/^\*\* [0-9]+ printk messages dropped \*\*/ { bad($0) }
	END {
		missing()
		if (!booted)
			bad("this is not the log of a kernel")
		if (failed)
			print "error: splats in " FILENAME > "/dev/stderr"
		exit failed
	}
' "$1"
