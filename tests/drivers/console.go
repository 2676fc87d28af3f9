// lib/pq and pgx: Ping, prepared statements, parameters.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/jackc/pgx/v4"
	_ "github.com/lib/pq"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// What the usual exporter of metrics sends, over one connection, as it does.
func exporter(db *sql.DB) {
	for _, statement := range []string{"SHOW STATS", "SHOW VERSION;",
		"SHOW LISTS;", "SHOW CONFIG;", "SHOW CLIENTS;",
		"SHOW databases;", "SHOW stats_totals;", "SHOW pools;"} {
		rows, err := db.Query(statement)
		check(err)
		columns, err := rows.Columns()
		check(err)
		values := make([]interface{}, len(columns))
		for i := range values {
			values[i] = new(sql.RawBytes)
		}
		count := 0
		for rows.Next() {
			check(rows.Scan(values...))
			count++
		}
		check(rows.Err())
		if count == 0 {
			check(fmt.Errorf("%s is empty", statement))
		}
	}
}

func main() {
	var name string
	var clients int64
	const query = "SELECT database, sum(cl_active) FROM pools " +
		"WHERE database = $1 GROUP BY database"

	db, err := sql.Open("postgres", os.Args[1])
	check(err)
	check(db.Ping())
	check(db.QueryRow(query, "pgbouncer").Scan(&name, &clients))
	rows, err := db.Query("SHOW LISTS")
	check(err)
	for rows.Next() {
		check(rows.Scan(&name, &clients))
	}
	check(rows.Err())
	exporter(db)

	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Args[1])
	check(err)
	check(conn.Ping(ctx))
	check(conn.QueryRow(ctx, "SELECT count(*) FROM pools").Scan(&clients))
	check(conn.QueryRow(ctx, "SELECT database, cl_active FROM pools "+
		"WHERE database = $1", "pgbouncer").Scan(&name, &clients))
	check(conn.Close(ctx))
}
