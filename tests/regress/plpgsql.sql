-- Blocks and functions of PL/pgSQL.
do $$
declare
	r record;
	total int := 0;
	c cursor for select x from generate_series(1, 4) x;
begin
	for r in select x from generate_series(1, 3) x loop total := total + r.x; end loop;
	for r in c loop total := total + r.x; end loop;
	foreach total slice 0 in array array[total, total + 1] loop raise notice 'total %', total; end loop;
	while total > 14 loop total := total - 1; continue when total = 15; end loop;
	execute 'select $1 + 1' into total using total;
	raise notice '% %', total, found;
	assert total = 15, 'it is not';
	assert false, 'failed on purpose';
exception
	when assert_failure then raise notice 'assertion: %', sqlerrm;
	raise;
end $$;
create function public.regress_fib(n int) returns int language plpgsql as $$
begin
	if n < 2 then return n; end if;
	return regress_fib(n - 1) + regress_fib(n - 2);
end $$;
select regress_fib(i) from generate_series(0, 12) i;
create function public.regress_rows(n int) returns table (i int, s text) language plpgsql as $$
begin
	return query select x, 'q' from generate_series(1, n) x;
	i := 0; s := null; return next;
	return query execute 'select 7, $1' using 'dynamic';
end $$;
select * from regress_rows(3);
create function public.regress_context() returns void language plpgsql as $$
declare message text; context text;
begin
	begin perform 1 / 0;
	exception when others then
		get stacked diagnostics message = message_text, context = pg_exception_context;
		raise notice '% at %', message, context;
	end;
	perform regress_fib('x'::text::int);
end $$;
select regress_context();
create table public.regress_plpgsql (a int);
create function public.regress_trigger() returns trigger language plpgsql as $$
begin raise notice '% % % %', tg_op, tg_when, old, new; return coalesce(new, old); end $$;
create trigger t before insert or update or delete on regress_plpgsql for each row execute function regress_trigger();
insert into regress_plpgsql values (1), (2); update regress_plpgsql set a = 3 where a = 1; delete from regress_plpgsql;
do $$ begin for i in 1..3 loop insert into regress_plpgsql values (i); if i % 2 = 0 then rollback; else commit; end if; end loop; end $$;
select * from regress_plpgsql;
drop table regress_plpgsql;
drop function regress_trigger, regress_context, regress_rows, regress_fib;
do language nothing 'x';
do $$ begin syntax error; end $$;
