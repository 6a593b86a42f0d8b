//! Times of log records: RFC 3339 to microseconds since 1970, without the cost of a general parser.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Microseconds since 1970 (UTC) of an RFC 3339 time with any fraction and zone; `None` for anything else.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let year = digits(bytes, 0, 4)?;
    expect(bytes, 4, b"-")?;
    let month = digits(bytes, 5, 2)?;
    expect(bytes, 7, b"-")?;
    let day = digits(bytes, 8, 2)?;
    expect(bytes, 10, b"Tt ")?;
    let time_of_day = parse_clock(bytes, 11)?;
    let mut at = 19;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let mut scale = 100_000;
        let start = at;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            fraction += i64::from(digit - b'0') * scale;
            scale /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset_minutes = match bytes.get(at)? {
        b'Z' | b'z' => {
            at += 1;
            0
        }
        sign @ (b'+' | b'-') => {
            let hours = digits(bytes, at + 1, 2)?;
            expect(bytes, at + 3, b":")?;
            let minutes = digits(bytes, at + 4, 2)?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            at += 6;
            let offset = hours * 60 + minutes;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    if at != bytes.len() {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    Some(days * DAY + time_of_day + fraction - offset_minutes * 60_000_000)
}

/// Microseconds of `hh:mm:ss` at a place. A leap second counts as the second after.
pub(crate) fn parse_clock(bytes: &[u8], at: usize) -> Option<i64> {
    let hour = digits(bytes, at, 2)?;
    expect(bytes, at + 2, b":")?;
    let minute = digits(bytes, at + 3, 2)?;
    expect(bytes, at + 5, b":")?;
    let second = digits(bytes, at + 6, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000)
}

/// A number of exactly `count` digits.
pub(crate) fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let text = bytes.get(at..at + count)?;
    let mut value = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn expect(bytes: &[u8], at: usize, any_of: &[u8]) -> Option<()> {
    any_of.contains(bytes.get(at)?).then_some(())
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `None` for a date that does not exist.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    if year == 0 {
        return None;
    }
    Some(i64::from(chrono::Datelike::num_days_from_ce(&date)) - 719_163)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fraction_and_zone_is_read() {
        let second = 1_768_471_200_000_000;
        assert_eq!(parse_rfc3339("2026-01-15T10:00:00Z"), Some(second));
        assert_eq!(parse_rfc3339("2026-01-15T10:00:00.012Z"), Some(second + 12_000));
        assert_eq!(parse_rfc3339("2026-01-15T10:00:00.123456789Z"), Some(second + 123_456));
        assert_eq!(parse_rfc3339("2026-01-15T12:00:00+02:00"), Some(second));
        assert_eq!(parse_rfc3339("2026-01-15T04:30:00.5-05:30"), Some(second + 500_000));
        assert_eq!(parse_rfc3339("0001-01-01T00:00:00Z"), Some(-62_135_596_800_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "null",
            "2026-01-15",
            "2026-02-30T10:00:00Z",
            "2026-01-15T25:00:00Z",
            "2026-01-15T10:00:00",
            "2026-01-15T10:00:00.Z",
            "2026-01-15T10:00:00Zx",
            "yesterday",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
