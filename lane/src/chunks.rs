//! Chunked framing (RFC 9112, section 7.1) where it is as servers commonly send it. `pipeline.decode.http1.chunked` reads the rest.

use memchr::memchr;

#[derive(Clone, Copy, PartialEq)]
enum In {
    Size,
    Data,
    DataEnd,
    Trailer,
}

/// A body being read: `size` counts its data.
#[derive(Clone)]
pub struct Chunks {
    pub size: u64,
    pub done: bool,
    left: u64,
    place: In,
    line: Vec<u8>,
}

/// Longest line of framing that is read here.
const MAX_LINE: usize = 1024;

impl Chunks {
    pub fn new() -> Chunks {
        Chunks {
            size: 0,
            done: false,
            left: 0,
            place: In::Size,
            line: Vec::new(),
        }
    }

    /// Whether the next `count` bytes are data of the chunk that is being read.
    pub fn inside(&self, count: u64) -> bool {
        self.place == In::Data && count <= self.left
    }

    /// Read all of `data`. False where it is unusual or where something follows the last chunk; nothing is to be used then.
    pub fn feed(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            if self.done {
                return false;
            }
            if self.place == In::Data {
                let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                self.count(size as u64);
                data = &data[size..];
                continue;
            }
            let Some(end) = memchr(b'\n', data) else {
                self.line.extend_from_slice(data);
                return self.line.len() <= if self.place == In::DataEnd { 1 } else { MAX_LINE };
            };
            self.line.extend_from_slice(&data[..end]);
            data = &data[end + 1..];
            let line = std::mem::take(&mut self.line);
            let Some((b'\r', text)) = line.split_last() else {
                return false;
            };
            match self.place {
                In::Size => {
                    if !self.begin(text) {
                        return false;
                    }
                }
                In::DataEnd if text.is_empty() => self.place = In::Size,
                In::DataEnd => return false,
                In::Trailer => self.done = text.is_empty(),
                In::Data => {}
            }
        }
        true
    }

    /// `count` bytes were not captured. False unless all of them are data, so that the place in the framing is still known.
    pub fn skip(&mut self, count: u64) -> bool {
        let inside = self.inside(count);
        if inside {
            self.count(count);
        }
        inside
    }

    fn count(&mut self, size: u64) {
        self.left -= size;
        self.size += size;
        if self.left == 0 {
            self.place = In::DataEnd;
        }
    }

    /// A chunk size, with or without extensions.
    fn begin(&mut self, line: &[u8]) -> bool {
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 15 {
            return false;
        }
        self.left = 0;
        for &digit in digits {
            let Some(value) = char::from(digit).to_digit(16) else {
                return false;
            };
            self.left = self.left << 4 | u64::from(value);
        }
        self.place = if self.left == 0 { In::Trailer } else { In::Data };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same() {
        let body = b"5;name=value\r\nhello\r\n010\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n";
        for cut in 0..=body.len() {
            let mut chunks = Chunks::new();
            assert!(chunks.feed(&body[..cut]) && chunks.feed(&body[cut..]));
            assert!(chunks.done && chunks.size == 21);
        }
    }

    #[test]
    fn what_is_unusual_is_refused() {
        for body in [
            &b"5\nhello"[..],
            b"g\r\n",
            b"\r\n",
            b"1 \r\n",
            b"1\r\nab\r\n",
            b"0\r\n\r\nH",
            b"1\r\nabc",
            b"1111111111111111\r\n",
        ] {
            assert!(!Chunks::new().feed(body), "{body:?}");
        }
    }

    #[test]
    fn bytes_that_are_missing_inside_a_chunk_are_counted() {
        let mut chunks = Chunks::new();
        assert!(chunks.feed(b"10\r\n0123") && !chunks.skip(13) && chunks.skip(12));
        assert!(chunks.feed(b"\r\n0\r\n\r\n") && chunks.done && chunks.size == 16);
    }
}
