//! A whole exchange in native memory: what `pipeline.decode.pairing.build` would make of a request and its response, field by field.
//! Pure, but for what a source said of the connection, which are Python's objects.

use crate::ends::Ends;
use crate::http2::exchange::OfStream;
use crate::message::{Request, Response};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::sync::Arc;

/// As `_EXCHANGE_BYTES` of `build`.
pub const EXCHANGE_BYTES: usize = 900;
/// What a reported value costs beside its text, as `FieldParser` has it.
pub const VALUE_BYTES: usize = 60;

macro_rules! fields {
    ($($name:literal $field:ident)*) => {
        /// What the lane knows of an exchange, by the names of its class.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($field),* }

        impl Field {
            pub fn named(attribute: &str) -> Option<Field> {
                match attribute { $($name => Some(Field::$field),)* _ => None }
            }
        }
    };
}

impl Field {
    /// Whether all exchanges of a connection say the same.
    pub fn of_connection(self) -> bool {
        matches!(
            self,
            Field::ClientAddress
                | Field::ClientPort
                | Field::LocalAddress
                | Field::LocalPort
                | Field::NetworkType
                | Field::Protocol
                | Field::Source
                | Field::Capture
                | Field::Connection
        )
    }
}

fields! {
    "timestamp_ns" Time
    "attributes" Attributes
    "memory_bytes" Memory
    "http_request_method" Method
    "url_scheme" Scheme
    "url_path" Path
    "url_query" Query
    "server_address" ServerAddress
    "server_port" ServerPort
    "client_address" ClientAddress
    "client_port" ClientPort
    "network_local_address" LocalAddress
    "network_local_port" LocalPort
    "network_type" NetworkType
    "network_protocol_name" Protocol
    "network_protocol_version" Version
    "http_response_status_code" Status
    "http_request_body_size" RequestBody
    "http_response_body_size" ResponseBody
    "http_request_size" RequestSize
    "http_response_size" ResponseSize
    "user_agent_original" Agent
    "http_request_headers" RequestHeaders
    "http_response_headers" ResponseHeaders
    "error_type" Error
    "httpipe_duration_ms" Duration
    "httpipe_ttfb_ms" Ttfb
    "httpipe_request_target" Target
    "httpipe_source" Source
    "httpipe_capture" Capture
    "httpipe_connection" Connection
    "httpipe_sequence" Sequence
    "httpipe_marks" Marks
    "httpipe_stream_id" Stream
    "httpipe_http2_error" Http2Error
    "rpc_system" RpcSystem
    "rpc_service" RpcService
    "rpc_method" RpcMethod
    "rpc_grpc_status_code" RpcStatus
    "httpipe_rpc_request_messages" RpcRequestMessages
    "httpipe_rpc_response_messages" RpcResponseMessages
    "httpipe_rpc_request_message_bytes" RpcRequestBytes
    "httpipe_rpc_response_message_bytes" RpcResponseBytes
    "httpipe_rpc_streaming" RpcStreaming
}

pub enum Value<'a> {
    Absent,
    Text(&'a str),
    /// Text that consists of the digits of a number.
    Digits(u16),
    Int(u64),
    Float(f64),
    /// As bits.
    Marks(u16),
    Headers(Headers<'a>),
    Attributes,
}

impl<'a> Value<'a> {
    pub fn text(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Absent, Value::Text)
    }

    pub fn int<T: Into<u64>>(number: Option<T>) -> Value<'a> {
        number.map_or(Value::Absent, |number| Value::Int(number.into()))
    }
}

/// A value of a field that was asked for: which, by its place among them, and the text.
pub type Reported = (usize, Box<str>);

/// Values of those; their names stand in the order in which they were asked for, or in which they came.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    pub found: &'a [Reported],
    pub as_they_came: bool,
}

pub struct Exchange {
    pub ends: Arc<Ends>,
    /// What a source said of the connection, as values from `Maker::told_at` on.
    pub told: Option<Py<PyTuple>>,
    /// The Python object, once somebody asked for it.
    pub made: PyOnceLock<Py<PyAny>>,
    pub memory: usize,
    /// Target, host and agent, one behind the other.
    pub text: Box<str>,
    pub query: usize,
    pub target: usize,
    pub host: usize,
    pub agent: bool,
    pub port: u16,
    pub status: Option<u16>,
    pub marks: u16,
    pub method: Option<&'static str>,
    pub scheme: Option<&'static str>,
    pub version: &'static str,
    pub start_ns: u64,
    /// Of the response, its first byte and its last one.
    pub answered_ns: Option<(u64, u64)>,
    pub sequence: u64,
    /// Of the request and of the response.
    pub bodies: [Option<u64>; 2],
    pub sizes: [Option<u64>; 2],
    pub headers: [Box<[Reported]>; 2],
    /// What only HTTP/2 has.
    pub stream: Option<Box<OfStream>>,
}

impl Exchange {
    /// None where text is none, which the reading of heads does not let pass.
    pub fn new(request: Request, response: Response, ends: Arc<Ends>, sequence: u64, marks: u16) -> Option<Exchange> {
        let (head, asked, answered) = (request.head, request.message, response.message);
        let fields = head.fields;
        let [target, host, agent] = [Some(head.target), fields.host, fields.agent]
            .map(|span| std::str::from_utf8(span.map_or(&[][..], |span| span.of(&request.text))));
        let (target, host, agent) = (target.ok()?, host.ok()?, agent.ok()?);
        let headers = [fields.reported, response.head.fields.reported].map(Vec::into_boxed_slice);
        let values = headers.iter().flatten();
        let memory = EXCHANGE_BYTES
            + 2 * target.len()
            + agent.chars().count()
            + values.map(|(_, text)| text.chars().count() + VALUE_BYTES).sum::<usize>();
        Some(Exchange {
            ends,
            told: None,
            made: PyOnceLock::new(),
            memory,
            text: [target, host, agent].concat().into(),
            query: memchr::memchr(b'?', target.as_bytes()).unwrap_or(target.len()),
            target: target.len(),
            host: target.len() + host.len(),
            agent: fields.agent.is_some(),
            port: fields.port.unwrap_or(0),
            status: Some(response.head.status),
            marks,
            method: Some(head.method),
            scheme: Some("http"),
            version: head.version,
            start_ns: asked.start_ns,
            answered_ns: Some((answered.start_ns, answered.end_ns)),
            sequence,
            bodies: [Some(asked.body()), Some(answered.body())],
            sizes: [Some(asked.size), Some(answered.size)],
            headers,
            stream: None,
        })
    }

    pub fn has_headers(&self) -> bool {
        self.headers.iter().any(|headers| !headers.is_empty())
    }

    /// Whether the target is a path and nothing else.
    pub fn is_path(&self) -> bool {
        self.query == self.target
    }

    pub fn value(&self, field: Field) -> Value<'_> {
        let ends = &*self.ends;
        let stream = self.stream.as_ref();
        if let Some(value) = stream.and_then(|stream| stream.value(field, &self.text[..self.query])) {
            return value;
        }
        match field {
            Field::Time => Value::Int(self.start_ns),
            Field::Attributes => Value::Attributes,
            Field::Memory => Value::Int(self.memory as u64),
            Field::Method => Value::text(self.method),
            Field::Scheme => Value::text(self.scheme),
            Field::Protocol => Value::Text("http"),
            Field::Path => Value::Text(&self.text[..self.query]),
            Field::Query if self.is_path() => Value::Absent,
            Field::Query => Value::Text(&self.text[self.query + 1..self.target]),
            Field::Target => Value::Text(&self.text[..self.target]),
            Field::ServerAddress if self.host == self.target => Value::Text(&ends.server_address),
            Field::ServerAddress => Value::Text(&self.text[self.target..self.host]),
            Field::ServerPort if self.port != 0 => Value::Int(self.port.into()),
            Field::ServerPort | Field::LocalPort => Value::Int(ends.server_port.into()),
            Field::ClientAddress => Value::Text(&ends.client_address),
            Field::ClientPort => Value::Int(ends.client_port.into()),
            Field::LocalAddress => Value::Text(&ends.server_address),
            Field::NetworkType => Value::Text(ends.network_type),
            Field::Version => Value::Text(self.version),
            Field::Status => Value::int(self.status),
            Field::RequestBody => Value::int(self.bodies[0]),
            Field::ResponseBody => Value::int(self.bodies[1]),
            Field::RequestSize => Value::int(self.sizes[0]),
            Field::ResponseSize => Value::int(self.sizes[1]),
            Field::Agent if self.agent => Value::Text(&self.text[self.host..]),
            Field::Error => match self.status {
                Some(status) if status >= 500 => Value::Digits(status),
                _ => Value::text(self.stream.as_ref().and_then(|stream| stream.error())),
            },
            Field::RequestHeaders => Value::Headers(self.reported(0)),
            Field::ResponseHeaders => Value::Headers(self.reported(1)),
            Field::Ttfb | Field::Duration => match self.answered_ns {
                Some(answered_ns) => Value::Float(self.millis(field, answered_ns)),
                None => Value::Absent,
            },
            Field::Source => Value::Text(&ends.maker.source),
            Field::Capture => Value::Text(&ends.maker.capture),
            Field::Connection => Value::Text(&ends.id),
            Field::Sequence => Value::Int(self.sequence),
            Field::Marks => Value::Marks(self.marks),
            // It has none, or it stands in `stream`.
            _ => Value::Absent,
        }
    }

    fn reported(&self, side: usize) -> Headers<'_> {
        Headers {
            found: &self.headers[side],
            as_they_came: self.stream.is_some(),
        }
    }

    fn millis(&self, field: Field, (first_ns, end_ns): (u64, u64)) -> f64 {
        let duration = millis(self.start_ns, end_ns);
        match field {
            Field::Ttfb => millis(self.start_ns, first_ns).max(0.0),
            // A response that began before its request: clocks of several interfaces.
            _ if first_ns < self.start_ns => duration.max(0.0),
            _ => duration,
        }
    }
}

/// Milliseconds between two times.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 ns are 104 days; Python rounds in the same way beyond"
)]
fn millis(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e6
}
