//! A request and its response → `Exchange`, by position, as `pipeline.decode.pairing.build` has it. Text that repeats is made once.

use crate::connection::Connection;
use crate::message::{Request, Response};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyString, PyTuple, PyType};
use std::collections::HashMap;

/// As `_EXCHANGE_BYTES` of `build`.
const EXCHANGE_BYTES: usize = 900;
/// What a reported value costs beside its text, as `FieldParser` has it.
const VALUE_BYTES: usize = 60;
const CACHED: usize = 4096;
const CACHED_BYTES: usize = 512;

/// The endpoints of a connection, as `pipeline.model.connection.Names` has them.
pub struct Ends {
    client_address: Py<PyAny>,
    client_port: Py<PyAny>,
    server_address: Py<PyAny>,
    server_port: Py<PyAny>,
    network_type: Py<PyAny>,
    id: Py<PyAny>,
}

#[derive(Default)]
struct Texts(HashMap<Box<[u8]>, Py<PyString>>);

impl Texts {
    /// The text of UTF-8 bytes.
    fn of<'py>(&mut self, py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if let Some(known) = self.0.get(raw) {
            return Ok(known.bind(py).clone());
        }
        let made = PyString::from_bytes(py, raw)?;
        if raw.len() <= CACHED_BYTES {
            if self.0.len() >= CACHED {
                self.0.clear();
            }
            self.0.insert(raw.into(), made.clone().unbind());
        }
        Ok(made)
    }
}

pub struct Builder {
    make: Py<PyType>,
    no_attributes: Py<PyAny>,
    no_headers: Py<PyAny>,
    connection: Py<PyAny>,
    tell: Py<PyAny>,
    /// The place among an exchange's values of the first one that is told.
    told_at: usize,
    marks: Vec<Py<PyAny>>,
    source: Py<PyAny>,
    capture: Py<PyAny>,
    request_headers: Vec<Py<PyString>>,
    response_headers: Vec<Py<PyString>>,
    texts: Texts,
}

impl Builder {
    /// `tell(connection)` gives what a source said of a connection, as the values of an exchange from the place `told_at` on.
    pub fn new(
        py: Python<'_>,
        source: Py<PyAny>,
        capture: Py<PyAny>,
        headers: [&[String]; 2],
        (tell, told_at): (Py<PyAny>, usize),
    ) -> PyResult<Builder> {
        let events = py.import("pipeline.model.events.event")?;
        let marks = py.import("pipeline.decode.marks")?.getattr("NAMES")?;
        let [request_headers, response_headers] =
            headers.map(|names| names.iter().map(|name| PyString::new(py, name).unbind()).collect());
        Ok(Builder {
            make: py
                .import("pipeline.model.events.exchange")?
                .getattr("Exchange")?
                .cast_into()?
                .unbind(),
            no_attributes: events.getattr("NO_ATTRIBUTES")?.unbind(),
            no_headers: events.getattr("NO_HEADERS")?.unbind(),
            connection: py.import("pipeline.model.connection")?.getattr("Connection")?.unbind(),
            tell,
            told_at,
            marks: marks
                .try_iter()?
                .map(|each| each.map(Bound::unbind))
                .collect::<PyResult<_>>()?,
            source,
            capture,
            request_headers,
            response_headers,
            texts: Texts::default(),
        })
    }

    /// `known` is the connection where Python has made it already.
    pub fn ends(&mut self, py: Python<'_>, of: &Connection, known: Option<&Py<PyAny>>) -> PyResult<Ends> {
        if let (Some(([client, server], [client_port, server_port])), None) = (of.key.ipv4(), known) {
            let suffix = if of.generation == 0 {
                String::new()
            } else {
                format!("-{}", of.generation)
            };
            let id = format!("{client}:{client_port}-{server}:{server_port}{suffix}");
            return Ok(Ends {
                id: PyString::new(py, &id).into_any().unbind(),
                client_address: self.texts.of(py, client.to_string().as_bytes())?.into_any().unbind(),
                client_port: client_port.into_pyobject(py)?.into_any().unbind(),
                server_address: self.texts.of(py, server.to_string().as_bytes())?.into_any().unbind(),
                server_port: server_port.into_pyobject(py)?.into_any().unbind(),
                network_type: intern!(py, "ipv4").clone().into_any().unbind(),
            });
        }
        let connection = match known {
            Some(known) => known.bind(py).clone(),
            None => self
                .connection
                .bind(py)
                .call1((PyBytes::new(py, of.key.raw()), of.last_ns, of.generation))?,
        };
        let mut names = connection.getattr("names")?;
        if names.is_none() {
            names = connection.call_method0("name")?;
        }
        Ok(Ends {
            client_address: names.getattr("client_address")?.unbind(),
            client_port: names.getattr("client_port")?.unbind(),
            server_address: names.getattr("server_address")?.unbind(),
            server_port: names.getattr("server_port")?.unbind(),
            network_type: names.getattr("network_type")?.unbind(),
            id: names.getattr("id")?.unbind(),
        })
    }

    /// The connection as Python has it, which knows nothing yet.
    pub fn known<'py>(&self, py: Python<'py>, of: &Connection) -> PyResult<Bound<'py, PyAny>> {
        self.connection
            .bind(py)
            .call1((PyBytes::new(py, of.key.raw()), of.last_ns, of.generation))
    }

    /// What a source said of a connection.
    pub fn told<'py>(&self, known: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let py = known.py();
        if !known.getattr(intern!(py, "known"))?.is_truthy()? {
            return Ok(PyTuple::empty(py));
        }
        Ok(self.tell.bind(py).call1((known,))?.cast_into()?)
    }

    pub fn exchange<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request,
        response: &Response,
        (ends, told): (&Ends, Option<&Bound<'py, PyTuple>>),
        sequence: u64,
        marks: u16,
    ) -> PyResult<Bound<'py, PyAny>> {
        let none = || py.None().into_bound(py);
        let (head, fields, asked, answered) = (&request.head, &request.head.fields, &request.message, &response.message);
        let raw = head.target.of(&request.text);
        let target = PyString::from_bytes(py, raw)?;
        let (path, query) = match memchr::memchr(b'?', raw) {
            None => (target.clone(), none()),
            Some(mark) => (
                PyString::from_bytes(py, &raw[..mark])?,
                PyString::from_bytes(py, &raw[mark + 1..])?.into_any(),
            ),
        };
        let http = intern!(py, "http");
        let mut cost = EXCHANGE_BYTES + 2 * raw.len();
        let address = match fields.host {
            Some(host) => self.texts.of(py, host.of(&request.text))?.into_any(),
            None => ends.server_address.bind(py).clone(),
        };
        let port = match fields.port {
            Some(port) if port != 0 => port.into_pyobject(py)?.into_any(),
            _ => ends.server_port.bind(py).clone(),
        };
        let agent = match fields.agent {
            Some(agent) => {
                let raw = agent.of(&request.text);
                cost += raw.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
                self.texts.of(py, raw)?.into_any()
            }
            None => none(),
        };
        let status = response.head.status;
        let error = if status >= 500 {
            self.texts.of(py, status.to_string().as_bytes())?.into_any()
        } else {
            none()
        };
        let asked_headers = self.headers(py, &self.request_headers, &fields.reported, &mut cost)?;
        let answered_headers = self.headers(py, &self.response_headers, &response.head.fields.reported, &mut cost)?;
        let (mut ttfb, mut duration) = (
            millis(asked.start_ns, answered.start_ns),
            millis(asked.start_ns, answered.end_ns),
        );
        if ttfb < 0.0 {
            (ttfb, duration) = (0.0, duration.max(0.0));
        }
        let values = [
            asked.start_ns.into_pyobject(py)?.into_any(),
            self.no_attributes.bind(py).clone(),
            cost.into_pyobject(py)?.into_any(),
            self.texts.of(py, head.method.as_bytes())?.into_any(),
            none(),
            http.clone().into_any(),
            path.into_any(),
            query,
            address,
            port,
            ends.client_address.bind(py).clone(),
            ends.client_port.bind(py).clone(),
            ends.server_address.bind(py).clone(),
            ends.server_port.bind(py).clone(),
            ends.network_type.bind(py).clone(),
            http.clone().into_any(),
            self.texts.of(py, head.version.as_bytes())?.into_any(),
            status.into_pyobject(py)?.into_any(),
            asked.body().into_pyobject(py)?.into_any(),
            answered.body().into_pyobject(py)?.into_any(),
            asked.size.into_pyobject(py)?.into_any(),
            answered.size.into_pyobject(py)?.into_any(),
            agent,
            asked_headers,
            answered_headers,
            error,
            PyFloat::new(py, duration).into_any(),
            PyFloat::new(py, ttfb).into_any(),
            target.into_any(),
            self.source.bind(py).clone(),
            self.capture.bind(py).clone(),
            ends.id.bind(py).clone(),
            sequence.into_pyobject(py)?.into_any(),
            self.marks[usize::from(marks)].bind(py).clone(),
        ];
        let Some(told) = told.filter(|told| !told.is_empty()) else {
            return self.make.bind(py).call1(PyTuple::new(py, values)?);
        };
        let mut values = Vec::from(values);
        values.resize_with(self.told_at, none);
        values.extend(told);
        self.make.bind(py).call1(PyTuple::new(py, values)?)
    }

    fn headers<'py>(
        &self,
        py: Python<'py>,
        names: &[Py<PyString>],
        found: &[(usize, Box<str>)],
        cost: &mut usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        if found.is_empty() {
            return Ok(self.no_headers.bind(py).clone());
        }
        let headers = PyDict::new(py);
        for (place, name) in names.iter().enumerate() {
            let values: Vec<&str> = found.iter().filter(|(of, _)| *of == place).map(|(_, text)| &**text).collect();
            if !values.is_empty() {
                *cost += values.iter().map(|text| text.chars().count() + VALUE_BYTES).sum::<usize>();
                headers.set_item(name, PyTuple::new(py, values)?)?;
            }
        }
        Ok(headers.into_any())
    }
}

/// Milliseconds between two times.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 ns are 104 days; Python rounds in the same way beyond"
)]
fn millis(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e6
}
