//! A batch of records in native memory. To Python it is a sequence of records, made when somebody looks.

use crate::key::Key;
use crate::segment::{ACK, SYN, Segment};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyList, PySequence, PySlice, PyTuple, PyType};
use std::collections::HashMap;
use std::sync::Arc;

pub enum Item {
    Native(Segment),
    /// What no segment of the lane's is: another kind of record, a key of another kind.
    Foreign(Py<PyAny>),
}

/// As `pipeline.packets.kept.Part`.
type Part<'py> = (Bound<'py, PyBytes>, Option<u32>, u64, Vec<usize>);

/// Payloads that do not lie in a batch's block: numbered from its end on.
pub struct Side {
    from: usize,
    bytes: Vec<u8>,
}

impl Side {
    pub fn behind(block: &Bound<'_, PyBytes>) -> Side {
        Side {
            from: block.as_bytes().len(),
            bytes: Vec::new(),
        }
    }

    /// A record that Python has made; a segment becomes native.
    pub fn item(&mut self, record: Bound<'_, PyAny>) -> Item {
        let native = if segment_type(record.py()).is_ok_and(|kind| record.get_type().is(kind)) {
            native(&record, self)
        } else {
            None
        };
        native.map_or_else(|| Item::Foreign(record.unbind()), Item::Native)
    }
}

pub struct Batch {
    block: Py<PyBytes>,
    side: Side,
    pub items: Vec<Item>,
}

#[pyclass(frozen, sequence, module = "pipeline._lane")]
pub struct Records {
    pub batch: Arc<Batch>,
    pub from: usize,
    pub to: usize,
}

impl Batch {
    pub fn payload<'a>(&'a self, py: Python<'a>, seg: &Segment) -> &'a [u8] {
        let (at, captured) = (seg.at as usize, seg.captured as usize);
        match at.checked_sub(self.side.from) {
            Some(at) => &self.side.bytes[at..at + captured],
            None => &self.block.as_bytes(py)[at..at + captured],
        }
    }

    fn object<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.items[place] {
            Item::Native(seg) => to_python(py, seg, self.payload(py, seg)),
            Item::Foreign(object) => Ok(object.bind(py).clone()),
        }
    }
}

impl Records {
    pub fn new(side: Side, block: Py<PyBytes>, items: Vec<Item>) -> Records {
        let to = items.len();
        Records {
            batch: Arc::new(Batch { block, side, items }),
            from: 0,
            to,
        }
    }
}

#[pymethods]
impl Records {
    /// The same records; segments become native.
    #[staticmethod]
    fn of(py: Python<'_>, records: &Bound<'_, PyAny>) -> PyResult<Records> {
        let block = PyBytes::new(py, b"");
        let (mut side, mut items) = (Side::behind(&block), Vec::new());
        for record in records.try_iter()? {
            items.push(side.item(record?));
        }
        Ok(Records::new(side, block.unbind(), items))
    }

    fn __len__(&self) -> usize {
        self.to - self.from
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let size = self.to - self.from;
        if let Ok(slice) = index.cast::<PySlice>() {
            let found = slice.indices(size.try_into()?)?;
            if found.step != 1 {
                return Err(PyTypeError::new_err("records are sliced one by one"));
            }
            let from = self.from + usize::try_from(found.start)?;
            let part = Records {
                batch: self.batch.clone(),
                from,
                to: from + found.slicelength,
            };
            return Ok(Bound::new(py, part)?.into_any());
        }
        let place: isize = index.extract()?;
        let place = if place < 0 {
            size.checked_add_signed(place)
        } else {
            usize::try_from(place).ok()
        };
        match place.filter(|&place| place < size) {
            Some(place) => self.batch.object(py, self.from + place),
            None => Err(PyIndexError::new_err("no such record")),
        }
    }

    /// As lists compare, and with lists too.
    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<PySequence>() else {
            return Ok(false);
        };
        self.tolist(py)?.eq(other.to_list()?)
    }

    /// When the first was captured; None where there is none.
    #[getter]
    fn first_ns(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        match self.batch.items[self.from..self.to].first() {
            Some(Item::Native(seg)) => Ok(Some(seg.ts_ns)),
            Some(Item::Foreign(object)) => Ok(Some(object.getattr(py, "ts_ns")?.extract(py)?)),
            None => Ok(None),
        }
    }

    /// What it holds of memory, in bytes, with the block that its payloads lie in.
    #[getter]
    fn memory_bytes(&self, py: Python<'_>) -> usize {
        let batch = &self.batch;
        batch.block.as_bytes(py).len() + batch.side.bytes.len() + batch.items.len() * size_of::<Item>()
    }

    /// Where each connection has its records: its key, the sequence number of the SYN that stands first, when the first was
    /// captured, and the places. As `pipeline.packets.kept.parts_of`.
    fn by_connection<'py>(&self, py: Python<'py>) -> PyResult<Vec<Part<'py>>> {
        let mut found: Vec<(Key, Option<u32>, u64, Vec<usize>)> = Vec::new();
        let mut latest: HashMap<Key, usize> = HashMap::new();
        for (place, item) in self.batch.items[self.from..self.to].iter().enumerate() {
            let (key, opening, ts_ns) = match item {
                Item::Native(seg) => (seg.key, (seg.flags & (SYN | ACK) == SYN).then_some(seg.seq), seg.ts_ns),
                Item::Foreign(object) => {
                    let key: Vec<u8> = object.getattr(py, "key")?.extract(py)?;
                    let Some(key) = Key::new(&key) else { continue };
                    (key, None, object.getattr(py, "ts_ns")?.extract(py)?)
                }
            };
            let connection = key.of_connection();
            match latest.get(&connection) {
                Some(&at) if opening.is_none() || opening == found[at].1 => found[at].3.push(place),
                _ => {
                    latest.insert(connection, found.len());
                    found.push((connection, opening, ts_ns, vec![place]));
                }
            }
        }
        let parts = found.into_iter();
        Ok(parts
            .map(|(key, opening, ts_ns, places)| (PyBytes::new(py, key.raw()), opening, ts_ns, places))
            .collect())
    }

    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = PyList::empty(py);
        for place in self.from..self.to {
            found.append(self.batch.object(py, place)?)?;
        }
        Ok(found)
    }
}

fn segment_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static SEGMENT: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    SEGMENT.import(py, "pipeline.model.records", "Segment")
}

pub fn to_python<'py>(py: Python<'py>, seg: &Segment, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let values = [
        PyBytes::new(py, seg.key.raw()).into_any(),
        seg.ts_ns.into_pyobject(py)?.into_any(),
        seg.seq.into_pyobject(py)?.into_any(),
        seg.ack.into_pyobject(py)?.into_any(),
        seg.flags.into_pyobject(py)?.into_any(),
        PyBytes::new(py, payload).into_any(),
        seg.length.into_pyobject(py)?.into_any(),
        seg.last_ns.into_pyobject(py)?.into_any(),
        PyBool::new(py, seg.cut).to_owned().into_any(),
        seg.vlan.into_pyobject(py)?.into_any(),
        seg.interface.into_pyobject(py)?.into_any(),
    ];
    segment_type(py)?.call1(PyTuple::new(py, values)?)
}

/// A segment whose numbers all have their usual sizes; None for any other.
fn native(record: &Bound<'_, PyAny>, side: &mut Side) -> Option<Segment> {
    fn number<'py, T: FromPyObjectOwned<'py>>(record: &Bound<'py, PyAny>, name: &str) -> Option<T> {
        record.getattr(name).ok()?.extract().ok()
    }
    let key = record.getattr("key").ok()?;
    let payload = record.getattr("payload").ok()?;
    let payload = payload.cast::<PyBytes>().ok()?.as_bytes();
    let seg = Segment {
        key: Key::new(key.cast::<PyBytes>().ok()?.as_bytes())?,
        ts_ns: number(record, "ts_ns")?,
        last_ns: number(record, "last_ns")?,
        seq: number(record, "seq")?,
        ack: number(record, "ack")?,
        length: number(record, "length")?,
        at: (side.from + side.bytes.len()).try_into().ok()?,
        captured: payload.len().try_into().ok()?,
        interface: number(record, "interface")?,
        vlan: number(record, "vlan")?,
        flags: number(record, "flags")?,
        cut: number(record, "cut")?,
    };
    side.bytes.extend_from_slice(payload);
    Some(seg)
}
