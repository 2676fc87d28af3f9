# Shell functions that quickstart, selftest and .ci/run share; sourced, with
# `top` set to the top of the source tree.
#
# What they promise: nothing outside the temporary directory is changed but
# for Debian packages that are missing, and those only with apt-get; no
# service of the system is started.
# shellcheck shell=sh disable=SC2034,SC2154	# names shared with the caller

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

package_is_there()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
	    installed ]
}

# The server package makes and starts a cluster when it is installed for the
# first time, and others start a service, unless these files say no. Gone again
# right after; a policy that is there already stays.
no_cluster=/etc/postgresql-common/createcluster.d/zz-pgusher.conf
no_service=/usr/sbin/policy-rc.d

forbid_system_cluster()
{
	as_root mkdir -p "${no_cluster%/*}"
	echo 'create_main_cluster = false' |
	    as_root tee "$no_cluster" >/dev/null
	[ ! -e "$no_service" ] || return 0
	printf '#!/bin/sh\n# pgusher installs packages for its tests.\nexit 101\n' |
	    as_root tee "$no_service" >/dev/null
	as_root chmod 755 "$no_service"
}

allow_system_cluster()
{
	[ ! -e "$no_cluster" ] || as_root rm -f "$no_cluster"
	! grep -qs 'pgusher installs' "$no_service" ||
	    as_root rm -f "$no_service"
}

# install_packages PACKAGE...: those that are missing, with apt-get.
install_packages()
{
	missing=
	for package; do
		package_is_there "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0

	command -v apt-get >/dev/null ||
	    die "no apt-get here; please install yourself:$missing"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
	    die "neither root nor sudo; please install as root:$missing"
	say "Installing$missing"
	# The list is words without blanks.
	# shellcheck disable=SC2086
	{
		forbid_system_cluster &&
		as_root apt-get -qq update &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		    -o DPkg::Lock::Timeout=120 install \
		    --no-install-recommends $missing
	} </dev/null >"$work/apt.log" 2>&1 || {
		allow_system_cluster
		tail -n 20 "$work/apt.log" >&2
		die "could not install$missing"
	}
	allow_system_cluster
}

# What ./configure and make need.
build_packages='gcc make autoconf automake pkg-config xz-utils libc6-dev
    libssl-dev libpq-dev libiniparser-dev libsqlite3-dev uthash-dev libsystemd-dev
    libpam0g-dev libldap-dev libmicrohttpd-dev
    libseccomp-dev'

# Compilers have work to do; most of the tests wait most of the time.
build_jobs=$(getconf _NPROCESSORS_ONLN)
[ "$build_jobs" -le 8 ] || build_jobs=8
test_jobs=$((3 * build_jobs))

# A directory of our own that the user postgres can enter as well.
make_work_directory()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/pgusher-${0##*/}.XXXXXX")
	chmod 755 "$work"
}

# copy_tree DIRECTORY: the sources as they are now, without what is built.
# autogen.sh writes beside configure.ac, and the checkout is to stay clean.
copy_tree()
{
	mkdir "$1"
	if [ -e "$top/.git" ] && command -v git >/dev/null; then
		git -C "$top" -c safe.directory='*' ls-files -z \
		    --cached --others --exclude-standard
	else
		(cd "$top" && find . \( -name .git -o -name '.deps' -o \
		    -name autom4te.cache \) -prune -o -type f \
		    ! -name '*.[oa]' ! -name config.status \
		    ! -path ./Makefile ! -path ./build.h \
		    ! -path ./stamp-h1 -print0)
	fi >"$1.list"
	tar -C "$top" --null -T "$1.list" --ignore-failed-read -cf - \
	    2>/dev/null | tar -C "$1" -xof -
	rm "$1.list"
	[ -e "$1/configure.ac" ] || die "could not copy $top"
}

# run_logged LOG COMMAND...: quiet unless it fails.  With several jobs what is
# wrong may stand far above the end.
run_logged()
{
	log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null || {
		grep -E ' error: |\*\*\* |undefined reference' "$log" |
		    head -n 20 >&2
		tail -n 40 "$log" >&2
		say "This failed: $*" >&2
		return 1
	}
}

# Where the newest PostgreSQL server has its programs.
find_postgres()
{
	pg_bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null |
	    sort -t / -k 5 -n | tail -n 1)
	pg_bin=${pg_bin%/initdb}
	[ -n "$pg_bin" ] || die "no PostgreSQL server in /usr/lib/postgresql"
}

# find_free_port FIRST: the first TCP port of 127.0.0.1 from there on that
# nobody listens on. Perl is part of every Debian.
find_free_port()
{
	perl -MIO::Socket::INET -e '
		for my $port ($ARGV[0] .. $ARGV[0] + 999) {
			my $socket = IO::Socket::INET->new(Listen => 1,
			    LocalAddr => "127.0.0.1", LocalPort => $port);
			next unless $socket;
			print "$port\n";
			exit 0;
		}
		exit 1' "$1" || die "no free port from $1 on"
}

# end_process PID SECONDS: asks, waits, insists. The pid must be ours.
end_process()
{
	kill -INT "$1" 2>/dev/null || return 0
	tenths=$(($2 * 10))
	while [ "$tenths" -gt 0 ]; do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
		tenths=$((tenths - 1))
	done
	kill -QUIT "$1" 2>/dev/null || :
}
