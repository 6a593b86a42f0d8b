//! Mutation for as long as is asked, on the stable compiler: `make fuzz-sources SECONDS=60` runs each decoder that long, and the parsers of
//! network protocols with them. What `cargo fuzz` does with coverage (`make fuzz`), this does by splicing samples; it needs no nightly.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::samples::{body, samples};
use super::{context, schema};
use crate::{Catalogue, bulk_items, decode, fluent_message, msgpack, recognise};

/// Bytes that mean something to some format.
const TELLING: &[u8] = b"{}[]\"\\:=|,<>\n\t -+.'();@#\x00\x1d\xff\x1e\x0f\x7f\x80\x93\xc1\xdd0129PFTZ";
/// Longest input, and the longest time for one, in this unoptimised build on a machine that does other things, too.
const LONGEST: usize = 16 << 10;
const SLOW: Duration = Duration::from_secs(20);

/// xorshift: the same seed gives the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap()
    }
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[random.next(seeds.len())].clone();
    input.truncate(LONGEST);
    for _ in 0..=random.next(8) {
        let at = random.next(input.len() + 1);
        match random.next(8) {
            0 if at < input.len() => input[at] ^= 1 << random.next(8),
            1 if at < input.len() => input[at] = TELLING[random.next(TELLING.len())],
            2 => input.insert(at, TELLING[random.next(TELLING.len())]),
            3 => {
                let end = (at + random.next(40)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let part = input[at..(at + random.next(60)).min(input.len())].to_vec();
                input.splice(at..at, part);
            }
            // A part of another sample.
            5 => {
                let other = &seeds[random.next(seeds.len())];
                let from = random.next(other.len() + 1);
                let part = other[from..(from + random.next(200)).min(other.len())].to_vec();
                input.splice(at..at, part);
            }
            6 => input.truncate(at),
            // A length or a number.
            _ => {
                let numbers: [&[u8]; 6] = [b"0", b"-1", b"4294967296", b"18446744073709551616", b"1e309", b"\xff\xff\xff\xff"];
                input.splice(at..at, numbers[random.next(numbers.len())].iter().copied());
            }
        }
        input.truncate(LONGEST);
    }
    input
}

#[test]
#[ignore = "runs for as long as SECONDS says; make fuzz-sources"]
fn no_mutation_makes_any_parser_panic_for_as_long_as_is_asked() {
    let seconds = std::env::var("SECONDS_EACH").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let only = std::env::var("ONLY").unwrap_or_default();
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed_u64);
    let all: Vec<(String, Vec<u8>)> = samples().into_iter().map(|(source, path, _)| (source, body(&path))).collect();
    let mut found = Vec::new();
    // Tables are read once, and not on the time of the first input.
    schema();
    for source in Catalogue::sources().iter().filter(|source| only.is_empty() || source.id == only) {
        let own: Vec<Vec<u8>> = all.iter().filter(|(of, _)| of == source.id).map(|(_, body)| body.clone()).collect();
        let seeds = if own.is_empty() {
            all.iter().map(|(_, body)| body.clone()).collect()
        } else {
            own
        };
        let mut random = Random(seed | 1);
        let (began, mut inputs) = (Instant::now(), 0_u64);
        while began.elapsed() < Duration::from_secs(seconds) {
            let input = mutate(&mut random, &seeds);
            let started = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| check(source.id, &input)));
            inputs += 1;
            if result.is_err() || started.elapsed() > SLOW {
                let path = std::env::temp_dir().join(format!("fuzz-{}-{inputs}", source.id));
                std::fs::write(&path, &input).unwrap();
                found.push(format!("{}: {} ({:?})", source.id, path.display(), started.elapsed()));
            }
        }
        eprintln!("{:<28} {inputs:>9} inputs in {:>4} s", source.id, began.elapsed().as_secs());
    }
    assert!(
        found.is_empty(),
        "inputs that are not survived, or take too long:\n{}",
        found.join("\n")
    );
}

/// Rows fit their tables, no record counts as both used and refused, and parsers of protocols give what they took from.
fn check(source: &str, input: &[u8]) {
    let decoded = decode(source, input, &context()).unwrap();
    for (table, batch) in &decoded.batches {
        assert_eq!(batch.num_columns(), schema().table(table).unwrap().columns.len());
    }
    assert!(decoded.rejected <= decoded.records && decoded.failed.len() <= decoded.carried);
    let _ = recognise(input, "");
    match source {
        "elasticsearch" => {
            let _ = bulk_items(input);
        }
        "fluent" => {
            if let Ok(Some(message)) = fluent_message(input) {
                assert!(message.length <= input.len());
            }
            let _ = msgpack::read(input).map(|(value, _)| value.to_json());
        }
        _ => {}
    }
}
