import java.sql.*;

/** JDBC: SET at the start, extended protocol, fetch sizes, transactions. */
public class Console {
	static void check(boolean good, String what) {
		if (!good)
			throw new RuntimeException(what);
	}

	public static void main(String[] words) throws Exception {
		Connection conn = DriverManager.getConnection(words[0]);
		PreparedStatement query = conn.prepareStatement(
		    "SELECT database, cl_active FROM pools WHERE database = ?"
		    + " AND cl_active >= ?");
		for (int i = 0; i < 8; i++) {	/* named, binary later on */
			query.setString(1, "pgbouncer");
			query.setInt(2, 1);
			ResultSet rows = query.executeQuery();
			check(rows.next() && rows.getInt(2) >= 1, "pools");
		}
		ResultSet rows = conn.createStatement().executeQuery(
		    "SELECT count(*) AS n, avg(port) FROM databases");
		check(rows.next() && rows.getLong("n") >= 1, "count");
		check(rows.getMetaData().getColumnType(1) == Types.BIGINT,
		    "type");
		conn.setAutoCommit(false);
		Statement all = conn.createStatement();
		all.setFetchSize(5);
		rows = all.executeQuery("SELECT * FROM config");
		int count = 0;
		while (rows.next())
			count++;
		check(count > 50, "config " + count);
		conn.commit();
		conn.setAutoCommit(true);
		rows = conn.createStatement().executeQuery("SHOW STATS");
		check(rows.next(), "stats");
		check(conn.isValid(5), "valid");
		check(conn.getTransactionIsolation() ==
		    Connection.TRANSACTION_READ_COMMITTED, "isolation");
		conn.close();
	}
}
