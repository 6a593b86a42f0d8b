//! Patterns of words that one set of texts has more often than another.
//!
//! A pattern is a run of words, some of which may be any (`*`). Patterns grow to the right word by word over the places where
//! they occur; they are taken by difference, as in `diffpatterns`.
//!
//! Source: Kusto Query Language reference, "diffpatterns_text plugin".

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::common::ScalarValue;

use super::encode::{ANY, longs};
use super::{Answer, Failure, Job, Rows, long, real, rounded};

/// Words that may be any between two that are not.
const LONGEST_GAP: usize = 4;
/// Patterns beyond which the search ends.
const MOST_PATTERNS: usize = 100_000;
/// Words of a text that are looked at.
const MOST_WORDS: usize = 2_000;
/// The share of a pattern's rows that better patterns must not have.
const OWN: f64 = 0.25;

struct Texts {
    /// A code for each word; [`ANY`] for those too rare to be in a pattern
    words: Vec<Vec<u32>>,
    /// 0 or 1
    sides: Vec<usize>,
    totals: [f64; 2],
    names: Vec<String>,
}

struct Pattern {
    words: Vec<u32>,
    counts: [f64; 2],
    /// In ascending order
    rows: Vec<u32>,
}

/// Where a pattern ends in a text.
type Place = (u32, u32);

struct Search<'a> {
    texts: &'a Texts,
    least: f64,
    longest: usize,
    shortest: usize,
    found: Vec<Pattern>,
    bytes: usize,
    job: &'a Job,
}

pub(super) fn run(job: &Job) -> Answer<Rows> {
    let (threshold, shortest, longest) = (job.number(0), job.number(1) as usize, job.number(2) as usize);
    let texts = read(job, threshold)?;
    if texts.totals.iter().any(|total| *total <= 0.0) {
        return Ok(Vec::new());
    }
    let mut search = Search {
        texts: &texts,
        least: threshold,
        longest: longest.max(1),
        shortest,
        found: Vec::new(),
        bytes: 0,
        job,
    };
    search.run()?;
    let mut found = search.found;
    found.retain(|found| texts.difference(found.counts).abs() >= threshold);
    found.sort_by(|a, b| {
        let (x, y) = (texts.difference(a.counts).abs(), texts.difference(b.counts).abs());
        y.total_cmp(&x)
            .then_with(|| said(&b.words).cmp(&said(&a.words)))
            .then_with(|| a.words.cmp(&b.words))
    });
    let mut kept = distinct(&texts, found);
    kept.sort_by(|a, b| texts.difference(b.counts).total_cmp(&texts.difference(a.counts)));
    let rows = kept.iter().map(|found| {
        let [a, b] = found.counts;
        let [all_a, all_b] = texts.totals;
        let words: Vec<&str> = found.words.iter().map(|code| texts.name(*code)).collect();
        vec![
            long(a),
            long(b),
            real(rounded(100.0 * a / all_a, 2)),
            real(rounded(100.0 * b / all_b, 2)),
            ScalarValue::Utf8View(Some(words.join(" "))),
        ]
    });
    Ok(rows.collect())
}

impl Texts {
    fn difference(&self, [a, b]: [f64; 2]) -> f64 {
        let [all_a, all_b] = self.totals;
        a / all_a - b / all_b
    }

    fn name(&self, code: u32) -> &str {
        match code {
            ANY => "*",
            code => self.names.get(code as usize - 1).map_or("*", String::as_str),
        }
    }

    /// How many rows of each side places are in; places are in the order of rows.
    fn counts(&self, places: &[Place]) -> [f64; 2] {
        let mut counts = [0.0; 2];
        let mut last = None;
        for (row, _) in places {
            if last != Some(*row) {
                last = Some(*row);
                let side = self.sides.get(*row as usize).copied().unwrap_or(0);
                if let Some(count) = counts.get_mut(side) {
                    *count += 1.0;
                }
            }
        }
        counts
    }

    fn frequent(&self, [a, b]: [f64; 2], least: f64) -> bool {
        let [all_a, all_b] = self.totals;
        a >= least * all_a || b >= least * all_b
    }
}

/// The texts with a code for each word that enough of one side's have.
fn read(job: &Job, least: f64) -> Answer<Texts> {
    let mut codes: HashMap<String, u32> = HashMap::new();
    let mut counts: Vec<([f64; 2], u32)> = Vec::new();
    let (mut words, mut sides, mut totals, mut bytes) = (Vec::new(), Vec::new(), [0.0; 2], 0);
    for batch in &job.batches {
        let [side, text] = batch.columns() else { continue };
        let text = text
            .as_string_view_opt()
            .ok_or_else(|| Failure::Argument("diffpatterns_text reads texts".to_owned()))?;
        for (row, side) in longs(side)?.into_iter().enumerate() {
            let side = usize::from(side != 1);
            let number = u32::try_from(sides.len()).unwrap_or(u32::MAX);
            sides.push(side);
            if let Some(total) = totals.get_mut(side) {
                *total += 1.0;
            }
            let mut list: Vec<u32> = Vec::new();
            let value = if text.is_null(row) { "" } else { text.value(row) };
            for word in value.split_whitespace().take(MOST_WORDS) {
                let next = u32::try_from(counts.len()).unwrap_or(u32::MAX);
                let code = match codes.get(word) {
                    Some(code) => *code,
                    None => {
                        codes.insert(word.to_owned(), next);
                        counts.push(([0.0; 2], u32::MAX));
                        bytes += word.len() + 96;
                        next
                    }
                };
                if let Some((counts, last)) = counts.get_mut(code as usize)
                    && *last != number
                {
                    *last = number;
                    if let Some(count) = counts.get_mut(side) {
                        *count += 1.0;
                    }
                }
                list.push(code);
            }
            bytes += list.len() * 4 + 40;
            words.push(list);
        }
        job.limits.check(bytes, "the texts to find patterns in")?;
    }
    let mut texts = Texts {
        words,
        sides,
        totals,
        names: Vec::new(),
    };
    let mut names: Vec<(u32, String)> = codes.into_iter().map(|(word, code)| (code, word)).collect();
    names.sort_unstable();
    let mut kept = vec![ANY; names.len()];
    for ((code, word), (counts, _)) in names.into_iter().zip(&counts) {
        if texts.frequent(*counts, least)
            && let Some(slot) = kept.get_mut(code as usize)
        {
            texts.names.push(word);
            *slot = u32::try_from(texts.names.len()).unwrap_or(ANY);
        }
    }
    for list in &mut texts.words {
        for code in list {
            *code = kept.get(*code as usize).copied().unwrap_or(ANY);
        }
    }
    Ok(texts)
}

impl Search<'_> {
    fn run(&mut self) -> Answer<()> {
        let mut starts: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
        for (row, words) in self.texts.words.iter().enumerate() {
            for (position, code) in words.iter().enumerate() {
                if *code != ANY {
                    let place = (u32::try_from(row).unwrap_or(0), u32::try_from(position).unwrap_or(0));
                    starts.entry(*code).or_default().push(place);
                }
            }
        }
        for (code, places) in starts {
            self.grow(vec![code], places, 0)?;
        }
        Ok(())
    }

    /// A pattern, and those it is the beginning of.
    fn grow(&mut self, words: Vec<u32>, places: Vec<Place>, gap: usize) -> Answer<()> {
        let counts = self.texts.counts(&places);
        let mut same = false;
        if words.len() < self.longest && self.found.len() < MOST_PATTERNS {
            let mut next: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
            let mut all: Vec<Place> = Vec::with_capacity(places.len());
            for (row, position) in &places {
                let list = self.texts.words.get(*row as usize).map_or(&[][..], Vec::as_slice);
                if let Some(code) = list.get(*position as usize + 1) {
                    all.push((*row, position + 1));
                    if *code != ANY {
                        next.entry(*code).or_default().push((*row, position + 1));
                    }
                }
            }
            for (code, places) in next {
                let found = self.texts.counts(&places);
                if self.texts.frequent(found, self.least) {
                    same |= found == counts;
                    let longer: Vec<u32> = words.iter().copied().chain([code]).collect();
                    self.grow(longer, places, 0)?;
                }
            }
            if !same && gap < LONGEST_GAP && self.texts.frequent(self.texts.counts(&all), self.least) {
                let longer: Vec<u32> = words.iter().copied().chain([ANY]).collect();
                self.grow(longer, all, gap + 1)?;
            }
        }
        // one that always goes on in the same way is not the whole pattern
        if !same && words.last().is_some_and(|code| *code != ANY) && said(&words) >= self.shortest {
            let mut rows: Vec<u32> = places.iter().map(|(row, _)| *row).collect();
            rows.dedup();
            self.bytes += rows.len() * 4 + words.len() * 4 + 96;
            self.job.limits.check(self.bytes, "the patterns found")?;
            self.found.push(Pattern { words, counts, rows });
        }
        Ok(())
    }
}

fn said(words: &[u32]) -> usize {
    words.iter().filter(|code| **code != ANY).count()
}

/// Patterns that are not mostly made of rows that a better one explains.
fn distinct(texts: &Texts, found: Vec<Pattern>) -> Vec<Pattern> {
    let mut covered = vec![false; texts.sides.len()];
    let mut kept: Vec<Pattern> = Vec::new();
    for found in found {
        let is_covered = |row: &u32| covered.get(*row as usize).copied().unwrap_or(true);
        let own: Vec<Place> = (found.rows.iter().filter(|row| !is_covered(row))).map(|row| (*row, 0)).collect();
        let whole = texts.difference(found.counts);
        if texts.difference(texts.counts(&own)) * whole.signum() < OWN * whole.abs() {
            continue;
        }
        for row in &found.rows {
            if let Some(slot) = covered.get_mut(*row as usize) {
                *slot = true;
            }
        }
        kept.push(found);
    }
    kept
}
