//! Merging one piece: the pair of least rank first, among equals the leftmost, until none is left.
//!
//! Short pieces are merged in arrays of fixed size ([`Short`]), long ones window by window. Where
//! windows do not meet, and for models that merge otherwise, there is a linked list and a heap of
//! candidates, O(n log n); a candidate is stale when its symbols have changed, and is skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pairs::{Merge, PairTable};
use super::short::{Short, Symbols};
use super::windows::{Token, Window};
use crate::ids::{Pair, TokenId};

/// Candidates that are looked at where chance decides, beside eight for each symbol.
const STEPS: usize = 1 << 26;
/// No symbol: the end of the linked list.
pub(super) const END: u32 = u32::MAX;
/// The buffers of a merge, to be reused.
#[derive(Debug, Default)]
pub(crate) struct MergeScratch {
    /// The symbols: filled by the caller, replaced by the result.
    pub(crate) symbols: Vec<TokenId>,
    /// The bytes of the piece that each symbol covers, where anybody asks.
    pub(super) lengths: Vec<u32>,
    /// The symbols before merging, while those above are a buffer.
    started: Vec<TokenId>,
    merged: Vec<TokenId>,
    merged_lengths: Vec<u32>,
    pub(super) short: Short,
    pub(super) window: Window,
    pub(super) next_window: Window,
    /// The tokens of a long piece.
    pub(super) all: Vec<Token>,
    links: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<(u32, u32, TokenId)>>,
    /// Merges that chance has left out until the next one is made.
    skipped: Vec<(u32, u32, TokenId)>,
    /// A piece in the byte alphabet.
    pub(super) spelled: String,
}

impl MergeScratch {
    /// Gives the buffers back when the largest of them takes more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        // The largest things that are kept for a symbol.
        let candidate = size_of::<Token>().max(size_of::<Reverse<(u32, u32, TokenId)>>());
        let queues = self.heap.capacity().max(self.skipped.capacity()).max(self.all.capacity());
        let windows = self.window.capacity().max(self.next_window.capacity());
        let most = self.symbols.capacity().max(self.started.capacity()).max(queues).max(windows);
        if most * candidate > bytes || self.spelled.capacity() > bytes {
            *self = Self::default();
        }
    }

    #[inline]
    pub(super) fn push(&mut self, symbol: TokenId, length: u32) {
        self.symbols.push(symbol);
        self.lengths.push(length);
    }

    /// Merges `symbols` in place, and `lengths` where they are asked for.
    pub(super) fn run<const LENGTHS: bool>(&mut self, pairs: &PairTable) {
        let symbols = std::mem::replace(&mut self.symbols, std::mem::take(&mut self.started));
        let lengths = std::mem::take(&mut self.lengths);
        let mut merged_lengths = std::mem::take(&mut self.merged_lengths);
        let mut merged = std::mem::take(&mut self.merged);
        merged_lengths.clear();
        merged.clear();
        self.each(&Symbols { symbols: &symbols, pairs }, pairs, |id, from, to| {
            merged.push(id);
            if LENGTHS {
                merged_lengths.push(lengths[from..to].iter().sum());
            }
        });
        self.merged = std::mem::replace(&mut self.symbols, merged);
        self.started = symbols;
        (self.lengths, self.merged_lengths) =
            if LENGTHS { (merged_lengths, lengths) } else { (lengths, merged_lengths) };
    }

    /// Merges `symbols` by the heap: what a symbol was merged into its left neighbour becomes [`END`].
    pub(super) fn heap(&mut self, pairs: &PairTable) {
        self.propose_all(pairs);
        while let Some(Reverse((rank, at, _))) = self.heap.pop() {
            // A pair has a rank of its own, except in scored vocabularies, where what counts is that
            // a merge is still possible and still as good.
            if let Some((right, merge)) = self.candidate(at, pairs)
                && merge.rank == rank
            {
                self.apply::<false>(at, right, merge.id, pairs);
            }
        }
    }

    /// The tokens that the heap has left.
    pub(super) fn left(&self, mut emit: impl FnMut(Token)) {
        let mut symbols = self.symbols.iter().enumerate().filter(|&(_, &id)| id != END).peekable();
        while let Some((start, &id)) = symbols.next() {
            let end = symbols.peek().map_or(self.symbols.len(), |&(next, _)| next);
            emit(Token { id, start, end });
        }
    }

    /// Merges as the reference library does to the letter, where that is not the same: `drops` says
    /// which merges are put off until another one is made. A candidate there is good as long as it
    /// still leads to the same token, also from another pair, which takes a token without text.
    ///
    /// Where nearly all merges are put off, each one that is made costs a walk through all others; so
    /// in a piece of megabytes the walk ends some time, and the merges that are left are not made.
    pub(super) fn queue(&mut self, pairs: &PairTable, mut drops: impl FnMut() -> bool) {
        self.propose_all(pairs);
        self.skipped.clear();
        let mut steps = STEPS.saturating_add(self.symbols.len().saturating_mul(8));
        while let Some(Reverse(top)) = self.heap.pop() {
            steps = steps.saturating_sub(1);
            if steps == 0 {
                break;
            }
            if drops() {
                self.skipped.push(top);
                continue;
            }
            self.heap.extend(self.skipped.drain(..).map(Reverse));
            let (_, at, id) = top;
            if let Some((right, merge)) = self.candidate(at, pairs)
                && merge.id == id
            {
                self.apply::<true>(at, right, id, pairs);
            }
        }
        self.compact();
    }

    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 symbols")]
    fn propose_all(&mut self, pairs: &PairTable) {
        let Self { symbols, links, heap, .. } = self;
        let count = symbols.len() as u32;
        links.clear();
        links.extend((0..count).map(|at| (at.wrapping_sub(1), at + 1)));
        if let Some(last) = links.last_mut() {
            last.1 = END;
        }
        heap.clear();
        // Built in one go: that is linear.
        let mut all = std::mem::take(heap).into_vec();
        all.extend((0..).zip(symbols.windows(2)).filter_map(|(at, pair)| {
            let merge = pairs.get(Pair::new(pair[0], pair[1]))?;
            Some(Reverse((merge.rank, at, merge.id)))
        }));
        *heap = all.into();
    }

    /// The right half of the pair that stands at `at` now, and what the pair becomes.
    #[inline]
    fn candidate(&self, at: u32, pairs: &PairTable) -> Option<(u32, Merge)> {
        // A symbol that was merged away is marked END, which is no half of a pair.
        let right = self.links[at as usize].1;
        let symbol = self.symbols[at as usize];
        if symbol == END || right == END {
            return None;
        }
        Some((right, pairs.get(Pair::new(symbol, self.symbols[right as usize]))?))
    }

    #[inline]
    fn apply<const LENGTHS: bool>(&mut self, at: u32, right: u32, id: TokenId, pairs: &PairTable) {
        let Self { symbols, lengths, links, heap, .. } = self;
        let propose = |heap: &mut BinaryHeap<_>, at: u32, left: TokenId, right: TokenId| {
            if let Some(merge) = pairs.get(Pair::new(left, right)) {
                heap.push(Reverse((merge.rank, at, merge.id)));
            }
        };
        let (left, next) = (links[at as usize].0, links[right as usize].1);
        symbols[at as usize] = id;
        symbols[right as usize] = END;
        if LENGTHS {
            lengths[at as usize] += lengths[right as usize];
        }
        links[at as usize].1 = next;
        if next != END {
            links[next as usize].0 = at;
            propose(heap, at, id, symbols[next as usize]);
        }
        if left != END {
            propose(heap, left, symbols[left as usize], id);
        }
    }

    fn compact(&mut self) {
        let Self { symbols, lengths, .. } = self;
        let mut symbol = symbols.iter();
        lengths.retain(|_| symbol.next().is_some_and(|&symbol| symbol != END));
        symbols.retain(|&symbol| symbol != END);
    }
}
