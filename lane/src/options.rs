//! What all connections of the lane have in common: what is reported of them, and bounds.

use crate::http2::follower::Limits;
use crate::seen::Remembered;

pub struct Options {
    pub request_headers: Vec<String>,
    pub response_headers: Vec<String>,
    pub max_head: usize,
    /// Streams that may be open on one connection; and requests that may wait on all others, for now.
    pub max_open: usize,
    pub room: usize,
    /// Fields of requests that were read.
    pub seen: Remembered,
}

impl Options {
    pub fn limits(&self) -> Limits<'_> {
        Limits {
            reported: [&self.request_headers, &self.response_headers],
            max_head: self.max_head,
            max_open: self.max_open,
            room: self.room,
        }
    }
}
