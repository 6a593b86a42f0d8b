//! Messages of a stream, cut where they end: syslog's two framings (RFC 6587), zero bytes of GELF, values of Fluentd.

use taffrail_sources::fluent_message;

/// Where messages end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Octet counts or line ends, told apart message by message
    Syslog,
    /// Zero bytes
    Zero,
    /// MessagePack values
    Fluent,
}

/// Why a stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Its end is not to be had within the limit
    #[error("a message is longer than allowed")]
    TooLong,
    /// It is none
    #[error("what arrived is no message of the protocol")]
    Invalid,
}

/// The length of the first message with its frame; `None` while it has not ended.
///
/// # Errors
/// When it is longer than `limit`, or none.
pub fn next_frame(framing: Framing, bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let length = match framing {
        Framing::Syslog => syslog(bytes, limit)?,
        Framing::Zero => memchr(0, bytes).map(|at| at + 1),
        Framing::Fluent => fluent_message(bytes)
            .map_err(|_| FrameError::Invalid)?
            .map(|message| message.length),
    };
    match length {
        Some(length) if length > limit => Err(FrameError::TooLong),
        None if bytes.len() > limit => Err(FrameError::TooLong),
        length => Ok(length),
    }
}

fn memchr(wanted: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

/// `LENGTH MESSAGE`, where a message begins with `<`; anything else ends with its line.
fn syslog(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let digits = bytes.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    if (1..8).contains(&digits) && bytes.first() != Some(&b'0') {
        match (bytes.get(digits), bytes.get(digits + 1)) {
            (Some(b' '), Some(b'<')) => {
                let text = std::str::from_utf8(bytes.get(..digits).unwrap_or_default()).unwrap_or_default();
                let count: usize = text.parse().map_err(|_| FrameError::Invalid)?;
                if count > limit {
                    return Err(FrameError::TooLong);
                }
                let whole = digits + 1 + count;
                return Ok((bytes.len() >= whole).then_some(whole));
            }
            (None | Some(b' '), None) => return Ok(None),
            _ => {}
        }
    }
    Ok(memchr(b'\n', bytes).map(|at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(framing: Framing, mut bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        while let Ok(Some(length)) = next_frame(framing, bytes, 100) {
            out.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            bytes = &bytes[length..];
        }
        out
    }

    #[test]
    fn both_framings_of_syslog_may_follow_one_another() {
        let stream = b"<1>one\n11 <2>two\nmore<3>three\n6 <4>end";
        assert_eq!(
            cut(Framing::Syslog, stream),
            ["<1>one\n", "11 <2>two\nmore", "<3>three\n", "6 <4>end"]
        );
        assert_eq!(next_frame(Framing::Syslog, b"12 <1>", 100), Ok(None));
        assert_eq!(next_frame(Framing::Syslog, b"12", 100), Ok(None));
        assert_eq!(cut(Framing::Syslog, b"2026-01-15 a line\n"), ["2026-01-15 a line\n"]);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(next_frame(Framing::Syslog, b"999 <1>x", 100), Err(FrameError::TooLong));
        assert_eq!(next_frame(Framing::Syslog, &[b'x'; 200], 100), Err(FrameError::TooLong));
        assert_eq!(next_frame(Framing::Zero, &[b'x'; 200], 100), Err(FrameError::TooLong));
        assert_eq!(next_frame(Framing::Fluent, b"\xc1", 100), Err(FrameError::Invalid));
    }
}
