"""asyncpg: binary results, named statements, cursors, a pool's clean-up."""
import asyncio
import sys

import asyncpg


async def main():
    conn = await asyncpg.connect(sys.argv[1])
    rows = await conn.fetch("SHOW POOLS")
    assert rows[0]["cl_active"] + 0 == rows[0]["cl_active"]
    row = await conn.fetchrow(
        "SELECT database, cl_active, cl_active / 2.0 AS half FROM pools"
        " WHERE database = $1 AND cl_active >= $2::int", "pgbouncer", 1)
    assert row["half"] == row["cl_active"] / 2, row
    rows = await conn.fetch("SELECT * FROM stats")
    assert int(rows[0]["total_xact_count"]) >= 0
    assert await conn.fetchval("SELECT count(*) FROM config") > 50
    async with conn.transaction():
        seen = 0
        async for row in conn.cursor("SELECT * FROM config", prefetch=7):
            seen += 1
        assert seen > 50, seen
    try:
        await conn.fetch("SELECT * FROM no_report")
        raise SystemExit("no error")
    except asyncpg.UndefinedTableError:
        pass
    await conn.close()
    async with asyncpg.create_pool(sys.argv[1], min_size=1) as pool:
        for _ in range(3):
            async with pool.acquire() as conn:
                assert await conn.fetchval("SELECT 1") == 1


asyncio.run(main())
