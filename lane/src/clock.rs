//! Times as RFC 3339 text in UTC with nine digits ⇄ nanoseconds since 1970. Days and dates as in Howard Hinnant's "chrono-Compatible
//! Low-Level Date Algorithms" (`civil_from_days`, `days_from_civil`).

/// What a time takes as text.
pub const LENGTH: usize = 30;

/// Writes and reads times; those of one second share its text.
#[derive(Default)]
pub struct Clock {
    second: Option<u64>,
    text: String,
}

impl Clock {
    pub fn write(&mut self, ns: u64, out: &mut Vec<u8>) {
        let (second, mut rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
        if self.second != Some(second) {
            (self.second, self.text) = (Some(second), rfc3339(second));
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut digits = [b'0'; 9];
        for place in digits.iter_mut().rev() {
            *place = digit(rest);
            rest /= 10;
        }
        out.extend_from_slice(&digits);
        out.push(b'Z');
    }

    /// Nanoseconds of text that `write` would write, of the years 1970 to 2261; None of any other.
    pub fn read(&mut self, text: &[u8]) -> Option<u64> {
        if text.len() != LENGTH || text[LENGTH - 1] != b'Z' {
            return None;
        }
        let (whole, fraction) = text[..LENGTH - 1].split_at(20);
        if self.second.is_none() || whole != self.text.as_bytes() {
            let second = second_of(whole)?;
            self.text = rfc3339(second);
            self.second = Some(second);
            if whole != self.text.as_bytes() {
                return None; // a 30th of February, an hour 24
            }
        }
        Some(self.second? * 1_000_000_000 + number(fraction)?)
    }
}

pub fn digit(number: u64) -> u8 {
    b"0123456789"[usize::try_from(number % 10).unwrap_or_default()]
}

/// Digits and nothing else, at most eighteen.
pub fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Up to the decimal point.
fn rfc3339(second: u64) -> String {
    let days = second / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.", second % 60)
}

/// The inverse, of whatever stands where its digits should; what is no date gives any second, or none.
fn second_of(text: &[u8]) -> Option<u64> {
    let part = |from: usize, to: usize| number(&text[from..to]);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    if !(1970..2262).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year / 400 * 146_097 + year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let text = |second| rfc3339(second);
        assert_eq!(text(0), "1970-01-01T00:00:00.");
        assert_eq!(text(951_782_399), "2000-02-28T23:59:59.");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00.");
        let mut out = Vec::new();
        let mut clock = Clock::default();
        clock.write(1_700_000_000_000_000_001, &mut out);
        clock.write(1_700_000_000_100_000_000, &mut out);
        assert_eq!(out, b"2023-11-14T22:13:20.000000001Z2023-11-14T22:13:20.100000000Z");
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut clock = Clock::default();
        for second in (0..9_214_646_400).step_by(86_399 * 7).chain([9_214_646_399, 951_782_400]) {
            let mut out = Vec::new();
            clock.write(second * 1_000_000_000 + second % 1_000_000_000, &mut out);
            let read = Clock::default().read(&out);
            assert_eq!(read, Some(second * 1_000_000_000 + second % 1_000_000_000));
        }
        for text in [
            "1969-12-31T23:59:59.000000000Z",
            "2262-01-01T00:00:00.000000000Z",
            "2023-02-29T00:00:00.000000000Z",
            "2023-13-01T00:00:00.000000000Z",
            "2023-00-01T00:00:00.000000000Z",
            "2023-01-00T00:00:00.000000000Z",
            "2023-01-01T24:00:00.000000000Z",
            "2023-01-01T00:60:00.000000000Z",
            "2023-01-01T00:00:60.000000000Z",
            "2023-01-01t00:00:00.000000000Z",
            "2023-01-01T00:00:00.00000000 Z",
            "2023-01-01T00:00:00.000000000z",
            "2023-01-01T00:00:00.00000000Z",
        ] {
            assert_eq!(Clock::default().read(text.as_bytes()), None, "{text}");
        }
    }
}
