# DBD::Pg: prepares on the server after a few uses, by names of its own.
use strict;
use warnings;
use utf8;

use DBI;
use DBD::Pg qw(:async :pg_types);

my $failed = 0;
binmode STDOUT, ':utf8';

sub connect_to
{
	my ($database, %more) = @_;

	return DBI->connect("dbi:Pg:dbname=$database", undef, undef,
	    { RaiseError => 1, PrintError => 0, AutoCommit => 1, %more });
}

sub shop { return connect_to($ENV{PGDATABASE}, @_); }

sub equal
{
	my ($got, $wanted) = map { defined $_ ? $_ : '(null)' } @_;

	die "got $got, wanted $wanted\n" if $got ne $wanted;
}

sub value
{
	my ($dbh, $sql, @values) = @_;

	return ($dbh->selectrow_array($sql, undef, @values))[0];
}

# The SQLSTATE that it fails with.
sub state_of
{
	my ($dbh, $code) = @_;

	die "it did not fail\n" if eval { $code->(); 1 };
	return $dbh->state;
}

sub test
{
	my ($sentence, $code) = @_;

	if (eval { $code->(); 1 }) {
		print "ok: $sentence\n";
	} else {
		print "FAILED: $sentence: $@\n";
		$failed = 1;
	}
}

$| = 1;

test 'values come back as they went', sub {
	my $dbh = shop();

	for my $given (7, 4611686018427387904, '12.340', "naïve Ж中文 \x{1f418}",
	    "quoted ' \\", undef) {
		equal(value($dbh, 'select ?::text', $given), $given);
	}
	equal(value($dbh, 'select $2::int - $1::int', 1, 3), 2);
	my $array = value($dbh, 'select ?::int[]', [1, 2, 3]);
	equal("@$array", '1 2 3');
	my $sth = $dbh->prepare('select ?::bytea, ?::bool');
	$sth->bind_param(1, "\0\xff\1", { pg_type => PG_BYTEA });
	$sth->bind_param(2, 1, { pg_type => PG_BOOL });
	$sth->execute;
	my ($bytes, $truth) = $sth->fetchrow_array;
	equal(unpack('H*', $bytes), '00ff01');
	equal($truth, 1);
	$sth = $dbh->prepare('select :b::int - :a::int');
	$sth->bind_param(':a', 1);
	$sth->bind_param(':b', 5);
	$sth->execute;
	equal(($sth->fetchrow_array)[0], 4);
};

test 'prepared statements are there on every server', sub {
	my @dbhs = map { shop() } 1 .. 5;

	$_->{pg_switch_prepared} = 1 for @dbhs;
	my @sths = map { $_->prepare('select ?::int * ?::int') } @dbhs;
	for my $turn (1 .. 30) {
		for my $number (0 .. $#sths) {
			$sths[$number]->execute($turn, $number);
			equal(($sths[$number]->fetchrow_array)[0],
			    $turn * $number);
		}
	}
	equal($sths[0]->{pg_prepare_name} ne '', 1);
};

test 'an error is undone by a savepoint', sub {
	my $dbh = shop(AutoCommit => 0);

	$dbh->do('create temporary table t (a int unique) on commit drop');
	$dbh->do('insert into t values (?)', undef, 1);
	$dbh->pg_savepoint('s');
	equal(state_of($dbh, sub { $dbh->do('insert into t values (1)') }),
	    '23505');
	$dbh->pg_rollback_to('s');
	equal(value($dbh, 'select count(*) from t'), 1);
	$dbh->commit;
	equal(state_of($dbh, sub { value($dbh, 'select 1 / ?::int', 0) }),
	    '22012');
	$dbh->rollback;
	equal(value($dbh, 'select 1'), 1);
	$dbh->commit;
};

test 'copy goes in and comes out', sub {
	my $dbh = shop(AutoCommit => 0);
	my ($line, $lines) = ('', 0);

	$dbh->do('create temporary table t (a int, b text) on commit drop');
	$dbh->do('copy t from stdin');
	$dbh->pg_putcopydata("$_\tпример\n") for 1 .. 10000;
	$dbh->pg_putcopyend;
	$dbh->do('copy (select * from t order by a) to stdout');
	while ($dbh->pg_getcopydata($line) >= 0) {
		$lines++;
		equal($line, "77\tпример\n") if $lines == 77;
	}
	equal($lines, 10000);
	$dbh->do('copy t from stdin');
	$dbh->pg_putcopydata("no number\tx\n");
	equal(state_of($dbh, sub { $dbh->pg_putcopyend }), '22P02');
	$dbh->rollback;
	equal(value($dbh, 'select 1'), 1);
	$dbh->commit;
};

test 'a cursor fetches in parts', sub {
	my $dbh = shop(AutoCommit => 0);
	my $sum = 0;

	$dbh->do('declare c cursor for select generate_series(1, 1000)');
	while (1) {
		my $rows = $dbh->selectcol_arrayref('fetch 100 from c');
		last if !@$rows;
		$sum += $_ for @$rows;
	}
	equal($sum, 500500);
	$dbh->commit;
};

test 'a query is cancelled', sub {
	my $dbh = shop();

	$dbh->do('select pg_sleep(60)', { pg_async => PG_ASYNC });
	equal(system($ENV{AWAIT_SLEEPER}), 0);
	equal($dbh->pg_cancel, 1);
	equal(value($dbh, 'select 1'), 1);
};

test 'notifications come in session mode', sub {
	my $dbh = connect_to($ENV{SESSION_DATABASE});
	my $notify;

	$dbh->do('listen shop_news');
	shop()->do(q{select pg_notify('shop_news', 'open')});
	until ($notify = $dbh->pg_notifies) {
		select(undef, undef, undef, 0.02);
	}
	equal("$notify->[0] $notify->[2]", 'shop_news open');
};

test 'a big result comes whole', sub {
	my $dbh = shop();
	my $sum = 0;

	equal(length(value($dbh, q{select repeat('x', 30000000)})), 30000000);
	$sum += $_->[0] for @{$dbh->selectall_arrayref('select g, ' .
	    'md5(g::text) from generate_series(1, 100000) g')};
	equal($sum, 5000050000);
};

test 'after a restart a new connection works', sub {
	my $dbh = shop();

	equal(value($dbh, 'select ?::int', 1), 1);
	open(my $orders, '>', $ENV{STAGE_ORDERS}) or die;
	print $orders "restart\n";
	close($orders);
	open(my $answers, '<', $ENV{STAGE_ANSWERS}) or die;
	equal(scalar <$answers>, "done\n");
	eval { value($dbh, 'select ?::int', 1) };
	$dbh = shop();
	equal(value($dbh, 'select ?::int', 2), 2);
};

exit $failed;
