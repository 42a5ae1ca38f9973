-- name: add
-- Queue an attempt.
INSERT INTO attempts (
  action_id, number, phase, epoch, executor, token_digest, ready_at, created_at, error_code, error_message,
  error_kind, peak_memory_bytes, cpu_seconds
) VALUES (:action_id, :number, 'queued', 0, '', '', :ready_at, :now, '', '', '', 0, 0);

-- name: ready
-- Attempts that may be started now, oldest first.
SELECT attempts.action_id, attempts.number FROM attempts
WHERE attempts.phase = 'queued' AND attempts.ready_at <= :now
ORDER BY attempts.ready_at, attempts.action_id LIMIT :limit;

-- name: next_ready_at
-- When the next attempt that waits for its back-off may be started.
SELECT MIN(ready_at) AS ready_at FROM attempts WHERE phase = 'queued' AND ready_at > :now;

-- name: lease
-- Hand an attempt to an executor, under a new epoch and token.
UPDATE attempts SET phase = 'initializing', epoch = :epoch, executor = :executor, token_digest = :token_digest,
  leased_at = :now
WHERE action_id = :action_id AND number = :number AND phase = 'queued';

-- name: start
-- The attempt's process runs.
UPDATE attempts SET phase = 'running', started_at = :at
WHERE action_id = :action_id AND number = :number AND phase = 'initializing';

-- name: close
-- The attempt is over.
UPDATE attempts SET phase = :phase, ended_at = :at, exit_code = :exit_code, signal = :signal,
  error_code = :error_code, error_message = :error_message, error_kind = :error_kind,
  peak_memory_bytes = :peak_memory_bytes, cpu_seconds = :cpu_seconds
WHERE action_id = :action_id AND number = :number
  AND phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered');

-- name: of_action
-- All attempts of an action.
SELECT * FROM attempts WHERE action_id = :action_id ORDER BY number;

-- name: live
-- Attempts that an executor holds.
SELECT attempts.*, actions.name AS action_name, actions.epoch AS action_epoch, runs.project, runs.domain,
  runs.name AS run_name
FROM attempts JOIN actions ON actions.id = attempts.action_id JOIN runs ON runs.id = actions.run_id
WHERE attempts.executor = :executor AND attempts.phase IN ('initializing', 'running');

-- name: by_token
-- The living attempt that a token belongs to.
SELECT attempts.action_id, attempts.number, attempts.phase, actions.name AS action_name, actions.run_id,
  runs.project, runs.domain, runs.name AS run_name
FROM attempts JOIN actions ON actions.id = attempts.action_id JOIN runs ON runs.id = actions.run_id
WHERE attempts.token_digest = :token_digest;

-- name: busy_leaves
-- How many attempts of an executor hold a place. A parent that waits for children lends its own.
SELECT COUNT(*) AS n FROM attempts JOIN actions ON actions.id = attempts.action_id
WHERE attempts.executor = :executor AND attempts.phase IN ('initializing', 'running') AND NOT EXISTS (
  SELECT 1 FROM actions AS child WHERE child.run_id = actions.run_id AND child.parent = actions.name
    AND child.phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered')
);

-- name: renew_token
-- Another token for an attempt that is handed over again.
UPDATE attempts SET token_digest = :token_digest WHERE action_id = :action_id AND number = :number;
