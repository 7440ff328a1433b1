//! Where each frequent pair stands, and which pair is the most frequent.

use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::hint::black_box;

use rustc_hash::FxHashMap;

use super::super::ties::Rank;
use super::learner::Admit;
use super::slots::{BORDER, Part, Slots};
use super::split::{Tick, in_parts};
use crate::error::Result;
use crate::ids::{Pair, TokenId};

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
        threads: usize,
        tick: Tick<'_>,
    ) -> Result<Self> {
        let own = symbols.checked_mul(symbols).filter(|&cells| cells <= SHARED);
        let empty = || Self {
            cells: vec![Cell::default(); own.unwrap_or(SHARED)],
            symbols: if own.is_some() { symbols } else { 0 },
        };
        let counted = in_parts(slots.parts(threads), tick, |part, tick| {
            let mut windows = empty();
            slots.windows(part, tick, |_, left, right, weight| {
                if admit.pair(left, right) {
                    let at = windows.cell(left, right);
                    let cell = &mut windows.cells[at];
                    // The sum of all symbols fits, so this does.
                    cell.count += weight;
                    cell.places += 1;
                }
            })?;
            Ok(windows)
        })?;
        let sum = |mut all: Self, more: Self| {
            for (cell, other) in all.cells.iter_mut().zip(more.cells) {
                cell.count += other.count;
                cell.places += other.places;
            }
            all
        };
        Ok(counted.into_iter().reduce(sum).unwrap_or_else(empty))
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
        (mixed(Pair::new(left, right)) >> (64 - SHARED.trailing_zeros())) as usize
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

    /// The count of the cell that so many others exceed: about what the pair has that is merged then.
    pub(super) fn rank(&self, number: usize) -> u64 {
        let mut counts: Vec<u64> = self.cells.iter().map(|cell| cell.count).collect();
        match counts.len().checked_sub(number + 1) {
            Some(at) => *counts.select_nth_unstable(at).1,
            None => 0,
        }
    }

    /// Finds the places of all pairs that occur at least `threshold` times.
    pub(super) fn index<R: Rank>(
        mut self,
        slots: &Slots,
        admit: Admit<'_>,
        names: &[R::Name],
        threshold: u64,
        threads: usize,
        tick: Tick<'_>,
    ) -> Result<Index<R>> {
        let pairs = if self.symbols > 0 {
            self.own(slots, threshold, threads, tick)?
        } else {
            self.shared(slots, admit, threshold, threads, tick)?
        };
        // A heap gives the same order whatever order it was filled in: no two entries are equal.
        let entry = |(&pair, tracked): (&Pair, &Tracked)| (tracked.count, R::new(pair, names));
        let heap = pairs.iter().map(entry).collect();
        Ok(Index { pairs, heap, threshold, sides: Vec::new() })
    }

    /// Where each pair has its own cell, that says which list its places go to.
    fn own(
        &mut self,
        slots: &Slots,
        threshold: u64,
        threads: usize,
        tick: Tick<'_>,
    ) -> Result<FxHashMap<Pair, Tracked>> {
        let id = |n| TokenId::try_from(n).unwrap_or(TokenId::MAX);
        let mut found: Vec<(Pair, Tracked)> = Vec::new();
        let symbols = self.symbols;
        for (at, cell) in self.cells.iter_mut().enumerate() {
            if cell.count >= threshold {
                let places = Vec::new();
                let pair = Pair::new(id(at / symbols), id(at % symbols));
                found.push((pair, Tracked { count: cell.count, places }));
                cell.places = u32::try_from(found.len()).unwrap_or(u32::MAX);
            } else {
                cell.places = 0;
            }
        }
        let (this, lists) = (&*self, found.len());
        let parts = in_parts(slots.parts(threads), tick, |part, tick| {
            let mut places = vec![Vec::new(); lists];
            slots.windows(part, tick, |place, left, right, _| {
                let list = this.cells[this.cell(left, right)].places;
                if let Some(list) = list.checked_sub(1) {
                    places[list as usize].push(place);
                }
            })?;
            Ok(places)
        })?;
        for part in parts {
            for ((_, tracked), places) in found.iter_mut().zip(part) {
                if tracked.places.is_empty() {
                    tracked.places = places;
                } else {
                    tracked.places.extend_from_slice(&places);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Where cells are shared, what is in full ones is sorted into boxes that fit into the processor's
    /// cache, and counted there.
    fn shared(
        &self,
        slots: &Slots,
        admit: Admit<'_>,
        threshold: u64,
        threads: usize,
        tick: Tick<'_>,
    ) -> Result<FxHashMap<Pair, Tracked>> {
        let parts = in_parts(slots.parts(threads), tick, |part, tick| {
            let mut boxes: Vec<Vec<Seen>> = vec![Vec::new(); BOXES];
            slots.windows(part, tick, |place, left, right, weight| {
                let bound = self.cells[self.cell(left, right)].count;
                if bound >= threshold && admit.pair(left, right) {
                    let pair = Pair::new(left, right);
                    let weight = u32::try_from(weight).unwrap_or(u32::MAX);
                    boxes[box_of(pair)].push(Seen { pair, place, weight });
                }
            })?;
            Ok(boxes)
        })?;
        let mut boxes: Vec<Vec<Vec<Seen>>> = (0..BOXES).map(|_| Vec::new()).collect();
        for part in parts {
            for (all, more) in boxes.iter_mut().zip(part) {
                all.push(more);
            }
        }
        // Each thread takes every so manieth box.
        let mut shares: Vec<Vec<Vec<Vec<Seen>>>> =
            (0..threads.max(1)).map(|_| Vec::new()).collect();
        let count = shares.len();
        for (number, seen) in boxes.into_iter().enumerate() {
            shares[number % count].push(seen);
        }
        let found = in_parts((0..count).collect(), tick, |share, tick| {
            let mut found: Vec<(Pair, Tracked)> = Vec::new();
            for parts in &shares[share] {
                let mut cells: FxHashMap<Pair, Cell> = FxHashMap::default();
                for seen in parts.iter().flatten() {
                    let cell = cells.entry(seen.pair).or_default();
                    cell.count += match seen.weight {
                        u32::MAX => slots.weight_at(seen.place),
                        weight => u64::from(weight),
                    };
                    cell.places += 1;
                }
                let first = found.len();
                let frequent = cells.iter_mut().filter(|(_, cell)| cell.count >= threshold);
                found.extend(frequent.zip(0..).map(|((&pair, cell), number)| {
                    let places = Vec::with_capacity(cell.places as usize);
                    cell.places = number;
                    (pair, Tracked { count: cell.count, places })
                }));
                for seen in parts.iter().flatten() {
                    if let Some(cell) = cells.get(&seen.pair).filter(|it| it.count >= threshold) {
                        found[first + cell.places as usize].1.places.push(seen.place);
                    }
                }
                tick(parts.iter().map(Vec::len).sum())?;
            }
            Ok(found)
        })?;
        let mut pairs = FxHashMap::default();
        pairs.reserve(found.iter().map(Vec::len).sum());
        pairs.extend(found.into_iter().flatten());
        Ok(pairs)
    }
}

/// A pair at a place. A weight that does not fit is looked up.
#[derive(Clone, Copy)]
struct Seen {
    pair: Pair,
    place: u32,
    weight: u32,
}

const BOXES: usize = 256;

fn box_of(pair: Pair) -> usize {
    (mixed(pair) >> 56) as usize
}

#[inline]
fn mixed(pair: Pair) -> u64 {
    pair.packed().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The pairs that occur at least `threshold` times, with exact counts.
pub(super) struct Index<R> {
    pairs: FxHashMap<Pair, Tracked>,
    /// One entry for each tracked pair, with a count that may have fallen since.
    heap: BinaryHeap<(u64, R)>,
    threshold: u64,
    /// What a merge does, one for each thread.
    sides: Vec<Sides>,
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
    pub(super) threads: usize,
}

/// Merges with so many places are shared by threads: half of them takes ten times as long as starting one.
const LONG: usize = if cfg!(test) { 3 } else { 1 << 14 };

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
        let Merge { pair, new, places, threads } = merge;
        let (left, right) = (pair.left(), pair.right());
        let parts = if places.len() >= LONG && threads > 1 {
            slots.share(places, threads)
        } else {
            vec![(slots.whole(), places)]
        };
        while self.sides.len() < parts.len() {
            self.sides.push(Sides::default());
        }
        let mut all = std::mem::take(&mut self.sides);
        let shared = parts.len();
        for sides in &mut all[..shared] {
            sides.left.reach(admit.symbols());
            sides.right.reach(admit.symbols());
        }
        let times = if shared == 1 {
            // Most merges are short: nothing is set up for them.
            let mut times = 0;
            for (part, places) in parts {
                times = all[0].gather(part, pair, new, places, tick)?;
            }
            times
        } else {
            let work = parts.into_iter().zip(&mut all).collect();
            let gather = |((part, places), sides): ((Part<'_>, &[u32]), &mut Sides),
                          tick: Tick<'_>| {
                sides.gather(part, pair, new, places, tick)
            };
            in_parts(work, tick, gather)?.iter().sum()
        };
        let (first, others) = all.split_at_mut(1);
        let main = &mut first[0];
        let others = &mut others[..shared - 1];
        main.left.join(others.iter_mut().map(|sides| &mut sides.left));
        main.right.join(others.iter_mut().map(|sides| &mut sides.right));
        main.left.settle(|id, sum| {
            if id != new {
                self.lower(Pair::new(id, left), sum.lost);
            }
            sum.gained >= self.threshold && admit.pair(id, new)
        });
        main.left.drain(|id, sum| self.track(Pair::new(id, new), names, sum));
        main.right.settle(|id, sum| {
            self.lower(Pair::new(right, id), sum.lost);
            sum.gained >= self.threshold && admit.pair(new, id)
        });
        main.right.drain(|id, sum| self.track(Pair::new(new, id), names, sum));
        self.sides = all;
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

/// What one merge does to the pairs around it.
#[derive(Default)]
struct Sides {
    left: Side,
    right: Side,
}

impl Sides {
    /// Merges at the places of a part. Returns how often.
    fn gather(
        &mut self,
        mut part: Part<'_>,
        pair: Pair,
        new: TokenId,
        places: &[u32],
        tick: Tick<'_>,
    ) -> Result<u64> {
        let (left, right) = (pair.left(), pair.right());
        let mut times = 0;
        for chunk in places.chunks(32) {
            tick(chunk.len())?;
            // Independent reads first: the processor fetches them together.
            black_box(chunk.iter().fold(0, |all, &place| all ^ part.peek(place)));
            for &place in chunk {
                let Some(merged) = part.merge(place, left, right, new) else { continue };
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
        Ok(times)
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

    /// Takes over what the others have, which stands after it in the text, and empties them.
    fn join<'a>(&mut self, others: impl Iterator<Item = &'a mut Self>) {
        for other in others {
            let mut numbers = Vec::with_capacity(other.sums.len());
            for sum in other.sums.drain(..) {
                let at = sum.neighbour as usize;
                other.of[at] = 0;
                if self.of[at] == 0 {
                    self.sums.push(sum);
                    self.of[at] = u32::try_from(self.sums.len()).unwrap_or(u32::MAX);
                } else {
                    let ours = &mut self.sums[self.of[at] as usize - 1];
                    ours.lost += sum.lost;
                    ours.gained += sum.gained;
                    ours.places += sum.places;
                }
                numbers.push(self.of[at] - 1);
            }
            let event = |(sum, place): (u32, u32)| (numbers[sum as usize], place);
            self.events.extend(other.events.drain(..).map(event));
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
