# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Scenarios: machines of other kinds, each a file in tests/scenarios. Lines of a key and its value:
#
#   cpu PROPERTIES    of the CPUs, which win over boot.sh's
#   psp PROPERTIES    of the PSP, see machine/qemu/psp.c
#   kernel WORDS      more for the kernel's command line
#   bases BASES       where it makes sense; without this, everywhere
#   tests TESTS       what tests/guest/selftests runs
#   skips REASONS     an extended regular expression: subtests that are skipped for these do not apply
#   quick             runs in every "make test"; the others with ALL=1

. "$(dirname "${BASH_SOURCE[0]}")/../kernel/tree.sh"

# load_scenario NAME BASE: sets scenario[KEY], and machine_options for boot.sh; fails where it is not for BASE.
load_scenario() {
	local file=$rig/tests/scenarios/$1 key value
	[ -f "$file" ] || die "rig/tests/scenarios/$1: no such scenario"
	declare -gA scenario=([skips]='^$')
	machine_options=()
	while read -r key value; do
		case $key in
		'' | '#'*) ;;
		cpu | psp) machine_options+=("--$key" "$value") ;;
		kernel) machine_options+=(--append "$value") ;;
		bases | tests | skips) scenario[$key]=$value ;;
		quick) scenario[quick]=y ;;
		*) die "$file: $key: unknown key" ;;
		esac
	done <"$file"
	[[ " ${scenario[bases]:-$2} " = *" $2 "* ]]
}
