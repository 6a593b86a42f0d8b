//! Values as they stand in events.

/// Appends text with the escapes of Go's `encoding/json`: API servers write their events with it.
pub(super) fn escaped(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        // U+2028 and U+2029, which end lines in JavaScript.
        let separator = *byte == 0xE2 && matches!(text.get(at..at + 3), Some([0xE2, 0x80, 0xA8 | 0xA9]));
        if !separator && !matches!(*byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0..0x20) {
            at += 1;
            continue;
        }
        out.extend_from_slice(text.get(copied..at).unwrap_or_default());
        match *byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            _ if separator => {
                out.extend_from_slice(if text.get(at + 2) == Some(&0xA8) { b"\\u2028" } else { b"\\u2029" });
                at += 2;
            }
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        at += 1;
        copied = at;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Appends a time (microseconds since 1970) with so many digits behind the point, or with as many as it needs. False when it
/// has more than that, or no year of four digits.
pub(super) fn time(microseconds: i64, digits: Option<u8>, out: &mut Vec<u8>) -> bool {
    let seconds = microseconds.div_euclid(SECOND);
    let fraction = microseconds.rem_euclid(SECOND) as u32;
    let (days, in_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY) as u32);
    let Some((year, month, day)) = civil(days) else {
        return false;
    };
    let mut width = 6;
    let mut rest = fraction;
    match digits {
        Some(digits) => {
            let cut = 10u32.pow(6u32.saturating_sub(u32::from(digits)));
            if !fraction.is_multiple_of(cut) {
                return false;
            }
            rest /= cut;
            width = usize::from(digits.min(6));
        }
        None => {
            while width > 0 && rest.is_multiple_of(10) {
                rest /= 10;
                width -= 1;
            }
        }
    }
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], in_day / 3600);
    put(&mut text[14..16], in_day / 60 % 60);
    put(&mut text[17..19], in_day % 60);
    let mut end = 19;
    if width > 0 {
        put(&mut text[20..20 + width], rest);
        end = 20 + width;
    }
    text[end] = b'Z';
    out.extend_from_slice(text.get(..=end).unwrap_or_default());
    true
}

fn put(to: &mut [u8], mut number: u32) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"); `None` outside of
/// the years 1 to 9999.
fn civil(days: i64) -> Option<(u32, u32, u32)> {
    let days = days.checked_add(719_468)?;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (1..=9999)
        .contains(&year)
        .then_some((u32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(microseconds: i64, digits: Option<u8>) -> Option<String> {
        let mut out = Vec::new();
        time(microseconds, digits, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn times_are_written_as_asked() {
        let at = 1_793_491_200_057_380;
        assert_eq!(shown(at, Some(6)).as_deref(), Some("2026-11-01T00:00:00.057380Z"));
        assert_eq!(shown(at, None).as_deref(), Some("2026-11-01T00:00:00.05738Z"));
        assert_eq!(shown(at, Some(3)), None, "it has more digits");
        assert_eq!(shown(-1, Some(6)).as_deref(), Some("1969-12-31T23:59:59.999999Z"));
        assert_eq!(shown(951_782_400_000_000, Some(0)).as_deref(), Some("2000-02-29T00:00:00Z"));
        assert_eq!(shown(0, None).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(shown(i64::MAX, Some(6)), None);
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let mut out = Vec::new();
        escaped("a\"\\\n\u{1}<&>\u{2028}é".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003e\\u2028é");
    }
}
