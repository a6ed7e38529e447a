//! Exchanges → JSON lines, the same bytes as `pipeline.codecs.json_lines` writes, from the same field table. What is not plain (text
//! that is not printable ASCII, a value of another type) is left to Python, event by event.

use crate::clock::Clock;
use crate::ends::Said;
use crate::events::{Added, Events, Item, Native};
use crate::exchange::{Exchange, Field, Value};
use crate::grammar::{Grammar, Part};
use crate::json_members::{headers, write_texts};
use crate::json_text::{Plain, escape};
use crate::line::{Line, Reader, checked};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};
use std::sync::Arc;

#[pyclass(frozen, module = "pipeline._lane")]
pub struct JsonLines {
    grammar: Arc<Grammar>,
    kind: Py<PyType>,
    time: usize,
    attributes: usize,
    astuple: Py<PyAny>,
}

/// What Python does.
struct Python<'a, 'py> {
    tail: &'a Bound<'py, PyAny>,
    added: &'a Bound<'py, PyAny>,
    odd: &'a Bound<'py, PyAny>,
}

#[pymethods]
impl JsonLines {
    /// Of events of one class. `members` are name, attribute, place in the class and type, in the order of the line; `families`
    /// prefix, attribute and place; `time` and `attributes` are places; an event costs `event_bytes` in memory, or twice its text.
    #[new]
    #[allow(clippy::too_many_arguments, reason = "named in Python")]
    fn new(
        py: pyo3::Python<'_>,
        kind: Py<PyType>,
        name: &str,
        members: Vec<(String, String, usize, String)>,
        families: Vec<(String, String, usize)>,
        time: usize,
        attributes: usize,
        event_bytes: usize,
    ) -> PyResult<JsonLines> {
        Ok(JsonLines {
            grammar: Arc::new(Grammar::new(name, members, families, event_bytes)?),
            kind,
            time,
            attributes,
            astuple: py.import("msgspec.structs")?.getattr("astuple")?.unbind(),
        })
    }

    /// One object a line. `tail(event)` gives the end of a line whose event has attributes, from the comma or the brace on, and
    /// `added(attributes)` that of one that has them from a transform and no headers, both None where Python has to look at all of
    /// the event; `odd(event)` the whole line of one that is not plain.
    fn encode<'py>(
        &self,
        events: &Bound<'py, PyAny>,
        tail: &Bound<'py, PyAny>,
        added: &Bound<'py, PyAny>,
        odd: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (python, mut clock) = (Python { tail, added, odd }, Clock::default());
        let mut out = Vec::with_capacity(events.len()? * 1024);
        if let Ok(events) = events.cast::<Events>() {
            for item in &events.borrow().items {
                self.item(events.py(), item, &python, &mut clock, &mut out)?;
            }
        } else {
            for event in events.cast::<PyList>()? {
                self.object(&event, &python, &mut clock, &mut out)?;
            }
        }
        Ok(PyBytes::new(events.py(), &out))
    }

    /// The events of lines, and how many lines there are; what stands behind the last line feed is one. `odd(line, place)` gives
    /// the event of a line that is not as we write it, or None; `decode(line)` that of any other, once somebody asks for it.
    fn read<'py>(
        &self,
        py: pyo3::Python<'py>,
        text: &[u8],
        decode: Py<PyAny>,
        odd: &Bound<'py, PyAny>,
    ) -> PyResult<(Events, usize)> {
        let reader = Arc::new(Reader {
            grammar: self.grammar.clone(),
            decode,
        });
        let (mut events, mut clock, mut place, mut at) = (Events::default(), Clock::default(), 0, 0);
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end);
            let next = (end + 1).min(text.len());
            if let Some(has_headers) = checked(&text[at..end], &self.grammar, &mut clock) {
                let line = Line {
                    reader: reader.clone(),
                    text: text[at..next].into(),
                    has_headers,
                    made: PyOnceLock::new(),
                };
                events.items.push(Item::Native(Native::Line(Arc::new(line)), None));
            } else {
                let event = odd.call1((PyBytes::new(py, &text[at..next]), place))?;
                if !event.is_none() {
                    events.items.push(Item::Foreign(event.unbind()));
                }
            }
            (place, at) = (place + 1, next);
        }
        Ok((events, place))
    }
}

impl JsonLines {
    fn item<'py>(
        &self,
        py: pyo3::Python<'py>,
        item: &Item,
        python: &Python<'_, 'py>,
        clock: &mut Clock,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        let begin = out.len();
        if let Item::Native(native, given) = item {
            let written = match native {
                Native::Line(line) => {
                    out.extend_from_slice(line.open());
                    Some(line.has_headers)
                }
                Native::Exchange(exchange) => self.exchange(py, exchange, clock, out).map(|()| exchange.has_headers()),
            };
            match (written, given) {
                (Some(_), None) => {
                    out.extend_from_slice(b"}\n");
                    return Ok(());
                }
                (Some(false), Some(given)) => {
                    if let Some(tail) = tail_of(py, &given.added, python)? {
                        out.extend_from_slice(tail.as_bytes(py));
                        return Ok(());
                    }
                }
                _ => {}
            }
            out.truncate(begin);
        }
        self.object(&item.object(py)?, python, clock, out)
    }

    /// An exchange in native memory, up to its last brace.
    fn exchange(&self, py: pyo3::Python<'_>, exchange: &Exchange, clock: &mut Clock, out: &mut Vec<u8>) -> Plain {
        let Value::Int(time) = exchange.value(Field::Time) else {
            return None;
        };
        let maker = &exchange.ends.maker;
        out.extend_from_slice(&self.grammar.begin);
        clock.write(time, out);
        out.push(b'"');
        let said = self.said(py, exchange);
        for part in &self.grammar.parts {
            match (part, said) {
                (Part::One(place), _) => self.grammar.members[*place].of_exchange(py, exchange, out)?,
                (Part::Run(_, run), Some(said)) => out.extend_from_slice(&said.runs[*run]),
                (Part::Run(members, _), None) => {
                    for member in &self.grammar.members[members.clone()] {
                        member.of_exchange(py, exchange, out)?;
                    }
                }
            }
        }
        for family in &self.grammar.families {
            let (Some(field), Value::Headers(found)) = (family.field, exchange.value(family.field?)) else {
                return None;
            };
            let names = &maker.headers[usize::from(field == Field::ResponseHeaders)];
            headers(&family.key, names, found, out)?;
        }
        Some(())
    }

    /// What all exchanges of its connection say, where there is more than one.
    fn said<'a>(&self, py: pyo3::Python<'_>, exchange: &'a Exchange) -> Option<&'a Said> {
        if exchange.sequence == 0 {
            return None;
        }
        let said = exchange.ends.said.get_or_init(|| Said {
            grammar: self.grammar.clone(),
            runs: self.grammar.runs(py, exchange).unwrap_or_default(),
        });
        (Arc::ptr_eq(&said.grammar, &self.grammar) && !said.runs.is_empty()).then_some(said)
    }

    /// An event as Python has it.
    fn object<'py>(
        &self,
        event: &Bound<'py, PyAny>,
        python: &Python<'_, 'py>,
        clock: &mut Clock,
        out: &mut Vec<u8>,
    ) -> PyResult<()> {
        let (py, begin) = (event.py(), out.len());
        let values = if event.get_type().is(&self.kind) {
            Some(self.astuple.bind(py).call1((event,))?.cast_into::<PyTuple>()?)
        } else {
            None
        };
        let plain = values.as_ref().and_then(|values| self.declared(values, clock, out));
        let more = values
            .as_ref()
            .filter(|_| plain.is_some())
            .and_then(|values| self.undeclared(values, out));
        if more == Some(true) {
            out.extend_from_slice(b"}\n");
            return Ok(());
        }
        let end = if more.is_some() {
            python.tail.call1((event,))?.cast_into::<PyBytes>().ok()
        } else {
            None
        };
        if let Some(end) = end {
            out.extend_from_slice(end.as_bytes());
        } else {
            out.truncate(begin);
            out.extend_from_slice(python.odd.call1((event,))?.cast::<PyBytes>()?.as_bytes());
        }
        Ok(())
    }

    fn declared(&self, values: &Bound<'_, PyTuple>, clock: &mut Clock, out: &mut Vec<u8>) -> Plain {
        out.extend_from_slice(&self.grammar.begin);
        clock.write(values.get_borrowed_item(self.time).ok()?.extract().ok()?, out);
        out.push(b'"');
        for member in &self.grammar.members {
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
        for family in &self.grammar.families {
            let headers = values.get_borrowed_item(family.place).ok()?;
            let Ok(headers) = headers.cast::<PyDict>() else {
                if headers.is_empty().ok()? {
                    continue;
                }
                return None;
            };
            for (name, texts) in headers.iter() {
                out.extend_from_slice(&family.key);
                escape(name.cast::<PyString>().ok()?.to_str().ok()?, out)?;
                out.extend_from_slice(b"\":");
                write_texts(texts.cast::<PyTuple>().ok()?, out)?;
            }
        }
        Some(true)
    }
}

/// The end of lines with these attributes; None where Python has to look at the whole event.
fn tail_of<'a>(py: pyo3::Python<'_>, added: &'a Added, python: &Python<'_, '_>) -> PyResult<Option<&'a Py<PyBytes>>> {
    let made = added.tail.get_or_try_init(py, || {
        let tail = python.added.call1((&added.attributes,))?;
        PyResult::Ok(tail.cast_into::<PyBytes>().ok().map(Bound::unbind))
    })?;
    Ok(made.as_ref())
}
