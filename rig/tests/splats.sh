#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Checks a kernel log for splats: warnings, bugs and other reports that no run may cause.
#
#   rig/tests/splats.sh LOGFILE
#
# Prints each splat and exits 1, or prints nothing and exits 0. A test announces a warning that it causes on purpose by
# a line that ends in "expect WARNING: WHERE": then a WARNING from WHERE, a function or a source file, must follow.
#
# The number of leaks that kmemleak logs is not a splat: kmemleak scans only for in-machine/leaks, which fails if there
# is a leak.
#
# A data race is a splat if one of its stacks has a function of ours or of our tests, unless that function was only
# interrupted, or called printk(), kthread_stop() or what waits for a command in the PSP's driver, which is named sev_*()
# like KVM's functions: their data is not ours. All other data races are ignored, because the rest of the kernel has
# known ones.

set -euo pipefail
export LC_ALL=C

[ $# = 1 ] || { echo "usage: rig/tests/splats.sh LOGFILE" >&2; exit 2; }
[ -r "$1" ] || { echo "error: cannot read $1" >&2; exit 2; }

awk '
	function bad(line) { print line; failed = 1 }
	function missing() {
		if (expected != "")
			bad("the announced WARNING from " expected " is missing")
		expected = ""
	}
	{ sub(/\r$/, "") }
	/Linux version / { booted = 1 }
	/expect WARNING: [A-Za-z0-9_.\/]+$/ {
		missing()
		expected = $NF
		next
	}
	/BUG: KCSAN: / {
		race = $0
		next
	}
	race != "" && / (read|write).* to 0x/ { elsewhere = 0 }
	race != "" && / (asm_(sysvec_|common_interrupt)|_printk\+0x|kthread_stop\+0x|sev_irq_handler\+0x|sev_wait_cmd_ioc\+0x|__sev_do_cmd_locked\+0x)/ { elsewhere = 1 }
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
	/list_(add|del) corruption|refcount_t: |unreferenced object/ ||
	/unable to handle|Segfault with no mm|Kernel mode (fault|signal)/ { bad($0) }
	# The dropped messages may contain splats.
	/^\*\* [0-9]+ printk messages dropped \*\*/ { bad($0) }
	END {
		missing()
		if (!booted)
			bad("this is not a kernel log")
		if (failed)
			print "error: splats in " FILENAME > "/dev/stderr"
		exit failed
	}
' "$1"
