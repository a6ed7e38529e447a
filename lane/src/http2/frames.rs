//! Frames of HTTP/2 (RFC 9113, sections 4 and 6): their headers, and which can be one (`pipeline.decode.http2.frames`).

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const HEADER: usize = 9;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITISED: u8 = 0x20;

const LONGEST_SETTINGS: usize = 6 * 64;

#[derive(Clone, Copy)]
pub struct Header {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Header {
    /// At the beginning of `data`; None where it is not whole.
    pub fn read(data: &[u8]) -> Option<Header> {
        let raw = data.first_chunk::<HEADER>()?;
        Some(Header {
            length: usize::from(raw[0]) << 16 | usize::from(raw[1]) << 8 | usize::from(raw[2]),
            kind: raw[3],
            flags: raw[4],
            stream: word(&raw[5..]) & 0x7FFF_FFFF,
        })
    }

    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Whether a frame is one: everything else ends the connection (sections 6.1 to 6.10).
    pub fn is_valid(&self) -> bool {
        let of_stream = self.stream != 0;
        match self.kind {
            DATA | HEADERS | PUSH_PROMISE | CONTINUATION => of_stream,
            PRIORITY => of_stream && self.length == 5,
            RST_STREAM => of_stream && self.length == 4,
            SETTINGS => !of_stream && self.length % 6 == 0,
            PING => !of_stream && self.length == 8,
            GOAWAY => !of_stream,
            WINDOW_UPDATE => self.length == 4,
            _ => true,
        }
    }
}

/// Four bytes.
pub fn word(raw: &[u8]) -> u32 {
    raw.first_chunk().map_or(0, |raw| u32::from_be_bytes(*raw))
}

/// Whether bytes may begin with a frame of a known type, whose payload is not too long for those that need no SETTINGS.
pub fn may_be_frames(data: &[u8]) -> bool {
    data.first() == Some(&0) && Header::read(data).is_some_and(|header| header.kind <= CONTINUATION && data[5] & 0x80 == 0)
}

/// Whether the bytes of a server begin as nearly all do: with SETTINGS that tell something or nothing.
pub fn begins_server(data: &[u8]) -> bool {
    Header::read(data).is_some_and(|header| {
        let told = header.flags == 0 && header.length <= LONGEST_SETTINGS;
        header.kind == SETTINGS && data[5] & 0x80 == 0 && header.is_valid() && told
    })
}

/// The same of a server that speaks first, which may be another protocol: SETTINGS and `WINDOW_UPDATE`, whole, and nothing else.
pub fn opens_server(data: &[u8]) -> bool {
    let mut at = 0;
    while let Some(header) = Header::read(&data[at..]) {
        let window = header.kind == WINDOW_UPDATE && header.flags == 0 && header.is_valid() && data[at + 5] & 0x80 == 0;
        if !(window && at > 0 || begins_server(&data[at..])) || at + HEADER + header.length > data.len() {
            return false;
        }
        at += HEADER + header.length;
    }
    at > 0 && at == data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_begins_with_settings() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 255, 255];
        let both = [&settings[..], &window].concat();
        assert!(begins_server(&settings) && begins_server(&both) && opens_server(&settings) && opens_server(&both));
        assert!(begins_server(&settings[..9]) && !opens_server(&settings[..14]));
        assert!(!begins_server(&settings[..8]) && !begins_server(&window) && !opens_server(&window) && !opens_server(b""));
        assert!(!begins_server(&[0, 0, 0, 4, 1, 0, 0, 0, 0]) && !begins_server(&[0, 0, 5, 4, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn bytes_may_be_frames() {
        assert!(may_be_frames(&[0, 0, 4, 8, 0, 0, 0, 0, 0]) && !may_be_frames(&[0, 0, 4, 8, 0, 0, 0, 0]));
        assert!(!may_be_frames(&[0, 0, 4, 10, 0, 0, 0, 0, 0]) && !may_be_frames(&[0, 0, 4, 8, 0, 128, 0, 0, 0]));
        assert!(!may_be_frames(&[22, 3, 1, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_frame_has_its_length_and_its_stream() {
        let valid = |length, kind, stream| {
            Header {
                length,
                kind,
                flags: 0,
                stream,
            }
            .is_valid()
        };
        for kind in [DATA, HEADERS, PUSH_PROMISE, CONTINUATION] {
            assert!(valid(7, kind, 1) && !valid(7, kind, 0));
        }
        for (kind, length) in [(PRIORITY, 5), (RST_STREAM, 4)] {
            assert!(valid(length, kind, 1) && !valid(length, kind, 0) && !valid(length + 1, kind, 1));
        }
        for (kind, length) in [(SETTINGS, 12), (PING, 8), (GOAWAY, 8)] {
            assert!(valid(length, kind, 0) && !valid(length, kind, 1));
        }
        assert!(!valid(7, SETTINGS, 0) && !valid(7, PING, 0) && !valid(5, WINDOW_UPDATE, 0) && valid(4, WINDOW_UPDATE, 3));
        assert!(valid(1000, 77, 0));
    }
}
