"""psycopg 2: simple protocol, BEGIN unless autocommit."""
import sys

import psycopg2

conn = psycopg2.connect(sys.argv[1])
cur = conn.cursor()
cur.execute("SELECT sum(cl_active) FROM pools WHERE database = %s",
            ("pgbouncer",))
assert cur.fetchone()[0] >= 1
conn.commit()
cur.execute("SHOW POOLS")
assert cur.fetchall()
conn.rollback()
conn.set_session(autocommit=True)
cur.execute("SHOW VERSION")
assert cur.fetchone()[0].startswith("PgBouncer ")
conn.close()
