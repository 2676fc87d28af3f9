"""psycopg2: simple queries with values in their text, COPY, named cursors."""
import datetime
import decimal
import io
import select
import threading
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extras

from checks import (DATABASE, SESSION, UNICODE, cancel_sleeper, equal,
                    fails, restart_postgres, run)


def connect(database=DATABASE, **more):
    return psycopg2.connect(dbname=database, **more)


def value(conn, sql, values=None):
    with conn.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def test_a_login_says_what_it_wants():
    conn = connect(application_name="driver's test")
    equal(value(conn, "show application_name"), "driver's test")
    equal(conn.encoding, "UTF8")
    conn.set_client_encoding("LATIN1")
    equal(value(conn, "select 'na\u00efve'"), "na\u00efve")
    conn.commit()
    equal(value(conn, "show client_encoding"), "LATIN1")
    conn.close()


def test_values_come_back_as_they_went():
    conn = connect()
    psycopg2.extras.register_uuid(conn_or_curs=conn)
    for given in (7, 2 ** 62, decimal.Decimal("12.340"), UNICODE, True, None,
                  datetime.date(1999, 12, 31), [1, 2, None], ["a", 'b"'],
                  datetime.datetime(2020, 2, 29, 12, 0, 1, 5), 1.5,
                  uuid.UUID(int=5)):
        equal(value(conn, "select %s", (given,)), given)
    equal(bytes(value(conn, "select %s", (psycopg2.Binary(b"\0\xff\1"),))),
          b"\0\xff\1")
    equal(value(conn, "select %(b)s - %(a)s", {"a": 1, "b": 3}), 2)
    equal(value(conn, "select '{\"a\": [1]}'::jsonb"), {"a": [1]})
    conn.close()


def test_more_connections_than_servers_take_turns():
    conns = [connect() for _ in range(5)]
    for turn in range(20):
        for number, conn in enumerate(conns):
            equal(value(conn, "select %s", (turn * number,)), turn * number)
            conn.commit()
    for conn in conns:
        conn.close()


def test_prepared_statements_of_sql_live_in_a_transaction():
    conn = connect()
    with conn, conn.cursor() as cursor:
        cursor.execute("prepare twice as select $1::int * 2")
        cursor.execute("execute twice(21)")
        equal(cursor.fetchone(), (42,))
        cursor.execute("deallocate twice")
    conn.close()


def test_an_error_is_undone_by_a_savepoint():
    conn = connect()
    with conn, conn.cursor() as cursor:
        cursor.execute("create temporary table t (a int unique) "
                       "on commit drop")
        cursor.execute("insert into t values (1)")
        cursor.execute("savepoint s")
        error = fails(psycopg2.errors.UniqueViolation, cursor.execute,
                      "insert into t values (1)")
        equal(error.pgcode, "23505")
        fails(psycopg2.errors.InFailedSqlTransaction, cursor.execute,
              "select 1")
        cursor.execute("rollback to savepoint s")
        cursor.execute("select count(*) from t")
        equal(cursor.fetchone(), (1,))
    error = fails(psycopg2.errors.DivisionByZero, value, conn, "select 1/0")
    equal(error.pgcode, "22012")
    conn.rollback()
    equal(value(conn, "select 1"), 1)
    conn.close()


def test_copy_goes_in_and_comes_out():
    conn = connect()
    with conn, conn.cursor() as cursor:
        cursor.execute("create temporary table t (a int, b text) "
                       "on commit drop")
        lines = "".join("%d\t%s\n" % (i, "x" * 100) for i in range(20000))
        cursor.copy_expert("copy t from stdin", io.StringIO(lines))
        out = io.StringIO()
        cursor.copy_expert("copy (select * from t order by a) to stdout", out)
        assert out.getvalue() == lines
        cursor.execute("savepoint s")
        fails(psycopg2.errors.InvalidTextRepresentation, cursor.copy_expert,
              "copy t from stdin", io.StringIO("no number\tx\n"))
        cursor.execute("rollback to savepoint s")
        cursor.execute("select count(*) from t")
        equal(cursor.fetchone(), (20000,))
    conn.close()


def test_a_cursor_of_the_server_fetches_in_parts():
    conn = connect()
    with conn, conn.cursor("parts") as cursor:
        cursor.itersize = 100
        cursor.execute("select * from generate_series(1, 1000)")
        equal(sum(row[0] for row in cursor), 500500)
    conn.close()


def test_a_query_is_cancelled():
    conn = connect()
    other = threading.Thread(target=cancel_sleeper, args=(conn,))
    other.start()
    fails(psycopg2.errors.QueryCanceled, value, conn, "select pg_sleep(60)")
    other.join()
    conn.rollback()
    equal(value(conn, "select 1"), 1)
    conn.close()


def test_notifications_come_in_session_mode():
    conn, other = connect(SESSION), connect()
    conn.autocommit = other.autocommit = True
    conn.cursor().execute("listen shop_news")
    other.cursor().execute("select pg_notify('shop_news', 'open')")
    while not conn.notifies:
        assert select.select([conn], [], [], 60)[0]
        conn.poll()
    equal((conn.notifies[0].channel, conn.notifies[0].payload),
          ("shop_news", "open"))
    conn.close()
    other.close()


def test_a_big_result_comes_whole():
    conn = connect()
    equal(len(value(conn, "select repeat('x', 30000000)")), 30000000)
    with conn.cursor() as cursor:
        cursor.execute("select g, md5(g::text) from "
                       "generate_series(1, 100000) g")
        equal(sum(row[0] for row in cursor.fetchall()), 5000050000)
    conn.close()


def test_after_a_restart_a_new_connection_works():
    conn = connect()
    equal(value(conn, "select 1"), 1)
    restart_postgres()
    fails((psycopg2.OperationalError, psycopg2.InterfaceError), value, conn,
          "select 1")
    conn.close()
    conn = connect()
    equal(value(conn, "select 2"), 2)
    conn.close()


run(globals())
