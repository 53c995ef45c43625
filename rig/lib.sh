# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common code of the scripts that run on the host: paths, errors, Debian packages, locks between runs, steps with a log
# and progress.

set -euo pipefail
export LC_ALL=C
# Ignore make and kernel-build variables from the caller's environment.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH CROSS_COMPILE KBUILD_OUTPUT O CFLAGS LDFLAGS KCFLAGS
# A hook of git sets these: git would write into the caller's repository.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_PREFIX

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this file
rig=$top/rig
build=$top/build
cache=${XDG_CACHE_HOME:-$HOME/.cache}/misc-cgroup
mkdir -p "$build" "$cache" || exit 1

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# as_root WHAT LOG COMMAND...: runs a step as root, with sudo if necessary.
as_root() {
	local what=$1 log=$2 sudo=
	shift 2
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		# The user enters a password here, as the step runs in the background.
		sudo -v || die "need root or sudo to $what"
	fi
	step "$what" "$log" $sudo "$@"
}

# Reads Debian's package lists. Without Error-Mode=any, apt-get update only warns if a repository does not answer, which
# may be an unrelated one.
update_lists() {
	as_root "read Debian's package lists" apt-update apt-get update
}

# Prints the URI of the Debian mirror that this host uses, for any suite.
mirror() {
	[ -n "$(mirrors)" ] || update_lists >&2
	mirrors | head -n 1
}

mirrors() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u
}

# need NAME...: installs the Debian packages that are missing.
need() {
	local missing=() p
	for p; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) = installed* ]] ||
			missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	exclusive apt-install
	update_lists
	as_root "install ${missing[*]}" apt-install env DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=600 install -y --no-remove --no-install-recommends "${missing[@]}"
	release apt-install
}

# exclusive NAME, release NAME: take and drop the lock NAME, which only one run can hold. A lock ends at the latest with
# this process and its steps.
declare -A lock_fd
exclusive() {
	local fd
	mkdir -p "$cache/lock"
	exec {fd}>"$cache/lock/$1"
	until flock -n "$fd" || flock -w 60 "$fd"; do
		echo "waiting for another run that holds the lock $1 ..."
	done
	lock_fd[$1]=$fd
}

release() {
	local fd=${lock_fd[$1]}
	# Unlock explicitly: processes that were started meanwhile inherited the file.
	flock -u "$fd"
	exec {fd}>&-
	unset "lock_fd[$1]"
}

# last_line LOG: the log's last line that is not blank.
last_line() {
	tail -c 2000 "$1" | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1
}

progress() {
	[ -z "${lines-}" ] || printf '[%d of up to %d] ' "$(wc -l <"$1")" "$lines"
	last_line "$1"
}

# as_printed: copies a kernel log from standard input, each message once. On newer kernels a WARNING takes over the
# serial console: the message that was being written is cut off, possibly at its very end, and printed again.
as_printed() {
	tr -d '\r' | awk '
		$0 == "** replaying previous printk message **" { again = 1; next }
		NR > 1 && !(again && index($0, held) == 1) { print held }
		{ held = $0; again = 0 }
		END { if (NR) print held }'
}

# step WHAT LOG COMMAND...: runs COMMAND with its output in build/log/LOG.log. Shows the log's last line as progress:
# on a terminal every second, otherwise every minute. If COMMAND fails, prints the log's end and exits. Where the variable
# "lines" is set, to the number of lines of the log if all is done, the progress includes the number of lines so far.
step() {
	local what=$1 log=$build/log/$2.log start=$SECONDS pid rc=0 said=$SECONDS
	local logs=("$log")
	# apt reports a missing network when it reads the package lists, not when a package is missing from them.
	[[ $2 != apt-* && $2 != fetch-* ]] || logs+=("$build/log/apt-update.log")
	shift 2
	mkdir -p "$build/log"
	echo "$what ... (log: ${log#"$PWD"/})"
	# Run COMMAND in its own process group, so that an interrupt ends all of it. It inherits the locks: if this
	# script is killed, they are held until COMMAND ends.
	set -m
	("$@") </dev/null >"$log" 2>&1 &
	pid=$!
	set +m
	trap 'kill -- "-$pid" 2>/dev/null || true
		wait "$pid" || true
		echo "error: $what: interrupted; see $log" >&2
		trap - INT TERM HUP
		kill -INT $$' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if [ -t 1 ] && [ $((SECONDS - said)) -ge 1 ]; then
			said=$SECONDS
			printf '\r\033[K  %ds %.70s' $((SECONDS - start)) "$(progress "$log")"
		elif [ ! -t 1 ] && [ $((SECONDS - said)) -ge 60 ]; then
			said=$SECONDS
			printf '  %ds %.90s\n' $((SECONDS - start)) "$(progress "$log")"
		fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	[ -t 1 ] && printf '\r\033[K'
	[ "$rc" = 0 ] && return 0
	tail -n 15 "$log" >&2
	if grep -q 'No space left on device' "$log"; then
		die "$what: the disk is full; $cache needs about 6 GB, see $log"
	elif grep -qE 'Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Connection (failed|refused|timed out)|Network is unreachable' "${logs[@]}" 2>/dev/null; then
		die "$what: no network, the Debian mirror cannot be reached; see $log"
	fi
	die "$what: failed (exit status $rc), see $log"
}

# Whether this host can run 32-bit programs, for example 32-bit UML.
runs_i386() {
	need libc6-i386
	/lib/ld-linux.so.2 --version >/dev/null 2>&1 && return
	echo "this host cannot run 32-bit programs: no tests on 32-bit UML"
	return 1
}

# room_for GB: exits if the cache's disk has less free space than that.
room_for() {
	local free
	free=$(df --output=avail -B 1G "$cache" | tail -n 1 | tr -d " ")
	[ "$free" -ge "$1" ] || die "$cache has ${free} GB free, this needs about $1 GB"
}

# hash_of PATH...: a hash of the files and folders: of content, names, targets of links, and what can be executed.
hash_of() {
	tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=a+rX,go-w -c -- "$@" |
		sha256sum | cut -c 1-12
}
