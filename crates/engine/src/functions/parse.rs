//! Text as values, the way `tolong()`, `todatetime()` and their like read it.

use super::calendar::{self, DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND};

/// Decimal or `0x` hexadecimal digits within `bits`.
fn whole(text: &str, bits: u32) -> Option<i64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if hex.starts_with('+') {
            return None;
        }
        let value = u64::from_str_radix(hex, 16).ok()?;
        return match bits {
            32 => u32::try_from(value).ok().map(|v| i64::from(v as i32)),
            _ => Some(value as i64),
        };
    }
    let value = text.parse::<i64>().ok()?;
    (bits == 64 || i32::try_from(value).is_ok()).then_some(value)
}

/// `tolong("0x1F")`
pub fn long(text: &str) -> Option<i64> {
    whole(text, 64)
}

/// `toint("42")`
pub fn int(text: &str) -> Option<i64> {
    whole(text, 32)
}

/// `todouble("1e3")`
pub fn real(text: &str) -> Option<f64> {
    let text = text.trim();
    match text {
        "nan" | "NaN" => return Some(f64::NAN),
        "inf" | "+inf" | "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-inf" | "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let numeric = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric { text.parse().ok() } else { None }
}

/// `tobool("true")`: a truth word or a whole number
pub fn bool(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        long(text).map(|v| v != 0)
    }
}

/// A guid in any of the usual forms, as lower case with hyphens.
pub fn guid(text: &str) -> Option<String> {
    uuid::Uuid::try_parse(text.trim()).ok().map(|id| id.hyphenated().to_string())
}

/// Takes up to `max` digits off the front.
fn number(text: &str, max: usize) -> Option<(i64, usize, &str)> {
    let length = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    let value = text.get(..length)?.parse().ok()?;
    Some((value, length, text.get(length..)?))
}

/// A fraction of a second, as ticks; digits beyond the seventh are cut.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = text.get(..length).filter(|d| !d.is_empty())?;
    let ticks = digits
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(7)
        .fold(0, |sum, d| sum * 10 + i64::from(d - b'0'));
    Some((ticks, text.get(length..)?))
}

/// `HH:mm[:ss[.fffffff]]`, as ticks of the day
fn time_of_day(text: &str) -> Option<(i64, &str)> {
    let (hour, _, rest) = number(text, 2)?;
    let (minute, _, mut rest) = number(rest.strip_prefix(':')?, 2)?;
    let mut ticks = hour * HOUR + minute * MINUTE;
    if hour > 23 || minute > 59 {
        return None;
    }
    if let Some(after) = rest.strip_prefix(':') {
        let (second, _, after) = number(after, 2)?;
        if second > 59 {
            return None;
        }
        ticks += second * SECOND;
        rest = after;
        if let Some(after) = rest.strip_prefix(['.', ',']) {
            let (part, after) = fraction(after)?;
            ticks += part;
            rest = after;
        }
    }
    Some((ticks, rest))
}

/// What may follow a time: nothing, `Z`, a name of UTC or an offset. Gives the ticks to subtract.
fn zone(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || ["Z", "UTC", "GMT", "UT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let text = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hour, _, rest) = number(digits, 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let minute = if rest.is_empty() {
        0
    } else {
        number(rest, 2).filter(|(_, n, rest)| *n == 2 && rest.is_empty())?.0
    };
    (hour <= 14 && minute <= 59).then_some(sign * (hour * HOUR + minute * MINUTE))
}

/// Time, perhaps with AM or PM, and zone behind a date.
fn time_and_zone(text: &str) -> Option<(i64, i64)> {
    let text = text.trim_start();
    if text.is_empty() {
        return Some((0, 0));
    }
    if let Ok(offset) = zone(text).ok_or(()) {
        return Some((0, offset));
    }
    let (mut time, rest) = time_of_day(text)?;
    let mut rest = rest.trim_start();
    let half = rest.get(..2).map(str::to_ascii_uppercase);
    if let Some(half @ ("AM" | "PM")) = half.as_deref() {
        let hour = time / HOUR;
        if hour == 0 || hour > 12 {
            return None;
        }
        time = time % HOUR + (hour % 12 + if half == "PM" { 12 } else { 0 }) * HOUR;
        rest = rest.get(2..)?;
    }
    Some((time, zone(rest)?))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn month_by_name(text: &str) -> Option<i64> {
    let start = text.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|name| **name == start)?;
    text.bytes().all(|b| b.is_ascii_alphabetic()).then_some(index as i64 + 1)
}

fn full_year(value: i64, length: usize) -> i64 {
    match length {
        1 | 2 if value < 50 => 2000 + value,
        1 | 2 => 1900 + value,
        _ => value,
    }
}

/// `Sat, 8 Nov 2014 15:05:02 GMT`, `8-Nov-14`, `Nov 8, 2014 3:05 PM`
fn with_month_name(text: &str) -> Option<i64> {
    let mut rest = text;
    // A week day may come first.
    if let Some((first, after)) = rest.split_once([',', ' ']) {
        let known = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        if first.len() >= 3 && known.iter().any(|d| first.get(..3).is_some_and(|s| s.eq_ignore_ascii_case(d))) {
            rest = after.trim_start_matches([',', ' ']);
        }
    }
    let (day, month, after) = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (day, _, after) = number(rest, 2)?;
        let after = after.trim_start_matches([' ', '-']);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        (day, month_by_name(after.get(..end)?)?, after.get(end..)?)
    } else {
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let month = month_by_name(rest.get(..end)?)?;
        let (day, _, after) = number(rest.get(end..)?.trim_start_matches([' ', '-']), 2)?;
        (day, month, after)
    };
    let (year, length, after) = number(after.trim_start_matches([' ', '-', ',', '.']), 4)?;
    let (time, offset) = time_and_zone(after.trim_start_matches(','))?;
    calendar::checked(calendar::from_parts(full_year(year, length), month, day, time)? - offset)
}

/// `todatetime()`: ISO 8601, RFC 822, RFC 850 and the other forms the reference lists
pub fn datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    let (first, length, rest) = match number(text, 8) {
        Some(found) => found,
        None => return with_month_name(text),
    };
    if length == 8 && (rest.is_empty() || rest.starts_with(['T', ' '])) {
        let (time, offset) = time_and_zone(rest.strip_prefix('T').unwrap_or(rest))?;
        let date = calendar::from_parts(first / 10_000, first / 100 % 100, first % 100, time)?;
        return calendar::checked(date - offset);
    }
    if length == 4 && rest.is_empty() {
        return calendar::from_parts(first, 1, 1, 0);
    }
    if length == 4 && rest.starts_with(['-', '/', '.']) {
        let separator = rest.chars().next()?;
        let (month, _, rest) = number(rest.get(1..)?, 2)?;
        let (day, rest) = match rest.strip_prefix(separator) {
            Some(rest) => number(rest, 2).map(|(day, _, rest)| (day, rest))?,
            None => (1, rest),
        };
        let rest = match rest.strip_prefix(['T', 't']) {
            Some(rest) if !rest.is_empty() => rest,
            Some(_) => return None,
            None if rest.is_empty() || rest.starts_with([' ', 'Z', 'z', '+', '-']) => rest,
            None => return None,
        };
        let (time, offset) = time_and_zone(rest)?;
        return calendar::checked(calendar::from_parts(first, month, day, time)? - offset);
    }
    if length <= 2 && rest.starts_with(['/', '-', '.']) && rest.get(1..2)?.bytes().all(|b| b.is_ascii_digit()) {
        let separator = rest.chars().next()?;
        let (second, _, rest) = number(rest.get(1..)?, 2)?;
        let (year, length, rest) = number(rest.strip_prefix(separator)?, 4)?;
        if !rest.is_empty() && !rest.starts_with([' ', ',', 'T']) {
            return None;
        }
        let (time, offset) = time_and_zone(rest.trim_start_matches([',', 'T']))?;
        return calendar::checked(calendar::from_parts(full_year(year, length), first, second, time)? - offset);
    }
    with_month_name(text)
}

/// `1d`, `1.5h`, `100ns`
fn with_unit(text: &str) -> Option<i64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let amount = text.get(..end)?.trim();
    let unit = match text.get(end..)? {
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisec" | "millisecond" | "milliseconds" => MILLISECOND,
        "us" | "micro" | "micros" | "microsec" | "microsecond" | "microseconds" => MICROSECOND,
        "tick" | "ticks" => 1,
        "ns" | "nanosecond" | "nanoseconds" => return Some(amount.parse::<i64>().ok()? / 100),
        _ => return None,
    };
    match amount.parse::<i64>() {
        Ok(amount) => amount.checked_mul(unit),
        Err(_) => {
            let ticks = (amount.parse::<f64>().ok()? * unit as f64).round();
            (ticks.abs() < 9.2e18).then_some(ticks as i64)
        }
    }
}

/// `totimespan()`: `1.02:03:04.5`, `02:03`, `7`, `1d`
pub fn timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return with_unit(rest).map(|ticks| sign * ticks);
    }
    if !rest.contains(':') {
        return rest.parse::<i64>().ok().filter(|_| !rest.starts_with('+'))?.checked_mul(sign * DAY);
    }
    let (days, rest) = match rest.split_once(['.', ':']) {
        Some((days, after)) if rest.as_bytes().get(days.len()) == Some(&b'.') || after.matches(':').count() == 2 => {
            (days.parse::<i64>().ok().filter(|d| *d >= 0)?, after)
        }
        _ => (0, rest),
    };
    let (hour, _, rest) = number(rest, 2)?;
    let (minute, _, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, part) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (second, _, rest) = number(rest, 2)?;
            match rest.strip_prefix('.') {
                Some(digits) => fraction(digits)
                    .filter(|(_, rest)| rest.is_empty())
                    .map(|(part, _)| (second, part))?,
                None if rest.is_empty() => (second, 0),
                None => return None,
            }
        }
        None if rest.is_empty() => (0, 0),
        None => return None,
    };
    if hour > 24 || minute > 59 || second > 59 {
        return None;
    }
    let time = hour * HOUR + minute * MINUTE + second * SECOND + part;
    days.checked_mul(DAY)?.checked_add(time).map(|ticks| sign * ticks)
}

#[cfg(test)]
mod tests {
    use super::super::format;
    use super::*;

    #[test]
    fn datetimes_of_many_forms() {
        for (text, want) in [
            ("2020-06-15T13:45:09.1234567Z", "2020-06-15T13:45:09.1234567Z"),
            ("2020-06-15 13:45", "2020-06-15T13:45:00.0000000Z"),
            ("2020-6-5", "2020-06-05T00:00:00.0000000Z"),
            ("2020-06-15T13:45:09+02:00", "2020-06-15T11:45:09.0000000Z"),
            ("20200615", "2020-06-15T00:00:00.0000000Z"),
            ("2014", "2014-01-01T00:00:00.0000000Z"),
            ("02/17/2016 08:40:01", "2016-02-17T08:40:01.0000000Z"),
            ("2/7/2016 8:40:01 PM", "2016-02-07T20:40:01.0000000Z"),
            ("Sat, 8 Nov 14 15:05:02 GMT", "2014-11-08T15:05:02.0000000Z"),
            ("Saturday, 08-Nov-14 15:05:02 UTC", "2014-11-08T15:05:02.0000000Z"),
            ("Nov 8, 2014 3:05 PM", "2014-11-08T15:05:00.0000000Z"),
        ] {
            let mut out = String::new();
            if let Some(ticks) = datetime(text) {
                format::datetime(ticks, &mut out);
            }
            assert_eq!(out, want, "{text}");
        }
        for text in [
            "",
            "nope",
            "2020-13-45 weird",
            "2020-06-15 nonsense",
            "2020-06-15T",
            "invalid_datetime",
        ] {
            assert_eq!(datetime(text), None, "{text}");
        }
    }

    #[test]
    fn timespans_and_numbers() {
        for (text, want) in [
            ("1.02:03:04", Some(DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND)),
            ("-1.02:03:04.5", Some(-(DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + SECOND / 2))),
            ("01:00:00", Some(HOUR)),
            ("02:30", Some(2 * HOUR + 30 * MINUTE)),
            ("7", Some(7 * DAY)),
            ("1.5h", Some(90 * MINUTE)),
            ("abc", None),
            ("00:61:00", None),
        ] {
            assert_eq!(timespan(text), want, "{text}");
        }
        assert_eq!(long("0xFFFFFFFFFFFFFFFF"), Some(-1));
        assert_eq!(int("0X1f"), Some(31));
        assert_eq!(int("-0x10"), None);
        assert_eq!(int("2147483648"), None);
        assert_eq!(real("1e400"), Some(f64::INFINITY));
        assert_eq!(real("INF"), None);
        assert_eq!(bool("tRuE"), Some(true));
        assert_eq!(bool("1.0"), None);
    }
}
