//! Header fields: the few that decode needs, and those that were asked for (`pipeline.decode.http1.fields`).

use crate::head::{Head, Span, line};

#[derive(Clone, Default)]
pub struct Fields {
    pub length: Option<u64>,
    pub chunked: bool,
    pub host: Option<Span>,
    pub port: Option<u16>,
    pub agent: Option<Span>,
    /// Values of fields that were asked for: which, by its place among them, and the text.
    pub reported: Vec<(usize, Box<str>)>,
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let good = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut at = 0;
    while at < good.len() {
        table[good[at] as usize] = true;
        at += 1;
    }
    table
};

/// The lines from `from` to the empty one, and where that ends. `request` are the fields to report of a request, None of a response.
pub fn fields(data: &[u8], mut from: usize, request: Option<&[String]>, response: &[String]) -> Head<(Fields, usize)> {
    let mut found = Fields::default();
    loop {
        let (text, next) = match line(data, from) {
            Head::Whole(line) => line,
            Head::Incomplete => return Head::Incomplete,
            Head::Unusual => return Head::Unusual,
        };
        if text.from == text.to {
            return Head::Whole((found, next));
        }
        if found
            .read(data, text, request.is_some(), request.unwrap_or(response))
            .is_none()
        {
            return Head::Unusual;
        }
        from = next;
    }
}

impl Fields {
    /// One line; None where it is not plain.
    fn read(&mut self, data: &[u8], line: Span, request: bool, reported: &[String]) -> Option<()> {
        let text = line.of(data);
        let colon = text.iter().position(|&byte| !TOKEN[usize::from(byte)])?;
        // Control characters inside are read in different ways.
        if colon == 0 || text[colon] != b':' || has_controls(&text[colon..]) {
            return None;
        }
        let name = &text[..colon];
        let value = trimmed(
            data,
            Span {
                from: line.from + colon + 1,
                to: line.to,
            },
        );
        match name.len() {
            4 if request && name.eq_ignore_ascii_case(b"host") => self.host(data, value)?,
            10 if request && self.agent.is_none() && name.eq_ignore_ascii_case(b"user-agent") => {
                std::str::from_utf8(value.of(data)).ok()?;
                self.agent = Some(value);
            }
            // Of these Python reports more than an exchange, or counts what is inside.
            12 if name.eq_ignore_ascii_case(b"content-type") && counted_inside(value.of(data)) => return None,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value.of(data))?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.of(data).eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                self.chunked = true;
            }
            _ => {}
        }
        if let Some(place) = reported.iter().position(|each| name.eq_ignore_ascii_case(each.as_bytes())) {
            self.reported.push((place, std::str::from_utf8(value.of(data)).ok()?.into()));
        }
        // RFC 9112, section 6.3: both at once are ambiguous.
        (!self.chunked || self.length.is_none()).then_some(())
    }

    fn length(&mut self, digits: &[u8]) -> Option<()> {
        if self.length.is_some() || digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.length = Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Some(())
    }

    fn host(&mut self, data: &[u8], value: Span) -> Option<()> {
        let (end, port) = plain_host(value.of(data)).filter(|_| self.host.is_none())?;
        self.port = port;
        self.host = Some(Span {
            from: value.from,
            to: value.from + end,
        });
        Some(())
    }
}

/// A name or an IPv4 address, and a port or none (RFC 9110, section 7.2): where the name ends, and the port.
pub fn plain_host(text: &[u8]) -> Option<(usize, Option<u16>)> {
    let end = text.iter().position(|&byte| byte == b':').unwrap_or(text.len());
    let plain = text[..end]
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(byte));
    if end == 0 || !plain {
        return None;
    }
    if end == text.len() {
        return Some((end, None));
    }
    let digits = &text[end + 1..];
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((end, Some(u16::try_from(port).ok()?)))
}

fn counted_inside(content_type: &[u8]) -> bool {
    let begins = |name: &[u8]| {
        content_type
            .get(..name.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    };
    begins(b"application/grpc") || begins(b"text/event-stream")
}

/// To the end of the text, so that the compiler takes many bytes at once.
fn has_controls(text: &[u8]) -> bool {
    text.iter().min().is_some_and(|&least| least < 0x20)
}

/// Without spaces around it; there are no tabs.
fn trimmed(data: &[u8], mut value: Span) -> Span {
    while value.from < value.to && data[value.from] == b' ' {
        value.from += 1;
    }
    while value.to > value.from && data[value.to - 1] == b' ' {
        value.to -= 1;
    }
    value
}
