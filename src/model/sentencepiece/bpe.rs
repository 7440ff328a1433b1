//! Merges by score: two neighbours become the piece that they spell together, the best score first
//! and of equal ones the leftmost.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::{PieceKind, SentencePiece, SentencePieceScratch};
use crate::ids::TokenId;

/// How deep a piece is taken apart.
const MAX_DEPTH: u32 = 100;
const NOTHING: u32 = u32::MAX;

/// A stretch of the text that has been merged so far.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    start: u32,
    /// Empty once it was merged into its neighbour.
    end: u32,
    prev: u32,
    next: u32,
    /// A symbol of the user's is never merged.
    frozen: bool,
}

/// Two neighbours that could merge.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: f32,
    left: u32,
    right: u32,
    length: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Zero with a sign is below zero without: the library compares the bits.
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// Buffers of a call.
#[derive(Debug, Default)]
pub(crate) struct BpeScratch {
    symbols: Vec<Symbol>,
    agenda: BinaryHeap<Candidate>,
    /// The left half that an unused piece came about from, the last time in this text.
    halves: HashMap<TokenId, (u32, u32)>,
}

impl BpeScratch {
    /// Gives back what one long text made large.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let taken = self.symbols.capacity() * size_of::<Symbol>()
            + self.agenda.capacity() * size_of::<Candidate>();
        if taken > bytes {
            *self = Self::default();
        }
    }
}

impl SentencePiece {
    pub(super) fn encode_bpe(
        &self,
        text: &str,
        scratch: &mut BpeScratch,
        mut found: impl FnMut(TokenId, usize, usize),
    ) {
        self.merge(text, scratch, |_, _| {});
        let BpeScratch { symbols, halves, .. } = scratch;
        let mut at = if symbols.is_empty() { NOTHING } else { 0 };
        while at != NOTHING {
            let Symbol { start, end, next, .. } = symbols[at as usize];
            self.take_apart(text, halves, (start, end), 0, &mut found);
            at = next;
        }
    }

    /// Where the last merge parts a text that merging makes one symbol; none when it does not, or when
    /// there is nothing to merge.
    pub(crate) fn last_split(
        &self,
        text: &str,
        scratch: &mut SentencePieceScratch,
    ) -> Option<usize> {
        let scratch = &mut scratch.bpe;
        let mut last = None;
        self.merge(text, scratch, |left, right| {
            if left.start == 0 && right.end as usize == text.len() {
                last = Some(right.start as usize);
            }
        });
        last
    }

    /// Merges the characters of a text until nothing merges; calls `merged` with the two of each merge.
    #[expect(clippy::cast_possible_truncation, reason = "texts are shorter than 2^32 bytes")]
    #[inline]
    fn merge(&self, text: &str, scratch: &mut BpeScratch, mut merged: impl FnMut(Symbol, Symbol)) {
        let BpeScratch { symbols, agenda, halves } = scratch;
        symbols.clear();
        agenda.clear();
        halves.clear();
        let mut start = 0;
        while start < text.len() {
            let (length, frozen) = self.symbol(text, start);
            let at = symbols.len() as u32;
            symbols.push(Symbol {
                start: start as u32,
                end: (start + length) as u32,
                prev: at.wrapping_sub(1),
                next: at + 1,
                frozen,
            });
            start += length;
        }
        let Some(last) = symbols.last_mut() else { return };
        last.next = NOTHING;
        for left in 1..symbols.len() as u32 {
            self.add(text, symbols, agenda, halves, left - 1, left);
        }
        while let Some(Candidate { left, right, length, .. }) = agenda.pop() {
            let (a, b) = (symbols[left as usize], symbols[right as usize]);
            if a.start == a.end || b.start == b.end || b.end - a.start != length {
                continue;
            }
            merged(a, b);
            symbols[left as usize].end = b.end;
            symbols[left as usize].next = b.next;
            symbols[right as usize].end = b.start;
            if b.next != NOTHING {
                symbols[b.next as usize].prev = left;
            }
            if a.prev != NOTHING {
                self.add(text, symbols, agenda, halves, a.prev, left);
            }
            if b.next != NOTHING {
                self.add(text, symbols, agenda, halves, left, b.next);
            }
        }
    }

    /// Adds two neighbours to the agenda when they spell a piece.
    #[inline]
    fn add(
        &self,
        text: &str,
        symbols: &[Symbol],
        agenda: &mut BinaryHeap<Candidate>,
        halves: &mut HashMap<TokenId, (u32, u32)>,
        left: u32,
        right: u32,
    ) {
        let (a, b) = (&symbols[left as usize], &symbols[right as usize]);
        if a.frozen || b.frozen {
            return;
        }
        let whole = text.as_bytes().get(a.start as usize..b.end as usize).unwrap_or_default();
        let Some(id) = self.trie.get(whole) else { return };
        if self.is_reserved(id) {
            return;
        }
        agenda.push(Candidate { score: self.score(id), left, right, length: b.end - a.start });
        if self.kind(id) == PieceKind::Unused {
            halves.insert(id, (a.start, a.end));
        }
    }

    fn take_apart(
        &self,
        text: &str,
        halves: &HashMap<TokenId, (u32, u32)>,
        (start, end): (u32, u32),
        depth: u32,
        found: &mut impl FnMut(TokenId, usize, usize),
    ) {
        let whole = text.as_bytes().get(start as usize..end as usize).unwrap_or_default();
        let id = self.trie.get(whole).unwrap_or(self.unk_id);
        if self.has_unused
            && depth <= MAX_DEPTH
            && let Some(&left) = halves.get(&id)
        {
            // The half may lie elsewhere in the text; it spells the same here.
            let middle = start + (left.1 - left.0);
            self.take_apart(text, halves, (start, middle), depth + 1, found);
            self.take_apart(text, halves, (middle, end), depth + 1, found);
        } else {
            found(self.visible(id), start as usize, end as usize);
        }
    }
}
