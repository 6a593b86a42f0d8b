//! `--batch`: JSON lines in, JSON lines out, in order.

use std::io::{BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::DONE;
use crate::output::Answer;
use crate::query::Target;

#[derive(Deserialize)]
struct Request {
    id: Value,
    query: String,
}

fn columns(answer: &Answer) -> Vec<Value> {
    answer
        .columns
        .iter()
        .map(|(name, ty)| json!({ "name": name, "type": ty }))
        .collect()
}

/// Answers every line of standard input.
pub async fn run(target: &Target) -> anyhow::Result<u8> {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => match target.ask(&request.query).await {
                Ok(answer) => {
                    let further: Vec<Value> = answer
                        .further
                        .iter()
                        .map(|(name, table)| json!({ "name": name, "columns": columns(table), "rows": table.rows }))
                        .collect();
                    let mut line = json!({ "id": request.id, "columns": columns(&answer), "rows": answer.rows });
                    if let Some(line) = line.as_object_mut().filter(|_| !further.is_empty()) {
                        line.insert("tables".to_owned(), Value::Array(further));
                    }
                    line
                }
                Err(failure) => json!({ "id": request.id, "error": failure.summary }),
            },
            Err(error) => json!({ "id": null, "error": format!("the line is no {{\"id\",\"query\"}}: {error}") }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(DONE)
}
