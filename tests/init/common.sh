# shellcheck shell=sh
# For the tests in this folder: a private place for the daemon, and an end of
# it whatever happens. To be sourced in the build directory.

build=$(pwd)
source_dir=$(cd "${srcdir:-.}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/pgusher-init-XXXXXX")
chmod 755 "$work"
pidfile=$work/run/pgusher.pid

fail()
{
	echo "FAILED: $*"
	for log in "$work"/log/*; do
		[ ! -f "$log" ] || cat "$log"
	done
	exit 1
}

skip()
{
	echo "skipped: $*"
	exit 77
}

clean_up()
{
	status=$?
	trap - EXIT
	if [ -s "$pidfile" ] && read -r pid <"$pidfile" &&
	    [ "$(readlink "/proc/$pid/exe")" = "$work/sbin/pgusher" ]; then
		kill -QUIT "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	fi
	rm -rf "$work"
	exit "$status"
}
trap clean_up EXIT

# Somebody who is not root.
user=$(id -un)
[ "$user" != root ] || user=nobody

mkdir "$work/sbin" "$work/run" "$work/log" "$work/etc" \
    "$work/etc/pgusher" "$work/etc/default"
cp "$build/pgusher" "$work/sbin/pgusher"
[ "$user" = "$(id -un)" ] || chown "$user" "$work/run" "$work/log"
cat >"$work/etc/pgusher/pgusher.ini" <<EOF
[databases]
shop = host=127.0.0.1
[pgbouncer]
unix_socket_dir = $work/run
listen_port = 6432
pidfile = $pidfile
logfile = $work/log/pgusher.log
auth_type = trust
workers = 2
stats_period = 1
EOF
echo "RUN_AS=$user" >"$work/etc/default/pgusher"

# A file of contrib/init as it would be installed below $work.
install_file()
{
	sed -e "s|@sbindir@|$work/sbin|g" -e "s|@sysconfdir@|$work/etc|g" \
	    -e "s|/run/pgusher|$work/run|g" -e "s|/var/log/pgusher|$work/log|g" \
	    "$source_dir/contrib/init/$1" >"$2"
}

await()
{
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "never came true: $*"
		sleep 0.1
	done
}
