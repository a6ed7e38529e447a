//! A connection in the lane, and what one segment does to it. Pure: no Python, no look at other connections.
//!
//! The lane follows a connection as long as every segment is simply the next one and every message is plain. It is *at rest* when
//! no message is under way; a dozen numbers describe it then (`Rest` and what a whole exchange changes). What has come since is
//! `held`, so that Python, told both, goes on as if it had seen all. A step that is `Unusual` has changed nothing.

use crate::head::{self, Head};
use crate::http2::follower::{Http2, Limits, When};
use crate::http2::frames::{PREFACE, opens_server};
use crate::key::Key;
use crate::message::{Keep, Message, Request, Response, Rest as Body};
use crate::seen::Remembered;
use crate::segment::{ACK, FIN, MULTIPATH, RST, SYN, Segment, UNUSUAL, ahead, behind};
use std::sync::Arc;

/// How far ahead a RST may lie to be believed (`pipeline.decode.transport.segments.RESET_WINDOW`).
pub const RESET_WINDOW: i32 = 1 << 20;
/// Most that is held for one connection: of chunked bodies the framing, and the data beside it.
const MAX_HELD: usize = 64 << 10;
/// In how many segments a head may come.
const MAX_PARTS: usize = 16;
/// What a held segment costs beside its payload.
const HELD_BYTES: usize = 100;
const COMMON: [&[u8]; 4] = [b"GET ", b"POST", b"HEAD", b"PUT "];

/// What all connections have in common.
pub struct Options {
    pub request_headers: Vec<String>,
    pub response_headers: Vec<String>,
    pub max_head: usize,
    /// Streams that may be open on one connection; and requests that may wait on all others, for now.
    pub max_open: usize,
    pub room: usize,
    /// Fields of requests that were read.
    pub seen: Remembered,
}

impl Options {
    pub fn limits(&self) -> Limits<'_> {
        Limits {
            reported: [&self.request_headers, &self.response_headers],
            max_head: self.max_head,
            max_open: self.max_open,
            room: self.room,
        }
    }
}

/// A segment that Python would have to be told of.
pub struct Held {
    pub seg: Segment,
    pub payload: Arc<[u8]>,
}

/// The beginning of a head whose end has not come.
pub struct Partial {
    first: Segment,
    bytes: Vec<u8>,
    parts: usize,
}

/// What bytes change that are not an exchange yet, as it was at rest.
#[derive(Clone, Copy, Default)]
pub struct Rest {
    pub next: [u32; 2],
    pub informational: Option<(u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client's SYN was seen.
    Asked,
    /// And the server's.
    Answered,
    Open,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Taken,
    /// The request and the response are whole; `end` where the server's FIN came with the last byte.
    Whole {
        end: bool,
    },
    Closed,
    /// So many bytes of the segment are taken, and what follows is unusual.
    Partly(usize),
    Unusual,
}

/// Index 0 is the client, 1 the server.
pub struct Connection {
    pub key: Key,
    pub phase: Phase,
    pub rest: Rest,
    pub next: [u32; 2],
    pub ended: [bool; 2],
    pub last_ns: u64,
    pub generation: u32,
    pub exchanges: u64,
    pub answers: u64,
    pub replied: i64,
    pub marks: u16,
    pub behaviour: u8,
    pub batch: i64,
    pub rejoined: i64,
    pub informational: Option<(u32, u32)>,
    pub request: Option<Request>,
    pub response: Option<Response>,
    pub partial: Option<Box<Partial>>,
    pub held: Vec<Held>,
    pub held_bytes: usize,
    /// Where it speaks HTTP/2. It has no `rest` and holds no segments then: what Python needs of it is known at any time.
    pub http2: Option<Box<Http2>>,
}

impl Connection {
    /// Of a SYN that opens one; None where it does more than that.
    pub fn opened(syn: &Segment) -> Option<Connection> {
        if syn.flags & (UNUSUAL | ACK | MULTIPATH) != SYN || syn.length != 0 || syn.seq == 0 {
            return None;
        }
        let mut opened = Connection::at_rest(syn.key, [syn.seq.wrapping_add(1), 0]);
        (opened.phase, opened.generation, opened.last_ns) = (Phase::Asked, syn.seq, syn.ts_ns);
        opened.hold(syn, &Arc::default());
        Some(opened)
    }

    /// One on which nothing is under way.
    pub fn at_rest(key: Key, next: [u32; 2]) -> Connection {
        Connection {
            key,
            phase: Phase::Open,
            rest: Rest {
                next,
                informational: None,
            },
            next,
            ended: [false; 2],
            last_ns: 0,
            generation: 0,
            exchanges: 0,
            answers: 0,
            replied: -1,
            marks: 0,
            behaviour: 0,
            batch: -1,
            rejoined: -1,
            informational: None,
            request: None,
            response: None,
            partial: None,
            held: Vec::new(),
            held_bytes: 0,
            http2: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether a message is under way.
    pub fn busy(&self) -> bool {
        self.under_way() > 0
    }

    /// How many requests are.
    pub fn under_way(&self) -> usize {
        match &self.http2 {
            Some(http2) => http2.open.len(),
            None => usize::from(self.request.is_some() || self.partial.is_some()),
        }
    }

    /// The next segment of `side`.
    pub fn step(&mut self, side: usize, seg: &Segment, payload: &[u8], options: &mut Options) -> Step {
        if self.phase == Phase::Open {
            self.open(side, seg, payload, options)
        } else {
            self.opening(side, seg, payload, options)
        }
    }

    /// Take a whole exchange away: the connection rests.
    pub fn settle(&mut self) -> Option<(Request, Response)> {
        let exchange = (self.request.take()?, self.response.take()?);
        (self.exchanges, self.answers, self.marks) = (self.exchanges + 1, self.answers + 1, 0);
        self.replied = i64::from(exchange.1.message.ack);
        self.rest = Rest {
            next: self.next,
            informational: self.informational,
        };
        self.held.clear();
        self.held_bytes = 0;
        Some(exchange)
    }

    /// Whether a request waits for its response.
    pub fn waiting(&self) -> bool {
        match &self.http2 {
            Some(http2) => !http2.open.is_empty(),
            None => self.request.is_some() && self.response.is_none(),
        }
    }

    /// One end is done.
    pub fn end(&mut self, side: usize, ts_ns: u64) -> Step {
        self.last_ns = ts_ns;
        self.ended[side] = true;
        if self.ended[1 - side] { Step::Closed } else { Step::Taken }
    }

    // -- before any data ---------------------------------------------------------------------------------------------------

    fn opening(&mut self, side: usize, seg: &Segment, payload: &[u8], options: &mut Options) -> Step {
        if seg.has(SYN) {
            return self.answered(side, seg);
        }
        if seg.length == 0 {
            return if seg.has(FIN | RST) { Step::Closed } else { Step::Taken };
        }
        // Python would look for the two openings that fit; here there is one of each, and nothing is missing behind them.
        let fits = self.phase == Phase::Answered && seg.seq == self.next[side] && seg.ack == self.next[1 - side];
        let simple = seg.flags & (UNUSUAL | ACK) == ACK && seg.length as usize == payload.len() && !seg.cut;
        if !(fits && simple) {
            return Step::Unusual;
        }
        if (side == 0 && payload.starts_with(PREFACE)) || (side == 1 && opens_server(payload)) {
            (self.phase, self.http2) = (Phase::Open, Some(Box::new(Http2::new())));
            self.held = Vec::new();
            return self.frames(side, seg, payload, false, options);
        }
        let common = payload.get(..4).is_some_and(|begin| COMMON.contains(&begin));
        if side != 0 || !common {
            return Step::Unusual;
        }
        let (held, bytes) = (std::mem::take(&mut self.held), std::mem::take(&mut self.held_bytes));
        if !self.client_sent(seg, payload, options) {
            (self.held, self.held_bytes) = (held, bytes);
            return Step::Unusual;
        }
        self.phase = Phase::Open;
        self.rest.next = self.next;
        self.advance(0, seg);
        Step::Taken
    }

    /// The server's SYN, which answers the client's.
    fn answered(&mut self, side: usize, seg: &Segment) -> Step {
        let simple = seg.flags & (UNUSUAL | ACK | MULTIPATH) == SYN | ACK && seg.length == 0;
        if side == 0 || self.phase != Phase::Asked || !simple || seg.ack != self.next[0] {
            return Step::Unusual;
        }
        self.phase = Phase::Answered;
        self.next[1] = seg.seq.wrapping_add(1);
        self.hold(seg, &Arc::default());
        Step::Taken
    }

    // -- segments ----------------------------------------------------------------------------------------------------------

    fn open(&mut self, side: usize, seg: &Segment, payload: &[u8], options: &mut Options) -> Step {
        let (other, place) = (1 - side, ahead(seg.seq, self.next[side]));
        let missing = seg.has(ACK) && !self.ended[other] && ahead(seg.ack, self.next[other]) > 0;
        if missing || seg.has(SYN) || seg.cut || payload.len() > seg.length as usize || seg.ended_ns() < seg.ts_ns {
            return Step::Unusual;
        }
        if seg.has(RST) {
            let believed = place == 0 || (self.ended[side] && (0..RESET_WINDOW).contains(&place));
            return if believed && seg.length == 0 && !self.busy() {
                Step::Closed
            } else {
                Step::Unusual
            };
        }
        if !seg.has(ACK) {
            return Step::Unusual;
        }
        if place != 0 {
            return self.out_of_place(side, seg, place);
        }
        if self.ended[side] {
            return Step::Unusual;
        }
        match (seg.length, seg.has(FIN)) {
            (0, false) => Step::Taken,
            (0, true) if self.busy() => Step::Unusual,
            (0, true) => self.end(side, seg.ts_ns),
            (_, end) if self.http2.is_some() => self.frames(side, seg, payload, end, options),
            (_, end) if side == 0 => self.requested(seg, payload, end, options),
            (_, end) => self.responded(seg, payload, end, options),
        }
    }

    /// What was there before, or the acknowledgement behind a FIN: all it tells is that the connection lives.
    fn out_of_place(&mut self, side: usize, seg: &Segment, place: i32) -> Step {
        let repeated = (-(1 << 26)..0).contains(&place) && ahead(seg.end(), self.next[side]) <= 0;
        let behind_end = self.ended[side] && place == 1 && seg.length == 0;
        if seg.has(FIN) || !(repeated || behind_end) {
            return Step::Unusual;
        }
        self.last_ns = seg.ts_ns;
        Step::Taken
    }

    fn requested(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &mut Options) -> Step {
        if end || self.ended[1] || self.response.is_some() || !self.client_sent(seg, payload, options) {
            return Step::Unusual;
        }
        self.advance(0, seg);
        Step::Taken
    }

    fn responded(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> Step {
        // What it means that an end is done while a message is under way is for Python to say.
        let (informational, held) = (self.informational, self.held.len());
        if self.request.is_none() || !self.server_sent(seg, payload, end, options) {
            self.informational = informational;
            debug_assert_eq!(held, self.held.len());
            return Step::Unusual;
        }
        self.advance(1, seg);
        let whole = self.response.as_ref().is_some_and(|response| response.message.done());
        if whole { Step::Whole { end } } else { Step::Taken }
    }

    /// Bytes of HTTP/2.
    fn frames(&mut self, side: usize, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> Step {
        let Some(http2) = &mut self.http2 else { return Step::Unusual };
        let (when, beyond) = (When::of(seg), seg.length as usize - payload.len());
        let mut read = http2.data(side, payload, when, &options.limits());
        if read.is_ok() && beyond > 0 && !http2.gap(side, beyond, when) {
            read = Err(payload.len());
        }
        self.held_bytes = http2.held_bytes();
        if read.is_ok() && end && self.busy() {
            read = Err(seg.length as usize); // what the end means for what is under way is for Python to say
        }
        match read {
            Err(0) => Step::Unusual,
            Err(taken) => {
                (self.last_ns, self.next[side]) = (seg.ts_ns, behind(seg.seq, taken));
                Step::Partly(taken)
            }
            Ok(()) => {
                self.advance(side, seg);
                if end { self.end(side, seg.ts_ns) } else { Step::Taken }
            }
        }
    }

    fn advance(&mut self, side: usize, seg: &Segment) {
        self.last_ns = seg.ts_ns;
        self.next[side] = seg.end();
    }

    // -- messages. False: it is unusual, and but for `informational` nothing has changed -------------------------------------

    fn client_sent(&mut self, seg: &Segment, payload: &[u8], options: &mut Options) -> bool {
        if let Some(request) = &mut self.request {
            if self.partial.is_some() || self.held_bytes > MAX_HELD {
                return false;
            }
            let Some(keep) = request.message.more(seg, payload, false) else {
                return false;
            };
            self.keep(&keep, seg, payload);
            return true;
        }
        let joined = self.joined(payload);
        let text = joined.as_deref().unwrap_or(payload);
        match head::request(text, &options.request_headers, options.seen.of(&self.key)) {
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
                self.hold(seg, &kept);
                true
            }
        }
    }

    fn server_sent(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> bool {
        let Some(request) = &self.request else { return false };
        if let Some(response) = &mut self.response {
            // A segment that begins like a response may be the next one.
            let follows = !payload.is_empty() && head::may_begin_response(payload);
            if follows || self.held_bytes > MAX_HELD {
                return false;
            }
            let Some(keep) = response.message.more(seg, payload, end) else {
                return false;
            };
            if !response.message.done() {
                self.keep(&keep, seg, payload);
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
        if end || payload.len() != seg.length as usize || self.held_bytes > MAX_HELD {
            return false;
        }
        self.hold(seg, &payload.into());
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
            self.hold(
                seg,
                &self.without_body(payload, in_front + head.size, head.fields.chunked).into(),
            );
        }
        self.response = Some(Response { message, head });
        self.partial = None;
        true
    }

    // -- what is held --------------------------------------------------------------------------------------------------------

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
        self.hold(seg, &payload.into());
        true
    }

    fn keep(&mut self, keep: &Keep, seg: &Segment, payload: &[u8]) {
        match keep {
            Keep::Bytes => self.hold(seg, &payload.into()),
            Keep::Count => self.count(seg),
        }
    }

    fn hold(&mut self, seg: &Segment, payload: &Arc<[u8]>) {
        self.held_bytes += HELD_BYTES + payload.len();
        self.held.push(Held {
            seg: *seg,
            payload: payload.clone(),
        });
    }

    /// So many bytes of a body came: for Python a run of segments whose bytes were left out on purpose.
    fn count(&mut self, seg: &Segment) {
        let run = Segment {
            last_ns: seg.ended_ns(),
            captured: 0,
            flags: ACK,
            ..*seg
        };
        let goes_on = |last: &Held| last.payload.is_empty() && last.seg.key == run.key && last.seg.end() == run.seq;
        if let Some(last) = self.held.last_mut().filter(|last| goes_on(last) && last.seg.length < 1 << 30) {
            last.seg = Segment {
                seq: last.seg.seq,
                length: last.seg.length + run.length,
                ..run
            };
            return;
        }
        self.hold(&run, &Arc::default());
    }
}
