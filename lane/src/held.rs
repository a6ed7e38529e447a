//! The segments of a connection since it was at rest, for Python, which has to be told of them where it goes on.

use crate::message::Keep;
use crate::segment::{ACK, Segment};
use std::sync::Arc;

/// Most that is held for one connection: of chunked bodies the framing, and the data beside it.
const MAX_BYTES: usize = 64 << 10;
/// What a held segment costs beside its payload.
const SEGMENT_BYTES: usize = 100;

pub struct HeldSegment {
    pub seg: Segment,
    pub payload: Arc<[u8]>,
}

#[derive(Default)]
pub struct Held {
    pub segments: Vec<HeldSegment>,
    pub bytes: usize,
}

impl Held {
    /// Whether as much is held as may be: Python, which needs less, goes on then.
    pub fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    pub fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    /// One of which so much is kept.
    pub fn keep(&mut self, keep: &Keep, seg: &Segment, payload: &[u8]) {
        match keep {
            Keep::Bytes => self.hold(seg, &payload.into()),
            Keep::Count => self.count(seg),
        }
    }

    pub fn hold(&mut self, seg: &Segment, payload: &Arc<[u8]>) {
        self.bytes += SEGMENT_BYTES + payload.len();
        self.segments.push(HeldSegment {
            seg: *seg,
            payload: payload.clone(),
        });
    }

    /// So many bytes of a body came: for Python a run of segments whose bytes were left out on purpose.
    fn count(&mut self, seg: &Segment) {
        let run = Segment {
            last_ns: seg.ended_ns(),
            captured: 0,
            flags: ACK,
            ..*seg
        };
        let goes_on = |last: &HeldSegment| last.payload.is_empty() && last.seg.key == run.key && last.seg.end() == run.seq;
        if let Some(last) = self
            .segments
            .last_mut()
            .filter(|last| goes_on(last) && last.seg.length < 1 << 30)
        {
            last.seg = Segment {
                seq: last.seg.seq,
                length: last.seg.length + run.length,
                ..run
            };
            return;
        }
        self.hold(&run, &Arc::default());
    }
}
