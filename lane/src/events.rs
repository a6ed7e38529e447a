//! A batch of events in native memory. To Python it is a sequence of events, made when somebody looks.

use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::line::Line;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyNone, PySequence, PySlice, PyString, PyTuple};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

#[derive(Clone)]
pub enum Native {
    Exchange(Arc<Exchange>),
    Line(Arc<Line>),
}

/// Attributes that transforms have given to events that had none.
pub struct Added {
    pub attributes: Py<PyDict>,
    /// What they cost in memory.
    bytes: usize,
    /// The end of lines with them.
    pub tail: PyOnceLock<Option<Py<PyBytes>>>,
}

impl Added {
    fn new(row: &Bound<'_, PyAny>) -> PyResult<Added> {
        let (attributes, bytes) = row.extract()?;
        Ok(Added {
            attributes,
            bytes,
            tail: PyOnceLock::new(),
        })
    }
}

/// An event with attributes that it has been given.
pub struct Given {
    pub added: Arc<Added>,
    made: PyOnceLock<Py<PyAny>>,
}

pub enum Item {
    Native(Native, Option<Arc<Given>>),
    /// What Python has made.
    Foreign(Py<PyAny>),
}

#[pyclass(sequence, module = "pipeline._lane")]
#[derive(Default)]
pub struct Events {
    pub items: Vec<Item>,
}

impl Native {
    fn memory(&self) -> usize {
        match self {
            Native::Exchange(exchange) => exchange.memory,
            Native::Line(line) => line.memory(),
        }
    }

    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Native::Exchange(exchange) => exchange.ends.maker.object(py, exchange),
            Native::Line(line) => line.object(py),
        }
    }
}

impl Item {
    fn copy(&self, py: Python<'_>) -> Item {
        match self {
            Item::Native(native, given) => Item::Native(native.clone(), given.clone()),
            Item::Foreign(event) => Item::Foreign(event.clone_ref(py)),
        }
    }

    pub fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Item::Native(native, None) => native.object(py),
            Item::Native(native, Some(given)) => {
                let made = given.made.get_or_try_init(py, || {
                    let changes = PyDict::new(py);
                    changes.set_item("attributes", &given.added.attributes)?;
                    changes.set_item("memory_bytes", native.memory() + given.added.bytes)?;
                    let replace = py.import(intern!(py, "msgspec.structs"))?.getattr(intern!(py, "replace"))?;
                    PyResult::Ok(replace.call((native.object(py)?,), Some(&changes))?.unbind())
                })?;
                Ok(made.bind(py).clone())
            }
            Item::Foreign(event) => Ok(event.bind(py).clone()),
        }
    }

    fn memory(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Item::Native(native, given) => Ok(native.memory() + given.as_ref().map_or(0, |given| given.added.bytes)),
            Item::Foreign(event) => event.getattr(py, intern!(py, "memory_bytes"))?.extract(py),
        }
    }
}

#[pymethods]
impl Events {
    #[new]
    fn new() -> Events {
        Events::default()
    }

    /// All of these, in order: batches like this one, or any other sequences of events.
    #[staticmethod]
    fn joined(py: Python<'_>, runs: &Bound<'_, PyAny>) -> PyResult<Events> {
        let mut found = Events::default();
        for run in runs.try_iter()? {
            let run = run?;
            if let Ok(events) = run.cast::<Events>() {
                found.items.extend(events.borrow().items.iter().map(|item| item.copy(py)));
            } else {
                for event in run.try_iter()? {
                    found.items.push(Item::Foreign(event?.unbind()));
                }
            }
        }
        Ok(found)
    }

    /// One that Python has made.
    fn append(&mut self, event: Py<PyAny>) {
        self.items.push(Item::Foreign(event));
    }

    fn __len__(&self) -> usize {
        self.items.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let found = slice.indices(self.items.len().try_into()?)?;
            if found.step != 1 {
                return Err(PyTypeError::new_err("events are sliced one by one"));
            }
            let from = usize::try_from(found.start)?;
            let items = self.items[from..from + found.slicelength].iter().map(|item| item.copy(py));
            return Ok(Bound::new(py, Events { items: items.collect() })?.into_any());
        }
        let place: isize = index.extract()?;
        let place = if place < 0 {
            self.items.len().checked_add_signed(place)
        } else {
            usize::try_from(place).ok()
        };
        match place.and_then(|place| self.items.get(place)) {
            Some(item) => item.object(py),
            None => Err(PyIndexError::new_err("no such event")),
        }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.tolist(py)?.try_iter()
    }

    /// As lists compare, and with lists too.
    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<PySequence>() else {
            return Ok(false);
        };
        self.tolist(py)?.eq(other.to_list()?)
    }

    /// All of them as objects.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = PyList::empty(py);
        for item in &self.items {
            found.append(item.object(py)?)?;
        }
        Ok(found)
    }

    /// About how many bytes of memory they take.
    #[getter]
    fn memory_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.items.iter().map(|item| item.memory(py)).sum()
    }

    /// The same of each.
    fn sizes(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        self.items.iter().map(|item| item.memory(py)).collect()
    }

    /// How many of them are Python's objects by now.
    #[getter]
    fn objects(&self, py: Python<'_>) -> usize {
        let made = |item: &&Item| match item {
            Item::Native(_, Some(given)) if given.made.get(py).is_some() => true,
            Item::Native(Native::Exchange(exchange), _) => exchange.made.get(py).is_some(),
            Item::Native(Native::Line(line), _) => line.made.get(py).is_some(),
            Item::Foreign(_) => true,
        };
        self.items.iter().filter(made).count()
    }

    /// Values of these attributes, a tuple for each event; None where an event is no exchange. Not of attributes and headers.
    fn columns<'py>(&self, py: Python<'py>, names: &Bound<'py, PyList>) -> PyResult<Option<Bound<'py, PyList>>> {
        let exchange = py
            .import(intern!(py, "pipeline.model.events.exchange"))?
            .getattr(intern!(py, "Exchange"))?;
        let names: Vec<Bound<'py, PyString>> = names.extract()?;
        let (rows, mut clock) = (PyList::empty(py), Clock::default());
        for item in &self.items {
            let mut row = Vec::with_capacity(names.len());
            for name in &names {
                row.push(match item {
                    Item::Native(Native::Exchange(exchange), _) => {
                        let value = exchange.ends.maker.named(py, exchange, name.to_str()?)?;
                        value.unwrap_or_else(|| PyNone::get(py).to_owned().into_any())
                    }
                    Item::Native(Native::Line(line), _) => line.named(py, name.to_str()?, &mut clock)?,
                    Item::Foreign(event) if event.bind(py).get_type().is(&exchange) => event.bind(py).getattr(name)?,
                    Item::Foreign(_) => return Ok(None),
                });
            }
            rows.append(PyTuple::new(py, row)?)?;
        }
        Ok(Some(rows))
    }

    /// Those at these places.
    fn picked(&self, py: Python<'_>, places: Vec<usize>) -> PyResult<Events> {
        let item = |place: usize| self.items.get(place).ok_or_else(|| PyIndexError::new_err("no such event"));
        let items = places.into_iter().map(|place| item(place).map(|item| item.copy(py)));
        Ok(Events {
            items: items.collect::<PyResult<_>>()?,
        })
    }

    /// With attributes that a transform adds: `rows` has for each event a tuple of them and what they cost in memory, or None; or it
    /// is one such tuple, for all. `merged(attributes, row)` gives the tuple of an event that has been given some before;
    /// `other(event, row)` the event where Python has made it.
    fn with_attributes(
        &self,
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        merged: &Bound<'_, PyAny>,
        other: &Bound<'_, PyAny>,
    ) -> PyResult<Events> {
        let each = rows.cast::<PyList>().ok();
        let mut known: HashMap<(usize, usize), Arc<Added>> = HashMap::new();
        let mut items = Vec::with_capacity(self.items.len());
        for (place, item) in self.items.iter().enumerate() {
            let row = each.map_or_else(|| Ok(rows.clone()), |each| each.get_item(place))?;
            items.push(match item {
                _ if row.is_none() => item.copy(py),
                Item::Native(native, given) => {
                    let before = given.as_ref().map(|given| &given.added);
                    let key = (before.map_or(0, |added| Arc::as_ptr(added) as usize), row.as_ptr() as usize);
                    let added = match known.entry(key) {
                        Entry::Occupied(found) => found.get().clone(),
                        Entry::Vacant(place) => {
                            let whole = before.map_or_else(|| Ok(row.clone()), |old| merged.call1((&old.attributes, &row)))?;
                            place.insert(Arc::new(Added::new(&whole)?)).clone()
                        }
                    };
                    let made = PyOnceLock::new();
                    Item::Native(native.clone(), Some(Arc::new(Given { added, made })))
                }
                Item::Foreign(event) => Item::Foreign(other.call1((event, row))?.unbind()),
            });
        }
        Ok(Events { items })
    }
}
