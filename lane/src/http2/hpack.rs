//! HPACK (RFC 7541) exactly as `pipeline.decode.http2.hpack` has it: the table is a log, so that nothing is ever wrong, only
//! unknown. A block that is none, or that another reason leaves to Python, leaves no trace (`undo`).

use crate::http2::huffman;
use crate::http2::static_table::STATIC;
use std::borrow::Cow;

/// As `DEFAULT_TABLE`, `LARGEST_TABLE`, `_ENTRY`, `_ENTRY_MEMORY`, `_SLACK` and `_MAX_SHIFT` there.
const DEFAULT_TABLE: u64 = 4096;
const LARGEST_TABLE: u64 = 64 * 1024;
const ENTRY: usize = 32;
const ENTRY_MEMORY: usize = 120;
const SLACK: u64 = 4096;
const MAX_SHIFT: u32 = 28;

/// An entry of the log. A name is None where it stood in an entry that nobody saw.
pub struct Entry {
    pub name: Option<Cow<'static, [u8]>>,
    pub value: Box<[u8]>,
}

impl Entry {
    fn size(&self) -> usize {
        self.name.as_ref().map_or(0, |name| name.len()) + self.value.len() + ENTRY
    }
}

/// The header blocks of one direction.
pub struct Hpack {
    pub log: Vec<Entry>,
    pub limit: u64,
    bytes: usize,
}

/// What a block may change.
pub struct Before {
    entries: usize,
    limit: u64,
    bytes: usize,
}

/// Room for strings that are Huffman coded.
#[derive(Default)]
pub struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Debug)]
pub struct Malformed;

impl Hpack {
    pub fn new() -> Hpack {
        Hpack {
            log: Vec::new(),
            limit: DEFAULT_TABLE,
            bytes: 0,
        }
    }

    pub fn restored(log: Vec<Entry>, limit: u64) -> Hpack {
        let bytes = log.iter().map(Entry::size).sum();
        Hpack { log, limit, bytes }
    }

    /// What the log costs in memory.
    pub fn held_bytes(&self) -> usize {
        self.bytes + ENTRY_MEMORY * self.log.len()
    }

    pub fn before(&self) -> Before {
        Before {
            entries: self.log.len(),
            limit: self.limit,
            bytes: self.bytes,
        }
    }

    /// As it was then; nothing has been forgotten since.
    pub fn undo(&mut self, before: &Before) {
        self.log.truncate(before.entries);
        (self.limit, self.bytes) = (before.limit, before.bytes);
    }

    /// Forget the oldest entries, those that no table of this size still has.
    pub fn shorten(&mut self) {
        if self.bytes as u64 <= self.limit + SLACK {
            return;
        }
        let (mut keep, mut size) = (0, 0);
        for entry in self.log.iter().rev() {
            if (size + entry.size()) as u64 > self.limit {
                break;
            }
            size += entry.size();
            keep += 1;
        }
        self.log.drain(..self.log.len() - keep);
        self.bytes = size;
    }

    fn entry(&self, index: u64) -> Option<&Entry> {
        let behind = usize::try_from(index).ok()?.checked_sub(STATIC.len())?;
        self.log.len().checked_sub(behind + 1).map(|place| &self.log[place])
    }

    /// Give `each` the fields of a block: name and value, None for what is not known.
    pub fn decode(
        &mut self,
        block: &[u8],
        scratch: &mut Scratch,
        mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
    ) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(&byte) = block.get(at) {
            at += 1;
            if byte & 0x80 != 0 {
                // Section 6.1: indexed.
                let index = integer(block, &mut at, byte, 0x7F)?;
                match usize::try_from(index).ok().and_then(|index| STATIC.get(index)) {
                    Some(_) if index == 0 => return Err(Malformed),
                    Some((name, value)) => each(Some(name), Some(value)),
                    None => match self.entry(index) {
                        Some(entry) => each(entry.name.as_deref(), Some(&entry.value)),
                        None => each(None, None),
                    },
                }
                continue;
            }
            if byte & 0xE0 == 0x20 {
                // Section 6.3: size of the table.
                self.limit = integer(block, &mut at, byte, 0x1F)?.min(LARGEST_TABLE);
                continue;
            }
            // Section 6.2: literal.
            let index = integer(block, &mut at, byte, if byte & 0x40 != 0 { 0x3F } else { 0x0F })?;
            let own = if index == 0 {
                Some(string(block, &mut at, &mut scratch.name)?)
            } else {
                None
            };
            let value = string(block, &mut at, &mut scratch.value)?;
            let fixed = usize::try_from(index)
                .ok()
                .and_then(|index| STATIC.get(index))
                .map(|field| field.0);
            let name = own.or(fixed).or_else(|| self.entry(index)?.name.as_deref());
            each(name, Some(value));
            if byte & 0x40 != 0 {
                let name = match (own, fixed) {
                    (Some(own), _) => Some(Cow::Owned(own.to_vec())),
                    (None, Some(fixed)) => Some(Cow::Borrowed(fixed)),
                    (None, None) => name.map(|name| Cow::Owned(name.to_vec())),
                };
                let entry = Entry {
                    name,
                    value: value.into(),
                };
                self.bytes += entry.size();
                self.log.push(entry);
            }
        }
        Ok(())
    }
}

/// Section 5.1: an integer that begins in `byte`.
fn integer(block: &[u8], at: &mut usize, byte: u8, prefix: u8) -> Result<u64, Malformed> {
    let mut value = u64::from(byte & prefix);
    if byte & prefix != prefix {
        return Ok(value);
    }
    let mut shift = 0;
    loop {
        let &byte = block.get(*at).ok_or(Malformed)?;
        *at += 1;
        value += u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
        shift += 7;
        if shift > MAX_SHIFT {
            return Err(Malformed);
        }
    }
}

/// Section 5.2: a string.
fn string<'a>(block: &'a [u8], at: &mut usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    let &byte = block.get(*at).ok_or(Malformed)?;
    *at += 1;
    let size = usize::try_from(integer(block, at, byte, 0x7F)?).map_err(|_| Malformed)?;
    let raw = block.get(*at..).and_then(|rest| rest.get(..size)).ok_or(Malformed)?;
    *at += size;
    if byte & 0x80 == 0 {
        return Ok(raw);
    }
    if huffman::decode(raw, scratch) {
        Ok(scratch)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn decoded(hpack: &mut Hpack, block: &str) -> Result<String, Malformed> {
        let mut lines = Vec::new();
        let text = |raw: Option<&[u8]>| raw.map_or("?".into(), |raw| String::from_utf8_lossy(raw).into_owned());
        hpack.decode(&bytes(block), &mut Scratch::default(), |name, value| {
            lines.push(format!("{}: {}", text(name), text(value)));
        })?;
        hpack.shorten();
        Ok(lines.join("\n"))
    }

    fn decodes(blocks: &[(&str, &str)]) {
        let mut hpack = Hpack::new();
        for (block, fields) in blocks {
            assert_eq!(decoded(&mut hpack, block).unwrap(), *fields);
        }
    }

    const REQUESTS: [&str; 3] = [
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com",
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
        ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value",
    ];
    const RESPONSES: [&str; 3] = [
        ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
        ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
        ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n\
         content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];

    #[test]
    fn rfc_7541_appendix_c_2_literals() {
        decodes(&[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key: custom-header",
        )]);
        decodes(&[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path")]);
        decodes(&[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret")]);
        decodes(&[("82", ":method: GET")]);
    }

    #[test]
    fn rfc_7541_appendix_c_3_and_4_requests() {
        decodes(&[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0]),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                REQUESTS[2],
            ),
        ]);
        decodes(&[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2]),
        ]);
    }

    #[test]
    fn rfc_7541_appendix_c_5_and_6_responses() {
        decodes(&[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
                 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                RESPONSES[0],
            ),
            ("4803 3330 37c1 c0bf", RESPONSES[1]),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
                 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
                 2076 6572 7369 6f6e 3d31",
                RESPONSES[2],
            ),
        ]);
        decodes(&[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
                 8f0b 97c8 e9ae 82ae 43d3",
                RESPONSES[0],
            ),
            ("4883 640e ffc1 c0bf", RESPONSES[1]),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
                 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                RESPONSES[2],
            ),
        ]);
    }

    #[test]
    fn what_stood_in_the_table_before_is_unknown_and_a_name_of_it_too() {
        let mut hpack = Hpack::restored(Vec::new(), LARGEST_TABLE);
        assert_eq!(decoded(&mut hpack, "be 7e01 61 be").unwrap(), "?: ?\n?: a\n?: a");
    }

    #[test]
    fn a_block_that_is_none_leaves_no_trace() {
        let mut hpack = Hpack::new();
        decoded(&mut hpack, "4001 6101 62").unwrap();
        let (before, limit) = (hpack.before(), hpack.limit);
        for block in [
            "20 4001 6301 64 80",
            "4001 6305 64",
            "ff ffff ffff ff01",
            "8287 40",
            "4081 ff01 61",
        ] {
            assert!(decoded(&mut hpack, block).is_err(), "{block}");
            hpack.undo(&before);
            assert_eq!((hpack.log.len(), hpack.limit, hpack.bytes), (1, limit, 34));
        }
    }

    #[test]
    fn what_no_table_of_the_size_has_is_forgotten() {
        let mut hpack = Hpack::new();
        for _ in 0..300 {
            decoded(&mut hpack, "4001 6101 62").unwrap();
        }
        assert!(hpack.bytes <= 8192 && hpack.log.len() >= 4096 / 34);
        decoded(&mut hpack, "20").unwrap();
        for _ in 0..300 {
            decoded(&mut hpack, "4001 6101 62").unwrap();
        }
        assert!(hpack.bytes <= 4096);
    }
}
