# ruby-pg: parameters, prepared statements, types.
require 'pg'

conn = PG.connect(ARGV[0])
rows = conn.exec_params('SELECT database, cl_active FROM pools ' \
                        'WHERE database = $1', ['pgbouncer'])
raise 'pools' unless rows[0]['cl_active'].to_i >= 1

conn.prepare('state', 'SHOW STATE')
raise 'state' unless conn.exec_prepared('state').ntuples == 3

rows = conn.exec_params('SELECT count(*) FROM reports', [], 1)
raise 'count' unless rows.getvalue(0, 0).unpack1('q>') > 100

conn.transaction { conn.exec('SELECT 1') }
conn.close
