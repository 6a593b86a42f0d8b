//! local only
#![allow(missing_docs, clippy::all)]
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use taffrail_kql::diagnostic::Severity;
use taffrail_kql::{Code, Environment};
fn main() {
    let file = std::env::args().nth(1).unwrap();
    let run = move || {
        let schema = taffrail_schema::KustoSchema::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for line in std::io::stdin().lock().lines() {
            let v: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let q = v["query"].as_str().unwrap();
            let env = Environment {
                catalog: taffrail_engine::functions::catalog(),
                schema: &schema,
                now: 638_000_000_000_000_000,
                parameters: &[],
            };
            let a = match taffrail_kql::compile(q, &env) {
                Ok(b) => {
                    json!({"id": v["id"], "ok": true, "errors": [], "columns": b.root.columns.iter().map(|c| json!({"name": c.name, "type": c.ty.name()})).collect::<Vec<_>>()})
                }
                Err(p) => {
                    json!({"id": v["id"], "ok": false, "columns": [], "errors": p.iter().filter(|p| p.severity == Severity::Error).map(|p| json!({"kind": if p.code == Code::Syntax {"syntax"} else {"semantic"}, "message": p.message, "ns": p.code == Code::NotSupported, "at": q.get(p.span.start..p.span.end)})).collect::<Vec<_>>()})
                }
            };
            writeln!(out, "{a}").unwrap();
        }
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}
