-- Times are microseconds since 1970, UTC. Names of phases are those of the model.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE projects (
  name TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  labels TEXT NOT NULL,
  archived INTEGER NOT NULL,
  created_at BIGINT NOT NULL
);

-- Task specifications by the digest of their bytes: a spec that many actions share is stored once.
CREATE TABLE specs (
  digest TEXT PRIMARY KEY,
  body BLOB NOT NULL
);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  org TEXT NOT NULL,
  project TEXT NOT NULL,
  domain TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  environment TEXT NOT NULL,
  short_name TEXT NOT NULL,
  description TEXT NOT NULL,
  is_entrypoint INTEGER NOT NULL,
  spec_digest TEXT NOT NULL REFERENCES specs (digest),
  deployed_at BIGINT NOT NULL,
  UNIQUE (project, domain, name, version)
);
CREATE INDEX tasks_by_time ON tasks (project, domain, deployed_at);

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  org TEXT NOT NULL,
  project TEXT NOT NULL,
  domain TEXT NOT NULL,
  name TEXT NOT NULL,
  run_spec BLOB NOT NULL,
  labels TEXT NOT NULL,
  source INTEGER NOT NULL,
  output_base TEXT NOT NULL,
  start_time BIGINT NOT NULL,
  -- The request and its client's name for it: the same request sent again is known from a new one of equal content.
  -- Empty where the client names none.
  request_digest TEXT NOT NULL,
  -- Counts the changes of the run's actions: the change feed.
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (project, domain, name)
);
CREATE INDEX runs_by_time ON runs (project, domain, created_at);

CREATE TABLE actions (
  id INTEGER PRIMARY KEY,
  run_id BIGINT NOT NULL REFERENCES runs (id),
  name TEXT NOT NULL,
  parent TEXT NOT NULL,
  kind TEXT NOT NULL,
  group_name TEXT NOT NULL,
  phase TEXT NOT NULL,
  reason TEXT NOT NULL,
  task_org TEXT NOT NULL,
  task_project TEXT NOT NULL,
  task_domain TEXT NOT NULL,
  task_name TEXT NOT NULL,
  task_version TEXT NOT NULL,
  task_type TEXT NOT NULL,
  short_name TEXT NOT NULL,
  environment TEXT NOT NULL,
  spec_digest TEXT NOT NULL REFERENCES specs (digest),
  input_uri TEXT NOT NULL,
  output_uri TEXT NOT NULL,
  cache_key TEXT NOT NULL,
  cache_status INTEGER NOT NULL,
  user_retries INTEGER NOT NULL,
  backoff TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  epoch BIGINT NOT NULL,
  user_failures INTEGER NOT NULL,
  system_failures INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  error_kind TEXT NOT NULL,
  error_recoverable INTEGER NOT NULL,
  abort_reason TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  UNIQUE (run_id, name)
);
CREATE INDEX actions_by_parent ON actions (run_id, parent, revision);
CREATE INDEX actions_by_revision ON actions (run_id, revision);
CREATE INDEX actions_open ON actions (run_id, parent)
  WHERE phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out', 'recovered');
CREATE INDEX actions_by_task ON actions (task_project, task_domain, task_name, name);

CREATE TABLE attempts (
  action_id BIGINT NOT NULL REFERENCES actions (id),
  number INTEGER NOT NULL,
  phase TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  executor TEXT NOT NULL,
  token_digest TEXT NOT NULL,
  -- Not to be started before this moment (back-off).
  ready_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  leased_at BIGINT,
  started_at BIGINT,
  ended_at BIGINT,
  exit_code INTEGER,
  signal INTEGER,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  error_kind TEXT NOT NULL,
  peak_memory_bytes BIGINT NOT NULL,
  cpu_seconds DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (action_id, number)
);
CREATE INDEX attempts_queued ON attempts (ready_at) WHERE phase = 'queued';
CREATE INDEX attempts_live ON attempts (executor) WHERE phase IN ('initializing', 'running');
CREATE INDEX attempts_by_token ON attempts (token_digest) WHERE token_digest <> '';

CREATE TABLE cache_entries (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  output_uri TEXT NOT NULL,
  run_id BIGINT NOT NULL,
  action_name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);

CREATE TABLE interpreters (
  digest TEXT PRIMARY KEY,
  executable TEXT NOT NULL,
  prefix TEXT NOT NULL,
  version TEXT NOT NULL,
  registered_at BIGINT NOT NULL
);
