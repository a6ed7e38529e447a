//! A stream: a request, its response, and how far both have come (`pipeline.decode.http2.stream`).

use crate::http2::head::{Call, Head, Line, PROTOCOL_ERROR, Reported};
use crate::http2::messages::Messages;

/// As `STREAM_BYTES` there.
pub const STREAM_BYTES: usize = 1500;

/// A request or a response so far: `body` counts the bytes of its body, `size` those of all its frames.
pub struct Message {
    pub start_ns: u64,
    pub end_ns: u64,
    pub size: u64,
    pub body: u64,
    pub marks: u16,
    /// What Content-Length says.
    pub length: Option<u64>,
    pub reported: Reported,
    /// What its fields cost in memory.
    pub held: usize,
    pub done: bool,
}

/// Where a header block stood: when its first and last byte came, and its size.
#[derive(Clone, Copy)]
pub struct Block {
    pub start_ns: u64,
    pub end_ns: u64,
    pub size: u64,
}

pub struct Stream {
    pub id: u32,
    pub line: Line,
    pub request: Message,
    pub status: u16,
    pub response: Option<Message>,
    pub call: Option<Call>,
    pub grpc_status: Option<u16>,
    pub asked: Option<Messages>,
    pub answered: Option<Messages>,
    /// What it names is not known because of the table.
    pub partial_host: bool,
}

impl Message {
    /// One begins with these fields.
    pub fn new(block: Block, head: Head) -> Message {
        Message {
            start_ns: block.start_ns,
            end_ns: block.end_ns,
            size: block.size,
            body: 0,
            marks: head.marks,
            length: head.length,
            reported: head.reported,
            held: head.size,
            done: false,
        }
    }

    /// Fields behind a body are reported as those in front of it are.
    pub fn trailers(&mut self, block: Block, head: Head) {
        self.end_ns = block.end_ns;
        self.size += block.size;
        self.marks |= head.marks;
        if head.reported.is_empty() {
            return;
        }
        for (place, values) in head.reported {
            match self.reported.iter_mut().find(|(of, _)| *of == place) {
                Some((_, before)) => before.extend(values),
                None => self.reported.push((place, values)),
            }
        }
        self.held += head.size;
    }

    /// It is whole. RFC 9113, section 8.1.1: one of another length than it says is malformed.
    pub fn ends(&mut self, bodiless: bool) {
        self.done = true;
        if self.length.is_some_and(|length| length != self.body) && !(bodiless && self.body == 0) {
            self.marks |= PROTOCOL_ERROR;
        }
    }
}

impl Stream {
    /// A message of a side: 0 the client's, 1 the server's.
    pub fn message(&mut self, side: usize) -> Option<&mut Message> {
        if side == 0 {
            Some(&mut self.request)
        } else {
            self.response.as_mut()
        }
    }

    pub fn messages(&mut self, side: usize) -> Option<&mut Messages> {
        [&mut self.asked, &mut self.answered][side].as_mut()
    }

    /// One side has said all.
    pub fn ended(&mut self, side: usize) {
        if side == 0 {
            self.request.ends(false);
        } else if let Some(response) = &mut self.response {
            response.ends(self.line.method == Some("HEAD") || self.status == 304);
        }
    }

    /// Whether both have.
    pub fn over(&self) -> bool {
        self.request.done && self.response.as_ref().is_some_and(|response| response.done)
    }

    /// What it costs in the bound on memory.
    pub fn held_bytes(&self) -> usize {
        let response = self.response.as_ref().map_or(0, |response| response.held);
        STREAM_BYTES + self.line.size + self.request.held + response
    }
}
