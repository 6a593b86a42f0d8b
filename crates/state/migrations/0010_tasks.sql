-- What is to be done about an incident.
CREATE TABLE tasks (
    id          TEXT PRIMARY KEY,
    incident    BIGINT NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    done_by     TEXT,
    done_at     TEXT
);
CREATE INDEX tasks_incident ON tasks (incident, created_at, id);

-- The trail of people's actions is read by time, newest first.
CREATE INDEX activity_at ON activity (at, id);
CREATE INDEX activity_who ON activity (who, at);
