-- Cursors in a transaction.
begin;
declare c scroll cursor for select x, 'row ' || x from generate_series(1, 20) x;
fetch c; fetch 3 c; fetch backward 2 from c; fetch first from c; fetch last from c;
fetch absolute 7 from c; fetch relative -2 from c; move forward 3 in c; fetch next from c;
move all in c; fetch c; fetch backward all from c; fetch 0 from c;
close c;
fetch c;
rollback;
begin;
declare c cursor for select 1 / (3 - x) from generate_series(1, 5) x;
fetch 2 c; fetch 1 c;
rollback;
begin;
create table public.regress_cursor as select x from generate_series(1, 5) x;
declare u cursor for select x from regress_cursor for update;
fetch 2 u;
update regress_cursor set x = 20 where current of u;
delete from regress_cursor where current of u;
fetch u;
delete from regress_cursor where current of u;
select x from regress_cursor order by x;
rollback;
\set FETCH_COUNT 7
select x from generate_series(1, 25) x;
select 1 / (12 - x) from generate_series(1, 25) x;
\unset FETCH_COUNT
declare outside cursor for select 1;
begin;
savepoint s;
declare lost cursor for select generate_series(1, 3);
fetch lost;
rollback to s;
fetch lost;
rollback;
