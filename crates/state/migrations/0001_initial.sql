-- Plain SQL that SQLite and PostgreSQL both read: TEXT identifiers, timestamps as RFC 3339 text in UTC with microseconds
-- (text order is time order), JSON as TEXT.

CREATE TABLE users (
    name         TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    password     TEXT NOT NULL,
    role         TEXT NOT NULL,
    disabled     BOOLEAN NOT NULL,
    must_change  BOOLEAN NOT NULL,
    created_at   TEXT NOT NULL,
    last_sign_in TEXT
);

CREATE TABLE sign_in_failures (
    subject       TEXT PRIMARY KEY,
    failures      BIGINT NOT NULL,
    blocked_until TEXT,
    last_at       TEXT NOT NULL
);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    secret     TEXT NOT NULL UNIQUE,
    user_name  TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_name);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    role       TEXT,
    source     TEXT,
    cluster    TEXT,
    hash       TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    last_used  TEXT
);

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('incident', 0);

CREATE TABLE incidents (
    number                 BIGINT PRIMARY KEY,
    id                     TEXT NOT NULL UNIQUE,
    status                 TEXT NOT NULL,
    severity               BIGINT NOT NULL,
    owner                  TEXT,
    grouping               TEXT NOT NULL,
    first_activity         TEXT NOT NULL,
    last_activity          TEXT NOT NULL,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    closed_at              TEXT,
    alert_count            BIGINT NOT NULL,
    title                  TEXT NOT NULL,
    cluster                TEXT NOT NULL,
    classification         TEXT,
    classification_reason  TEXT,
    classification_comment TEXT,
    search                 TEXT NOT NULL,
    description            TEXT NOT NULL,
    tactics                TEXT NOT NULL,
    techniques             TEXT NOT NULL,
    rules                  TEXT NOT NULL,
    entities               TEXT NOT NULL
);
-- The queue sorts and filters by these; the facets are counted from the index alone.
CREATE INDEX incidents_queue ON incidents (status, severity, owner, last_activity);
CREATE INDEX incidents_last_activity ON incidents (last_activity, number);
CREATE INDEX incidents_created ON incidents (created_at, number);
CREATE INDEX incidents_severity ON incidents (severity, number);
CREATE INDEX incidents_owner ON incidents (owner, status, severity);
CREATE INDEX incidents_grouping ON incidents (grouping, last_activity);

-- Tactics and techniques of an incident, one row each, for filters and facets.
CREATE TABLE incident_labels (
    kind     TEXT NOT NULL,
    value    TEXT NOT NULL,
    incident BIGINT NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
    PRIMARY KEY (kind, value, incident)
);
CREATE INDEX incident_labels_incident ON incident_labels (incident, kind);

CREATE TABLE incident_entities (
    entity   TEXT NOT NULL,
    incident BIGINT NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
    PRIMARY KEY (entity, incident)
);
CREATE INDEX incident_entities_incident ON incident_entities (incident);

CREATE TABLE alerts (
    id             TEXT PRIMARY KEY,
    incident       BIGINT NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
    rule           TEXT NOT NULL,
    severity       BIGINT NOT NULL,
    first_activity TEXT NOT NULL,
    last_activity  TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    body           TEXT NOT NULL
);
CREATE INDEX alerts_incident ON alerts (incident, last_activity);
CREATE INDEX alerts_rule ON alerts (rule, created_at);

CREATE TABLE comments (
    id         TEXT PRIMARY KEY,
    incident   BIGINT NOT NULL REFERENCES incidents (number) ON DELETE CASCADE,
    author     TEXT NOT NULL,
    message    TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX comments_incident ON comments (incident, created_at);

-- Who changed what, when. `subject` is `incident/12`, `user/ann`, `token/ID`.
CREATE TABLE activity (
    id        TEXT PRIMARY KEY,
    at        TEXT NOT NULL,
    who       TEXT NOT NULL,
    subject   TEXT NOT NULL,
    action    TEXT NOT NULL,
    field     TEXT,
    old_value TEXT,
    new_value TEXT
);
CREATE INDEX activity_subject ON activity (subject, at, id);

CREATE TABLE rule_state (
    rule             TEXT PRIMARY KEY,
    last_run         TEXT,
    suppressed_until TEXT
);

CREATE TABLE consumers (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

CREATE TABLE query_history (
    id         TEXT PRIMARY KEY,
    user_name  TEXT NOT NULL,
    query      TEXT NOT NULL,
    at         TEXT NOT NULL,
    elapsed_ms BIGINT NOT NULL,
    row_count  BIGINT,
    error      TEXT
);
CREATE INDEX query_history_user ON query_history (user_name, at, id);

CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
