// node-postgres: prepares what has a name; the rest unnamed, all extended.
'use strict';

const assert = require('assert');
const { Client, Pool } = require('pg');
const { unicode, restartPostgres, fails, run } = require('./checks.js');

async function withClient(code, more = {}) {
	const client = new Client(more);

	client.on('error', () => {});
	await client.connect();
	try {
		return await code(client);
	} finally {
		await client.end();
	}
}

async function value(client, text, values) {
	const result = await client.query({ text, values, rowMode: 'array' });

	return result.rows[0][0];
}

run({
	'values come back as they went': () => withClient(async (client) => {
		assert.strictEqual(await value(client,
		    'show application_name'), "driver's test");
		for (const [type, given] of [['int4', 7], ['text', unicode],
		    ['bool', true], ['int4', null], ['float8', 1.5],
		    ['int8', '4611686018427387904'], ['numeric', '12.340'],
		    ['int4[]', [1, 2, null]], ['jsonb', { a: [1] }],
		    ['timestamptz', new Date(0)],
		    ['bytea', Buffer.from([0, 255, 1])]])
			assert.deepStrictEqual(await value(client,
			    `select $1::${type}`, [given]), given);
	}, { application_name: "driver's test" }),

	'prepared statements are there on every server': async () => {
		const clients = [];

		for (let i = 0; i < 5; i++) {
			clients.push(new Client());
			await clients[i].connect();
		}
		for (let turn = 0; turn < 30; turn++)
			for (const [number, client] of clients.entries()) {
				const result = await client.query({
					name: 'times',
					text: 'select $1::int * $2::int as x',
					values: [turn, number],
				});

				assert.strictEqual(result.rows[0].x,
				    turn * number);
			}
		for (const client of clients)
			await client.end();
	},

	'several statements in one string': () => withClient(
	    async (client) => {
		const results = await client.query('select 1 as a; ' +
		    'select 2 as a');

		assert.deepStrictEqual(results.map((r) => r.rows[0].a),
		    [1, 2]);
	}),

	'an error is undone by a savepoint': () => withClient(
	    async (client) => {
		await client.query('begin');
		await client.query('create temporary table t (a int unique) ' +
		    'on commit drop');
		await client.query('insert into t values ($1)', [1]);
		await client.query('savepoint s');
		await fails('23505', client.query(
		    'insert into t values ($1)', [1]));
		await fails('25P02', client.query('select 1'));
		await client.query('rollback to savepoint s');
		assert.strictEqual(await value(client,
		    'select count(*)::int from t'), 1);
		await client.query('commit');
		await fails('22012', client.query('select 1 / $1::int', [0]));
		await fails('42601', client.query({ name: 'bad',
		    text: 'selct 1' }));
		assert.strictEqual(await value(client, 'select 1'), 1);
	}),

	'queries are queued': () => withClient(async (client) => {
		const numbers = [...Array(200).keys()];
		const got = await Promise.all(numbers.map((n) => value(client,
		    'select $1::int', [n])));

		assert.deepStrictEqual(got, numbers);
	}),

	'a pool of clients shares fewer servers': async () => {
		const pool = new Pool({ max: 10 });
		const numbers = [...Array(300).keys()];
		const got = await Promise.all(numbers.map(async (n) =>
		    (await pool.query({ name: 'n', text: 'select $1::int as n',
			values: [n] })).rows[0].n));

		assert.deepStrictEqual(got, numbers);
		await pool.end();
	},

	'notifications come in session mode': () => withClient(
	    async (client) => {
		const heard = new Promise((resolve) =>
		    client.on('notification', resolve));

		await client.query('listen shop_news');
		await withClient((other) => other.query(
		    "select pg_notify('shop_news', 'open')"));
		assert.strictEqual((await heard).payload, 'open');
	}, { database: process.env.SESSION_DATABASE }),

	'a big result comes whole': () => withClient(async (client) => {
		const big = await value(client,
		    "select repeat('x', 30000000)");
		const result = await client.query('select g, md5(g::text) ' +
		    'from generate_series(1, 100000) g');

		assert.strictEqual(big.length, 30000000);
		assert.strictEqual(result.rows.reduce((sum, row) =>
		    sum + row.g, 0), 5000050000);
	}),

	'after a restart a new connection works': async () => {
		const client = new Client();

		client.on('error', () => {});
		await client.connect();
		assert.strictEqual(await value(client, 'select $1::int', [1]),
		    1);
		restartPostgres();
		await value(client, 'select $1::int', [1]).catch(() => {});
		await withClient(async (other) => assert.strictEqual(
		    await value(other, 'select $1::int', [2]), 2));
		await client.end().catch(() => {});
	},
});
