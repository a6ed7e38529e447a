//! A whole exchange in native memory: what `pipeline.decode.pairing.build` would make of a request and its response, field by field.
//! Pure, but for what a source said of the connection, which are Python's objects.

use crate::ends::Ends;
use crate::message::{Request, Response};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::sync::Arc;

/// As `_EXCHANGE_BYTES` of `build`.
const EXCHANGE_BYTES: usize = 900;
/// What a reported value costs beside its text, as `FieldParser` has it.
const VALUE_BYTES: usize = 60;

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
    Headers(&'a [Reported]),
    Attributes,
}

/// A value of a field that was asked for: which, by its place among them, and the text.
pub type Reported = (usize, Box<str>);

pub struct Exchange {
    pub ends: Arc<Ends>,
    /// What a source said of the connection, as values from `Maker::told_at` on.
    pub told: Option<Py<PyTuple>>,
    /// The Python object, once somebody asked for it.
    pub made: PyOnceLock<Py<PyAny>>,
    pub memory: usize,
    /// Target, host and agent, one behind the other.
    text: Box<str>,
    query: usize,
    target: usize,
    host: usize,
    agent: bool,
    port: u16,
    status: u16,
    marks: u16,
    method: &'static str,
    version: &'static str,
    start_ns: u64,
    first_ns: u64,
    end_ns: u64,
    sequence: u64,
    bodies: [u64; 2],
    sizes: [u64; 2],
    headers: [Box<[Reported]>; 2],
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
            status: response.head.status,
            marks,
            method: head.method,
            version: head.version,
            start_ns: asked.start_ns,
            first_ns: answered.start_ns,
            end_ns: answered.end_ns,
            sequence,
            bodies: [asked.body(), answered.body()],
            sizes: [asked.size, answered.size],
            headers,
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
        match field {
            Field::Time => Value::Int(self.start_ns),
            Field::Attributes => Value::Attributes,
            Field::Memory => Value::Int(self.memory as u64),
            Field::Method => Value::Text(self.method),
            Field::Scheme | Field::Protocol => Value::Text("http"),
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
            Field::Status => Value::Int(self.status.into()),
            Field::RequestBody => Value::Int(self.bodies[0]),
            Field::ResponseBody => Value::Int(self.bodies[1]),
            Field::RequestSize => Value::Int(self.sizes[0]),
            Field::ResponseSize => Value::Int(self.sizes[1]),
            Field::Agent if self.agent => Value::Text(&self.text[self.host..]),
            Field::Error if self.status >= 500 => Value::Digits(self.status),
            Field::Agent | Field::Error => Value::Absent,
            Field::RequestHeaders => Value::Headers(&self.headers[0]),
            Field::ResponseHeaders => Value::Headers(&self.headers[1]),
            // A response that began before its request: clocks of several interfaces.
            Field::Ttfb => Value::Float(millis(self.start_ns, self.first_ns).max(0.0)),
            Field::Duration if self.first_ns < self.start_ns => Value::Float(millis(self.start_ns, self.end_ns).max(0.0)),
            Field::Duration => Value::Float(millis(self.start_ns, self.end_ns)),
            Field::Source => Value::Text(&ends.maker.source),
            Field::Capture => Value::Text(&ends.maker.capture),
            Field::Connection => Value::Text(&ends.id),
            Field::Sequence => Value::Int(self.sequence),
            Field::Marks => Value::Marks(self.marks),
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
