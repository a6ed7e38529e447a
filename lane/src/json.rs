//! Exchanges → JSON lines, the same bytes as `pipeline.codecs.json_lines` writes, from the same field table. What is not plain (text
//! that is not printable ASCII, a value of another type) is left to Python, event by event.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

enum Type {
    Text,
    Int,
    Float,
    Texts,
}

struct Member {
    /// A comma, the name in quotes, a colon.
    key: Vec<u8>,
    place: usize,
    of: Type,
}

/// Written so far: something that is not plain leaves the line to Python.
type Plain = Option<()>;

#[pyclass(frozen, module = "pipeline._lane")]
pub struct JsonLines {
    kind: Py<PyType>,
    begin: Vec<u8>,
    time: usize,
    members: Vec<Member>,
    families: Vec<(String, usize)>,
    attributes: usize,
    astuple: Py<PyAny>,
}

#[pymethods]
impl JsonLines {
    /// Of events of one class. `members` are name, place in the class and type, in the order of the line; `families` prefix and
    /// place; `time` and `attributes` are places.
    #[new]
    fn new(
        py: Python<'_>,
        kind: Py<PyType>,
        name: &str,
        members: Vec<(String, usize, String)>,
        families: Vec<(String, usize)>,
        time: usize,
        attributes: usize,
    ) -> PyResult<JsonLines> {
        let mut known = Vec::new();
        for (name, place, of) in members {
            let of = match &*of {
                "string" => Type::Text,
                "int" => Type::Int,
                "float" => Type::Float,
                "string[]" => Type::Texts,
                _ => return Err(pyo3::exceptions::PyValueError::new_err(format!("{name} has the type {of}"))),
            };
            known.push(Member {
                key: format!(",\"{name}\":").into_bytes(),
                place,
                of,
            });
        }
        let begin = format!("{{\"event.name\":\"{name}\",\"timestamp\":\"").into_bytes();
        let astuple = py.import("msgspec.structs")?.getattr("astuple")?.unbind();
        Ok(JsonLines {
            kind,
            begin,
            time,
            members: known,
            families,
            attributes,
            astuple,
        })
    }

    /// One object a line. `tail(event)` gives the end of a line whose event has attributes, from the comma or the brace on;
    /// `odd(event)` the whole line of one that is not plain.
    fn encode<'py>(
        &self,
        events: &Bound<'py, PyList>,
        tail: &Bound<'py, PyAny>,
        odd: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = events.py();
        let (mut out, mut clock) = (Vec::with_capacity(events.len() * 1024), Clock::default());
        let (kind, astuple) = (self.kind.bind(py), self.astuple.bind(py));
        for event in events {
            let begin = out.len();
            let values = if event.get_type().is(kind) {
                Some(astuple.call1((&event,))?.cast_into::<PyTuple>()?)
            } else {
                None
            };
            let plain = values.as_ref().and_then(|values| self.declared(values, &mut clock, &mut out));
            let more = values
                .as_ref()
                .filter(|_| plain.is_some())
                .and_then(|values| self.undeclared(values, &mut out));
            if more == Some(true) {
                out.extend_from_slice(b"}\n");
                continue;
            }
            let end = if more.is_some() {
                tail.call1((&event,))?.cast_into::<PyBytes>().ok()
            } else {
                None
            };
            if let Some(end) = end {
                out.extend_from_slice(end.as_bytes());
            } else {
                out.truncate(begin);
                out.extend_from_slice(odd.call1((event,))?.cast::<PyBytes>()?.as_bytes());
            }
        }
        Ok(PyBytes::new(py, &out))
    }
}

impl JsonLines {
    fn declared(&self, values: &Bound<'_, PyTuple>, clock: &mut Clock, out: &mut Vec<u8>) -> Plain {
        out.extend_from_slice(&self.begin);
        clock.write(values.get_borrowed_item(self.time).ok()?.extract().ok()?, out);
        out.push(b'"');
        for member in &self.members {
            let value = values.get_borrowed_item(member.place).ok()?;
            if !value.is_none() {
                member.write(&value, out)?;
            }
        }
        Some(())
    }

    /// Headers; false where there are attributes, which Python writes.
    fn undeclared(&self, values: &Bound<'_, PyTuple>, out: &mut Vec<u8>) -> Option<bool> {
        if !values.get_borrowed_item(self.attributes).ok()?.is_empty().ok()? {
            return Some(false);
        }
        for (prefix, place) in &self.families {
            let headers = values.get_borrowed_item(*place).ok()?;
            let Ok(headers) = headers.cast::<PyDict>() else {
                if headers.is_empty().ok()? {
                    continue;
                }
                return None;
            };
            for (name, texts) in headers.iter() {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(prefix.as_bytes());
                let name = name.cast::<PyString>().ok()?.to_str().ok()?;
                escape(name, out)?;
                out.extend_from_slice(b"\":");
                write_texts(texts.cast::<PyTuple>().ok()?, out)?;
            }
        }
        Some(true)
    }
}

impl Member {
    fn write(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Plain {
        match self.of {
            Type::Text => {
                out.extend_from_slice(&self.key);
                write_text(value, out)
            }
            Type::Int => {
                let number: u64 = value.cast_exact::<PyInt>().ok()?.extract().ok()?;
                out.extend_from_slice(&self.key);
                write_number(i64::try_from(number).ok()?.unsigned_abs(), out);
                Some(())
            }
            Type::Float => {
                let number = value.cast_exact::<PyFloat>().ok()?.value();
                // Elsewhere writers of JSON differ in where they begin to write exponents.
                if number != 0.0 && !(1e-4..1e15).contains(&number.abs()) {
                    return None;
                }
                out.extend_from_slice(&self.key);
                out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
                Some(())
            }
            Type::Texts => {
                let texts = value.cast::<PyTuple>().ok()?;
                if !texts.is_empty() {
                    out.extend_from_slice(&self.key);
                    write_texts(texts, out)?;
                }
                Some(())
            }
        }
    }
}

fn write_texts(texts: &Bound<'_, PyTuple>, out: &mut Vec<u8>) -> Plain {
    out.push(b'[');
    for (place, text) in texts.iter_borrowed().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_text(&text, out)?;
    }
    out.push(b']');
    Some(())
}

fn write_text(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Plain {
    out.push(b'"');
    escape(value.cast::<PyString>().ok()?.to_str().ok()?, out)?;
    out.push(b'"');
    Some(())
}

/// Printable ASCII. Of everything else Python knows what JSON escapes, and what a terminal would obey.
fn escape(text: &str, out: &mut Vec<u8>) -> Plain {
    let raw = text.as_bytes();
    if !raw.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return None;
    }
    if memchr::memchr2(b'"', b'\\', raw).is_none() {
        out.extend_from_slice(raw);
        return Some(());
    }
    for &byte in raw {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    Some(())
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let begin = out.len();
    loop {
        out.push(digit(number));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[begin..].reverse();
}

fn digit(number: u64) -> u8 {
    b"0123456789"[usize::try_from(number % 10).unwrap_or_default()]
}

/// RFC 3339 text; the events of one second share its beginning.
#[derive(Default)]
struct Clock {
    second: Option<u64>,
    text: String,
}

impl Clock {
    fn write(&mut self, ns: u64, out: &mut Vec<u8>) {
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
}

/// Up to the decimal point. Days to a date as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).
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
