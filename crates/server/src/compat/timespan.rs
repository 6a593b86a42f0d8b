//! Ranges of time as clients write them: ISO 8601 durations and intervals (Log Analytics), Kusto timespans.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Utc};

const TICKS_PER_SECOND: f64 = 10_000_000.0;

/// `PT1H`, `P7D`, `P1DT2H30M`, `PT3600.5S`. Years are 365 days and months 30, as .NET's `XmlConvert` reads them.
fn duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let day = 86_400.0;
    let in_date = seconds(date, &[('Y', 365.0 * day), ('M', 30.0 * day), ('W', 7.0 * day), ('D', day)])?;
    let in_time = seconds(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    let ticks = ((in_date + in_time) * TICKS_PER_SECOND).round();
    // Ten thousand years, so that the arithmetic below cannot overflow.
    (ticks < 3.2e18).then(|| Duration::microseconds((ticks / 10.0) as i64))
}

fn seconds(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut left = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, rest) = text.split_at(end);
        let unit = rest.chars().next()?;
        // Units come in order, each once.
        let (_, size) = left.find(|(name, _)| *name == unit)?;
        sum += number.parse::<f64>().ok()? * size;
        text = rest.get(1..)?;
    }
    Some(sum)
}

/// A moment; without a time zone, UTC.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.with_timezone(&Utc));
    }
    let text = text.trim_end_matches('Z');
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(at.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

/// A Log Analytics timespan: a duration that ends now, `start/end`, `start/duration` or `duration/end`.
pub(crate) fn interval(text: &str, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let wrong = || {
        format!("timespan: {text:?} is neither an ISO 8601 duration such as PT1H or P7D nor an interval such as 2026-01-01T00:00:00Z/P1D")
    };
    let out_of_range = || format!("timespan: {text:?} reaches beyond the years that can be stored");
    let (start, end) = match text.split_once('/') {
        None => {
            let length = duration(text).ok_or_else(wrong)?;
            (now.checked_sub_signed(length).ok_or_else(out_of_range)?, now)
        }
        Some((left, right)) => match (moment(left), moment(right), duration(left), duration(right)) {
            (Some(start), Some(end), ..) => (start, end),
            (Some(start), _, _, Some(length)) => (start, start.checked_add_signed(length).ok_or_else(out_of_range)?),
            (_, Some(end), Some(length), _) => (end.checked_sub_signed(length).ok_or_else(out_of_range)?, end),
            _ => return Err(wrong()),
        },
    };
    if start > end {
        return Err(format!("timespan: {text:?} ends before it starts"));
    }
    Ok((start, end))
}

/// A Kusto timespan as clients write options: `[d.]hh:mm:ss[.fffffff]`.
pub(crate) fn kusto(text: &str) -> Option<std::time::Duration> {
    let written = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
    if !text.chars().all(written) {
        return None;
    }
    let mut parts = text.rsplitn(3, ':');
    let seconds: f64 = parts.next()?.parse().ok()?;
    let minutes: f64 = parts.next()?.parse().ok()?;
    let (days, hours) = match parts.next()?.split_once('.') {
        Some((days, hours)) => (days.parse::<f64>().ok()?, hours.parse::<f64>().ok()?),
        None => (0.0, text.split(':').next()?.parse().ok()?),
    };
    let total = days * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds;
    std::time::Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_intervals_are_read() {
        let now = moment("2026-01-02T12:00:00Z").unwrap();
        let read = |text: &str| {
            let (start, end) = interval(text, now).unwrap();
            (start.to_rfc3339(), (end - start).num_milliseconds())
        };
        let hour = 3_600_000;
        assert_eq!(read("PT1H"), ("2026-01-02T11:00:00+00:00".to_owned(), hour));
        assert_eq!(read("PT3600.0S").1, hour);
        assert_eq!(read("P1DT2H30M").1, 26 * hour + hour / 2);
        assert_eq!(read("P2W").1, 14 * 24 * hour);
        assert_eq!(read("2026-01-01/2026-01-02").1, 24 * hour);
        assert_eq!(read("2026-01-01T00:00:00.000Z/PT1.5S").1, 1_500);
        assert_eq!(read("P1D/2026-01-01T00:00:00+02:00").0, "2025-12-30T22:00:00+00:00");
        for wrong in [
            "",
            "P",
            "PT",
            "1h",
            "PT1H2D",
            "P-1D",
            "2026-01-02/2026-01-01",
            "P99999999999Y",
            "PT1S1S",
            "x/y",
        ] {
            assert!(interval(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kusto_timespans_are_read() {
        for (text, seconds) in [("00:04:30", 270.0), ("1.00:00:00.5", 86_400.5), ("10:00:00", 36_000.0)] {
            assert_eq!(kusto(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for wrong in ["", "4m", "-00:01:00", "00:01"] {
            assert!(kusto(wrong).is_none(), "{wrong}");
        }
    }
}
