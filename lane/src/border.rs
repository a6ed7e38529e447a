//! A connection at rest as it passes the border: `pipeline.decode.lane.Clean`, by position.

use crate::connection::{Connection, Rest};
use crate::http2::follower::{Http2, Limits};
use crate::key::Key;
use crate::table::Followed;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyTuple};

/// For how many exchanges Python keeps a connection at most, on which something unusual happens again and again.
const MAX_PATIENCE: u32 = 1023;

pub struct Taken {
    pub connection: Connection,
    /// Its place among the timers.
    pub due: (u64, u64),
    pub patience: u32,
    /// As Python knows it, where it does.
    pub known: Option<Py<PyAny>>,
}

/// What Python hands back.
pub fn taken(clean: &Bound<'_, PyTuple>, limits: &Limits<'_>) -> PyResult<Taken> {
    let raw = clean.get_item(0)?;
    let key = Key::new(raw.cast::<PyBytes>()?.as_bytes()).ok_or_else(|| PyValueError::new_err("a key of packets is needed"))?;
    let mut connection = Connection::at_rest(key, [clean.get_item(1)?.extract()?, clean.get_item(2)?.extract()?]);
    connection.last_ns = clean.get_item(5)?.extract()?;
    connection.generation = clean.get_item(7)?.extract()?;
    connection.exchanges = clean.get_item(8)?.extract()?;
    connection.answers = clean.get_item(9)?.extract()?;
    connection.replied = clean.get_item(10)?.extract()?;
    connection.marks = clean.get_item(11)?.extract()?;
    connection.behaviour = clean.get_item(12)?.extract()?;
    connection.batch = clean.get_item(13)?.extract()?;
    connection.rejoined = clean.get_item(14)?.extract()?;
    connection.http1.informational = clean.get_item(15)?.extract()?;
    connection.rest.informational = connection.http1.informational;
    let (known, http2) = (clean.get_item(17)?, clean.get_item(18)?);
    if !http2.is_none() {
        connection.http2 = Some(Box::new(Http2::from_python(&http2, limits)?));
    }
    Ok(Taken {
        connection,
        due: clean.get_item(6)?.extract()?,
        patience: clean.get_item(16)?.extract()?,
        known: (!known.is_none()).then(|| known.unbind()),
    })
}

/// What Python is handed, as the class `clean`: where the connection rested.
pub fn given<'py>(py: Python<'py>, followed: &Followed, clean: &Py<PyAny>, limits: &Limits<'_>) -> PyResult<Bound<'py, PyAny>> {
    let connection = &followed.connection;
    let Rest { mut next, informational } = connection.rest;
    let http2 = match &connection.http2 {
        None => py.None().into_bound(py),
        Some(http2) => {
            next = connection.next;
            http2.to_python(py, limits)?.into_any()
        }
    };
    let kept = connection.exchanges - followed.since;
    let long = kept > 8 * (u64::from(followed.patience) + 1);
    let patience = if long {
        followed.patience / 2
    } else {
        (2 * followed.patience + 1).min(MAX_PATIENCE)
    };
    let values = [
        PyBytes::new(py, connection.key.raw()).into_any(),
        next[0].into_pyobject(py)?.into_any(),
        next[1].into_pyobject(py)?.into_any(),
        PyBool::new(py, connection.ended[0]).to_owned().into_any(),
        PyBool::new(py, connection.ended[1]).to_owned().into_any(),
        connection.last_ns.into_pyobject(py)?.into_any(),
        followed.due.into_pyobject(py)?.into_any(),
        connection.generation.into_pyobject(py)?.into_any(),
        connection.exchanges.into_pyobject(py)?.into_any(),
        connection.answers.into_pyobject(py)?.into_any(),
        connection.replied.into_pyobject(py)?.into_any(),
        connection.marks.into_pyobject(py)?.into_any(),
        connection.behaviour.into_pyobject(py)?.into_any(),
        connection.batch.into_pyobject(py)?.into_any(),
        connection.rejoined.into_pyobject(py)?.into_any(),
        informational.into_pyobject(py)?.into_any(),
        patience.into_pyobject(py)?.into_any(),
        followed
            .known
            .as_ref()
            .map_or_else(|| py.None().into_bound(py), |known| known.bind(py).clone()),
        http2,
        connection.http1.held.segments.len().into_pyobject(py)?.into_any(),
    ];
    clean.bind(py).call1(PyTuple::new(py, values)?)
}
