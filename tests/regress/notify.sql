-- session: LISTEN and NOTIFY.
listen regress_news; listen "Other";
notify regress_news; notify regress_news, 'one'; notify "Other", 'two';
begin; notify regress_news, 'late'; notify regress_news, 'late'; select 'not yet'; commit;
begin; notify regress_news, 'never'; rollback;
select pg_notify('regress_news', repeat('p', 7999)); select pg_notify('regress_news', repeat('p', 8000)); select pg_notify('', 'x');
select * from pg_listening_channels() order by 1;
unlisten "Other"; notify "Other", 'unheard'; select 1;
unlisten *; notify regress_news; select 2;
