//! A byte trie in a double array: one load, one comparison and one xor per byte of a word.
//!
//! Each node is a slot of 8 bytes. A node's children lie at `base ^ byte`; a slot holds the byte that
//! leads to it, and no two nodes share a base, so that byte alone proves whose child it is. Free slots
//! hold 0xFF, which no UTF-8 text contains, and a node without children has base 0, whose slots stay
//! free: a step that leads nowhere needs no test of its own.
//!
//! Why not a hash probe per length: see `DESIGN.md`; it took 2 to 4 times as long per word.

use crate::ids::TokenId;

/// Bases have 24 bits.
pub(super) const MAX_NODES: usize = 1 << 24;

/// No byte of UTF-8 text.
const FREE: u32 = 0xFF;
/// Larger than any id.
const NO_TOKEN: TokenId = TokenId::MAX;
/// Free slots that are tried as the place of a first child before new ones are made.
const TRIES: usize = 32;
/// No slot, at either end of the list of free ones.
const END: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The base of the children, shifted left by eight, and the byte that leads here.
    link: u32,
    /// The token that ends here.
    token: TokenId,
}

/// The longest of many tokens at the start of a text.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The base of the root, which has no slot of its own.
    root: u32,
}

impl Trie {
    /// A trie of `tokens`, which must be distinct and not empty; `None` when [`MAX_NODES`] do not
    /// hold it.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = (TokenId, &'a str)>) -> Option<Self> {
        let mut keys: Vec<(&[u8], TokenId)> =
            tokens.map(|(id, token)| (token.as_bytes(), id)).collect();
        keys.sort_unstable();
        Builder::new().build(&keys)
    }

    /// The longest token that `text` starts with, and its length.
    #[inline]
    pub(super) fn longest(&self, text: &[u8]) -> Option<(TokenId, usize)> {
        let mut base = self.root;
        let mut longest = None;
        for (at, &byte) in text.iter().enumerate() {
            let Some(node) = self.nodes.get((base ^ u32::from(byte)) as usize) else { break };
            if node.link & 0xFF != u32::from(byte) {
                break;
            }
            if node.token != NO_TOKEN {
                longest = Some((node.token, at + 1));
            }
            base = node.link >> 8;
        }
        longest
    }
}

/// The children of one node that are still to be placed: `keys[first..last]` agree in their first
/// `depth` bytes and are longer.
struct Family {
    /// The slot of the node; `None` for the root.
    parent: Option<u32>,
    first: usize,
    last: usize,
    depth: usize,
}

/// Free slots form a list through `next` and `previous`, so that a taken one leaves it at once.
struct Builder {
    nodes: Vec<Node>,
    next: Vec<u32>,
    previous: Vec<u32>,
    head: u32,
    tail: u32,
    /// Whether a base is taken, one bit each.
    bases: Vec<u64>,
}

impl Builder {
    fn new() -> Self {
        let mut builder = Self {
            nodes: Vec::new(),
            next: Vec::new(),
            previous: Vec::new(),
            head: END,
            tail: END,
            bases: Vec::new(),
        };
        // The slots of base 0 and of its neighbours stay free for ever: childless nodes point there.
        builder.nodes.resize(256, Node { link: FREE, token: NO_TOKEN });
        builder.next.resize(256, END);
        builder.previous.resize(256, END);
        builder.bases.resize(4, u64::MAX);
        builder
    }

    fn build(mut self, keys: &[(&[u8], TokenId)]) -> Option<Trie> {
        let mut root = 0;
        // Not recursive: a token may be long.
        let mut families = vec![Family { parent: None, first: 0, last: keys.len(), depth: 0 }];
        let mut bytes: Vec<u8> = Vec::with_capacity(256);
        while let Some(Family { parent, first, last, depth }) = families.pop() {
            if first == last {
                continue;
            }
            let children = keys[first..last].chunk_by(|(a, _), (b, _)| a[depth] == b[depth]);
            bytes.clear();
            bytes.extend(children.clone().map(|keys| keys[0].0[depth]));
            let base = self.place(&bytes)?;
            match parent {
                None => root = base,
                Some(slot) => self.nodes[slot as usize].link |= base << 8,
            }
            let mut first = first;
            for keys in children {
                let (key, id) = keys[0];
                let slot = base ^ u32::from(key[depth]);
                // Sorted keys: the one that ends here comes first.
                let ends = key.len() == depth + 1;
                let token = if ends { id } else { NO_TOKEN };
                self.nodes[slot as usize] = Node { link: u32::from(key[depth]), token };
                let last = first + keys.len();
                let first_longer = first + usize::from(ends);
                families.push(Family {
                    parent: Some(slot),
                    first: first_longer,
                    last,
                    depth: depth + 1,
                });
                first = last;
            }
        }
        Some(Trie { nodes: self.nodes, root })
    }

    /// Finds a base of which the slots of `bytes` are free, and takes them.
    fn place(&mut self, bytes: &[u8]) -> Option<u32> {
        let byte = u32::from(*bytes.first()?);
        let mut slot = self.head;
        let mut tries = TRIES;
        while slot != END && tries > 0 {
            let base = slot ^ byte;
            if self.fits(base, bytes) {
                self.take(base, bytes);
                return Some(base);
            }
            slot = self.next[slot as usize];
            tries -= 1;
        }
        let base = u32::try_from(self.nodes.len()).ok()?;
        self.grow()?;
        self.take(base, bytes);
        Some(base)
    }

    fn fits(&self, base: u32, bytes: &[u8]) -> bool {
        let taken = self.bases[base as usize / 64] >> (base % 64) & 1 == 1;
        let free = |&byte: &u8| self.nodes[(base ^ u32::from(byte)) as usize].link == FREE;
        !taken && bytes.iter().all(free)
    }

    fn take(&mut self, base: u32, bytes: &[u8]) {
        self.bases[base as usize / 64] |= 1 << (base % 64);
        for &byte in bytes {
            let slot = base ^ u32::from(byte);
            // Marks the slot until its node is written.
            self.nodes[slot as usize].link = u32::from(byte);
            let (previous, next) = (self.previous[slot as usize], self.next[slot as usize]);
            match self.next.get_mut(previous as usize) {
                Some(link) => *link = next,
                None => self.head = next,
            }
            match self.previous.get_mut(next as usize) {
                Some(link) => *link = previous,
                None => self.tail = previous,
            }
        }
    }

    /// Adds 256 free slots.
    fn grow(&mut self) -> Option<()> {
        let start = self.nodes.len();
        let end = start + 256;
        if end > MAX_NODES {
            return None;
        }
        self.nodes.resize(end, Node { link: FREE, token: NO_TOKEN });
        self.bases.resize(end / 64, 0);
        for slot in u32::try_from(start).ok()?..u32::try_from(end).ok()? {
            self.previous.push(self.tail);
            self.next.push(END);
            match self.next.get_mut(self.tail as usize) {
                Some(link) => *link = slot,
                None => self.head = slot,
            }
            self.tail = slot;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::*;

    fn trie<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Trie {
        let ids = (0..).zip(tokens);
        Trie::new(ids).expect("a small trie")
    }

    #[test]
    fn the_longest_wins() {
        let trie = trie(["a", "ab", "abcd", "é", "\0", "\0x"]);
        assert_eq!(trie.longest(b"abc"), Some((1, 2)));
        assert_eq!(trie.longest(b"abcde"), Some((2, 4)));
        assert_eq!(trie.longest("éa".as_bytes()), Some((3, 2)));
        assert_eq!(trie.longest(b"\0\0"), Some((4, 1)));
        assert_eq!(trie.longest(b"b"), None);
        assert_eq!(trie.longest(b""), None);
    }

    #[test]
    fn an_empty_trie_knows_nothing() {
        let trie = trie([]);
        assert!((0..=255).all(|byte| trie.longest(&[byte]).is_none()));
    }

    #[test]
    fn too_many_nodes_are_refused() {
        let long = "x".repeat(MAX_NODES);
        assert!(Trie::new([(0, long.as_str())].into_iter()).is_none());
    }

    proptest! {
        #[test]
        fn the_longest_is_as_by_trying_all(
            tokens in proptest::collection::btree_set("[a-c\0é漢]{1,6}|\\PC{1,3}", 0..60),
            text in "[a-c\0é漢]{0,12}",
        ) {
            let tokens: BTreeSet<String> = tokens;
            let trie = trie(tokens.iter().map(String::as_str));
            for (start, _) in text.char_indices() {
                let rest = &text[start..];
                let all = (0..).zip(&tokens).filter(|(_, token)| rest.starts_with(token.as_str()));
                let longest = all.max_by_key(|(_, token)| token.len());
                let expected = longest.map(|(id, token)| (id, token.len()));
                prop_assert_eq!(trie.longest(rest.as_bytes()), expected);
            }
        }
    }
}
