//! What records, time and Python's connections do to those in the lane: exchanges come out, and what is Python's.

use crate::border;
use crate::connection::{Connection, Phase, Step};
use crate::ends::About;
use crate::events::{Events, Item as Event, Native};
use crate::exchange::Exchange;
use crate::key::Key;
use crate::known::Known;
use crate::options::Options;
use crate::records::to_python;
use crate::segment::{ACK, SYN, Segment, UNUSUAL};
use crate::table::{Followed, Table};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

pub struct Decoder {
    pub table: Table,
    pub about: About,
    pub options: Options,
    pub known: Known,
    pub bounds: Bounds,
    /// How many requests wait in Python.
    pub elsewhere: usize,
    /// Adds to a counter of Python's.
    pub count: Py<PyAny>,
}

/// Connections, bytes held, and requests that may wait in all.
pub struct Bounds {
    pub connections: usize,
    pub held: usize,
    pub busy: usize,
}

/// What becomes of a record.
pub enum Fate<'py> {
    Taken,
    /// It is Python's, behind these.
    Python(Option<Bound<'py, PyList>>),
    /// It is taken, and these are Python's.
    Left(Bound<'py, PyList>),
}

impl Decoder {
    /// A segment.
    pub fn segment<'py>(
        &mut self,
        py: Python<'py>,
        seg: &Segment,
        payload: &[u8],
        events: &Bound<'py, Events>,
    ) -> PyResult<Fate<'py>> {
        let Some(place) = self.table.find(&seg.key) else {
            return self.unknown(py, seg, payload);
        };
        let full = self.table.open + self.known.open(py) >= self.bounds.connections;
        let (options, waiting) = (&mut self.options, self.table.busy + self.elsewhere);
        let Some(followed) = self.table.at(place) else {
            return Ok(Fate::Python(None));
        };
        let connection = &mut followed.connection;
        let side = usize::from(connection.key != seg.key);
        let (was_open, was_busy, held) = (connection.is_open(), connection.under_way(), connection.held_bytes());
        options.room = (self.bounds.busy + was_busy).saturating_sub(waiting);
        // Where there is no room for one more, Python makes it.
        let step = if full && !was_open && seg.length > 0 {
            Step::Unusual
        } else {
            connection.step(side, seg, payload, options)
        };
        let (open, busy, holds, last_ns) = (
            connection.is_open(),
            connection.under_way(),
            connection.held_bytes(),
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
            Step::Taken if self.table.held_bytes > self.bounds.held => self.relieve(py),
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
        let (sequence, marks, held) = (connection.exchanges, connection.marks, connection.held_bytes());
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
            self.known.ends(py, connection)?;
        }
        Ok(Fate::Taken)
    }

    /// Too much is held: Python, which does not need all of it, takes the connections with the most.
    fn relieve<'py>(&mut self, py: Python<'py>) -> PyResult<Fate<'py>> {
        let left = PyList::empty(py);
        while self.table.held_bytes > self.bounds.held - self.bounds.held / 8 {
            let Some(place) = self.table.largest() else { break };
            self.hand_over(py, place, &left)?;
        }
        Ok(Fate::Left(left))
    }

    /// A segment of a connection that is not in the lane: an opening, nothing at all, or Python's business.
    fn unknown<'py>(&mut self, py: Python<'py>, seg: &Segment, payload: &[u8]) -> PyResult<Fate<'py>> {
        if self.known.passes_by(py, seg, payload)? {
            return Ok(Fate::Taken);
        }
        if seg.flags & (UNUSUAL | ACK) != SYN || self.known.remembers(py, &seg.key)? {
            return Ok(Fate::Python(None));
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
    pub fn foreign<'py>(&mut self, py: Python<'py>, record: &Py<PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
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

    /// A connection at rest, a `Clean`, comes from Python.
    pub fn adopt(&mut self, clean: &Bound<'_, PyAny>) -> PyResult<()> {
        let taken = border::taken(clean.cast()?, &self.options.limits())?;
        let place = self.table.insert(taken.connection, taken.patience, taken.known);
        self.table.look_at(place, taken.due.0, Some(taken.due.1));
        Ok(())
    }

    /// The connection that stands first to be looked at, if it belongs there; else it is put where it does.
    pub fn look_at_first<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let left = PyList::empty(py);
        if let Some(place) = self.table.look_at_first() {
            self.hand_over(py, place, &left)?;
        }
        Ok(left)
    }

    /// What is overdue.
    pub fn due<'py>(&mut self, py: Python<'py>, now_ns: u64) -> PyResult<Bound<'py, PyList>> {
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

    /// The end: what is under way is given out, what rests is forgotten.
    pub fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
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
        for held in &followed.connection.http1.held.segments {
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
