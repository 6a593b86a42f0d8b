//! Rules together are rules one by one.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::scan::{Timeline, scan, scan_batches};
use crate::stream::{Stream, Way};

/// What alerts say, by rule, title and severity: how many rows.
fn said(alerts: &[crate::alert::Alert]) -> BTreeMap<(String, String, String), u64> {
    let mut said = BTreeMap::new();
    for alert in alerts {
        *said.entry((alert.rule.clone(), alert.title.clone(), alert.severity.to_string())).or_default() += alert.count;
    }
    said
}

fn recording(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/audit").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: ../shared/audit/{name} not found");
    }
    bytes
}

/// The events of every rule's tests, and recorded attacks where they are: cut into batches of all sizes.
fn batches(schema: &Schema, rules: &RuleSet) -> Vec<(String, RecordBatch)> {
    let context = Context {
        cluster: "harbour".to_owned(),
        received: at("12:00:00"),
        schema,
        origin: "test".to_owned(),
    };
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tests in rules.iter().filter_map(|loaded| loaded.tests.as_deref()) {
        for case in crate::rule_test::parse_cases(tests).unwrap() {
            let events = case.events.iter().map(|event| event.as_str().map_or_else(|| event.to_string(), str::to_owned));
            lines.entry(case.source).or_default().extend(events);
        }
    }
    let mut batches = Vec::new();
    for (source, lines) in &lines {
        let mut rest: &[String] = lines;
        let mut size = 1;
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(size.min(rest.len()));
            batches.extend(decode(source, some.join("\n").as_bytes(), &context).map(|decoded| decoded.batches).unwrap_or_default());
            rest = behind;
            size = size * 5 % 997;
        }
    }
    if let Some(bytes) = recording("attacks/mass-exec.jsonl") {
        batches.extend(decode("kubernetes-audit", &bytes, &context).unwrap().batches);
    }
    batches
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rules_together_say_what_each_says_alone() {
    let schema = schema();
    let rules = RuleSet::load(&Content::embedded()).unwrap();
    let batches = batches(&schema, &rules);
    let mut tables: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    for (table, batch) in &batches {
        tables.entry(table.clone()).or_default().push(batch.clone());
    }
    let source = MemorySource::new(Arc::clone(&schema), tables.clone()).unwrap();
    let engine = Engine::new(Arc::clone(&schema) as _, Arc::new(source), EngineOptions::default());
    let all: Vec<Arc<Rule>> = rules.iter().map(|loaded| Arc::new(loaded.rule.clone())).collect();

    // Row by row: the same alerts, to the row.
    let nrt: Vec<Arc<Rule>> = all.iter().filter(|rule| rule.kind == crate::Kind::Nrt).cloned().collect();
    let mut timeline = Timeline::default();
    for table in tables.keys() {
        timeline.add(Timeline::of(&engine, table).await.unwrap());
    }
    let (together, failed) = scan_batches(&engine, &schema, &batches, nrt.iter().cloned(), &timeline, |_| {}).await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    let (alone, _) = scan(&engine, nrt.iter().map(AsRef::as_ref), &timeline, |_| {}).await;
    assert_eq!(said(&together), said(&alone));
    assert!(together.len() > 200, "{}", together.len());

    // Few rules need more than the rows that concern them.
    let (stream, unbound) = Stream::new(&engine, &schema, all).await.unwrap();
    assert!(unbound.is_empty());
    let of = |way: Way| stream.rules.iter().filter(|rule| rule.way == way).count();
    assert!(of(Way::RowByRow) >= 170 && of(Way::Whole) <= 2, "{} {}", of(Way::RowByRow), of(Way::Whole));
    let size = stream.size(AUDIT).unwrap();
    assert!(size.by_value * 2 > size.predicates && size.indexed * 2 > size.rules, "{size:?}");
}
