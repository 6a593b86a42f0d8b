//! Every source has its file of facts, and `docs/sources.md` is made of them.

use std::fmt::Write;
use std::path::Path;

use taffrail_content::Content;

use super::{context, schema};
use crate::{Catalogue, SourceInfo, State, decode};

/// Families of log sources that Taffrail promises, in the order of the page.
const FAMILIES: [&str; 11] = [
    "Kubernetes audit",
    "Control plane components",
    "etcd",
    "Kubelet and container runtime",
    "Workload logs",
    "Ingress",
    "Cluster network",
    "Node operating system",
    "Monitoring systems",
    "Third-party security",
    "Protocols of shippers",
];

fn page(sources: &[SourceInfo]) -> String {
    let mut out = String::from(
        "# Sources\n\nEvery kind of log that Taffrail decodes, with the state of each form and what shows it. Made from `content/sources`\n\
         (`UPDATE=1 cargo test -p taffrail-sources` writes it). A name with a slash is a documented sample in `crates/sources/tests/data`,\n\
         decoded by every test run and compared with the rows beside it; other names are tests.\n\n\
         States: **works** (decoded against documented or recorded samples), **partial** (what is missing stands beside it), **missing**.\n",
    );
    for family in FAMILIES {
        writeln!(
            out,
            "\n## {family}\n\n| form | state | source | tables | shown by |\n|---|---|---|---|---|"
        )
        .unwrap();
        for source in sources.iter().filter(|source| source.group == family) {
            for row in &source.formats {
                let missing = if row.missing.is_empty() {
                    String::new()
                } else {
                    format!(": {}", row.missing)
                };
                let tables: Vec<String> = source
                    .tables
                    .iter()
                    .chain(&source.views)
                    .map(|table| format!("`{table}`"))
                    .collect();
                writeln!(
                    out,
                    "| {} | {}{missing} | `{}` | {} | `{}` |",
                    row.name,
                    row.state.as_str(),
                    source.id,
                    tables.join(", "),
                    row.test
                )
                .unwrap();
            }
        }
    }
    out
}

/// A way that records may take.
#[derive(serde::Deserialize)]
struct Way {
    name: String,
    address: String,
    client: String,
    state: State,
    test: String,
    #[serde(default)]
    missing: String,
}

/// The table of the ways in; each that works names a test that there is.
fn ways(root: &Path) -> String {
    let text = std::fs::read_to_string(root.join("../../content/ways/ways.yaml")).unwrap();
    let ways: Vec<Way> = serde_yaml_ng::from_str(&text).unwrap();
    let mut out = String::from(
        "\n## Ways in\n\nWhat brings records here, whatever they are; `make test-clients` runs the tests of `tests/clients`, each with its own client, and asks\n\
         for the rows. Listeners, scraping, watched folders and transformations are settings (`taffrail serve --print-config`);\n\
         `taffrail sources connect NAME` prints what to paste, with address and a new token.\n\n\
         | way | address | client of the test | state | shown by |\n|---|---|---|---|---|\n",
    );
    for way in ways {
        let in_file = |file: &str, test: &str| {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            ["def ", "fn "].iter().any(|word| text.contains(&format!("{word}{test}(")))
        };
        let shown = match way.test.split_once("::") {
            Some((file, test)) => in_file(&format!("../../tests/clients/{file}"), test) || in_file(&format!("src/tests/{file}"), test),
            None => way.state == State::Missing || root.join("tests/data").join(&way.test).is_file(),
        };
        assert!(shown, "{}: there is no test {}", way.name, way.test);
        let missing = if way.missing.is_empty() {
            String::new()
        } else {
            format!(": {}", way.missing)
        };
        let test = way.test.rsplit("::").next().unwrap_or_default().to_owned();
        writeln!(
            out,
            "| {} | {} | {} | {}{missing} | `{test}` |",
            way.name,
            way.address,
            way.client,
            way.state.as_str()
        )
        .unwrap();
    }
    out
}

#[test]
fn every_source_has_its_facts_and_the_page_is_made_of_them() {
    let sources = SourceInfo::load(&Content::embedded()).unwrap();
    for source in Catalogue::sources().iter().filter(|source| source.id != crate::AUTO) {
        let info = sources
            .iter()
            .find(|info| info.id == source.id)
            .unwrap_or_else(|| panic!("{} has no file", source.id));
        assert_eq!(info.tables, source.tables, "{}", source.id);
        assert!(FAMILIES.contains(&info.group.as_str()), "{}: {}", info.id, info.group);
        for table in info.tables.iter().chain(&info.views) {
            let known = schema().table(table).is_some() || schema().views().any(|view| view.name == *table);
            assert!(known, "{}: there is no table {table}", info.id);
        }
        // The sample that people see is one that is decoded.
        let binary = matches!(source.id, "prometheus-remote-write" | "fluent");
        let sample = match binary {
            true => crate::lines::hex(&info.sample.split_ascii_whitespace().collect::<String>()).unwrap(),
            false => info.sample.clone().into_bytes(),
        };
        let decoded = decode(source.id, &sample, &context()).unwrap();
        assert!(decoded.rows() > 0 && decoded.dead.is_empty(), "{}: {:?}", info.id, decoded.dead);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in &sources {
        for row in source.formats.iter().filter(|row| row.state != State::Missing) {
            let is_file = root.join("tests/data").join(&row.test).is_file();
            let is_test = ["formats", "recorded", "masking", "carried"].iter().any(|file| {
                let text = std::fs::read_to_string(root.join(format!("src/tests/{file}.rs"))).unwrap();
                text.contains(&format!("fn {}()", row.test))
            });
            assert!(is_file || is_test, "{}: there is no test {}", source.id, row.test);
        }
    }
    for family in FAMILIES {
        assert!(sources.iter().any(|source| source.group == family), "{family} has no source");
    }
    let expected = page(&sources) + &ways(root);
    let path = root.join("../../docs/sources.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        expected,
        "UPDATE=1 writes docs/sources.md"
    );
}
