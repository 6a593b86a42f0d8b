//! Fuzz target of the query language: any text is read without loss, bound or refused, laid out, completed and explained.
#![no_main]

#[path = "../../../crates/kql/tests/bind/catalog.rs"]
mod catalog;
#[path = "../../../crates/kql/tests/bind/properties.rs"]
mod properties;
#[path = "../../../crates/kql/tests/bind/schema.rs"]
mod schema;

use libfuzzer_sys::fuzz_target;
use taffrail_kql::Environment;

fuzz_target!(|text: &str| {
    let schema = schema::TestSchema::standard();
    let env = Environment {
        catalog: catalog::catalog(),
        schema: &schema,
        now: 639_000_000_000_000_000,
        parameters: &[],
    };
    properties::hold(text, text.len() / 2, &env);
});
