//! Tables on a terminal, CSV and JSON: how answers are printed.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::args::QueryFormat;

/// Columns and rows of an answer.
pub struct Answer {
    /// Name and KQL type
    pub columns: Vec<(String, String)>,
    /// Cells
    pub rows: Vec<Vec<Value>>,
    /// Further tables of a query that has several (`fork`, `facet`, several statements): name, table
    pub further: Vec<(Option<String>, Answer)>,
}

/// A cell as people read it: null as nothing, JSON compact.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Prints an answer.
///
/// # Errors
/// When the output cannot be written.
pub fn print(answer: &Answer, format: QueryFormat, out: &mut dyn Write) -> anyhow::Result<()> {
    match format {
        QueryFormat::Table => {
            print_table(answer, out)?;
            for (name, table) in &answer.further {
                writeln!(out, "\n{}", name.as_deref().unwrap_or_default())?;
                print_table(table, out)?;
            }
        }
        QueryFormat::Json => {
            // One table is an array of its rows, several are an array of such arrays.
            let rows = |answer: &Answer| Value::Array(answer.rows.iter().map(|row| object(answer, row)).collect());
            let tables: Vec<Value> = tables(answer).map(rows).collect();
            match tables.as_slice() {
                [one] => serde_json::to_writer_pretty(&mut *out, one)?,
                several => serde_json::to_writer_pretty(&mut *out, several)?,
            }
            writeln!(out)?;
        }
        QueryFormat::Jsonl => {
            for table in tables(answer) {
                for row in &table.rows {
                    serde_json::to_writer(&mut *out, &object(table, row))?;
                    writeln!(out)?;
                }
            }
        }
        QueryFormat::Csv => {
            for (index, table) in tables(answer).enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                let mut writer = csv::Writer::from_writer(&mut *out);
                writer.write_record(table.columns.iter().map(|(name, _)| name))?;
                for row in &table.rows {
                    writer.write_record(row.iter().map(text))?;
                }
                writer.flush()?;
            }
        }
    }
    Ok(())
}

/// All tables of an answer.
fn tables(answer: &Answer) -> impl Iterator<Item = &Answer> {
    std::iter::once(answer).chain(answer.further.iter().map(|(_, table)| table))
}

fn object(answer: &Answer, row: &[Value]) -> Value {
    Value::Object(
        answer
            .columns
            .iter()
            .map(|(name, _)| name.clone())
            .zip(row.iter().cloned())
            .collect(),
    )
}

fn print_table(answer: &Answer, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(answer.columns.iter().map(|(name, _)| name));
    for row in &answer.rows {
        table.add_row(row.iter().map(text));
    }
    for (index, (_, ty)) in answer.columns.iter().enumerate() {
        if matches!(ty.as_str(), "int" | "long" | "real" | "decimal")
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let rows = answer.rows.len();
    writeln!(out, "{table}\n{rows} row{}", if rows == 1 { "" } else { "s" })?;
    Ok(())
}
