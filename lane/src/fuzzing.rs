//! What fuzzers call: the parts that read untrusted bytes, without Python. Each panics where a promise is broken.

use crate::clock::Clock;
use crate::connection::{Connection, Step};
use crate::frames::plain;
use crate::grammar::Grammar;
use crate::key::Key;
use crate::line::checked;
use crate::options::Options;
use crate::seen::Remembered;
use crate::segment::{ACK, FIN, RST, SYN, Segment};

const LINKS: [u32; 6] = [0, 1, 101, 113, 228, 276];
const MEMBERS: [(&str, &str); 6] = [
    ("url.path", "string"),
    ("client.port", "int"),
    ("network.peer.port", "int"),
    ("url.query", "string"),
    ("httpipe.duration_ms", "float"),
    ("httpipe.marks", "string[]"),
];

/// A frame of any link type.
///
/// # Panics
/// Where a segment's payload lies outside of it.
pub fn frame(data: &[u8]) {
    for link in LINKS {
        if let Some(seg) = plain(link, data, 7, 1, 0) {
            let (at, captured) = (seg.at as usize, seg.captured as usize);
            assert!(at >= 7 && at - 7 + captured <= data.len() && captured <= seg.length as usize);
        }
    }
}

/// A JSON line.
///
/// # Panics
/// Where a line that is taken for ours is none.
pub fn line(data: &[u8]) {
    let members = MEMBERS.iter().enumerate().map(|(place, &(name, of))| {
        let place = if name == "network.peer.port" { 1 } else { place };
        (name.to_owned(), name.to_owned(), place, of.to_owned())
    });
    let families = vec![("http.request.header.".to_owned(), "http_request_headers".to_owned(), 9)];
    let grammar = Grammar::new("x", members.collect(), families, 600).expect("a good table");
    let mut text = grammar.begin.clone();
    text.extend_from_slice(b"2026-01-02T03:04:05.000000006Z\"");
    text.extend_from_slice(data);
    for line in [&text[..], data] {
        if checked(line, &grammar, &mut Clock::default()).is_some() {
            assert!(line.is_ascii() && line.starts_with(&grammar.begin) && line.ends_with(b"}"));
        }
    }
}

/// Segments of one connection, three bytes each in front of its payload: flags and side, number and acknowledgement, length.
///
/// # Panics
/// Where a step that is unusual has changed something, or more is held than may be.
pub fn segments(mut data: &[u8]) {
    let mut options = Options {
        request_headers: vec!["x-a".to_owned()],
        response_headers: vec!["server".to_owned()],
        max_head: 1024,
        max_open: 8,
        room: 8,
        seen: Remembered::default(),
    };
    let key = Key::new(&[10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 0, 80]).expect("a key of IPv4");
    let mut connection = Connection::at_rest(key, [1000, u32::MAX - 50]);
    let mut now = 1;
    while let [first, second, length, rest @ ..] = data {
        let side = usize::from(first & 1);
        let captured = usize::from(*length).min(rest.len());
        let (payload, rest) = rest.split_at(captured);
        data = rest;
        now += u64::from(first >> 6);
        let moved = [0, 0, 0, 0, 0, 1, u32::MAX, 70];
        let beyond = if first & 0x20 == 0 { 0 } else { u32::from(*second) };
        let seg = Segment {
            key: if side == 0 { key } else { key.reverse() },
            ts_ns: now,
            last_ns: if second & 0x80 == 0 { 0 } else { now + 1 },
            seq: connection.next[side].wrapping_add(moved[usize::from(second & 7)]),
            ack: connection.next[1 - side].wrapping_add(moved[usize::from(second >> 3 & 7)]),
            length: u32::try_from(captured).unwrap_or(0) + beyond,
            at: 0,
            captured: u32::try_from(captured).unwrap_or(0),
            interface: 0,
            vlan: 0,
            flags: match first >> 1 & 15 {
                0 => ACK | FIN,
                1 => RST,
                2 => SYN | ACK,
                3 => 0,
                _ => ACK,
            },
            cut: second & 0xC7 == 0xC0,
        };
        let before = state(&connection);
        match connection.step(side, &seg, payload, &mut options) {
            Step::Unusual => {
                assert!(before == state(&connection), "an unusual step has changed something");
                return;
            }
            Step::Closed => return,
            Step::Partly(taken) => {
                assert!(taken <= captured, "more is taken than was there");
                return;
            }
            Step::Whole { end } => {
                assert!(connection.settle().is_some(), "whole, and not there");
                let held = &connection.http1.held;
                assert!(!connection.busy() && held.segments.is_empty() && held.bytes == 0);
                if end && connection.end(1, now) == Step::Closed {
                    return;
                }
            }
            Step::Taken => {}
        }
        let held: usize = connection.http1.held.segments.iter().map(|held| held.payload.len()).sum();
        assert!(held <= connection.held_bytes() && connection.held_bytes() < (64 << 10) + 2048);
    }
}

fn state(connection: &Connection) -> impl PartialEq + use<> {
    let sizes = [
        connection
            .http1
            .request
            .as_ref()
            .map(|request| (request.message.size, request.message.done())),
        connection
            .http1
            .response
            .as_ref()
            .map(|response| (response.message.size, response.message.done())),
    ];
    (
        (
            connection.next,
            connection.ended,
            connection.last_ns,
            connection.http1.informational,
        ),
        (connection.exchanges, connection.answers, connection.replied, connection.marks),
        (
            connection.http1.partial.is_some(),
            connection.http1.held.segments.len(),
            connection.held_bytes(),
            sizes,
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::{frame, line, segments};

    const SEEDS: [&[u8]; 4] = [
        include_bytes!("../fuzz/seeds/keep_alive"),
        include_bytes!("../fuzz/seeds/chunked"),
        include_bytes!("../fuzz/seeds/line"),
        include_bytes!("../fuzz/seeds/frame"),
    ];

    /// A part of what a fuzzer does, everywhere: some bytes of the seeds changed, doubled or taken out, always the same ones.
    #[test]
    fn changed_seeds_keep_every_promise() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below.max(1) as u64).unwrap_or(0)
        };
        for round in 0..100_000 {
            let mut data = SEEDS[round % SEEDS.len()].to_vec();
            for _ in 0..=random(4) {
                let (at, to) = (random(data.len()), random(data.len()));
                match random(4) {
                    0 => data[at] = u8::try_from(random(256)).unwrap_or(0),
                    1 => data[at] ^= 1 << random(8),
                    2 if at < to => drop(data.drain(at..to)),
                    _ => data.extend_from_within(at..),
                }
                if data.is_empty() {
                    data.push(b's');
                }
            }
            match data[0] {
                b'f' => frame(&data[1..]),
                b'l' => line(&data[1..]),
                _ => segments(&data[1..]),
            }
        }
    }
}
