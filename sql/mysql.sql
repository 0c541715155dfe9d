-- MySQL 8.0.19 and later, MariaDB 10.6 and later.
--
-- Each %(name)s takes a literal, or several with commas between. A line that starts with "each" in a comment is there once
-- for each entry of a batch, with what the comment says between them, and takes literals in place of its %s. Literals are
-- hexadecimal, or base64 if they are long, so they mean the same under every character set and SQL mode; texts are bytes.
--
-- Times are DATETIME(3) in UTC, on the server's clock; times to live come as milliseconds. UTC_TIMESTAMP is when a statement
-- began, SYSDATE, in sessions of UTC, this very moment: what has expired while a statement waited for its lock must not come
-- back. Writes run as READ COMMITTED:
-- they lock rows, and no gaps between them. Batches come in the order of their keys, and STRAIGHT_JOIN and FORCE INDEX
-- look rows up by key, so that all lock them in this order. No statement needs a temporary table for data: MariaDB has
-- those on disk.
--
-- Slots that end in _index, and table and table_name, are names; the others are filled with the fragments at the end, by
-- data format and server: the two have no common way to name what an INSERT could not insert.

-- name: server
-- What there is of some variables: the version, the longest statement that the server takes, and what a store can not do with,
-- or wants to be told of. The session may limit what a query reads and finds.
SET @litestar_sqlstores_select_limit = @@SESSION.sql_select_limit,
  @litestar_sqlstores_big_selects = @@SESSION.sql_big_selects,
  SESSION sql_select_limit = 18446744073709551615,
  SESSION sql_big_selects = 1;
SHOW SESSION VARIABLES WHERE variable_name IN (
  'version', 'max_allowed_packet', 'note_verbosity', 'log_bin', 'sql_log_bin', 'binlog_format', 'wsrep_on'
);
SET SESSION sql_select_limit = @litestar_sqlstores_select_limit,
  SESSION sql_big_selects = @litestar_sqlstores_big_selects

-- name: enter-session
-- The settings that the statements rely on; what was set before is kept. Isolation and access mode are not among them, as
-- their names differ: each statement that writes sets its own. Notes, such as "table exists", would come as warnings.
-- %(lock_wait)s: seconds to wait for a lock
SET @litestar_sqlstores_autocommit = @@SESSION.autocommit,
  @litestar_sqlstores_sql_mode = @@SESSION.sql_mode,
  @litestar_sqlstores_notes = @@SESSION./* slot: notes */,
  @litestar_sqlstores_lock_wait = @@SESSION.innodb_lock_wait_timeout,
  @litestar_sqlstores_select_limit = @@SESSION.sql_select_limit,
  @litestar_sqlstores_safe_updates = @@SESSION.sql_safe_updates,
  @litestar_sqlstores_big_selects = @@SESSION.sql_big_selects,
  @litestar_sqlstores_completion = @@SESSION.completion_type,
  @litestar_sqlstores_time_zone = @@SESSION.time_zone,
  SESSION autocommit = 1,
  SESSION sql_mode = 'TRADITIONAL',
  SESSION /* slot: notes */ = /* slot: no_notes */,
  SESSION innodb_lock_wait_timeout = %(lock_wait)s,
  SESSION sql_select_limit = 18446744073709551615,
  SESSION sql_safe_updates = 0,
  SESSION sql_big_selects = 1,
  SESSION completion_type = 0,
  SESSION time_zone = '+00:00'

-- name: leave-session
-- The settings that there were before.
SET SESSION autocommit = @litestar_sqlstores_autocommit,
  SESSION sql_mode = @litestar_sqlstores_sql_mode,
  SESSION /* slot: notes */ = @litestar_sqlstores_notes,
  SESSION innodb_lock_wait_timeout = @litestar_sqlstores_lock_wait,
  SESSION sql_select_limit = @litestar_sqlstores_select_limit,
  SESSION sql_safe_updates = @litestar_sqlstores_safe_updates,
  SESSION sql_big_selects = @litestar_sqlstores_big_selects,
  SESSION completion_type = @litestar_sqlstores_completion,
  SESSION time_zone = @litestar_sqlstores_time_zone

-- name: identify-session
-- The session's number, the server's name, port and number, and what tells when its process started: the time, and the
-- seconds since then.
SELECT CONNECTION_ID(), @@hostname, @@port, @@server_id, UNIX_TIMESTAMP();
SHOW GLOBAL STATUS LIKE 'Uptime'

-- name: kill-session
-- End a session, whatever it runs. As long as it is there, that is no error.
-- %(session)s: its number
KILL %(session)s

-- name: get
-- The data of the keys that are alive.
-- %(keys)s: digests
SELECT s.key_digest, /* slot: data_out */
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE s.key_digest IN (%(keys)s) AND /* include: is-alive */

-- name: get-for-renewal
-- As get, with the milliseconds left and the expiry as milliseconds since 1970; both are NULL for never.
-- %(keys)s: digests
SELECT s.key_digest, /* slot: data_out */, /* include: remaining */, /* include: expiry */
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE s.key_digest IN (%(keys)s) AND /* include: is-alive */

-- name: remaining
-- As get-for-renewal, without the data.
-- %(keys)s: digests
SELECT s.key_digest, /* include: remaining */, /* include: expiry */
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE s.key_digest IN (%(keys)s) AND /* include: is-alive */

-- name: renew
-- Renew what was read, unless it has been replaced, or has expired, since.
-- %s: key digest, time to live, the expiry that was read
/* include: read-committed */;
UPDATE (
  /* each UNION ALL */ SELECT %s AS key_digest, %s AS ttl, %s AS expiry
) AS n
STRAIGHT_JOIN /* slot: table */ AS s FORCE INDEX (PRIMARY) ON s.key_digest = n.key_digest
SET s.expires_at = UTC_TIMESTAMP(3) + INTERVAL n.ttl * 1000 MICROSECOND, s.updated_at = UTC_TIMESTAMP(3)
WHERE s.expires_at = TIMESTAMP('1970-01-01 00:00:00') + INTERVAL n.expiry * 1000 MICROSECOND
  AND s.expires_at > SYSDATE(3)

-- name: set
-- Store entries. Those that are stored already, with an expiry within the tolerance, stay as they are: all that is
-- assigned is what is there, so that nothing is written. Assignments see what those before them have assigned.
-- %s: key digest, namespace, data, time to live, owner, key text; %(tolerance)s: of them all
/* include: read-committed */;
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, /* slot: data_in */, /* include: expiry-in */, %s, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  created_at = /* include: created */,
  updated_at = IF(/* include: is-same */, /* slot: table_name */.updated_at, UTC_TIMESTAMP(3)),
  key_text = /* slot: new_key_text */,
  expires_at = IF(/* include: is-same */, /* slot: table_name */.expires_at, /* slot: new_expiry */),
  data = /* slot: new_data */,
  owner = /* slot: new_owner */

-- name: set-mixed
-- As set, for entries whose tolerances differ: one statement, so that all of them are stored or none.
-- %s: as for set; %(keys)s: digests, %(tolerances)s: theirs, in milliseconds, in the same order
/* include: read-committed */;
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, /* slot: data_in */, /* include: expiry-in */, %s, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  created_at = /* include: created */,
  updated_at = IF(/* include: is-same-mixed */, /* slot: table_name */.updated_at, UTC_TIMESTAMP(3)),
  key_text = /* slot: new_key_text */,
  expires_at = IF(/* include: is-same-mixed */, /* slot: table_name */.expires_at, /* slot: new_expiry */),
  data = /* slot: new_data */,
  owner = /* slot: new_owner */

-- name: set-keeping-ttl
-- Store entries that keep the expiry of a live entry under their key. Those that are stored already stay as they are.
-- %s: key digest, namespace, data, owner, key text
/* include: read-committed */;
INSERT INTO /* slot: table */ (key_digest, namespace, data, owner, key_text, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, /* slot: data_in */, %s, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  created_at = /* include: created */,
  updated_at = IF(
    NOT /* include: has-expired */ AND /* include: is-same-value */, /* slot: table_name */.updated_at, UTC_TIMESTAMP(3)
  ),
  key_text = /* slot: new_key_text */,
  expires_at = IF(/* include: has-expired */, NULL, /* slot: table_name */.expires_at),
  data = /* slot: new_data */,
  owner = /* slot: new_owner */

-- name: lock-for-replacement
-- The keys that are alive and, where that is asked for, hold the expected data; their rows are locked until replace.
-- %s: key digest, expected data or NULL; %(keys)s: their digests
/* include: read-committed */;
START TRANSACTION;
SELECT s.key_digest
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE (
    /* each OR */ (s.key_digest = %s AND COALESCE(/* slot: is_expected */, TRUE))
  )
  AND s.key_digest IN (%(keys)s)
  AND (s.expires_at IS NULL OR s.expires_at > SYSDATE(3))
FOR UPDATE

-- name: replace
-- Replace what lock-for-replacement has locked: none of this is new.
-- %s: key digest, namespace, data, time to live, owner
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, owner, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, /* slot: data_in */, /* include: expiry-in */, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  data = /* slot: new_data */,
  expires_at = /* slot: new_expiry */,
  owner = /* slot: new_owner */,
  updated_at = UTC_TIMESTAMP(3);
COMMIT

-- name: increment
-- Add to numbers; those that are not alive start at zero, with a new expiry. Returns them. What is no number becomes NULL,
-- which the table refuses.
-- %s: key digest, namespace, amount, time to live, key text; %(keys)s: their digests
/* include: read-committed */;
START TRANSACTION;
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, key_text, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, CAST(%s AS CHAR), /* include: expiry-in */, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  data = CASE
    WHEN /* include: has-expired */ THEN /* slot: new_data */
    WHEN CAST(/* include: number */ AS BINARY) = CAST(CONVERT(/* slot: table_name */.data USING utf8mb4) AS BINARY)
      THEN CAST(/* include: number */ + CAST(CONVERT(/* slot: new_data */ USING utf8mb4) AS SIGNED) AS CHAR)
  END,
  owner = IF(/* include: has-expired */, NULL, /* slot: table_name */.owner),
  key_text = /* slot: new_key_text */,
  created_at = /* include: created */,
  updated_at = UTC_TIMESTAMP(3),
  expires_at = IF(/* include: has-expired */, /* slot: new_expiry */, /* slot: table_name */.expires_at);
SELECT s.key_digest, CAST(CONVERT(s.data USING utf8mb4) AS SIGNED)
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE s.key_digest IN (%(keys)s);
COMMIT

-- name: add
-- Store entries, without their keys as text, whose keys have no live one. Others stay as they are.
-- %s: key digest, namespace, data, time to live, owner
/* include: read-committed */;
INSERT INTO /* slot: table */ (key_digest, namespace, data, expires_at, owner, created_at, updated_at)
VALUES
  /* each , */ (%s, %s, /* slot: data_in */, /* include: expiry-in */, %s, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
/* slot: on_duplicate */
  created_at = /* include: created */,
  updated_at = IF(/* include: has-expired */, UTC_TIMESTAMP(3), /* slot: table_name */.updated_at),
  key_text = IF(/* include: has-expired */, NULL, /* slot: table_name */.key_text),
  data = IF(/* include: has-expired */, /* slot: new_data */, /* slot: table_name */.data),
  owner = IF(/* include: has-expired */, /* slot: new_owner */, /* slot: table_name */.owner),
  expires_at = IF(/* include: has-expired */, /* slot: new_expiry */, /* slot: table_name */.expires_at)

-- name: delete
-- Remove keys.
-- %s: key digest
/* include: read-committed */;
DELETE s
FROM (
  /* each UNION ALL */ SELECT %s AS key_digest
) AS n
STRAIGHT_JOIN /* slot: table */ AS s FORCE INDEX (PRIMARY) ON s.key_digest = n.key_digest

-- name: delete-namespace
-- Remove entries of a namespace and its children: those from the one name up to, but without, the other. The range is for
-- the index, and a little too wide: the collation compares what is shorter as if spaces followed.
-- %(namespace)s, %(children)s, %(behind)s: what is behind them, %(most)s: how many at most
/* include: read-committed */;
DELETE FROM /* slot: table */
WHERE (/* include: is-in-namespace */)
   OR (
    namespace >= CONVERT(CONCAT(%(children)s, x'00') USING ascii)
    AND namespace < CONVERT(%(behind)s USING ascii)
    AND LEFT(CAST(namespace AS BINARY), LENGTH(%(children)s)) = %(children)s
  )
LIMIT %(most)s

-- name: delete-prefix
-- Remove entries of a namespace, but of none of its children, whose key text starts with a prefix. The range is for the
-- index, and a little too wide: the collation takes a trailing space for nothing, and compares what is shorter as if spaces
-- followed, which some characters come before.
-- %(namespace)s, %(prefix)s, %(behind)s: the end of the range, %(most)s: how many at most
/* include: read-committed */;
DELETE FROM /* slot: table */
WHERE /* include: is-in-namespace */
  AND key_text >= CONVERT(CONCAT(%(prefix)s, x'00') USING utf8mb4) AND key_text < CONVERT(%(behind)s USING utf8mb4)
  AND LEFT(CAST(key_text AS BINARY), LENGTH(%(prefix)s)) = %(prefix)s
LIMIT %(most)s

-- name: delete-expired
-- Remove expired rows, passing over those that others hold.
-- %(most)s: how many at most
/* include: read-committed */;
DELETE s
FROM (
  SELECT key_digest FROM /* slot: table */ FORCE INDEX (/* slot: expiry_index */)
  WHERE expiry_bucket <= TIMESTAMPDIFF(HOUR, '1970-01-01 00:00:00', UTC_TIMESTAMP()) AND expires_at <= UTC_TIMESTAMP(3)
  ORDER BY expiry_bucket
  LIMIT %(most)s
  FOR UPDATE SKIP LOCKED
) AS n
STRAIGHT_JOIN /* slot: table */ AS s FORCE INDEX (PRIMARY) ON s.key_digest = n.key_digest

-- name: owned
-- Entries of an owner that are alive, the ones last written first; times as milliseconds since 1970.
-- %(namespace)s, %(owner)s, %(most)s: how many at most
SELECT s.key_digest,
  TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', s.created_at) DIV 1000,
  TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', s.updated_at) DIV 1000,
  /* include: expiry */
FROM /* slot: table */ AS s
WHERE /* include: is-owned */ AND /* include: is-alive */
ORDER BY s.updated_at DESC
LIMIT %(most)s

-- name: delete-owned
-- Remove entries of an owner, but not the one to keep.
-- %(namespace)s, %(owner)s, %(keep)s: key digest, or NULL, %(most)s: how many at most
/* include: read-committed */;
DELETE FROM /* slot: table */
WHERE /* include: is-owned */ AND NOT key_digest <=> %(keep)s
LIMIT %(most)s

-- name: stats
-- How many entries there are and how many bytes of data they have, by namespace and by how long they will live: 0 for those
-- that have expired, else the number of the last bound below, or -1 for ever. Who has no millisecond left has expired.
-- %(bounds)s: in milliseconds, the first of them 0
SELECT g.namespace, g.bin, COUNT(*), CAST(SUM(g.size) AS SIGNED)
FROM (
  SELECT CAST(s.namespace AS BINARY) AS namespace, LENGTH(s.data) AS size, INTERVAL(/* include: remaining */ - 1, %(bounds)s) AS bin
  FROM /* slot: table */ AS s
) AS g
GROUP BY g.namespace, g.bin

-- name: namespaces
-- The namespaces that there are.
SELECT DISTINCT CAST(namespace AS BINARY) FROM /* slot: table */

-- name: inspect
-- All but the data of entries, also of expired ones: key digest, namespace, bytes of data, owner, when it was stored, written
-- and will expire in milliseconds since 1970, and the milliseconds until then.
-- %(keys)s: digests
SELECT s.key_digest, CAST(s.namespace AS BINARY), LENGTH(s.data), CAST(s.owner AS BINARY),
  TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', s.created_at) DIV 1000,
  TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', s.updated_at) DIV 1000,
  /* include: expiry */, /* include: remaining */
FROM /* slot: table */ AS s FORCE INDEX (PRIMARY)
WHERE s.key_digest IN (%(keys)s)

-- name: check-table
-- Fails if the table is missing or lacks a column.
SELECT key_digest, namespace, data, expires_at, expiry_bucket, owner, key_text, created_at, updated_at
FROM /* slot: table */
LIMIT 0

-- name: check-format
-- A row if the table has data of the store's format. MariaDB's JSON is a LONGTEXT that is checked.
SHOW COLUMNS FROM /* slot: table */ WHERE Field = 'data' AND Type IN (/* slot: data_types */)

-- name: table-shape
-- What there is of the table: its columns with their types and whether a row must give them a value, its indexes, and the mark
-- that says which version of the schema it has.
-- %(schema)s: NULL for the one in use, %(table)s
SELECT 'column', column_name, column_type,
  is_nullable = 'NO' AND column_default IS NULL AND extra NOT LIKE '%%GENERATED%%' AND extra <> 'auto_increment'
FROM information_schema.columns
WHERE table_schema = COALESCE(CONVERT(%(schema)s USING utf8mb4), DATABASE()) AND table_name = CONVERT(%(table)s USING utf8mb4)
UNION ALL
SELECT DISTINCT 'index', index_name, NULL, FALSE
FROM information_schema.statistics
WHERE table_schema = COALESCE(CONVERT(%(schema)s USING utf8mb4), DATABASE()) AND table_name = CONVERT(%(table)s USING utf8mb4)
UNION ALL
SELECT 'mark', table_comment, NULL, FALSE
FROM information_schema.tables
WHERE table_schema = COALESCE(CONVERT(%(schema)s USING utf8mb4), DATABASE()) AND table_name = CONVERT(%(table)s USING utf8mb4)

-- name: create-table
-- Only the hour of the expiry is indexed, so that most renewals change no index. Keys of an index may be as long as these
-- with DYNAMIC rows only, which a server need not have by default.
CREATE TABLE IF NOT EXISTS /* slot: table */ (
  key_digest BINARY(32) NOT NULL,
  namespace VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  data /* slot: data_type */ NOT NULL,
  expires_at DATETIME(3),
  expiry_bucket INT GENERATED ALWAYS AS (TIMESTAMPDIFF(HOUR, '1970-01-01 00:00:00', expires_at)) STORED,
  owner VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  key_text VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  PRIMARY KEY (key_digest),
  INDEX /* slot: expiry_index */ (expiry_bucket),
  INDEX /* slot: owner_index */ (namespace, owner),
  INDEX /* slot: keys_index */ (namespace, key_text)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC COMMENT = /* slot: schema_mark */

-- name: drop-table
-- Drop the table with its indexes, if it is there.
DROP TABLE IF EXISTS /* slot: table */

-- name: native-ttl
-- An event that removes expired rows every minute, in batches. It wants `SET GLOBAL event_scheduler = ON`.
CREATE EVENT IF NOT EXISTS /* slot: schema *//* slot: expiry_index */
ON SCHEDULE EVERY 1 MINUTE
COMMENT 'Removes what has expired, for litestar-sqlstores'
DO DELETE FROM /* slot: table */
  WHERE expiry_bucket <= TIMESTAMPDIFF(HOUR, '1970-01-01 00:00:00', UTC_TIMESTAMP()) AND expires_at <= UTC_TIMESTAMP(3)
  ORDER BY expiry_bucket
  LIMIT 10000

-- fragment: read-committed
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE

-- fragment: notes_switch
sql_notes

-- fragment: no_notes_switch
0

-- fragment: notes_verbosity
note_verbosity

-- fragment: no_notes_verbosity
''

-- fragment: is-alive
(s.expires_at IS NULL OR s.expires_at > UTC_TIMESTAMP(3))

-- fragment: remaining
TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), s.expires_at) DIV 1000

-- fragment: expiry
TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', s.expires_at) DIV 1000

-- fragment: is-in-namespace
namespace = CONVERT(%(namespace)s USING ascii) AND LENGTH(namespace) = LENGTH(%(namespace)s)

-- fragment: is-owned
/* include: is-in-namespace */
  AND owner = CONVERT(%(owner)s USING utf8mb4) AND LENGTH(owner) = LENGTH(%(owner)s)

-- fragment: expiry-in
UTC_TIMESTAMP(3) + INTERVAL %s * 1000 MICROSECOND

-- fragment: has-expired
(/* slot: table_name */.expires_at IS NOT NULL AND /* slot: table_name */.expires_at <= UTC_TIMESTAMP(3))

-- fragment: created
IF(/* include: has-expired */, UTC_TIMESTAMP(3), /* slot: table_name */.created_at)

-- fragment: is-same-value
(/* slot: table_name */.data = /* slot: new_data */ AND /* slot: table_name */.owner <=> /* slot: new_owner */)

-- fragment: is-same
/* include: is-same-value */ AND (
    /* slot: table_name */.expires_at <=> /* slot: new_expiry */
    OR ABS(TIMESTAMPDIFF(MICROSECOND, /* slot: table_name */.expires_at, /* slot: new_expiry */)) <= %(tolerance)s * 1000
  )

-- fragment: is-same-mixed
/* include: is-same-value */ AND (
    /* slot: table_name */.expires_at <=> /* slot: new_expiry */
    OR ABS(TIMESTAMPDIFF(MICROSECOND, /* slot: table_name */.expires_at, /* slot: new_expiry */))
      <= ELT(FIELD(/* slot: table_name */.key_digest, %(keys)s), %(tolerances)s) * 1000
  )

-- fragment: number
CAST(CONVERT(/* slot: table_name */.data USING utf8mb4) AS SIGNED)

-- fragment: on_duplicate_mysql
AS new_entry ON DUPLICATE KEY UPDATE

-- fragment: on_duplicate_mariadb
ON DUPLICATE KEY UPDATE

-- fragment: new_data_mysql
new_entry.data

-- fragment: new_data_mariadb
VALUES(data)

-- fragment: new_expiry_mysql
new_entry.expires_at

-- fragment: new_expiry_mariadb
VALUES(expires_at)

-- fragment: new_owner_mysql
new_entry.owner

-- fragment: new_owner_mariadb
VALUES(owner)

-- fragment: new_key_text_mysql
new_entry.key_text

-- fragment: new_key_text_mariadb
VALUES(key_text)

-- fragment: data_type_bytes
LONGBLOB

-- fragment: data_type_json
JSON

-- fragment: data_types_bytes
'longblob'

-- fragment: data_types_json
'json', 'longtext'

-- fragment: data_in_bytes
%s

-- fragment: data_in_json
CONVERT(%s USING utf8mb4)

-- fragment: data_out_bytes
s.data

-- fragment: data_out_json
CAST(CONVERT(s.data USING utf8mb4) AS BINARY)

-- fragment: is_expected_bytes
s.data = %s

-- fragment: is_expected_json_mysql
s.data = CAST(CONVERT(%s USING utf8mb4) AS JSON)

-- fragment: is_expected_json_mariadb
JSON_COMPACT(s.data) = JSON_COMPACT(CONVERT(%s USING utf8mb4)) COLLATE utf8mb4_bin
