#!/bin/sh
# Each file of SQL here is told to PostgreSQL and to the pooler by psql, and
# both answers are compared. Those whose first line says `-- session` need a
# session of their own; the others are told in transaction mode as well.
# A file leaves nothing behind, so that who comes second finds the same.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$STAGE_SCRATCH"
failed=0

# PostgreSQL tells the process that notified: never the same number.
play()
{
	PGCLIENTENCODING=UTF8 psql -X -a -v ON_ERROR_STOP=0 -v VERBOSITY=verbose -f "$1" 2>&1 |
	    sed 's/process with PID [0-9]*/process with PID N/'
}

# compare FILE MODE DATABASE
compare()
{
	PGDATABASE=$3 play "$1" >pooled
	if diff direct pooled >difference && [ -s pooled ]; then
		echo "ok: ${1##*/} in $2 mode"
	else
		echo "FAILED: ${1##*/} in $2 mode"
		head -n 40 difference
		failed=1
	fi
}

for file in "$here"/*.sql; do
	PGPORT=$DIRECT_PORT PGDATABASE=postgres play "$file" >direct
	compare "$file" session "$SESSION_DATABASE"
	case $(head -n 1 "$file") in
	'-- session'*) ;;
	*) compare "$file" transaction "$PGDATABASE" ;;
	esac
done
exit "$failed"
