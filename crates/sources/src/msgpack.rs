//! MessagePack (github.com/msgpack/msgpack, "MessagePack specification"): what Fluentd's forward protocol is written in. Reads with
//! limits for depth and size, since it comes from the network; writes the few forms that the protocol's handshake needs.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// nil
    Nil,
    /// true, false
    Bool(bool),
    /// Integers; those beyond `i64` are [`Value::Float`]
    Int(i64),
    /// float 32, float 64
    Float(f64),
    /// str: bytes that should be UTF-8
    Text(&'a [u8]),
    /// bin
    Bytes(&'a [u8]),
    /// array
    Array(Vec<Value<'a>>),
    /// map
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// ext
    Extension(i8, &'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a text, or of bytes: old senders have only the first.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Value::Text(bytes) | Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(name, _)| name.bytes() == Some(key.as_bytes()))
            .map(|(_, value)| value)
    }

    /// As JSON; bytes that are no text show as U+FFFD.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Nil => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(bytes) | Value::Bytes(bytes) | Value::Extension(_, bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
            Value::Array(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| {
                    let name = match name.bytes() {
                        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        None => name.to_json().to_string(),
                    };
                    (name, value.to_json())
                })
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The bytes end within it: more may come
    #[error("the bytes end within a value")]
    Incomplete,
    /// No value begins so, or it is nested deeper than anything that is a log
    #[error("the bytes are no MessagePack")]
    Invalid,
}

/// How deep values may be within one another.
const DEPTH: usize = 32;

/// Reads the value at the front, and gives what is behind it.
///
/// # Errors
/// When the bytes end too early or are none.
pub fn read(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), Stop> {
    let mut rest = bytes;
    let value = value(&mut rest, DEPTH)?;
    Ok((value, rest))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Stop> {
    let (taken, behind) = rest.split_at_checked(count).ok_or(Stop::Incomplete)?;
    *rest = behind;
    Ok(taken)
}

fn number(rest: &mut &[u8], bytes: usize) -> Result<u64, Stop> {
    Ok(take(rest, bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn length(rest: &mut &[u8], bytes: usize) -> Result<usize, Stop> {
    usize::try_from(number(rest, bytes)?).map_err(|_| Stop::Invalid)
}

fn value<'a>(rest: &mut &'a [u8], depth: usize) -> Result<Value<'a>, Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Invalid)?;
    let first = *take(rest, 1)?.first().ok_or(Stop::Incomplete)?;
    let unsigned = |number: u64| i64::try_from(number).map_or(Value::Float(number as f64), Value::Int);
    Ok(match first {
        0x00..=0x7f => Value::Int(i64::from(first)),
        0x80..=0x8f => map(rest, usize::from(first & 0x0f), depth)?,
        0x90..=0x9f => array(rest, usize::from(first & 0x0f), depth)?,
        0xa0..=0xbf => Value::Text(take(rest, usize::from(first & 0x1f))?),
        0xc0 => Value::Nil,
        0xc1 => return Err(Stop::Invalid),
        0xc2 | 0xc3 => Value::Bool(first == 0xc3),
        0xc4..=0xc6 => {
            let count = length(rest, 1 << (first - 0xc4))?;
            Value::Bytes(take(rest, count)?)
        }
        0xc7..=0xc9 => {
            let count = length(rest, 1 << (first - 0xc7))?;
            extension(rest, count)?
        }
        0xca => Value::Float(f64::from(f32::from_bits(
            u32::try_from(number(rest, 4)?).map_err(|_| Stop::Invalid)?,
        ))),
        0xcb => Value::Float(f64::from_bits(number(rest, 8)?)),
        0xcc..=0xcf => unsigned(number(rest, 1 << (first - 0xcc))?),
        0xd0..=0xd3 => {
            let bytes = 1_u32 << (first - 0xd0);
            let shift = 64 - 8 * bytes;
            let raw = number(rest, bytes as usize)?;
            Value::Int((raw << shift).cast_signed() >> shift)
        }
        0xd4..=0xd8 => extension(rest, 1 << (first - 0xd4))?,
        0xd9..=0xdb => {
            let count = length(rest, 1 << (first - 0xd9))?;
            Value::Text(take(rest, count)?)
        }
        0xdc | 0xdd => {
            let count = length(rest, if first == 0xdc { 2 } else { 4 })?;
            array(rest, count, depth)?
        }
        0xde | 0xdf => {
            let count = length(rest, if first == 0xde { 2 } else { 4 })?;
            map(rest, count, depth)?
        }
        0xe0..=0xff => Value::Int(i64::from(first.cast_signed())),
    })
}

fn extension<'a>(rest: &mut &'a [u8], count: usize) -> Result<Value<'a>, Stop> {
    let kind = take(rest, 1)?.first().copied().unwrap_or_default().cast_signed();
    Ok(Value::Extension(kind, take(rest, count)?))
}

fn array<'a>(rest: &mut &'a [u8], count: usize, depth: usize) -> Result<Value<'a>, Stop> {
    // Each item is at least a byte: what a sender announces is not believed.
    let mut items = Vec::with_capacity(count.min(rest.len()).min(4_096));
    for _ in 0..count {
        items.push(value(rest, depth)?);
    }
    Ok(Value::Array(items))
}

fn map<'a>(rest: &mut &'a [u8], count: usize, depth: usize) -> Result<Value<'a>, Stop> {
    let mut pairs = Vec::with_capacity(count.min(rest.len() / 2).min(4_096));
    for _ in 0..count {
        let name = value(rest, depth)?;
        pairs.push((name, value(rest, depth)?));
    }
    Ok(Value::Map(pairs))
}

/// Appends the head of an array of fewer than 16 items.
pub fn push_array(out: &mut Vec<u8>, count: u8) {
    out.push(0x90 | (count & 0x0f));
}

/// Appends the head of a map of fewer than 16 pairs.
pub fn push_map(out: &mut Vec<u8>, count: u8) {
    out.push(0x80 | (count & 0x0f));
}

/// Appends a text of at most 65,535 bytes; the rest of a longer one is left out.
pub fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.push(0xda);
    out.extend(length.to_be_bytes());
    out.extend(text.iter().take(usize::from(length)));
}

/// Appends true or false.
pub fn push_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_specification_are_read() {
        let read = |bytes: &[u8]| read(bytes).unwrap().0.to_json().to_string();
        assert_eq!(read(b"\x82\xa1a\x92\x01\xff\xa1b\xc4\x02hi"), r#"{"a":[1,-1],"b":"hi"}"#);
        assert_eq!(read(b"\xd1\xff\x00"), "-256");
        assert_eq!(read(b"\xcb\x3f\xf8\0\0\0\0\0\0"), "1.5");
        assert_eq!(read(b"\xd9\x03abc"), "\"abc\"");
        assert_eq!(read(b"\xce\xff\xff\xff\xff"), "4294967295");
    }

    #[test]
    fn what_ends_early_and_what_is_endless_is_refused() {
        assert_eq!(read(b"\xdd\xff\xff\xff\xff").unwrap_err(), Stop::Incomplete);
        assert_eq!(read(&[0x91; 100]).unwrap_err(), Stop::Invalid);
        assert_eq!(read(b"\xc1").unwrap_err(), Stop::Invalid);
        let mut out = Vec::new();
        push_array(&mut out, 2);
        push_text(&mut out, b"PONG");
        push_bool(&mut out, true);
        assert_eq!(super::read(&out).unwrap().0.to_json(), serde_json::json!(["PONG", true]));
    }
}
