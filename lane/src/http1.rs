//! The messages of HTTP/1 on a connection: the bytes of both directions in order → one request at a time, and its response.
//!
//! What is unusual is not taken; nothing has changed then. What has come since no message was under way is `held`.

use crate::head::{self, Head};
use crate::held::Held;
use crate::key::Key;
use crate::message::{Message, Request, Response, Rest as Body};
use crate::options::Options;
use crate::segment::{Segment, ahead, behind};
use std::sync::Arc;

/// In how many segments a head may come.
const MAX_PARTS: usize = 16;
const COMMON: [&[u8]; 4] = [b"GET ", b"POST", b"HEAD", b"PUT "];

/// The beginning of a head whose end has not come.
pub struct Partial {
    first: Segment,
    bytes: Vec<u8>,
    parts: usize,
}

#[derive(Default)]
pub struct Http1 {
    /// Where the latest 1xx began and ended.
    pub informational: Option<(u32, u32)>,
    pub request: Option<Request>,
    pub response: Option<Response>,
    pub partial: Option<Box<Partial>>,
    pub held: Held,
}

/// Whether a connection may begin so.
pub fn may_open(payload: &[u8]) -> bool {
    payload.get(..4).is_some_and(|begin| COMMON.contains(&begin))
}

impl Http1 {
    /// Whether a message is under way.
    pub fn busy(&self) -> bool {
        self.request.is_some() || self.partial.is_some()
    }

    /// Whether a request waits for its response.
    pub fn waiting(&self) -> bool {
        self.request.is_some() && self.response.is_none()
    }

    /// Whether the response is whole, and with it the exchange.
    pub fn done(&self) -> bool {
        self.response.as_ref().is_some_and(|response| response.message.done())
    }

    /// Take a whole exchange away.
    pub fn settle(&mut self) -> Option<(Request, Response)> {
        let exchange = (self.request.take()?, self.response.take()?);
        self.held.clear();
        Some(exchange)
    }

    // -- what was sent. False: it is unusual -----------------------------------------------------------------------------------

    /// The next bytes of the client, whose direction is `key`.
    pub fn client_sent(&mut self, key: &Key, seg: &Segment, payload: &[u8], options: &mut Options) -> bool {
        if let Some(request) = &mut self.request {
            if self.partial.is_some() || self.held.is_full() {
                return false;
            }
            let Some(keep) = request.message.more(seg, payload, false) else {
                return false;
            };
            self.held.keep(&keep, seg, payload);
            return true;
        }
        let joined = self.joined(payload);
        let text = joined.as_deref().unwrap_or(payload);
        match head::request(text, &options.request_headers, options.seen.of(key)) {
            Head::Incomplete => self.wait_for_more(seg, payload, options),
            Head::Unusual => false,
            Head::Whole(head) => {
                let first = self.partial.as_ref().map_or(*seg, |partial| partial.first);
                let body = Body::framed(&head.fields).unwrap_or(Body::Length(0));
                let beyond = u64::from(seg.length) - payload.len() as u64;
                let begun = Message::begin(&first, seg, first.seq, head.size as u64, body, &text[head.size..], beyond);
                let Some(message) = begun else { return false };
                let kept: Arc<[u8]> = self.without_body(payload, head.size, head.fields.chunked).into();
                let text = joined.map_or_else(|| kept.clone(), Arc::from);
                self.request = Some(Request { message, head, text });
                self.partial = None;
                self.held.hold(seg, &kept);
                true
            }
        }
    }

    /// The next bytes of the server, the last ones where it is the `end`.
    pub fn server_sent(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> bool {
        let (informational, held) = (self.informational, self.held.segments.len());
        let taken = self.response_sent(seg, payload, end, options);
        if !taken {
            self.informational = informational;
            debug_assert_eq!(held, self.held.segments.len());
        }
        taken
    }

    fn response_sent(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> bool {
        let Some(request) = &self.request else { return false };
        if let Some(response) = &mut self.response {
            // A segment that begins like a response may be the next one.
            let follows = !payload.is_empty() && head::may_begin_response(payload);
            if follows || self.held.is_full() {
                return false;
            }
            let Some(keep) = response.message.more(seg, payload, end) else {
                return false;
            };
            if !response.message.done() {
                self.held.keep(&keep, seg, payload);
            }
            return true;
        }
        if self.partial.is_none() {
            let asked = (request.message.ack, request.message.done());
            return self.first_of_response(asked, seg, payload, end, options);
        }
        if head::may_begin_response(payload) || end {
            return false;
        }
        let Some(joined) = self.joined(payload) else { return false };
        match head::response(&joined, &options.response_headers) {
            Head::Incomplete => self.wait_for_more(seg, payload, options),
            Head::Unusual => false,
            Head::Whole(head) if head.status < 200 => false,
            Head::Whole(head) => {
                let Some(first) = self.partial.as_ref().map(|partial| partial.first) else {
                    return false;
                };
                self.begin_response(head, &first, seg, first.seq, &joined, payload, false)
            }
        }
    }

    /// A segment that begins where a response must: some 1xx, then a response or its beginning.
    fn first_of_response(&mut self, asked: (u32, bool), seg: &Segment, payload: &[u8], end: bool, options: &Options) -> bool {
        let mut pos = 0;
        while pos < payload.len() {
            let seq = behind(seg.seq, pos);
            match head::response(&payload[pos..], &options.response_headers) {
                Head::Unusual => return false,
                Head::Incomplete => {
                    return pos == 0 && !end && asked.1 && self.turn(asked.0, seq) && self.wait_for_more(seg, payload, options);
                }
                Head::Whole(head) if head.status < 200 => {
                    if head.status == 101 {
                        return false;
                    }
                    let begin = self.informational.filter(|last| last.1 == seq).map_or(seq, |last| last.0);
                    self.informational = Some((begin, behind(seq, head.size)));
                    pos += head.size;
                }
                Head::Whole(head) => {
                    return asked.1
                        && self.turn(asked.0, seq)
                        && self.begin_response(head, seg, seg, seq, &payload[pos..], payload, end);
                }
            }
        }
        if end || payload.len() != seg.length as usize || self.held.is_full() {
            return false;
        }
        self.held.hold(seg, &payload.into());
        true
    }

    /// Whether the response that begins at `seq` answers a request that acknowledged `ack`: nothing but 1xx came between.
    fn turn(&self, ack: u32, seq: u32) -> bool {
        ack == seq || self.informational == Some((ack, seq))
    }

    #[expect(clippy::too_many_arguments, reason = "what a response begins with; it is called twice")]
    fn begin_response(
        &mut self,
        head: head::ResponseHead,
        first: &Segment,
        seg: &Segment,
        seq: u32,
        text: &[u8],
        payload: &[u8],
        end: bool,
    ) -> bool {
        let Some(request) = &self.request else { return false };
        if first.seq != seq && ahead(first.ack, request.message.seq) <= 0 {
            return false; // behind a 1xx it must have been sent after its request
        }
        let bodiless = request.head.method == "HEAD" || matches!(head.status, 204 | 304);
        let body = if bodiless {
            Some(Body::Length(0))
        } else {
            Body::framed(&head.fields)
        };
        let Some(body) = body else { return false }; // it lasts until the connection closes
        let beyond = u64::from(seg.length) - payload.len() as u64;
        let begun = Message::begin(first, seg, seq, head.size as u64, body, &text[head.size..], beyond);
        let Some(message) = begun.filter(|message| message.done() || !end) else {
            return false;
        };
        if !message.done() {
            let in_front = payload.len() - text.len().min(payload.len()); // 1xx in the same segment
            self.held.hold(
                seg,
                &self.without_body(payload, in_front + head.size, head.fields.chunked).into(),
            );
        }
        self.response = Some(Response { message, head });
        self.partial = None;
        true
    }

    // -- heads in several segments ---------------------------------------------------------------------------------------------

    /// The part of a head that came before, and `payload`; None where there is none.
    fn joined(&self, payload: &[u8]) -> Option<Vec<u8>> {
        self.partial.as_ref().map(|partial| [&partial.bytes, payload].concat())
    }

    /// A segment in which a head of `size` bytes ends, as far as Python has to see it: of a body whose length is known it counts
    /// the bytes alone.
    fn without_body<'a>(&self, payload: &'a [u8], size: usize, chunked: bool) -> &'a [u8] {
        let before = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
        if chunked { payload } else { &payload[..size - before] }
    }

    /// A head goes on in the next segment.
    fn wait_for_more(&mut self, seg: &Segment, payload: &[u8], options: &Options) -> bool {
        let partial = self.partial.get_or_insert_with(|| {
            Box::new(Partial {
                first: *seg,
                bytes: Vec::new(),
                parts: 0,
            })
        });
        let size = partial.bytes.len() + payload.len();
        if size > options.max_head || partial.parts == MAX_PARTS || payload.len() != seg.length as usize {
            if partial.parts == 0 {
                self.partial = None;
            }
            return false;
        }
        partial.bytes.extend_from_slice(payload);
        partial.parts += 1;
        self.held.hold(seg, &payload.into());
        true
    }
}
