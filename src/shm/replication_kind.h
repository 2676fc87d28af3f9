/*
 * What a connection replicates, as SHOW CLIENTS and SHOW SERVERS call it.
 */
#ifndef SHM_REPLICATION_KIND_H
#define SHM_REPLICATION_KIND_H

enum replication_kind {
	REPLICATION_NONE = 0,
	REPLICATION_LOGICAL,	/* of a database: replication=database */
	REPLICATION_PHYSICAL	/* of the cluster: replication=true */
};

#endif
