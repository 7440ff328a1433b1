//! A byte trie in a double array: one load, one comparison and one xor per byte of a word.
//!
//! Each node is a slot of 8 bytes. A node's children lie at `base ^ byte`; a slot holds the byte that
//! leads to it, and no two nodes share a base, so that byte alone proves whose child it is. Free slots
//! hold 0xFF, which no UTF-8 text contains, and a node without children has base 0, whose slots stay
//! free: a step that leads nowhere needs no test of its own.
//!
//! Every model and normaliser that looks for tokens at the start of a text walks this one: its keys
//! are text, and so is what is looked up. The tries of character maps (`normalize`) are read from
//! files and laid out as another library does it.
//!
//! What lost: probing a hash table for each length from the longest down. On running text it took 90
//! against 19 ns per English word, 144 against 51 per Korean one, 48 against 14 per Chinese one.

use std::ops::Range;

use crate::ids::TokenId;

/// Bases have 24 bits.
pub(crate) const MAX_NODES: usize = 1 << 24;

/// No byte of UTF-8 text.
const FREE: u32 = 0xFF;
/// Larger than any id.
const NO_TOKEN: TokenId = TokenId::MAX;
/// Slots of a block: a family of children never leaves one.
const BLOCK: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The base of the children, shifted left by eight, and the byte that leads here.
    link: u32,
    /// The token that ends here.
    token: TokenId,
}

/// The longest of many tokens at the start of a text.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// The base of the root, which has no slot of its own.
    root: u32,
}

impl Trie {
    /// A trie of `tokens`, which must be distinct and not empty; `None` when [`MAX_NODES`] do not
    /// hold it.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = (TokenId, &'a str)>) -> Option<Self> {
        let mut keys: Vec<(&[u8], TokenId)> =
            tokens.map(|(id, token)| (token.as_bytes(), id)).collect();
        keys.sort_unstable();
        Draft::new(&keys)?.place()
    }

    /// The number of slots, free ones included.
    #[cfg(test)]
    fn slots(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no token.
    pub(crate) fn is_empty(&self) -> bool {
        (0..=u8::MAX).all(|byte| self.step(self.root, byte).is_none())
    }

    /// The node that `byte` leads to from the one whose children lie at `base`.
    #[inline]
    fn step(&self, base: u32, byte: u8) -> Option<Node> {
        let node = *self.nodes.get((base ^ u32::from(byte)) as usize)?;
        // A free slot is none, also for what is no text.
        (node.link & 0xFF == u32::from(byte) && node.link != FREE).then_some(node)
    }

    /// The token that is `key`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<TokenId> {
        let (mut base, mut token) = (self.root, NO_TOKEN);
        for &byte in key {
            let node = self.step(base, byte)?;
            (base, token) = (node.link >> 8, node.token);
        }
        (token != NO_TOKEN).then_some(token)
    }

    /// The length of the longest of the first `bound` tokens, by length, that `text` starts with.
    #[inline]
    pub(crate) fn longest_of(&self, text: &[u8], bound: usize) -> Option<usize> {
        let (mut longest, mut count) = (None, 0);
        self.prefixes(text, |_, length| {
            if count < bound {
                longest = Some(length);
            }
            count += 1;
        });
        longest
    }

    /// Calls `token` with each token that `text` starts with, and its length, shortest first.
    #[inline]
    pub(crate) fn prefixes(&self, text: &[u8], mut token: impl FnMut(TokenId, usize)) {
        let mut base = self.root;
        for (at, &byte) in text.iter().enumerate() {
            let Some(node) = self.nodes.get((base ^ u32::from(byte)) as usize) else { break };
            if node.link & 0xFF != u32::from(byte) {
                break;
            }
            if node.token != NO_TOKEN {
                token(node.token, at + 1);
            }
            base = node.link >> 8;
        }
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.nodes)
    }

    /// The longest token that `text` starts with, and its length.
    #[inline]
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(TokenId, usize)> {
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

/// The tree before its nodes have places.
#[derive(Default)]
struct Draft {
    /// The byte that leads to each node, the token that ends there, and the family of its children.
    bytes: Vec<u8>,
    tokens: Vec<TokenId>,
    children: Vec<Option<u32>>,
    /// Each family's nodes: siblings stand side by side. The first family is the root's.
    families: Vec<Range<u32>>,
}

/// Children that are still to be drafted: `keys` agree in their first `depth` bytes and are longer.
struct Pending<'a, 'k> {
    parent: Option<usize>,
    keys: &'a [(&'k [u8], TokenId)],
    depth: usize,
}

impl Draft {
    /// The tree of sorted keys; `None` when it is too large.
    fn new(keys: &[(&[u8], TokenId)]) -> Option<Self> {
        let mut draft = Self::default();
        // Not recursive: a token may be long.
        let mut pending = vec![Pending { parent: None, keys, depth: 0 }];
        while let Some(Pending { parent, keys, depth }) = pending.pop() {
            let first = u32::try_from(draft.bytes.len()).ok()?;
            let family = u32::try_from(draft.families.len()).ok()?;
            for keys in keys.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
                let (key, id) = keys[0];
                // The keys are sorted, so the one that ends here comes first.
                let ends = key.len() == depth + 1;
                let longer = &keys[usize::from(ends)..];
                if !longer.is_empty() {
                    let parent = Some(draft.bytes.len());
                    pending.push(Pending { parent, keys: longer, depth: depth + 1 });
                }
                draft.bytes.push(key[depth]);
                draft.tokens.push(if ends { id } else { NO_TOKEN });
                draft.children.push(None);
            }
            if let Some(parent) = parent {
                draft.children[parent] = Some(family);
            }
            draft.families.push(first..u32::try_from(draft.bytes.len()).ok()?);
            if draft.bytes.len() > MAX_NODES {
                return None;
            }
        }
        Some(draft)
    }

    fn nodes(&self, family: usize) -> Range<usize> {
        let nodes = &self.families[family];
        nodes.start as usize..nodes.end as usize
    }

    /// Gives every family a base, the largest first: they need whole blocks, and what they leave is
    /// filled by the small ones. In depth-first order more than nine slots of ten could stay empty.
    fn place(self) -> Option<Trie> {
        let mut order: Vec<usize> = (0..self.families.len()).collect();
        order.sort_by_key(|&family| std::cmp::Reverse(self.families[family].len()));
        let mut bases = vec![0; self.families.len()];
        // Block 0 stays empty for ever: nodes without children point there.
        let mut blocks = vec![Block { free: [0; 4], bases: [0; 4] }];
        // A block that cannot take a family is given up for others of its size: that costs two slots
        // in a hundred, where trying further ones took half as long again.
        let (mut at, mut size) = (0, 0);
        for family in order {
            let bytes = &self.bytes[self.nodes(family)];
            if bytes.len() != size {
                (at, size) = (0, bytes.len());
            }
            bases[family] = loop {
                if at == blocks.len() {
                    if (at + 1) * BLOCK > MAX_NODES {
                        return None;
                    }
                    blocks.push(Block { free: [u64::MAX; 4], bases: [u64::MAX; 4] });
                }
                if let Some(base) = blocks[at].take(bytes) {
                    break u32::try_from(at * BLOCK).ok()? | u32::from(base);
                }
                at += 1;
            };
        }
        Some(self.lay_out(&bases, blocks.len() * BLOCK))
    }

    fn lay_out(&self, bases: &[u32], slots: usize) -> Trie {
        let mut nodes = vec![Node { link: FREE, token: NO_TOKEN }; slots];
        for (family, base) in bases.iter().enumerate() {
            for node in self.nodes(family) {
                let byte = u32::from(self.bytes[node]);
                let below = self.children[node].map_or(0, |family| bases[family as usize]);
                let link = below << 8 | byte;
                nodes[(base ^ byte) as usize] = Node { link, token: self.tokens[node] };
            }
        }
        Trie { nodes, root: bases.first().copied().unwrap_or(0) }
    }
}

/// 256 slots under construction, a bit for each.
#[derive(Clone, Copy)]
struct Block {
    /// Slots that hold no node.
    free: [u64; 4],
    /// Bases that no family has.
    bases: [u64; 4],
}

impl Block {
    /// Finds a base of which the slots of `bytes` are free, and takes it with them.
    fn take(&mut self, bytes: &[u8]) -> Option<u8> {
        let free: u32 = self.free.iter().map(|word| word.count_ones()).sum();
        if (free as usize) < bytes.len() {
            return None;
        }
        let base = match bytes {
            [byte] => self.base_for(*byte)?,
            _ => self.base_for_all(bytes)?,
        };
        self.bases[usize::from(base / 64)] &= !(1 << (base % 64));
        for byte in bytes {
            let slot = base ^ byte;
            self.free[usize::from(slot / 64)] &= !(1 << (slot % 64));
        }
        Some(base)
    }

    /// For an only child any free slot will do; nearly always it is the first.
    fn base_for(&self, byte: u8) -> Option<u8> {
        let unused = |base: u8| self.bases[usize::from(base / 64)] >> (base % 64) & 1 == 1;
        let slots = [0, 64, 128, 192].into_iter().zip(self.free).flat_map(|(start, mut word)| {
            std::iter::from_fn(move || {
                let bit = u8::try_from(word.trailing_zeros()).ok().filter(|&bit| bit < 64)?;
                word &= word - 1;
                Some(start | bit)
            })
        });
        slots.map(|slot: u8| slot ^ byte).find(|&base| unused(base))
    }

    /// For siblings all 256 bases are tried at once.
    fn base_for_all(&self, bytes: &[u8]) -> Option<u8> {
        let mut good = self.bases;
        for &byte in bytes {
            let moved = exchange(self.free, byte);
            for (good, moved) in good.iter_mut().zip(moved) {
                *good &= moved;
            }
            if good == [0; 4] {
                return None;
            }
        }
        let word = good.iter().position(|&word| word != 0)?;
        Some(u8::try_from(word * 64).ok()? | u8::try_from(good[word].trailing_zeros()).ok()?)
    }
}

/// Moves bit `i` of 256 to `i ^ byte`.
fn exchange(bits: [u64; 4], byte: u8) -> [u64; 4] {
    const LOW: [u64; 6] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0F0F_0F0F_0F0F_0F0F,
        0x00FF_00FF_00FF_00FF,
        0x0000_FFFF_0000_FFFF,
        0x0000_0000_FFFF_FFFF,
    ];
    let mut words = std::array::from_fn(|i| bits[i ^ usize::from(byte >> 6)]);
    for (bit, low) in LOW.into_iter().enumerate() {
        if byte >> bit & 1 == 1 {
            words = words.map(|word| (word & low) << (1 << bit) | word >> (1 << bit) & low);
        }
    }
    words
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
        assert!(trie.is_empty());
        assert_eq!(trie.get(b""), None);
        assert_eq!(trie.get(b"\xFF\xFF"), None);
    }

    #[test]
    fn too_many_nodes_are_refused() {
        let long = "x".repeat(MAX_NODES);
        assert!(Trie::new([(0, long.as_str())].into_iter()).is_none());
    }

    #[test]
    fn slots_are_well_filled() {
        // Numbers in base 19: families of 19 children over four levels, 137,560 nodes.
        let digit = |n: u32| char::from_digit(n % 19, 19).unwrap();
        let tokens: Vec<String> = (0..19_u32.pow(4))
            .map(|n| [n / 6859, n / 361, n / 19, n].map(digit).into_iter().collect())
            .collect();
        let trie = trie(tokens.iter().map(String::as_str));
        assert!(trie.slots() < 2 * 137_560, "{}", trie.slots());
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
                let mut found = Vec::new();
                trie.prefixes(rest.as_bytes(), |id, length| found.push((length, id)));
                let whole = (0..).zip(&tokens).find(|(_, token)| *token == rest);
                prop_assert_eq!(trie.get(rest.as_bytes()), whole.map(|(id, _)| id));
                let third = found.get(..found.len().min(3)).and_then(<[_]>::last);
                prop_assert_eq!(trie.longest_of(rest.as_bytes(), 3), third.map(|&(length, _)| length));
                let all = (0..).zip(&tokens).filter(|(_, token)| rest.starts_with(token.as_str()));
                let mut all: Vec<_> = all.map(|(id, token)| (token.len(), id)).collect();
                all.sort_unstable();
                prop_assert_eq!(found, all);
            }
        }
    }
}
