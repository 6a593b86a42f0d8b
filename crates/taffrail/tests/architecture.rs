//! The house has floors: crates depend downwards only, and the light ones stay light. `ARCHITECTURE.md` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

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

/// What `cargo metadata` says of the workspace's own packages.
fn packages() -> Vec<Value> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
            manifest,
        ])
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Names of what each workspace crate depends on in the product (not in its tests).
fn direct() -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    packages()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let product = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            (
                text(&package["name"]),
                product.map(|dependency| text(&dependency["name"])).collect(),
            )
        })
        .collect()
}

#[test]
fn crates_depend_downwards_only() {
    let floor = |name: &str| FLOORS.iter().position(|crates| crates.contains(&name));
    for (name, dependencies) in direct() {
        if name == "workspace-hack" {
            continue;
        }
        let own = floor(&name).unwrap_or_else(|| panic!("{name} stands on no floor: add it to FLOORS and to ARCHITECTURE.md"));
        for dependency in dependencies.iter().filter(|dependency| dependency.starts_with("taffrail")) {
            let below = floor(dependency).unwrap_or_else(|| panic!("{dependency} stands on no floor"));
            assert!(
                below < own,
                "{name} (floor {own}) depends on {dependency} (floor {below}): arrows point down only"
            );
        }
    }
}

#[test]
fn crates_do_not_know_what_they_must_never_know() {
    let direct = direct();
    for (name, never) in NEVER {
        // `workspace-hack` names everything so that features agree; it is no knowledge. Our own crates are followed.
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![*name];
        while let Some(current) = open.pop() {
            for dependency in direct.get(current).into_iter().flatten() {
                assert!(
                    !never.contains(&dependency.as_str()),
                    "{name} must never know {dependency}, and {current} depends on it"
                );
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
    for package in packages() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let folder = Path::new(manifest)
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .expect("a folder");
        assert!(
            map.contains(&format!("crates/{folder}")),
            "ARCHITECTURE.md does not name crates/{folder}"
        );
    }
}
