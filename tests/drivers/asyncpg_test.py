"""asyncpg: binary, prepares everything by name, cursors of the protocol."""
import asyncio
import datetime
import decimal
import io
import uuid

import asyncpg

from checks import DATABASE, SESSION, UNICODE, equal, restart_postgres, run


async def connect(database=DATABASE, **more):
    return await asyncpg.connect(database=database, **more)


async def fails(error, awaitable):
    try:
        await awaitable
    except error as caught:
        return caught
    raise AssertionError("%s was not raised" % error.__name__)


async def test_a_login_says_what_it_wants():
    conn = await connect(server_settings={
        "application_name": "driver's test"})
    equal(await conn.fetchval("show application_name"), "driver's test")
    equal(conn.get_settings().application_name, "driver's test")
    await conn.close()


async def test_values_come_back_as_they_went():
    conn = await connect()
    for kind, given in (
            ("int4", 7), ("int8", 2 ** 62), ("text", UNICODE),
            ("numeric", decimal.Decimal("12.340")), ("bool", True),
            ("int4", None), ("date", datetime.date(1999, 12, 31)),
            ("int4[]", [1, 2, None]), ("text[]", ["a", 'b"']),
            ("timestamp", datetime.datetime(2020, 2, 29, 12, 0, 1, 5)),
            ("interval", datetime.timedelta(days=1, seconds=5)),
            ("float8", 1.5), ("uuid", uuid.UUID(int=5)),
            ("bytea", b"\0\xff\1"), ("jsonb", '{"a": [1]}')):
        equal(await conn.fetchval("select $1::" + kind, given), given)
    await conn.close()


async def test_a_type_of_our_own_is_looked_up():
    conn = await connect()
    await conn.execute("drop type if exists asyncpg_pair")
    await conn.execute("create type asyncpg_pair as (a int, b text)")
    row = await conn.fetchval("select (1, 'x')::asyncpg_pair")
    equal((row["a"], row["b"]), (1, "x"))
    await conn.execute("drop type asyncpg_pair")
    await conn.close()


async def test_prepared_statements_are_there_on_every_server():
    conns = [await connect() for _ in range(5)]
    for turn in range(30):
        for number, conn in enumerate(conns):
            equal(await conn.fetchval("select $1::int * $2::int", turn,
                                      number), turn * number)
    statement = await conns[0].prepare("select $1::text || 'x'")
    for turn in range(10):
        async with conns[1].transaction():
            equal(await statement.fetchval(str(turn)), "%dx" % turn)
    for conn in conns:
        await conn.close()


async def test_more_statements_than_it_keeps_are_let_go():
    conn = await connect(statement_cache_size=5)
    for turn in range(3):
        for number in range(20):
            equal(await conn.fetchval("select $1::int + %d" % number, turn),
                  turn + number)
    await conn.close()


async def test_an_error_is_undone_by_a_savepoint():
    conn = await connect()
    async with conn.transaction():
        await conn.execute("create temporary table t (a int unique) "
                           "on commit drop")
        await conn.execute("insert into t values ($1)", 1)
        try:
            async with conn.transaction():
                await conn.execute("insert into t values ($1)", 1)
        except asyncpg.UniqueViolationError as error:
            equal(error.sqlstate, "23505")
        equal(await conn.fetchval("select count(*) from t"), 1)
    await fails(asyncpg.DivisionByZeroError, conn.fetch("select 1 / $1", 0))
    equal(await conn.fetchval("select 1 / $1", 1), 1)
    await conn.close()


async def test_many_rows_are_inserted_at_once():
    conn = await connect()
    async with conn.transaction():
        await conn.execute("create temporary table t (a int, b text) "
                           "on commit drop")
        await conn.executemany("insert into t values ($1, $2)",
                               [(i, str(i)) for i in range(3000)])
        equal(await conn.fetchval("select sum(a) from t"), 4498500)
    await conn.close()


async def test_copy_goes_in_and_comes_out():
    conn = await connect()
    async with conn.transaction():
        await conn.execute("create temporary table t (a int, b text) "
                           "on commit drop")
        equal(await conn.copy_records_to_table(
            "t", records=[(i, UNICODE) for i in range(20000)]),
            "COPY 20000")
        out = io.BytesIO()
        equal(await conn.copy_from_query("select a from t order by a",
                                         output=out), "COPY 20000")
        equal(out.getvalue().splitlines()[77], b"77")
    await conn.close()


async def test_a_cursor_fetches_in_parts():
    conn = await connect()
    async with conn.transaction():
        total = 0
        async for row in conn.cursor("select generate_series(1, $1::int)",
                                     1000, prefetch=100):
            total += row[0]
        equal(total, 500500)
        cursor = await conn.cursor("select generate_series(1, 10)")
        await cursor.forward(5)
        equal([row[0] for row in await cursor.fetch(2)], [6, 7])
    await conn.close()


async def test_a_query_is_cancelled():
    conn = await connect()
    await fails(asyncio.TimeoutError,
                conn.fetch("select pg_sleep(60)", timeout=0.2))
    equal(await conn.fetchval("select 1"), 1)
    await conn.close()


async def test_notifications_come_in_session_mode():
    heard = asyncio.get_running_loop().create_future()
    conn, other = await connect(SESSION), await connect()
    await conn.add_listener("shop_news", lambda _, pid, channel, payload:
                            heard.set_result(payload))
    await other.execute("select pg_notify('shop_news', 'open')")
    equal(await heard, "open")
    await conn.close()
    await other.close()


async def test_a_big_result_comes_whole():
    conn = await connect()
    equal(len(await conn.fetchval("select repeat('x', 30000000)")),
          30000000)
    rows = await conn.fetch("select g, md5(g::text) from "
                            "generate_series(1, 100000) g")
    equal(sum(row[0] for row in rows), 5000050000)
    await conn.close()


async def test_a_pool_of_connections_resets_them():
    async with asyncpg.create_pool(database=DATABASE, min_size=3,
                                   max_size=10) as pool:
        async def one(number):
            async with pool.acquire() as conn:
                for turn in range(10):
                    equal(await conn.fetchval("select $1::int + $2::int",
                                              number, turn), number + turn)

        await asyncio.gather(*(one(number) for number in range(30)))


async def test_after_a_restart_a_new_connection_works():
    conn = await connect()
    equal(await conn.fetchval("select $1::int", 1), 1)
    restart_postgres()
    try:
        await conn.fetchval("select $1::int", 1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pass
    await conn.close()
    conn = await connect()
    equal(await conn.fetchval("select $1::int", 2), 2)
    await conn.close()


run(globals())
