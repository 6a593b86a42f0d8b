//! The language with every function there is, under texts that nobody wrote: queries with words and bytes lost, doubled,
//! exchanged and taken from each other. `make fuzz-language SECONDS=300` runs it; `SEED=n` begins elsewhere. What breaks is
//! printed; put it into `crates/kql/tests/found.txt`.

#[path = "../../../kql/tests/bind/properties.rs"]
mod properties;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use taffrail_kql::Environment;

/// Numbers that look like chance and are the same every time (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap_or(0)
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }
}

fn texts(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, extension, found);
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
}

/// The queries that mutation begins with.
fn seeds() -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    texts(&here.join("tests/kqlt"), "kqlt", &mut files);
    texts(&here.join("../kql/tests"), "txt", &mut files);
    let mut seeds: Vec<String> = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| {
            let cases = text
                .split("====\n")
                .map(|case| case.split("\n----\n").next().unwrap_or_default().trim().to_owned());
            cases.collect::<Vec<_>>()
        })
        .filter(|query| !query.is_empty() && query.len() < 4000)
        .collect();
    for file in ["cases.jsonl", "engine-cases.jsonl"] {
        let shared = here
            .ancestors()
            .map(|folder| folder.join("shared/kql").join(file))
            .find(|path| path.exists());
        let Some(text) = shared.and_then(|path| std::fs::read_to_string(path).ok()) else {
            eprintln!("SKIPPED: ../shared/kql/{file} not found");
            continue;
        };
        let queries = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        seeds.extend(queries.filter_map(|case| Some(case.get("query")?.as_str()?.to_owned())));
    }
    seeds
}

fn words(text: &str) -> Vec<String> {
    let pieces = taffrail_kql::syntax::pieces(text);
    pieces
        .iter()
        .map(|piece| text[piece.span.start..piece.span.end].to_owned())
        .collect()
}

const SIGNS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    ",",
    ";",
    "=",
    "==",
    "..",
    "-",
    "*",
    "\"",
    "'",
    "@'",
    "```",
    "//",
    "\n",
    "$left.",
    "dynamic(",
    "datetime(",
    "null",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "0",
    "'é'",
    "\u{feff}",
    "real(nan)",
    "int(null)",
    "''",
    "1d",
    "10675199d",
    "datetime(9999-12-31)",
    "dynamic(null)",
    "dynamic([])",
    "dynamic({})",
    "typeof(long)",
    "by",
    "on",
    "kind=",
    "let x = ",
    "materialize(",
    "toscalar(",
    "as t |",
    "*, ",
    "column_ifexists('a', 1)",
];

/// A text made of others.
fn mutated(seeds: &[String], chance: &mut Chance) -> String {
    let pick = |chance: &mut Chance| seeds[chance.below(seeds.len())].clone();
    let mut text = words(&pick(chance));
    for _ in 0..=chance.below(5) {
        if text.is_empty() {
            text.push(String::new());
        }
        let (at, other) = (chance.below(text.len()), chance.below(text.len()));
        match chance.below(9) {
            0 => drop(text.remove(at)),
            1 => text.swap(at, other),
            2 => text.insert(at, text[other].clone()),
            3 => text[at] = SIGNS[chance.below(SIGNS.len())].to_owned(),
            4 => text.insert(at, SIGNS[chance.below(SIGNS.len())].to_owned()),
            5 => text.truncate(at + 1),
            6 | 7 => {
                // a piece of another query
                let from = words(&pick(chance));
                let start = chance.below(from.len());
                let end = (start + 1 + chance.below(12)).min(from.len());
                text.splice(at..at, from[start..end].iter().cloned());
            }
            _ => {
                let mut bytes = text[at].clone().into_bytes();
                let place = chance.below(bytes.len());
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = u8::try_from(chance.below(256)).unwrap_or(0);
                }
                text[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }
    text.concat()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_text_breaks_the_language() {
    let engine = super::engine();
    let seeds = seeds();
    assert!(seeds.len() > 500);
    let time = Duration::from_secs(number("SECONDS").unwrap_or(3));
    let mut chance = Chance(number("SEED").unwrap_or(0x7af_f4a11));
    let start = Instant::now();
    let (mut tried, mut slowest) = (0_u64, (Duration::ZERO, String::new()));
    let mut broken = Vec::new();
    while start.elapsed() < time && broken.len() < 10 {
        let text = mutated(&seeds, &mut chance);
        let at = chance.below(text.len() + 1);
        let env = Environment {
            catalog: engine.catalog(),
            schema: engine.schema().as_ref(),
            now: 639_000_000_000_000_000,
            parameters: &[],
        };
        let begin = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| properties::hold(&text, at, &env))).is_err() {
            broken.push(format!("at {at}:\n{text}"));
        }
        if begin.elapsed() > slowest.0 {
            slowest = (begin.elapsed(), text);
        }
        tried += 1;
    }
    println!("{tried} texts; the slowest took {:?}:\n{}", slowest.0, slowest.1);
    assert!(broken.is_empty(), "{} of {tried} texts:\n{}", broken.len(), broken.join("\n\n"));
}
