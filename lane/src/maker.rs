//! Exchanges as Python has them, made when somebody asks. Text that repeats is made once.

use crate::exchange::{Exchange, Field, Headers, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple, PyType};
use std::collections::HashMap;
use std::sync::Mutex;

const CACHED: usize = 4096;
const CACHED_BYTES: usize = 512;

#[derive(Default)]
struct Texts(HashMap<Box<str>, Py<PyString>>);

impl Texts {
    fn of<'py>(&mut self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        if let Some(known) = self.0.get(text) {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, text);
        if text.len() <= CACHED_BYTES {
            if self.0.len() >= CACHED {
                self.0.clear();
            }
            self.0.insert(text.into(), made.clone().unbind());
        }
        made
    }
}

/// What all exchanges of one decoder have in common.
pub struct Maker {
    pub source: Box<str>,
    pub capture: Box<str>,
    /// The place among an exchange's values of the first one that a source may have told.
    pub told_at: usize,
    /// Names of reported fields, of requests and of responses.
    pub headers: [Vec<String>; 2],
    make: Py<PyType>,
    /// Values by place, as far as the lane knows any; and as far as it knows any of HTTP/1.
    fields: Vec<Option<Field>>,
    common: usize,
    places: HashMap<String, usize>,
    no_attributes: Py<PyAny>,
    no_headers: Py<PyAny>,
    marks: Vec<Py<PyTuple>>,
    texts: Mutex<Texts>,
}

impl Maker {
    pub fn new(
        py: Python<'_>,
        (source, capture): (String, String),
        headers: [Vec<String>; 2],
        told_at: usize,
    ) -> PyResult<Maker> {
        let events = py.import("pipeline.model.events.event")?;
        let make = py
            .import("pipeline.model.events.exchange")?
            .getattr("Exchange")?
            .cast_into::<PyType>()?;
        let names: Vec<String> = make.getattr("__struct_fields__")?.extract()?;
        let mut fields: Vec<_> = names.iter().map(|name| Field::named(name)).collect();
        fields.truncate(fields.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let common = fields[..told_at].iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        Ok(Maker {
            common,
            source: source.into(),
            capture: capture.into(),
            told_at,
            headers,
            make: make.unbind(),
            fields,
            places: names.into_iter().enumerate().map(|(place, name)| (name, place)).collect(),
            no_attributes: events.getattr("NO_ATTRIBUTES")?.unbind(),
            no_headers: events.getattr("NO_HEADERS")?.unbind(),
            marks: py.import("pipeline.decode.marks")?.getattr("NAMES")?.extract()?,
            texts: Mutex::default(),
        })
    }

    pub fn marks<'py>(&self, py: Python<'py>, bits: u16) -> &Bound<'py, PyTuple> {
        self.marks[usize::from(bits)].bind(py)
    }

    /// The exchange as an object; the same one each time.
    pub fn object<'py>(&self, py: Python<'py>, of: &Exchange) -> PyResult<Bound<'py, PyAny>> {
        let made = of.made.get_or_try_init(py, || self.make(py, of).map(Bound::unbind))?;
        Ok(made.bind(py).clone())
    }

    fn make<'py>(&self, py: Python<'py>, of: &Exchange) -> PyResult<Bound<'py, PyAny>> {
        let known = if of.stream.is_some() { self.fields.len() } else { self.common };
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields[..known] {
            values.push(match field {
                Some(field) => self.value(py, of, *field)?,
                None => py.None().into_bound(py),
            });
        }
        if let Some(told) = &of.told {
            let told = told.bind(py);
            values.resize_with(known.max(self.told_at + told.len()), || py.None().into_bound(py));
            for (place, value) in told.iter().enumerate() {
                values[self.told_at + place] = value;
            }
        }
        self.make.bind(py).call1(PyTuple::new(py, values)?)
    }

    /// One of its values, by the name that the class has for it; None where it has no such field.
    pub fn named<'py>(&self, py: Python<'py>, of: &Exchange, attribute: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(field) = Field::named(attribute) {
            return self.value(py, of, field).map(Some);
        }
        let Some(&place) = self.places.get(attribute) else {
            return Ok(None);
        };
        let told = of.told.as_ref().zip(place.checked_sub(self.told_at));
        let value = told.and_then(|(told, place)| told.bind(py).get_item(place).ok());
        Ok(Some(value.unwrap_or_else(|| py.None().into_bound(py))))
    }

    fn value<'py>(&self, py: Python<'py>, of: &Exchange, field: Field) -> PyResult<Bound<'py, PyAny>> {
        let repeats = |text: &str| match self.texts.lock() {
            Ok(mut texts) => texts.of(py, text),
            Err(_) => PyString::new(py, text),
        };
        Ok(match (field, of.value(field)) {
            (_, Value::Absent) => py.None().into_bound(py),
            (Field::Connection, Value::Text(id)) => {
                let object = of.ends.id_object.get_or_init(py, || PyString::new(py, id).unbind());
                object.bind(py).clone().into_any()
            }
            (Field::Path | Field::Query | Field::Target, Value::Text(text)) => PyString::new(py, text).into_any(),
            (_, Value::Text(text)) => repeats(text).into_any(),
            (_, Value::Digits(number)) => repeats(&number.to_string()).into_any(),
            (_, Value::Int(number)) => number.into_pyobject(py)?.into_any(),
            (_, Value::Float(number)) => PyFloat::new(py, number).into_any(),
            (_, Value::Marks(bits)) => self.marks(py, bits).clone().into_any(),
            (_, Value::Attributes) => self.no_attributes.bind(py).clone(),
            (_, Value::Headers(Headers { found: [], .. })) => self.no_headers.bind(py).clone(),
            (_, Value::Headers(found)) => {
                let names = &self.headers[usize::from(field == Field::ResponseHeaders)];
                let headers = PyDict::new(py);
                for (name, values) in by_name(names, found) {
                    headers.set_item(repeats(name), PyTuple::new(py, values)?)?;
                }
                headers.into_any()
            }
        })
    }
}

/// Names, each with its values; those without are left out.
pub fn by_name<'a>(names: &'a [String], headers: Headers<'a>) -> impl Iterator<Item = (&'a str, Vec<&'a str>)> {
    let found = headers.found;
    let mut places: Vec<usize> = found.iter().map(|(of, _)| *of).collect();
    if headers.as_they_came {
        places.dedup(); // values of one name stand together
    } else {
        places.sort_unstable();
        places.dedup();
    }
    let values = move |place: usize| {
        found
            .iter()
            .filter(move |(of, _)| *of == place)
            .map(|(_, text)| &**text)
            .collect()
    };
    places.into_iter().map(move |place| (&*names[place], values(place)))
}
