//! Both directions of a connection that speaks HTTP/2: bytes in order → frames → streams → exchanges. Pure: no Python.
//!
//! It says what `pipeline.decode.http2` says, of plain frames. At the first one that is not plain it stops, in front of that frame
//! and with nothing changed by it, so that Python goes on from there with all that is known here.

use crate::http2::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADER, HEADERS, Header, PADDED, PREFACE, PRIORITISED, PUSH_PROMISE,
    RST_STREAM, begins_server, word,
};
use crate::http2::head::{HPACK_PARTIAL, Head, Parser};
use crate::http2::hpack::Scratch;
use crate::http2::messages::Messages;
use crate::http2::reader::Reader;
use crate::http2::stream::{Block, Message, Stream};
use crate::segment::Segment;
use std::collections::BTreeMap;

/// As `MAX_DROPPED` of `pipeline.decode.http2.streams`.
const MAX_DROPPED: usize = 1024;

/// What all connections have in common.
pub struct Limits<'a> {
    /// Names of the fields to report, of requests and of responses.
    pub reported: [&'a [String]; 2],
    pub max_head: usize,
    /// Streams that may be open on one connection, and on this one as there is room for in all.
    pub max_open: usize,
    pub room: usize,
}

/// A stream that is over, and whether it was reset: with which code.
pub struct Finished {
    pub stream: Stream,
    pub reset: Option<u32>,
}

/// What became of a frame.
enum Frame {
    /// The next one begins there.
    Next(usize),
    /// More of it must come.
    Incomplete,
    Unusual,
}

/// When bytes came: the first, and the last.
#[derive(Clone, Copy)]
pub struct When {
    pub begun_ns: u64,
    pub ended_ns: u64,
}

impl When {
    pub fn of(seg: &Segment) -> When {
        When {
            begun_ns: seg.ts_ns,
            ended_ns: seg.ended_ns(),
        }
    }
}

/// Index 0 is the client, 1 the server. Streams begin in the order of their numbers, of which `latest` is the last.
pub struct Http2 {
    pub readers: [Reader; 2],
    pub open: BTreeMap<u32, Stream>,
    /// Numbers of which nothing more is reported.
    pub dropped: Vec<u32>,
    pub latest: u32,
    /// What Python knows of the connection, and needs where something is missing.
    pub joined: bool,
    pub gapped: bool,
    pub lowest: u32,
    pub looked_ns: u64,
    pub finished: Vec<Finished>,
    pub held: usize,
    pub scratch: Scratch,
}

impl Http2 {
    pub fn new() -> Http2 {
        Http2 {
            readers: [Reader::new(), Reader::new()],
            open: BTreeMap::new(),
            dropped: Vec::new(),
            latest: 0,
            joined: false,
            gapped: false,
            lowest: 0,
            looked_ns: 0,
            finished: Vec::new(),
            held: 0,
            scratch: Scratch::default(),
        }
    }

    /// What it costs in the bound on memory.
    pub fn held_bytes(&self) -> usize {
        self.held + self.readers.iter().map(Reader::held_bytes).sum::<usize>()
    }

    /// The next bytes of a side. Where something is unusual, how many of them stand in front of it.
    pub fn data(&mut self, side: usize, data: &[u8], when: When, limits: &Limits) -> Result<(), usize> {
        let reader = &mut self.readers[side];
        let before = std::mem::take(&mut reader.held);
        let joined = (!before.is_empty()).then(|| [&before, data].concat());
        let (data, mut begun) = match &joined {
            Some(joined) => (&joined[..], reader.held_ns),
            None => (data, when.begun_ns),
        };
        let mut pos = if reader.left > 0 {
            self.payload(side, data, when)
        } else if reader.started {
            0
        } else {
            reader.started = if side == 0 {
                data.starts_with(PREFACE)
            } else {
                begins_server(data)
            };
            match (reader.started, side) {
                (false, _) => return Err(0),
                (true, 0) => PREFACE.len(),
                (true, _) => 0,
            }
        };
        while self.readers[side].left == 0 {
            match self.frame(side, &data[pos..], begun, when, limits) {
                Frame::Next(taken) => pos += taken,
                Frame::Incomplete => break,
                Frame::Unusual => {
                    if pos == 0 {
                        self.readers[side].held = before;
                        return Err(0);
                    }
                    return Err(pos - before.len());
                }
            }
            begun = when.begun_ns;
        }
        let reader = &mut self.readers[side];
        if pos < data.len() {
            reader.held_ns = begun;
            reader.held = match joined {
                Some(joined) if pos == 0 => joined,
                _ => data[pos..].to_vec(),
            };
        }
        Ok(())
    }

    /// `count` bytes were left out on purpose. False unless they are of a payload that is being read; nothing has changed then.
    pub fn gap(&mut self, side: usize, count: usize, when: When) -> bool {
        let reader = &mut self.readers[side];
        if count > reader.left {
            return false;
        }
        reader.left -= count;
        let (left, stream) = (reader.left, reader.body.and_then(|number| self.open.get_mut(&number)));
        if let Some(stream) = stream {
            if let Some(message) = stream.message(side) {
                message.size += count as u64;
                message.body += count as u64;
                message.end_ns = message.end_ns.max(when.ended_ns);
            }
            if let Some(messages) = stream.messages(side) {
                messages.gap(count as u64);
            }
        }
        if left == 0 {
            self.payload_ends(side);
        }
        true
    }

    /// The frame that `data` begins with, or its beginning.
    fn frame(&mut self, side: usize, data: &[u8], begun: u64, when: When, limits: &Limits) -> Frame {
        let Some(header) = Header::read(data) else {
            return Frame::Incomplete;
        };
        let padded = matches!(header.kind, DATA | HEADERS) && header.has(PADDED);
        if !header.is_valid() || padded || matches!(header.kind, PUSH_PROMISE | CONTINUATION) {
            return Frame::Unusual;
        }
        if !matches!(header.kind, HEADERS | RST_STREAM | GOAWAY) {
            if header.kind == DATA {
                self.begin_body(side, header);
            } else {
                let reader = &mut self.readers[side];
                (reader.left, reader.body, reader.flags) = (header.length, None, 0);
            }
            return Frame::Next(HEADER + self.payload(side, &data[HEADER..], when));
        }
        let Some(payload) = data[HEADER..].get(..header.length) else {
            return if header.length <= limits.max_head {
                Frame::Incomplete
            } else {
                Frame::Unusual
            };
        };
        let taken = match header.kind {
            HEADERS => {
                let block = Block {
                    start_ns: begun,
                    end_ns: when.ended_ns,
                    size: (HEADER + header.length) as u64,
                };
                self.headers(side, header, payload, block, limits)
            }
            RST_STREAM => {
                self.reset(header.stream, word(payload));
                Some(())
            }
            _ => self.gone_away(side, payload),
        };
        if taken.is_some() {
            Frame::Next(HEADER + header.length)
        } else {
            Frame::Unusual
        }
    }

    // -- bodies ------------------------------------------------------------------------------------------------------------

    fn begin_body(&mut self, side: usize, header: Header) {
        let message = self.open.get_mut(&header.stream).and_then(|stream| stream.message(side));
        let reader = &mut self.readers[side];
        reader.left = header.length;
        (reader.body, reader.flags) = if let Some(message) = message {
            message.size += HEADER as u64;
            (Some(header.stream), header.flags)
        } else {
            (None, 0)
        };
    }

    /// More of a payload. Returns how much of `data` is of it.
    fn payload(&mut self, side: usize, data: &[u8], when: When) -> usize {
        let reader = &mut self.readers[side];
        let here = data.len().min(reader.left);
        reader.left -= here;
        let (left, stream) = (reader.left, reader.body.and_then(|number| self.open.get_mut(&number)));
        if let Some(stream) = stream {
            if let Some(message) = stream.message(side) {
                message.size += here as u64;
                message.body += here as u64;
                message.end_ns = when.ended_ns;
            }
            if let Some(messages) = stream.messages(side) {
                messages.data(&data[..here]);
            }
        }
        if left == 0 {
            self.payload_ends(side);
        }
        here
    }

    fn payload_ends(&mut self, side: usize) {
        let reader = &mut self.readers[side];
        let ended = reader.flags & END_STREAM != 0;
        if let Some(number) = reader.body.take().filter(|_| ended) {
            self.ended(number, side);
        }
    }

    // -- header blocks -----------------------------------------------------------------------------------------------------

    fn headers(&mut self, side: usize, header: Header, payload: &[u8], block: Block, limits: &Limits) -> Option<()> {
        let fragment = if header.has(PRIORITISED) { payload.get(5..)? } else { payload };
        if !header.has(END_HEADERS) {
            return None;
        }
        let hpack = &mut self.readers[side].hpack;
        let before = hpack.before();
        let mut parser = Parser::new(side == 0, limits.reported[side]);
        let decoded = hpack.decode(fragment, &mut self.scratch, |name, value| parser.field(name, value));
        let taken = decoded.ok().and_then(|()| parser.head()).and_then(|head| {
            if side == 0 {
                self.asks(header, block, head, limits)
            } else {
                self.answers(header, block, head)
            }
        });
        let hpack = &mut self.readers[side].hpack;
        if taken.is_some() {
            hpack.shorten();
        } else {
            hpack.undo(&before);
        }
        taken
    }

    /// A request begins, or its trailers end it. None, with nothing changed, where that is for Python to say.
    fn asks(&mut self, header: Header, block: Block, mut head: Head, limits: &Limits) -> Option<()> {
        let number = header.stream;
        if let Some(stream) = self.open.get_mut(&number) {
            let before = stream.held_bytes();
            stream.request.trailers(block, head);
            self.held += stream.held_bytes() - before;
        } else if self.dropped.contains(&number) {
            return Some(());
        } else {
            if number <= self.latest || self.open.len() >= limits.max_open || self.open.len() > limits.room {
                return None;
            }
            let line = head.line.take()?;
            let stream = Stream {
                id: number,
                partial_host: line.address.is_none() && head.marks & HPACK_PARTIAL != 0,
                line,
                status: 0,
                response: None,
                call: head.call,
                grpc_status: None,
                asked: head.call.map(|_| Messages::new()),
                answered: None,
                request: Message::new(block, head),
            };
            self.held += stream.held_bytes();
            self.latest = number;
            if self.lowest == 0 || number < self.lowest {
                self.lowest = number;
            }
            self.open.insert(number, stream);
        }
        if header.has(END_STREAM) {
            self.ended(number, 0);
        }
        Some(())
    }

    /// An informational response, the final one, or its trailers.
    fn answers(&mut self, header: Header, block: Block, head: Head) -> Option<()> {
        let (number, ended) = (header.stream, header.has(END_STREAM));
        let Some(stream) = self.open.get_mut(&number) else {
            let place = self.dropped.iter().position(|&dropped| dropped == number)?;
            if ended {
                self.dropped.remove(place);
            }
            return Some(());
        };
        if head.status.is_some_and(|status| status < 200) {
            return (!ended).then_some(());
        }
        let before = stream.held_bytes();
        let grpc_status = head.grpc_status;
        if let Some(response) = &mut stream.response {
            response.trailers(block, head);
        } else {
            stream.status = head.status?;
            if head.call.is_some() {
                stream.call = head.call;
                stream.answered = Some(Messages::new());
            }
            stream.response = Some(Message::new(block, head));
        }
        stream.grpc_status = grpc_status.or(stream.grpc_status);
        self.held += stream.held_bytes() - before;
        if ended {
            self.ended(number, 1);
        }
        Some(())
    }

    // -- ends --------------------------------------------------------------------------------------------------------------

    /// One side of a stream has said all.
    fn ended(&mut self, number: u32, side: usize) {
        if let Some(stream) = self.open.get_mut(&number) {
            stream.ended(side);
            if stream.over() {
                self.finish(number, None);
            }
        }
    }

    fn finish(&mut self, number: u32, reset: Option<u32>) {
        if let Some(stream) = self.open.remove(&number) {
            self.held -= stream.held_bytes();
            self.finished.push(Finished { stream, reset });
        }
    }

    /// `RST_STREAM`, from either end. An answer that is whole needs no more of its request.
    fn reset(&mut self, number: u32, code: u32) {
        if self.open.contains_key(&number) {
            self.finish(number, Some(code));
            if self.dropped.len() >= MAX_DROPPED {
                self.dropped.remove(0);
            }
            self.dropped.push(number);
        }
    }

    /// GOAWAY: None where it ends streams.
    fn gone_away(&self, side: usize, payload: &[u8]) -> Option<()> {
        let last = word(
            payload
                .first_chunk::<8>()
                .map_or(&[0x7F, 0xFF, 0xFF, 0xFF], |both| &both[..4]),
        ) & 0x7FFF_FFFF;
        let odd = side == 1;
        let refused = |stream: &Stream| stream.id > last && (stream.id % 2 == 1) == odd && stream.response.is_none();
        (!self.open.values().any(refused)).then_some(())
    }
}
