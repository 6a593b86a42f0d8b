//! Fuzzing of the decoders: any bytes, no panic, and what must hold of every result.
//!
//! `make fuzz` runs every target for a while, beginning with the documented samples in `crates/sources/tests/data`; new inputs are kept
//! in `fuzz/corpus`. One target for longer:
//! `cargo +nightly fuzz run syslog fuzz/corpus/syslog crates/sources/tests/data/syslog`.

use std::sync::OnceLock;

use chrono::DateTime;
use taffrail_content::Content;
use taffrail_schema::Schema;
use taffrail_sources::{Context, decode};

#[doc(hidden)]
pub use libfuzzer_sys;

fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::load(&Content::embedded()).expect("the embedded tables load"))
}

/// Decodes a body and checks the result: rows fit their tables, and no record is counted as both used and refused.
pub fn check(source: &str, body: &[u8]) {
    let context = Context {
        cluster: String::new(),
        received: DateTime::UNIX_EPOCH,
        schema: schema(),
        origin: "fuzz".to_owned(),
    };
    let decoded = decode(source, body, &context).expect("bad input is no error");
    for (table, batch) in &decoded.batches {
        let table = schema().table(table).expect("rows are of a table that there is");
        assert_eq!(batch.num_columns(), table.columns.len());
    }
    assert!(decoded.rejected <= decoded.records);
}

/// The fuzz target of a source.
#[macro_export]
macro_rules! decoder {
    ($source:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|body: &[u8]| $crate::check($source, body));
    };
}
