-- name: get
-- One action of a run, with what its run says.
SELECT actions.*, runs.project, runs.domain, runs.org, runs.name AS run_name, runs.labels, runs.source
FROM actions JOIN runs ON runs.id = actions.run_id
WHERE runs.project = :project AND runs.domain = :domain AND runs.name = :run AND actions.name = :name;

-- name: by_id
-- One action, with what its run says.
SELECT actions.*, runs.project, runs.domain, runs.org, runs.name AS run_name, runs.labels, runs.source,
  runs.run_spec, runs.output_base, runs.start_time
FROM actions JOIN runs ON runs.id = actions.run_id WHERE actions.id = :action_id;

-- name: add
-- Make an action; nothing happens when its name is taken in the run.
INSERT INTO actions (
  run_id, name, parent, kind, group_name, phase, reason, task_org, task_project, task_domain, task_name, task_version,
  task_type, short_name, environment, spec_digest, input_uri, output_uri, cache_key, cache_status, user_retries,
  backoff, attempt, epoch, user_failures, system_failures, error_code, error_message, error_kind, error_recoverable,
  abort_reason, revision, created_at, started_at, ended_at
) VALUES (
  :run_id, :name, :parent, :kind, :group_name, :phase, :reason, :task_org, :task_project, :task_domain, :task_name,
  :task_version, :task_type, :short_name, :environment, :spec_digest, :input_uri, :output_uri, :cache_key,
  :cache_status, :user_retries, :backoff, 1, 0, 0, 0, '', '', '', 0, '', :revision, :now, :started_at, :ended_at
) ON CONFLICT (run_id, name) DO NOTHING RETURNING id;

-- name: update
-- Write an action's state after a decision. The change is number :revision of its run's feed.
UPDATE actions SET phase = :phase, reason = :reason, attempt = :attempt, epoch = :epoch,
  user_failures = :user_failures, system_failures = :system_failures, error_code = :error_code,
  error_message = :error_message, error_kind = :error_kind, error_recoverable = :error_recoverable,
  abort_reason = :abort_reason, output_uri = :output_uri, cache_status = :cache_status, revision = :revision,
  started_at = :started_at, ended_at = :ended_at
WHERE id = :action_id;

-- name: children
-- What a parent's children changed since a revision, in order.
SELECT * FROM actions WHERE run_id = :run_id AND parent = :parent AND revision > :revision
ORDER BY revision LIMIT :limit;

-- name: changed
-- What changed in a run since a revision, in order.
SELECT * FROM actions WHERE run_id = :run_id AND revision > :revision ORDER BY revision LIMIT :limit;

-- name: unfinished_children
-- Children that are not over.
SELECT * FROM actions WHERE run_id = :run_id AND parent = :parent
  AND phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered');

-- name: phase_counts
-- How many children each parent has in each phase.
SELECT parent, phase, COUNT(*) AS n FROM actions WHERE run_id = :run_id GROUP BY parent, phase;

-- name: cache_status
-- How the cache served the action.
UPDATE actions SET cache_status = :status WHERE id = :action_id;
