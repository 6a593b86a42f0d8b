//! Published queries with words lost, doubled, exchanged or cut: whatever is left of them is bound or refused, never a panic,
//! and what can be formatted is laid out once and for all.

use proptest::prelude::*;
use taffrail_kql::catalog::{Entity, Schema};
use taffrail_kql::{Environment, format};

use crate::catalog::catalog;
use crate::properties::hold;
use crate::schema::TestSchema;

/// The same tables, for checking only.
struct Open(TestSchema);

impl Schema for Open {
    fn entity(&self, name: &str) -> Option<Entity> {
        self.0.entity(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self) -> bool {
        true
    }
}

const PUBLISHED: &str = concat!(
    include_str!("../syntax/published.txt"),
    "====\n",
    include_str!("../syntax/sentinel.txt")
);

fn queries() -> Vec<String> {
    let case = |case: &str| case.split("\n----\n").next().unwrap_or_default().trim().to_owned();
    PUBLISHED.split("====\n").map(case).filter(|query| !query.is_empty()).collect()
}

/// Words, spaces and signs, each by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() => 2,
        _ => 3,
    };
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|last| last != kind(c) || kind(c) == 3) {
            words.push(&text[start..at]);
            start = at;
        }
        last = Some(kind(c));
    }
    words.push(&text[start..]);
    words
}

fn mutated(query: &str, changes: &[(u8, usize, usize)]) -> String {
    let mut words: Vec<String> = words(query).into_iter().map(str::to_owned).collect();
    for (change, at, other) in changes {
        let (at, other) = (at % words.len(), other % words.len());
        match change % 5 {
            0 => {
                words.remove(at);
            }
            1 => {
                let word = words[at].clone();
                words.insert(other, word);
            }
            2 => words.swap(at, other),
            3 => words.truncate(at + 1),
            _ => words[at] = ["(", ")", "|", ",", ";", "let x =", "\"", "dynamic(", "[", "= ", "..", "-"][other % 12].to_owned(),
        }
        if words.is_empty() {
            words.push(String::new());
        }
    }
    words.concat()
}

fn check(text: &str, schema: &dyn Schema) {
    let env = Environment {
        catalog: catalog(),
        schema,
        now: 638_000_000_000_000_000,
        parameters: &[],
    };
    hold(text, text.len() / 2, &env);
}

#[test]
fn published_queries_keep_their_layout_and_their_comments() {
    for query in queries() {
        let once = format(&query).unwrap_or_else(|problems| panic!("{query}\n{problems:?}"));
        assert_eq!(format(&once).unwrap(), once, "{query}");
        let comments = |text: &str| text.matches("// ").count();
        assert_eq!(comments(&once), comments(&query), "{query}\n{once}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_queries_are_bound_or_refused(
        which in any::<usize>(),
        changes in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 0..6),
    ) {
        let queries = queries();
        let text = mutated(&queries[which % queries.len()], &changes);
        check(&text, &TestSchema::standard());
        check(&text, &Open(TestSchema::standard()));
    }
}
