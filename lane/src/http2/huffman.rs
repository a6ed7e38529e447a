//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so that it follows from the lengths of its codes.

use std::sync::LazyLock;

const EOS: usize = 256;
/// Bits of the code of each symbol; the last one is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
    28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7,
    6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24,
    23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27,
    26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
    24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const NOTHING: u16 = u16::MAX;

/// Four bits at a node: where they lead, and the symbol that they complete.
#[derive(Clone, Copy)]
struct Step {
    node: u16,
    symbol: u16,
}

struct Code {
    steps: Vec<[Step; 16]>,
    /// Where a string may end: padding is the beginning of EOS, which is all ones, and shorter than a byte.
    ends: Vec<bool>,
}

enum Branch {
    Node(usize),
    Symbol(usize),
}

static CODE: LazyLock<Code> = LazyLock::new(Code::new);

impl Code {
    fn new() -> Code {
        let tree = tree();
        let steps = (0..tree.len())
            .map(|node| std::array::from_fn(|bits| step(&tree, node, bits)))
            .collect();
        let (mut ends, mut node) = (vec![false; tree.len()], 0);
        for _ in 0..8 {
            ends[node] = true;
            if let Some(Branch::Node(next)) = tree[node][1] {
                node = next;
            }
        }
        Code { steps, ends }
    }
}

fn tree() -> Vec<[Option<Branch>; 2]> {
    let mut symbols: Vec<usize> = (0..LENGTHS.len()).collect();
    symbols.sort_by_key(|&symbol| LENGTHS[symbol]);
    let mut tree = vec![[None, None]];
    let (mut code, mut before) = (0_u32, 0);
    for symbol in symbols {
        let length = LENGTHS[symbol];
        code <<= length - before;
        before = length;
        let mut node = 0;
        for place in (1..length).rev() {
            let bit = (code >> place & 1) as usize;
            node = if let Some(Branch::Node(next)) = tree[node][bit] {
                next
            } else {
                tree.push([None, None]);
                let next = tree.len() - 1;
                tree[node][bit] = Some(Branch::Node(next));
                next
            };
        }
        tree[node][(code & 1) as usize] = Some(Branch::Symbol(symbol));
        code += 1;
    }
    tree
}

/// No code is shorter than five bits, so that four complete one symbol at the most.
fn step(tree: &[[Option<Branch>; 2]], mut node: usize, bits: usize) -> Step {
    let mut found = NOTHING;
    for place in (0..4).rev() {
        match tree[node][bits >> place & 1] {
            Some(Branch::Node(next)) => node = next,
            Some(Branch::Symbol(symbol)) => (node, found) = (0, u16::try_from(symbol).unwrap_or(NOTHING)),
            None => {}
        }
    }
    Step {
        node: u16::try_from(node).unwrap_or_default(),
        symbol: found,
    }
}

/// Put the text that `raw` stands for in place of `text`. False where no encoder writes that (section 5.2).
pub fn decode(raw: &[u8], text: &mut Vec<u8>) -> bool {
    let code = &*CODE;
    text.clear();
    let mut node = 0;
    for byte in raw {
        for bits in [byte >> 4, byte & 15] {
            let step = code.steps[node][usize::from(bits)];
            node = usize::from(step.node);
            if step.symbol != NOTHING {
                if usize::from(step.symbol) == EOS {
                    return false;
                }
                #[expect(clippy::cast_possible_truncation, reason = "below EOS there are 256")]
                text.push(step.symbol as u8);
            }
        }
    }
    code.ends[node]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8]) -> Option<Vec<u8>> {
        let mut text = b"before".to_vec();
        decode(raw, &mut text).then_some(text)
    }

    #[test]
    fn strings_of_rfc_7541_appendix_c() {
        for (raw, expected) in [
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..],
                &b"www.example.com"[..],
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], b"no-cache"),
            (&[0x64, 0x02], b"302"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], b"private"),
            (&[], b""),
        ] {
            assert_eq!(text(raw).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        // Padding of eight bits, of zeros, and EOS.
        for raw in [&[0x64, 0x02, 0xff][..], &[0x60], &[0xff; 4]] {
            assert_eq!(text(raw), None);
        }
    }
}
