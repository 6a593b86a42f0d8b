//! No input makes a decoder panic, and one bad record does not spoil its neighbours.

use proptest::prelude::*;

use super::samples::{body, samples};
use super::{context, schema};
use crate::{Catalogue, Limits, decode, decode_with};

/// Bytes that mean something to some format.
const TELLING: &[u8] = b"{}[]\"\\:=|,<>\n\t -+.'();@#\x00\x1d\xff0129PFTZ";

fn all_samples() -> &'static [(String, Vec<u8>)] {
    static SAMPLES: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| samples().into_iter().map(|(source, path, _)| (source, body(&path))).collect())
}

/// A change of a body.
#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<prop::sample::Index>;
    let byte = || prop_oneof![prop::sample::select(TELLING), any::<u8>()];
    prop::collection::vec(
        prop_oneof![
            (place(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
            (place(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
            (place(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
            (place(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
            place().prop_map(Change::Cut),
        ],
        1..6,
    )
}

fn change(body: &mut Vec<u8>, change: &Change) {
    if body.is_empty() {
        return;
    }
    match change {
        Change::Replace(at, byte) => {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        Change::Insert(at, byte) => body.insert(at.index(body.len()), *byte),
        Change::Remove(at, count) => {
            let at = at.index(body.len());
            let end = (at + count).min(body.len());
            body.drain(at..end);
        }
        Change::Repeat(at, count) => {
            let at = at.index(body.len());
            let part = body[at..(at + count).min(body.len())].to_vec();
            body.splice(at..at, part);
        }
        Change::Cut(at) => body.truncate(at.index(body.len())),
    }
}

/// How many mutations a run tries; `PROPTEST_CASES` says more for a long one.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_sample_makes_its_decoder_panic(which in any::<prop::sample::Index>(), changes in changes()) {
        let (source, sample) = &all_samples()[which.index(all_samples().len())];
        let mut body = sample.clone();
        for one in &changes {
            change(&mut body, one);
        }
        for source in [source.as_str(), "auto"] {
            let decoded = decode(source, &body, &context()).unwrap();
            for (table, batch) in &decoded.batches {
                prop_assert_eq!(batch.num_columns(), schema().table(table).unwrap().columns.len());
            }
        }
    }

    #[test]
    fn no_bytes_make_any_decoder_panic(body in proptest::collection::vec(prop_oneof![prop::sample::select(TELLING), any::<u8>()], 0..200)) {
        for source in Catalogue::sources() {
            decode_with(source.id, &body, &context(), &Limits { record: 100, ..Limits::default() }).unwrap();
        }
    }
}

#[test]
fn a_bad_record_does_not_spoil_its_neighbours() {
    // Sources whose records are lines or objects that stand alone.
    let alone = [
        "etcd",
        "container-logs",
        "ingress-nginx",
        "traefik",
        "envoy",
        "haproxy",
        "coredns",
        "calico",
        "cilium-hubble",
        "prometheus-metrics",
        "cef",
        "leef",
        "syslog",
        "alertmanager",
        "prisma-cloud",
        "json",
        "auditd",
    ];
    for (source, sample) in all_samples().iter().filter(|(source, _)| alone.contains(&source.as_str())) {
        let rows = |body: &[u8]| decode(source, body, &context()).unwrap().rows();
        let expected = rows(sample);
        for bad in [&b"{\"broken\": [1,"[..], b"no such line \xff\xfe", b"{\"a\":1}x", b"\"\"\"\\"] {
            let body = [bad, b"\n", sample, b"\n", bad, b"\n"].concat();
            let found = rows(&body);
            assert!(
                found >= expected,
                "{source}: {} beside the sample: {found} rows of {expected}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
