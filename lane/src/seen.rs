//! Header fields that a request had: clients say the same ones again and again, and need not be read each time. Pure.

use crate::fields::{Fields, fields};
use crate::head::{Head, Span};
use crate::key::Key;

/// Clients of which that is remembered, by their port: with what most say, 200 KB.
const PLACES: usize = 256;
/// The longest fields that are remembered.
const LONGEST: usize = 4096;

/// The fields of one request, up to and with the empty line, and what was read of them; places count from their beginning.
#[derive(Default)]
pub struct Seen {
    block: Vec<u8>,
    fields: Fields,
}

/// By the port of the client.
pub struct Remembered(Vec<Seen>);

impl Default for Remembered {
    fn default() -> Remembered {
        Remembered((0..PLACES).map(|_| Seen::default()).collect())
    }
}

impl Remembered {
    /// What is known of the client whose direction this is.
    pub fn of(&mut self, key: &Key) -> &mut Seen {
        &mut self.0[usize::from(key.source_port()) % PLACES]
    }
}

impl Seen {
    /// The fields from `from` on, and where they end.
    pub fn read(&mut self, data: &[u8], from: usize, reported: &[String]) -> Head<(Fields, usize)> {
        let rest = &data[from..];
        if self.block.is_empty() || !rest.starts_with(&self.block) {
            match fields(rest, 0, Some(reported), &[]) {
                Head::Whole((found, end)) if end <= LONGEST => {
                    self.block.clear();
                    self.block.extend_from_slice(&rest[..end]);
                    self.fields = found;
                }
                Head::Whole((found, end)) => return Head::Whole((found.moved(from), from + end)),
                Head::Incomplete => return Head::Incomplete,
                Head::Unusual => return Head::Unusual,
            }
        }
        Head::Whole((self.fields.clone().moved(from), from + self.block.len()))
    }
}

impl Fields {
    /// The same, where they stand `by` bytes further on.
    fn moved(mut self, by: usize) -> Fields {
        let moved = |span: Span| Span {
            from: span.from + by,
            to: span.to + by,
        };
        (self.host, self.agent) = (self.host.map(moved), self.agent.map(moved));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seen: &mut Seen, data: &[u8]) -> Option<(String, Option<u64>, Vec<String>, usize)> {
        let Head::Whole((found, end)) = seen.read(data, 4, &["x-a".to_owned()]) else {
            return None;
        };
        let host = found.host.map_or(&b""[..], |span| span.of(data));
        let reported = found.reported.iter().map(|(_, text)| text.to_string()).collect();
        Some((String::from_utf8_lossy(host).into(), found.length, reported, end))
    }

    #[test]
    fn what_was_seen_is_read_as_what_was_not() {
        let heads: [&[u8]; 6] = [
            b"    Host: a\r\nX-A: 1\r\n\r\nbody",
            b"    Host: a\r\nX-A: 1\r\n\r\n",
            b"    Host: a\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n",
            b"    Host: b\r\nX-A: 1\r\n\r\n",
            b"    Host: b\r\nX-A: 1\r\n\rx",
            b"    Host: b\r\nX-A: 1\r\n\r",
        ];
        for first in heads {
            for second in heads {
                let mut seen = Seen::default();
                read(&mut seen, first);
                assert_eq!(read(&mut seen, second), read(&mut Seen::default(), second));
                assert_eq!(read(&mut seen, first), read(&mut Seen::default(), first));
            }
        }
    }

    #[test]
    fn what_is_long_is_not_remembered() {
        let mut seen = Seen::default();
        let head = [b"    Host: a\r\nCookie: ", &[b'x'; LONGEST][..], b"\r\n\r\n"].concat();
        assert_eq!(read(&mut seen, &head).unwrap().3, head.len());
        assert!(seen.block.is_empty());
    }
}
