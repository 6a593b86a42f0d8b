//! Times of log records to microseconds since 1970, without the cost of a general parser: RFC 3339, and the forms that syslog,
//! web servers and metrics have.

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

/// The year that puts the time nearest to the reference, so that a line of 31 December read on 1 January is not a year off.
pub(crate) fn nearest_year(month: i64, day: i64, clock: i64, reference: i64) -> Option<i64> {
    let year = chrono::DateTime::from_timestamp_micros(reference).map(|moment| i64::from(chrono::Datelike::year(&moment)))?;
    let in_year = days_since_1970(year, month, day).map(|days| days * DAY + clock);
    // Within half a year, no other is nearer.
    if let Some(time) = in_year.filter(|time| time.abs_diff(reference) < 180 * DAY.unsigned_abs()) {
        return Some(time);
    }
    [year - 1, year, year + 1]
        .into_iter()
        .filter_map(|candidate| Some(days_since_1970(candidate, month, day)? * DAY + clock))
        .min_by_key(|candidate| candidate.abs_diff(reference))
}

/// Number of a month by its English abbreviation at a place.
pub(crate) fn month(bytes: &[u8], at: usize) -> Option<i64> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
    ];
    let name = bytes.get(at..at + 3)?;
    MONTHS.iter().position(|month| *month == name).map(|index| index as i64 + 1)
}

/// Digits behind a point or comma at a place, as microseconds, and where they end; nothing there is 0.
fn fraction(bytes: &[u8], at: usize) -> (i64, usize) {
    if !matches!(bytes.get(at), Some(b'.' | b',')) {
        return (0, at);
    }
    let (mut value, mut scale, mut end) = (0, 100_000, at + 1);
    while let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
        value += i64::from(digit - b'0') * scale;
        scale /= 10;
        end += 1;
    }
    (value, end)
}

/// `hh:mm:ss` with or without a fraction at a place, and where it ends.
fn clock(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let seconds = parse_clock(bytes, at)?;
    let (fraction, end) = fraction(bytes, at + 8);
    Some((seconds + fraction, end))
}

/// `+0000`, `+00:00` or `Z` at a place, in microseconds to take off, and where it ends.
fn zone(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let sign = match bytes.get(at)? {
        b'Z' => return Some((0, at + 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(bytes, at + 1, 2)?;
    let colon = usize::from(bytes.get(at + 3) == Some(&b':'));
    let minutes = digits(bytes, at + 3 + colon, 2)?;
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((sign * (hours * 60 + minutes) * 60_000_000, at + 5 + colon))
}

/// `15/Jan/2026:10:00:07 +0000` of access logs, with or without fraction and zone (without one it is taken to be UTC).
pub(crate) fn parse_access(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let day = digits(bytes, 0, 2)?;
    expect(bytes, 2, b"/")?;
    let month = month(bytes, 3)?;
    expect(bytes, 6, b"/")?;
    let year = digits(bytes, 7, 4)?;
    expect(bytes, 11, b":")?;
    let (clock, end) = clock(bytes, 12)?;
    let offset = match bytes.get(end) {
        None => 0,
        Some(_) => zone(bytes, end + usize::from(bytes.get(end) == Some(&b' ')))?.0,
    };
    Some(days_since_1970(year, month, day)? * DAY + clock - offset)
}

/// `2026/01/15 10:00:07` or `2026-01-15 10:00:07.123` at the start, without zone (taken to be UTC), and where it ends.
pub(crate) fn parse_local(text: &str) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let year = digits(bytes, 0, 4)?;
    expect(bytes, 4, b"/-")?;
    let month = digits(bytes, 5, 2)?;
    expect(bytes, 7, b"/-")?;
    let day = digits(bytes, 8, 2)?;
    expect(bytes, 10, b" T")?;
    let (clock, end) = clock(bytes, 11)?;
    Some((days_since_1970(year, month, day)? * DAY + clock, end))
}

/// `Jan 15 10:00:31` of RFC 3164 at the start, also with a year before or behind the clock or a fraction, and where it ends. Year
/// and zone come from the reference.
pub(crate) fn parse_bsd(text: &str, reference: i64) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let month = month(bytes, 0)?;
    expect(bytes, 3, b" ")?;
    let (day, mut at) = match (bytes.get(4)?, bytes.get(5)?) {
        (b' ', _) => (digits(bytes, 5, 1)?, 6),
        (_, b' ' | b',') => (digits(bytes, 4, 1)?, 5),
        _ => (digits(bytes, 4, 2)?, 6),
    };
    at += usize::from(bytes.get(at) == Some(&b','));
    expect(bytes, at, b" ")?;
    at += 1;
    // Some devices put the year before the clock.
    if let Some(year) = digits(bytes, at, 4)
        && bytes.get(at + 4) == Some(&b' ')
    {
        let (clock, end) = clock(bytes, at + 5)?;
        return Some((days_since_1970(year, month, day)? * DAY + clock, end));
    }
    let (clock, end) = clock(bytes, at)?;
    Some((nearest_year(month, day, clock, reference)?, end))
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size.
pub(crate) fn epoch(number: f64) -> Option<i64> {
    // 1e11 seconds are in the year 5138; 1e11 milliseconds in 1973, and so on.
    let size = number.abs();
    let microseconds = if size > 1e17 {
        number / 1e3
    } else if size > 1e14 {
        number
    } else if size > 1e11 {
        number * 1e3
    } else {
        number * 1e6
    };
    (microseconds.abs() < 9e17).then_some(microseconds.round() as i64)
}

/// Any of the forms above that stands alone: RFC 3339, a local date and time, a number.
pub(crate) fn parse_any(text: &str) -> Option<i64> {
    if let Some(time) = parse_rfc3339(text) {
        return Some(time);
    }
    if let Some((time, end)) = parse_local(text) {
        let rest = text.get(end..)?.trim_start();
        return match rest {
            "" | "UTC" | "Z" => Some(time),
            offset => zone(offset.as_bytes(), 0).map(|(offset, _)| time - offset),
        };
    }
    text.parse().ok().and_then(epoch)
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
    fn the_forms_of_syslog_and_web_servers_are_read() {
        let time = 1_768_471_207_000_000;
        assert_eq!(parse_access("15/Jan/2026:10:00:07 +0000"), Some(time));
        assert_eq!(parse_access("15/Jan/2026:12:00:07.250 +0200"), Some(time + 250_000));
        assert_eq!(parse_access("15/Jan/2026:10:00:07.003"), Some(time + 3_000));
        assert_eq!(parse_local("2026/01/15 10:00:07 [error]"), Some((time, 19)));
        assert_eq!(parse_bsd("Jan 15 10:00:07 fw1", time), Some((time, 15)));
        assert_eq!(parse_bsd("Jan  5 10:00:07 fw1", time), Some((time - 10 * DAY, 15)));
        assert_eq!(parse_bsd("Jan 15 2026 10:00:07", 0), Some((time, 20)));
        assert_eq!(parse_any("1768471207"), Some(time));
        assert_eq!(parse_any("1768471207000"), Some(time));
        assert_eq!(parse_any("2026-01-15 10:00:07.000 +01:00"), Some(time - 3_600_000_000));
        for text in ["15/Foo/2026:10:00:07 +0000", "Jan 32 10:00:07", "2026/13/15 10:00:07", "Jan", ""] {
            assert_eq!(parse_access(text), None);
            assert_eq!(parse_bsd(text, time), None);
            assert_eq!(parse_local(text), None);
        }
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
