#!/bin/sh
# psql: what people and scripts do with it. Answers are the same as from
# PostgreSQL itself, byte for byte.
set -eu

cd "$STAGE_SCRATCH"
failed=0
client='psql -X -v ON_ERROR_STOP=0'

# same SENTENCE: the standard input is what both are told.
same()
{
	cat >script.sql
	# The words of $client are words.
	# shellcheck disable=SC2086
	PGPORT=$DIRECT_PORT PGDATABASE=postgres $client -f script.sql >direct 2>&1 || :
	# shellcheck disable=SC2086
	$client -d "${database:-$PGDATABASE}" -f script.sql >pooled 2>&1 || :
	if diff direct pooled && [ -s pooled ]; then
		echo "ok: $1"
	else
		echo "FAILED: $1"
		failed=1
	fi
}

same "types and values look the same" <<'END'
select 1, 'naïve Ж中文 🐘', null, array[1, null], '{"a": [1]}'::jsonb;
select date '1999-12-31', timestamptz '2020-02-29 12:00:00+00', '\x00ff'::bytea;
\x
select 1.50 as number, true as truth;
\gset p_
\echo :p_number :p_truth
END

same "errors have the same texts and places" <<'END'
select 1 / 0;
select no_such_column from pg_class;
\errverbose
selct 1;
begin;
select 1 / 0;
select 1;
rollback;
select 'after';
END

same "a transaction goes on behind a savepoint" <<'END'
begin;
create temporary table t (a int unique) on commit drop;
insert into t values (1);
savepoint s;
insert into t values (1);
rollback to savepoint s;
select count(*) from t;
commit;
END

same "several statements in one string are one transaction" <<'END'
select 1 \; select 2 \; select 3;
select 1 \; select 1 / 0 \; select 3;
END

same "parameters are bound" <<'END'
select $1::int + $2::int \bind 3 4 \g
\set name o'clock
select :'name', :"name" from (select 1) as t("o'clock");
END

same "what is described is described" <<'END'
create table if not exists psql_t (id int primary key, b text default 'x');
\d psql_t
\dt psql_t
\gdesc
select 1 as a, 'x'::text as b \gdesc
drop table psql_t;
END

seq 1 20000 | sed 's/$/\tпример/' >rows
same "copy goes in and comes out" <<'END'
begin;
create temporary table t (a int, b text) on commit drop;
\copy t from 'rows'
select count(*), sum(a) from t;
\copy (select * from t order by a limit 3) to stdout with csv header
copy t from stdin;
1	one
2	two
\.
select count(*) from t;
copy t from stdin;
no number	x
\.
rollback;
END

same "a cursor fetches in parts" <<'END'
\set FETCH_COUNT 100
select sum(g) from generate_series(1, 1000) g;
select g from generate_series(1, 250) g;
begin;
declare c cursor for select generate_series(1, 10);
fetch 3 from c;
move 2 in c;
fetch all from c;
commit;
END

same "a result of many rows comes whole" <<'END'
select g, md5(g::text) from generate_series(1, 50000) g;
END

database=$SESSION_DATABASE
same "session state stays in session mode" <<'END'
prepare twice as select $1 * 2;
create temporary table kept as select 7 as seven;
set search_path = pg_catalog;
listen shop_news;
execute twice(21);
select * from kept;
show search_path;
select pg_advisory_lock(5), pg_advisory_unlock(5);
END
database=

# Of notifications psql tells the process: not the same number.
printf '%s\n' 'listen shop_news;' \
    "select pg_notify('shop_news', 'open');" 'select 1;' |
    psql -X -d "$SESSION_DATABASE" >heard 2>&1
if grep -q 'notification "shop_news" with payload "open"' heard; then
	echo "ok: notifications come in session mode"
else
	echo "FAILED: notifications come in session mode"
	cat heard
	failed=1
fi

# Ctrl-C sends a cancel request.
psql -X -c "select pg_sleep(60)" >cancelled 2>&1 &
pid=$!
"$AWAIT_SLEEPER" || :
kill -INT "$pid"
wait "$pid" || :
if grep -q 'canceling statement due to user request' cancelled; then
	echo "ok: a query is cancelled"
else
	echo "FAILED: a query is cancelled"
	cat cancelled
	failed=1
fi

echo restart >"$STAGE_ORDERS"
read -r _ <"$STAGE_ANSWERS"
if [ "$(psql -XAtc 'select 2' 2>&1)" = 2 ]; then
	echo "ok: after a restart a new connection works"
else
	echo "FAILED: after a restart a new connection works"
	failed=1
fi

exit "$failed"
