-- name: get
-- One setting of the database itself.
SELECT value FROM meta WHERE key = :key;

-- name: put
-- Keep a setting unless it is there already.
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING;
