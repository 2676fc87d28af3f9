#!/bin/sh
# pg_dump, pg_restore and the like through the pooler: in session mode, as one
# should use them, and in transaction mode those that live with it.
#
# The databases tools, copy_1, copy_2 are reached in session mode; the pool of
# `shop` leads to another one.
# The functions are called by test_that.
# shellcheck disable=SC2317
set -eu

cd "$STAGE_SCRATCH"
export PGOPTIONS=
failed=0

directly()
{
	PGPORT=$DIRECT_PORT PGUSER=postgres "$@"
}

test_that()
{
	sentence=$1
	shift
	if "$@" >output 2>&1; then
		echo "ok: $sentence"
	else
		echo "FAILED: $sentence"
		cat output
		failed=1
	fi
}

fill()
{
	directly psql -X -q -v ON_ERROR_STOP=1 -d "$1" <<'END'
create schema stock authorization scram_user;
set role scram_user;
create type stock.mood as enum ('good', 'bad');
create table stock.part (id serial primary key, name text not null,
    mood stock.mood default 'good', tags text[], picture bytea);
create index on stock.part using gin (tags);
create view stock.good as select * from stock.part where mood = 'good';
create function stock.count_parts() returns bigint language sql
    as 'select count(*) from stock.part';
insert into stock.part (name, mood, tags, picture)
    select 'part Ж' || g, case when g % 3 = 0 then 'bad' else 'good' end::stock.mood,
    array['a' || g % 7, 'b"\'], decode(md5(g::text), 'hex')
    from generate_series(1, 20000) g;
create table stock.orders (id bigint primary key, part int references stock.part);
insert into stock.orders select g, g from generate_series(1, 20000) g;
END
}

# What a dump of it looks like must be the same; a dump's own marks are not.
dump_of()
{
	pg_dump -d "$1" --no-owner -n stock | grep -v '^\\\(un\)\{0,1\}restrict'
}

same_dump()
{
	PGPORT=$DIRECT_PORT PGUSER=postgres dump_of "$1" >"$1.direct"
	dump_of "$2" >"$1.pooled"
	[ -s "$1.direct" ] && cmp "$1.direct" "$1.pooled"
}

dump_and_restore()
{
	pg_dump -d tools -n stock -F d -j 3 -f dumped &&
	    createdb copy_1 && pg_restore -d copy_1 -j 3 dumped &&
	    same_dump copy_1 tools
}

restore_of_one_stream()
{
	createdb copy_2 &&
	    pg_dump -d tools -n stock -F c | pg_restore -d copy_2 --no-owner \
	    --single-transaction && same_dump copy_2 tools
}

# They have work to do, and have done it: PostgreSQL counts.
maintenance()
{
	vacuumdb -d tools -z -j 2 -t stock.part -t stock.orders &&
	    reindexdb -d tools -t stock.part &&
	    [ "$(directly psql -XAtc "select count(*) from
		pg_stat_all_tables where schemaname = 'stock' and
		vacuum_count > 0 and analyze_count > 0" tools)" = 2 ]
}

ready()
{
	pg_isready -d tools && ! pg_isready -p 1 -t 1
}

drop()
{
	psql -X -d "$PGDATABASE" -c 'select 1' && dropdb copy_2 &&
	    [ "$(directly psql -XAtc "select count(*) from pg_database
		where datname = 'copy_2'" postgres)" = 0 ]
}

directly psql -X -q -d postgres -c "alter role $PGUSER createdb"
directly createdb -O "$PGUSER" tools
fill tools
fill postgres

test_that "it is ready" ready
test_that "a dump is the same as from PostgreSQL" same_dump tools tools
test_that "a dump in transaction mode, too" same_dump postgres shop
test_that "parallel dump and restore" dump_and_restore
test_that "restore of a stream in one transaction" restore_of_one_stream
test_that "vacuumdb and reindexdb" maintenance

# While the pooler has a connection to it, it cannot be dropped.
psql -X -q "host=$PGHOST port=$PGPORT user=admin password=admin_secret \
    dbname=pgbouncer" -c 'KILL copy_2' >output 2>&1 || :
test_that "a database is dropped" drop

exit "$failed"
