//! A connection in the lane, and what one segment does to it. Pure: no Python, no look at other connections.
//!
//! The lane follows a connection as long as every segment is simply the next one and every message is plain. It is *at rest* when
//! no message is under way; a dozen numbers describe it then (`Rest` and what a whole exchange changes). What has come since is
//! `held`, so that Python, told both, goes on as if it had seen all. A step that is `Unusual` has changed nothing.

use crate::held::Held;
use crate::http1::{Http1, may_open};
use crate::http2::follower::{Http2, When};
use crate::http2::frames::{PREFACE, opens_server};
use crate::key::Key;
use crate::message::{Request, Response};
use crate::options::Options;
use crate::segment::{ACK, FIN, MULTIPATH, RST, SYN, Segment, UNUSUAL, ahead, behind};
use std::sync::Arc;

/// How far ahead a RST may lie to be believed (`pipeline.decode.transport.segments.RESET_WINDOW`).
pub const RESET_WINDOW: i32 = 1 << 20;

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
    pub http1: Http1,
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
        opened.http1.held.hold(syn, &Arc::default());
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
            http1: Http1::default(),
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
            None => usize::from(self.http1.busy()),
        }
    }

    /// What is held for it.
    pub fn held_bytes(&self) -> usize {
        match &self.http2 {
            Some(http2) => http2.held_bytes(),
            None => self.http1.held.bytes,
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
        let exchange = self.http1.settle()?;
        (self.exchanges, self.answers, self.marks) = (self.exchanges + 1, self.answers + 1, 0);
        self.replied = i64::from(exchange.1.message.ack);
        self.rest = Rest {
            next: self.next,
            informational: self.http1.informational,
        };
        Some(exchange)
    }

    /// Whether a request waits for its response.
    pub fn waiting(&self) -> bool {
        match &self.http2 {
            Some(http2) => !http2.open.is_empty(),
            None => self.http1.waiting(),
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
            self.http1.held = Held::default();
            return self.frames(side, seg, payload, false, options);
        }
        if side != 0 || !may_open(payload) {
            return Step::Unusual;
        }
        let held = std::mem::take(&mut self.http1.held);
        if !self.http1.client_sent(&self.key, seg, payload, options) {
            self.http1.held = held;
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
        self.http1.held.hold(seg, &Arc::default());
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
        if end || self.ended[1] || self.http1.response.is_some() || !self.http1.client_sent(&self.key, seg, payload, options) {
            return Step::Unusual;
        }
        self.advance(0, seg);
        Step::Taken
    }

    fn responded(&mut self, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> Step {
        // What it means that an end is done while a message is under way is for Python to say.
        if !self.http1.server_sent(seg, payload, end, options) {
            return Step::Unusual;
        }
        self.advance(1, seg);
        if self.http1.done() { Step::Whole { end } } else { Step::Taken }
    }

    /// Bytes of HTTP/2.
    fn frames(&mut self, side: usize, seg: &Segment, payload: &[u8], end: bool, options: &Options) -> Step {
        let Some(http2) = &mut self.http2 else { return Step::Unusual };
        let (when, beyond) = (When::of(seg), seg.length as usize - payload.len());
        let mut read = http2.data(side, payload, when, &options.limits());
        if read.is_ok() && beyond > 0 && !http2.gap(side, beyond, when) {
            read = Err(payload.len());
        }
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
}
