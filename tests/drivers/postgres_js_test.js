// postgres.js: pipelines whatever it can, prepares everything by name.
'use strict';

const assert = require('assert');
const { execFile } = require('child_process');
const postgres = require('postgres');
const { unicode, restartPostgres, fails, run } = require('./checks.js');

async function withSql(code, more = {}) {
	const sql = postgres({ onnotice: () => {}, ...more });

	try {
		return await code(sql);
	} finally {
		await sql.end({ timeout: 5 });
	}
}

run({
	'values come back as they went': () => withSql(async (sql) => {
		for (const [type, given] of [['int4', 7], ['text', unicode],
		    ['bool', true], ['int4', null], ['float8', 1.5],
		    ['int8', '4611686018427387904'], ['numeric', '12.340'],
		    ['timestamptz', new Date(0)],
		    ['bytea', Buffer.from([0, 255, 1])]])
			assert.deepStrictEqual((await sql`
			    select ${given}::${sql.unsafe(type)} as x`)[0].x,
			    given);
		assert.deepStrictEqual((await sql`
		    select ${sql.array([1, 2, 3])}::int[] as x`)[0].x,
		    [1, 2, 3]);
		assert.deepStrictEqual((await sql`
		    select ${sql.json({ a: [1] })}::jsonb as x`)[0].x,
		    { a: [1] });
	}),

	'prepared statements are there on every server': () => withSql(
	    async (sql) => {
		const numbers = [...Array(300).keys()];
		const got = await Promise.all(numbers.map(async (n) =>
		    (await sql`select ${n}::int * 2 as x`)[0].x));

		assert.deepStrictEqual(got, numbers.map((n) => 2 * n));
	}, { max: 8 }),

	'one connection pipelines its queries': () => withSql(
	    async (sql) => {
		const queries = [...Array(200).keys()].map((n) => n % 50 === 7 ?
		    fails('22012', sql`select 1 / ${0}::int`) :
		    sql`select ${n}::int as x`.then(([row]) =>
			assert.strictEqual(row.x, n)));

		await Promise.all(queries);
	}, { max: 1 }),

	'many different statements': () => withSql(async (sql) => {
		for (let n = 0; n < 250; n++)
			assert.strictEqual((await sql.unsafe(
			    `select $1::int + ${n} as x`, [1],
			    { prepare: true }))[0].x, n + 1);
	}, { max: 2 }),

	'an error is undone by a savepoint': () => withSql(async (sql) => {
		await sql.begin(async (tx) => {
			await tx`create temporary table t (a int unique)
			    on commit drop`;
			await tx`insert into t values (${1})`;
			await fails('23505', tx.savepoint((deeper) =>
			    deeper`insert into t values (${1})`));
			assert.strictEqual((await tx`
			    select count(*)::int as x from t`)[0].x, 1);
		});
		await fails('42P01', sql`select * from no_such_table`);
		assert.strictEqual((await sql`select 1 as x`)[0].x, 1);
	}),

	'copy goes in and comes out': () => withSql(async (sql) => {
		let text = '';

		await sql`drop table if exists postgres_js_t`;
		await sql`create table postgres_js_t (a int, b text)`;
		const into = await sql`copy postgres_js_t
		    from stdin`.writable();
		await new Promise((resolve, reject) => {
			into.on('error', reject);
			into.on('finish', resolve);
			for (let n = 0; n < 5000; n++)
				into.write(`${n}\tпример\n`);
			into.end();
		});
		const out = await sql`copy (select * from postgres_js_t
		    order by a) to stdout`.readable();
		await new Promise((resolve, reject) => {
			out.on('error', reject);
			out.on('end', resolve);
			out.on('data', (part) => { text += part; });
		});
		assert.strictEqual(text.split('\n').length, 5001);
		assert.strictEqual(text.split('\n')[77], '77\tпример');
		await sql`drop table postgres_js_t`;
	}, { max: 1 }),

	'a cursor fetches in parts': () => withSql(async (sql) => {
		let sum = 0, parts = 0;

		await sql`select generate_series(1, 1000) as x`.cursor(100,
		    (rows) => {
			parts++;
			for (const row of rows)
				sum += row.x;
		    });
		assert.strictEqual(sum, 500500);
		assert.ok(parts >= 10);
	}),

	'a query is cancelled': () => withSql(async (sql) => {
		const query = sql`select pg_sleep(60)`.execute();

		execFile(process.env.AWAIT_SLEEPER, () => query.cancel());
		await fails('57014', query);
		assert.strictEqual((await sql`select 1 as x`)[0].x, 1);
	}, { max: 1 }),

	'notifications come in session mode': () => withSql(async (sql) => {
		let resolve;
		const heard = new Promise((r) => { resolve = r; });

		await sql.listen('shop_news', resolve);
		await sql.notify('shop_news', 'open');
		assert.strictEqual(await heard, 'open');
	}, { database: process.env.SESSION_DATABASE }),

	'a big result comes whole': () => withSql(async (sql) => {
		const [{ x }] = await sql`select repeat('x', 30000000) as x`;
		const rows = await sql`select g, md5(g::text)
		    from generate_series(1, 100000) g`;

		assert.strictEqual(x.length, 30000000);
		assert.strictEqual(rows.reduce((sum, row) => sum + row.g, 0),
		    5000050000);
	}),

	'after a restart it connects again': () => withSql(async (sql) => {
		assert.strictEqual((await sql`select ${1}::int as x`)[0].x, 1);
		restartPostgres();
		await sql`select ${1}::int as x`.catch(() => {});
		assert.strictEqual((await sql`select ${2}::int as x`)[0].x, 2);
	}),
});
