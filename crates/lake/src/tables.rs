//! Making, changing and dropping tables while the lake is open.
//!
//! A definition is durable before anybody sees it, and the schema that everybody shares hears of it at once. Files are not
//! rewritten: those of before a column existed are read as if it were empty in them, and the Delta log learns of the column with
//! the next commit.

use std::sync::Arc;

use serde_json::json;
use taffrail_schema::{ColumnDef, TableDef, check_made, stored_schema, with_columns};

use crate::error::{LakeError, blocking};
use crate::event::EventForm;
use crate::lake::{Inner, Lake};
use crate::open::load_table;
use crate::shared::Table;

/// What became of [`Lake::create_merge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// It was there with all of the columns
    Nothing,
    /// It is new
    Created,
    /// It has these columns more
    Added(Vec<String>),
}

fn refused(table: &str, message: impl ToString) -> LakeError {
    LakeError::Table {
        table: table.to_owned(),
        message: message.to_string(),
    }
}

impl Lake {
    /// Makes a table. Queries, appends and other users of the schema know it when this returns, and after a restart.
    ///
    /// # Errors
    /// When there is one of that name, or the definition cannot be one ([`taffrail_schema::check_made`]).
    pub async fn create_table(&self, definition: TableDef) -> Result<(), LakeError> {
        self.inner.check_open()?;
        let _changing = self.inner.catalog.changing.lock().await;
        if self.inner.shared.table(&definition.name).is_some() {
            return Err(refused(&definition.name, "there is a table of that name"));
        }
        self.inner.create(definition).await
    }

    /// Makes a table, or gives the one of that name the columns that it does not have. What comes with the first record of an
    /// unknown kind calls this.
    ///
    /// # Errors
    /// As [`Lake::create_table`]; when a column is there with another type; for new columns of a built-in table.
    pub async fn create_merge(&self, definition: TableDef) -> Result<TableChange, LakeError> {
        self.inner.check_open()?;
        let _changing = self.inner.catalog.changing.lock().await;
        let Some(current) = self.inner.shared.table(&definition.name) else {
            self.inner.create(definition).await?;
            return Ok(TableChange::Created);
        };
        let name = current.name();
        let changed = with_columns(&current.definition, &definition.columns).map_err(|error| refused(name, error))?;
        let Some(changed) = changed else {
            return Ok(TableChange::Nothing);
        };
        let new = |column: &&ColumnDef| current.definition.column(&column.name).is_none();
        let added = changed.columns.iter().filter(new).map(|column| column.name.clone()).collect();
        self.inner.change(&current, changed).await?;
        Ok(TableChange::Added(added))
    }

    /// Gives a table that was made other columns, in this order. Columns that are not named are no longer seen; their values stay
    /// in the files and are seen again when the column is made again.
    ///
    /// # Errors
    /// When there is no such table, it is a built-in one, or a column changes its type.
    pub async fn alter_table(&self, definition: TableDef) -> Result<(), LakeError> {
        self.inner.check_open()?;
        let _changing = self.inner.catalog.changing.lock().await;
        let current = self.inner.table(&definition.name)?;
        let name = current.name();
        for column in &definition.columns {
            if let Some(known) = current.definition.column(&column.name)
                && known.ty != column.ty
            {
                let (column, from, to) = (&column.name, known.ty, column.ty);
                return Err(refused(
                    name,
                    format!("column {column} is of type {from}, not {to}; a column does not change its type, give it another name"),
                ));
            }
        }
        check_made(&definition).map_err(|error| refused(name, error))?;
        self.inner.change(&current, definition).await
    }

    /// Drops a table that was made, with its rows and files.
    ///
    /// # Errors
    /// When there is no such table, it is a built-in one, or it is under legal hold.
    pub async fn drop_table(&self, name: &str) -> Result<(), LakeError> {
        self.inner.check_open()?;
        let _changing = self.inner.catalog.changing.lock().await;
        let table = self.inner.table(name)?;
        if !self.inner.schema.is_made(name) {
            return Err(refused(name, "it is built in and cannot be dropped"));
        }
        if let Some(reason) = self.inner.catalog.policy(name).legal_hold {
            return Err(refused(name, format!("it is under legal hold ({reason}) and cannot be dropped")));
        }
        // Whoever flushes or merges it now finishes first.
        let delta = table.delta.lock().await;
        self.inner.shared.drop_table(&table);
        self.inner.schema.unmake(name);
        let inner = Arc::clone(&self.inner);
        let forgotten = name.to_owned();
        let folder = table.directory.clone();
        blocking("dropping a table", move || {
            inner.catalog.change(|kept| {
                kept.tables.retain(|table| table.name != forgotten);
                kept.policies.remove(&forgotten);
                // Whatever of it is still on its way to the log, too.
                kept.dropped.insert(forgotten.clone(), u64::MAX);
            })?;
            if let Some(chain) = &inner.shared.chain {
                chain.append("drop", json!({"table": forgotten}), true)?;
            }
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(LakeError::io("delete", &folder)(error)),
                _ => Ok(()),
            }
        })
        .await?;
        drop(delta);
        Ok(())
    }

    /// The definition of a table.
    pub fn definition(&self, name: &str) -> Option<TableDef> {
        Some(self.inner.shared.table(name)?.definition.clone())
    }

    /// Whether the table was made at run time.
    pub fn is_made(&self, name: &str) -> bool {
        self.inner.schema.is_made(name)
    }
}

impl Inner {
    async fn create(&self, definition: TableDef) -> Result<(), LakeError> {
        check_made(&definition).map_err(|error| refused(&definition.name, error))?;
        // Nothing of what an interrupted drop left belongs to the new one.
        let folder = self.directory.join("tables").join(&definition.name);
        if self.catalog.dropped(&definition.name) > 0 && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(LakeError::io("delete", &folder))?;
        }
        let (table, loaded) = load_table(&self.directory, &definition, self.shared.chain.as_ref(), true).await?;
        let kept = definition.clone();
        self.keep(kept)?;
        self.schema
            .make(definition.clone())
            .map_err(|error| refused(&definition.name, error))?;
        self.shared.add_table(|id| Table { id, ..table }, loaded.files);
        tracing::info!(table = definition.name, columns = definition.columns.len(), "table made");
        Ok(())
    }

    async fn change(&self, current: &Table, definition: TableDef) -> Result<(), LakeError> {
        let name = current.name();
        if !self.schema.is_made(name) {
            return Err(refused(name, "it is built in and does not get other columns"));
        }
        current.delta.lock().await.check(&definition)?;
        self.keep(definition.clone())?;
        self.schema.make(definition.clone()).map_err(|error| refused(name, error))?;
        self.shared.change_table(Table {
            id: current.id,
            made: true,
            schema: stored_schema(&definition),
            event: EventForm::of(&definition),
            definition,
            directory: current.directory.clone(),
            delta: Arc::clone(&current.delta),
        })
    }

    fn keep(&self, definition: TableDef) -> Result<(), LakeError> {
        let position = self.shared.durable();
        self.catalog.change(|kept| {
            if let Some(dropped) = kept.dropped.get_mut(&definition.name) {
                *dropped = position.min(*dropped);
            }
            kept.tables.retain(|table| table.name != definition.name);
            kept.tables.push(definition);
        })
    }
}
