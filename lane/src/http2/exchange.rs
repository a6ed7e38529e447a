//! A stream that is over → `Exchange`, as `pipeline.decode.http2.exchange` and `pipeline.decode.pairing.build` have it.

use crate::ends::Ends;
use crate::exchange::{EXCHANGE_BYTES, Exchange, Field, Reported, Value};
use crate::http2::follower::Finished;
use crate::http2::head::Call;
use crate::http2::messages::Messages;
use crate::http2::stream::Message;
use pyo3::sync::PyOnceLock;
use std::borrow::Cow;
use std::sync::Arc;

/// As `pipeline.decode.marks.UNMATCHED_REQUEST`.
const UNMATCHED_REQUEST: u16 = 1 << 3;
/// RFC 9113, section 7, by number.
const ERROR_CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// What an exchange says beside what those of HTTP/1 do.
pub struct OfStream {
    id: u32,
    /// Its reset came before the answer was whole.
    broken: bool,
    /// The code that ended it early.
    code: Option<Cow<'static, str>>,
    /// What it asks for is not known, nor of whom.
    no_target: bool,
    partial_host: bool,
    call: Option<Call>,
    grpc_status: Option<u16>,
    /// Messages of both sides and their bytes, where they are exact; and whether there are several.
    messages: [Option<(u64, u64)>; 2],
    streams: [bool; 2],
}

impl OfStream {
    fn new(finished: &Finished) -> OfStream {
        let stream = &finished.stream;
        let broken = finished.reset.is_some() && !stream.response.as_ref().is_some_and(|answer| answer.done);
        let code = finished.reset.filter(|&code| code != 0 || broken);
        let sides = [&stream.asked, &stream.answered].map(Option::as_ref);
        OfStream {
            id: stream.id,
            broken,
            code: code.map(|code| match ERROR_CODES.get(code as usize) {
                Some(name) => Cow::Borrowed(*name),
                None => Cow::Owned(format!("0x{code:x}")),
            }),
            no_target: stream.line.target.is_none(),
            partial_host: stream.partial_host,
            call: stream.call,
            grpc_status: stream.grpc_status,
            messages: sides.map(|side| {
                let exact = side.filter(|messages| messages.exact)?;
                Some((exact.count, exact.size))
            }),
            streams: sides.map(|side| side.is_some_and(|messages: &Messages| messages.count > 1)),
        }
    }

    /// How an exchange that is not whole broke off.
    pub fn error(&self) -> Option<&'static str> {
        self.broken.then_some("reset")
    }

    /// A value that only a stream has, or none for what it hides; None where the exchange knows it. `path` is what it asks for.
    pub fn value<'a>(&'a self, field: Field, path: &'a str) -> Option<Value<'a>> {
        let called = |value: Value<'a>| if self.call.is_some() { value } else { Value::Absent };
        Some(match field {
            Field::Path | Field::Query | Field::Target if self.no_target => Value::Absent,
            Field::ServerAddress | Field::ServerPort if self.partial_host => Value::Absent,
            Field::Stream => Value::Int(self.id.into()),
            Field::Http2Error => Value::text(self.code.as_deref()),
            Field::RpcSystem => Value::text(self.call.map(|call| match call {
                Call::Grpc => "grpc",
                Call::GrpcWeb => "grpc_web",
            })),
            Field::RpcService => called(Value::text(named(path).map(|(service, _)| service))),
            Field::RpcMethod => called(Value::text(named(path).map(|(_, method)| method))),
            Field::RpcStatus => called(Value::int(self.grpc_status)),
            Field::RpcRequestMessages => Value::int(self.messages[0].map(|(count, _)| count)),
            Field::RpcResponseMessages => Value::int(self.messages[1].map(|(count, _)| count)),
            Field::RpcRequestBytes => Value::int(self.messages[0].map(|(_, size)| size)),
            Field::RpcResponseBytes => Value::int(self.messages[1].map(|(_, size)| size)),
            Field::RpcStreaming => match self.streams {
                [false, false] => Value::Absent,
                [true, false] => Value::Text("client"),
                [false, true] => Value::Text("server"),
                [true, true] => Value::Text("bidi"),
            },
            _ => return None,
        })
    }
}

/// Service and method of `/package.Service/Method`.
fn named(path: &str) -> Option<(&str, &str)> {
    let both = path.strip_prefix('/').unwrap_or(path).rsplit_once('/');
    both.filter(|(service, method)| !service.is_empty() && !method.is_empty())
}

impl Exchange {
    /// None where text is none, which the reading of heads does not let pass.
    pub fn of_stream(finished: Finished, ends: Arc<Ends>, sequence: u64, marks: u16) -> Option<Exchange> {
        let of_stream = OfStream::new(&finished);
        let stream = finished.stream;
        let (line, asked, answered) = (stream.line, stream.request, stream.response);
        let [target, host, agent] = [line.target, line.address, line.agent]
            .map(|span| std::str::from_utf8(span.map_or(&[][..], |span| span.of(&line.text))));
        let (target, host, agent) = (target.ok()?, host.ok()?, agent.ok()?);
        let of = |side: fn(&Message) -> u64| [Some(side(&asked)), answered.as_ref().map(side)];
        Some(Exchange {
            ends,
            told: None,
            made: PyOnceLock::new(),
            memory: EXCHANGE_BYTES + line.size + asked.held + answered.as_ref().map_or(0, |answer| answer.held),
            text: [target, host, agent].concat().into(),
            query: line.query.unwrap_or(target.len()),
            target: target.len(),
            host: target.len() + host.len(),
            agent: line.agent.is_some(),
            port: line.port.unwrap_or(0),
            status: answered.as_ref().map(|_| stream.status),
            marks: marks | asked.marks | answered.as_ref().map_or(UNMATCHED_REQUEST, |answer| answer.marks),
            method: line.method,
            scheme: line.https.map(|https| if https { "https" } else { "http" }),
            version: "2",
            start_ns: asked.start_ns,
            answered_ns: answered.as_ref().map(|answer| (answer.start_ns, answer.end_ns)),
            sequence,
            bodies: of(|message| message.body),
            sizes: of(|message| message.size),
            headers: [
                reported(asked.reported),
                answered.map_or_else(Box::default, |answer| reported(answer.reported)),
            ],
            stream: Some(Box::new(of_stream)),
        })
    }
}

fn reported(found: Vec<(usize, Vec<String>)>) -> Box<[Reported]> {
    let values = |(place, texts): (usize, Vec<String>)| texts.into_iter().map(move |text| (place, text.into()));
    found.into_iter().flat_map(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_its_path() {
        assert_eq!(named("/a.B/C"), Some(("a.B", "C")));
        assert_eq!(named("a/b/C"), Some(("a/b", "C")));
        for other in ["", "/", "/a", "//a", "/a/", "a//"] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
