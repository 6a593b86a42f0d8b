//! Delta actions as JSON (PROTOCOL.md, "Actions").

use chrono::Utc;
use serde_json::{Map, Value, json};
use taffrail_kql::Type;
use taffrail_schema::{DECIMAL_PRECISION, DECIMAL_SCALE, TableDef};
use uuid::Uuid;

use super::{APP_ID, DataFile};
use crate::error::LakeError;

/// Partition column: the day of `TimeGenerated`. Not a column of the table as queries see it.
pub(crate) const PARTITION: &str = "date";

/// Folder of a partition (the naming Hive began and Delta writers follow).
pub(crate) fn partition_folder(date: Option<&str>) -> String {
    format!("{PARTITION}={}", date.unwrap_or("__HIVE_DEFAULT_PARTITION__"))
}

pub(super) fn protocol() -> Value {
    json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
}

/// The `metaData` action that is needed for the table's columns, given the one in force; `None` when that has them all.
pub(super) fn metadata(table: &TableDef, current: Option<&Value>) -> Result<Option<Value>, LakeError> {
    let refuse = |message: String| LakeError::Table {
        table: table.name.clone(),
        message,
    };
    for column in &table.columns {
        if column.name.eq_ignore_ascii_case(PARTITION) {
            return Err(refuse(format!(
                "the column name {} is taken by the partition column; rename the column",
                column.name
            )));
        }
        if column.name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
            return Err(refuse(format!(
                "Delta tables without column mapping cannot have a column named {:?}",
                column.name
            )));
        }
    }
    let Some(current) = current else {
        let mut fields: Vec<Value> = table
            .columns
            .iter()
            .map(|column| field(&column.name, delta_type(column.ty)))
            .collect();
        fields.push(field(PARTITION, Value::from("date")));
        return Ok(Some(json!({
            "id": Uuid::new_v4().to_string(),
            "name": table.name,
            "description": table.about,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema_string(&fields),
            "partitionColumns": [PARTITION],
            "configuration": {},
            "createdTime": Utc::now().timestamp_millis(),
        })));
    };
    let schema: Value = current
        .get("schemaString")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| refuse("the Delta metadata has no schema".to_owned()))?;
    let mut fields = schema.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    let before = fields.len();
    for column in &table.columns {
        let wanted = delta_type(column.ty);
        match fields
            .iter()
            .find(|field| field.get("name").and_then(Value::as_str) == Some(&column.name))
        {
            None => fields.push(field(&column.name, wanted)),
            Some(stored) if stored.get("type") == Some(&wanted) => {}
            Some(stored) => {
                let stored = stored.get("type").cloned().unwrap_or_default();
                return Err(refuse(format!(
                    "column {} is stored as {stored} and defined as {}; a column cannot change its type, give it a new name",
                    column.name, column.ty
                )));
            }
        }
    }
    if fields.len() == before {
        return Ok(None);
    }
    let mut changed = current.clone();
    if let Some(object) = changed.as_object_mut() {
        object.insert("schemaString".to_owned(), Value::from(schema_string(&fields)));
    }
    Ok(Some(changed))
}

fn schema_string(fields: &[Value]) -> String {
    json!({"type": "struct", "fields": fields}).to_string()
}

fn field(name: &str, ty: Value) -> Value {
    json!({"name": name, "type": ty, "nullable": true, "metadata": {}})
}

fn delta_type(ty: Type) -> Value {
    Value::from(match ty {
        Type::Bool => "boolean",
        Type::Int => "integer",
        Type::Long | Type::TimeSpan => "long",
        Type::Real => "double",
        Type::Decimal => return Value::from(format!("decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})")),
        Type::String | Type::Guid | Type::Dynamic => "string",
        Type::DateTime => "timestamp",
    })
}

fn partition_values(file: &DataFile) -> Value {
    let mut values = Map::new();
    values.insert(PARTITION.to_owned(), file.date.clone().map_or(Value::Null, Value::from));
    Value::Object(values)
}

/// Paths stand URL-encoded in the log. Ours need none of it; those of other writers may.
fn encoded(path: &str) -> String {
    path.replace('%', "%25").replace(' ', "%20")
}

/// A file more.
pub(crate) fn add(file: &DataFile, data_change: bool) -> Value {
    let mut tags = Map::new();
    if let Some(hash) = &file.sha256 {
        tags.insert("sha256".to_owned(), Value::from(hash.as_str()));
    }
    json!({"add": {
        "path": encoded(&file.path),
        "partitionValues": partition_values(file),
        "size": file.size,
        "modificationTime": file.modified,
        "dataChange": data_change,
        "stats": file.statistics.to_json().to_string(),
        "tags": tags,
    }})
}

/// A file less.
pub(crate) fn remove(file: &DataFile, data_change: bool) -> Value {
    json!({"remove": {
        "path": encoded(&file.path),
        "deletionTimestamp": Utc::now().timestamp_millis(),
        "dataChange": data_change,
        "extendedFileMetadata": true,
        "partitionValues": partition_values(file),
        "size": file.size,
    }})
}

/// Up to which log position the table's rows are in its files.
pub(crate) fn transaction(position: u64) -> Value {
    json!({"txn": {"appId": APP_ID, "version": position, "lastUpdated": Utc::now().timestamp_millis()}})
}

pub(super) fn commit_info(operation: &str) -> Value {
    json!({"commitInfo": {
        "timestamp": Utc::now().timestamp_millis(),
        "operation": operation,
        "operationParameters": {},
        // Tells one commit from another that says the same.
        "txnId": Uuid::new_v4().to_string(),
        "engineInfo": concat!("taffrail/", env!("CARGO_PKG_VERSION")),
    }})
}
