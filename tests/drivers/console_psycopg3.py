"""psycopg 3: everything goes by the extended protocol as it likes it."""
import datetime
import sys

import psycopg

with psycopg.connect(sys.argv[1]) as conn:
    row = conn.execute(
        "SELECT database, cl_active, cl_active + 1 AS more FROM pools"
        " WHERE database = %s", ("pgbouncer",)).fetchone()
    assert row[0] == "pgbouncer" and row[1] >= 1, row
    assert row[2] == row[1] + 1, row
    conn.commit()
    assert conn.info.transaction_status == 0
    cur = conn.cursor(binary=True)
    cur.execute("SELECT count(*), 1.5, NULL, 'x' FROM pgbouncer.reports")
    row = cur.fetchone()
    assert row[0] > 100 and row[1:] == (1.5, None, "x"), row
    began = datetime.datetime.now(datetime.timezone.utc)
    for moment, many in ((began - datetime.timedelta(days=1), True),
                         (began + datetime.timedelta(days=1), False)):
        for given in (moment, moment.replace(tzinfo=None), moment.date()):
            row = conn.execute("SELECT count(*) FROM clients WHERE"
                               " connect_time > %b", (given,)).fetchone()
            assert (row[0] > 0) == many, (row, given)
    try:
        conn.execute("SELECT %b", (b"bytes",))
        raise SystemExit("no error")
    except psycopg.errors.FeatureNotSupported as error:
        assert "$1" in str(error), error
        conn.rollback()
    for _ in range(8):      # prepares by itself from the fifth on
        rows = conn.execute("SHOW STATE").fetchall()
        assert ("paused", "no") in rows, rows
        n = conn.execute("SELECT %s::int + 1", (41,)).fetchone()
        assert n == (42,), n
    cur = conn.cursor(binary=True)
    cur.execute("SHOW STATS")
    assert [d.name for d in cur.description][0] == "database"
    assert cur.fetchall()
    conn.rollback()
    try:
        conn.execute("SELECT * FROM no_report")
        raise SystemExit("no error")
    except psycopg.errors.UndefinedTable:
        conn.rollback()
    with conn.transaction():
        assert conn.execute("SELECT current_user").fetchone()
conn = psycopg.connect(sys.argv[1], autocommit=True)
conn.execute("PAUSE")
assert ("paused", "yes") in conn.execute("SHOW STATE").fetchall()
conn.execute("RESUME")
conn.close()
