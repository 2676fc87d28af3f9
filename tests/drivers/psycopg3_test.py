"""psycopg 3: extended protocol, prepared statements of its own, pipelines."""
import asyncio
import datetime
import decimal
import threading
import uuid

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from checks import (DATABASE, SESSION, UNICODE, cancel_sleeper, equal,
                    fails, restart_postgres, run)


def connect(database=DATABASE, **more):
    return psycopg.connect(dbname=database, **more)


def value(conn, sql, values=None, **more):
    return conn.execute(sql, values, **more).fetchone()[0]


def test_a_login_says_what_it_wants():
    with connect(application_name="driver's test") as conn:
        equal(value(conn, "show application_name"), "driver's test")
        equal(conn.info.parameter_status("application_name"),
              "driver's test")
        equal(conn.info.encoding, "utf-8")


def test_values_come_back_as_they_went():
    with connect() as conn:
        for given in (7, 2 ** 62, decimal.Decimal("12.340"), UNICODE, True,
                      None, datetime.date(1999, 12, 31), [1, 2, None],
                      datetime.datetime(2020, 2, 29, 12, 0, 1), 1.5,
                      uuid.UUID(int=5), b"\0\xff\1"):
            for binary in (False, True):
                equal(value(conn, "select %s", (given,), binary=binary),
                      given)
        equal(value(conn, "select %s::text[]", (["a", 'b"'],)),
              ["a", 'b"'])
        equal(value(conn, "select %(b)s::int - %(a)s::int",
                    {"a": 1, "b": 3}), 2)
        equal(value(conn, "select %s::jsonb", (Jsonb({"a": [1]}),)),
              {"a": [1]})


def test_prepared_statements_are_there_on_every_server():
    conns = [connect(autocommit=True, prepare_threshold=0)
             for _ in range(5)]
    for turn in range(30):
        for number, conn in enumerate(conns):
            equal(value(conn, "select %s::int * %s::int",
                        (turn, number)), turn * number)
            equal(value(conn, "select %s::text || 'x'", (str(turn),)),
                  "%dx" % turn)
    for conn in conns:
        conn.close()


def test_more_statements_than_it_keeps_are_let_go():
    with connect(autocommit=True, prepare_threshold=0) as conn:
        conn.prepared_max = 5
        for turn in range(3):
            for number in range(20):
                equal(value(conn, "select %%s::int + %d" % number, (turn,)),
                      turn + number)


def test_a_statement_outlives_a_change_of_its_table():
    """PostgreSQL says no each time; through us each server says it once."""
    with connect(autocommit=True, prepare_threshold=0) as conn:
        conn.execute("drop table if exists psycopg3_t")
        conn.execute("create table psycopg3_t (a int)")
        conn.execute("insert into psycopg3_t values (1)")
        query = "select * from psycopg3_t where a = %s"
        equal(conn.execute(query, (1,)).fetchall(), [(1,)])
        conn.execute("alter table psycopg3_t add b text default 'new'")
        for _ in range(2):
            try:
                conn.execute(query, (1,))
            except errors.FeatureNotSupported:
                pass
        equal(conn.execute(query, (1,)).fetchall(), [(1, "new")])
        conn.execute("drop table psycopg3_t")


def test_a_pipeline_gets_its_answers_in_order():
    with connect(autocommit=True) as conn, conn.pipeline():
        cursors = [conn.execute("select %s::int", (i,)) for i in range(300)]
        equal([cursor.fetchone()[0] for cursor in cursors],
              list(range(300)))


def test_an_error_in_a_pipeline_spoils_what_follows_it():
    with connect(autocommit=True, prepare_threshold=0) as conn:
        with conn.pipeline() as pipeline:
            first = conn.execute("select 1")
            bad = conn.execute("select 1 / %s::int", (0,))
            after = conn.execute("select 3")
            fails(errors.DivisionByZero, pipeline.sync)
            equal(first.fetchone(), (1,))
            fails(psycopg.ProgrammingError, bad.fetchone)
            fails(psycopg.ProgrammingError, after.fetchone)
            equal(value(conn, "select 1 / %s::int", (1,)), 1)


def test_an_error_is_undone_by_a_savepoint():
    with connect() as conn:
        with conn.transaction():
            conn.execute("create temporary table t (a int unique) "
                         "on commit drop")
            conn.execute("insert into t values (%s)", (1,))

            def again():
                with conn.transaction():
                    conn.execute("insert into t values (%s)", (1,))

            equal(fails(errors.UniqueViolation, again).sqlstate, "23505")
            equal(value(conn, "select count(*) from t"), 1)
        fails(errors.UndefinedTable, conn.execute, "select 1 from no_such")
        conn.rollback()
        equal(value(conn, "select 1"), 1)


def test_copy_goes_in_and_comes_out():
    with connect() as conn, conn.cursor() as cursor:
        conn.execute("create temporary table t (a int, b text) "
                     "on commit drop")
        with cursor.copy("copy t from stdin") as copy:
            for i in range(20000):
                copy.write_row((i, UNICODE))
        with cursor.copy("copy (select * from t order by a) to stdout "
                         "with (format binary)") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
        equal(len(rows), 20000)
        equal(rows[77], (77, UNICODE))

        def give_up():
            with cursor.copy("copy t from stdin") as copy:
                copy.write_row((1, "x"))
                raise KeyError("changed my mind")

        fails(errors.QueryCanceled, give_up)
        conn.rollback()
        equal(value(conn, "select 1"), 1)


def test_a_cursor_of_the_server_fetches_in_parts():
    with connect() as conn, conn.cursor("parts") as cursor:
        cursor.itersize = 100
        cursor.execute("select * from generate_series(1, %s)", (1000,))
        equal(sum(row[0] for row in cursor), 500500)


def test_rows_are_streamed_one_by_one():
    with connect() as conn, conn.cursor() as cursor:
        rows = cursor.stream("select generate_series(1, 5000)")
        equal(sum(row[0] for row in rows), 12502500)


def test_a_query_is_cancelled():
    with connect() as conn:
        other = threading.Thread(target=cancel_sleeper, args=(conn,))
        other.start()
        fails(errors.QueryCanceled, conn.execute, "select pg_sleep(60)")
        other.join()
        conn.rollback()
        equal(value(conn, "select 1"), 1)


def test_notifications_come_in_session_mode():
    with connect(SESSION, autocommit=True) as conn:
        conn.execute("listen shop_news")
        with connect(autocommit=True) as other:
            other.execute("select pg_notify('shop_news', 'open')")
        for notify in conn.notifies():
            equal((notify.channel, notify.payload), ("shop_news", "open"))
            break


def test_a_big_result_comes_whole():
    with connect() as conn:
        equal(len(value(conn, "select repeat('x', 30000000)")), 30000000)
        rows = conn.execute("select g, md5(g::text) from "
                            "generate_series(1, 100000) g").fetchall()
        equal(sum(row[0] for row in rows), 5000050000)


async def test_many_at_the_same_time_get_their_own_answers():
    async def one(number):
        async with await psycopg.AsyncConnection.connect(
                dbname=DATABASE, prepare_threshold=1,
                autocommit=True) as conn:
            for turn in range(20):
                cursor = await conn.execute("select %s::int + %s::int",
                                            (number, turn))
                equal(await cursor.fetchone(), (number + turn,))

    await asyncio.gather(*(one(number) for number in range(10)))


def test_after_a_restart_a_new_connection_works():
    conn = connect(autocommit=True, prepare_threshold=0)
    equal(value(conn, "select %s::int", (1,)), 1)
    restart_postgres()
    # A client that holds no server may not even notice.
    try:
        value(conn, "select %s::int", (1,))
    except psycopg.OperationalError:
        assert conn.closed
    conn.close()
    with connect(prepare_threshold=0) as conn:
        equal(value(conn, "select %s::int", (2,)), 2)


run(globals())
