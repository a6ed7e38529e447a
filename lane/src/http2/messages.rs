//! The messages of one side of a gRPC call, counted as their bytes come (`pipeline.decode.grpc.Messages`).

const PREFIX: usize = 5;
const TRAILERS: u8 = 0x80;

#[derive(Clone)]
pub struct Messages {
    pub prefix: Vec<u8>,
    pub left: u64,
    pub trailing: bool,
    pub count: u64,
    pub size: u64,
    /// No bytes were lost that hide where a message begins.
    pub exact: bool,
}

impl Messages {
    pub fn new() -> Messages {
        Messages {
            prefix: Vec::new(),
            left: 0,
            trailing: false,
            count: 0,
            size: 0,
            exact: true,
        }
    }

    /// The next bytes of the body.
    pub fn data(&mut self, mut data: &[u8]) {
        while !data.is_empty() && self.exact {
            if self.left > 0 {
                let taken = data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= taken as u64;
                data = &data[taken..];
                continue;
            }
            let taken = data.len().min(PREFIX - self.prefix.len());
            self.prefix.extend_from_slice(&data[..taken]);
            data = &data[taken..];
            if let Ok([flags, size @ ..]) = <[u8; PREFIX]>::try_from(&self.prefix[..]) {
                self.left = u32::from_be_bytes(size).into();
                self.trailing = flags >= TRAILERS;
                self.prefix.clear();
                if !self.trailing {
                    self.count += 1;
                    self.size += self.left;
                }
            }
        }
    }

    /// The next bytes of the body are missing.
    pub fn gap(&mut self, count: u64) {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => self.exact = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_in_any_cut() {
        let body = b"\0\0\0\0\x05hello\x01\0\0\0\0\0\0\0\0\x02ab\x80\0\0\0\x03x:y";
        for cut in 0..=body.len() {
            let mut messages = Messages::new();
            messages.data(&body[..cut]);
            messages.data(&body[cut..]);
            assert_eq!(
                (messages.count, messages.size, messages.left, messages.prefix.len()),
                (3, 7, 0, 0)
            );
        }
    }

    #[test]
    fn what_is_missing_inside_a_message_hides_nothing() {
        let mut messages = Messages::new();
        messages.data(b"\0\0\0\0\x05h");
        messages.gap(4);
        assert!(messages.exact);
        messages.gap(1);
        messages.data(b"\0\0\0\0\x05");
        assert!(!messages.exact && messages.count == 1);
    }
}
