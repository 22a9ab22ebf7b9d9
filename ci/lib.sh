# What the scripts in ci/ share; sourced by them after `cd` to the top of the sources.

LC_ALL=C.UTF-8
export LC_ALL

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sluice
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
results=build/results

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

step() {
	printf '\n== %s\n' "$*"
}

# tree NAME [CONFIGURE-OPTION...]: configures build/NAME, if that was not done with these options, and builds it; a debug tree
# with its unit tests.
tree() {
	tree_name=$1
	shift
	if ! grep -qx "CONFIGURE_ARGS = --build=build/$tree_name${*:+ }$*" "build/$tree_name/config.mk" 2>/dev/null; then
		./configure --build="build/$tree_name" "$@" || return 1
	fi
	case " $* " in *' --debug '*) tree_goals='all unit examples' ;; *) tree_goals=all ;; esac
	make -s -j"$jobs" B="build/$tree_name" WERROR="${WERROR:-}" $tree_goals
}

# count NAME PASSED FAILED: notes a result for summary.
count() {
	mkdir -p build
	echo "$2 $3 $1" >>"$results"
	echo "$1: $2 passed, $3 failed"
}

# counted NAME COMMAND...: a command that is one test.
counted() {
	counted_name=$1
	shift
	if "$@"; then count "$counted_name" 1 0; else count "$counted_name" 0 1; fi
}

# need NAME COMMAND...: a command without which nothing that follows makes sense.
need() {
	need_name=$1
	shift
	"$@" && return
	count "$need_name" 0 1
	exit 1
}

# Prints the sum of all counts as the last line; status 0 if something passed and nothing failed.
summary() {
	awk '{ passed += $1; failed += $2 }
	END { printf "%d passed, %d failed\n", passed, failed; exit !(passed > 0 && failed == 0) }' "$results"
}

# Starts counting anew, unless a caller's count goes on.
start_counting() {
	[ -n "${COUNTING:-}" ] && return
	COUNTING=1
	export COUNTING
	mkdir -p build
	: >"$results"
	trap 'status=$?; trap - EXIT; echo; summary || status=1; exit $status' EXIT
}
