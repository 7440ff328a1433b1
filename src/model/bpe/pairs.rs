//! The merges of a model as one hash table: pair of ids -> rank and resulting id.
//!
//! Buckets of two slots, 16 bytes a slot, and linear probing over buckets at a load of at most one
//! half. The hash is seeded per process, so that a file cannot be made whose pairs collide; nothing
//! that leaves the table depends on the seed.
//!
//! Most pairs that are looked up merge to nothing, and the table is larger than the nearest caches. So
//! each symbol says in 64 bits of a hash what may stand to its right, and in others what may stand to
//! its left. A pair for which one of the two says no is looked up in a slot that is always free: the
//! nearest memory there is, without a branch that nobody could foresee.

use std::hash::{BuildHasher, RandomState};

use super::short::RANKS;
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
/// What a pair becomes that does not merge; no id is as large.
const NOTHING: Merge = Merge { rank: u32::MAX, id: u32::MAX };

/// Pairs of ids and what they merge to.
#[derive(Clone, Debug)]
pub(crate) struct PairTable {
    /// Buckets, and behind them one that stays free.
    slots: Box<[Slot]>,
    /// What may stand to the right of a symbol, and to its left.
    sides: Vec<[u64; 2]>,
    seed: u64,
    shift: u32,
    len: usize,
    /// The largest rank.
    largest: u32,
}

/// Slots in a bucket.
const BUCKET: usize = 2;
/// Symbols from here on have no sides: there may be anything.
const SIDES: u32 = 1 << 22;

/// The bit that stands for a symbol in the sides of others.
#[inline]
fn bit(symbol: TokenId) -> u32 {
    symbol.wrapping_mul(0x9E37_79B1) >> 26
}

impl PairTable {
    /// An empty table with room for `pairs`.
    pub(crate) fn with_room(pairs: usize) -> Self {
        let slots = (pairs * 2).next_power_of_two().max(16);
        let free = Slot { pair: FREE, merge: NOTHING };
        Self {
            slots: vec![free; slots + BUCKET].into_boxed_slice(),
            sides: Vec::new(),
            seed: RandomState::new().hash_one(0) | 1,
            shift: 64 - (slots / BUCKET).trailing_zeros(),
            len: 0,
            largest: 0,
        }
    }

    /// The first slot of a pair's bucket.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted to the number of buckets")]
    fn place(&self, pair: u64) -> usize {
        let product = u128::from(pair ^ self.seed) * u128::from(self.seed);
        (((product as u64) ^ (product >> 64) as u64) >> self.shift) as usize * BUCKET
    }

    /// The first slot of the bucket after this one.
    fn after(&self, at: usize) -> usize {
        let next = at + BUCKET;
        if next == self.slots.len() - BUCKET { 0 } else { next }
    }

    /// Sets what `pair` becomes, and returns what it became before.
    pub(crate) fn insert(&mut self, pair: Pair, merge: Merge) -> Option<Merge> {
        if (self.len + 1) * 2 > self.slots.len() - BUCKET {
            self.grow();
        }
        self.largest = self.largest.max(merge.rank);
        let mut at = self.place(pair.packed());
        loop {
            for slot in &mut self.slots[at..at + BUCKET] {
                if slot.pair == pair.packed() {
                    return Some(std::mem::replace(&mut slot.merge, merge));
                }
                if slot.pair == FREE {
                    *slot = Slot { pair: pair.packed(), merge };
                    self.len += 1;
                    self.add_sides(pair);
                    return None;
                }
            }
            at = self.after(at);
        }
    }

    fn add_sides(&mut self, pair: Pair) {
        let (left, right) = (pair.left(), pair.right());
        for (symbol, side, other) in [(left, 0, right), (right, 1, left)] {
            if symbol < SIDES {
                if self.sides.len() <= symbol as usize {
                    self.sides.resize(symbol as usize + 1, [0; 2]);
                }
                self.sides[symbol as usize][side] |= 1 << bit(other);
            }
        }
    }

    fn grow(&mut self) {
        let mut larger = Self::with_room(self.slots.len());
        for slot in self.slots.iter().filter(|slot| slot.pair != FREE) {
            larger.insert(Pair::from_packed(slot.pair), slot.merge);
        }
        *self = larger;
    }

    /// Whether the two sides leave it open that the two merge.
    #[inline]
    fn may_merge(&self, left: TokenId, right: TokenId) -> bool {
        let side = |symbol: TokenId, side: usize| match self.sides.get(symbol as usize) {
            Some(sides) => sides[side],
            None if symbol < SIDES => 0,
            None => u64::MAX,
        };
        side(left, 0) >> bit(right) & side(right, 1) >> bit(left) & 1 == 1
    }

    /// What `pair` becomes.
    #[inline]
    pub(crate) fn get(&self, pair: Pair) -> Option<Merge> {
        let merge = self.find(pair);
        (merge.rank != u32::MAX || merge.id != u32::MAX).then_some(merge)
    }

    /// What a pair becomes; that of a free slot where it becomes nothing.
    #[inline]
    fn find(&self, pair: Pair) -> Merge {
        let at = if self.may_merge(pair.left(), pair.right()) {
            self.place(pair.packed())
        } else {
            self.slots.len() - BUCKET
        };
        let (first, second) = (self.slots[at], self.slots[at + 1]);
        let other = if second.pair == pair.packed() { second.merge } else { NOTHING };
        let merge = if first.pair == pair.packed() { first.merge } else { other };
        // Buckets fill up from the first slot.
        if merge == NOTHING && second.pair != FREE { self.find_further(pair, at) } else { merge }
    }

    #[cold]
    fn find_further(&self, pair: Pair, mut at: usize) -> Merge {
        loop {
            at = self.after(at);
            for slot in &self.slots[at..at + BUCKET] {
                if slot.pair == pair.packed() {
                    return slot.merge;
                }
                if slot.pair == FREE {
                    return NOTHING;
                }
            }
        }
    }

    /// What a pair becomes, the rank in the high half and the id in the low one; all ones where it
    /// becomes nothing.
    #[inline]
    pub(super) fn packed(&self, left: TokenId, right: TokenId) -> u64 {
        let merge = self.find(Pair::new(left, right));
        u64::from(merge.rank) << 32 | u64::from(merge.id)
    }

    /// Whether all ranks are below the limit of short merges.
    #[inline]
    pub(super) fn packs(&self) -> bool {
        self.largest < RANKS
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.slots) + std::mem::size_of_val(&*self.sides)
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
