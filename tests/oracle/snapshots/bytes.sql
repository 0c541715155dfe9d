-- What the store sends to every server, with data_format='bytes'. Reviewed; `python -m tests.oracle.variants` writes it anew.

-- check_table
SELECT data, key_digest, namespace, expires_at, expiry_bucket, owner, key_text, created_at, updated_at
FROM "sessions"
WHERE 1 = 0;

-- create_table, part 1
CREATE TABLE "sessions" (
  key_digest RAW(32) PRIMARY KEY,
  namespace VARCHAR2(255 CHAR) NOT NULL,
  data BLOB,
  expires_at TIMESTAMP(6),
  expiry_bucket DATE GENERATED ALWAYS AS (TRUNC(CAST(expires_at AS DATE), 'HH24')),
  owner VARCHAR2(255 CHAR),
  key_text VARCHAR2(512 CHAR),
  created_at TIMESTAMP(6) NOT NULL,
  updated_at TIMESTAMP(6) NOT NULL
) PCTFREE 20;

-- create_table, part 2
CREATE INDEX "sessions_expiry" ON "sessions" (expiry_bucket);

-- create_table, part 3
CREATE INDEX "sessions_namespace" ON "sessions" (namespace);

-- create_table, part 4
CREATE INDEX "sessions_owner" ON "sessions" (owner);

-- create_table, part 5
CREATE INDEX "sessions_keys" ON "sessions" (key_text);

-- create_table, part 6
COMMENT ON TABLE "sessions" IS 'litestar_sqlstores schema 1';

-- delete
DELETE FROM "sessions" WHERE key_digest = :digest;

-- delete_namespace
DELETE FROM "sessions"
WHERE (namespace = :namespace OR (namespace >= :children AND namespace < :behind))
  AND ROWNUM <= :most;

-- delete_owned
DELETE FROM "sessions"
WHERE namespace = :namespace AND owner = :owner AND key_digest <> :keep AND ROWNUM <= :most;

-- delete_prefix
DELETE FROM "sessions"
WHERE namespace = :namespace AND key_text >= :prefix AND key_text < :behind AND ROWNUM <= :most;

-- drop_table
DROP TABLE "sessions" PURGE;

-- get, 1 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP),
  CASE WHEN DBMS_LOB.GETLENGTH(s.data) <= 2000 THEN DBMS_LOB.SUBSTR(s.data, 2000, 1) END,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM "sessions" s
WHERE s.key_digest IN (:k0);

-- get, 8 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP),
  CASE WHEN DBMS_LOB.GETLENGTH(s.data) <= 2000 THEN DBMS_LOB.SUBSTR(s.data, 2000, 1) END,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM "sessions" s
WHERE s.key_digest IN (:k0, :k1, :k2, :k3, :k4, :k5, :k6, :k7);

-- get_whole, 1 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP), s.data
FROM "sessions" s
WHERE s.key_digest IN (:k0);

-- get_whole, 8 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP), s.data
FROM "sessions" s
WHERE s.key_digest IN (:k0, :k1, :k2, :k3, :k4, :k5, :k6, :k7);

-- insert
INSERT INTO "sessions" (key_digest, namespace, data, expires_at, owner, key_text, created_at, updated_at)
VALUES (
  :digest, :namespace, :data, SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:ttl / 1000, 'SECOND'), :owner, :keytext, SYS_EXTRACT_UTC(SYSTIMESTAMP), SYS_EXTRACT_UTC(SYSTIMESTAMP)
);

-- inspect, 1 keys
SELECT s.key_digest, s.namespace, NVL(DBMS_LOB.GETLENGTH(s.data), 0), s.owner, s.created_at, s.updated_at,
  s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP)
FROM "sessions" s
WHERE s.key_digest IN (:k0);

-- inspect, 8 keys
SELECT s.key_digest, s.namespace, NVL(DBMS_LOB.GETLENGTH(s.data), 0), s.owner, s.created_at, s.updated_at,
  s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP)
FROM "sessions" s
WHERE s.key_digest IN (:k0, :k1, :k2, :k3, :k4, :k5, :k6, :k7);

-- lock, 1 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP),
  CASE WHEN DBMS_LOB.GETLENGTH(s.data) <= 2000 THEN DBMS_LOB.SUBSTR(s.data, 2000, 1) END,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM "sessions" s
WHERE s.key_digest IN (:k0)
ORDER BY s.key_digest
FOR UPDATE;

-- lock, 8 keys
SELECT s.key_digest, s.owner, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP),
  CASE WHEN DBMS_LOB.GETLENGTH(s.data) <= 2000 THEN DBMS_LOB.SUBSTR(s.data, 2000, 1) END,
  CASE WHEN s.data IS NOT NULL THEN 1 END
FROM "sessions" s
WHERE s.key_digest IN (:k0, :k1, :k2, :k3, :k4, :k5, :k6, :k7)
ORDER BY s.key_digest
FOR UPDATE;

-- lock_expired
SELECT key_digest FROM "sessions"
WHERE expiry_bucket <= TRUNC(CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS DATE), 'HH24') AND expires_at <= SYS_EXTRACT_UTC(SYSTIMESTAMP)
  AND ROWNUM <= :most
FOR UPDATE SKIP LOCKED;

-- namespaces
SELECT DISTINCT s.namespace FROM "sessions" s;

-- owned
SELECT s.key_digest, s.created_at, s.updated_at, s.expires_at
FROM "sessions" s
WHERE s.namespace = :namespace AND s.owner = :owner AND (s.expires_at IS NULL OR s.expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP))
ORDER BY s.updated_at DESC
FETCH FIRST :most ROWS ONLY;

-- relax_session
ALTER SESSION SET commit_logging = BATCH commit_wait = NOWAIT;

-- remaining, 1 keys
SELECT s.key_digest, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP)
FROM "sessions" s
WHERE s.key_digest IN (:k0) AND (s.expires_at IS NULL OR s.expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP));

-- remaining, 8 keys
SELECT s.key_digest, s.expires_at, s.expires_at - SYS_EXTRACT_UTC(SYSTIMESTAMP)
FROM "sessions" s
WHERE s.key_digest IN (:k0, :k1, :k2, :k3, :k4, :k5, :k6, :k7) AND (s.expires_at IS NULL OR s.expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP));

-- renew
UPDATE "sessions" SET
  expires_at = SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:ttl / 1000, 'SECOND'),
  updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP)
WHERE key_digest = :digest AND expires_at = :seen AND expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP);

-- replace
UPDATE "sessions" SET
  data = :data,
  expires_at = SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:ttl / 1000, 'SECOND'),
  owner = :owner,
  updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP)
WHERE key_digest = :digest AND (expires_at IS NULL OR expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP));

-- restore_session
ALTER SESSION SET commit_logging = IMMEDIATE commit_wait = WAIT;

-- stats
SELECT g.namespace, g.bin, COUNT(*), SUM(g.bytes)
FROM (
  SELECT s.namespace, NVL(DBMS_LOB.GETLENGTH(s.data), 0) AS bytes,
    CASE
      WHEN s.expires_at IS NULL THEN NULL
      WHEN s.expires_at <= SYS_EXTRACT_UTC(SYSTIMESTAMP) THEN 0
      WHEN s.expires_at < SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:b1 / 1000, 'SECOND') THEN 1
      WHEN s.expires_at < SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:b2 / 1000, 'SECOND') THEN 2
      WHEN s.expires_at < SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:b3 / 1000, 'SECOND') THEN 3
      WHEN s.expires_at < SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:b4 / 1000, 'SECOND') THEN 4
      WHEN s.expires_at < SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:b5 / 1000, 'SECOND') THEN 5
      ELSE 6
    END AS bin
  FROM "sessions" s
) g
GROUP BY g.namespace, g.bin;

-- table_columns
SELECT s.* FROM "sessions" s
WHERE 1 = 0;

-- table_marks
SELECT 'index', i.index_name FROM all_indexes i
WHERE i.table_owner = NVL(:home, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND i.table_name = :named
UNION ALL
SELECT 'mark', c.comments FROM all_tab_comments c
WHERE c.owner = NVL(:home, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND c.table_name = :named;

-- update
UPDATE "sessions" SET
  data = :data,
  expires_at = SYS_EXTRACT_UTC(SYSTIMESTAMP) + NUMTODSINTERVAL(:ttl / 1000, 'SECOND'),
  owner = :owner,
  key_text = :keytext,
  updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP),
  created_at = CASE WHEN expires_at <= SYS_EXTRACT_UTC(SYSTIMESTAMP) THEN SYS_EXTRACT_UTC(SYSTIMESTAMP) ELSE created_at END
WHERE key_digest = :digest;

-- update_keeping_ttl
UPDATE "sessions" SET
  data = :data,
  expires_at = CASE WHEN expires_at > SYS_EXTRACT_UTC(SYSTIMESTAMP) THEN expires_at END,
  owner = :owner,
  key_text = :keytext,
  updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP),
  created_at = CASE WHEN expires_at <= SYS_EXTRACT_UTC(SYSTIMESTAMP) THEN SYS_EXTRACT_UTC(SYSTIMESTAMP) ELSE created_at END
WHERE key_digest = :digest;

-- update_number
UPDATE "sessions" SET
  data = :data,
  key_text = :keytext,
  updated_at = SYS_EXTRACT_UTC(SYSTIMESTAMP)
WHERE key_digest = :digest;
