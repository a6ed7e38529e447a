//! The key of a direction, as `pipeline.model.records` has it: source and destination address, source and destination port.

use std::hash::{Hash, Hasher};
use std::net::Ipv4Addr;

/// 12 bytes for IPv4, 36 for IPv6. Keys of byte streams are none of the lane's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    length: u8,
    bytes: [u8; 36],
}

impl Key {
    pub fn new(raw: &[u8]) -> Option<Key> {
        if raw.len() != 12 && raw.len() != 36 {
            return None;
        }
        let mut bytes = [0; 36];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Key {
            length: if raw.len() == 12 { 12 } else { 36 },
            bytes,
        })
    }

    pub fn raw(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub fn source_port(&self) -> u16 {
        let at = usize::from(self.length) - 4;
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// Addresses and ports of source and destination, where it is of IPv4.
    pub fn ipv4(&self) -> Option<([Ipv4Addr; 2], [u16; 2])> {
        let bytes = &self.bytes;
        let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        (self.length == 12).then(|| ([address(0), address(4)], [port(8), port(10)]))
    }

    /// The other direction of the same connection.
    pub fn reverse(&self) -> Key {
        let (end, half) = (usize::from(self.length), (usize::from(self.length) - 4) / 2);
        let mut bytes = [0; 36];
        bytes[..half].copy_from_slice(&self.bytes[half..2 * half]);
        bytes[half..2 * half].copy_from_slice(&self.bytes[..half]);
        bytes[end - 4..end - 2].copy_from_slice(&self.bytes[end - 2..end]);
        bytes[end - 2..end].copy_from_slice(&self.bytes[end - 4..end - 2]);
        Key {
            length: self.length,
            bytes,
        }
    }

    /// The same for both directions of a connection.
    pub fn of_connection(&self) -> Key {
        let back = self.reverse();
        if back.bytes < self.bytes { back } else { *self }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_a_connection_have_one_key() {
        for raw in [&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12][..], &(0..36).collect::<Vec<u8>>()] {
            let key = Key::new(raw).unwrap();
            assert_ne!(key.reverse().raw(), key.raw());
            assert_eq!(key.reverse().reverse().raw(), key.raw());
            assert_eq!(key.of_connection().raw(), key.reverse().of_connection().raw());
        }
        assert_eq!(
            Key::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap().reverse().raw(),
            [5, 6, 7, 8, 1, 2, 3, 4, 11, 12, 9, 10]
        );
        assert!(Key::new(&[0; 17]).is_none());
    }
}
