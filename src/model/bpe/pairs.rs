//! The merges of a model as one hash table: pair of ids -> rank and resulting id.
//!
//! Linear probing at a load of at most one half, 16 bytes a slot. The hash is seeded per process, so
//! that a file cannot be made whose pairs collide; nothing that leaves the table depends on the seed.

use std::hash::{BuildHasher, RandomState};

use crate::ids::{Pair, TokenId};

#[derive(Clone, Copy, Debug)]
struct Slot {
    pair: u64,
    merge: Merge,
}

/// What becomes of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Merge {
    /// Lower ranks merge first.
    pub(crate) rank: u32,
    /// The token that the pair becomes.
    pub(crate) id: TokenId,
}

/// No pair of valid ids.
const FREE: u64 = u64::MAX;

/// Pairs of ids and what they merge to.
#[derive(Clone, Debug)]
pub(crate) struct PairTable {
    slots: Box<[Slot]>,
    seed: u64,
    shift: u32,
    len: usize,
}

impl PairTable {
    /// An empty table with room for `pairs`.
    pub(crate) fn with_room(pairs: usize) -> Self {
        let slots = (pairs * 2).next_power_of_two().max(16);
        let free = Slot { pair: FREE, merge: Merge { rank: u32::MAX, id: 0 } };
        Self {
            slots: vec![free; slots].into_boxed_slice(),
            seed: RandomState::new().hash_one(0) | 1,
            shift: 64 - slots.trailing_zeros(),
            len: 0,
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted to the number of slots")]
    fn place(&self, pair: u64) -> usize {
        let product = u128::from(pair ^ self.seed) * u128::from(self.seed);
        (((product as u64) ^ (product >> 64) as u64) >> self.shift) as usize
    }

    /// Sets what `pair` becomes, and returns what it became before.
    pub(crate) fn insert(&mut self, pair: Pair, merge: Merge) -> Option<Merge> {
        if (self.len + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mut at = self.place(pair.packed());
        loop {
            let slot = &mut self.slots[at];
            if slot.pair == pair.packed() {
                return Some(std::mem::replace(&mut slot.merge, merge));
            }
            if slot.pair == FREE {
                *slot = Slot { pair: pair.packed(), merge };
                self.len += 1;
                return None;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn grow(&mut self) {
        let mut larger = Self::with_room(self.slots.len());
        for slot in self.slots.iter().filter(|slot| slot.pair != FREE) {
            larger.insert(Pair::from_packed(slot.pair), slot.merge);
        }
        *self = larger;
    }

    /// What `pair` becomes.
    #[inline]
    pub(crate) fn get(&self, pair: Pair) -> Option<Merge> {
        let mut at = self.place(pair.packed());
        loop {
            let slot = &self.slots[at];
            if slot.pair == pair.packed() {
                return Some(slot.merge);
            }
            if slot.pair == FREE {
                return None;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_after_growing_and_the_last_value_stays() {
        let mut table = PairTable::with_room(4);
        for n in 0..1_000 {
            assert!(table.insert(Pair::new(n, n * 7), Merge { rank: n, id: n + 1 }).is_none());
        }
        let old = table.insert(Pair::new(3, 21), Merge { rank: 5_000, id: 9 });
        assert_eq!(old, Some(Merge { rank: 3, id: 4 }));
        assert_eq!(table.len, 1_000);
        assert_eq!(table.get(Pair::new(3, 21)), Some(Merge { rank: 5_000, id: 9 }));
        assert_eq!(table.get(Pair::new(999, 6_993)), Some(Merge { rank: 999, id: 1_000 }));
        assert_eq!(table.get(Pair::new(21, 3)), None);
    }
}
