//! Looking pieces up, a block at a time.

use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::pieces::{Ids, Key, LongCache, LongKey, MAX_IDS, PieceCache, PieceTable};

/// The tables of pieces that a call looks into.
pub(super) struct Tables<'a> {
    pub(super) table: &'a PieceTable,
    pub(super) cache: &'a mut PieceCache,
    pub(super) long: &'a mut LongCache,
}

/// Pieces that are found first and looked up together. A look-up waits for memory; a hundred of them
/// that do not depend on each other, nor on where the next piece ends, wait at the same time.
#[derive(Debug)]
pub(super) struct Block {
    len: usize,
    spans: [Span; BLOCK],
    keys: Keys,
}

/// What is known about the pieces of a block.
#[derive(Debug)]
struct Keys {
    keys: [(Key, u64, Span); BLOCK],
    ids: [Ids; BLOCK],
    /// The pieces that the table does not have.
    rest: [usize; BLOCK],
}

/// Pieces in a block: all that is kept about them stays in the first-level cache.
const BLOCK: usize = 128;

impl Block {
    pub(super) fn new() -> Self {
        let keys = Keys {
            keys: [(Key::NONE, 0, Span::default()); BLOCK],
            ids: [Ids::NONE; BLOCK],
            rest: [0; BLOCK],
        };
        Self { len: 0, spans: [Span::default(); BLOCK], keys }
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
        long: &mut LongCache,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        let Self { len, spans, keys } = self;
        let spans = spans[..std::mem::take(len)].iter().copied();
        let tables = &mut Tables { table, cache, long };
        look_up(spans, keys, text, tables, out, |span, _, out| encode(span, out))
    }

    /// The same for pieces that follow one another, the first from `start`; any number of them.
    #[inline]
    pub(super) fn look_up_ends(
        &mut self,
        mut start: u32,
        ends: &[u32],
        text: &[u8],
        tables: &mut Tables<'_>,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Tables<'_>, &mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        for ends in ends.chunks(BLOCK) {
            let starts = std::iter::once(start).chain(ends.iter().copied());
            let spans = starts.zip(ends).map(|(start, &end)| Span { start, end });
            look_up(spans, &mut self.keys, text, tables, out, &mut encode)?;
            start = ends.last().copied().unwrap_or(start);
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

/// At most a block of pieces, in rounds, so that nothing waits for memory but together: all keys, and the
/// lines of the table where they lie are asked for; what is not there is listed, without a branch, for
/// nobody can predict it, and its lines of the cache are asked for; then the ids follow in order.
#[inline]
fn look_up(
    spans: impl Iterator<Item = Span> + Clone,
    block: &mut Keys,
    text: &[u8],
    tables: &mut Tables<'_>,
    out: &mut Vec<TokenId>,
    mut encode: impl FnMut(Span, &mut Tables<'_>, &mut Vec<TokenId>) -> Result<()>,
) -> Result<()> {
    let table = tables.table.view();
    let Keys { keys, ids, rest } = block;
    let mut count = 0;
    for (place, span) in keys.iter_mut().zip(spans.clone()) {
        let key = Key::new(text, span.start as usize, span.end as usize).unwrap_or(Key::NONE);
        let hash = key.hash();
        table.prefetch(hash);
        *place = (key, hash, span);
        count += 1;
    }
    let mut left = 0;
    for (at, (&(key, hash, _), ids)) in keys[..count].iter().zip(ids.iter_mut()).enumerate() {
        let (found, is_there) = table.probe(key, hash);
        *ids = found;
        rest[left] = at;
        left += usize::from(!is_there);
    }
    for &at in &rest[..left] {
        let (key, hash, span) = keys[at];
        tables.prefetch(&text[span.range()], key, hash);
    }
    out.reserve(BLOCK * MAX_IDS);
    let mut done = 0;
    for &at in &rest[..left] {
        for ids in &ids[done..at] {
            ids.push_to(out);
        }
        done = at + 1;
        let (key, hash, span) = keys[at];
        let piece = &text[span.range()];
        if !tables.get(piece, key, hash, out) {
            let before = out.len();
            encode(span, tables, out)?;
            tables.put(piece, key, hash, &out[before..]);
        }
    }
    for ids in &ids[done..count] {
        ids.push_to(out);
    }
    Ok(())
}

impl Tables<'_> {
    /// Asks for the memory where a piece lies that the table does not have.
    #[inline]
    fn prefetch(&self, piece: &[u8], key: Key, hash: u64) {
        if key == Key::NONE {
            LongKey::new(piece).iter().for_each(|key| self.long.prefetch(key));
        } else {
            self.cache.prefetch(hash);
        }
    }

    /// Appends the ids of such a piece, if a cache has them. `key` and `hash` are the piece's, `Key::NONE`
    /// where it is too long.
    #[inline]
    fn get(&mut self, piece: &[u8], key: Key, hash: u64, out: &mut Vec<TokenId>) -> bool {
        if key == Key::NONE {
            return LongKey::new(piece).is_some_and(|key| self.long.get(&key, out));
        }
        if let Some(ids) = self.cache.get(key, hash) {
            ids.push_to(out);
            return true;
        }
        LongKey::of_short(piece, key, hash).is_some_and(|key| self.long.get(&key, out))
    }

    /// Remembers them.
    #[inline]
    fn put(&mut self, piece: &[u8], key: Key, hash: u64, ids: &[TokenId]) {
        if key != Key::NONE && ids.len() <= MAX_IDS {
            self.cache.put(key, hash, ids);
        } else {
            let short = LongKey::of_short(piece, key, hash);
            short.or_else(|| LongKey::new(piece)).iter().for_each(|key| self.long.put(key, ids));
        }
    }

    /// Appends the ids of a part of a long piece, looked up for itself; `encode` appends what is not known.
    pub(super) fn part(
        &mut self,
        part: &[u8],
        out: &mut Vec<TokenId>,
        encode: impl FnOnce(&mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        let Some(key) = Key::new(part, 0, part.len()) else { return encode(out) };
        let hash = key.hash();
        if let Some(ids) = self.table.get(key, hash) {
            ids.push_to(out);
            return Ok(());
        }
        if !self.get(part, key, hash, out) {
            let before = out.len();
            encode(out)?;
            self.put(part, key, hash, &out[before..]);
        }
        Ok(())
    }
}
