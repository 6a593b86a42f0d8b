//! An index of words and identifiers inside of a file, a row group each: in which rows a word stands.
//!
//! `has "xmrig"` over whole events would decompress them all. Compaction notes, for each row group, the words of the table's event
//! column: letters, perhaps with a digit or two behind them. Numbers, hashes and identifiers are most of the different terms of
//! such text and are left out, so the index is a few tenths of a percent of the text. A word in more than a few hundred
//! rows of a row group is only noted as frequent.
//!
//! A term is a run of letters and digits, as KQL's `has` sees it. Next to characters beyond ASCII this index cannot tell where a
//! term ends; such rows are noted as doubtful and looked at.
//!
//! The index lies between the last row group and the footer of the Parquet file, where other readers do not look; the footer
//! says where ([`KEY`]).

use std::collections::{BTreeMap, HashSet};

use crate::error::LakeError;

/// Entry of the footer: `column offset:length offset:length …`, one place a row group.
pub(crate) const KEY: &str = "taffrail.words.1";

/// A word in more rows of a row group than this is frequent.
const MOST_ROWS: usize = 512;
/// Texts whose words are all frequent that are remembered for a row group.
const MOST_NOTED: usize = 1 << 16;
const SHORTEST: usize = 3;
const LONGEST: usize = 32;
const MOST_DIGITS: usize = 2;

/// Whether the index knows of such terms: lower-case letters, then a few digits.
pub(crate) fn is_word(term: &[u8]) -> bool {
    let letters = term.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let digits = term.len() - letters;
    (SHORTEST..=LONGEST).contains(&term.len())
        && letters >= SHORTEST
        && digits <= MOST_DIGITS
        && term.iter().skip(letters).all(u8::is_ascii_digit)
}

/// In which rows of a row group a word stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// In none
    Nowhere,
    /// In these, ascending
    Rows(Vec<u32>),
    /// Perhaps in these, and in no others
    Perhaps(Vec<u32>),
    /// In many
    Anywhere,
}

#[derive(Debug, Default)]
struct Word {
    text: Vec<u8>,
    rows: Vec<u16>,
    last: Option<u16>,
    frequent: bool,
    doubtful: bool,
}

/// Words of a row group while it is written.
pub(crate) struct Collector {
    words: Vec<Word>,
    /// Open addressing: hash and place in `words`
    table: Vec<(u64, u32)>,
    hasher: ahash::RandomState,
    /// Hashes of texts that have frequent words only
    noted: HashSet<u64, ahash::RandomState>,
    row: u32,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("words", &self.words.len())
            .finish_non_exhaustive()
    }
}

impl Collector {
    pub(crate) fn new() -> Collector {
        Collector {
            words: Vec::new(),
            table: vec![(0, u32::MAX); 1 << 14],
            // Nobody who sends events can know which words meet in one place of the table.
            hasher: ahash::RandomState::new(),
            noted: HashSet::default(),
            row: 0,
        }
    }

    /// The row is over.
    pub(crate) fn end_row(&mut self) {
        self.row += 1;
    }

    /// Sees the text of a row.
    #[cfg(test)]
    pub(crate) fn row(&mut self, text: &[u8]) {
        self.part(text);
        self.end_row();
    }

    /// Sees a part of the text of the current row; words do not go over from one part to the next.
    pub(crate) fn part(&mut self, text: &[u8]) {
        // The same values come again and again: when all their words are frequent, there is nothing to note.
        let seen = self.hasher.hash_one(text);
        if self.noted.contains(&seen) {
            return;
        }
        if self.words_of(text) && self.noted.len() < MOST_NOTED {
            self.noted.insert(seen);
        }
    }

    /// Notes the words of a text; whether all of them are frequent.
    fn words_of(&mut self, text: &[u8]) -> bool {
        let row = u16::try_from(self.row).unwrap_or(u16::MAX);
        let class = |at: usize| text.get(at).map_or(OTHER, |byte| CLASS[usize::from(*byte)]);
        let mut frequent = true;
        let mut at = 0;
        while at < text.len() {
            if class(at) == OTHER {
                at += 1;
                continue;
            }
            let start = at;
            while class(at) == LETTER {
                at += 1;
            }
            let letters = at - start;
            while class(at) == DIGIT {
                at += 1;
            }
            let length = at - start;
            // Letters behind digits: no word, to its end.
            let mixed = class(at) == LETTER;
            while matches!(class(at), LETTER | DIGIT) {
                at += 1;
            }
            if !mixed && letters >= SHORTEST && length <= LONGEST && length - letters <= MOST_DIGITS {
                let doubtful = class(at) == BEYOND || (start > 0 && class(start - 1) == BEYOND);
                frequent &= self.see(text.get(start..at).unwrap_or_default(), row, doubtful);
            }
            while class(at) == BEYOND {
                at += 1;
            }
        }
        frequent
    }

    /// Notes a word; whether it is frequent.
    fn see(&mut self, text: &[u8], row: u16, doubtful: bool) -> bool {
        let mut lower = [0u8; LONGEST];
        let Some(lower) = lower.get_mut(..text.len()) else {
            return false;
        };
        for (to, from) in lower.iter_mut().zip(text) {
            *to = from | 0x20;
        }
        let lower = &*lower;
        let hash = self.hasher.hash_one(lower);
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let (known, index) = self.table[place];
            if index == u32::MAX {
                break;
            }
            if known == hash
                && let Some(word) = self.words.get_mut(index as usize)
                && word.text == lower
            {
                word.doubtful |= doubtful;
                if word.frequent {
                    // Doubt about a frequent word is of no use to anybody.
                    return true;
                }
                if word.last == Some(row) {
                    return false;
                }
                word.last = Some(row);
                word.rows.push(row);
                if word.rows.len() > MOST_ROWS {
                    word.frequent = true;
                    word.rows = Vec::new();
                }
                return word.frequent;
            }
            place = (place + 1) & mask;
        }
        self.table[place] = (hash, self.words.len() as u32);
        self.words.push(Word {
            text: lower.to_vec(),
            rows: vec![row],
            last: Some(row),
            frequent: false,
            doubtful,
        });
        if self.words.len() * 2 > self.table.len() {
            self.grow();
        }
        false
    }

    fn grow(&mut self) {
        let size = self.table.len() * 2;
        let before = std::mem::replace(&mut self.table, vec![(0, u32::MAX); size]);
        for (hash, index) in before.into_iter().filter(|(_, index)| *index != u32::MAX) {
            let mut place = hash as usize & (size - 1);
            while self.table[place].1 != u32::MAX {
                place = (place + 1) & (size - 1);
            }
            self.table[place] = (hash, index);
        }
    }

    /// Ends the row group; the next begins with nothing.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, LakeError> {
        let done = std::mem::replace(self, Collector::new());
        let mut words = done.words;
        words.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        let mut out = Vec::new();
        out.extend((words.len() as u32).to_le_bytes());
        for word in &words {
            out.push(word.text.len() as u8);
            out.extend(&word.text);
            let kind = if word.frequent {
                FREQUENT
            } else if word.doubtful {
                DOUBTFUL
            } else {
                CERTAIN
            };
            out.push(kind);
            if kind != FREQUENT {
                out.extend((word.rows.len() as u16).to_le_bytes());
                let mut before = 0;
                for row in &word.rows {
                    out.extend((row - before).to_le_bytes());
                    before = *row;
                }
            }
        }
        zstd_compress(&out)
    }
}

const OTHER: u8 = 0;
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const BEYOND: u8 = 3;
const CLASS: [u8; 256] = {
    let mut class = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            0x80.. => BEYOND,
            _ => OTHER,
        };
        byte += 1;
    }
    class
};

const CERTAIN: u8 = 0;
const DOUBTFUL: u8 = 1;
const FREQUENT: u8 = 2;

/// The words of a row group, read back.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: BTreeMap<Box<[u8]>, Found>,
    bytes: usize,
}

impl Words {
    pub(crate) fn read(bytes: &[u8]) -> Option<Words> {
        let bytes = zstd_decompress(bytes)?;
        let mut rest = bytes.as_slice();
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut words = BTreeMap::new();
        for _ in 0..count {
            let [length] = take(&mut rest)?;
            let (text, after) = rest.split_at_checked(usize::from(length))?;
            rest = after;
            let [kind] = take(&mut rest)?;
            let found = if kind == FREQUENT {
                Found::Anywhere
            } else {
                let count = u16::from_le_bytes(take(&mut rest)?);
                let mut rows = Vec::with_capacity(usize::from(count));
                let mut row = 0u32;
                for _ in 0..count {
                    row += u32::from(u16::from_le_bytes(take(&mut rest)?));
                    rows.push(row);
                }
                if kind == CERTAIN { Found::Rows(rows) } else { Found::Perhaps(rows) }
            };
            words.insert(text.into(), found);
        }
        Some(Words {
            words,
            bytes: bytes.len() * 2,
        })
    }

    /// Where a word stands, which must be [one that is indexed](is_word).
    pub(crate) fn find(&self, word: &[u8]) -> Found {
        self.words.get(word).cloned().unwrap_or(Found::Nowhere)
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn zstd_compress(bytes: &[u8]) -> Result<Vec<u8>, LakeError> {
    zstd::bulk::compress(bytes, 3).map_err(|error| LakeError::NotStored {
        reason: format!("an index of words cannot be compressed: {error}"),
    })
}

/// An index is smaller than this; what says otherwise is not ours.
const LARGEST: usize = 256 << 20;

fn zstd_decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut out = Vec::new();
    let reader = zstd::stream::read::Decoder::new(bytes).ok()?;
    reader.take(LARGEST as u64).read_to_end(&mut out).ok()?;
    Some(out)
}

/// Entry of the footer for hashes of identifiers: `column offset:length …`, four bytes a row.
pub(crate) const KEYS: &str = "taffrail.keys.1";

/// Hash of an identifier as files keep it: the same in every version (FNV-1a, folded).
pub(crate) fn key_hash(text: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in text {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    (hash ^ (hash >> 32)) as u32
}

/// Where parts of an index are in a file: column, then offset and length for each row group.
pub(crate) type Places = (String, Vec<(u64, u64)>);

/// [`Places`] as the footer has them.
pub(crate) fn write_places(column: &str, places: &[(u64, u64)]) -> String {
    let mut text = column.to_owned();
    for (offset, length) in places {
        text.push_str(&format!(" {offset}:{length}"));
    }
    text
}

/// Reads [`write_places`].
pub(crate) fn read_places(text: &str) -> Option<Places> {
    let mut parts = text.split(' ');
    let column = parts.next()?.to_owned();
    let place = |part: &str| {
        let (offset, length) = part.split_once(':')?;
        Some((offset.parse().ok()?, length.parse().ok()?))
    };
    Some((column, parts.map(place).collect::<Option<_>>()?))
}

/// The words of a needle for `has`: each must stand in a row, by itself, for the row to match. The flag says whether that is also
/// enough. Empty when the index knows nothing of the needle.
pub(crate) fn words_of(needle: &str) -> (Vec<Vec<u8>>, bool) {
    if !needle.is_ascii() {
        return (Vec::new(), false);
    }
    let lower = needle.to_ascii_lowercase();
    let words: Vec<Vec<u8>> = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|run| run.as_bytes().to_vec())
        .filter(|run| is_word(run))
        .collect();
    let alone = words.len() == 1 && words.first().is_some_and(|word| word.len() == needle.len());
    (words, alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(rows: &[&str]) -> Words {
        let mut collector = Collector::new();
        for row in rows {
            collector.row(row.as_bytes());
        }
        Words::read(&collector.finish().unwrap()).unwrap()
    }

    #[test]
    fn words_are_found_in_the_rows_they_stand_in() {
        let rows = [
            r#"{"image":"docker.io/Xmrig:6.1"}"#,
            "xmrig2 xmrigger",
            "nothing",
            "xmrig\u{e9}",
            "a-xmrig-b xmrig",
        ];
        let words = indexed(&rows);
        assert_eq!(
            words.find(b"xmrig"),
            Found::Perhaps(vec![0, 3, 4]),
            "next to é it is for others to say"
        );
        assert_eq!(words.find(b"xmrig2"), Found::Rows(vec![1]));
        assert_eq!(words.find(b"docker"), Found::Rows(vec![0]));
        assert_eq!(words.find(b"mrig"), Found::Nowhere);
        let many: Vec<&str> = (0..600).map(|_| "often").collect();
        assert_eq!(indexed(&many).find(b"often"), Found::Anywhere);
    }

    #[test]
    fn needles_become_words() {
        assert_eq!(words_of("XMRig"), (vec![b"xmrig".to_vec()], true));
        assert_eq!(words_of("cluster-admin"), (vec![b"cluster".to_vec(), b"admin".to_vec()], false));
        assert_eq!(words_of("a8f3").0, Vec::<Vec<u8>>::new());
        assert_eq!(words_of("größe").0, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn places_are_read_as_written() {
        let places = vec![(4, 10), (14, 0)];
        assert_eq!(
            read_places(&write_places("RawEvent", &places)),
            Some(("RawEvent".to_owned(), places))
        );
        assert_eq!(read_places("RawEvent 4"), None);
    }
}
