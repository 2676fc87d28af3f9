// What the tests of the Node.js drivers share.
'use strict';

const fs = require('fs');
const assert = require('assert');

exports.unicode = "na\u00efve \u0416\u4e2d\u6587 \u{1f418} 'quoted' \\ back";

// As a crash would, and up again. Nothing else is to be done meanwhile.
exports.restartPostgres = () => {
	fs.writeFileSync(process.env.STAGE_ORDERS, 'restart\n');
	assert.strictEqual(fs.readFileSync(process.env.STAGE_ANSWERS, 'utf8'),
	    'done\n');
};

exports.fails = async (code, promise) => {
	try {
		await promise;
	} catch (error) {
		assert.strictEqual(error.code, code, error.stack);
		return;
	}
	throw new Error(`${code} was not raised`);
};

// Runs the tests, { sentence: function }, one after the other.
exports.run = async (tests) => {
	for (const [sentence, test] of Object.entries(tests)) {
		try {
			await test();
			console.log(`ok: ${sentence}`);
		} catch (error) {
			console.log(`FAILED: ${sentence}:`, error);
			process.exitCode = 1;
		}
	}
	process.exit();
};
