-- Values of all kinds, as text and in their limits.
select 0::smallint, 32767::int2, (-2147483648)::int4, 9223372036854775807::int8;
select 1.5::float4, 'NaN'::float8, '-Infinity'::float8, 1e-300::float8;
select 123456789012345678901234567890.123456789::numeric, 'NaN'::numeric;
select numeric '1' / 3, round(2.5), trunc(-2.7), 7 % 3, 2 ^ 10;
select true, false, null::bool, 't'::bool and null;
select 'x'::char(5), 'abc'::varchar(2), ''::text, 'a''b\c', E'tab\tend';
select U&'\0441\043b\043e\043d' as word, length('naïve Ж中文 🐘'), '🐘'::bytea;
select '\x00ff10'::bytea, encode('\x00ff10', 'base64'), decode('//8=', 'base64');
select date '2000-02-29', time '23:59:60', timestamp '1999-12-31 23:59:59.999';
select timestamptz '2020-02-29 12:00:00+03', timetz '04:05:06-08', date 'infinity';
select interval '1 year 2 months 3 days 4:05:06.7', interval '-1 day +2 hours';
select date '2020-01-31' + interval '1 month', age(date '2020-03-01', date '2019-01-31');
select '{1,2,null}'::int[], array[[1,2],[3,4]], '{}'::text[], array['a b', '"', null];
select '[2,5)'::int4range, 'empty'::numrange, '{[1,2],[4,5]}'::int4multirange;
select '{"a": [1, 2.0, null, true], "b": {}}'::json, '{"b":1,"a":1,"b":2}'::jsonb;
select '{"a": [1, {"b": "x"}]}'::jsonb #>> '{a,1,b}', jsonb_path_query('[1,2,3]', '$[*] ? (@ > 1)');
select '<a>b</a>'::text, uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
select inet '192.168.0.1/24', cidr '10.0.0.0/8', macaddr '08:00:2b:01:02:03', inet '::1';
select B'1010', B'11'::bit(4), '101'::varbit, b'1100' & b'1010';
select point '(1,2)', box '((0,0),(1,1))', circle '<(0,0),2>', path '[(0,0),(1,1)]', lseg '[(0,0),(1,0)]';
select 'a fat cat'::tsvector, 'fat & !rat'::tsquery, to_tsvector('simple', 'The Cat') @@ to_tsquery('simple', 'cat');
select row(1, 'x', null), row(row(1), array[2]), (row(1, 2)).*;
select 'pg_class'::regclass, 'int4'::regtype, 'now'::regproc, 1::oid, '(0,1)'::tid;
select money '12.34', '1'::xid, 'x'::name, '"char"'::regtype;
\pset null '(nothing)'
select null, ''; select;
\x on
select 1 as one, 'two' as two, null as three;
\x off
\pset format csv
select 'a,b' as "x,y", 'c"d', E'e\nf';
\pset format unaligned
select generate_series(1, 3), 'x';
\pset format aligned
select repeat('long ', 3000);
select string_agg(chr(i), '') from generate_series(32, 126) i;
