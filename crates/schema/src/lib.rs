//! What tables there are: names, columns, types, views, stored functions. Loaded from `content/tables` and
//! `content/functions`, so that a table is data.
//!
//! Knows nothing of queries (a view is text here) and nothing of storage beyond the Arrow type that a column type is kept as.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod kusto;
mod made;
mod stored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use taffrail_content::{Content, ContentError};
use taffrail_kql::Type;
use taffrail_kql::bound::PathStep;
use taffrail_kql::catalog::{Entity, PathColumn};

pub use kusto::{KustoSchema, KustoSchemaError, show};
pub use made::{MOST_COLUMNS, check_made, made_table, with_columns};
pub use stored::{DECIMAL_PRECISION, DECIMAL_SCALE, stored_schema, stored_type};

/// Name of the column every stored table has: when the row arrived (Azure Monitor's standard column). `ingestion_time()` reads it.
pub const RECEIVED: &str = "_TimeReceived";
/// Name of the event time column every stored table has.
pub const TIME: &str = "TimeGenerated";

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDef {
    /// Name
    pub name: String,
    /// Type, as KQL names it
    #[serde(rename = "type", with = "type_name")]
    pub ty: Type,
    /// What it holds, one sentence
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where its value stands in the table's `event`: members and places in arrays. Empty: nowhere
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
}

/// A step of [`ColumnDef::path`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// Place in an array
    Index(i64),
    /// Member of an object
    Key(String),
}

/// A stored table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDef {
    /// Name, as queries write it
    pub name: String,
    /// What its rows are, one sentence
    pub about: String,
    /// Heading it is listed under
    #[serde(default)]
    pub group: String,
    /// Columns in order; `TimeGenerated` and `_TimeReceived` are among them
    pub columns: Vec<ColumnDef>,
    /// Columns that together identify a row: a row that arrives again is not stored again. Empty: every row is kept
    #[serde(default)]
    pub unique: Vec<String>,
    /// Sort order of files, first decides
    #[serde(default)]
    pub sort: Vec<String>,
    /// Columns with a bloom filter
    #[serde(default)]
    pub bloom: Vec<String>,
    /// Columns of long or unique text, for which a dictionary does not pay
    #[serde(default)]
    pub plain: Vec<String>,
    /// The column with the whole event as JSON text, which the `path`s of the others lead into
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

impl TableDef {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that holds what is at a path into another column, or into the event, or what is at the beginning of it.
    fn path_column(&self, column: &str, path: &[PathStep]) -> Option<PathColumn> {
        let base: &[Step] = if self.event.as_deref() == Some(column) {
            &[]
        } else {
            let base = self.column(column)?;
            if base.ty != Type::Dynamic || base.path.is_empty() {
                return None;
            }
            &base.path
        };
        let leads = |candidate: &&ColumnDef| {
            let Some(rest) = candidate.path.strip_prefix(base) else {
                return false;
            };
            let same = |(step, asked): (&Step, &PathStep)| match (step, asked) {
                (Step::Key(key), PathStep::Key(asked)) => key == asked,
                (Step::Index(index), PathStep::Index(asked)) => index == asked,
                _ => false,
            };
            !rest.is_empty()
                && rest.len() <= path.len()
                && rest.iter().zip(path).all(same)
                // Into a text or a number there is no further path.
                && (rest.len() == path.len() || candidate.ty == Type::Dynamic)
        };
        let found = self.columns.iter().filter(leads).max_by_key(|candidate| candidate.path.len())?;
        Some(PathColumn {
            column: found.name.clone(),
            ty: found.ty,
            steps: found.path.len() - base.len(),
        })
    }
}

/// A table by query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewDef {
    /// Name, as queries write it
    pub name: String,
    /// What its rows are
    pub about: String,
    /// Heading it is listed under
    #[serde(default)]
    pub group: String,
    /// KQL
    pub query: String,
}

/// A stored function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionDef {
    /// Name
    pub name: String,
    /// What it gives
    pub about: String,
    /// KQL parameter list with parentheses: `(Object: dynamic)`
    #[serde(default = "no_parameters")]
    pub parameters: String,
    /// KQL
    pub body: String,
}

fn no_parameters() -> String {
    "()".to_owned()
}

/// One file of `content/tables`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    #[serde(default)]
    tables: Vec<TableDef>,
    #[serde(default)]
    views: Vec<ViewDef>,
}

/// One file of `content/functions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionFile {
    functions: Vec<FunctionDef>,
}

/// Everything that has a name and rows.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: BTreeMap<String, TableDef>,
    views: BTreeMap<String, ViewDef>,
    functions: BTreeMap<String, FunctionDef>,
    made: made::Made,
}

/// Why a schema cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A file cannot be read
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file is not what it should be
    #[error("{path}: {source}")]
    Yaml {
        /// Which file
        path: String,
        /// Where and what
        source: serde_yaml_ng::Error,
    },
    /// A definition contradicts itself or another
    #[error("{path}: {message}")]
    Invalid {
        /// Which file
        path: String,
        /// What is wrong
        message: String,
    },
}

impl Schema {
    /// Loads `content/tables` and `content/functions`.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, a name is defined twice, a table lacks its time columns, or `unique`, `sort`,
    /// `bloom` or `plain` name a column that does not exist.
    pub fn load(content: &Content) -> Result<Schema, SchemaError> {
        let mut schema = Schema::default();
        for file in content.files("tables")? {
            if !file.path.ends_with(".yaml") {
                continue;
            }
            let parsed: TableFile = serde_yaml_ng::from_str(file.text()?).map_err(|source| SchemaError::Yaml {
                path: file.path.clone(),
                source,
            })?;
            for table in parsed.tables {
                check_table(&table).map_err(|message| SchemaError::Invalid {
                    path: file.path.clone(),
                    message,
                })?;
                schema.check_free(&table.name, &file.path)?;
                schema.tables.insert(table.name.clone(), table);
            }
            for view in parsed.views {
                schema.check_free(&view.name, &file.path)?;
                schema.views.insert(view.name.clone(), view);
            }
        }
        for file in content.files("functions")? {
            if !file.path.ends_with(".yaml") {
                continue;
            }
            let parsed: FunctionFile = serde_yaml_ng::from_str(file.text()?).map_err(|source| SchemaError::Yaml {
                path: file.path.clone(),
                source,
            })?;
            for function in parsed.functions {
                schema.check_free(&function.name, &file.path)?;
                schema.functions.insert(function.name.clone(), function);
            }
        }
        Ok(schema)
    }

    fn check_free(&self, name: &str, path: &str) -> Result<(), SchemaError> {
        if self.tables.contains_key(name) || self.views.contains_key(name) || self.functions.contains_key(name) {
            return Err(SchemaError::Invalid {
                path: path.to_owned(),
                message: format!("{name} is defined twice"),
            });
        }
        Ok(())
    }

    /// Adds or replaces a stored table.
    pub fn add_table(&mut self, table: TableDef) {
        self.tables.insert(table.name.clone(), table);
    }

    /// Makes a table, or gives one that was made other columns, for everybody who has this schema. It is not kept: whoever
    /// stores its rows does that.
    ///
    /// # Errors
    /// When it contradicts itself, or the name is that of a built-in table, view or function.
    pub fn make(&self, table: TableDef) -> Result<(), SchemaError> {
        check_made(&table)?;
        self.check_free(&table.name, &format!("table {}", table.name))?;
        self.made.put(table);
        Ok(())
    }

    /// Takes away a table that was made.
    pub fn unmake(&self, name: &str) {
        if self.made.get(name).is_some() {
            self.made.drop(name);
        }
    }

    /// Whether the table was made, and is not one of the built-in ones.
    pub fn is_made(&self, name: &str) -> bool {
        !self.tables.contains_key(name) && self.made.get(name).is_some()
    }

    /// The stored table of that name.
    pub fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.get(name).or_else(|| self.made.get(name))
    }

    /// Stored tables: the built-in ones by name, then those that were made.
    pub fn tables(&self) -> impl Iterator<Item = &TableDef> {
        self.tables.values().chain(self.made.tables().into_values())
    }

    /// Views by name.
    pub fn views(&self) -> impl Iterator<Item = &ViewDef> {
        self.views.values()
    }

    /// Stored functions by name.
    pub fn functions(&self) -> impl Iterator<Item = &FunctionDef> {
        self.functions.values()
    }
}

impl taffrail_kql::catalog::Schema for Schema {
    fn entity(&self, name: &str) -> Option<Entity> {
        if let Some(table) = self.table(name) {
            return Some(Entity::Table {
                columns: table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect(),
            });
        }
        if let Some(view) = self.views.get(name) {
            return Some(Entity::View { query: view.query.clone() });
        }
        self.functions.get(name).map(|function| Entity::Function {
            parameters: function.parameters.clone(),
            body: function.body.clone(),
        })
    }

    fn path_column(&self, table: &str, column: &str, path: &[PathStep]) -> Option<PathColumn> {
        self.table(table)?.path_column(column, path)
    }

    fn names(&self) -> Vec<String> {
        self.tables
            .keys()
            .chain(self.views.keys())
            .chain(self.functions.keys())
            .map(String::as_str)
            .chain(self.made.tables().into_keys())
            .map(str::to_owned)
            .collect()
    }
}

fn check_table(table: &TableDef) -> Result<(), String> {
    for time in [TIME, RECEIVED] {
        match table.column(time) {
            Some(column) if column.ty == Type::DateTime => {}
            _ => return Err(format!("{} needs a column {time} of type datetime", table.name)),
        }
    }
    for name in table.unique.iter().chain(&table.sort).chain(&table.bloom).chain(&table.plain) {
        if table.column(name).is_none() {
            return Err(format!(
                "{} has no column {name}, which its unique, sort, bloom or plain list names",
                table.name
            ));
        }
    }
    if let Some(event) = &table.event
        && table.column(event).is_none_or(|column| column.ty != Type::String)
    {
        return Err(format!(
            "{} has no column {event} of type string, which its event names",
            table.name
        ));
    }
    for (index, column) in table.columns.iter().enumerate() {
        if table.columns[..index].iter().any(|other| other.name == column.name) {
            return Err(format!("{} has the column {} twice", table.name, column.name));
        }
    }
    Ok(())
}

mod type_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use taffrail_kql::Type;

    pub fn serialize<S: Serializer>(ty: &Type, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(ty.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
        let name = String::deserialize(deserializer)?;
        Type::parse(&name).ok_or_else(|| D::Error::custom(format!("{name} is no KQL type")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_tables_load() {
        let schema = Schema::load(&Content::embedded()).expect("content/tables is valid");
        let audit = schema.table("KubernetesAudit").expect("the audit table exists");
        assert_eq!(audit.unique, ["AuditId", "Stage", "TimeGenerated"]);
        assert_eq!(stored_schema(audit).fields().len(), audit.columns.len());
    }
}
