//! Members of an exchange → JSON, by the grammar of its line.

use crate::exchange::{Exchange, Headers, Value};
use crate::grammar::{Grammar, Member, Part, Type};
use crate::json_text::{Plain, escape, quoted, write_float, write_number};
use crate::maker::by_name;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyString, PyTuple};

impl Grammar {
    /// What all exchanges of its connection say, run by run; None where not all of it is plain.
    pub fn runs(&self, py: pyo3::Python<'_>, exchange: &Exchange) -> Option<Vec<Vec<u8>>> {
        let mut runs = Vec::new();
        for part in &self.parts {
            if let Part::Run(members, _) = part {
                let mut run = Vec::new();
                for member in &self.members[members.clone()] {
                    member.of_exchange(py, exchange, &mut run)?;
                }
                runs.push(run);
            }
        }
        Some(runs)
    }
}

impl Member {
    /// What it is of an exchange in native memory, if anything.
    pub fn of_exchange(&self, py: pyo3::Python<'_>, exchange: &Exchange, out: &mut Vec<u8>) -> Plain {
        let Some(field) = self.field else {
            return self.told(py, exchange, out);
        };
        match exchange.value(field) {
            Value::Absent | Value::Marks(0) => Some(()),
            value => self.native(py, exchange, &value, out),
        }
    }

    /// What a source said. What the class has behind that, no exchange of the lane has.
    fn told(&self, py: pyo3::Python<'_>, exchange: &Exchange, out: &mut Vec<u8>) -> Plain {
        let place = self.place.checked_sub(exchange.ends.maker.told_at);
        let (Some(told), Some(place)) = (&exchange.told, place) else {
            return Some(());
        };
        let told = told.bind(py);
        if place >= told.len() {
            return Some(());
        }
        let value = told.get_borrowed_item(place).ok()?;
        if value.is_none() { Some(()) } else { self.write(&value, out) }
    }

    /// A value of an exchange in native memory that is there.
    fn native(&self, py: pyo3::Python<'_>, exchange: &Exchange, value: &Value<'_>, out: &mut Vec<u8>) -> Plain {
        out.extend_from_slice(&self.key);
        match *value {
            Value::Text(text) => quoted(text, out),
            Value::Int(number) => {
                write_number(i64::try_from(number).ok()?.unsigned_abs(), out);
                Some(())
            }
            Value::Digits(number) => {
                out.push(b'"');
                write_number(number.into(), out);
                out.push(b'"');
                Some(())
            }
            Value::Float(number) => write_float(number, out),
            Value::Marks(bits) => write_texts(exchange.ends.maker.marks(py, bits), out),
            Value::Absent | Value::Headers(_) | Value::Attributes => None,
        }
    }

    /// A value of an event as Python has it.
    pub fn write(&self, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Plain {
        match self.of {
            Type::Text => {
                out.extend_from_slice(&self.key);
                quoted(value.cast::<PyString>().ok()?.to_str().ok()?, out)
            }
            Type::Int => {
                let number: u64 = value.cast_exact::<PyInt>().ok()?.extract().ok()?;
                out.extend_from_slice(&self.key);
                write_number(i64::try_from(number).ok()?.unsigned_abs(), out);
                Some(())
            }
            Type::Float => {
                out.extend_from_slice(&self.key);
                write_float(value.cast_exact::<PyFloat>().ok()?.value(), out)
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

pub fn headers(key: &[u8], names: &[String], found: Headers<'_>, out: &mut Vec<u8>) -> Plain {
    if found.found.is_empty() {
        return Some(());
    }
    for (name, values) in by_name(names, found) {
        out.extend_from_slice(key);
        escape(name, out)?;
        out.extend_from_slice(b"\":[");
        for (place, text) in values.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            quoted(text, out)?;
        }
        out.push(b']');
    }
    Some(())
}

pub fn write_texts(texts: &Bound<'_, PyTuple>, out: &mut Vec<u8>) -> Plain {
    out.push(b'[');
    for (place, text) in texts.iter_borrowed().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        quoted(text.cast::<PyString>().ok()?.to_str().ok()?, out)?;
    }
    out.push(b']');
    Some(())
}
