//! What is known of a connection, as values that pass between the lane and `pipeline.decode.http2.handover`, in both directions.

use crate::head::{METHODS, Span};
use crate::http2::follower::{Http2, Limits};
use crate::http2::head::{Call, Line};
use crate::http2::hpack::{Entry, Hpack, Scratch};
use crate::http2::messages::Messages;
use crate::http2::reader::Reader;
use crate::http2::stream::{Message, Stream};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::borrow::Cow;

/// `started`, `held`, `held_ns`, `left`, the stream of a body (0 for none), `flags`; and of HPACK `limit` and the log.
type ReaderValues = (bool, Vec<u8>, u64, usize, u32, u8, u64, Vec<(Option<Vec<u8>>, Vec<u8>)>);
/// `prefix`, `left`, `trailing`, `count`, `size`, `exact`.
type MessagesValues = (Vec<u8>, u64, bool, u64, u64, bool);
/// `start_ns`, `end_ns`, `size`, `body`, `marks`, `length`, reported names with their values, `held`, `done`.
type MessageValues = (u64, u64, u64, u64, u16, Option<u64>, Vec<(String, Vec<String>)>, usize, bool);
/// Method, whether the scheme is https, target, where its query begins, address, port, user agent, `size`.
type LineValues = (
    Option<String>,
    Option<bool>,
    Option<String>,
    Option<usize>,
    Option<String>,
    Option<u16>,
    Option<String>,
    usize,
);
/// Number, status, call (1 gRPC, 2 gRPC-Web, 0 none), its status, messages of both sides, `partial_host`, line, request, response.
type StreamValues = (
    u32,
    u16,
    u8,
    Option<u16>,
    Option<MessagesValues>,
    Option<MessagesValues>,
    bool,
    LineValues,
    MessageValues,
    Option<MessageValues>,
);

impl Http2 {
    /// `joined`, `gapped`, `lowest`, `looked_ns`, `dropped`, the open streams, and what reads either side.
    pub fn to_python<'py>(&self, py: Python<'py>, limits: &Limits) -> PyResult<Bound<'py, PyTuple>> {
        let streams = PyList::empty(py);
        for stream in self.open.values() {
            streams.append(stream_values(stream, limits))?;
        }
        let [asks, answers] = self.readers.each_ref().map(reader_values);
        let known = (self.joined, self.gapped, self.lowest, self.looked_ns, self.dropped.clone());
        (known, streams, asks, answers).into_pyobject(py)
    }

    pub fn from_python(values: &Bound<'_, PyAny>, limits: &Limits) -> PyResult<Http2> {
        type Known = (bool, bool, u32, u64, Vec<u32>);
        let ((joined, gapped, lowest, looked_ns, dropped), streams, asks, answers): (
            Known,
            Vec<StreamValues>,
            ReaderValues,
            ReaderValues,
        ) = values.extract()?;
        let mut http2 = Http2 {
            readers: [reader(asks), reader(answers)],
            joined,
            gapped,
            lowest,
            looked_ns,
            dropped,
            scratch: Scratch::default(),
            ..Http2::new()
        };
        for values in streams {
            let stream = stream(values, limits)?;
            http2.held += stream.held_bytes();
            http2.latest = stream.id;
            http2.open.insert(stream.id, stream);
        }
        Ok(http2)
    }
}

fn reader_values(reader: &Reader) -> ReaderValues {
    let log = reader.hpack.log.iter();
    (
        reader.started,
        reader.held.clone(),
        reader.held_ns,
        reader.left,
        reader.body.unwrap_or_default(),
        reader.flags,
        reader.hpack.limit,
        log.map(|entry| (entry.name.as_deref().map(<[u8]>::to_vec), entry.value.to_vec()))
            .collect(),
    )
}

fn reader((started, held, held_ns, left, body, flags, limit, log): ReaderValues) -> Reader {
    let entry = |(name, value): (Option<Vec<u8>>, Vec<u8>)| Entry {
        name: name.map(Cow::Owned),
        value: value.into(),
    };
    Reader {
        hpack: Hpack::restored(log.into_iter().map(entry).collect(), limit),
        started,
        held,
        held_ns,
        left,
        body: Some(body).filter(|&number| number != 0),
        flags,
    }
}

fn stream_values(stream: &Stream, limits: &Limits) -> StreamValues {
    let line = &stream.line;
    let text = |span: Option<Span>| span.map(|span| String::from_utf8_lossy(span.of(&line.text)).into_owned());
    let line_values = (
        line.method.map(str::to_owned),
        line.https,
        text(line.target),
        line.query,
        text(line.address),
        line.port,
        text(line.agent),
        line.size,
    );
    (
        stream.id,
        stream.status,
        match stream.call {
            None => 0,
            Some(Call::Grpc) => 1,
            Some(Call::GrpcWeb) => 2,
        },
        stream.grpc_status,
        stream.asked.as_ref().map(messages_values),
        stream.answered.as_ref().map(messages_values),
        stream.partial_host,
        line_values,
        message_values(&stream.request, limits.reported[0]),
        stream
            .response
            .as_ref()
            .map(|response| message_values(response, limits.reported[1])),
    )
}

fn stream(values: StreamValues, limits: &Limits) -> PyResult<Stream> {
    let (id, status, call, grpc_status, asked, answered, partial_host, line_values, request, response) = values;
    let (method, https, target, query, address, port, agent, size) = line_values;
    let mut text = Vec::new();
    let [target, address, agent] = [target, address, agent].map(|value| {
        let value = value?;
        let from = text.len();
        text.extend_from_slice(value.as_bytes());
        Some(Span { from, to: text.len() })
    });
    let method = match method {
        None => None,
        Some(name) => Some(
            METHODS
                .into_iter()
                .find(|method| *method == name)
                .ok_or_else(|| PyValueError::new_err("a method that the lane does not know"))?,
        ),
    };
    let line = Line {
        text: text.into(),
        method,
        https,
        target,
        query,
        address,
        port,
        agent,
        size,
    };
    Ok(Stream {
        id,
        line,
        request: message(request, limits.reported[0])?,
        status,
        response: response.map(|values| message(values, limits.reported[1])).transpose()?,
        call: match call {
            0 => None,
            1 => Some(Call::Grpc),
            _ => Some(Call::GrpcWeb),
        },
        grpc_status,
        asked: asked.map(messages),
        answered: answered.map(messages),
        partial_host,
    })
}

fn message_values(message: &Message, names: &[String]) -> MessageValues {
    let texts = |(place, values): &(usize, Vec<String>)| (names[*place].clone(), values.clone());
    (
        message.start_ns,
        message.end_ns,
        message.size,
        message.body,
        message.marks,
        message.length,
        message.reported.iter().map(texts).collect(),
        message.held,
        message.done,
    )
}

fn message(values: MessageValues, names: &[String]) -> PyResult<Message> {
    let (start_ns, end_ns, size, body, marks, length, reported, held, done) = values;
    let placed = |(name, values): (String, Vec<String>)| {
        let place = names.iter().position(|each| *each == name)?;
        Some((place, values))
    };
    let reported: Option<_> = reported.into_iter().map(placed).collect();
    Ok(Message {
        start_ns,
        end_ns,
        size,
        body,
        marks,
        length,
        reported: reported.ok_or_else(|| PyValueError::new_err("a field that nobody asked for"))?,
        held,
        done,
    })
}

fn messages_values(messages: &Messages) -> MessagesValues {
    (
        messages.prefix.clone(),
        messages.left,
        messages.trailing,
        messages.count,
        messages.size,
        messages.exact,
    )
}

fn messages((prefix, left, trailing, count, size, exact): MessagesValues) -> Messages {
    Messages {
        prefix,
        left,
        trailing,
        count,
        size,
        exact,
    }
}
