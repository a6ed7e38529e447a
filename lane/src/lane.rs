//! The lane as Python sees it: records in, exchanges out; what it does not keep goes to `pipeline.decode.lane` in order.
//!
//! Python is called while nothing of the lane is borrowed: it may ask the lane for something meanwhile.

use crate::decoder::{Bounds, Decoder, Fate};
use crate::ends::About;
use crate::events::Events;
use crate::maker::Maker;
use crate::options::Options;
use crate::records::{Item, Records, to_python};
use crate::seen::Remembered;
use crate::table::Table;
use crate::timers::Timers;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::sync::Arc;

#[pyclass(module = "pipeline._lane")]
pub struct Lane {
    decoder: Decoder,
    done: usize,
}

#[pymethods]
impl Lane {
    #[new]
    #[pyo3(signature = (*, source, capture, request_headers, response_headers, max_head_bytes, max_connections, max_held, max_open, max_busy, response_ns, idle_ns, count, tell, told_at, known))]
    #[allow(clippy::too_many_arguments, reason = "named in Python")]
    fn new(
        py: Python<'_>,
        source: String,
        capture: String,
        request_headers: Vec<String>,
        response_headers: Vec<String>,
        max_head_bytes: usize,
        max_connections: usize,
        max_held: usize,
        max_open: usize,
        max_busy: usize,
        response_ns: u64,
        idle_ns: u64,
        count: Py<PyAny>,
        tell: Py<PyAny>,
        told_at: usize,
        known: &Bound<'_, PyDict>,
    ) -> PyResult<Lane> {
        let headers = [request_headers.clone(), response_headers.clone()];
        let maker = Arc::new(Maker::new(py, (source, capture), headers, told_at)?);
        Ok(Lane {
            decoder: Decoder {
                table: Table::new(Timers::new(response_ns, idle_ns)),
                about: About::new(py, maker, tell)?,
                options: Options {
                    request_headers,
                    response_headers,
                    max_head: max_head_bytes,
                    max_open,
                    room: 0,
                    seen: Remembered::default(),
                },
                known: known.extract()?,
                bounds: Bounds {
                    connections: max_connections,
                    held: max_held,
                    busy: max_busy,
                },
                elsewhere: 0,
                count,
            },
            done: 0,
        })
    }

    /// Connections that it follows.
    fn __len__(&self) -> usize {
        self.decoder.table.open
    }

    /// Requests that are not reported yet.
    #[getter]
    fn busy(&self) -> usize {
        self.decoder.table.busy
    }

    /// Bytes held for what is under way.
    #[getter]
    fn held_bytes(&self) -> usize {
        self.decoder.table.held_bytes
    }

    /// How many records it has been given.
    #[getter]
    fn done(&self) -> usize {
        self.done
    }

    /// How often a connection has been put among the timers, of Python or of the lane.
    #[getter]
    fn stamp(&self) -> u64 {
        self.decoder.table.timers.stamp
    }

    #[setter]
    fn set_stamp(&mut self, stamp: u64) {
        self.decoder.table.timers.stamp = stamp;
    }

    /// How many requests wait in Python.
    #[setter]
    fn set_elsewhere(&mut self, elsewhere: usize) {
        self.decoder.elsewhere = elsewhere;
    }

    /// Decode; exchanges are put into `events`. Returns the time of the last record.
    ///
    /// `take(records)` is given what is Python's, and returns a connection at rest or None; `look(before, now)` is called where
    /// time goes beyond `clock`, from when to when it may go without, and returns the next one.
    fn feed<'py>(
        slf: &Bound<'py, Self>,
        records: &Bound<'py, Records>,
        events: &Bound<'py, Events>,
        before: i128,
        mut clock: (i128, i128),
        take: &Bound<'py, PyAny>,
        look: &Bound<'py, PyAny>,
    ) -> PyResult<i128> {
        let (py, records, mut before) = (slf.py(), records.get(), before);
        let mut lane = slf.borrow_mut();
        for item in &records.batch.items[records.from..records.to] {
            let ts_ns = match item {
                Item::Native(seg) => i128::from(seg.ts_ns),
                Item::Foreign(object) => object.getattr(py, "ts_ns")?.extract(py)?,
            };
            if ts_ns < clock.0 || ts_ns >= clock.1 {
                drop(lane);
                clock = look.call1((before, ts_ns))?.extract()?;
                lane = slf.borrow_mut();
            }
            before = ts_ns;
            lane.done += 1;
            let left = match item {
                Item::Native(seg) => {
                    let payload = records.batch.payload(py, seg);
                    match lane.decoder.segment(py, seg, payload, events)? {
                        Fate::Taken => continue,
                        Fate::Left(left) => left,
                        Fate::Python(left) => {
                            let left = left.unwrap_or_else(|| PyList::empty(py));
                            left.append(to_python(py, seg, payload)?)?;
                            left
                        }
                    }
                }
                Item::Foreign(object) => match lane.decoder.foreign(py, object)? {
                    Some(left) => left,
                    None => continue,
                },
            };
            drop(lane);
            let rested = take.call1((left,))?;
            lane = slf.borrow_mut();
            if !rested.is_none() {
                lane.adopt(&rested)?;
            }
        }
        Ok(before)
    }

    /// Follow a connection at rest, a `Clean`.
    fn adopt(&mut self, clean: &Bound<'_, PyAny>) -> PyResult<()> {
        self.decoder.adopt(clean)
    }

    /// The place of the connection that stands first to be looked at: its second and stamp.
    fn first(&mut self) -> Option<(u64, u64)> {
        self.decoder.table.first().map(|(_, place)| place)
    }

    /// That connection, if it belongs there, for Python; else it is put where it does.
    fn look_at_first<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.decoder.look_at_first(py)
    }

    /// What is overdue, for Python to say what that means.
    fn due<'py>(&mut self, py: Python<'py>, now_ns: u64) -> PyResult<Bound<'py, PyList>> {
        self.decoder.due(py, now_ns)
    }

    /// The end: what is under way, for Python; what rests is forgotten.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.decoder.finish(py)
    }
}
