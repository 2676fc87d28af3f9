-- Notices of every level, before, between and after rows.
do $$ begin raise notice 'one'; raise warning 'two'; raise info 'three'; raise log 'unseen'; raise debug 'unseen'; end $$;
create function pg_temp.unused() returns int language sql as 'select 1';
create function public.regress_tell(n int) returns int language plpgsql as $$
begin
	raise notice 'row %', n using hint = 'a hint', detail = 'a detail';
	return n;
end $$;
select regress_tell(i) from generate_series(1, 5) i;
select regress_tell(1), regress_tell(2) union all select regress_tell(3), regress_tell(4);
select 1 \; select regress_tell(7) \; select 2;
begin;
set local client_min_messages = error;
select regress_tell(8);
commit;
begin;
set local client_min_messages = debug1;
do $$ begin raise debug 'seen'; end $$;
commit;
drop table if exists no_such_table_at_all;
drop function regress_tell(int);
select 1 as a_name_that_is_longer_than_the_sixty_three_bytes_which_postgresql_keeps_of_it;
commit;
begin; begin; commit;
