//! Text and numbers as JSON has them, as far as all writers agree.

use crate::clock::digit;

/// Written so far: something that is not plain leaves the line to Python.
pub type Plain = Option<()>;

pub fn quoted(text: &str, out: &mut Vec<u8>) -> Plain {
    out.push(b'"');
    escape(text, out)?;
    out.push(b'"');
    Some(())
}

/// Printable ASCII. Of everything else Python knows what JSON escapes, and what a terminal would obey.
pub fn escape(text: &str, out: &mut Vec<u8>) -> Plain {
    let raw = text.as_bytes();
    let printable = |byte: u8| (0x20..0x7F).contains(&byte);
    let same = |byte: u8| printable(byte) && byte != b'"' && byte != b'\\';
    if raw.iter().fold(true, |good, &byte| good & same(byte)) {
        out.extend_from_slice(raw);
        return Some(());
    }
    if !raw.iter().all(|&byte| printable(byte)) {
        return None;
    }
    for &byte in raw {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    Some(())
}

pub fn write_float(number: f64, out: &mut Vec<u8>) -> Plain {
    // Elsewhere writers of JSON differ in where they begin to write exponents.
    if number != 0.0 && !(1e-4..1e15).contains(&number.abs()) {
        return None;
    }
    out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    Some(())
}

pub fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(number);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_written_as_json_has_them() {
        let mut out = Vec::new();
        for number in [0, 7, 10, u64::MAX] {
            write_number(number, &mut out);
        }
        assert_eq!(out, b"071018446744073709551615");
        out.clear();
        assert!(escape("a\"b\\c", &mut out).is_some() && out == b"a\\\"b\\\\c");
        assert!(
            ["\n", "\u{7f}", "é"]
                .iter()
                .all(|text| escape(text, &mut Vec::new()).is_none())
        );
    }
}
