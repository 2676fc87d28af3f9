# Ruby's pg: the whole of libpq, asynchronous below, pipelines on top.
require "pg"

$failed = false
$stdout.sync = true

def connect(database = ENV["PGDATABASE"], **more)
  PG.connect(dbname: database, **more)
end

def with(database = ENV["PGDATABASE"], **more)
  conn = connect(database, **more)
  yield conn
ensure
  conn&.close
end

def equal(got, wanted)
  raise "got #{got.inspect}, wanted #{wanted.inspect}" if got != wanted
end

def fails(error)
  yield
rescue error => caught
  caught
else
  raise "#{error} was not raised"
end

def test(sentence)
  yield
  puts "ok: #{sentence}"
rescue StandardError => error
  puts "FAILED: #{sentence}: #{error.full_message(highlight: false)}"
  $failed = true
end

test "values come back as they went" do
  with(application_name: "driver's test") do |conn|
    equal(conn.exec("show application_name").getvalue(0, 0), "driver's test")
    conn.type_map_for_queries = PG::BasicTypeMapForQueries.new(conn)
    conn.type_map_for_results = PG::BasicTypeMapForResults.new(conn)
    [["int8", 2**62], ["text", "naïve Ж中文 🐘 ' \\"], ["bool", true],
     ["int4", nil], ["float8", 1.5], ["int4[]", [1, 2, nil]]].each do |t, v|
      equal(conn.exec_params("select $1::#{t}", [v]).getvalue(0, 0), v)
    end
    bytes = { value: "\0\xff\1".b, format: 1, type: 17 }
    conn.type_map_for_queries = PG::TypeMapAllStrings.new
    equal(conn.exec_params("select $1::bytea", [bytes]).getvalue(0, 0),
          "\0\xff\1".b)
  end
end

test "prepared statements are there on every server" do
  conns = Array.new(5) { connect }
  conns.each { |conn| conn.prepare("times", "select $1::int * $2::int") }
  30.times do |turn|
    conns.each_with_index do |conn, number|
      got = conn.exec_prepared("times", [turn, number]).getvalue(0, 0)
      equal(got.to_i, turn * number)
    end
  end
  equal(conns[0].describe_prepared("times").nparams, 2)
  error = fails(PG::InvalidSqlStatementName) do
    conns[0].exec_prepared("no such", [])
  end
  equal(error.result.error_field(PG::PG_DIAG_SQLSTATE), "26000")
  fails(PG::DuplicatePstatement) { conns[0].prepare("times", "select 1") }
  conns.each(&:close)
end

test "a pipeline gets its answers in order" do
  with do |conn|
    conn.enter_pipeline_mode
    100.times { |i| conn.send_query_params("select $1::int", [i]) }
    conn.pipeline_sync
    100.times do |i|
      equal(conn.get_result.getvalue(0, 0).to_i, i)
      equal(conn.get_result, nil)
    end
    equal(conn.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    conn.exit_pipeline_mode
  end
end

test "an error is undone by a savepoint" do
  with do |conn|
    conn.transaction do
      conn.exec("create temporary table t (a int unique) on commit drop")
      conn.exec_params("insert into t values ($1)", [1])
      conn.exec("savepoint s")
      fails(PG::UniqueViolation) { conn.exec("insert into t values (1)") }
      conn.exec("rollback to savepoint s")
      equal(conn.exec("select count(*) from t").getvalue(0, 0), "1")
    end
    fails(PG::DivisionByZero) { conn.exec_params("select 1 / $1", [0]) }
    equal(conn.exec("select 1").getvalue(0, 0), "1")
  end
end

test "copy goes in and comes out" do
  with do |conn|
    conn.transaction do
      conn.exec("create temporary table t (a int, b text) on commit drop")
      conn.copy_data("copy t from stdin") do
        10_000.times { |i| conn.put_copy_data("#{i}\tпример\n") }
      end
      lines = []
      conn.copy_data("copy (select * from t order by a) to stdout") do
        while (line = conn.get_copy_data)
          lines << line.force_encoding("UTF-8")
        end
      end
      equal(lines.size, 10_000)
      equal(lines[77], "77\tпример\n")
    end
    fails(PG::UndefinedTable) do
      conn.copy_data("copy t from stdin") { conn.put_copy_data("1\tx\n") }
    end
    equal(conn.exec("select 1").getvalue(0, 0), "1")
  end
end

test "rows come one by one" do
  with do |conn|
    sum = 0
    conn.send_query("select generate_series(1, 5000)")
    conn.set_single_row_mode
    conn.get_result.stream_each_row { |row| sum += row[0].to_i }
    equal(sum, 12_502_500)
  end
end

test "a query is cancelled" do
  with do |conn|
    conn.send_query("select pg_sleep(60)")
    system(ENV["AWAIT_SLEEPER"], exception: true)
    conn.cancel
    fails(PG::QueryCanceled) { conn.get_last_result }
    equal(conn.exec("select 1").getvalue(0, 0), "1")
  end
end

test "notifications come in session mode" do
  with(ENV["SESSION_DATABASE"]) do |conn|
    conn.exec("listen shop_news")
    with { |other| other.exec("select pg_notify('shop_news', 'open')") }
    heard = nil
    conn.wait_for_notify(60) { |_, _, payload| heard = payload }
    equal(heard, "open")
  end
end

test "a big result comes whole" do
  with do |conn|
    big = conn.exec("select repeat('x', 30000000)").getvalue(0, 0)
    equal(big.size, 30_000_000)
    rows = conn.exec("select g, md5(g::text) from generate_series(1, 100000) g")
    equal(rows.column_values(0).sum(&:to_i), 5_000_050_000)
  end
end

test "after a restart a new connection works" do
  conn = connect
  equal(conn.exec("select 1").getvalue(0, 0), "1")
  File.write(ENV["STAGE_ORDERS"], "restart\n")
  equal(File.read(ENV["STAGE_ANSWERS"]), "done\n")
  begin
    conn.exec("select 1")
  rescue PG::Error
    conn.reset
  end
  equal(conn.exec_params("select $1::int", [2]).getvalue(0, 0), "2")
  conn.close
end

exit 1 if $failed
