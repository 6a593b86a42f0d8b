//! The language as editors use it: nothing of a text is lost, mistakes are mended, words explain themselves, and no text is too
//! much.

use std::path::{Path, PathBuf};

use taffrail_kql::{CompletionKind, Environment, compile, complete, format, hover};

use crate::catalog::catalog;
use crate::properties::{hold, mended, read};
use crate::schema::TestSchema;

fn env(schema: &TestSchema) -> Environment<'_> {
    Environment {
        catalog: catalog(),
        schema,
        now: 638_000_000_000_000_000,
        parameters: &[],
    }
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
}

/// Every file of the content and of the tests, queries among them.
#[test]
fn reading_loses_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&root.join("../../content"), "yaml", &mut found);
    files(&root.join("../engine/tests"), "kqlt", &mut found);
    files(&root.join("tests"), "txt", &mut found);
    assert!(found.len() > 100, "the files are there");
    for file in found {
        let text = std::fs::read_to_string(&file).unwrap();
        read(&text);
        for part in text.split("\n----\n").flat_map(|part| part.split("====\n")) {
            read(part);
        }
    }
    for file in ["cases.jsonl", "engine-cases.jsonl"] {
        let shared = root
            .ancestors()
            .map(|folder| folder.join("shared/kql").join(file))
            .find(|path| path.exists());
        let Some(shared) = shared else {
            eprintln!("SKIPPED: ../shared/kql/{file} not found");
            continue;
        };
        for line in std::fs::read_to_string(shared).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            read(case["query"].as_str().unwrap());
        }
    }
}

/// A mistake, and what the fix that comes with it makes of it.
#[test]
fn fixes_make_queries_that_are_accepted() {
    let schema = TestSchema::standard();
    let env = env(&schema);
    let mistakes = [
        ("Audit | where Verb == “get”", "Audit | where Verb == \"get\""),
        ("Audit | where Verb == ‘get’ | take 1", "Audit | where Verb == 'get' | take 1"),
        ("Audit | where Verb == \"get”", "Audit | where Verb == \"get\""),
        ("Audit\nwhere Code == 1", "Audit\n| where Code == 1"),
        ("Audit | where Code == 1\nproject Verb", "Audit | where Code == 1\n| project Verb"),
        ("Audit | where Code = 1", "Audit | where Code == 1"),
        (
            "Audit | where Code == 1 and Verb = 'get'",
            "Audit | where Code == 1 and Verb == 'get'",
        ),
        (
            "Audit | summarize countif(Verb = 'get')",
            "Audit | summarize countif(Verb == 'get')",
        ),
        ("Audit | where Verbb == 'get'", "Audit | where Verb == 'get'"),
        ("Audit | where verb == 'get'", "Audit | where Verb == 'get'"),
        ("Audit | project Verb, TimeGeneratd", "Audit | project Verb, TimeGenerated"),
        ("Audit | where strlenn(Verb) > 1", "Audit | where strlen(Verb) > 1"),
        ("Audit | extend x = toLower(Verb)", "Audit | extend x = tolower(Verb)"),
        ("Audit | summarize dcuont(Verb)", "Audit | summarize dcount(Verb)"),
        ("Audits | take 1", "Audit | take 1"),
        ("audit | take 1", "Audit | take 1"),
        ("Audit | join (Alert) on Code", "Audit | join Alerts on Code"),
        ("Audit | wher Code == 1", "Audit | where Code == 1"),
        ("Audit | Where Code == 1", "Audit | where Code == 1"),
        ("Audit | | take 1", "Audit  | take 1"),
        ("let x = 1\nAudit | where Code == x", "let x = 1;\nAudit | where Code == x"),
        ("Audit | where Verb == \"a\\d\"", "Audit | where Verb == \"a\\\\d\""),
        ("Audit | where Verb contain 'a'", "Audit | where Verb contains 'a'"),
        ("Audit | where Code > 1 AND Code < 5", "Audit | where Code > 1 and Code < 5"),
        ("Audit | project Verb,", "Audit | project Verb"),
        ("Audit | project Verb Code", "Audit | project Verb, Code"),
        ("Audit | where Code – 1 > 0", "Audit | where Code - 1 > 0"),
        ("Audit | take 1;;# all of it", "Audit | take 1;;// all of it"),
    ];
    for (mistake, right) in mistakes {
        let problems = compile(mistake, &env).expect_err(mistake);
        assert_eq!(mended(mistake, &problems).as_deref(), Some(right), "{problems:?}");
        if let Err(problems) = compile(right, &env) {
            panic!("{right}: {problems:?}");
        }
    }
}

#[test]
fn words_explain_themselves() {
    let schema = TestSchema::standard();
    let env = env(&schema);
    let at = |marked: &str| {
        let offset = marked.find('^').expect("a mark");
        let found = hover(&marked.replacen('^', "", 1), offset, &env)?;
        Some((found.name, found.kind, found.detail))
    };
    let what = |marked: &str| at(marked).map(|(name, kind, detail)| format!("{} {name}: {detail}", kind.as_str()));
    let says = |marked: &str| what(marked).unwrap_or_default();
    assert_eq!(says("Au^dit | take 1"), "table Audit: table, 7 columns");
    assert_eq!(says("Audit | where ^Code == 1"), "column Code: int");
    assert_eq!(says("Audit | extend n = strlen(Verb) | where n^ > 1"), "column n: long");
    assert_eq!(
        says("Audit | summa^rize count()"),
        "operator summarize: summarize aggregate, ... by key, ..."
    );
    assert_eq!(says("let wind^ow = 1h; print 1"), "");
    assert_eq!(
        says("let w = 1h; Audit | where TimeGenerated > ago(^w)"),
        "variable w: let: timespan"
    );
    assert_eq!(at("Audit | summarize cou^nt() by Verb").unwrap().1, CompletionKind::Aggregate);
    assert_eq!(at("Audit | where strlen^(Verb) > 1").unwrap().1, CompletionKind::Function);
    assert_eq!(
        at("let count = 1; Audit | summarize ^count()").unwrap().1,
        CompletionKind::Aggregate
    );
    for nothing in [
        "Audit | where Verb == 'Ve^rb'",
        "Audit // Ve^rb",
        "Audit | where Nob^ody == 1",
        "print 1^2",
        "^",
    ] {
        assert_eq!(at(nothing), None, "{nothing}");
    }
}

/// What no person writes is refused in good time, by every door.
#[test]
fn no_text_is_too_much() {
    let schema = TestSchema::standard();
    let env = env(&schema);
    let n = 100_000;
    let texts = [
        format!("print {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("Audit{}", " | take 1".repeat(n)),
        format!("Audit{}", " | extend Code = Code + 1".repeat(20_000)),
        format!("{}print 1", "let x = 1;".repeat(n)),
        format!(
            "let x0 = 1;{}print x20",
            (1..=20).map(|i| format!("let x{i} = x{0} + x{0};", i - 1)).collect::<String>()
        ),
        format!(
            "let f0 = () {{ Audit }};{}f30()",
            (1..=30)
                .map(|i| format!("let f{i} = () {{ union f{0}(), f{0}() }};", i - 1))
                .collect::<String>()
        ),
        format!(
            "let f0 = (x: long) {{ x + 1 }};{}Audit | extend f30(Size)",
            (1..=30)
                .map(|i| format!("let f{i} = (x: long) {{ f{0}(x) + f{0}(x) }};", i - 1))
                .collect::<String>()
        ),
        format!(
            "let t0 = Audit;{}t20",
            (1..=20).map(|i| format!("let t{i} = union t{0}, t{0};", i - 1)).collect::<String>()
        ),
        format!("print dynamic({}1{})", "[".repeat(n), "]".repeat(n)),
        "datetime(".repeat(n / 5),
        "datetime(()".repeat(n / 5),
        "„".repeat(n),
        "#".repeat(n),
        format!("print {}", "1 ".repeat(n)),
        format!("print x = \"{}\"", "a".repeat(10_000_000)),
        "a".repeat(10_000_000),
        "(".repeat(10_000_000),
        " ".repeat(10_000_000),
        "| ".repeat(200_000),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let about = &text.chars().take(40).collect::<String>();
        if let Err(problems) = compile(&text, &env) {
            assert!(!problems.is_empty() && problems.len() < 200, "{about}");
        }
        if text.len() > 2_000_000 {
            let problems = compile(&text, &env).expect_err(about);
            assert!(
                problems[0].message.contains("more than the 2000000 that are allowed"),
                "{problems:?}"
            );
        }
        let _ = format(&text);
        complete(&text, text.len(), &env);
        hover(&text, text.len() / 2, &env);
        eprintln!("{about}: {:?}", start.elapsed());
        assert!(start.elapsed().as_secs() < 60, "{about} took {:?}", start.elapsed());
    }
}

/// What the fuzzers found, once.
#[test]
fn what_was_found_stays_found() {
    let schema = TestSchema::standard();
    for text in include_str!("../found.txt").split("\n====\n") {
        hold(text, text.len() / 2, &env(&schema));
        hold(text, text.len(), &env(&schema));
    }
}
