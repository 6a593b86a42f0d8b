//! The house has floors: crates depend downwards only, and the light ones stay light. `ARCHITECTURE.md` says why.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Floors, lowest first. A crate may depend on crates of lower floors only.
const FLOORS: &[&[&str]] = &[
    &["taffrail-kql", "taffrail-content", "taffrail-state"],
    &["taffrail-schema"],
    &["taffrail-engine", "taffrail-lake", "taffrail-sources"],
    &["taffrail-receive", "taffrail-detect"],
    &["taffrail-server"],
    &["taffrail"],
];

/// What a crate must never know, directly or through another.
const NEVER: &[(&str, &[&str])] = &[
    ("taffrail-kql", &["arrow", "datafusion", "tokio", "serde"]),
    ("taffrail-schema", &["datafusion", "tokio", "parquet"]),
    ("taffrail-sources", &["datafusion", "tokio", "parquet", "object_store", "axum"]),
    ("taffrail-state", &["axum", "datafusion", "arrow"]),
    ("taffrail-engine", &["deltalake", "axum", "sqlx"]),
    ("taffrail-lake", &["axum", "sqlx"]),
    ("taffrail-detect", &["axum"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).exec().expect("cargo metadata")
}

/// Names of what each workspace crate depends on in the product (not in its tests).
fn direct(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let names = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal).map(|dependency| dependency.name.to_string());
            (package.name.to_string(), names.collect())
        })
        .collect()
}

#[test]
fn crates_depend_downwards_only() {
    let metadata = metadata();
    let floor = |name: &str| FLOORS.iter().position(|crates| crates.contains(&name));
    for (name, dependencies) in direct(&metadata) {
        if name == "workspace-hack" {
            continue;
        }
        let own = floor(&name).unwrap_or_else(|| panic!("{name} stands on no floor: add it to FLOORS and to ARCHITECTURE.md"));
        for dependency in dependencies.iter().filter(|dependency| dependency.starts_with("taffrail")) {
            let below = floor(dependency).unwrap_or_else(|| panic!("{dependency} stands on no floor"));
            assert!(below < own, "{name} (floor {own}) depends on {dependency} (floor {below}): arrows point down only");
        }
    }
}

#[test]
fn crates_do_not_know_what_they_must_never_know() {
    let metadata = metadata();
    let direct = direct(&metadata);
    for (name, never) in NEVER {
        // `workspace-hack` names everything so that features agree; it is no knowledge. Our own crates are followed.
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![*name];
        while let Some(current) = open.pop() {
            for dependency in direct.get(current).into_iter().flatten() {
                assert!(!never.contains(&dependency.as_str()), "{name} must never know {dependency}, and {current} depends on it");
                if dependency.starts_with("taffrail") && seen.insert(dependency) {
                    open.push(dependency);
                }
            }
        }
    }
}

#[test]
fn the_map_names_every_crate() {
    let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().and_then(|folder| folder.file_name()).expect("a folder");
        assert!(map.contains(&format!("crates/{folder}")), "ARCHITECTURE.md does not name crates/{folder}");
    }
}
