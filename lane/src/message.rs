//! A request or a response on its way: what is known of it, and how much of its body is to come.

use crate::chunks::Chunks;
use crate::fields::Fields;
use crate::head::{RequestHead, ResponseHead};
use crate::segment::Segment;
use std::sync::Arc;

pub enum Rest {
    Length(u64),
    Chunked(Box<Chunks>),
}

impl Rest {
    /// Of a message with these fields; None where they do not say it.
    pub fn framed(fields: &Fields) -> Option<Rest> {
        if fields.chunked {
            Some(Rest::Chunked(Box::new(Chunks::new())))
        } else {
            fields.length.map(Rest::Length)
        }
    }
}

/// `size` counts all bytes so far, `body` those of the body (of one with a length: all there will be).
pub struct Message {
    pub start_ns: u64,
    pub end_ns: u64,
    pub seq: u32,
    pub ack: u32,
    pub size: u64,
    body: u64,
    rest: Rest,
}

pub struct Request {
    pub message: Message,
    pub head: RequestHead,
    /// The bytes that the head's spans refer to.
    pub text: Arc<[u8]>,
}

pub struct Response {
    pub message: Message,
    pub head: ResponseHead,
}

/// What to keep of a segment, to tell Python of it later.
pub enum Keep {
    /// That so many bytes of a body came.
    Count,
    Bytes,
}

impl Message {
    /// A message whose head is whole. Its first bytes came with `first`; `here` is the body's part in the same segment as the end
    /// of the head, `beyond` counts what follows there and was not captured. None where more came than the body has.
    pub fn begin(first: &Segment, last: &Segment, seq: u32, head: u64, rest: Rest, here: &[u8], beyond: u64) -> Option<Message> {
        let mut message = Message {
            start_ns: first.ts_ns,
            end_ns: last.ts_ns,
            seq,
            ack: first.ack,
            size: head,
            body: 0,
            rest,
        };
        let count = here.len() as u64 + beyond;
        match &mut message.rest {
            Rest::Length(left) => {
                message.body = *left;
                // As Python has it: a body that is whole in the captured bytes ends when its segment began.
                if count > 0 && (here.len() as u64) < *left {
                    message.end_ns = last.ended_ns();
                }
                *left = left.checked_sub(count)?;
            }
            Rest::Chunked(chunks) => {
                if !chunks.feed(here) || (beyond > 0 && !chunks.skip(beyond)) {
                    return None;
                }
                message.body = chunks.size;
                if count > 0 {
                    message.end_ns = last.ended_ns();
                }
            }
        }
        message.size += count;
        Some(message)
    }

    /// The next bytes of its body, the last ones where it is the `end`. None where they are unusual; nothing has changed then.
    pub fn more(&mut self, seg: &Segment, payload: &[u8], end: bool) -> Option<Keep> {
        let count = u64::from(seg.length);
        if self.done() || seg.ended_ns() < self.end_ns {
            return None;
        }
        let keep = match &mut self.rest {
            Rest::Length(left) => {
                *left = left.checked_sub(count).filter(|&left| left == 0 || !end)?;
                Keep::Count
            }
            Rest::Chunked(chunks) => {
                let inside = chunks.inside(count);
                let beyond = count - payload.len() as u64;
                let mut next = chunks.clone();
                if !next.feed(payload) || (beyond > 0 && !next.skip(beyond)) || (end && !next.done) {
                    return None;
                }
                self.body = next.size;
                *chunks = next;
                if inside { Keep::Count } else { Keep::Bytes }
            }
        };
        self.size += count;
        self.end_ns = seg.ended_ns();
        Some(keep)
    }

    pub fn done(&self) -> bool {
        match &self.rest {
            Rest::Length(left) => *left == 0,
            Rest::Chunked(chunks) => chunks.done,
        }
    }

    /// The size of its body, as far as it is known.
    pub fn body(&self) -> u64 {
        self.body
    }
}
