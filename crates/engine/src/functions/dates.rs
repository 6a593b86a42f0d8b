//! Functions over `datetime` and `timespan`.
//!
//! Source: Kusto Query Language reference, "Datetime and timespan functions".

use std::fmt::Write as _;

use arrow::array::ArrayRef;
use chrono::{DateTime, NaiveDateTime, TimeZone};
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::Type;

use super::calendar::{self, DAY, Date, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND};
use super::call::Call;
use super::declare::{Scalar, custom, kernel, optional, plain};
use super::parse;

use Param::{Integer, Is, Number};

const DATE: Param = Is(Type::DateTime);
const SPAN: Param = Is(Type::TimeSpan);
const STR: Param = Is(Type::String);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "startofday",
        "startofday(date, offset = 0) → datetime",
        "The first tick of the day.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| start(c, day_start),
    ),
    kernel(
        "startofweek",
        "startofweek(date, offset = 0) → datetime",
        "The first tick of the week, which starts on Sunday.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| start(c, week_start),
    ),
    kernel(
        "startofmonth",
        "startofmonth(date, offset = 0) → datetime",
        "The first tick of the month.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| start(c, month_start),
    ),
    kernel(
        "startofyear",
        "startofyear(date, offset = 0) → datetime",
        "The first tick of the year.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| start(c, year_start),
    ),
    kernel(
        "endofday",
        "endofday(date, offset = 0) → datetime",
        "The last tick of the day.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| end(c, day_start),
    ),
    kernel(
        "endofweek",
        "endofweek(date, offset = 0) → datetime",
        "The last tick of the week, which ends on Saturday.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| end(c, week_start),
    ),
    kernel(
        "endofmonth",
        "endofmonth(date, offset = 0) → datetime",
        "The last tick of the month.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| end(c, month_start),
    ),
    kernel(
        "endofyear",
        "endofyear(date, offset = 0) → datetime",
        "The last tick of the year.",
        optional(&[DATE], &[Integer], Type::DateTime),
        |c| end(c, year_start),
    ),
    kernel(
        "dayofweek",
        "dayofweek(date) → timespan",
        "Days since the last Sunday.",
        plain(&[DATE], Type::TimeSpan),
        dayofweek,
    ),
    kernel(
        "dayofmonth",
        "dayofmonth(date) → int",
        "1 to 31.",
        plain(&[DATE], Type::Int),
        |c| part(c, |t| calendar::date(t).day),
    ),
    kernel(
        "dayofyear",
        "dayofyear(date) → int",
        "1 to 366.",
        plain(&[DATE], Type::Int),
        |c| part(c, calendar::day_of_year),
    ),
    kernel("hourofday", "hourofday(date) → int", "0 to 23.", plain(&[DATE], Type::Int), |c| {
        part(c, |t| t.rem_euclid(DAY) / HOUR)
    }),
    kernel(
        "monthofyear",
        "monthofyear(date) → int",
        "1 to 12.",
        plain(&[DATE], Type::Int),
        |c| part(c, |t| calendar::date(t).month),
    )
    .alias(&["getmonth"]),
    kernel("getyear", "getyear(date) → int", "The year.", plain(&[DATE], Type::Int), |c| {
        part(c, |t| calendar::date(t).year)
    }),
    kernel(
        "week_of_year",
        "week_of_year(date) → int",
        "The week by ISO 8601.",
        plain(&[DATE], Type::Int),
        |c| part(c, calendar::week_of_year),
    )
    .alias(&["weekofyear"]),
    kernel(
        "datetime_part",
        "datetime_part(part, date) → int",
        "A part of a date by name.",
        plain(&[STR, DATE], Type::Int),
        datetime_part,
    )
    .alias(&["datepart"]),
    kernel(
        "datetime_add",
        "datetime_add(period, amount, date) → datetime",
        "Some periods later.",
        plain(&[STR, Integer, DATE], Type::DateTime),
        datetime_add,
    ),
    kernel(
        "datetime_diff",
        "datetime_diff(period, date1, date2) → long",
        "How many boundaries of periods are between two dates.",
        plain(&[STR, DATE, DATE], Type::Long),
        datetime_diff,
    ),
    kernel(
        "make_datetime",
        "make_datetime(year, month, day, hour, minute, second) → datetime",
        "A date of its parts, or of a text.",
        custom(make_datetime_types),
        make_datetime,
    ),
    kernel(
        "make_timespan",
        "make_timespan(day, hour, minute, second) → timespan",
        "A timespan of its parts.",
        custom(make_timespan_types),
        make_timespan,
    ),
    kernel(
        "format_datetime",
        "format_datetime(date, format) → string",
        "A date as text.",
        plain(&[DATE, STR], Type::String),
        format_datetime,
    ),
    kernel(
        "format_timespan",
        "format_timespan(timespan, format) → string",
        "A timespan as text.",
        plain(&[SPAN, STR], Type::String),
        format_timespan,
    ),
    kernel(
        "datetime_utc_to_local",
        "datetime_utc_to_local(date, timezone) → datetime",
        "The local time of a time zone.",
        plain(&[DATE, STR], Type::DateTime),
        utc_to_local,
    ),
    kernel(
        "datetime_local_to_utc",
        "datetime_local_to_utc(date, timezone) → datetime",
        "UTC of a local time.",
        plain(&[DATE, STR], Type::DateTime),
        local_to_utc,
    ),
    kernel(
        "datetime_list_timezones",
        "datetime_list_timezones() → dynamic",
        "The names of the time zones.",
        plain(&[], Type::Dynamic),
        list_timezones,
    ),
    kernel(
        "unixtime_seconds_todatetime",
        "unixtime_seconds_todatetime(seconds) → datetime",
        "A Unix time as a date.",
        plain(&[Number], Type::DateTime),
        |c| unix(c, SECOND as f64),
    ),
    kernel(
        "unixtime_milliseconds_todatetime",
        "unixtime_milliseconds_todatetime(milliseconds) → datetime",
        "A Unix time as a date.",
        plain(&[Number], Type::DateTime),
        |c| unix(c, MILLISECOND as f64),
    ),
    kernel(
        "unixtime_microseconds_todatetime",
        "unixtime_microseconds_todatetime(microseconds) → datetime",
        "A Unix time as a date.",
        plain(&[Number], Type::DateTime),
        |c| unix(c, MICROSECOND as f64),
    ),
    kernel(
        "unixtime_nanoseconds_todatetime",
        "unixtime_nanoseconds_todatetime(nanoseconds) → datetime",
        "A Unix time as a date.",
        plain(&[Number], Type::DateTime),
        |c| unix(c, 0.01),
    ),
];

/// Start of the period some periods later; not limited to the years of `datetime`.
type PeriodStart = fn(ticks: i64, offset: i64) -> Option<i64>;

fn day_start(ticks: i64, offset: i64) -> Option<i64> {
    ticks.div_euclid(DAY).checked_add(offset)?.checked_mul(DAY)
}

fn week_start(ticks: i64, offset: i64) -> Option<i64> {
    let day = ticks.div_euclid(DAY) - calendar::day_of_week(ticks);
    day.checked_add(offset.checked_mul(7)?)?.checked_mul(DAY)
}

fn month_start(ticks: i64, offset: i64) -> Option<i64> {
    let Date { year, month, .. } = calendar::date(ticks);
    (offset.abs() < 1_000_000).then(|| calendar::days(year, month + offset, 1) * DAY)
}

fn year_start(ticks: i64, offset: i64) -> Option<i64> {
    (offset.abs() < 100_000).then(|| calendar::days(calendar::date(ticks).year + offset, 1, 1) * DAY)
}

fn start(c: &Call<'_>, period: PeriodStart) -> Result<ArrayRef> {
    let (date, offset) = (c.long(0)?, c.optional_long(1, 0)?);
    c.longs(|i| calendar::checked(period(date.get(i)?, offset.get(i)?)?))
}

fn end(c: &Call<'_>, period: PeriodStart) -> Result<ArrayRef> {
    let (date, offset) = (c.long(0)?, c.optional_long(1, 0)?);
    c.longs(|i| calendar::checked(period(date.get(i)?, offset.get(i)?.checked_add(1)?)? - 1))
}

fn part(c: &Call<'_>, part: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let date = c.long(0)?;
    c.longs(|i| date.get(i).map(&part))
}

fn dayofweek(c: &Call<'_>) -> Result<ArrayRef> {
    let date = c.long(0)?;
    c.longs(|i| {
        let ticks = date.get(i)?;
        // Kusto has none for the last week of the year 9999, which does not end within the calendar.
        calendar::checked(week_start(ticks, 1)?)?;
        Some(calendar::day_of_week(ticks) * DAY)
    })
}

fn datetime_part(c: &Call<'_>) -> Result<ArrayRef> {
    let (name, date) = (c.text(0)?, c.long(1)?);
    c.longs(|i| {
        let ticks = date.get(i)?;
        let Date { year, month, day } = calendar::date(ticks);
        let time = ticks.rem_euclid(DAY);
        Some(match name.get(i)?.to_ascii_lowercase().as_str() {
            "year" => year,
            "quarter" => (month + 2) / 3,
            "month" => month,
            "week_of_year" | "weekofyear" => calendar::week_of_year(ticks),
            "day" => day,
            "dayofyear" => calendar::day_of_year(ticks),
            "hour" => time / HOUR,
            "minute" => time % HOUR / MINUTE,
            "second" => time % MINUTE / SECOND,
            "millisecond" => time % SECOND / MILLISECOND,
            "microsecond" => time % SECOND / MICROSECOND,
            "nanosecond" => time % SECOND * 100,
            _ => return None,
        })
    })
}

/// Ticks of a period of fixed length.
fn fixed_period(name: &str) -> Option<i64> {
    Some(match name {
        "week" => 7 * DAY,
        "day" => DAY,
        "hour" => HOUR,
        "minute" => MINUTE,
        "second" => SECOND,
        "millisecond" => MILLISECOND,
        "microsecond" => MICROSECOND,
        _ => return None,
    })
}

fn datetime_add(c: &Call<'_>) -> Result<ArrayRef> {
    let (period, amount, date) = (c.text(0)?, c.long(1)?, c.long(2)?);
    c.longs(|i| {
        let (amount, date) = (amount.get(i)?, date.get(i)?);
        let period = period.get(i)?.to_ascii_lowercase();
        match period.as_str() {
            "year" => calendar::add_months(date, amount.checked_mul(12)?),
            "quarter" => calendar::add_months(date, amount.checked_mul(3)?),
            "month" => calendar::add_months(date, amount),
            "nanosecond" => calendar::checked(date.checked_add(amount / 100)?),
            period => calendar::checked(date.checked_add(amount.checked_mul(fixed_period(period)?)?)?),
        }
    })
}

fn datetime_diff(c: &Call<'_>) -> Result<ArrayRef> {
    let (period, a, b) = (c.text(0)?, c.long(1)?, c.long(2)?);
    c.longs(|i| {
        let (a, b) = (a.get(i)?, b.get(i)?);
        let months = |t: i64| {
            let date = calendar::date(t);
            date.year * 12 + date.month - 1
        };
        let period = period.get(i)?.to_ascii_lowercase();
        Some(match period.as_str() {
            "year" => calendar::date(a).year - calendar::date(b).year,
            "quarter" => months(a).div_euclid(3) - months(b).div_euclid(3),
            "month" => months(a) - months(b),
            // 0001-01-01 was a Monday: weeks start a day earlier.
            "week" => (a + DAY).div_euclid(7 * DAY) - (b + DAY).div_euclid(7 * DAY),
            "nanosecond" => (a - b).checked_mul(100)?,
            period => {
                let length = fixed_period(period)?;
                a.div_euclid(length) - b.div_euclid(length)
            }
        })
    })
}

fn make_datetime(c: &Call<'_>) -> Result<ArrayRef> {
    if c.ty(0) == Type::String {
        let text = c.text(0)?;
        return c.longs(|i| parse::datetime(text.get(i)?));
    }
    let parts = (0..c.count().min(5)).map(|n| c.long(n)).collect::<Result<Vec<_>>>()?;
    let second = if c.count() > 5 { Some(c.real(5)?) } else { None };
    if c.count() == 1 {
        let ticks = c.long(0)?;
        return c.longs(|i| calendar::checked(ticks.get(i)?));
    }
    c.longs(|i| {
        let part = |n: usize, default| parts.get(n).map_or(Some(default), |column| column.get(i));
        let second = second.map_or(Some(0.0), |column| column.get(i))?;
        let (hour, minute) = (part(3, 0)?, part(4, 0)?);
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&second) {
            return None;
        }
        let time = hour * HOUR + minute * MINUTE + (second * SECOND as f64).round() as i64;
        calendar::from_parts(part(0, 1)?, part(1, 1)?, part(2, 1)?, time)
    })
}

fn make_datetime_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    if let [one] = args
        && matches!(one.ty, Type::String | Type::DateTime)
    {
        return Ok(Resolved::one(vec![one.ty], Type::DateTime));
    }
    let mut params = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        if !arg.ty.is_numeric() && arg.ty != Type::Dynamic {
            return Err(ArgumentError {
                argument: Some(index),
                message: format!("expected a number, got {}", arg.ty),
            });
        }
        params.push(if index == 5 { Type::Real } else { Type::Long });
    }
    if !(1..=6).contains(&args.len()) {
        return Err(ArgumentError {
            argument: None,
            message: "expected year, month, day and perhaps hour, minute, second".to_owned(),
        });
    }
    Ok(Resolved::one(params, Type::DateTime))
}

fn make_timespan_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let params = match args.len() {
        1 if args.iter().all(|arg| arg.ty == Type::String) => vec![Type::String],
        2 => vec![Type::Long, Type::Long],
        3 => vec![Type::Long, Type::Long, Type::Real],
        4 => vec![Type::Long, Type::Long, Type::Long, Type::Real],
        _ => {
            return Err(ArgumentError {
                argument: None,
                message: "expected hour, minute; hour, minute, second; or day, hour, minute, second".to_owned(),
            });
        }
    };
    Ok(Resolved::one(params, Type::TimeSpan))
}

fn make_timespan(c: &Call<'_>) -> Result<ArrayRef> {
    if c.count() == 1 {
        let text = c.text(0)?;
        return c.longs(|i| parse::timespan(text.get(i)?));
    }
    let first = usize::from(c.count() == 4);
    let days = if first == 1 { Some(c.long(0)?) } else { None };
    let (hours, minutes) = (c.long(first)?, c.long(first + 1)?);
    let seconds = if c.count() > 2 { Some(c.real(first + 2)?) } else { None };
    c.longs(|i| {
        let days = days.map_or(Some(0), |column| column.get(i))?;
        let (hours, minutes) = (hours.get(i)?, minutes.get(i)?);
        let seconds = seconds.map_or(Some(0.0), |column| column.get(i))?;
        let valid = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0.0..60.0).contains(&seconds);
        let time = hours * HOUR + minutes * MINUTE;
        valid.then_some(())?;
        days.checked_mul(DAY)?.checked_add(time + (seconds * SECOND as f64).round() as i64)
    })
}

/// Splits a format into runs of one letter and everything else.
fn runs(format: &str) -> impl Iterator<Item = (char, usize)> + '_ {
    let mut chars = format.chars().peekable();
    std::iter::from_fn(move || {
        let first = chars.next()?;
        let mut count = 1;
        while chars.peek() == Some(&first) {
            chars.next();
            count += 1;
        }
        Some((first, count))
    })
}

/// Writes a run of a letter as numbers of at most `width` digits; longer runs are several numbers.
fn write_number(value: i64, mut count: usize, width: usize, out: &mut String) {
    while count > 0 {
        let take = count.min(width);
        let _ = write!(out, "{value:0take$}");
        count -= take;
    }
}

fn write_fraction(ticks: i64, count: usize, trimmed: bool, out: &mut String) {
    let digits = format!("{ticks:07}");
    let shown = digits.get(..count.min(7)).unwrap_or(&digits);
    out.push_str(if trimmed { shown.trim_end_matches('0') } else { shown });
}

fn format_datetime(c: &Call<'_>) -> Result<ArrayRef> {
    let (date, pattern) = (c.long(0)?, c.text(1)?);
    c.texts(|i, out| {
        let ticks = date.get(i)?;
        let Date { year, month, day } = calendar::date(ticks);
        let time = ticks.rem_euclid(DAY);
        let hour = time / HOUR;
        for (letter, count) in runs(pattern.get(i)?) {
            match letter {
                'y' => match count {
                    1 => write_number(year % 100, 1, 1, out),
                    2 => write_number(year % 100, 2, 2, out),
                    _ => {
                        let _ = write!(out, "{year:0count$}");
                    }
                },
                'M' => write_number(month, count, 2, out),
                'd' => write_number(day, count, 2, out),
                'H' => write_number(hour, count, 2, out),
                'h' => write_number((hour + 11) % 12 + 1, count, 2, out),
                'm' => write_number(time % HOUR / MINUTE, count, 2, out),
                's' => write_number(time % MINUTE / SECOND, count, 2, out),
                'f' => write_fraction(time % SECOND, count, false, out),
                'F' => write_fraction(time % SECOND, count, true, out),
                't' => {
                    let half = if hour < 12 { "AM" } else { "PM" };
                    out.push_str(half.get(..count.min(2)).unwrap_or(half));
                }
                other => out.extend(std::iter::repeat_n(other, count)),
            }
        }
        Some(())
    })
}

fn format_timespan(c: &Call<'_>) -> Result<ArrayRef> {
    let (span, pattern) = (c.long(0)?, c.text(1)?);
    c.texts(|i, out| {
        let ticks = span.get(i)?;
        let magnitude = i64::try_from(ticks.unsigned_abs()).unwrap_or(i64::MAX);
        if ticks < 0 {
            out.push('-');
        }
        for (letter, count) in runs(pattern.get(i)?) {
            match letter {
                'd' => write_number(magnitude / DAY, count, 8, out),
                'H' | 'h' => write_number(magnitude % DAY / HOUR, count, 2, out),
                'm' => write_number(magnitude % HOUR / MINUTE, count, 2, out),
                's' => write_number(magnitude % MINUTE / SECOND, count, 2, out),
                'f' => write_fraction(magnitude % SECOND, count, false, out),
                'F' => write_fraction(magnitude % SECOND, count, true, out),
                other => out.extend(std::iter::repeat_n(other, count)),
            }
        }
        Some(())
    })
}

/// Chrono's date and the ticks below its microsecond.
fn to_chrono(ticks: i64) -> Option<NaiveDateTime> {
    let since = ticks - calendar::UNIX_EPOCH;
    let nanoseconds = since.rem_euclid(SECOND) * 100;
    DateTime::from_timestamp(since.div_euclid(SECOND), u32::try_from(nanoseconds).ok()?).map(|date| date.naive_utc())
}

fn from_chrono(date: NaiveDateTime) -> Option<i64> {
    let date = date.and_utc();
    let ticks = date
        .timestamp()
        .checked_mul(SECOND)?
        .checked_add(i64::from(date.timestamp_subsec_nanos()) / 100)?;
    calendar::checked(ticks.checked_add(calendar::UNIX_EPOCH)?)
}

fn utc_to_local(c: &Call<'_>) -> Result<ArrayRef> {
    let (date, zone) = (c.long(0)?, c.text(1)?);
    c.longs(|i| {
        let zone: chrono_tz::Tz = zone.get(i)?.parse().ok()?;
        from_chrono(zone.from_utc_datetime(&to_chrono(date.get(i)?)?).naive_local())
    })
}

fn local_to_utc(c: &Call<'_>) -> Result<ArrayRef> {
    let (date, zone) = (c.long(0)?, c.text(1)?);
    c.longs(|i| {
        let zone: chrono_tz::Tz = zone.get(i)?.parse().ok()?;
        let local = to_chrono(date.get(i)?)?;
        let utc = match zone.from_local_datetime(&local).earliest() {
            Some(found) => found.naive_utc(),
            // A local time that the clocks skip is read with the offset after the change.
            None => {
                let after = zone.from_local_datetime(&(local + chrono::TimeDelta::hours(3))).earliest()?;
                local - (after.naive_local() - after.naive_utc())
            }
        };
        from_chrono(utc)
    })
}

fn list_timezones(c: &Call<'_>) -> Result<ArrayRef> {
    c.texts(|_, out| {
        out.push('[');
        for (n, zone) in chrono_tz::TZ_VARIANTS.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            super::dynamic::json::write_string(zone.name(), out);
        }
        out.push(']');
        Some(())
    })
}

fn unix(c: &Call<'_>, unit: f64) -> Result<ArrayRef> {
    if matches!(c.ty(0), Type::Int | Type::Long) {
        let value = c.long(0)?;
        return c.longs(|i| {
            let value = value.get(i)?;
            let ticks = if unit < 1.0 {
                value.div_euclid(100)
            } else {
                value.checked_mul(unit as i64)?
            };
            calendar::checked(ticks.checked_add(calendar::UNIX_EPOCH)?)
        });
    }
    let value = c.real(0)?;
    c.longs(|i| {
        let ticks = (value.get(i)? * unit).round();
        if !ticks.is_finite() || ticks.abs() > 9.0e18 {
            return None;
        }
        calendar::checked((ticks as i64).checked_add(calendar::UNIX_EPOCH)?)
    })
}
