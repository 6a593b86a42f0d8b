//! Dates, times and spans of time: text → ticks and back.
//!
//! Source: Kusto Query Language reference, "The datetime data type", "The timespan data type".

/// Ticks (100 ns) in a second.
pub const SECOND: i64 = 10_000_000;
/// Ticks in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// Reads bytes from the left; every method gives `None` and stays when the text does not fit.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Cursor<'a> {
        Cursor {
            rest: text.trim().as_bytes(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    fn spaces(&mut self) -> bool {
        let mut any = false;
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.rest = self.rest.get(1..).unwrap_or_default();
            any = true;
        }
        any
    }

    fn run(&mut self, accept: fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|b| !accept(*b)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        run
    }

    /// Between `min` and `max` digits, as a number with its count of digits.
    fn digits(&mut self, min: usize, max: usize) -> Option<(i64, usize)> {
        let before = self.rest;
        let run = self.run(|b| b.is_ascii_digit());
        if run.len() < min || run.len() > max {
            self.rest = before;
            return None;
        }
        let number = run.iter().fold(0_i64, |n, b| n.wrapping_mul(10).wrapping_add(i64::from(b - b'0')));
        Some((number, run.len()))
    }

    fn word(&mut self) -> String {
        self.run(|b| b.is_ascii_alphabetic())
            .iter()
            .map(|b| b.to_ascii_lowercase() as char)
            .collect()
    }

    fn done(&self) -> bool {
        self.rest.is_empty()
    }

    /// `-`, also ` - ` and `, `: Kusto reads `datetime(2017 - 08 - 01)` and `datetime(2017, 8, 1)`.
    fn date_separator(&mut self) -> bool {
        let before = self.rest;
        self.spaces();
        let found = self.eat(b'-') || self.eat(b',');
        if found {
            self.spaces();
        } else {
            self.rest = before;
        }
        found
    }

    /// `.` and digits, as ticks; more than seven digits are cut.
    fn fraction(&mut self) -> Option<i64> {
        if !self.eat(b'.') {
            return Some(0);
        }
        let run = self.run(|b| b.is_ascii_digit());
        if run.is_empty() {
            return None;
        }
        let mut ticks = 0;
        for place in 0..7 {
            ticks = ticks * 10 + run.get(place).map_or(0, |b| i64::from(b - b'0'));
        }
        Some(ticks)
    }

    /// `hh:mm[:ss[.fffffff]] [AM|PM]`
    fn time(&mut self) -> Option<i64> {
        let (mut hour, _) = self.digits(1, 2)?;
        if !self.eat(b':') {
            return None;
        }
        let (minute, _) = self.digits(1, 2)?;
        let (mut second, mut fraction) = (0, 0);
        if self.eat(b':') {
            second = self.digits(1, 2)?.0;
            fraction = self.fraction()?;
        }
        let before = self.rest;
        self.spaces();
        match self.word().as_str() {
            "am" if (1..=12).contains(&hour) => hour %= 12,
            "pm" if (1..=12).contains(&hour) => hour = hour % 12 + 12,
            _ => self.rest = before,
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(((hour * 60 + minute) * 60 + second) * SECOND + fraction)
    }

    /// Nothing, `Z`, `UTC`, `GMT`, `+hh[:mm]`: ticks to take away. Must end the text.
    fn zone(&mut self) -> Option<i64> {
        self.spaces();
        let offset = match self.peek() {
            Some(sign @ (b'+' | b'-')) => {
                self.eat(sign);
                let (mut hours, digits) = self.digits(1, 4)?;
                let mut minutes = 0;
                if digits > 2 {
                    minutes = hours % 100;
                    hours /= 100;
                } else if self.eat(b':') {
                    minutes = self.digits(2, 2)?.0;
                }
                if hours > 14 || minutes > 59 {
                    return None;
                }
                let ticks = (hours * 60 + minutes) * 60 * SECOND;
                if sign == b'-' { -ticks } else { ticks }
            }
            Some(_) => match self.word().as_str() {
                "z" | "utc" | "gmt" => 0,
                _ => return None,
            },
            None => 0,
        };
        self.done().then_some(offset)
    }
}

/// Ticks at the start of a day of the proleptic Gregorian calendar; `None` outside 0001–9999 or for days that do not exist.
pub fn date_ticks(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > length {
        return None;
    }
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let months = (367 * month - 362) / 12 - if month <= 2 { 0 } else { 2 - i64::from(leap) };
    Some((years + months + day - 1) * DAY)
}

fn month_number(name: &str) -> Option<i64> {
    let months = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let position = months.iter().position(|m| *m == name || m.get(..3) == Some(name))?;
    i64::try_from(position + 1).ok()
}

/// A date and time in any of the forms Kusto reads, as ticks since 0001-01-01 UTC: ISO 8601 in whole or in part
/// (`2023`, `2023-01`, `2023-01-31`, `2023-01-31 10:00`, with fraction, `Z` or an offset), RFC 822 (`Sat, 8 Nov 14 15:05:02 GMT`),
/// RFC 850 (`Saturday, 08-Nov-14 15:05:02 UTC`), `11/8/2014 3:05 PM`.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let ticks = iso(text).or_else(|| rfc(text)).or_else(|| slashed(text))?;
    (0..=date_ticks(9999, 12, 31)? + DAY - 1).contains(&ticks).then_some(ticks)
}

fn iso(text: &str) -> Option<i64> {
    let mut c = Cursor::new(text);
    let (year, _) = c.digits(4, 4)?;
    let (mut month, mut day) = (1, 1);
    if c.date_separator() {
        month = c.digits(1, 2)?.0;
        if c.date_separator() {
            day = c.digits(1, 2)?.0;
        }
    }
    let date = date_ticks(year, month, day)?;
    if c.done() {
        return Some(date);
    }
    let separated = c.eat(b'T') || c.eat(b't') || c.spaces();
    let mut time = 0;
    if separated && c.peek().is_some_and(|b| b.is_ascii_digit()) {
        time = c.time()?;
    }
    Some(date + time - c.zone()?)
}

/// The rest after a date: nothing, or a time and a zone.
fn time_and_zone(c: &mut Cursor<'_>) -> Option<i64> {
    if c.done() {
        return Some(0);
    }
    if !c.spaces() && !c.eat(b'T') {
        return None;
    }
    let time = c.time()?;
    Some(time - c.zone()?)
}

fn short_year(year: i64, digits: usize) -> Option<i64> {
    match digits {
        4 => Some(year),
        2 if year < 50 => Some(2000 + year),
        2 => Some(1900 + year),
        _ => None,
    }
}

fn rfc(text: &str) -> Option<i64> {
    let mut c = Cursor::new(text);
    let mut word = c.word();
    if ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .any(|day| word.starts_with(day))
    {
        c.eat(b',');
        c.spaces();
        word = c.word();
    }
    let (month, day);
    if word.is_empty() {
        day = c.digits(1, 2)?.0;
        if !c.eat(b'-') {
            c.spaces();
        }
        month = month_number(&c.word())?;
    } else {
        month = month_number(&word)?;
        c.spaces();
        day = c.digits(1, 2)?.0;
        c.eat(b',');
    }
    if !c.eat(b'-') {
        c.spaces();
    }
    let (year, digits) = c.digits(2, 4)?;
    let date = date_ticks(short_year(year, digits)?, month, day)?;
    Some(date + time_and_zone(&mut c)?)
}

fn slashed(text: &str) -> Option<i64> {
    let mut c = Cursor::new(text);
    let (first, digits) = c.digits(1, 4)?;
    // Month, day, year may have hyphens too: `01-31-2022`.
    let separator = if digits <= 2 && c.peek() == Some(b'-') { b'-' } else { b'/' };
    if !c.eat(separator) {
        return None;
    }
    let (second, _) = c.digits(1, 2)?;
    if !c.eat(separator) {
        return None;
    }
    let date = if digits == 4 {
        date_ticks(first, second, c.digits(1, 2)?.0)?
    } else {
        let (year, digits) = c.digits(2, 4)?;
        date_ticks(short_year(year, digits)?, first, second)?
    };
    Some(date + time_and_zone(&mut c)?)
}

/// A number and a unit (`1.5` and `h`) as ticks; `None` for other units or when it does not fit.
pub fn timespan_of_unit(number: &str, unit: &str) -> Option<i64> {
    let (ticks, parts): (i128, i128) = match unit {
        "d" | "day" | "days" => (i128::from(DAY), 1),
        "h" | "hour" | "hours" | "hr" | "hrs" => (36_000_000_000, 1),
        "m" | "min" | "minute" | "minutes" => (600_000_000, 1),
        "s" | "sec" | "second" | "seconds" => (10_000_000, 1),
        "ms" | "milli" | "millis" | "millisec" | "millisecond" | "milliseconds" => (10_000, 1),
        "micro" | "micros" | "microsec" | "microsecond" | "microseconds" => (10, 1),
        "nano" | "nanos" | "nanosec" | "nanosecond" | "nanoseconds" => (1, 100),
        "tick" | "ticks" => (1, 1),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 20 {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(16))?;
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = digits.parse::<i128>().ok()?.checked_mul(ticks)? / (scale * parts);
    i64::try_from(value).ok()
}

/// A timespan as in `timespan(...)`: `1.02:03:04.5`, `03:04`, `2` (days), `15 seconds`, `1.5h`, each perhaps negative.
pub fn parse_timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(positive) = text.strip_prefix('-') {
        return parse_timespan_positive(positive.trim_start()).map(|t| -t);
    }
    parse_timespan_positive(text.strip_prefix('+').unwrap_or(text))
}

fn parse_timespan_positive(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    timespan_of_unit(number, unit.trim()).or_else(|| clock(text))
}

/// `[d.]hh:mm[:ss[.fffffff]]`, or only days.
fn clock(text: &str) -> Option<i64> {
    let mut c = Cursor::new(text);
    let (first, _) = c.digits(1, 8)?;
    if c.done() {
        return first.checked_mul(DAY);
    }
    let mut days = 0;
    let mut hours = first;
    if c.eat(b'.') {
        days = first;
        hours = c.digits(1, 2)?.0;
    }
    if !c.eat(b':') {
        return None;
    }
    let (minutes, _) = c.digits(1, 2)?;
    let (mut seconds, mut fraction) = (0, 0);
    if c.eat(b':') {
        seconds = c.digits(1, 2)?.0;
        fraction = c.fraction()?;
    }
    if !c.done() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    days.checked_mul(DAY)?
        .checked_add(((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction)
}

/// `2023-01-31T10:00:00.0000000Z`
pub fn format_datetime(ticks: i64) -> String {
    let mut days = ticks.div_euclid(DAY);
    let time = ticks.rem_euclid(DAY);
    let mut year = 1 + days / 366;
    while date_ticks(year + 1, 1, 1).is_some_and(|start| start / DAY <= days) {
        year += 1;
    }
    days -= date_ticks(year, 1, 1).unwrap_or_default() / DAY;
    let mut month = 12;
    while month > 1 && date_ticks(year, month, 1).is_some_and(|s| s / DAY - date_ticks(year, 1, 1).unwrap_or_default() / DAY > days) {
        month -= 1;
    }
    let start = (date_ticks(year, month, 1).unwrap_or_default() - date_ticks(year, 1, 1).unwrap_or_default()) / DAY;
    let seconds = time / SECOND;
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:07}Z",
        days - start + 1,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        time % SECOND
    )
}

/// `1.02:03:04.5000000`; days and fraction only when not zero.
pub fn format_timespan(ticks: i64) -> String {
    let size = ticks.unsigned_abs();
    let (second, day) = (SECOND.unsigned_abs(), DAY.unsigned_abs());
    let seconds = size % day / second;
    let mut text = String::new();
    if ticks < 0 {
        text.push('-');
    }
    if size >= day {
        text.push_str(&format!("{}.", size / day));
    }
    text.push_str(&format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if !size.is_multiple_of(second) {
        text.push_str(&format!(".{:07}", size % second));
    }
    text
}
