# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # Used by who sources this.
#
# Shared by the scripts: where things are kept, how a step reports itself,
# and how it fails. Sourced, never run.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=$(realpath -m "${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tcp-migrate}")
JOBS=${JOBS:-$(nproc)}
export CACHE

# The point a step has reached, for die() and for whoever reads the terminal.
STEP=${0##*/}

say() {
	erase
	printf '%s: %s\n' "$STEP" "$*" >&2
}

# Whether standard error is a terminal on which a line can be drawn over again.
terminal() {
	[ -t 2 ] && [ "${TERM:-dumb}" != dumb ]
}

# The line that watch() has left there, which may be another script's.
erase() {
	! terminal || printf '\r\033[K' >&2
}

die() {
	say "error: $*"
	exit 1
}

# need TOOL[=PACKAGE]...: has apt install those tools that aren't there. Who isn't
# root is told how to, in one line.
need() {
	local tool absent=()

	for tool; do
		command -v "${tool%=*}" >/dev/null || absent+=("${tool#*=}")
	done
	[ ${#absent[@]} -gt 0 ] || return 0

	command -v apt-get >/dev/null ||
		die "this host has no apt; Debian 12 or 13 is needed (also in a container)"
	[ "$(id -u)" = 0 ] ||
		die "something is missing: sudo apt-get install --no-install-recommends ${absent[*]}"
	(
		locked packages
		say "installing ${absent[*]}"
		logged packages install "${absent[@]}"
	)
}

install() {
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# room DIR MIB: fails with one line when DIR's file system has less left.
room() {
	mkdir -p "$1" 2>/dev/null || die "cannot create $1"
	[ -w "$1" ] || die "$1 is not writable"
	[ "$(left "$1")" -ge "$2" ] ||
		die "$1 has $(left "$1") MiB left, $2 MiB are needed (CACHE= moves it)"
}

# left DIR: how many MiB DIR's file system has left.
left() {
	df --output=avail -BM "$1" | tail -n 1 | tr -dc 0-9
}

# logged [--watch FUNCTION] NAME COMMAND...: runs COMMAND with its output in
# log/NAME.log. When it fails, the last lines of the log are shown and the step ends.
# FUNCTION, which is given the log, leaves in REPLY how far COMMAND is.
logged() {
	local log status function='' watcher=

	if [ "$1" = --watch ]; then
		function=$2
		shift 2
	fi
	log=$CACHE/log/$1.log
	shift
	mkdir -p "$CACHE/log"
	if [ -n "$function" ]; then
		: >"$log"
		watch "$function" "$log" {LOCK}>&- >/dev/null &
		watcher=$!
	fi
	# Not as a condition, in which a function would go on after a failure.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [ -n "$watcher" ]; then
		kill "$watcher" 2>/dev/null || :
		wait "$watcher" 2>/dev/null || :
		erase
	fi
	if [ $status -ne 0 ]; then
		tail -n 15 "$log" >&2
		# On a full disk, the log may lack that line.
		if grep -q 'No space left on device' "$log" || [ "$(left "$CACHE")" -lt 16 ]; then
			die "the disk is full; the whole log is $log"
		fi
		die "failed; the whole log is $log"
	fi
}

# watch FUNCTION LOG: shows what FUNCTION leaves in REPLY, until this script ends: on a
# terminal in one line, and in a line now and then where that would go to a log, or
# come from the background and cross what others show.
watch() {
	local interval=30

	if terminal && awk '{ exit $5 != $8 }' "/proc/$$/stat"; then
		interval=1
	fi
	while sleep $interval 2>/dev/null && kill -0 $$ 2>/dev/null; do
		REPLY=
		"$1" "$2"
		[ -n "$REPLY" ] || continue
		if [ $interval -eq 1 ]; then
			erase
			printf '%s: %s' "$STEP" "$REPLY" >&2
		else
			say "$REPLY"
		fi
	done
}

# locked NAME: holds a lock until the script ends, so that two runs don't build
# the same thing at the same time.
locked() {
	mkdir -p "$CACHE" || die "cannot create $CACHE"
	exec {LOCK}>"$CACHE/.$1.lock"
	if ! flock -n "$LOCK"; then
		say "waiting for another run that builds $1"
		flock "$LOCK"
	fi
}

# digest [FILE...]: a short key of what the files (or standard input) hold.
digest() {
	cat -- "$@" | sha256sum | cut -c1-12
}

# module_sources: the files that the module is made of, with a zero byte after each; not
# what "make modules" has left beside them.
module_sources() {
	(
		cd "$TOP"
		find Kbuild Kconfig rust -type f ! -name '*_generated.rs' \
			\( -name 'K*' -o -name '*.rs' -o -name '*.[ch]' \) -print0 | sort -z
	)
}

# module_digest: a short key of what they hold.
module_digest() {
	module_sources | (cd "$TOP" && xargs -0 sha256sum) | digest -
}

# root_needs FILE PACKAGE...: has the root's apt install what few commands need, unless
# FILE is there.
root_needs() {
	(
		locked root-packages
		# shellcheck disable=SC2016 # The other bash's variables.
		logged root-packages "$TOP/scripts/sandbox" bash -ec '
			[ ! -e "$1" ] || exit 0
			apt-get update
			apt-get install -y --no-install-recommends "${@:2}"' root_needs "$@"
	)
}

# splats LOG: shows those of a kernel log, if there are any.
splats() {
	local splat='WARNING:|BUG:|Oops|KASAN|UBSAN|ODEBUG|general protection fault'

	splat+='|Call [Tt]race:|RIP:|INFO: |suspicious RCU|refcount_t:|soft lockup'
	splat+='|detected stall|self-detected stall|unreferenced object|leaked'
	splat+='|kmemleak: .* suspected|detector disabled|Out of memory'
	# When a cgroup's limit has a process killed, the kernel shows a stack, too. A test
	# does that.
	sed -E '/ invoked oom-killer: /,/ oom-kill:constraint=/{/Call [Tt]race:|RIP:/d}' "$1" |
		grep -E -m 5 -B 2 -A 40 "$splat" >&2
}

# ktap LOG: how many results in the KTAP of LOG, that aren't a summary of others, are
# passed, failed and skipped.
ktap() {
	local result

	for result in '^ok [0-9]+ [^#]*$' '^not ok ' '^ok .*# SKIP'; do
		grep -cE "$result" "$1" || :
	done | xargs
}

# ksrc_files: mode, size, age and name of each file of KSRC's tree that is source, with
# a zero byte after each: all that git knows or sees, or else all that isn't obviously
# from a build.
ksrc_files() {
	(
		cd "$KSRC"
		if [ -e .git ]; then
			git -c safe.directory='*' ls-files -z --cached --others --exclude-standard
		else
			find . ! -type d ! -name '*.[ao]' ! -name '*.ko' ! -name '.*.cmd' \
				! -path './vmlinux*' ! -path './.tmp_*' -printf '%P\0'
		fi |
			# Not those that were removed.
			{ xargs -0 stat --printf '%f %s %y\t%n\0' -- 2>/dev/null || :; } |
			LC_ALL=C sort -zu
	)
}

# KSRC's tree may be edited at any time. A command and all that it starts are about what
# it holds when the command begins.
if [ -n "${KSRC:-}" ] && [ -z "${KSRC_STATE:-}" ]; then
	if [ ! -f "$KSRC/Kbuild" ] || [ ! -f "$KSRC/net/ipv4/tcp.c" ]; then
		die "KSRC=$KSRC is no kernel source tree"
	fi
	KSRC=$(realpath "$KSRC")
	KSRC_TREE=$(digest - <<<"$KSRC")
	KSRC_STATE=$(ksrc_files | digest -)
	export KSRC KSRC_TREE KSRC_STATE
fi
