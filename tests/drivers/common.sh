# shellcheck shell=sh
# For the tests in this folder: each finds its driver, or says that it is not
# there, and runs its program on the stage. To be sourced in the build
# directory.

# Used by who sources this.
# shellcheck disable=SC2034
here=$(cd "${srcdir:-.}/tests/drivers" && pwd)

# Tests of cancel requests run it first.
AWAIT_SLEEPER=$here/await_sleeper
export AWAIT_SLEEPER

skip()
{
	echo "skipped: $*"
	exit 77
}

# A Python that has this module; Debian's own comes first.
find_python()
{
	for python in /usr/bin/python3 python3; do
		if "$python" -c "import $1" 2>/dev/null; then
			echo "$python"
			return 0
		fi
	done
	return 1
}

# Modules of Node.js are looked for where NODE_PATH says, where Debian has them,
# and in what `npm install pg postgres` has made in the build directory.
find_node_module()
{
	command -v node >/dev/null || skip "no node"
	NODE_PATH=${NODE_PATH:+$NODE_PATH:}$PWD/node_modules
	NODE_PATH=$NODE_PATH:/usr/share/nodejs:/usr/lib/nodejs
	export NODE_PATH
	node -e "require('$1')" 2>/dev/null || skip "no node with $1"
}

on_stage()
{
	exec tests/drivers/stage "$@"
}
