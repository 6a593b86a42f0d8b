//! The shipped content holds together: rules, hunting queries and the coverage target.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::coverage::{State as Built, Target, hunts, report};
use crate::lint::lint;

#[tokio::test]
async fn shipped_rules_hunting_queries_and_the_target_agree() {
    let content = Content::embedded();
    let engine = memory(Vec::new());
    let target = Target::load(&content).unwrap();
    let rules = RuleSet::load(&content).unwrap();
    let hunts = hunts(&content).unwrap();
    let known: BTreeSet<&str> = target.detections.iter().map(|detection| detection.id.as_str()).collect();
    assert_eq!(known.len(), target.detections.len(), "a detection is listed twice");

    let mut wrong: Vec<String> = Vec::new();
    for loaded in rules.iter() {
        wrong.extend(
            lint(&engine, &loaded.rule)
                .into_iter()
                .map(|remark| format!("{}: {}", loaded.path, remark.message)),
        );
        for id in loaded.rule.detections.iter().filter(|id| !known.contains(id.as_str())) {
            wrong.push(format!("{}: the target has no detection {id}", loaded.path));
        }
    }
    let names: BTreeSet<&str> = hunts.iter().map(|hunt| hunt.id.as_str()).collect();
    assert!(names.len() >= 60 && names.len() == hunts.len(), "{} hunting queries", names.len());
    for hunt in &hunts {
        let columns = match engine.compile(&hunt.query, &QueryRequest::default()) {
            Ok(bound) => bound.root.columns,
            Err(error) => {
                wrong.push(format!("{}: {}", hunt.id, crate::rule_test::message(&hunt.query, &error)));
                continue;
            }
        };
        for field in hunt.entity_mappings.iter().flat_map(|mapping| &mapping.field_mappings) {
            if !columns.iter().any(|column| column.name == field.column_name) {
                wrong.push(format!("{}: no column {}", hunt.id, field.column_name));
            }
        }
        if hunt.description.trim().is_empty() || hunt.tactics.is_empty() || hunt.relevant_techniques.is_empty() {
            wrong.push(format!("{}: says too little", hunt.id));
        }
        for id in hunt.detections.iter().filter(|id| !known.contains(id.as_str())) {
            wrong.push(format!("{}: the target has no detection {id}", hunt.id));
        }
    }

    let report = report(&target, &rules, &hunts);
    let provided: BTreeMap<&str, bool> = report
        .detections
        .iter()
        .map(|row| {
            (
                row.id.as_str(),
                !row.providers.rules.is_empty() || !row.providers.hunting.is_empty(),
            )
        })
        .collect();
    for detection in &target.detections {
        if provided[detection.id.as_str()] != (detection.state == Built::Built) {
            wrong.push(format!("coverage/detections.yaml: the state of {} is not so", detection.id));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());

    let exec = report.techniques.iter().find(|row| row.id == "T1609").unwrap();
    assert!(exec.providers.tested.contains("exec-into-pod"));
    assert!(report.markdown().contains("| T1609 | Container Administration Command |"));
    let layer = report.navigator();
    assert!(
        layer["techniques"]
            .as_array()
            .unwrap()
            .iter()
            .any(|technique| technique["techniqueID"] == "T1609" && technique["score"].as_u64() > Some(5))
    );
}
