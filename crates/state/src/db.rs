//! Everything that differs between database systems: how to connect, pragmas, how a writing transaction begins.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::StateError;

/// The database system in use.
pub type Database = sqlx::Sqlite;
/// Its connection.
pub type Connection = sqlx::SqliteConnection;
/// Its connection pool.
pub type Pool = sqlx::SqlitePool;
/// A row of it.
pub type Row = sqlx::sqlite::SqliteRow;
/// A transaction of it.
pub type Transaction = sqlx::Transaction<'static, Database>;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "documents", include_str!("../migrations/0002_documents.sql")),
    (10, "tasks", include_str!("../migrations/0010_tasks.sql")),
];
const READERS: u32 = 4;

fn migrator() -> Migrator {
    Migrator::with_migrations(
        MIGRATIONS
            .iter()
            .map(|(version, name, sql)| {
                Migration::new(
                    *version,
                    (*name).into(),
                    MigrationType::Simple,
                    AssertSqlSafe(*sql).into_sql_str(),
                    false,
                )
            })
            .collect(),
    )
}

/// Opens (or creates) the file: a pool of one for writing, another for reading.
pub async fn open(path: &Path) -> Result<(Pool, Pool), StateError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An incident that was reported must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10));
    let opening = |source| StateError::Open {
        path: path.display().to_string(),
        source,
    };
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(opening)?;
    restrict(path);
    migrator().run(&writer).await.map_err(|source| StateError::Migration {
        path: path.display().to_string(),
        source: Box::new(source),
    })?;
    let reader = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options)
        .await
        .map_err(opening)?;
    Ok((writer, reader))
}

/// Copies the database to a file; there is the old one or the new one, whatever happens.
pub async fn copy(pool: &Pool, target: &Path) -> Result<(), StateError> {
    let temporary = target.with_extension("copying");
    let failed = |error: std::io::Error| StateError::Open {
        path: temporary.display().to_string(),
        source: sqlx::Error::Io(error),
    };
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    sqlx::query("VACUUM INTO ?")
        .bind(temporary.display().to_string())
        .execute(pool)
        .await?;
    restrict(&temporary);
    std::fs::File::open(&temporary)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, target))
        .map_err(failed)
}

/// Password hashes are nobody else's business on the machine.
fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            tracing::warn!(path = %path.display(), %error, "cannot restrict access to the state file");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Begins a transaction that will write.
pub async fn begin(pool: &Pool) -> Result<Transaction, StateError> {
    // Taking the write lock at the start avoids the upgrade from reading, which SQLite refuses when somebody wrote between.
    Ok(pool.begin_with("BEGIN IMMEDIATE").await?)
}
