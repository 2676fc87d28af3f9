// node-postgres: the extended protocol with parameters.
const { Client } = require('pg');

async function main() {
	const client = new Client({ connectionString: process.argv[2] });

	await client.connect();
	const one = await client.query(
	    'SELECT database, cl_active FROM pools WHERE database = $1',
	    ['pgbouncer']);
	if (one.rows[0].cl_active < 1)
		throw new Error('pools');
	const named = { name: 'n', text: 'SELECT count(*) AS n FROM config' };
	for (let i = 0; i < 3; i++)
		if (Number((await client.query(named)).rows[0].n) < 50)
			throw new Error('config');
	await client.query('SHOW STATS');
	await client.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
