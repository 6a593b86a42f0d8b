//! Rules together are rules one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::scan::{Timeline, scan, scan_batches};
use crate::stream::{Stream, Way};

/// What alerts say, by rule, title and severity: how many rows.
fn said(alerts: &[crate::alert::Alert]) -> BTreeMap<(String, String, String), u64> {
    let mut said = BTreeMap::new();
    for alert in alerts {
        *said
            .entry((alert.rule.clone(), alert.title.clone(), alert.severity.to_string()))
            .or_default() += alert.count;
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
            let events = case
                .events
                .iter()
                .map(|event| event.as_str().map_or_else(|| event.to_string(), str::to_owned));
            lines.entry(case.source).or_default().extend(events);
        }
    }
    let mut batches = Vec::new();
    for (source, lines) in &lines {
        let mut rest: &[String] = lines;
        let mut size = 1;
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(size.min(rest.len()));
            batches.extend(
                decode(source, some.join("\n").as_bytes(), &context)
                    .map(|decoded| decoded.batches)
                    .unwrap_or_default(),
            );
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
    let (together, failed) = scan_batches(&engine, &schema, &batches, nrt.iter().cloned(), &timeline, |_| {})
        .await
        .unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    let (alone, _) = scan(&engine, nrt.iter().map(AsRef::as_ref), &timeline, |_| {}).await;
    assert_eq!(said(&together), said(&alone));
    assert!(together.len() > 200, "{}", together.len());

    // Few rules need more than the rows that concern them.
    let (stream, unbound) = Stream::new(&engine, &schema, all).await.unwrap();
    assert!(unbound.is_empty());
    let of = |way: Way| stream.rules.iter().filter(|rule| rule.way == way).count();
    assert!(
        of(Way::RowByRow) >= 170 && of(Way::Whole) <= 2,
        "{} {}",
        of(Way::RowByRow),
        of(Way::Whole)
    );
    let size = stream.size(AUDIT).unwrap();
    assert!(size.by_value * 2 > size.predicates && size.indexed * 2 > size.rules, "{size:?}");
}

/// What alerts say, whatever order their rows came in.
async fn recorded(site: &Site) -> BTreeMap<String, (String, u64, BTreeSet<String>)> {
    let mut recorded = BTreeMap::new();
    let mut incidents = Vec::new();
    loop {
        let filter = Filter::default();
        let page = site
            .state
            .incidents(&filter, Sort::Number, Order::Asc, 100, incidents.len() as i64)
            .await
            .unwrap();
        if page.items.is_empty() {
            break;
        }
        incidents.extend(page.items);
    }
    for incident in incidents {
        for alert in site.state.alerts(incident.number).await.unwrap() {
            let rows = alert.evidence.rows.iter().map(|row| json!(row).to_string()).collect();
            recorded.insert(alert.id, (alert.title, alert.count, rows));
        }
    }
    for row in site
        .query("SecurityAlert | where AlertSeverity == 'Informational' | distinct SystemAlertId, DisplayName")
        .await
    {
        let text = |index: usize| row[index].as_str().unwrap().to_owned();
        recorded.insert(text(0), (text(1), 0, BTreeSet::new()));
    }
    recorded
}

/// The same events in other batches and another order are the same alerts: as one batch they are what a backtest over the stored
/// table sees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_is_history() {
    let schema = schema();
    let rules = RuleSet::load(&Content::embedded()).unwrap();
    let all: Vec<(String, RecordBatch)> = batches(&schema, &rules).into_iter().filter(|(table, _)| table == AUDIT).collect();
    let whole = arrow::compute::concat_batches(&all[0].1.schema(), all.iter().map(|(_, batch)| batch)).unwrap();
    // Of events that are equal in what tells them apart only the first is stored: which one that is depends on the order.
    let mut known = BTreeSet::new();
    let keys: Vec<_> = ["AuditId", "Stage", "TimeGenerated"]
        .iter()
        .map(|name| whole.column_by_name(name).unwrap())
        .collect();
    let text = |row: usize| {
        keys.iter()
            .map(|key| arrow::util::display::array_value_to_string(key, row).unwrap())
            .collect::<Vec<_>>()
    };
    let unique = (0..whole.num_rows()).filter(|row| known.insert(text(*row))).map(|row| row as u32);
    let unique = arrow::array::UInt32Array::from_iter_values(unique);
    let whole = arrow::compute::take_record_batch(&whole, &unique).unwrap();
    let mut first: Option<BTreeMap<_, _>> = None;
    for seed in [0_u64, 7] {
        let site = Site::open().await;
        let detector = Detector::new(
            site.engine.clone(),
            site.lake.clone(),
            site.state.clone(),
            Arc::clone(&site.schema),
            &rules,
        );
        // A small generator is random enough: batches of 1 to 200 rows, in any order.
        let mut random = seed;
        let mut next = move |most: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % most
        };
        let mut order: Vec<u32> = (0..u32::try_from(whole.num_rows()).unwrap()).collect();
        let mut parts: Vec<Vec<u32>> = Vec::new();
        if seed == 0 {
            parts.push(order);
        } else {
            for index in (1..order.len()).rev() {
                order.swap(index, next(index + 1));
            }
            while !order.is_empty() {
                let size = (1 + next(400)).min(order.len());
                parts.push(order.drain(..size).collect());
            }
        }
        let mut follow = site.lake.read_from(site.lake.position());
        for part in parts {
            let rows = arrow::compute::take_record_batch(&whole, &arrow::array::UInt32Array::from(part)).unwrap();
            site.lake.append(vec![(AUDIT.to_owned(), rows)]).await.unwrap();
            while let Some(committed) = follow.try_next().await.unwrap() {
                detector.process(&committed).await.unwrap();
            }
        }
        let recorded = recorded(&site).await;
        assert!(recorded.len() > 100, "{}", recorded.len());
        match &first {
            None => first = Some(recorded),
            Some(first) => {
                for (id, alert) in first {
                    assert_eq!(recorded.get(id), Some(alert), "{id} with seed {seed}");
                }
                assert_eq!(recorded.len(), first.len());
            }
        }
    }
}
