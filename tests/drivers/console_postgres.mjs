// postgres.js: named statements that are described before they run.
import postgres from 'postgres';

const sql = postgres(process.argv[2], { max: 1 });
const rows = await sql`SELECT database, cl_active FROM pools
    WHERE database = ${'pgbouncer'}`;
if (rows[0].cl_active < 1)
	throw new Error('pools');
await sql`SHOW STATS`;
await sql.end();
