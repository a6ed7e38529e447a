//! A frame → its TCP segment, for plain TCP over IP on Ethernet and on Linux's cooked links, as `pipeline.sources.pcap.dissect`
//! reads it. Everything else is read by layers, in Python.

use crate::key::Key;
use crate::segment::{ACK, MULTIPATH, SYN, Segment};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const MPTCP: u8 = 30;

fn be16(data: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([data[at], data[at + 1]])
}

fn be32(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

/// Where a link's header ends, what follows it, and the VLAN: by LINKTYPE of the tcpdump.org registry.
fn link(kind: u32, frame: &[u8]) -> Option<(usize, u16, u16)> {
    let (header, at) = match kind {
        1 => (14, 12),
        113 => (16, 14),
        276 => (20, 0),
        _ => return None,
    };
    if frame.len() < header + 4 {
        return None;
    }
    match be16(frame, at) {
        // One tag; behind the newer cooked header Python reads it.
        VLAN if kind != 276 => Some((header + 4, be16(frame, header + 2), be16(frame, header) & 0xFFF)),
        other => Some((header, other, 0)),
    }
}

/// The segment of a frame whose bytes begin at `start` of their block; None where it is not plain.
pub fn plain(kind: u32, frame: &[u8], start: usize, ts_ns: u64, interface: u32) -> Option<Segment> {
    let (ip, ether, vlan) = link(kind, frame)?;
    let (key, tcp, stop) = match ether {
        IPV4 if frame.len() >= ip + 40 => {
            let fragment = be16(frame, ip + 6) & 0x3FFF != 0;
            if frame[ip] != 0x45 || frame[ip + 9] != TCP || fragment {
                return None;
            }
            (&frame[ip + 12..ip + 24], ip + 20, ip + usize::from(be16(frame, ip + 2)))
        }
        IPV6 if frame.len() >= ip + 60 => {
            let length = usize::from(be16(frame, ip + 4));
            if frame[ip + 6] != TCP || length == 0 {
                return None;
            }
            (&frame[ip + 8..ip + 44], ip + 40, ip + 40 + length)
        }
        _ => return None,
    };
    let offset = usize::from(frame[tcp + 12] >> 4) * 4;
    let at = tcp + offset;
    if offset < 20 || at > stop || at > frame.len() {
        return None;
    }
    let mut flags = u16::from(frame[tcp + 13]);
    if flags & SYN != 0 && tells_multipath(&frame[tcp + 20..at]) {
        flags |= MULTIPATH;
    }
    Some(Segment {
        key: Key::new(key)?,
        ts_ns,
        last_ns: 0,
        seq: be32(frame, tcp + 4),
        ack: if flags & ACK != 0 { be32(frame, tcp + 8) } else { 0 },
        length: u32::try_from(stop - at).ok()?,
        at: u32::try_from(start + at).ok()?,
        captured: u32::try_from(stop.min(frame.len()) - at).ok()?,
        interface,
        vlan,
        flags,
        cut: stop > frame.len(),
    })
}

/// Whether TCP options hold one of MPTCP (RFC 9293, section 3.1: kind and length, but for 0, the end, and 1).
fn tells_multipath(mut options: &[u8]) -> bool {
    while options.contains(&MPTCP) {
        let skip = match options[0] {
            MPTCP => return true,
            0 => return false,
            1 => 1,
            _ => usize::from(options[1]).max(2),
        };
        options = options.get(skip..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(options: &[u8], payload: &[u8], flags: u8) -> Vec<u8> {
        let header = 20 + options.len();
        let mut frame = vec![0; 12];
        frame.extend([
            8,
            0,
            0x45,
            0,
            0,
            u8::try_from(20 + header + payload.len()).unwrap(),
            0,
            0,
            0,
            0,
            64,
            TCP,
            0,
            0,
        ]);
        frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9]);
        frame.extend([u8::try_from(header).unwrap() << 2, flags, 0, 0, 0, 0, 0, 0]);
        frame.extend(options);
        frame.extend(payload);
        frame
    }

    #[test]
    fn a_plain_frame_is_read() {
        let seg = plain(1, &frame(&[], b"hello", 0x18), 100, 5, 1).unwrap();
        assert_eq!(
            (seg.seq, seg.ack, seg.length, seg.captured, seg.at, seg.cut),
            (7, 9, 5, 5, 154, false)
        );
        assert_eq!(seg.key.raw(), [10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 80]);
    }

    #[test]
    fn padding_is_no_payload_and_a_snap_length_cuts() {
        let mut padded = frame(&[], b"", 0x10);
        padded.extend([0; 6]);
        assert_eq!(plain(1, &padded, 0, 0, 0).unwrap().length, 0);
        let cut = frame(&[], b"hello", 0x18);
        let seg = plain(1, &cut[..cut.len() - 2], 0, 0, 0).unwrap();
        assert_eq!((seg.length, seg.captured, seg.cut), (5, 3, true));
    }

    #[test]
    fn no_bytes_are_too_few() {
        let whole = frame(&[1, 1, 30, 2], b"hello", 0x02);
        assert!(plain(1, &whole, 0, 0, 0).is_some_and(|seg| seg.has(MULTIPATH)));
        for kind in [0, 1, 113, 276] {
            for size in 0..whole.len() {
                plain(kind, &whole[..size], 0, 0, 0);
            }
        }
    }

    #[test]
    fn options_end_where_they_say() {
        // An option that claims to be shorter than its own head is two bytes long.
        assert!(
            [&[2, 4, 5, 180, 30, 12][..], &[1, 30], &[8, 0, 30]]
                .iter()
                .all(|options| tells_multipath(options))
        );
        assert!(
            ![&[2, 4, 30, 30][..], &[0, 30], &[5, 40, 30], &[]]
                .iter()
                .any(|options| tells_multipath(options))
        );
    }
}
