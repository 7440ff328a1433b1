//! A trie of byte strings in a double array (Aoe 1989): one load and one comparison a byte.
//!
//! Built once out of keys and values, then only walked. A child lies at the exclusive or of its
//! parent's base and its byte, and names its parent: so a walk never leaves the trie, whatever bytes
//! it is given.

use crate::ids::TokenId;

/// A node without a value, or without children.
const NONE: u32 = u32::MAX;
/// Slots that are looked at before a family goes to a fresh block: this bounds the time of building.
const TRIES: usize = 64;
/// A family's slots lie in one block of this many.
const BLOCK: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Node {
    base: u32,
    parent: u32,
    value: u32,
}

const FREE: Node = Node { base: NONE, parent: NONE, value: NONE };

/// Keys and their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// The bytes that keys begin with.
    first: Vec<bool>,
}

/// The node that a walk begins at.
pub(crate) const ROOT: u32 = 0;

impl Trie {
    /// A trie of `keys`, in any order; of two equal keys the last counts. Empty keys are left out.
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = (&'a [u8], TokenId)>) -> Self {
        let mut keys: Vec<(&[u8], TokenId)> =
            keys.into_iter().filter(|(key, _)| !key.is_empty()).collect();
        keys.sort_by_key(|&(key, _)| key);
        let mut first = vec![false; 256];
        for (key, _) in &keys {
            first[usize::from(key[0])] = true;
        }
        let mut builder = Builder { nodes: vec![FREE; BLOCK], free: 1 };
        // Nobody's child, and taken.
        builder.nodes[0].parent = NONE - 1;
        // Not recursive: a key may be long.
        let mut waiting = vec![(ROOT, 0, 0..keys.len())];
        while let Some((node, depth, mut range)) = waiting.pop() {
            while range.start < range.end && keys[range.start].0.len() == depth {
                builder.nodes[node as usize].value = keys[range.start].1;
                range.start += 1;
            }
            if range.is_empty() {
                continue;
            }
            let mut families: Vec<(u8, std::ops::Range<usize>)> = Vec::new();
            for (at, (key, _)) in keys.iter().enumerate().take(range.end).skip(range.start) {
                match families.last_mut() {
                    Some((byte, family)) if *byte == key[depth] => family.end = at + 1,
                    _ => families.push((key[depth], at..at + 1)),
                }
            }
            let base = builder.place(&families);
            builder.nodes[node as usize].base = base;
            for (byte, family) in families.into_iter().rev() {
                let child = base ^ u32::from(byte);
                builder.nodes[child as usize].parent = node;
                waiting.push((child, depth + 1, family));
            }
        }
        Self { nodes: builder.nodes, first }
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        !self.first.contains(&true)
    }

    /// The child of `node` by `byte`.
    #[inline]
    pub(crate) fn step(&self, node: u32, byte: u8) -> Option<u32> {
        let child = self.nodes.get(node as usize)?.base ^ u32::from(byte);
        (self.nodes.get(child as usize)?.parent == node).then_some(child)
    }

    /// The value of the key that ends at `node`.
    #[inline]
    pub(crate) fn value(&self, node: u32) -> Option<TokenId> {
        self.nodes.get(node as usize).map(|node| node.value).filter(|&value| value != NONE)
    }

    /// Calls `found` with the length and the value of every key that `text` begins with, the
    /// shortest first.
    #[inline]
    pub(crate) fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, TokenId)) {
        let mut node = ROOT;
        for (length, &byte) in (1..).zip(text) {
            let Some(child) = self.step(node, byte) else { return };
            node = child;
            if let Some(value) = self.value(node) {
                found(length, value);
            }
        }
    }

    /// The length of the longest key that `text` begins with; no key has more than a bound of
    /// prefixes that are keys too.
    #[inline]
    pub(crate) fn longest(&self, text: &[u8], bound: usize) -> Option<usize> {
        if !*self.first.get(usize::from(*text.first()?))? {
            return None;
        }
        let (mut longest, mut count) = (None, 0);
        self.prefixes(text, |length, _| {
            if count < bound {
                longest = Some(length);
            }
            count += 1;
        });
        longest
    }

    /// The value of `key` itself.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<TokenId> {
        let mut node = ROOT;
        for &byte in key {
            node = self.step(node, byte)?;
        }
        self.value(node)
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.len() * size_of::<Node>()
    }
}

struct Builder {
    nodes: Vec<Node>,
    /// No slot before this one is free.
    free: usize,
}

impl Builder {
    /// A base at which all bytes of a family are free; it takes their slots.
    fn place(&mut self, families: &[(u8, std::ops::Range<usize>)]) -> u32 {
        let smallest = families.first().map_or(0, |&(byte, _)| byte);
        while self.nodes.get(self.free).is_some_and(|node| node.parent != NONE) {
            self.free += 1;
        }
        let open = (self.free..self.nodes.len()).filter(|&at| self.nodes[at].parent == NONE);
        let fits = |at: usize| {
            let base = at ^ usize::from(smallest);
            let free = |byte: u8| self.nodes[base ^ usize::from(byte)].parent == NONE;
            (base >= BLOCK || at < BLOCK) && families.iter().all(|&(byte, _)| free(byte))
        };
        let found = open.take(TRIES).find(|&at| fits(at));
        let base = if let Some(at) = found {
            at ^ usize::from(smallest)
        } else {
            // What is left of the old blocks is not looked at again by single children, so that
            // building takes a time in proportion to the keys.
            if families.len() == 1 {
                self.free = self.nodes.len();
            }
            let start = self.nodes.len();
            self.nodes.resize(start + BLOCK, FREE);
            start
        };
        for &(byte, _) in families {
            self.nodes[base ^ usize::from(byte)].parent = ROOT;
        }
        u32::try_from(base).unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_map_holds(
            keys in proptest::collection::btree_map(
                proptest::collection::vec(0u8..4, 1..6), 0u32..1000, 0..60),
            wide in proptest::collection::btree_map(
                proptest::collection::vec(any::<u8>(), 1..4), 0u32..1000, 0..600),
            text in proptest::collection::vec(0u8..4, 0..9),
        ) {
            let mut keys: BTreeMap<Vec<u8>, u32> = keys;
            keys.extend(wide);
            let trie = Trie::new(keys.iter().map(|(key, value)| (key.as_slice(), *value)));
            prop_assert_eq!(trie.is_empty(), keys.is_empty());
            for (key, value) in &keys {
                prop_assert_eq!(trie.get(key), Some(*value));
            }
            let mut found = Vec::new();
            trie.prefixes(&text, |length, value| found.push((length, value)));
            let wanted: Vec<_> = (1..=text.len())
                .filter_map(|length| Some((length, *keys.get(&text[..length])?)))
                .collect();
            prop_assert_eq!(trie.longest(&text, 64), wanted.last().map(|&(length, _)| length));
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn no_byte_leads_back_to_the_root() {
        let keys = ["!", "!!", "a", "the"];
        let trie = Trie::new(keys.iter().map(|key| (key.as_bytes(), 1)));
        for byte in 0..=255 {
            assert_eq!(trie.step(ROOT, byte).is_some(), b"!at".contains(&byte));
        }
    }

    #[test]
    fn many_keys_take_few_slots() {
        let keys: Vec<Vec<u8>> = (0..40_000u32)
            .map(|at| at.wrapping_mul(2_654_435_761).to_string().into_bytes())
            .collect();
        let trie = Trie::new((0..).zip(&keys).map(|(value, key)| (key.as_slice(), value)));
        for (value, key) in (0..).zip(&keys) {
            assert_eq!(trie.get(key), Some(value));
        }
        assert!(trie.nodes.len() < 40_000 * 12, "{}", trie.nodes.len());
    }
}
