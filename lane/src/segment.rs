//! A TCP segment: numbers, and where its captured bytes lie. `pipeline.model.records.Segment` says what each field means.

use crate::key::Key;

pub const FIN: u16 = 0x01;
pub const SYN: u16 = 0x02;
pub const RST: u16 = 0x04;
pub const ACK: u16 = 0x10;
/// Flags of segments that are not simply the next bytes.
pub const UNUSUAL: u16 = SYN | FIN | RST;
/// Beside the flags of a SYN: it has an option of MPTCP.
pub const MULTIPATH: u16 = 0x100;

#[derive(Clone, Copy)]
pub struct Segment {
    pub key: Key,
    pub ts_ns: u64,
    pub last_ns: u64,
    pub seq: u32,
    pub ack: u32,
    pub length: u32,
    pub at: u32,
    pub captured: u32,
    pub interface: u32,
    pub vlan: u16,
    pub flags: u16,
    pub cut: bool,
}

impl Segment {
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// When its last byte was captured.
    pub fn ended_ns(&self) -> u64 {
        if self.last_ns == 0 { self.ts_ns } else { self.last_ns }
    }

    /// What is behind the first `count` bytes.
    #[expect(clippy::cast_possible_truncation, reason = "no more than its length")]
    pub fn from(&self, count: usize) -> Segment {
        Segment {
            seq: behind(self.seq, count),
            length: self.length - count as u32,
            ..*self
        }
    }

    /// The number of the first byte behind it.
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.length)
    }
}

/// How far `seq` lies ahead of `reference`; negative when behind (RFC 9293, section 3.4).
#[expect(clippy::cast_possible_wrap, reason = "numbers modulo 2^32 are compared so")]
pub fn ahead(seq: u32, reference: u32) -> i32 {
    seq.wrapping_sub(reference) as i32
}

/// The number `count` bytes further on.
#[expect(clippy::cast_possible_truncation, reason = "numbers are modulo 2^32")]
pub fn behind(seq: u32, count: usize) -> u32 {
    seq.wrapping_add(count as u32)
}
