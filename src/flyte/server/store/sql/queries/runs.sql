-- name: get
-- One run by its name.
SELECT * FROM runs WHERE project = :project AND domain = :domain AND name = :name;

-- name: add
-- Make a run; nothing happens when its name is taken.
INSERT INTO runs (
  org, project, domain, name, run_spec, labels, source, output_base, start_time, request_digest, revision, created_at
) VALUES (
  :org, :project, :domain, :name, :run_spec, :labels, :source, :output_base, :start_time, :request_digest, 0, :now
) ON CONFLICT (project, domain, name) DO NOTHING;

-- name: next_revision
-- The next number of the run's change feed.
UPDATE runs SET revision = revision + 1 WHERE id = :run_id RETURNING revision;
