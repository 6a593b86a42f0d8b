//! The subset that KQL and SQL share gives the same rows in both.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::expression::{Expression, aggregate, any_type, boolean};
use super::rows::{Row, answer, batch, cell, engine, rows};
use super::{config, runtime};

fn sql(t: &RecordBatch, other: &RecordBatch, query: &str) -> Vec<String> {
    let context = SessionContext::new();
    for (name, batch) in [("t", t), ("other", other)] {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }
    let batches = runtime()
        .block_on(async { context.sql(query).await?.collect().await })
        .unwrap_or_else(|error| panic!("{query}\n{error}"));
    let mut lines: Vec<String> = batches.iter().flat_map(lines).collect();
    lines.sort();
    lines
}

/// Rows in the spelling of [`answer`].
fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| (c, ArrayFormatter::try_new(c, &options).unwrap()))
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let mut out = String::new();
            for (column, text) in &columns {
                let text = text.value(row).to_string();
                let value = if column.is_null(row) {
                    serde_json::Value::Null
                } else {
                    match column.data_type() {
                        DataType::Boolean => serde_json::Value::Bool(text == "true"),
                        DataType::Int64 | DataType::Int32 => text.parse::<i64>().unwrap().into(),
                        DataType::Float64 => match text.parse::<f64>().unwrap() {
                            number if number.is_nan() => "NaN".into(),
                            number => serde_json::json!(number),
                        },
                        _ => text.into(),
                    }
                };
                out.push_str(&cell(&value));
                out.push_str(" | ");
            }
            out
        })
        .collect()
}

fn same(t: &[Row], other: &[Row], kql: &str, query: &str) -> Result<(), TestCaseError> {
    let (t, other) = (batch(t), batch(other));
    let engine = engine(vec![t.clone()], other.clone());
    prop_assert_eq!(answer(&engine, kql), sql(&t, &other, query), "\n{}\n{}", kql, query);
    Ok(())
}

fn list(expressions: &[Expression], kql: bool) -> String {
    let parts = expressions.iter().enumerate().map(|(at, e)| {
        if kql {
            format!("c{at} = {}", e.kql)
        } else {
            format!("{} AS c{at}", e.sql)
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn rows_and_expressions(t in rows(), condition in boolean(), columns in prop::collection::vec(any_type(), 1..4)) {
        let kql = format!("T | where {} | project {}", condition.kql, list(&columns, true));
        let query = format!("SELECT {} FROM t WHERE {}", list(&columns, false), condition.sql);
        same(&t, &[], &kql, &query)?;
    }

    #[test]
    fn groups(t in rows(), condition in boolean(), aggregates in prop::collection::vec(aggregate(), 1..4), by in any_type()) {
        let kql = format!("T | where {} | summarize {} by k = {}", condition.kql, list(&aggregates, true), by.kql);
        // the shape of the answer is KQL's: keys first
        let query = format!(
            "SELECT k, {} FROM (SELECT *, {} AS k FROM t WHERE {}) GROUP BY k",
            list(&aggregates, false), by.sql, condition.sql
        );
        same(&t, &[], &kql, &query)?;
    }

    #[test]
    fn whole_tables(t in rows(), condition in boolean(), aggregates in prop::collection::vec(aggregate(), 1..4)) {
        let kql = format!("T | where {} | summarize {}", condition.kql, list(&aggregates, true));
        let query = format!("SELECT {} FROM t WHERE {}", list(&aggregates, false), condition.sql);
        same(&t, &[], &kql, &query)?;
    }

    #[test]
    fn distinct_rows(t in rows(), columns in prop::collection::vec(any_type(), 1..3)) {
        let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
        let kql = format!("T | project {} | distinct {}", list(&columns, true), names.join(", "));
        let query = format!("SELECT DISTINCT {} FROM t", list(&columns, false));
        same(&t, &[], &kql, &query)?;
    }

    #[test]
    fn joins(
        t in rows(),
        other in rows(),
        key in prop::sample::select(vec!["N", "S", "B"]),
        condition in boolean(),
        kind in prop::sample::select(vec![
            ("inner", "JOIN"), ("leftouter", "LEFT JOIN"), ("rightouter", "RIGHT JOIN"), ("fullouter", "FULL JOIN"),
        ]),
    ) {
        // null keys meet; what has no partner is padded with '' where it is text
        let kql = format!(
            "T | where {} | project k = {key}, S, M | join kind={} (Other | project k2 = {key}, U, R) on $left.k == $right.k2",
            condition.kql, kind.0
        );
        let text = |name: &str| format!("coalesce({name}, '')");
        let keys = if key == "S" { (text("k"), text("k2")) } else { ("k".to_owned(), "k2".to_owned()) };
        let query = format!(
            "SELECT {}, coalesce(\"S\", ''), \"M\", {}, coalesce(\"U\", ''), \"R\" \
             FROM (SELECT \"{key}\" AS k, \"S\", \"M\" FROM t WHERE {}) {} (SELECT \"{key}\" AS k2, \"U\", \"R\" FROM other) \
             ON k IS NOT DISTINCT FROM k2",
            keys.0, keys.1, condition.sql, kind.1
        );
        same(&t, &other, &kql, &query)?;
    }
}
