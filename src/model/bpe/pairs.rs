//! The merges of a model as one hash table: pair of ids -> rank and resulting id.
//!
//! Most pairs that are looked up merge to nothing, and the table is larger than the nearest caches. So
//! each symbol says in 64 bits, by the low bits of ids, what may stand to its right, and in others what may stand to
//! its left. A pair for which one of the two says no is looked up in a slot that is always free: the
//! nearest memory there is, without a branch that nobody could foresee.

use super::short::RANKS;
use super::slots::{NOTHING, Narrow, Wide};
use crate::ids::{Pair, TokenId};
use crate::memory::prefetch_near;

/// What becomes of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Merge {
    /// Lower ranks merge first.
    pub(crate) rank: u32,
    /// The token that the pair becomes.
    pub(crate) id: TokenId,
}

impl Merge {
    fn packed(self) -> u64 {
        u64::from(self.rank) << 32 | u64::from(self.id)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves of what was packed")]
    fn unpack(packed: u64) -> Option<Self> {
        let merge = Self { rank: (packed >> 32) as u32, id: packed as u32 };
        (packed != NOTHING).then_some(merge)
    }
}

#[derive(Clone, Debug)]
enum Slots {
    Narrow(Narrow),
    Wide(Wide),
}

/// Pairs of ids and what they merge to.
#[derive(Clone, Debug)]
pub(crate) struct PairTable {
    slots: Slots,
    /// What may stand to the right of a symbol, and to its left.
    sides: Vec<[u64; 2]>,
    /// The largest rank.
    largest: u32,
}

/// Symbols from here on have no sides: there may be anything.
const SIDES: u32 = 1 << 20;

/// The bit that stands for a symbol in the sides of others: ids follow nothing that could matter here.
#[inline]
fn bit(symbol: TokenId) -> u32 {
    symbol % 64
}

impl PairTable {
    /// An empty table with room for `pairs`, of which nothing is known.
    pub(crate) fn with_room(pairs: usize) -> Self {
        Self { slots: Slots::Wide(Wide::with_room(pairs)), sides: Vec::new(), largest: 0 }
    }

    /// The same, smaller, where symbols and ranks lie below a limit.
    pub(crate) fn with_limits(pairs: usize, symbols: usize, ranks: usize) -> Self {
        let small = symbols <= SIDES as usize;
        match small.then(|| Narrow::with_room(pairs, symbols, ranks)).flatten() {
            Some(slots) => {
                Self { slots: Slots::Narrow(slots), sides: vec![[0; 2]; symbols], largest: 0 }
            }
            None => Self::with_room(pairs),
        }
    }

    /// Sets what `pair` becomes, and returns what it became before.
    pub(crate) fn insert(&mut self, pair: Pair, merge: Merge) -> Option<Merge> {
        self.largest = self.largest.max(merge.rank);
        let (left, right) = (pair.left(), pair.right());
        for (symbol, side, other) in [(left, 0, right), (right, 1, left)] {
            if symbol < SIDES {
                if self.sides.len() <= symbol as usize {
                    self.sides.resize(symbol as usize + 1, [0; 2]);
                }
                self.sides[symbol as usize][side] |= 1 << bit(other);
            }
        }
        Merge::unpack(match &mut self.slots {
            Slots::Narrow(slots) => slots.insert(pair, merge.packed()),
            Slots::Wide(slots) => slots.insert(pair, merge.packed()),
        })
    }

    /// Whether the two sides leave it open that the two merge.
    #[inline]
    fn may_merge(&self, left: TokenId, right: TokenId) -> bool {
        let sides = (self.sides.get(left as usize), self.sides.get(right as usize));
        let (Some(of_left), Some(of_right)) = sides else {
            return left.max(right) >= SIDES;
        };
        (of_left[0] >> bit(right)) & (of_right[1] >> bit(left)) & 1 == 1
    }

    /// What `pair` becomes.
    #[inline]
    pub(crate) fn get(&self, pair: Pair) -> Option<Merge> {
        Merge::unpack(self.packed(pair.left(), pair.right()))
    }

    /// What a pair becomes, the rank in the high half and the id in the low one; all ones where it
    /// becomes nothing.
    #[inline]
    pub(super) fn packed(&self, left: TokenId, right: TokenId) -> u64 {
        let may = self.may_merge(left, right);
        match &self.slots {
            Slots::Narrow(slots) => slots.find(left, right, may),
            Slots::Wide(slots) => slots.find(left, right, may),
        }
    }

    /// Asks for the memory in which it stands what a pair becomes.
    #[inline]
    pub(super) fn prefetch(&self, left: TokenId, right: TokenId) {
        match &self.slots {
            Slots::Narrow(slots) => slots.prefetch(left, right),
            Slots::Wide(slots) => slots.prefetch(left, right),
        }
    }

    /// Asks for the memory in which it stands what may be beside a symbol.
    #[inline]
    pub(super) fn prefetch_sides(&self, symbol: TokenId) {
        if let Some(sides) = self.sides.get(symbol as usize) {
            prefetch_near(sides);
        }
    }

    /// Whether all ranks are below the limit of short merges.
    #[inline]
    pub(super) fn packs(&self) -> bool {
        self.largest < RANKS
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let slots = match &self.slots {
            Slots::Narrow(slots) => slots.bytes(),
            Slots::Wide(slots) => slots.bytes(),
        };
        slots + size_of_val(&*self.sides)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_found_after_growing_and_the_last_value_stays() {
        let mut table = PairTable::with_room(4);
        for n in 0..1_000 {
            assert!(table.insert(Pair::new(n, n * 7), Merge { rank: n, id: n + 1 }).is_none());
        }
        let old = table.insert(Pair::new(3, 21), Merge { rank: 5_000, id: 9 });
        assert_eq!(old, Some(Merge { rank: 3, id: 4 }));
        assert_eq!(table.get(Pair::new(3, 21)), Some(Merge { rank: 5_000, id: 9 }));
        assert_eq!(table.get(Pair::new(999, 6_993)), Some(Merge { rank: 999, id: 1_000 }));
        assert_eq!(table.get(Pair::new(21, 3)), None);
    }

    /// A table by a map, whatever is put into it and whatever room it was made with.
    fn check(mut table: PairTable, entries: &[(u32, u32, u32, u32)]) {
        let mut map = HashMap::new();
        for &(left, right, rank, id) in entries {
            let (pair, merge) = (Pair::new(left, right), Merge { rank, id });
            assert_eq!(table.insert(pair, merge), map.insert(pair, merge));
        }
        for &(left, right, rank, id) in entries {
            for (left, right) in [(left, right), (right, left), (id, left), (rank, right)] {
                let pair = Pair::new(left, right);
                assert_eq!(table.get(pair), map.get(&pair).copied());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn tables_are_maps(
            entries in prop::collection::vec(
                (0u32..200, 0u32..200, 0u32..1_000, 0u32..300), 0..600),
            odd in prop::collection::vec(
                (0u32..300, 190u32..0x8011_0000, 0u32..u32::MAX, 0u32..u32::MAX), 0..6),
            (room, symbols, ranks) in (0usize..700, 200usize..400, 500usize..2_000),
        ) {
            check(PairTable::with_room(room), &entries);
            check(PairTable::with_limits(room, symbols, ranks), &entries);
            let all: Vec<_> = odd.iter().chain(&entries).chain(&odd).copied().collect();
            check(PairTable::with_room(room), &all);
            check(PairTable::with_limits(room, symbols, ranks), &all);
            check(PairTable::with_limits(room, 1 << 30, ranks), &all);
        }
    }

    #[test]
    fn usual_models_have_narrow_slots() {
        for (pairs, ids) in [(0, 1), (50_000, 50_257), (100_000, 100_277), (200_000, 200_019)] {
            let table = PairTable::with_limits(pairs, ids, ids);
            assert!(pairs == 0 || matches!(table.slots, Slots::Narrow(_)), "{ids}");
            check(table, &[(0, 0, 0, 0), (0, 0, 1, 0)]);
        }
        let limit = 1 << 17;
        let last = (1 << 17) - 1;
        let table = PairTable::with_limits(1_000, limit, limit);
        check(table, &[(last, last, last, last), (last, 0, last, 0), (0, last, 0, last)]);
    }
}
