//! Dates, in seconds since 1970 and in the three formats that S3 uses.

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
///
/// Every answer has a date or two, and to fill in a form takes a tenth of the time of `format!`.
pub(crate) fn http(seconds: i64) -> [u8; 29] {
    let (year, month, day) = civil(seconds);
    let (h, m, s) = clock(seconds);
    let weekday = (seconds.div_euclid(86_400) + 4).rem_euclid(7);
    let mut text = *b"---, -- --- ---- --:--:-- GMT";
    text[..3].copy_from_slice(WEEKDAYS[index(weekday)]);
    write(&mut text[5..7], day);
    text[8..11].copy_from_slice(MONTHS[index(month - 1)]);
    write(&mut text[12..16], year);
    write(&mut text[17..19], h);
    write(&mut text[20..22], m);
    write(&mut text[23..25], s);
    text
}

/// `1994-11-06T08:49:37.000Z`, as in S3's XML.
pub(crate) fn iso(seconds: i64) -> String {
    let (year, month, day) = civil(seconds);
    let (h, m, s) = clock(seconds);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.000Z")
}

/// Reads `19941106T084937Z`.
pub(crate) fn parse_amz(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    if text.len() != 16 || text.as_bytes().get(8) != Some(&b'T') || !text.ends_with('Z') {
        return None;
    }
    let days = days_from_civil(number(0..4)?, number(4..6)?, number(6..8)?)?;
    let (h, m, s) = (number(9..11)?, number(11..13)?, number(13..15)?);
    (h < 24 && m < 60 && s < 61).then_some(days * 86_400 + h * 3_600 + m * 60 + s)
}

/// Fills `place` with the last decimal digits of a number.
fn write(place: &mut [u8], number: i64) {
    let mut rest = number;
    for digit in place.iter_mut().rev() {
        *digit = DIGITS[index(rest % 10)];
        rest /= 10;
    }
}

fn clock(seconds: i64) -> (i64, i64, i64) {
    let second = seconds.rem_euclid(86_400);
    (second / 3_600, second / 60 % 60, second % 60)
}

/// Year, month and day by counting: whole spans of four years, which all have one leap year up to
/// 2099, then years and months.
fn civil(seconds: i64) -> (i64, i64, i64) {
    const SPAN: i64 = 4 * 365 + 1;
    let mut days = seconds.div_euclid(86_400).max(0);
    let spans = (days / SPAN).min((2098 - 1970) / 4);
    let mut year = 1970 + 4 * spans;
    days -= SPAN * spans;
    while days >= year_len(year) {
        days -= year_len(year);
        year += 1;
    }
    let mut month = 1;
    while days >= month_len(year, month) {
        days -= month_len(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let real = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=month_len(year, month)).contains(&day);
    let years: i64 = (1970..year).map(year_len).sum();
    let months: i64 = (1..month).map(|month| month_len(year, month)).sum();
    real.then_some(years + months + day - 1)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn year_len(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn month_len(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

const DIGITS: &[u8; 10] = b"0123456789";
const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_all_formats() {
        assert_eq!(&http(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso(784_111_777), "1994-11-06T08:49:37.000Z");
        assert_eq!(parse_amz("19941106T084937Z"), Some(784_111_777));
        assert_eq!(iso(951_782_400), "2000-02-29T00:00:00.000Z");
        for bad in [
            "",
            "19940230T000000Z",
            "1994-106T084937Z",
            "19941106T084937",
        ] {
            assert_eq!(parse_amz(bad), None, "{bad}");
        }
    }
}
