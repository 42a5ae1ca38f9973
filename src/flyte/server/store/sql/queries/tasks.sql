-- name: put_spec
-- Keep a specification; it is there already when its digest is.
INSERT INTO specs (digest, body) VALUES (:digest, :body) ON CONFLICT (digest) DO NOTHING;

-- name: spec
-- The bytes of a specification.
SELECT body FROM specs WHERE digest = :digest;

-- name: get
-- One version of a deployed task, with its specification.
SELECT tasks.*, specs.body AS spec FROM tasks JOIN specs ON specs.digest = tasks.spec_digest
WHERE project = :project AND domain = :domain AND name = :name AND version = :version;

-- name: add
-- Deploy a version.
INSERT INTO tasks (
  org, project, domain, name, version, environment, short_name, description, is_entrypoint, spec_digest, deployed_at
) VALUES (
  :org, :project, :domain, :name, :version, :environment, :short_name, :description, :is_entrypoint, :spec_digest, :now
);
