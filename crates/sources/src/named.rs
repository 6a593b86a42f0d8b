//! Rows of tables whose columns are chosen by names in the record: CEF keys, fields of the Linux audit system, JSON that is
//! mapped to a table of the same column names.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use taffrail_kql::Type;
use taffrail_schema::TableDef;

use crate::decode::{Sink, SourceError};
use crate::json;
use crate::rows::{Rows, Slot};
use crate::time;

/// A table that is filled by names.
pub(crate) struct NamedTable {
    rows: Rows,
    columns: HashMap<String, (Slot, Type)>,
}

impl NamedTable {
    pub(crate) fn new(table: &TableDef) -> NamedTable {
        let rows = Rows::new(table);
        let columns = table
            .columns
            .iter()
            .map(|column| (column.name.clone(), (rows.slot(&column.name), column.ty)))
            .collect();
        NamedTable { rows, columns }
    }

    /// Whether there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Sets a datetime.
    pub(crate) fn time(&mut self, column: &str, microseconds: i64) {
        if let Some(&(slot, _)) = self.columns.get(column) {
            self.rows.time(slot, microseconds);
        }
    }

    /// Sets a dynamic, or a string, from JSON text.
    pub(crate) fn json(&mut self, column: &str, json: &str) {
        match self.columns.get(column) {
            Some(&(slot, Type::Dynamic | Type::String)) if json != "null" => self.rows.text(slot, json),
            _ => {}
        }
    }

    /// Sets a column from text, converted to its type. `false` when there is no such column or the text is no such value.
    pub(crate) fn text(&mut self, column: &str, text: &str) -> bool {
        let Some(&(slot, ty)) = self.columns.get(column) else {
            return false;
        };
        match ty {
            Type::String | Type::Guid => self.rows.text(slot, text),
            Type::Int | Type::Long | Type::TimeSpan => match text.trim().parse::<i64>() {
                Ok(number) if ty != Type::Int || i32::try_from(number).is_ok() => self.rows.number(slot, number),
                _ => return false,
            },
            Type::Real => match text.trim().parse::<f64>() {
                Ok(number) => self.rows.real(slot, number),
                Err(_) => return false,
            },
            Type::Bool => match text.trim() {
                "true" | "True" | "1" => self.rows.flag(slot, true),
                "false" | "False" | "0" => self.rows.flag(slot, false),
                _ => return false,
            },
            Type::DateTime => match time::parse_any(text.trim()) {
                Some(microseconds) => self.rows.time(slot, microseconds),
                None => return false,
            },
            Type::Dynamic => {
                if text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
                    self.rows.text(slot, text);
                } else {
                    let mut quoted = String::with_capacity(text.len() + 2);
                    json::push_string(&mut quoted, text);
                    self.rows.text(slot, &quoted);
                }
            }
            Type::Decimal => return false,
        }
        true
    }

    pub(crate) fn end_row(&mut self) -> Result<(), ArrowError> {
        self.rows.end_row()
    }

    pub(crate) fn finish(self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.rows.finish()
    }
}

impl Sink<'_> {
    /// The builders of a table, with time, cluster and arrival of the row that comes next already set.
    pub(crate) fn named_row(&mut self, table: &str, microseconds: i64) -> Result<&mut NamedTable, SourceError> {
        if !self.named.contains_key(table) {
            let definition = self
                .context
                .schema
                .table(table)
                .ok_or_else(|| SourceError::NoTable { table: table.to_owned() })?;
            self.named.insert(table.to_owned(), NamedTable::new(definition));
        }
        let rows = self
            .named
            .get_mut(table)
            .ok_or_else(|| SourceError::NoTable { table: table.to_owned() })?;
        rows.time(taffrail_schema::TIME, microseconds);
        rows.time(taffrail_schema::RECEIVED, self.received);
        if !self.context.cluster.is_empty() {
            rows.text("Cluster", &self.context.cluster);
        } else if !self.cluster.is_empty() {
            rows.text("Cluster", &self.cluster);
        }
        Ok(rows)
    }
}
