//! gzip and zstd, recognised by their first bytes, read as a stream with limits: a small body must not become an endless one.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all
    None,
    /// gzip (RFC 1952), of one or several members
    Gzip,
    /// Zstandard (RFC 8878), of one or several frames
    Zstd,
}

impl Compression {
    /// By the first bytes.
    pub fn of(start: &[u8]) -> Compression {
        if start.starts_with(&[0x1f, 0x8b]) {
            Compression::Gzip
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Compression::Zstd
        } else {
            Compression::None
        }
    }
}

/// How much may come out.
#[derive(Debug, Clone, Copy)]
pub struct DecompressLimits {
    /// Bytes at most
    pub output: u64,
    /// Times the input at most, looked at from 16 MiB of output on. Logs shrink 10 to 50 times; gzip's most is 1,032
    pub ratio: u64,
}

impl Default for DecompressLimits {
    fn default() -> DecompressLimits {
        DecompressLimits {
            output: 512 << 20,
            ratio: 250,
        }
    }
}

/// Output below which the ratio says nothing.
const RATIO_FROM: u64 = 16 << 20;

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// More than allowed
    #[error("the body decompresses to more than {limit} bytes")]
    TooLarge {
        /// The limit
        limit: u64,
    },
    /// A bomb
    #[error("the body decompresses to more than {limit} times its size, which no log does: taken for a decompression bomb")]
    Ratio {
        /// The limit
        limit: u64,
    },
    /// Damaged or cut off
    #[error("the body is damaged or cut off: {0}")]
    Damaged(io::Error),
}

impl DecompressError {
    /// Of an error that a [`Decompressor`] gave.
    fn from_io(error: io::Error) -> DecompressError {
        let limit = error.get_ref().and_then(|inner| inner.downcast_ref::<LimitReached>()).copied();
        match limit {
            Some(LimitReached::Output(limit)) => DecompressError::TooLarge { limit },
            Some(LimitReached::Ratio(limit)) => DecompressError::Ratio { limit },
            None => DecompressError::Damaged(error),
        }
    }
}

/// A limit of a [`Decompressor`], as it travels inside [`io::Error`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum LimitReached {
    #[error("more than {0} bytes come out")]
    Output(u64),
    #[error("more than {0} times the input comes out, which no log does: taken for a decompression bomb")]
    Ratio(u64),
}

struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

enum Inner<R: Read> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Counted<R>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Counted<R>>>>),
}

/// A reader of what comes out of gzip, zstd or nothing.
pub struct Decompressor<R: Read> {
    inner: Inner<R>,
    compression: Compression,
    limits: DecompressLimits,
    consumed: Rc<Cell<u64>>,
    produced: u64,
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn new(input: R, limits: DecompressLimits) -> io::Result<Decompressor<R>> {
        let consumed = Rc::new(Cell::new(0));
        let mut buffered = BufReader::with_capacity(
            256 * 1024,
            Counted {
                inner: input,
                read: Rc::clone(&consumed),
            },
        );
        let compression = Compression::of(buffered.fill_buf()?);
        let inner = match compression {
            Compression::None => Inner::Plain(buffered),
            Compression::Gzip => Inner::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(buffered))),
            Compression::Zstd => Inner::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?)),
        };
        Ok(Decompressor {
            inner,
            compression,
            limits,
            consumed,
            produced: 0,
        })
    }

    /// What the first bytes said.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of input taken so far.
    pub fn consumed(&self) -> u64 {
        self.consumed.get()
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Inner::Plain(reader) => return reader.read(buffer),
            Inner::Gzip(reader) => reader.read(buffer)?,
            Inner::Zstd(reader) => reader.read(buffer)?,
        };
        self.produced += count as u64;
        if self.produced > self.limits.output {
            return Err(io::Error::other(LimitReached::Output(self.limits.output)));
        }
        if self.produced > RATIO_FROM && self.produced / self.limits.ratio > self.consumed.get() {
            return Err(io::Error::other(LimitReached::Ratio(self.limits.ratio)));
        }
        Ok(count)
    }
}

/// Decompresses a body by its first bytes; one that is not compressed is given back as it is.
///
/// # Errors
/// When it is damaged or more comes out than allowed.
pub fn decompress<'a>(body: &'a [u8], limits: &DecompressLimits) -> Result<Cow<'a, [u8]>, DecompressError> {
    if Compression::of(body) == Compression::None {
        if body.len() as u64 > limits.output {
            return Err(DecompressError::TooLarge { limit: limits.output });
        }
        return Ok(Cow::Borrowed(body));
    }
    let mut reader = Decompressor::new(body, *limits).map_err(DecompressError::from_io)?;
    let mut out = Vec::with_capacity(body.len().saturating_mul(4).min(64 << 20));
    reader.read_to_end(&mut out).map_err(DecompressError::from_io)?;
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_members_and_zstd_frames_are_joined() {
        let limits = DecompressLimits::default();
        let members = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(&*decompress(&members, &limits).unwrap(), b"one\ntwo\n");
        let frames = [
            zstd::encode_all(&b"one\n"[..], 1).unwrap(),
            zstd::encode_all(&b"two\n"[..], 1).unwrap(),
        ]
        .concat();
        assert_eq!(&*decompress(&frames, &limits).unwrap(), b"one\ntwo\n");
        assert_eq!(&*decompress(b"plain", &limits).unwrap(), b"plain");
    }

    #[test]
    fn a_bomb_and_a_damaged_body_are_refused_with_the_reason() {
        let zeros = vec![0; 40 << 20];
        let limits = DecompressLimits::default();
        for bomb in [gzip(&zeros), zstd::encode_all(&zeros[..], 1).unwrap()] {
            assert!(matches!(decompress(&bomb, &limits), Err(DecompressError::Ratio { limit: 250 })));
            let small = DecompressLimits { output: 1 << 20, ..limits };
            assert!(matches!(decompress(&bomb, &small), Err(DecompressError::TooLarge { .. })));
        }
        let whole = gzip(b"an event");
        let error = decompress(&whole[..whole.len() - 6], &limits).unwrap_err();
        assert!(matches!(error, DecompressError::Damaged(_)), "{error}");
    }
}
