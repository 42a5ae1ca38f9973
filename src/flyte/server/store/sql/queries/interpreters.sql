-- name: get
-- A registered interpreter.
SELECT * FROM interpreters WHERE digest = :digest;

-- name: put
-- Register an interpreter.
INSERT INTO interpreters (digest, executable, prefix, version, registered_at)
VALUES (:digest, :executable, :prefix, :version, :now) ON CONFLICT (digest) DO NOTHING;
