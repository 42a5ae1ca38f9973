-- name: get
-- A kept result.
SELECT * FROM cache_entries WHERE scope = :scope AND key = :key;

-- name: put
-- Keep a result; the newest wins.
INSERT INTO cache_entries (scope, key, output_uri, run_id, action_name, created_at)
VALUES (:scope, :key, :output_uri, :run_id, :action_name, :now)
ON CONFLICT (scope, key) DO UPDATE SET output_uri = excluded.output_uri, run_id = excluded.run_id,
  action_name = excluded.action_name, created_at = excluded.created_at;
