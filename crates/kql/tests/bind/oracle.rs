//! Column names and types of the recorded cases, where the functions they use are in the test catalogue.

use taffrail_kql::{Code, Environment, compile};

use crate::catalog::catalog;
use crate::schema::TestSchema;

struct Score {
    right: usize,
    wrong: Vec<String>,
    missing: std::collections::BTreeMap<String, usize>,
}

#[test]
fn recorded_cases_bind_to_their_columns_and_types() {
    let mut score = Score {
        right: 0,
        wrong: Vec::new(),
        missing: Default::default(),
    };
    let mut found = false;
    for file in ["engine-cases.jsonl", "cases.jsonl"] {
        // Beside the repository, or beside the folder that worktrees are in.
        let text = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .skip(2)
            .find_map(|folder| std::fs::read_to_string(folder.join("../shared/kql").join(file)).ok());
        let Some(text) = text else {
            eprintln!("SKIPPED: ../shared/kql/{file} not found");
            continue;
        };
        found = true;
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
            check(&case, &mut score);
        }
    }
    if !found {
        return;
    }
    let mut missing: Vec<_> = score.missing.iter().collect();
    missing.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    eprintln!(
        "{} right, {} wrong; not in the test catalogue: {missing:?}",
        score.right,
        score.wrong.len()
    );
    for wrong in &score.wrong {
        eprintln!("{wrong}\n");
    }
    assert!(score.right >= RIGHT, "only {} cases bind as recorded", score.right);
}

/// So many bind as recorded; more is better, less is a step back.
const RIGHT: usize = 884;

fn check(case: &serde_json::Value, score: &mut Score) {
    let text = case["query"].as_str().expect("a query");
    let env = Environment {
        catalog: catalog(),
        schema: &TestSchema::default(),
        now: 638_000_000_000_000_000,
        parameters: &[],
    };
    let refused = case["expect_error"].as_bool().unwrap_or(false);
    let bound = match compile(text, &env) {
        Ok(_) if refused => {
            score.wrong.push(format!("{text}\n  must be refused"));
            return;
        }
        Ok(bound) => bound,
        Err(_) if refused => {
            score.right += 1;
            return;
        }
        Err(problems) => {
            let absent = problems.iter().find(|problem| {
                problem.code == Code::NotSupported || (problem.code == Code::UnknownName && problem.message.contains("function named"))
            });
            match absent {
                Some(problem) => *score.missing.entry(problem.message.clone()).or_default() += 1,
                None => {
                    let shown: Vec<String> = problems.iter().map(|problem| problem.render(text)).collect();
                    score.wrong.push(format!("{text}\n{}", shown.join("")));
                }
            }
            return;
        }
    };
    let engine = case["source"].as_str() == Some("engine");
    let names: Vec<&str> = bound.root.columns.iter().map(|column| column.name.as_str()).collect();
    let list = |key: &str| -> Vec<String> {
        case[key]
            .as_array()
            .map(|values| values.iter().map(|v| v.as_str().unwrap_or_default().to_owned()).collect())
            .unwrap_or_default()
    };
    let (columns, alternative, types) = (list("columns"), list("columns_alt"), list("types"));
    if names != columns && names != alternative {
        score.wrong.push(format!("{text}\n  columns: want {columns:?}, got {names:?}"));
        return;
    }
    for (column, wanted) in bound.root.columns.iter().zip(&types) {
        let ty = column.ty.name();
        let near = engine
            && (matches!(
                (ty, wanted.as_str()),
                ("int", "long") | ("long", "int") | ("real", "decimal") | ("decimal", "real")
            ));
        if !wanted.is_empty() && wanted != "unknown" && wanted != "error" && ty != wanted && !near {
            score
                .wrong
                .push(format!("{text}\n  type of {}: want {wanted}, got {ty}", column.name));
            return;
        }
    }
    score.right += 1;
}
