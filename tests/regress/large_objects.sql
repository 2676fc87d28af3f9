-- Large objects, by functions and by psql.
begin;
select lo_create(424242);
select lo_put(424242, 0, '\x00010203ff');
select lo_put(424242, 10, 'behind a hole');
select lo_get(424242), length(lo_get(424242)), lo_get(424242, 3, 4);
select lo_open(424242, x'60000'::int) as descriptor;
select lowrite(0, 'over'), lo_lseek(0, 0, 0), loread(0, 10), lo_tell(0);
select lo_truncate(0, 3), lo_lseek(0, 0, 2), lo_close(0);
select lo_get(424242);
select lo_open(999999, x'20000'::int);
rollback;
select lo_get(424242);
select lo_from_bytea(424243, convert_to(repeat('large ', 50000), 'UTF8'));
select length(lo_get(424243)), md5(lo_get(424243));
\lo_export 424243 regress_large.out
\lo_unlink 424243
select lo_get(424243);
