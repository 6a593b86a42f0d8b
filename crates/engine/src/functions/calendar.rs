//! The proleptic Gregorian calendar over ticks of 100 ns since 0001-01-01, which is what `datetime` is.

/// Ticks of a microsecond.
pub const MICROSECOND: i64 = 10;
/// Ticks of a millisecond.
pub const MILLISECOND: i64 = 10_000;
/// Ticks of a second.
pub const SECOND: i64 = 10_000_000;
/// Ticks of a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Ticks of an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Ticks of a day.
pub const DAY: i64 = 24 * HOUR;
/// 1970-01-01 in ticks.
pub const UNIX_EPOCH: i64 = 719_162 * DAY;
/// The last tick of the year 9999.
pub const MAX: i64 = 3_652_059 * DAY - 1;

/// A year, month (1–12) and day of month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year
    pub year: i64,
    /// 1–12
    pub month: i64,
    /// 1–31
    pub day: i64,
}

/// `ticks` when it is a valid `datetime`.
pub fn checked(ticks: i64) -> Option<i64> {
    (0..=MAX).contains(&ticks).then_some(ticks)
}

/// Days since 0001-01-01 of a date (of any year; months outside 1–12 carry over).
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 306
}

/// The date of a day number.
pub fn date_of_day(day: i64) -> Date {
    let z = day + 306;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Date {
        year: yoe + era * 400 + i64::from(month <= 2),
        month,
        day: doy - (153 * mp + 2) / 5 + 1,
    }
}

/// The date of a `datetime`.
pub fn date(ticks: i64) -> Date {
    date_of_day(ticks.div_euclid(DAY))
}

/// How many days a month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    days(year, month + 1, 1) - days(year, month, 1)
}

/// Ticks of a date and a time of day; `None` when it does not exist.
pub fn from_parts(year: i64, month: i64, day: i64, time: i64) -> Option<i64> {
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && (0..DAY).contains(&time);
    valid.then(|| days(year, month, day) * DAY + time)
}

/// Sunday is 0.
pub fn day_of_week(ticks: i64) -> i64 {
    (ticks.div_euclid(DAY) + 1).rem_euclid(7)
}

/// 1–366
pub fn day_of_year(ticks: i64) -> i64 {
    ticks.div_euclid(DAY) - days(date(ticks).year, 1, 1) + 1
}

/// ISO 8601 week number, 1–53: the week of the year's first Thursday is 1.
pub fn week_of_year(ticks: i64) -> i64 {
    let day = ticks.div_euclid(DAY);
    let thursday = day - (day_of_week(ticks) + 6).rem_euclid(7) + 3;
    (thursday - days(date_of_day(thursday).year, 1, 1)) / 7 + 1
}

/// The same day and time some months later; the last day of the month when there is no such day.
pub fn add_months(ticks: i64, months: i64) -> Option<i64> {
    let Date { year, month, day } = date(ticks);
    let total = year.checked_mul(12)?.checked_add(month - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    if !(1..=9999).contains(&year) {
        return None;
    }
    from_parts(year, month, day.min(days_in_month(year, month)), ticks.rem_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_agrees_with_known_dates() {
        assert_eq!(days(1, 1, 1), 0);
        assert_eq!(days(1970, 1, 1) * DAY, UNIX_EPOCH);
        assert_eq!(days(10_000, 1, 1) * DAY - 1, MAX);
        for (day, text) in [(0, (1, 1, 1)), (719_162, (1970, 1, 1)), (730_178, (2000, 2, 29))] {
            let d = date_of_day(day);
            assert_eq!((d.year, d.month, d.day), text);
        }
        // (date, ISO week, day of week)
        for (y, m, d, week, dow) in [
            (2021, 12, 26, 51, 0),
            (2024, 1, 1, 1, 1),
            (2000, 1, 1, 52, 6),
            (1999, 12, 31, 52, 5),
            (2020, 12, 31, 53, 4),
        ] {
            let ticks = days(y, m, d) * DAY;
            assert_eq!((week_of_year(ticks), day_of_week(ticks)), (week, dow), "{y}-{m}-{d}");
        }
    }
}
