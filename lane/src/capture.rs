//! Blocks of a capture → records: of a classic capture file, of frames that are found already, of the kernel's ring.

use crate::frames::plain;
use crate::key::Key;
use crate::records::{Item, Records, Side};
use crate::segment::Segment;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// As `pipeline.sources.pcap.frames.MAX_CAPTURED`.
pub const MAX_CAPTURED: usize = 262_144;

/// When, where from and where to in its block, length on the wire, link type, interface.
type Frame = (u64, usize, usize, u64, u32, u32);

/// The records of frames; `by_layers(data, wire_length, ts_ns, link, interface)` reads those that are not plain.
struct Dissector<'py> {
    block: Bound<'py, PyBytes>,
    by_layers: Bound<'py, PyAny>,
    items: Vec<Item>,
    side: Side,
}

impl<'py> Dissector<'py> {
    fn new(block: Bound<'py, PyBytes>, by_layers: Bound<'py, PyAny>) -> Self {
        Dissector {
            items: Vec::with_capacity(block.as_bytes().len() / 256 + 8),
            side: Side::behind(&block),
            block,
            by_layers,
        }
    }

    fn frame(&mut self, (ts_ns, start, end, wire_length, link, interface): Frame) -> PyResult<()> {
        let frame = &self.block.as_bytes()[start..end];
        if let Some(seg) = plain(link, frame, start, ts_ns, interface) {
            self.items.push(Item::Native(seg));
            return Ok(());
        }
        let found = self
            .by_layers
            .call1((PyBytes::new(self.block.py(), frame), wire_length, ts_ns, link, interface))?;
        for record in found.cast_into::<PyList>()? {
            self.items.push(self.side.item(record));
        }
        Ok(())
    }

    fn records(self) -> Records {
        Records::new(self.side, self.block.unbind(), self.items)
    }
}

/// Frames in a block.
#[pyfunction]
pub fn dissect<'py>(block: Bound<'py, PyBytes>, frames: &Bound<'py, PyList>, by_layers: Bound<'py, PyAny>) -> PyResult<Records> {
    let mut dissector = Dissector::new(block, by_layers);
    for frame in frames {
        dissector.frame(frame.extract()?)?;
    }
    Ok(dissector.records())
}

/// A piece of a classic capture file: the records of the packets that are whole, how far it was understood, how many packets these
/// are, and how many bytes the packet behind them claims, where these are too many.
#[pyfunction]
pub fn classic<'py>(
    block: Bound<'py, PyBytes>,
    big_endian: bool,
    unit_ns: u64,
    header: usize,
    link: u32,
    by_layers: Bound<'py, PyAny>,
) -> PyResult<(Records, usize, usize, Option<usize>)> {
    let data = block.clone();
    let data = data.as_bytes();
    let word = |at: usize| {
        let raw = [data[at], data[at + 1], data[at + 2], data[at + 3]];
        if big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        }
    };
    let mut dissector = Dissector::new(block, by_layers);
    let (mut at, mut packets, mut claimed) = (0, 0, None);
    while at + header <= data.len() {
        let captured = word(at + 8) as usize;
        let start = at + header;
        if captured > data.len() - start {
            claimed = (captured > MAX_CAPTURED).then_some(captured);
            break;
        }
        let ts_ns = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)) * unit_ns;
        dissector.frame((ts_ns, start, start + captured, word(at + 12).into(), link, 0))?;
        packets += 1;
        at = start + captured;
    }
    Ok((dissector.records(), at, packets, claimed))
}

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEADER: usize = 8;
/// Of `struct http_record`, behind which its payload lies.
const RECORD: usize = 80;
const IPV6: u8 = 1;
const CUT: u8 = 4;
/// IPV6, OUTGOING, CUT, RANGE: what else is said of segments.
const OF_SEGMENTS: u8 = 15;

/// What lies in the kernel's ring (Documentation/bpf/ringbuf.rst), as far as it was finished when `seen` was copied; `block` is a
/// later copy of the same, so that what was finished is whole in it. The records, and how many bytes they take.
/// `other(key, ts_ns, bits, payload)` makes the record of what is no segment.
#[pyfunction]
pub fn ring(seen: &[u8], block: Bound<'_, PyBytes>, offset_ns: i64, other: &Bound<'_, PyAny>) -> PyResult<(Records, usize)> {
    let (py, data) = (block.py(), block.as_bytes());
    let mut items = Vec::with_capacity(data.len() / 320 + 8);
    let mut at = 0;
    while let Some(head) = seen.get(at..at + HEADER) {
        let head = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        if head & BUSY != 0 {
            break;
        }
        let (begin, length) = (at + HEADER, (head & !DISCARD) as usize);
        if head & DISCARD == 0 {
            let Some(record) = data.get(begin..begin + length) else {
                break;
            };
            let (seg, bits) =
                segment(record, begin, offset_ns).ok_or_else(|| PyValueError::new_err("a record is none of ours"))?;
            items.push(if bits & !OF_SEGMENTS == 0 {
                Item::Native(seg)
            } else {
                let payload = &record[RECORD..RECORD + seg.captured as usize];
                let values = (PyBytes::new(py, seg.key.raw()), seg.ts_ns, bits, PyBytes::new(py, payload));
                Item::Foreign(other.call1(values)?.unbind())
            });
        }
        at = begin + length.next_multiple_of(8);
    }
    Ok((Records::new(Side::behind(&block), block.unbind(), items), at))
}

/// `struct http_record`, and its bits.
fn segment(record: &[u8], at: usize, offset_ns: i64) -> Option<(Segment, u8)> {
    let word = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?));
    let (ts_ns, last_ns, captured, bits) = (long(0)?, long(8)?, word(28)?, *record.get(39)?);
    if RECORD + captured as usize > record.len() {
        return None;
    }
    let width = if bits & IPV6 == 0 { 12 } else { 36 };
    let seg = Segment {
        key: Key::new(&record[40..40 + width])?,
        ts_ns: ts_ns.wrapping_add_signed(offset_ns),
        last_ns: if last_ns == ts_ns {
            0
        } else {
            last_ns.wrapping_add_signed(offset_ns)
        },
        seq: word(16)?,
        ack: word(20)?,
        length: word(24)?,
        at: u32::try_from(at + RECORD).ok()?,
        captured,
        interface: word(32)?,
        vlan: u16::from_ne_bytes([record[36], record[37]]),
        flags: record[38].into(),
        cut: bits & CUT != 0,
    };
    Some((seg, bits))
}
