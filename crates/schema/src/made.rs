//! Tables made while the process runs: by command, by an ingestion API, by the first records that arrive.
//!
//! Everybody holds the same [`crate::Schema`] and reads definitions out of it by reference, so definitions are only ever added:
//! a change is a further entry that hides the one before. Tables are made rarely, and the list is short.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use taffrail_kql::Type;

use crate::{ColumnDef, RECEIVED, SchemaError, TIME, TableDef};

/// Longest name of a table or column, as in Kusto.
const LONGEST_NAME: usize = 1024;
/// Most columns of a table that was made, so that records with names out of data cannot fill memory.
pub const MOST_COLUMNS: usize = 1000;

#[derive(Debug)]
enum Change {
    Put(TableDef),
    Drop(String),
}

impl Change {
    fn name(&self) -> &str {
        match self {
            Change::Put(table) => &table.name,
            Change::Drop(name) => name,
        }
    }
}

#[derive(Debug)]
struct Node {
    change: Change,
    next: Made,
}

/// The list of changes; the first that is not yet there is where the next goes.
#[derive(Debug, Default)]
pub(crate) struct Made(OnceLock<Box<Node>>);

impl Made {
    fn changes(&self) -> impl Iterator<Item = &Change> {
        let mut at = self;
        std::iter::from_fn(move || {
            let node = at.0.get()?;
            at = &node.next;
            Some(&node.change)
        })
    }

    fn push(&self, change: Change) {
        let mut node = Box::new(Node {
            change,
            next: Made::default(),
        });
        let mut at = self;
        loop {
            // Somebody else may have been there first; then behind it.
            match at.0.set(node) {
                Ok(()) => return,
                Err(back) => node = back,
            }
            match at.0.get() {
                Some(next) => at = &next.next,
                None => return,
            }
        }
    }

    pub(crate) fn put(&self, table: TableDef) {
        self.push(Change::Put(table));
    }

    pub(crate) fn drop(&self, name: &str) {
        self.push(Change::Drop(name.to_owned()));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&TableDef> {
        match self.changes().filter(|change| change.name() == name).last()? {
            Change::Put(table) => Some(table),
            Change::Drop(_) => None,
        }
    }

    /// The tables of now, by name.
    pub(crate) fn tables(&self) -> BTreeMap<&str, &TableDef> {
        let mut tables = BTreeMap::new();
        for change in self.changes() {
            match change {
                Change::Put(table) => tables.insert(table.name.as_str(), table),
                Change::Drop(name) => tables.remove(name.as_str()),
            };
        }
        tables
    }
}

impl Clone for Made {
    fn clone(&self) -> Made {
        let made = Made::default();
        for table in self.tables().into_values() {
            made.put(table.clone());
        }
        made
    }
}

/// A definition of a table with these columns: the two times are added when they are missing.
///
/// # Errors
/// As [`check_made`].
pub fn made_table(name: &str, columns: Vec<ColumnDef>) -> Result<TableDef, SchemaError> {
    let time = |name: &str, about: &str| ColumnDef {
        name: name.to_owned(),
        ty: Type::DateTime,
        about: about.to_owned(),
        path: Vec::new(),
    };
    let mut all = Vec::with_capacity(columns.len() + 2);
    if !columns.iter().any(|column| column.name == TIME) {
        all.push(time(TIME, "Time the record states; else when it arrived"));
    }
    let has_received = columns.iter().any(|column| column.name == RECEIVED);
    all.extend(columns);
    if !has_received {
        all.push(time(RECEIVED, "When Taffrail received it"));
    }
    let table = TableDef {
        name: name.to_owned(),
        about: String::new(),
        group: "Custom".to_owned(),
        columns: all,
        unique: Vec::new(),
        sort: vec![TIME.to_owned()],
        bloom: Vec::new(),
        plain: Vec::new(),
        event: None,
    };
    check_made(&table)?;
    Ok(table)
}

/// Whether a definition that comes from outside can be a table: names that queries and files can hold, each column once.
///
/// # Errors
/// [`SchemaError::Invalid`] with what is wrong.
pub fn check_made(table: &TableDef) -> Result<(), SchemaError> {
    let refuse = |message: String| SchemaError::Invalid {
        path: format!("table {}", table.name),
        message,
    };
    let plain = |name: &str| !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !plain(&table.name) || table.name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refuse(
            "a table's name has letters, digits and underscores and does not begin with a digit".to_owned(),
        ));
    }
    if table.columns.len() > MOST_COLUMNS {
        return Err(refuse(format!(
            "{} columns, at most {MOST_COLUMNS} are allowed",
            table.columns.len()
        )));
    }
    let mut seen = std::collections::HashMap::new();
    for column in &table.columns {
        if !plain(&column.name) {
            return Err(refuse(format!(
                "the column name {:?} has other characters than letters, digits and underscores",
                column.name
            )));
        }
        if column.name.eq_ignore_ascii_case("date") {
            return Err(refuse(
                "the column name date is taken by the partition column of the files; choose another".to_owned(),
            ));
        }
        if let Some(other) = seen.insert(column.name.to_lowercase(), &column.name) {
            return Err(refuse(format!(
                "the columns {other} and {} differ in case only, which files cannot hold",
                column.name
            )));
        }
    }
    crate::check_table(table).map_err(refuse)
}

/// The table with these columns besides its own, in front of when it was received; `None` when it has them all.
///
/// # Errors
/// When a column is there with another type, or as [`check_made`].
pub fn with_columns(table: &TableDef, columns: &[ColumnDef]) -> Result<Option<TableDef>, SchemaError> {
    let mut changed = table.clone();
    for column in columns {
        match changed.column(&column.name) {
            None => {
                let end = changed.columns.iter().position(|column| column.name == RECEIVED);
                changed.columns.insert(end.unwrap_or(changed.columns.len()), column.clone());
            }
            Some(known) if known.ty == column.ty => {}
            Some(known) => {
                return Err(SchemaError::Invalid {
                    path: format!("table {}", table.name),
                    message: format!(
                        "column {} is of type {}, not {}; a column does not change its type, give it another name",
                        column.name, known.ty, column.ty
                    ),
                });
            }
        }
    }
    if changed.columns.len() == table.columns.len() {
        return Ok(None);
    }
    check_made(&changed)?;
    Ok(Some(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    fn column(name: &str, ty: Type) -> ColumnDef {
        ColumnDef {
            name: name.to_owned(),
            ty,
            about: String::new(),
            path: Vec::new(),
        }
    }

    #[test]
    fn tables_are_made_changed_and_dropped_while_others_hold_them() {
        let schema = Schema::default();
        schema.make(made_table("Own_CL", vec![column("A", Type::String)]).unwrap()).unwrap();
        let before = schema.table("Own_CL").unwrap();
        let more = with_columns(before, &[column("B", Type::Long), column("A", Type::String)])
            .unwrap()
            .unwrap();
        schema.make(more).unwrap();
        assert_eq!(before.columns.len(), 3, "who holds the old one keeps it");
        let names: Vec<&str> = schema
            .table("Own_CL")
            .unwrap()
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, [TIME, "A", "B", RECEIVED]);
        assert_eq!(schema.tables().count(), 1);
        let copy = schema.clone();
        schema.unmake("Own_CL");
        assert!(schema.table("Own_CL").is_none() && schema.tables().count() == 0);
        assert!(copy.table("Own_CL").is_some());
    }

    #[test]
    fn names_that_files_cannot_hold_are_refused() {
        for (table, columns) in [
            ("1st", vec![]),
            ("a b", vec![]),
            ("../x", vec![]),
            ("", vec![]),
            ("T", vec![column("Date", Type::DateTime)]),
            ("T", vec![column("a", Type::Long), column("A", Type::Long)]),
            ("T", vec![column("a;b", Type::Long)]),
            ("T", vec![column(TIME, Type::String)]),
        ] {
            assert!(made_table(table, columns).is_err(), "{table}");
        }
        let table = made_table("T", vec![column("a", Type::Long)]).unwrap();
        assert!(with_columns(&table, &[column("a", Type::String)]).is_err());
        let schema = Schema::load(&taffrail_content::Content::embedded()).unwrap();
        assert!(
            schema.make(made_table("KubernetesAudit", vec![]).unwrap()).is_err(),
            "a built-in table stays"
        );
    }
}
