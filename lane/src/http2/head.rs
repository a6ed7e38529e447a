//! Fields of a header block → what decode needs of them, as `pipeline.decode.http2.heads` has it. What is odd is Python's.

use crate::fields::plain_host;
use crate::head::{METHODS, Span, may_hold_secrets};

/// As `pipeline.decode.marks` has them.
pub const PROTOCOL_ERROR: u16 = 1 << 7;
pub const HPACK_PARTIAL: u16 = 1 << 8;
/// Of more fields the text is bounded.
const MANY: usize = 256;
/// What a reported value costs beside its text.
pub const VALUE_BYTES: usize = 60;

/// Values of reported fields, in the order in which their names came: which, by its place among those asked for.
pub type Reported = Vec<(usize, Vec<String>)>;

/// What a body is, by its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Grpc,
    GrpcWeb,
}

/// A request line; spans are of `text`.
#[derive(Default)]
pub struct Line {
    pub text: Box<[u8]>,
    pub method: Option<&'static str>,
    pub https: Option<bool>,
    pub target: Option<Span>,
    /// Where the query begins in it.
    pub query: Option<usize>,
    pub address: Option<Span>,
    pub port: Option<u16>,
    pub agent: Option<Span>,
    /// What it costs in memory.
    pub size: usize,
}

/// A head. `line` is None where none of its fields stands there, as in trailers.
pub struct Head {
    pub line: Option<Line>,
    pub status: Option<u16>,
    pub length: Option<u64>,
    pub call: Option<Call>,
    pub grpc_status: Option<u16>,
    pub reported: Reported,
    pub marks: u16,
    /// What the fields cost in memory.
    pub size: usize,
}

/// The first field of a name: what it says, or that it says nothing of that kind.
type Found<T> = Option<Result<T, Unreadable>>;

#[derive(Clone, Copy)]
struct Unreadable;

/// Reads one block, field by field.
#[derive(Default)]
pub struct Parser<'a> {
    asked: &'a [String],
    request: bool,
    odd: bool,
    marks: u16,
    count: usize,
    pseudo: usize,
    /// How many fields stand in front of the first one that is no pseudo field.
    leading: usize,
    ordinary: bool,
    text: Vec<u8>,
    method: Option<&'static str>,
    https: Option<bool>,
    authority: Option<Span>,
    host: Option<Span>,
    path: Option<Span>,
    agent: Option<Span>,
    agent_size: usize,
    status: Found<u16>,
    length: Found<u64>,
    grpc_status: Found<u16>,
    content_type: Found<Call>,
    reported: Reported,
}

impl<'a> Parser<'a> {
    /// Of a request or of a response; `asked` are the names of the fields to report.
    pub fn new(request: bool, asked: &'a [String]) -> Parser<'a> {
        Parser {
            asked,
            request,
            ..Parser::default()
        }
    }

    pub fn field(&mut self, name: Option<&[u8]>, value: Option<&[u8]>) {
        self.count += 1;
        if self.count > MANY {
            return; // an index may stand for thousands of bytes
        }
        let (Some(name), Some(value)) = (name, value) else {
            self.marks |= HPACK_PARTIAL;
            self.leading += usize::from(!self.ordinary && name.is_none());
            self.ordinary |= name.is_some();
            return;
        };
        if let Some(place) = self.asked.iter().position(|each| each.as_bytes() == name) {
            self.report(place, name, value);
        }
        let known = if self.request {
            self.of_request(name, value)
        } else {
            self.of_response(name, value)
        };
        match known {
            Known::Pseudo { again } => {
                self.pseudo += 1;
                self.leading += usize::from(!self.ordinary);
                if again {
                    self.marks |= PROTOCOL_ERROR;
                }
                return;
            }
            Known::Used => {}
            Known::No => self.other(name),
        }
        self.ordinary = true;
    }

    /// None where it is odd.
    pub fn head(self) -> Option<Head> {
        let web = matches!(self.content_type, Some(Ok(Call::GrpcWeb))); // its trailers stand in the body
        if self.odd || web || self.count > MANY {
            return None;
        }
        let mut marks = self.marks;
        if self.pseudo > self.leading {
            marks |= PROTOCOL_ERROR; // RFC 9113, section 8.3
        }
        if matches!(self.length, Some(Err(Unreadable))) || matches!(self.status, Some(Err(Unreadable))) {
            marks |= PROTOCOL_ERROR;
        }
        let values = self.reported.iter().flat_map(|(_, values)| values);
        let size = self.agent_size + values.map(|text| text.chars().count() + VALUE_BYTES).sum::<usize>();
        let mut head = Head {
            line: None,
            status: self.status.and_then(Result::ok),
            length: self.length.and_then(Result::ok),
            call: self.content_type.and_then(Result::ok),
            grpc_status: self.grpc_status.and_then(Result::ok),
            reported: Vec::new(),
            marks,
            size,
        };
        if self.request {
            return self.with_line(head);
        }
        head.reported = self.reported;
        Some(head)
    }

    fn with_line(self, mut head: Head) -> Option<Head> {
        let partial = head.marks & HPACK_PARTIAL != 0;
        let host = self.authority.filter(|span| span.from < span.to).or(self.host);
        let some = self.method.is_some() || self.https.is_some() || host.is_some() || self.path.is_some();
        head.reported = self.reported;
        if !some && !partial {
            // An empty authority would be a line of its own.
            return Some(head).filter(|_| self.authority.is_none());
        }
        let whole = self.method.is_some() && self.https.is_some() && self.path.is_some_and(|span| span.from < span.to);
        if !partial && !whole {
            head.marks |= PROTOCOL_ERROR;
        }
        let mut line = Line {
            method: self.method,
            https: self.https,
            target: self.path,
            agent: self.agent,
            ..Line::default()
        };
        if let Some(span) = host {
            let (end, port) = plain_host(span.of(&self.text))?;
            let to = span.from + end;
            (line.address, line.port) = (Some(Span { to, ..span }), port);
            line.size += span.to - span.from;
        }
        if let Some(span) = self.path {
            line.query = memchr::memchr(b'?', span.of(&self.text));
            line.size += 2 * (span.to - span.from);
        }
        line.text = self.text.into();
        head.line = Some(line);
        Some(head)
    }

    fn keep(&mut self, value: &[u8]) -> Span {
        let from = self.text.len();
        self.text.extend_from_slice(value);
        Span {
            from,
            to: self.text.len(),
        }
    }

    fn of_request(&mut self, name: &[u8], value: &[u8]) -> Known {
        match name {
            b":method" => {
                let again = self.method.is_some();
                if !again {
                    self.method = METHODS.iter().find(|method| method.as_bytes() == value).copied();
                    self.odd |= self.method.is_none();
                }
                Known::Pseudo { again }
            }
            b":scheme" => {
                let again = self.https.is_some();
                if !again {
                    self.https = Some(value == b"https");
                    self.odd |= value != b"https" && value != b"http";
                }
                Known::Pseudo { again }
            }
            b":path" => {
                let again = self.path.is_some();
                if !again {
                    self.odd |= !value.iter().all(|byte| (0x21..0x7F).contains(byte)) || may_hold_secrets(value);
                    self.path = Some(self.keep(value));
                }
                Known::Pseudo { again }
            }
            b":authority" => {
                let again = self.authority.is_some();
                if !again {
                    self.authority = Some(self.keep(value));
                }
                Known::Pseudo { again }
            }
            b":protocol" => {
                self.odd = true; // an extended CONNECT
                Known::Pseudo { again: false }
            }
            b"host" => {
                if self.host.is_none() {
                    self.host = Some(self.keep(value));
                }
                Known::Used
            }
            b"user-agent" => {
                if self.agent.is_none() {
                    match std::str::from_utf8(value) {
                        Ok(text) => self.agent_size = text.chars().count(),
                        Err(_) => self.odd = true,
                    }
                    self.agent = Some(self.keep(value));
                }
                Known::Used
            }
            _ => self.of_both(name, value),
        }
    }

    fn of_response(&mut self, name: &[u8], value: &[u8]) -> Known {
        match name {
            b":status" => {
                let again = self.status.is_some();
                self.status.get_or_insert_with(|| number(value, 3, 3));
                Known::Pseudo { again }
            }
            b"grpc-status" => {
                self.grpc_status.get_or_insert_with(|| number(value, 1, 4));
                Known::Used
            }
            b"sec-websocket-extensions" => Known::Used,
            _ => self.of_both(name, value),
        }
    }

    fn of_both(&mut self, name: &[u8], value: &[u8]) -> Known {
        match name {
            b"content-length" => {
                self.length.get_or_insert_with(|| number(value, 1, 18));
            }
            b"content-type" => {
                self.content_type.get_or_insert_with(|| call(value).ok_or(Unreadable));
            }
            b"content-encoding" => {}
            // RFC 9113, section 8.2.2.
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                self.marks |= PROTOCOL_ERROR;
            }
            _ => return Known::No,
        }
        Known::Used
    }

    /// RFC 9113, section 8.2.1: a name is in lower case, and has no colon in front. What was asked for is known.
    fn other(&mut self, name: &[u8]) {
        let plain = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase() && !b" \n".contains(byte);
        let good = name.first().is_some_and(|&first| first != b':') && name.iter().all(plain);
        if !good && !self.asked.iter().any(|each| each.as_bytes() == name) {
            self.marks |= PROTOCOL_ERROR;
        }
    }

    /// A field that was asked for. A cookie may come in pieces (RFC 9113, section 8.2.3).
    fn report(&mut self, place: usize, name: &[u8], value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else {
            self.odd = true;
            return;
        };
        match self.reported.iter_mut().find(|(of, _)| *of == place) {
            None => self.reported.push((place, vec![text.to_owned()])),
            Some((_, values)) if name == b"cookie" => values[0].extend(["; ", text]),
            Some((_, values)) => values.push(text.to_owned()),
        }
    }
}

enum Known {
    Pseudo { again: bool },
    Used,
    No,
}

/// Digits, so many of them.
fn number<T: TryFrom<u64>>(value: &[u8], least: usize, most: usize) -> Result<T, Unreadable> {
    if value.len() < least || value.len() > most || !value.iter().all(u8::is_ascii_digit) {
        return Err(Unreadable);
    }
    let number = value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    T::try_from(number).map_err(|_| Unreadable)
}

/// As `pipeline.decode.grpc.system`.
fn call(content_type: &[u8]) -> Option<Call> {
    let after = |text: &'_ [u8], name: &[u8]| {
        text.get(..name.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
            .then_some(name.len())
    };
    let mut at = after(content_type, b"application/grpc")?;
    let web = after(&content_type[at..], b"-web");
    at += web.unwrap_or_default();
    at += after(&content_type[at..], b"-text").unwrap_or_default();
    let ends = content_type.get(at).is_none_or(|byte| b"+; \t".contains(byte));
    ends.then_some(if web.is_some() { Call::GrpcWeb } else { Call::Grpc })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: bool, fields: &[(&str, &str)]) -> Option<Head> {
        let asked = ["x-a".to_owned(), "cookie".to_owned()];
        let mut parser = Parser::new(request, &asked);
        for (name, value) in fields {
            let known = |text: &'_ str| (text != "?").then(|| text.to_owned());
            let (name, value) = (known(name), known(value));
            parser.field(name.as_deref().map(str::as_bytes), value.as_deref().map(str::as_bytes));
        }
        parser.head()
    }

    const PLAIN: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a.example:8443"),
        (":path", "/p?q"),
    ];

    #[test]
    fn a_request_names_what_it_asks_for_and_of_whom() {
        let head = read(true, &PLAIN).unwrap();
        let line = head.line.unwrap();
        assert_eq!(
            (line.method, line.https, line.port, line.query),
            (Some("GET"), Some(true), Some(8443), Some(2))
        );
        assert_eq!(line.address.unwrap().of(&line.text), b"a.example");
        assert_eq!((head.marks, line.size), (0, 22));
    }

    #[test]
    fn what_breaks_the_rules_is_marked() {
        for extra in [
            (":method", "GET"),
            (":x", ""),
            ("X", ""),
            ("connection", "close"),
            ("content-length", "x"),
            ("", ""),
        ] {
            assert_eq!(
                read(true, &[&PLAIN[..], &[extra]].concat()).unwrap().marks,
                PROTOCOL_ERROR,
                "{extra:?}"
            );
        }
        assert_eq!(
            read(true, &[&[("a", "b")], &PLAIN[..]].concat()).unwrap().marks,
            PROTOCOL_ERROR
        );
        assert_eq!(read(true, &PLAIN[..3]).unwrap().marks, PROTOCOL_ERROR);
        assert_eq!(read(false, &[(":status", "20")]).unwrap().marks, PROTOCOL_ERROR);
    }

    #[test]
    fn what_is_unknown_is_not_called_missing() {
        let head = read(true, &[&PLAIN[..2], &[("?", "?")]].concat()).unwrap();
        assert_eq!((head.marks, head.line.unwrap().target.is_none()), (HPACK_PARTIAL, true));
        assert_eq!(read(true, &[("?", "?"), (":method", "GET")]).unwrap().marks, HPACK_PARTIAL);
    }

    #[test]
    fn what_is_odd_is_left_to_python() {
        for extra in [
            (":path", "/ä"),
            (":path", "/?sig=1"),
            (":method", "BREW"),
            (":scheme", "x"),
            (":protocol", "websocket"),
        ] {
            assert!(read(true, &[extra, PLAIN[2]]).is_none(), "{extra:?}");
        }
        for authority in ["[::1]", "u@a", "a:", "a:70000"] {
            assert!(read(true, &[(":authority", authority)]).is_none(), "{authority}");
        }
        assert!(read(false, &vec![("a", "b"); 257]).is_none());
    }

    #[test]
    fn trailers_have_no_line() {
        assert!(read(true, &[("x-a", "1")]).unwrap().line.is_none());
    }

    #[test]
    fn fields_that_were_asked_for_are_reported_and_a_cookie_is_joined() {
        let head = read(
            false,
            &[("cookie", "a"), ("x-a", "1"), ("cookie", "b"), ("x-a", "2"), ("x-b", "3")],
        )
        .unwrap();
        let text = |values: &[&str]| values.iter().map(|&text| text.into()).collect::<Vec<String>>();
        assert_eq!(head.reported, [(1, text(&["a; b"])), (0, text(&["1", "2"]))]);
        assert_eq!(head.size, 4 + 1 + 1 + 3 * VALUE_BYTES);
    }

    #[test]
    fn calls_are_known_by_their_type() {
        assert_eq!(call(b"application/grpc"), Some(Call::Grpc));
        assert_eq!(call(b"Application/gRPC+proto"), Some(Call::Grpc));
        assert_eq!(call(b"application/grpc-web-text; x"), Some(Call::GrpcWeb));
        for other in [
            &b"application/grpcx"[..],
            b"application/grpc-webb",
            b"application/grp",
            b"text/html",
        ] {
            assert_eq!(call(other), None);
        }
    }
}
