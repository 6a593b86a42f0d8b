//! `--batch`: JSON lines in, JSON lines out, in order.

use std::io::{BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::DONE;
use crate::query::Target;

#[derive(Deserialize)]
struct Request {
    id: Value,
    query: String,
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
                    let columns: Vec<Value> = answer
                        .columns
                        .iter()
                        .map(|(name, ty)| json!({ "name": name, "type": ty }))
                        .collect();
                    json!({ "id": request.id, "columns": columns, "rows": answer.rows })
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
