//! The lane as Python sees it: records in, exchanges out; what it does not keep goes to `pipeline.decode.lane` in order.
//!
//! Python is called while nothing of the lane is borrowed: it may ask the lane for something meanwhile.

use crate::border;
use crate::connection::{Connection, Options, Phase, Step};
use crate::ends::About;
use crate::events::{Events, Item as Event, Native};
use crate::exchange::Exchange;
use crate::http2::frames::may_be_frames;
use crate::key::Key;
use crate::maker::Maker;
use crate::records::{Item, Records, to_python};
use crate::seen::Remembered;
use crate::segment::{ACK, SYN, Segment, UNUSUAL};
use crate::table::{Followed, Table};
use crate::timers::Timers;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::sync::Arc;

/// As `pipeline.decode.transport.recently_closed.MAX_ENDED`.
pub const MAX_ENDED: usize = 4096;

/// What Python remembers, by key.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Known {
    /// The directions that it follows.
    directions: Py<PyDict>,
    openings: Py<PyDict>,
    /// In place of an opening: a direction whose bytes nobody can read.
    not_http: Py<PyAny>,
    /// Directions that have ended, with the number of the SYN and the last byte.
    ended: Py<PyDict>,
    let_go: Py<PyDict>,
    /// What sources said of connections that are not followed.
    announced: Vec<Py<PyDict>>,
    /// The class of a connection that is handed over at rest.
    clean: Py<PyAny>,
    /// The class of a record that says who owns an end of a connection.
    owner: Py<PyAny>,
}

#[pyclass(module = "pipeline._lane")]
pub struct Lane {
    table: Table,
    about: About,
    options: Options,
    known: Known,
    max_connections: usize,
    max_held: usize,
    /// Requests that may wait in all, and how many wait in Python.
    max_busy: usize,
    elsewhere: usize,
    /// Adds to a counter of Python's.
    count: Py<PyAny>,
    done: usize,
}

/// What becomes of a record.
enum Fate<'py> {
    Taken,
    /// It is Python's, behind these.
    Python(Option<Bound<'py, PyList>>),
    /// It is taken, and these are Python's.
    Left(Bound<'py, PyList>),
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
            max_connections,
            max_held,
            max_busy,
            elsewhere: 0,
            count,
            done: 0,
        })
    }

    /// Connections that it follows.
    fn __len__(&self) -> usize {
        self.table.open
    }

    /// Requests that are not reported yet.
    #[getter]
    fn busy(&self) -> usize {
        self.table.busy
    }

    /// Bytes held for what is under way.
    #[getter]
    fn held_bytes(&self) -> usize {
        self.table.held_bytes
    }

    /// How many records it has been given.
    #[getter]
    fn done(&self) -> usize {
        self.done
    }

    /// How often a connection has been put among the timers, of Python or of the lane.
    #[getter]
    fn stamp(&self) -> u64 {
        self.table.timers.stamp
    }

    #[setter]
    fn set_stamp(&mut self, stamp: u64) {
        self.table.timers.stamp = stamp;
    }

    /// How many requests wait in Python.
    #[setter]
    fn set_elsewhere(&mut self, elsewhere: usize) {
        self.elsewhere = elsewhere;
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
                    match lane.segment(py, seg, payload, events)? {
                        Fate::Taken => continue,
                        Fate::Left(left) => left,
                        Fate::Python(left) => {
                            let left = left.unwrap_or_else(|| PyList::empty(py));
                            left.append(to_python(py, seg, payload)?)?;
                            left
                        }
                    }
                }
                Item::Foreign(object) => match lane.foreign(py, object)? {
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
        let taken = border::taken(clean.cast()?, &self.options.limits())?;
        let place = self.table.insert(taken.connection, taken.patience, taken.known);
        self.table.look_at(place, taken.due.0, Some(taken.due.1));
        Ok(())
    }

    /// The place of the connection that stands first to be looked at: its second and stamp.
    fn first(&mut self) -> Option<(u64, u64)> {
        self.table.first().map(|(_, place)| place)
    }

    /// That connection, if it belongs there, for Python; else it is put where it does.
    fn look_at_first<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let left = PyList::empty(py);
        if let Some(place) = self.table.look_at_first() {
            self.hand_over(py, place, &left)?;
        }
        Ok(left)
    }

    /// What is overdue, for Python to say what that means.
    fn due<'py>(&mut self, py: Python<'py>, now_ns: u64) -> PyResult<Bound<'py, PyList>> {
        let left = PyList::empty(py);
        for place in self.table.take_due(now_ns) {
            let (idle_ns, response_ns) = (self.table.timers.idle_ns, self.table.timers.response_ns);
            let Some(followed) = self.table.at(place) else { continue };
            let last_ns = followed.connection.last_ns;
            let idle = now_ns.saturating_sub(last_ns);
            if idle >= idle_ns || (idle >= response_ns && followed.connection.waiting()) {
                self.hand_over(py, place, &left)?;
            } else {
                let second = self.table.timers.next_look(last_ns, now_ns);
                self.table.look_at(place, second, None);
            }
        }
        Ok(left)
    }

    /// The end: what is under way, for Python; what rests is forgotten.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let left = PyList::empty(py);
        for (place, _) in self.table.ids() {
            if self.table.at(place).is_some_and(|followed| followed.connection.busy()) {
                self.hand_over(py, place, &left)?;
            } else {
                self.table.remove(place);
            }
        }
        Ok(left)
    }
}

impl Lane {
    fn segment<'py>(
        &mut self,
        py: Python<'py>,
        seg: &Segment,
        payload: &[u8],
        events: &Bound<'py, Events>,
    ) -> PyResult<Fate<'py>> {
        let Some(place) = self.table.find(&seg.key) else {
            return self.unknown(py, seg, payload);
        };
        let full = self.table.open + self.known.directions.bind(py).len() / 2 >= self.max_connections;
        let (options, waiting) = (&mut self.options, self.table.busy + self.elsewhere);
        let Some(followed) = self.table.at(place) else {
            return Ok(Fate::Python(None));
        };
        let connection = &mut followed.connection;
        let side = usize::from(connection.key != seg.key);
        let (was_open, was_busy, held) = (connection.is_open(), connection.under_way(), connection.held_bytes);
        options.room = (self.max_busy + was_busy).saturating_sub(waiting);
        // Where there is no room for one more, Python makes it.
        let step = if full && !was_open && seg.length > 0 {
            Step::Unusual
        } else {
            connection.step(side, seg, payload, options)
        };
        let (open, busy, holds, last_ns) = (
            connection.is_open(),
            connection.under_way(),
            connection.held_bytes,
            connection.last_ns,
        );
        let speaks_http2 = connection.http2.is_some();
        let owners = if open == was_open {
            Vec::new()
        } else {
            std::mem::take(&mut followed.owners)
        };
        let announced = !followed.owners.is_empty();
        self.table.busy = self.table.busy + busy - was_busy;
        self.table.held_bytes = self.table.held_bytes + holds - held;
        if open && !was_open {
            self.table.open += 1;
            let second = self.table.timers.first_look(last_ns);
            self.table.look_at(place, second, None);
            if speaks_http2 {
                self.count.call1(py, ("decoder_http2", 1))?;
            }
        }
        for owner in &owners {
            self.owned(py, place, owner)?;
        }
        if speaks_http2 {
            self.report_streams(py, place, events)?;
        }
        match step {
            Step::Closed if announced => self.pass_on(py, place), // Python remembers who it was
            Step::Taken if self.table.held_bytes > self.max_held => self.relieve(py),
            Step::Taken => Ok(Fate::Taken),
            Step::Whole { end } => self.report(py, place, seg, events, end),
            Step::Closed => self.close(py, place),
            Step::Partly(taken) => {
                let left = PyList::empty(py);
                self.hand_over(py, place, &left)?;
                let rest = payload.get(taken..).unwrap_or_default();
                left.append(to_python(py, &seg.from(taken), rest)?)?;
                Ok(Fate::Left(left))
            }
            Step::Unusual => self.pass_on(py, place),
        }
    }

    fn pass_on<'py>(&mut self, py: Python<'py>, place: u32) -> PyResult<Fate<'py>> {
        let left = PyList::empty(py);
        self.hand_over(py, place, &left)?;
        Ok(Fate::Python(Some(left)))
    }

    /// An exchange is whole.
    fn report<'py>(
        &mut self,
        py: Python<'py>,
        place: u32,
        seg: &Segment,
        events: &Bound<'py, Events>,
        end: bool,
    ) -> PyResult<Fate<'py>> {
        let Some(followed) = self.table.at(place) else {
            return Ok(Fate::Taken);
        };
        let connection = &mut followed.connection;
        let (sequence, marks, held) = (connection.exchanges, connection.marks, connection.held_bytes);
        let Some((request, response)) = connection.settle() else {
            return Ok(Fate::Taken);
        };
        let step = if end { connection.end(1, seg.ts_ns) } else { Step::Taken };
        let ends = self.about.followed(py, followed)?;
        let exchange = Exchange::new(request, response, ends, sequence, marks);
        events.borrow_mut().items.push(event(py, exchange, followed)?);
        self.table.busy -= 1;
        self.table.held_bytes -= held;
        if step == Step::Closed {
            self.close(py, place)
        } else {
            Ok(Fate::Taken)
        }
    }

    /// Streams are over.
    fn report_streams(&mut self, py: Python<'_>, place: u32, events: &Bound<'_, Events>) -> PyResult<()> {
        let Some(followed) = self.table.at(place) else { return Ok(()) };
        let finished = followed
            .connection
            .http2
            .as_mut()
            .map(|http2| std::mem::take(&mut http2.finished));
        let finished = finished.unwrap_or_default();
        if finished.is_empty() {
            return Ok(());
        }
        let (ends, mut events) = (self.about.followed(py, followed)?, events.borrow_mut());
        for each in finished {
            let connection = &mut followed.connection;
            let (sequence, marks) = (connection.exchanges, std::mem::take(&mut connection.marks));
            connection.exchanges += 1;
            let exchange = Exchange::of_stream(each, ends.clone(), sequence, marks);
            events.items.push(event(py, exchange, followed)?);
        }
        Ok(())
    }

    /// Both ends are done, or one of them has reset a connection at rest.
    fn close<'py>(&mut self, py: Python<'py>, place: u32) -> PyResult<Fate<'py>> {
        let Some(followed) = self.table.remove(place) else {
            return Ok(Fate::Taken);
        };
        let connection = &followed.connection;
        if connection.is_open() {
            let ended = self.known.ended.bind(py);
            for (key, next) in [
                (connection.key, connection.next[0]),
                (connection.key.reverse(), connection.next[1]),
            ] {
                if ended.len() >= MAX_ENDED {
                    ended.clear();
                }
                ended.set_item(PyBytes::new(py, key.raw()), (connection.generation, next))?;
            }
        }
        Ok(Fate::Taken)
    }

    /// Too much is held: Python, which does not need all of it, takes the connections with the most.
    fn relieve<'py>(&mut self, py: Python<'py>) -> PyResult<Fate<'py>> {
        let left = PyList::empty(py);
        while self.table.held_bytes > self.max_held - self.max_held / 8 {
            let Some(place) = self.table.largest() else { break };
            self.hand_over(py, place, &left)?;
        }
        Ok(Fate::Left(left))
    }

    /// A segment of a connection that is not in the lane: an opening, nothing at all, or Python's business.
    fn unknown<'py>(&mut self, py: Python<'py>, seg: &Segment, payload: &[u8]) -> PyResult<Fate<'py>> {
        let known = &self.known;
        let (directions, openings) = (known.directions.bind(py), known.openings.bind(py));
        let key = PyBytes::new(py, seg.key.raw());
        if seg.flags & UNUSUAL == 0 && seg.length == 0 && !directions.contains(&key)? {
            return Ok(Fate::Taken);
        }
        if seg.flags & UNUSUAL == 0
            && payload
                .first()
                .is_some_and(|first| !first.is_ascii_alphabetic() && !b"\r\n".contains(first))
            && !may_be_frames(payload)
        {
            // No message begins so in the middle of what nobody reads.
            let unread = openings.get_item(&key)?.is_some_and(|opening| opening.is(&known.not_http));
            if unread && !directions.contains(&key)? && !known.let_go.bind(py).contains(&key)? {
                return Ok(Fate::Taken);
            }
        }
        if seg.flags & (UNUSUAL | ACK) != SYN {
            return Ok(Fate::Python(None));
        }
        let back = PyBytes::new(py, seg.key.reverse().raw());
        for remembered in [&known.directions, &known.openings, &known.ended, &known.let_go]
            .into_iter()
            .chain(&known.announced)
        {
            let remembered = remembered.bind(py);
            if !remembered.is_empty() && (remembered.contains(&key)? || remembered.contains(&back)?) {
                return Ok(Fate::Python(None));
            }
        }
        let Some(opened) = Connection::opened(seg) else {
            return Ok(Fate::Python(None));
        };
        let place = self.table.insert(opened, 0, None);
        match self.table.opened(place) {
            None => Ok(Fate::Taken),
            Some(oldest) => {
                let left = PyList::empty(py);
                self.hand_over(py, oldest, &left)?;
                Ok(Fate::Left(left))
            }
        }
    }

    /// A record that is no segment: Python has to know the connection that it speaks of, unless it only says who owns that.
    fn foreign<'py>(&mut self, py: Python<'py>, record: &Py<PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
        let raw = record.getattr(py, "key")?;
        let key = raw.bind(py).cast::<PyBytes>().ok().and_then(|raw| Key::new(raw.as_bytes()));
        let left = PyList::empty(py);
        if let Some(place) = key.and_then(|key| self.table.find(&key)) {
            if record.bind(py).get_type().is(&self.known.owner) {
                self.owned(py, place, record)?;
                return Ok(None);
            }
            self.hand_over(py, place, &left)?;
        }
        left.append(record)?;
        Ok(Some(left))
    }

    /// Somebody owns an end of a connection.
    fn owned(&mut self, py: Python<'_>, place: u32, owner: &Py<PyAny>) -> PyResult<()> {
        let Some(followed) = self.table.at(place) else { return Ok(()) };
        if !followed.connection.is_open() {
            followed.owners.push(owner.clone_ref(py));
            return Ok(());
        }
        let known = match followed.known.take() {
            Some(known) => known.into_bound(py),
            None => self.about.known(py, &followed.connection)?,
        };
        known.call_method1("owned", (owner,))?;
        followed.told = None;
        followed.known = Some(known.unbind());
        Ok(())
    }

    /// Tell Python where the connection rested, and what has come since.
    fn hand_over(&mut self, py: Python<'_>, place: u32, left: &Bound<'_, PyList>) -> PyResult<()> {
        let Some(followed) = self.table.remove(place) else {
            return Ok(());
        };
        if followed.connection.phase == Phase::Open {
            left.append(border::given(py, &followed, &self.known.clean, &self.options.limits())?)?;
        }
        for held in &followed.connection.held {
            left.append(to_python(py, &held.seg, &held.payload)?)?;
        }
        for owner in &followed.owners {
            left.append(owner)?;
        }
        Ok(())
    }
}

/// An exchange of a connection as an event, with what a source said of that.
fn event(py: Python<'_>, exchange: Option<Exchange>, followed: &Followed) -> PyResult<Event> {
    let mut exchange = exchange.ok_or_else(|| PyValueError::new_err("text that is none"))?;
    let told = followed.told.as_ref().filter(|told| !told.bind(py).is_empty());
    exchange.told = told.map(|told| told.clone_ref(py));
    Ok(Event::Native(Native::Exchange(Arc::new(exchange)), None))
}
