//! What completion offers at the mark `^` in a text.

use taffrail_kql::{Completion, Environment, complete};

use crate::catalog::catalog;
use crate::schema::TestSchema;

fn at(marked: &str) -> Vec<Completion> {
    let offset = marked.find('^').expect("a mark");
    let text = marked.replacen('^', "", 1);
    let schema = TestSchema::standard();
    let env = Environment {
        catalog: catalog(),
        schema: &schema,
        now: 0,
        parameters: &[],
    };
    complete(&text, offset, &env)
}

#[track_caller]
fn offers(marked: &str, wanted: &[&str], unwanted: &[&str]) {
    let found = at(marked);
    let labels: Vec<&str> = found.iter().map(|completion| completion.label.as_str()).collect();
    for name in wanted {
        assert!(labels.contains(name), "{marked}: no {name} in {labels:?}");
    }
    for name in unwanted {
        assert!(!labels.contains(name), "{marked}: {name} in {labels:?}");
    }
}

#[test]
fn tables_at_the_start() {
    offers("^", &["Audit", "Deletes", "ByVerb", "let", "print"], &["where", "Verb"]);
    offers("Au^", &["Audit"], &["Alerts"]);
    offers("let x = 1; let t = Audit | take 1; ^", &["t", "Audit"], &["x"]);
    offers("let t = ^", &["Audit"], &[]);
    offers("Audit | join kind=inner (^", &["Alerts"], &["Verb"]);
    offers("union ^", &["Alerts"], &["Verb"]);
}

#[test]
fn operators_after_a_pipe() {
    offers("Audit | ^", &["where", "summarize", "project-away"], &["Audit"]);
    offers("Audit | su^ | take 1", &["summarize"], &["where"]);
    offers("Audit | join (Alerts | ^", &["where"], &["Alerts"]);
}

#[test]
fn columns_in_scope() {
    offers("Audit | where ^", &["Verb", "Size", "strlen", "ago", "contains"], &["sum", "Name"]);
    offers("Audit | extend x = 1 | project Verb, x | where ^", &["Verb", "x"], &["Size"]);
    offers("Audit | where strlen(^", &["Verb"], &["where"]);
    offers("let n = 5; Audit | where Size > ^", &["n", "Size"], &[]);
    offers("Audit | summarize ^ by Verb", &["count", "sum", "Verb"], &[]);
    offers("Audit | summarize count() by ^", &["Verb", "bin"], &["sum"]);
    offers("Audit | join (Alerts | project ^", &["Name"], &["Verb"]);
    offers("Audit | where Broken == 1 and ^", &["Verb"], &[]);
    offers("let t = Audit | project Verb | where ^", &["Verb"], &["Size"]);
    offers("Deletes | project-away ^", &["Who"], &["strlen"]);
}

#[test]
fn values_of_properties() {
    offers("Audit | join kind=^", &["leftouter", "innerunique"], &["Verb"]);
    offers("Audit | render ^", &["timechart", "piechart"], &["Verb"]);
    offers("Audit | where Verb == \"^", &[], &["Verb", "Audit"]);
}

#[test]
fn no_place_in_a_text_stops_it() {
    let text = "let f = (a: long) { a };\nAudit | where Verb == 'ü' // ü\n| summarize n = count() by bin(TimeGenerated, 1h) | render timechart with (title=\"x\")";
    let schema = TestSchema::standard();
    let env = Environment {
        catalog: catalog(),
        schema: &schema,
        now: 0,
        parameters: &[],
    };
    for offset in 0..=text.len() + 1 {
        complete(text, offset, &env);
    }
}

#[test]
fn deep_nesting_is_refused_or_bound_within_a_small_stack() {
    let schema = TestSchema::standard();
    for (open, close) in [
        ("iff(true, ", ", 1)"),
        ("strcat(", ")"),
        ("toscalar(print ", ")"),
        ("(", ")"),
        ("-", ""),
    ] {
        for depth in [50, 5_000] {
            let text = format!("print x = {}1{}", open.repeat(depth), close.repeat(depth));
            let env = Environment {
                catalog: catalog(),
                schema: &schema,
                now: 0,
                parameters: &[],
            };
            let _ = taffrail_kql::compile(&text, &env);
        }
    }
    let long = format!("Audit | where {}", vec!["Verb == 'x'"; 5_000].join(" or "));
    let env = Environment {
        catalog: catalog(),
        schema: &schema,
        now: 0,
        parameters: &[],
    };
    assert!(taffrail_kql::compile(&long, &env).is_ok());
}

mod arbitrary {
    use proptest::prelude::*;
    use taffrail_kql::{Environment, compile, complete};

    /// Words that make queries which often parse and sometimes bind.
    const WORDS: &[&str] = &[
        "Audit",
        "Alerts",
        "Deletes",
        "|",
        "|",
        "|",
        "where",
        "project",
        "extend",
        "summarize",
        "by",
        "count()",
        "join",
        "on",
        "(",
        ")",
        ",",
        "=",
        "==",
        "Verb",
        "User",
        "User.a",
        "Code",
        "Size",
        "1",
        "\"x\"",
        "and",
        "or",
        "let x =",
        ";",
        "union",
        "mv-expand",
        "mv-apply",
        "make-series",
        "TimeGenerated",
        "step",
        "1h",
        "sort",
        "take",
        "iff(",
        "tostring(",
        "arg_max(",
        "*",
        "[0]",
        "in",
        "has",
        "toscalar(",
        "materialize(",
        "parse",
        "with",
        "search",
        "find",
        "distinct",
        "lookup",
        "top",
        "$left.Code",
        "$right.Code",
        "scan",
        "partition",
        "evaluate",
        "bag_unpack(",
        "x",
        "prev(",
        "serialize",
        "range",
        "from",
        "to",
        "print",
        "datatable(a: long)",
        "[1]",
        "as",
        "invoke",
        "render",
    ];

    proptest! {
        #[test]
        fn whatever_is_written_is_bound_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
            let text = words.join(" ");
            let schema = crate::schema::TestSchema::standard();
            let env = Environment { catalog: crate::catalog::catalog(), schema: &schema, now: 0, parameters: &[] };
            if let Err(problems) = compile(&text, &env) {
                prop_assert!(!problems.is_empty(), "refused without a reason: {text}");
                for problem in problems {
                    prop_assert!(text.get(problem.span.start..problem.span.end).is_some(), "no place in {text}: {problem:?}");
                }
            }
            complete(&text, text.len(), &env);
        }
    }
}

#[test]
fn a_long_query_binds_quickly() {
    let schema = TestSchema::standard();
    let env = Environment {
        catalog: catalog(),
        schema: &schema,
        now: 0,
        parameters: &[],
    };
    let mut text = "Audit\n".to_owned();
    for n in 0..100 {
        text.push_str(&format!(
            "| extend c{n} = iff(Code > {n} and Verb has 'x{n}', tostring(User.a{n}), strcat(Verb, '-', {n}))\n"
        ));
    }
    let start = std::time::Instant::now();
    assert!(taffrail_kql::compile(&text, &env).is_ok());
    eprintln!("100 lines: {:?}", start.elapsed());
}
