# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Scenarios: variants of the test machine, one file each in tests/scenarios. Each line has a key and its value:
#
#   cpu PROPERTIES    CPU properties; they override those of boot.sh
#   psp PROPERTIES    PSP properties, see machine/qemu/psp.c
#   kernel WORDS      added to the kernel's command line
#   bases BASES       bases that have the scenario (default: all)
#   tests TESTS       arguments of tests/in-machine/selftests
#   skips REASONS     extended regular expression: a subtest that is skipped for one of these reasons does not apply
#   quick             the scenario runs in every "make test"; the others only with ALL=1

. "$(dirname "${BASH_SOURCE[0]}")/../kernel/tree.sh"

# load_scenario NAME BASE: sets scenario[KEY], and machine_options for boot.sh; fails if BASE lacks the scenario.
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
