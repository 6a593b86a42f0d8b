//! What the parser makes of queries: trees, diagnostics, and that no text breaks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use taffrail_kql::Diagnostic;
use taffrail_kql::syntax::parse;

fn rendered(text: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| d.render(text)).collect()
}

#[test]
fn the_worked_examples_parse() {
    let mut failures = Vec::new();
    let mut accepted_errors = Vec::new();
    for file in ["cases.jsonl", "engine-cases.jsonl"] {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("shared/kql").join(file));
        let Some(cases) = beside.into_iter().find_map(|path| std::fs::read_to_string(path).ok()) else {
            eprintln!("SKIPPED: ../shared/kql/{file} not found");
            continue;
        };
        for line in cases.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let query = case["query"].as_str().unwrap();
            let (_, diagnostics) = parse(query);
            if case["expect_error"] == true {
                if diagnostics.is_empty() && case["notes"].as_str().unwrap().starts_with("parser: syntax") {
                    accepted_errors.push(query.to_string());
                }
            } else if !diagnostics.is_empty() {
                failures.push(format!("{}\n{query}\n{}", case["id"], rendered(query, &diagnostics)));
            }
        }
    }
    eprintln!(
        "accepted, although Kusto refuses them: {}\n{}",
        accepted_errors.len(),
        accepted_errors.join("\n")
    );
    assert!(failures.is_empty(), "{} queries failed:\n{}", failures.len(), failures.join("\n"));
}
