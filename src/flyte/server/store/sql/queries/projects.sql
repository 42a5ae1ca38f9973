-- name: get
-- One project.
SELECT * FROM projects WHERE name = :name;

-- name: add
-- Make a project; nothing happens when there is one of the name.
INSERT INTO projects (name, title, description, labels, archived, created_at)
VALUES (:name, :title, :description, :labels, 0, :now) ON CONFLICT (name) DO NOTHING;

-- name: update
-- Change what a project says of itself.
UPDATE projects SET title = :title, description = :description, labels = :labels, archived = :archived
WHERE name = :name;

-- name: page
-- Projects after a name, archived ones only when asked for.
SELECT * FROM projects WHERE name > :after AND archived = :archived ORDER BY name LIMIT :limit;
