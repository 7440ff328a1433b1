//! Looking pieces up, a block at a time.

use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::pieces::{Ids, Key, PieceCache, PieceTable};

/// Pieces that are found first and looked up together. A look-up waits for memory; a hundred of them
/// that do not depend on each other, nor on where the next piece ends, wait at the same time.
#[derive(Debug)]
pub(super) struct Block {
    len: usize,
    spans: [Span; BLOCK],
    keys: [(Key, u64); BLOCK],
    found: [Option<Ids>; BLOCK],
    /// The pieces that do not lie where most do.
    rest: [usize; BLOCK],
}

/// Pieces in a block: all that is kept about them stays in the first-level cache.
const BLOCK: usize = 128;

impl Block {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            spans: [Span::default(); BLOCK],
            keys: [(Key::NONE, 0); BLOCK],
            found: [None; BLOCK],
            rest: [0; BLOCK],
        }
    }

    #[inline]
    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.spans[self.len] = Span::new(start, end);
        self.len += 1;
    }

    /// Forgets what a call that failed left behind.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == BLOCK
    }

    /// Appends the ids of all pieces, in order, and empties the block. `encode` appends those of a
    /// piece that is in neither table.
    pub(super) fn look_up(
        &mut self,
        text: &[u8],
        table: &PieceTable,
        cache: &mut PieceCache,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        let Self { len, spans, keys, found, rest } = self;
        let spans = &spans[..std::mem::take(len)];
        // Three rounds, so that nothing waits for a look-up but the step that needs its result: the
        // set where most pieces lie, the two sets for the rest, and the ids in order. The list of
        // the rest is written without a branch, for nobody can predict it.
        let mut left = 0;
        for (at, span) in spans.iter().enumerate() {
            let key = Key::new(text, span.start as usize, span.end as usize).unwrap_or(Key::NONE);
            let hash = key.hash();
            keys[at] = (key, hash);
            found[at] = table.get_first(key, hash);
            rest[left] = at;
            left += usize::from(found[at].is_none());
        }
        for &at in &rest[..left] {
            let (key, hash) = keys[at];
            found[at] = table.get_second(key, hash).or(cache.get(key, hash));
        }
        for (at, &span) in spans.iter().enumerate() {
            let (key, hash) = keys[at];
            if let Some(ids) = found[at] {
                ids.push_to(out);
            } else if key == Key::NONE {
                encode(span, out)?;
            } else if let Some(ids) = cache.get(key, hash) {
                // The same piece stands earlier in this block.
                ids.push_to(out);
            } else {
                let before = out.len();
                encode(span, out)?;
                cache.put(key, hash, &out[before..]);
            }
        }
        Ok(())
    }

    /// Appends the ids of all pieces, looked up nowhere, and empties the block.
    pub(super) fn encode_all(
        &mut self,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        let spans = &self.spans[..std::mem::take(&mut self.len)];
        spans.iter().try_for_each(|&span| encode(span, out))
    }
}
