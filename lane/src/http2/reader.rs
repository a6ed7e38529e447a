//! How far one direction has been read (`pipeline.decode.http2.reader.Reader`).

use crate::http2::hpack::Hpack;

pub struct Reader {
    pub hpack: Hpack,
    /// It has begun as it must: with the preface, or with SETTINGS.
    pub started: bool,
    /// The beginning of a frame, and when its first byte came.
    pub held: Vec<u8>,
    pub held_ns: u64,
    /// Bytes of a payload that are to come.
    pub left: usize,
    /// Where that is the body of a stream: which, and the flags of the frame.
    pub body: Option<u32>,
    pub flags: u8,
}

impl Reader {
    pub fn new() -> Reader {
        Reader {
            hpack: Hpack::new(),
            started: false,
            held: Vec::new(),
            held_ns: 0,
            left: 0,
            body: None,
            flags: 0,
        }
    }

    pub fn held_bytes(&self) -> usize {
        self.held.len() + self.hpack.held_bytes()
    }
}
