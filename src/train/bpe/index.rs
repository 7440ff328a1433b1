//! Where each frequent pair stands, and which pair is the most frequent.

use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::hint::black_box;

use rustc_hash::FxHashMap;

use super::super::ties::Rank;
use super::learner::Admit;
use super::slots::{BORDER, Slots};
use crate::error::Result;
use crate::ids::{Pair, TokenId};

/// Reports work done, in small steps; an error means to stop.
pub(super) type Tick<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// Pair counts by cell. With few symbols each pair has its own cell; otherwise pairs share cells, and
/// a cell holds an upper bound that sorts out almost all rare pairs before any is looked up.
pub(super) struct Windows {
    cells: Vec<Cell>,
    symbols: usize,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    count: u64,
    places: u32,
}

/// The number of shared cells: 4 MiB, so that they stay in the second level of the cache for the most
/// part.
const SHARED: usize = if cfg!(test) { 1 << 4 } else { 1 << 18 };

impl Windows {
    /// Counts all pairs of `slots`, whose symbols are below `symbols`.
    pub(super) fn count(
        slots: &Slots,
        admit: Admit<'_>,
        symbols: usize,
        tick: Tick<'_>,
    ) -> Result<Self> {
        let own = symbols.checked_mul(symbols).filter(|&cells| cells <= SHARED);
        let mut windows = Self {
            cells: vec![Cell::default(); own.unwrap_or(SHARED)],
            symbols: if own.is_some() { symbols } else { 0 },
        };
        slots.windows(tick, |_, left, right, weight| {
            if admit.pair(left, right) {
                let at = windows.cell(left, right);
                let cell = &mut windows.cells[at];
                // The sum of all symbols fits, so this does.
                cell.count += weight;
                cell.places += 1;
            }
        })?;
        Ok(windows)
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the high bits of a product are what is wanted"
    )]
    fn cell(&self, left: TokenId, right: TokenId) -> usize {
        if self.symbols > 0 {
            return left as usize * self.symbols + right as usize;
        }
        let mixed = Pair::new(left, right).packed().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> (64 - SHARED.trailing_zeros())) as usize
    }

    /// At least the count of the most frequent pair; 0 when there is no pair.
    pub(super) fn bound(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).max().unwrap_or(0)
    }

    /// The least threshold from `threshold` on with which slots and index take at most `limit` bytes, as
    /// far as that can be: the most frequent pairs are tracked in any case.
    pub(super) fn within(&self, limit: u64, slots: &Slots, threshold: u64) -> u64 {
        // A place of its own, one that the pair made of it will have, and room that vectors leave.
        const PLACE: u64 = 12;
        let left = limit.saturating_sub(slots.bytes()) / PLACE;
        let mut cells: Vec<(u64, u64)> = self
            .cells
            .iter()
            .filter(|cell| cell.count >= threshold)
            .map(|cell| (cell.count, u64::from(cell.places)))
            .collect();
        cells.sort_unstable_by_key(|cell| std::cmp::Reverse(cell.0));
        let (mut places, mut lowest) = (0_u64, self.bound().max(threshold));
        for (count, more) in cells {
            places = places.saturating_add(more);
            if places > left && count < lowest {
                return lowest;
            }
            lowest = count;
        }
        threshold
    }

    /// Finds the places of all pairs that occur at least `threshold` times.
    pub(super) fn index<R: Rank>(
        self,
        slots: &Slots,
        admit: Admit<'_>,
        names: &[R::Name],
        threshold: u64,
        tick: Tick<'_>,
    ) -> Result<Index<R>> {
        let mut pairs: FxHashMap<Pair, Tracked> = FxHashMap::default();
        if self.symbols > 0 {
            let id = |n| TokenId::try_from(n).unwrap_or(TokenId::MAX);
            for (left, row) in self.cells.chunks(self.symbols).enumerate() {
                for (right, cell) in row.iter().enumerate() {
                    if cell.count >= threshold {
                        let places = Vec::with_capacity(cell.places as usize);
                        let tracked = Tracked { count: cell.count, places };
                        pairs.insert(Pair::new(id(left), id(right)), tracked);
                    }
                }
            }
        } else {
            let mut counts: FxHashMap<Pair, Cell> = FxHashMap::default();
            slots.windows(tick, |_, left, right, weight| {
                let bound = self.cells[self.cell(left, right)].count;
                if bound >= threshold && admit.pair(left, right) {
                    let cell = counts.entry(Pair::new(left, right)).or_default();
                    cell.count += weight;
                    cell.places += 1;
                }
            })?;
            let frequent = counts.into_iter().filter(|(_, cell)| cell.count >= threshold);
            pairs.extend(frequent.map(|(pair, cell)| {
                let places = Vec::with_capacity(cell.places as usize);
                (pair, Tracked { count: cell.count, places })
            }));
        }
        slots.windows(tick, |place, left, right, _| {
            if self.cells[self.cell(left, right)].count >= threshold
                && let Some(tracked) = pairs.get_mut(&Pair::new(left, right))
            {
                tracked.places.push(place);
            }
        })?;
        // A heap gives the same order whatever order it was filled in: no two entries are equal.
        let entry = |(&pair, tracked): (&Pair, &Tracked)| (tracked.count, R::new(pair, names));
        let heap = pairs.iter().map(entry).collect();
        Ok(Index { pairs, heap, threshold, left: Side::default(), right: Side::default() })
    }
}

/// The pairs that occur at least `threshold` times, with exact counts.
pub(super) struct Index<R> {
    pairs: FxHashMap<Pair, Tracked>,
    /// One entry for each tracked pair, with a count that may have fallen since.
    heap: BinaryHeap<(u64, R)>,
    threshold: u64,
    left: Side,
    right: Side,
}

struct Tracked {
    count: u64,
    /// Places in ascending order; some may be stale.
    places: Vec<u32>,
}

/// What to merge: `pair` becomes `new` at `places`.
#[derive(Clone, Copy)]
pub(super) struct Merge<'a> {
    pub(super) pair: Pair,
    pub(super) new: TokenId,
    pub(super) places: &'a [u32],
}

impl<R: Rank> Index<R> {
    /// Takes out the most frequent pair, with its count and its places; the one of the highest rank
    /// among equals.
    pub(super) fn pop(&mut self) -> Option<(Pair, u64, Vec<u32>)> {
        while let Some((count, rank)) = self.heap.pop() {
            let pair = rank.pair();
            let Entry::Occupied(entry) = self.pairs.entry(pair) else { continue };
            let now = entry.get().count;
            if now == count {
                return Some((pair, count, entry.remove().places));
            }
            self.heap.push((now, rank));
        }
        None
    }

    /// Whether a pair of this count is left, which is the highest one.
    pub(super) fn has(&mut self, count: u64) -> bool {
        while self.heap.peek().is_some_and(|top| top.0 == count) {
            let Some((_, rank)) = self.heap.pop() else { return false };
            if let Some(now) = self.pairs.get(&rank.pair()).map(|tracked| tracked.count) {
                self.heap.push((now, rank));
                if now == count {
                    return true;
                }
            }
        }
        false
    }

    /// Merges a pair and brings the counts of its neighbours up to date. Returns how often it was merged.
    pub(super) fn merge(
        &mut self,
        slots: &mut Slots,
        merge: Merge<'_>,
        admit: Admit<'_>,
        names: &[R::Name],
        tick: Tick<'_>,
    ) -> Result<u64> {
        let Merge { pair, new, places } = merge;
        let mut times = 0;
        let (left, right) = (pair.left(), pair.right());
        self.left.reach(admit.symbols());
        self.right.reach(admit.symbols());
        for chunk in places.chunks(32) {
            tick(chunk.len())?;
            // Independent reads first: the processor fetches them together.
            black_box(chunk.iter().fold(0, |all, &place| all ^ slots.peek(place)));
            for &place in chunk {
                let Some(merged) = slots.merge(place, left, right, new) else { continue };
                times += merged.weight;
                let (before, start) = merged.before;
                if before == new {
                    // The place before was merged a moment ago, when `left` still stood here.
                    self.right.take_back(left, merged.weight);
                }
                if before != BORDER {
                    self.left.add(before, start, merged.weight);
                }
                if merged.after != BORDER {
                    self.right.add(merged.after, place, merged.weight);
                }
            }
        }
        let mut side = std::mem::take(&mut self.left);
        side.settle(|id, sum| {
            if id != new {
                self.lower(Pair::new(id, left), sum.lost);
            }
            sum.gained >= self.threshold && admit.pair(id, new)
        });
        side.drain(|id, sum| self.track(Pair::new(id, new), names, sum));
        self.left = side;
        let mut side = std::mem::take(&mut self.right);
        side.settle(|id, sum| {
            self.lower(Pair::new(right, id), sum.lost);
            sum.gained >= self.threshold && admit.pair(new, id)
        });
        side.drain(|id, sum| self.track(Pair::new(new, id), names, sum));
        self.right = side;
        Ok(times)
    }

    fn lower(&mut self, pair: Pair, lost: u64) {
        if let Entry::Occupied(mut entry) = self.pairs.entry(pair) {
            let tracked = entry.get_mut();
            // Exact for every tracked pair, so it cannot fall below 0. (After a merge into a symbol
            // that stood in the text counts mean nothing, and the index is thrown away.)
            tracked.count = tracked.count.saturating_sub(lost);
            if tracked.count < self.threshold {
                entry.remove();
            }
        }
    }

    fn track(&mut self, pair: Pair, names: &[R::Name], sum: &mut Sum) {
        let places = std::mem::take(&mut sum.list);
        self.pairs.insert(pair, Tracked { count: sum.gained, places });
        self.heap.push((sum.gained, R::new(pair, names)));
    }
}

/// What one merge does to the pairs on one side of it, summed up by neighbour.
#[derive(Default)]
struct Side {
    /// By symbol: one more than its index in `sums`, or 0.
    of: Vec<u32>,
    sums: Vec<Sum>,
    /// Index in `sums`, and the place of the new pair.
    events: Vec<(u32, u32)>,
}

struct Sum {
    neighbour: TokenId,
    /// By how much the count of the neighbour's old pair falls.
    lost: u64,
    /// The count of its new pair.
    gained: u64,
    places: u32,
    wanted: bool,
    list: Vec<u32>,
}

impl Side {
    /// Makes room for this many symbols.
    fn reach(&mut self, symbols: usize) {
        if self.of.len() < symbols {
            self.of.resize(symbols, 0);
        }
    }

    #[inline]
    fn add(&mut self, neighbour: TokenId, place: u32, weight: u64) {
        let of = &mut self.of[neighbour as usize];
        if *of == 0 {
            let list = Vec::new();
            self.sums.push(Sum { neighbour, lost: 0, gained: 0, places: 0, wanted: false, list });
            // Not more than there are symbols.
            *of = u32::try_from(self.sums.len()).unwrap_or(u32::MAX);
        }
        let sum = &mut self.sums[*of as usize - 1];
        sum.lost += weight;
        sum.gained += weight;
        sum.places += 1;
        self.events.push((*of - 1, place));
    }

    /// The new pair of an earlier event is gone again.
    fn take_back(&mut self, neighbour: TokenId, weight: u64) {
        if let Some(index) = self.of[neighbour as usize].checked_sub(1) {
            let sum = &mut self.sums[index as usize];
            sum.gained = sum.gained.saturating_sub(weight);
        }
    }

    /// Asks for each neighbour whether its new pair is to be tracked.
    fn settle(&mut self, mut wanted: impl FnMut(TokenId, &Sum) -> bool) {
        for sum in &mut self.sums {
            sum.wanted = wanted(sum.neighbour, sum);
            if sum.wanted {
                sum.list = Vec::with_capacity(sum.places as usize);
            }
        }
    }

    /// Hands out the places of the pairs that are to be tracked, and forgets everything.
    fn drain(&mut self, mut track: impl FnMut(TokenId, &mut Sum)) {
        for &(index, place) in &self.events {
            let sum = &mut self.sums[index as usize];
            if sum.wanted {
                sum.list.push(place);
            }
        }
        self.events.clear();
        for mut sum in self.sums.drain(..) {
            self.of[sum.neighbour as usize] = 0;
            if sum.wanted {
                track(sum.neighbour, &mut sum);
            }
        }
    }
}
