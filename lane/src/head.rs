//! Start lines of heads as nearly all are: known methods, a path, HTTP/1.0 or 1.1. What is not plain is `Head::Unusual`.

use crate::fields::{Fields, fields};
use crate::seen::Seen;
use memchr::memchr;

/// Where text lies in a head.
#[derive(Clone, Copy, Default)]
pub struct Span {
    pub from: usize,
    pub to: usize,
}

impl Span {
    pub fn of<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        &head[self.from..self.to]
    }
}

/// What was found where a head must begin.
pub enum Head<T> {
    Whole(T),
    /// So far as it goes it is plain, and its start line is whole.
    Incomplete,
    Unusual,
}

pub struct RequestHead {
    pub method: &'static str,
    pub target: Span,
    pub version: &'static str,
    pub fields: Fields,
    pub size: usize,
}

pub struct ResponseHead {
    pub status: u16,
    pub fields: Fields,
    pub size: usize,
}

pub const METHODS: [&str; 11] = [
    "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "REPORT", "SEARCH", "QUERY",
];
/// As `pipeline.model.secrets.SENSITIVE_PARAMETERS`; a test compares the two.
pub const SECRETS: [&str; 7] = [
    "awsaccesskeyid",
    "sig",
    "signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// A line that ends with CR LF: its text, and where the next one begins. `Incomplete` where the line feed is missing.
pub fn line(data: &[u8], from: usize) -> Head<(Span, usize)> {
    let Some(length) = memchr(b'\n', &data[from..]) else {
        return Head::Incomplete;
    };
    let end = from + length;
    if end == from || data[end - 1] != b'\r' {
        return Head::Unusual;
    }
    Head::Whole((Span { from, to: end - 1 }, end + 1))
}

pub fn request(data: &[u8], reported: &[String], seen: &mut Seen) -> Head<RequestHead> {
    let Head::Whole((first, next)) = line(data, 0) else {
        return Head::Unusual;
    };
    let Some((method, target, version)) = request_line(first.of(data)) else {
        return Head::Unusual;
    };
    match seen.read(data, next, reported) {
        // RFC 9112, section 3.2: without a Host it is marked.
        Head::Whole((found, _)) if version == "1.1" && found.host.is_none() => Head::Unusual,
        // RFC 9112, section 6.1: chunked before HTTP/1.1 is marked.
        Head::Whole((found, _)) if version == "1.0" && found.chunked => Head::Unusual,
        Head::Whole((fields, size)) => Head::Whole(RequestHead {
            method,
            target,
            version,
            fields,
            size,
        }),
        Head::Incomplete => Head::Incomplete,
        Head::Unusual => Head::Unusual,
    }
}

pub fn response(data: &[u8], reported: &[String]) -> Head<ResponseHead> {
    let Head::Whole((first, next)) = line(data, 0) else {
        return Head::Unusual;
    };
    let Some((status, version)) = status_line(first.of(data)) else {
        return Head::Unusual;
    };
    match fields(data, next, None, reported) {
        Head::Whole((found, _)) if version == "1.0" && found.chunked => Head::Unusual,
        Head::Whole((fields, size)) => Head::Whole(ResponseHead { status, fields, size }),
        Head::Incomplete => Head::Incomplete,
        Head::Unusual => Head::Unusual,
    }
}

fn version(raw: &[u8]) -> Option<&'static str> {
    match raw {
        b"HTTP/1.1" => Some("1.1"),
        b"HTTP/1.0" => Some("1.0"),
        _ => None,
    }
}

fn request_line(text: &[u8]) -> Option<(&'static str, Span, &'static str)> {
    let space = text.iter().take(16).position(|&byte| byte == b' ')?;
    let &method = METHODS.iter().find(|name| name.as_bytes() == &text[..space])?;
    let (from, to) = (space + 1, text.len().checked_sub(9)?);
    if from >= to || text[from] != b'/' || text[to] != b' ' {
        return None;
    }
    let target = &text[from..to];
    let plain = target.iter().all(|&byte| (0x21..0x7F).contains(&byte)) && !may_hold_secrets(target);
    Some((method, Span { from, to }, version(&text[to + 1..])?)).filter(|_| plain)
}

fn status_line(text: &[u8]) -> Option<(u16, &'static str)> {
    if text.len() < 13 || text[8] != b' ' || text[12] != b' ' || text.contains(&b'\r') {
        return None;
    }
    let digits = std::str::from_utf8(&text[9..12])
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let status = digits.parse().ok().filter(|&status| status >= 100)?;
    Some((status, version(&text[..8])?))
}

/// Whether a query may name a secret: then `pipeline.model.secrets` decides.
pub fn may_hold_secrets(target: &[u8]) -> bool {
    let Some(mark) = memchr(b'?', target) else { return false };
    target[mark + 1..].split(|byte| b"&;?".contains(byte)).any(|parameter| {
        let Some(equals) = memchr(b'=', parameter) else { return false };
        let name = &parameter[..equals];
        name.iter().any(|byte| b"%#".contains(byte)) || SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
    })
}

/// Whether bytes may be the beginning, however short, of a status line.
pub fn may_begin_response(data: &[u8]) -> bool {
    let begins = |name: &[u8]| {
        let size = name.len().min(data.len());
        data[..size].eq_ignore_ascii_case(&name[..size])
    };
    begins(b"HTTP/") || begins(b"ICY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(data: &[u8]) -> Option<RequestHead> {
        match request(data, &[], &mut Seen::default()) {
            Head::Whole(head) => Some(head),
            _ => None,
        }
    }

    #[test]
    fn a_plain_request_is_read() {
        let data = b"GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: me\r\n\r\nrest";
        let head = parsed(data).unwrap();
        assert_eq!(
            (head.method, head.target.of(data), head.version, head.size),
            ("GET", &b"/a?b=c"[..], "1.1", data.len() - 4)
        );
        assert_eq!(
            (head.fields.host.unwrap().of(data), head.fields.port),
            (&b"example.org"[..], Some(8080))
        );
    }

    #[test]
    fn what_is_unusual_is_left_alone() {
        for data in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /?sig=1 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /?s%69g=1 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: Application/gRPC-web\r\n\r\n",
            b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTT",
        ] {
            assert!(
                matches!(request(data, &[], &mut Seen::default()), Head::Unusual),
                "{}",
                data.escape_ascii()
            );
        }
        for data in [
            &b"HTTP/1.1 200\r\n\r\n"[..],
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
        ] {
            assert!(matches!(response(data, &[]), Head::Unusual), "{}", data.escape_ascii());
        }
    }

    #[test]
    fn a_head_that_goes_on_is_incomplete_behind_its_first_line() {
        let data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        for cut in 17..data.len() {
            assert!(
                matches!(request(&data[..cut], &[], &mut Seen::default()), Head::Incomplete),
                "{cut}"
            );
        }
        assert_eq!(parsed(data).unwrap().fields.length, Some(5));
    }

    #[test]
    fn reported_fields_are_kept_in_order() {
        let data = b"HTTP/1.1 200 OK\r\nServer: x\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 0\r\n\r\n";
        let Head::Whole(head) = response(data, &["x-a".into(), "content-length".into()]) else {
            panic!()
        };
        let found: Vec<_> = head.fields.reported.iter().map(|(place, text)| (*place, &**text)).collect();
        assert_eq!(found, [(0, "1"), (0, "2"), (1, "0")]);
    }

    #[test]
    fn the_beginning_of_a_status_line_is_seen_however_short() {
        assert!(
            [&b"h"[..], b"HTT", b"http/1.1 200", b"ic", b"ICY 200"]
                .iter()
                .all(|data| may_begin_response(data))
        );
        assert!(
            ![&b"x"[..], b"HX", b"<html>", b"id"]
                .iter()
                .any(|data| may_begin_response(data))
        );
    }
}
