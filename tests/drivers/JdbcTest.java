/*
 * JDBC: extended protocol throughout; a statement gets a name on the server
 * after a few uses, here at once; cursors by portals with row limits.
 */
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Properties;
import java.util.UUID;

import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public class JdbcTest {
	interface Work {
		void run() throws Exception;
	}

	static boolean failed;

	static Connection connect(String database) throws SQLException {
		Properties wanted = new Properties();

		wanted.put("user", System.getenv("PGUSER"));
		wanted.put("password", System.getenv("PGPASSWORD"));
		wanted.put("prepareThreshold", "1");
		wanted.put("ApplicationName", "driver's test");
		return DriverManager.getConnection("jdbc:postgresql://" +
		    System.getenv("PGHOST") + ":" + System.getenv("PGPORT") +
		    "/" + database, wanted);
	}

	static Connection shop() throws SQLException {
		return connect(System.getenv("PGDATABASE"));
	}

	static void equal(Object got, Object wanted) {
		if (got == null ? wanted != null : !got.equals(wanted))
			throw new AssertionError("got " + got + ", wanted " +
			    wanted);
	}

	static void fails(String state, Work work) throws Exception {
		try {
			work.run();
		} catch (SQLException e) {
			if (!state.equals(e.getSQLState()))
				throw e;
			return;
		}
		throw new AssertionError(state + " was not raised");
	}

	static Object value(Connection c, String sql, Object... values)
	    throws SQLException {
		try (PreparedStatement s = c.prepareStatement(sql)) {
			for (int i = 0; i < values.length; i++)
				s.setObject(i + 1, values[i]);
			try (ResultSet rows = s.executeQuery()) {
				rows.next();
				return rows.getObject(1);
			}
		}
	}

	static void execute(Connection c, String sql) throws SQLException {
		try (Statement s = c.createStatement()) {
			s.execute(sql);
		}
	}

	static void test(String sentence, Work work) {
		try {
			work.run();
			System.out.println("ok: " + sentence);
		} catch (Throwable e) {
			System.out.println("FAILED: " + sentence);
			e.printStackTrace(System.out);
			failed = true;
		}
	}

	static void values() throws Exception {
		try (Connection c = shop()) {
			equal(value(c, "show application_name"),
			    "driver's test");
			equal(value(c, "select ?::int", 7), 7);
			equal(value(c, "select ?::int8", 1L << 62), 1L << 62);
			equal(value(c, "select ?::text",
			    "na\u00efve \u0416\u4e2d\u6587 \ud83d\udc18"),
			    "na\u00efve \u0416\u4e2d\u6587 \ud83d\udc18");
			equal(value(c, "select ?::numeric",
			    new BigDecimal("12.340")),
			    new BigDecimal("12.340"));
			equal(value(c, "select ?::bool", true), true);
			equal(value(c, "select ?::uuid", new UUID(0, 5)),
			    new UUID(0, 5));
			equal(value(c, "select ?::text", (Object)null), null);
			equal(Arrays.toString((byte[])value(c,
			    "select ?::bytea", new byte[] { 0, -1, 1 })),
			    "[0, -1, 1]");
			equal(value(c, "select ?::timestamptz = " +
			    "'2020-02-29 12:00:00+00'", OffsetDateTime.parse(
			    "2020-02-29T12:00:00Z")), true);
			equal(((java.sql.Array)value(c, "select ?::int[]",
			    c.createArrayOf("int4", new Integer[] { 1, null })))
			    .toString(), "{1,NULL}");
		}
	}

	static void statementsEverywhere() throws Exception {
		Connection[] all = new Connection[5];
		PreparedStatement[] statements = new PreparedStatement[5];

		for (int i = 0; i < all.length; i++) {
			all[i] = shop();
			statements[i] = all[i].prepareStatement(
			    "select ?::int * ?::int");
		}
		for (int turn = 0; turn < 30; turn++)
			for (int i = 0; i < all.length; i++) {
				statements[i].setInt(1, turn);
				statements[i].setInt(2, i);
				try (ResultSet r =
				    statements[i].executeQuery()) {
					r.next();
					equal(r.getInt(1), turn * i);
				}
			}
		for (Connection c : all)
			c.close();
	}

	static void batches() throws Exception {
		try (Connection c = shop()) {
			c.setAutoCommit(false);
			execute(c, "create temporary table t (a int unique, " +
			    "b text) on commit drop");
			try (PreparedStatement s = c.prepareStatement(
			    "insert into t values (?, ?)")) {
				for (int i = 0; i < 2000; i++) {
					s.setInt(1, i);
					s.setString(2, "x");
					s.addBatch();
				}
				equal(s.executeBatch().length, 2000);
				Savepoint before = c.setSavepoint();
				s.setInt(1, 5);
				s.setString(2, "y");
				s.addBatch();
				try {
					s.executeBatch();
					throw new AssertionError("no error");
				} catch (BatchUpdateException e) {
					equal(e.getSQLState(), "23505");
				}
				fails("25P02", () -> value(c, "select 1"));
				c.rollback(before);
			}
			equal(value(c, "select count(*) from t"), 2000L);
			c.commit();
			fails("22012", () -> value(c, "select 1 / ?::int", 0));
			c.rollback();
			equal(value(c, "select 1"), 1);
			c.commit();
		}
	}

	static void copy() throws Exception {
		try (Connection c = shop()) {
			CopyManager copy = c.unwrap(PGConnection.class)
			    .getCopyAPI();
			StringBuilder lines = new StringBuilder();
			ByteArrayOutputStream out =
			    new ByteArrayOutputStream();

			c.setAutoCommit(false);
			execute(c, "create temporary table t (a int, b text) " +
			    "on commit drop");
			for (int i = 0; i < 10000; i++)
				lines.append(i).append("\tпример\n");
			equal(copy.copyIn("copy t from stdin",
			    new StringReader(lines.toString())), 10000L);
			copy.copyOut("copy (select * from t order by a) " +
			    "to stdout", out);
			equal(out.toString("UTF-8"), lines.toString());
			fails("22P02", () -> copy.copyIn("copy t from stdin",
			    new StringReader("no number\tx\n")));
			c.rollback();
			equal(value(c, "select 1"), 1);
			c.rollback();
		}
	}

	static void fetchSize() throws Exception {
		try (Connection c = shop()) {
			long sum = 0;

			c.setAutoCommit(false);
			try (PreparedStatement s = c.prepareStatement(
			    "select generate_series(1, ?)")) {
				s.setInt(1, 1000);
				s.setFetchSize(64);
				try (ResultSet r = s.executeQuery()) {
					while (r.next())
						sum += r.getInt(1);
				}
			}
			equal(sum, 500500L);
			c.commit();
		}
	}

	static void cancel() throws Exception {
		try (Connection c = shop()) {
			try (Statement s = c.createStatement()) {
				Thread other = new Thread(() -> {
					try {
						new ProcessBuilder(System.getenv(
						    "AWAIT_SLEEPER")).start()
						    .waitFor();
						s.cancel();
					} catch (Exception e) {
						e.printStackTrace();
					}
				});

				other.start();
				fails("57014", () -> s.executeQuery(
				    "select pg_sleep(60)"));
				other.join();
			}
			equal(value(c, "select 1"), 1);
			try (Statement s = c.createStatement()) {
				s.setQueryTimeout(3);
				fails("57014", () -> s.executeQuery(
				    "select pg_sleep(60)"));
			}
			equal(value(c, "select 1"), 1);
		}
	}

	static void notifications() throws Exception {
		try (Connection c = connect(System.getenv("SESSION_DATABASE"));
		    Connection other = shop()) {
			execute(c, "listen shop_news");
			execute(other, "select pg_notify('shop_news', 'open')");
			PGNotification[] heard = c.unwrap(PGConnection.class)
			    .getNotifications(60000);
			equal(heard[0].getParameter(), "open");
		}
	}

	static void bigResult() throws Exception {
		try (Connection c = shop(); Statement s = c.createStatement()) {
			long sum = 0;

			equal(((String)value(c, "select repeat('x', 30000000)"))
			    .length(), 30000000);
			try (ResultSet r = s.executeQuery("select g, " +
			    "md5(g::text) from generate_series(1, 100000) g")) {
				while (r.next())
					sum += r.getInt(1);
			}
			equal(sum, 5000050000L);
		}
	}

	static void changedTable() throws Exception {
		try (Connection c = shop()) {
			execute(c, "drop table if exists jdbc_t");
			execute(c, "create table jdbc_t as select 1 as a");
			for (int i = 0; i < 3; i++)
				equal(value(c, "select * from jdbc_t"), 1);
			execute(c, "alter table jdbc_t alter a type text");
			for (int i = 0; i < 3; i++)
				equal(value(c, "select * from jdbc_t"), "1");
			execute(c, "drop table jdbc_t");
		}
	}

	static void restart() throws Exception {
		try (Connection c = shop()) {
			equal(value(c, "select ?::int", 1), 1);
			Files.write(Paths.get(System.getenv("STAGE_ORDERS")),
			    "restart\n".getBytes(StandardCharsets.US_ASCII));
			equal(Files.newBufferedReader(Paths.get(System.getenv(
			    "STAGE_ANSWERS"))).readLine(), "done");
			try {
				value(c, "select ?::int", 1);
			} catch (SQLException e) {
				equal(e.getSQLState().substring(0, 2), "08");
			}
		}
		try (Connection c = shop()) {
			equal(value(c, "select ?::int", 2), 2);
		}
	}

	public static void main(String[] arguments) {
		test("values come back as they went", JdbcTest::values);
		test("prepared statements are there on every server",
		    JdbcTest::statementsEverywhere);
		test("a batch that fails is undone by a savepoint",
		    JdbcTest::batches);
		test("copy goes in and comes out", JdbcTest::copy);
		test("rows are fetched in parts", JdbcTest::fetchSize);
		test("a query is cancelled", JdbcTest::cancel);
		test("a statement outlives a change of its table",
		    JdbcTest::changedTable);
		test("notifications come in session mode",
		    JdbcTest::notifications);
		test("a big result comes whole", JdbcTest::bigResult);
		test("after a restart a new connection works",
		    JdbcTest::restart);
		System.exit(failed ? 1 : 0);
	}
}
