//! Rows that the server itself writes into the lake (indicators, the trail of actions), from objects to a record batch.

use std::sync::Arc;

use anyhow::Context as _;
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};
use taffrail_kql::Type;
use taffrail_schema::{Schema, TableDef, stored_schema};

/// A record batch of a table: members that are no columns are left out, missing texts are empty.
///
/// # Errors
/// When there is no such table, or a value does not fit its column.
pub fn batch(schema: &Schema, table: &str, rows: Vec<Map<String, Value>>) -> anyhow::Result<RecordBatch> {
    let definition = schema
        .table(table)
        .with_context(|| format!("there is no table {table}: restore content/tables"))?;
    let stored = stored_schema(definition);
    let rows: Vec<Value> = rows.into_iter().map(|row| Value::Object(fit(definition, row))).collect();
    let mut decoder = ReaderBuilder::new(Arc::clone(&stored))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .with_context(|| format!("rows of {table}"))?;
    decoder
        .serialize(&rows)
        .with_context(|| format!("a row does not fit the columns of {table}"))?;
    let batch = decoder
        .flush()
        .with_context(|| format!("a row does not fit the columns of {table}"))?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(stored)))
}

fn fit(table: &TableDef, mut row: Map<String, Value>) -> Map<String, Value> {
    let mut fitted = Map::new();
    for column in &table.columns {
        let value = match (column.ty, row.remove(&column.name).unwrap_or(Value::Null)) {
            (Type::String, Value::Null) => Value::String(String::new()),
            (Type::String, Value::String(text)) => Value::String(text),
            (Type::String | Type::Dynamic, other) if !other.is_null() => Value::String(other.to_string()),
            (_, other) => other,
        };
        fitted.insert(column.name.clone(), value);
    }
    fitted
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_shipped_tables_fit() {
        let schema = crate::local::schema(&taffrail_content::Content::embedded()).unwrap();
        let row = serde_json::json!({ "TimeGenerated": "2026-01-02T03:04:05.000006Z", "Confidence": 75, "Data": { "a": 1 }, "IsActive": true, "other": 1 });
        let Value::Object(row) = row else { panic!("an object") };
        let made = batch(&schema, "ThreatIntelIndicators", vec![row]).unwrap();
        assert_eq!(made.num_rows(), 1);
        assert!(batch(&schema, "NoSuchTable", vec![]).is_err());
    }
}
