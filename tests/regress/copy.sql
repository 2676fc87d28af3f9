-- COPY in and out, in each format, with what goes wrong in the middle.
create table public.regress_copy (a int, b text);
copy regress_copy from stdin;
1	one
2	two\twith\\escapes
3	\N
\.
copy regress_copy from stdin with (format csv, header, null 'none');
a,b
4,"quoted, ""twice"""
5,none
\.
copy regress_copy from stdin delimiter '|' null '-';
6|x|y
\.
copy regress_copy from stdin;
no number	x
\.
copy regress_copy (b) from stdin;
only b
\.
copy regress_copy (nothing) from stdin;
copy nowhere from stdin;
copy regress_copy from stdin where a > 7;
7	no
8	yes
\.
copy (select * from regress_copy order by a nulls last, b) to stdout;
copy regress_copy (b, a) to stdout with (format csv, header, force_quote *);
copy (select 1 / (3 - x) from generate_series(1, 5) x) to stdout;
copy (select repeat('x', 200) from generate_series(1, 500)) to stdout;
copy (select) to stdout;
begin;
copy regress_copy from stdin;
9	nine
\.
select count(*) from regress_copy;
rollback;
select count(*) from regress_copy;
select 1 \; copy (select 2) to stdout \; select 3;
\copy (select 10, 'out' union all select 11, 'of') to 'regress_copy.out'
\copy regress_copy from 'regress_copy.out'
\copy regress_copy to stdout csv
copy regress_copy from '/no/such/file';
drop table regress_copy;
