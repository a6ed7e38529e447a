//! A JSON line that says one exchange, exactly as it would be written again: only such lines are kept as they are. Everything else
//! (other spaces, another order, text that is not printable ASCII, attributes, an escape that is none of ours) is for Python to read.

use crate::clock::{Clock, LENGTH, number};
use crate::grammar::{Grammar, Member, Type};
use memchr::{memchr, memchr2, memmem};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyString, PyTuple};
use std::sync::Arc;

pub struct Line {
    pub reader: Arc<Reader>,
    /// As it was read, with its line feed if there was one.
    pub text: Box<[u8]>,
    pub has_headers: bool,
    pub made: PyOnceLock<Py<PyAny>>,
}

/// What all lines have in common.
pub struct Reader {
    pub grammar: Arc<Grammar>,
    /// A line as an event.
    pub decode: Py<PyAny>,
}

impl Line {
    /// Up to its last brace.
    pub fn open(&self) -> &[u8] {
        let end = self.text.len() - usize::from(self.text.last() == Some(&b'\n'));
        &self.text[..end - 1]
    }

    /// The event as an object; the same one each time.
    pub fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let made = self
            .made
            .get_or_try_init(py, || self.reader.decode.call1(py, (&*self.text,)))?;
        Ok(made.bind(py).clone())
    }

    pub fn memory(&self) -> usize {
        self.text.len() + self.text.len().max(self.reader.grammar.event_bytes)
    }

    /// A value by the name that the class of events has for it; None for what a line does not say.
    pub fn named<'py>(&self, py: Python<'py>, attribute: &str, clock: &mut Clock) -> PyResult<Bound<'py, PyAny>> {
        let grammar = &*self.reader.grammar;
        if attribute == "timestamp_ns" {
            let text = &self.text[grammar.begin.len()..grammar.begin.len() + LENGTH];
            return Ok(clock.read(text).into_pyobject(py)?.into_any());
        }
        match grammar.members.iter().find(|member| member.attribute == attribute) {
            Some(member) => self.value(py, member),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// A name in quotes behind a comma and before a colon stands nowhere else:
    /// inside text quotes are escaped, and what stands in an array has no colon behind it.
    fn value<'py>(&self, py: Python<'py>, member: &Member) -> PyResult<Bound<'py, PyAny>> {
        let Some(at) = memmem::find(&self.text, &member.key) else {
            return Ok(match member.of {
                Type::Texts => PyTuple::empty(py).into_any(),
                _ => py.None().into_bound(py),
            });
        };
        let rest = &self.text[at + member.key.len()..];
        let plain = || {
            let end = memchr2(b',', b'}', rest).unwrap_or(rest.len());
            std::str::from_utf8(&rest[..end]).unwrap_or_default()
        };
        Ok(match member.of {
            Type::Text => text(rest).map_or_else(|| py.None().into_bound(py), |(found, _)| unescaped(py, found).into_any()),
            Type::Int => number(plain().as_bytes()).into_pyobject(py)?.into_any(),
            Type::Float => PyFloat::new(py, plain().parse().unwrap_or_default()).into_any(),
            Type::Texts => {
                let (mut found, mut rest) = (Vec::new(), &rest[1..]);
                while let Some((each, size)) = text(rest) {
                    found.push(unescaped(py, each));
                    rest = &rest[(size + 1).min(rest.len())..];
                }
                PyTuple::new(py, found)?.into_any()
            }
        })
    }
}

/// Text in quotes, as it stands there, and how many bytes it takes with them. Only quotes and backslashes are escaped.
fn text(from: &[u8]) -> Option<(&[u8], usize)> {
    if from.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', &from[at..])?;
        if from[at] == b'"' {
            return Some((&from[1..at], at + 1));
        }
        if !matches!(from.get(at + 1), Some(b'"' | b'\\')) {
            return None;
        }
        at += 2;
    }
}

fn unescaped<'py>(py: Python<'py>, raw: &[u8]) -> Bound<'py, PyString> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    if memchr(b'\\', raw).is_none() {
        return PyString::new(py, text);
    }
    let (mut plain, mut escaped) = (String::with_capacity(text.len()), false);
    for each in text.chars() {
        escaped = each == '\\' && !escaped;
        if !escaped {
            plain.push(each);
        }
    }
    PyString::new(py, &plain)
}

/// Whether a line is as we write it, and if so whether it has reported headers. Without its line feed.
pub fn checked(line: &[u8], grammar: &Grammar, clock: &mut Clock) -> Option<bool> {
    let printable = line.iter().fold(true, |good, byte| good & (0x20..0x7F).contains(byte));
    if !printable || !line.starts_with(&grammar.begin) || line.last() != Some(&b'}') {
        return None;
    }
    let mut at = grammar.begin.len() + LENGTH;
    clock.read(line.get(grammar.begin.len()..at)?)?;
    if line.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    let (mut next, mut values) = (0, [(0, 0); MOST_MEMBERS]);
    while line[at] == b',' {
        let rest = &line[at..];
        // The members stand in the order of the table; each may be missing.
        let Some(place) = (next..grammar.members.len()).find(|&place| rest.starts_with(&grammar.members[place].key)) else {
            break;
        };
        let member = &grammar.members[place];
        let from = at + member.key.len();
        at = from + value(&line[from..], &member.of)?;
        values[place] = (from, at);
        next = place + 1;
    }
    // Two names of one value say the same.
    let same = |&(again, place): &(usize, usize)| {
        let text = |place: usize| &line[values[place].0..values[place].1];
        text(again) == text(place)
    };
    grammar.again.iter().all(same).then(|| headers(line, at, grammar))?
}

pub const MOST_MEMBERS: usize = 128;

/// Reported headers at the end of a line, those of requests first, no name twice; whether there are any.
fn headers(line: &[u8], mut at: usize, grammar: &Grammar) -> Option<bool> {
    let (mut family, mut names) = (0, Vec::new());
    while line[at] == b',' {
        family = (family..grammar.families.len()).find(|&each| line[at..].starts_with(&grammar.families[each].key))?;
        let from = at + 1;
        let (name, size) = text(&line[from..])?;
        if names.contains(&name) || line.get(from + size) != Some(&b':') {
            return None;
        }
        names.push(name);
        at = from + size + 1;
        at += if line[at..].starts_with(b"[]") {
            2
        } else {
            texts(&line[at..])?
        };
    }
    (at + 1 == line.len()).then_some(!names.is_empty())
}

/// How many bytes a value takes.
fn value(from: &[u8], of: &Type) -> Option<usize> {
    match of {
        Type::Text => text(from).map(|(_, size)| size),
        Type::Texts => texts(from),
        Type::Int => {
            let size = digits(from);
            ((1..=18).contains(&size) && (size == 1 || from[0] != b'0')).then_some(size)
        }
        Type::Float => float(from),
    }
}

fn digits(from: &[u8]) -> usize {
    from.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Decimals with at most 15 digits are what shortest writers write, as doubles tell all of those apart; longer ones are compared.
fn float(from: &[u8]) -> Option<usize> {
    let whole = digits(from);
    let fraction = digits(from.get(whole + 1..)?);
    let size = whole + 1 + fraction;
    let text = &from[..size];
    let ends_well = fraction == 1 || text[size - 1] != b'0';
    if whole == 0 || whole > 15 || fraction == 0 || from[whole] != b'.' || (whole > 1 && from[0] == b'0') || !ends_well {
        return None;
    }
    if text.starts_with(b"0.0000") {
        return None; // elsewhere in writers exponents begin
    }
    if whole + fraction <= 15 {
        return Some(size);
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let same = (1e-4..1e15).contains(&number) && ryu::Buffer::new().format_finite(number).as_bytes() == text;
    same.then_some(size)
}

/// An array with text in it.
fn texts(from: &[u8]) -> Option<usize> {
    let mut at = 1;
    if from.first() != Some(&b'[') {
        return None;
    }
    loop {
        at += text(&from[at..])?.1;
        match from.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}
