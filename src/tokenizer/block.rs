//! Looking pieces up, a block at a time.

use std::ops::Range;

use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::Lanes;
use crate::model::pieces::{Ids, Key, LongCache, LongKey, MAX_IDS, PieceCache, PieceTable, Place};

/// The tables of pieces that a call looks into.
pub(super) struct Tables<'a> {
    pub(super) table: &'a PieceTable,
    pub(super) cache: &'a mut PieceCache,
    pub(super) long: &'a mut LongCache,
    /// Pieces that start with a character of three bytes and are too long for a key are not looked up: the
    /// model encodes them sooner than anybody finds them.
    pub(super) runs: bool,
}

/// What encodes pieces that no table has.
pub(super) trait Encode {
    /// Pieces that will be asked for, at most [`Lanes::MOST`], and places between them that will not: for
    /// those that are sooner encoded together.
    #[inline]
    fn ahead(&mut self, _pieces: impl Iterator<Item = Option<Span>>) {}

    /// The ids of the piece that came at some place among these, if it was encoded.
    #[inline]
    fn found(&self, _place: usize) -> Option<&[TokenId]> {
        None
    }

    /// Appends the ids of a piece.
    fn encode(
        &mut self,
        piece: Span,
        tables: &mut Tables<'_>,
        out: &mut Vec<TokenId>,
    ) -> Result<()>;
}

impl<F: FnMut(Span, &mut Tables<'_>, &mut Vec<TokenId>) -> Result<()>> Encode for F {
    #[inline]
    fn encode(
        &mut self,
        piece: Span,
        tables: &mut Tables<'_>,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        self(piece, tables, out)
    }
}

/// Pieces that are found first and looked up together. A look-up waits for memory; a hundred of them
/// that do not depend on each other, nor on where the next piece ends, wait at the same time.
#[derive(Debug)]
pub(super) struct Block {
    len: usize,
    spans: [Span; BLOCK],
    /// Where pieces that follow one another start, and the last one ends.
    bounds: [u32; BLOCK + 1],
    found: Found,
}

/// What is known about the pieces of a block.
#[derive(Debug)]
struct Found {
    keys: [Key; BLOCK],
    hashes: [u64; BLOCK],
    ids: [Ids; BLOCK],
    /// The pieces that the table does not have.
    rest: [u16; BLOCK],
    /// The ids of some of these that only the cache of long pieces has, and where each one's end there.
    further: Vec<TokenId>,
    known: [usize; Lanes::MOST],
    /// Where ids are written before they are appended, all at once.
    room: [TokenId; BLOCK * MAX_IDS],
}

/// Pieces in a block: all that is kept about them stays in the first-level cache.
const BLOCK: usize = 512;
/// A piece that no table has.
const NOWHERE: usize = usize::MAX;

impl Block {
    pub(super) fn new() -> Self {
        let found = Found {
            keys: [Key::NONE; BLOCK],
            hashes: [0; BLOCK],
            ids: [Ids::NONE; BLOCK],
            rest: [0; BLOCK],
            further: Vec::new(),
            known: [0; Lanes::MOST],
            room: [0; BLOCK * MAX_IDS],
        };
        Self { len: 0, spans: [Span::default(); BLOCK], bounds: [0; BLOCK + 1], found }
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
        let Self { len, spans, found, .. } = self;
        let (count, spans) = (std::mem::take(len), &*spans);
        let tables = &mut Tables { table, cache, long, runs: false };
        found.find_keys(&spans[..count], text, table);
        let mut encode = |span: Span, _: &mut Tables<'_>, out: &mut Vec<TokenId>| encode(span, out);
        look_up(count, |at| spans[at], found, text, tables, out, &mut encode)
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
        mut encode: impl Encode,
    ) -> Result<()> {
        for ends in ends.chunks(BLOCK) {
            let Self { bounds, found, .. } = &mut *self;
            bounds[0] = start;
            bounds[1..=ends.len()].copy_from_slice(ends);
            let view = tables.table.view();
            let (keys, hashes) = (&mut found.keys[..ends.len()], &mut found.hashes[..ends.len()]);
            view.find_keys(text, &bounds[..=ends.len()], keys, hashes);
            let span = |at: usize| {
                let at = at % BLOCK;
                Span { start: bounds[at], end: bounds[at + 1] }
            };
            look_up(ends.len(), span, found, text, tables, out, &mut encode)?;
            start = ends.last().copied().unwrap_or(start);
        }
        Ok(())
    }

    /// Appends the ids of all pieces, looked up nowhere, and empties the found.
    pub(super) fn encode_all(
        &mut self,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Vec<TokenId>) -> Result<()>,
    ) -> Result<()> {
        let spans = &self.spans[..std::mem::take(&mut self.len)];
        spans.iter().try_for_each(|&span| encode(span, out))
    }
}

/// At most a block of pieces, in rounds, so that nothing waits for memory but together: when their keys
/// were found, the lines of the table where they lie were asked for; what is not there is listed, without
/// a branch, for nobody can predict it, and its lines of the caches are asked for; what the cache has is
/// filled in; then the ids follow in order, and what is left is encoded.
#[inline]
fn look_up(
    count: usize,
    span: impl Fn(usize) -> Span + Copy,
    found: &mut Found,
    text: &[u8],
    tables: &mut Tables<'_>,
    out: &mut Vec<TokenId>,
    encode: &mut impl Encode,
) -> Result<()> {
    let count = count.min(BLOCK);
    let view = tables.table.view();
    let (keys, hashes) = (&found.keys[..count], &found.hashes[..count]);
    let rest = view.probe_all(keys, hashes, &mut found.ids[..count], &mut found.rest);
    let slow = found.probe_cache(rest, span, text, tables);
    let mut done = 0;
    for first in (0..slow).step_by(Lanes::MOST) {
        let last = (first + Lanes::MOST).min(slow);
        found.look_further(first..last, span, text, tables);
        let missing = found.known.iter().zip(&found.rest[first..last]);
        encode.ahead(missing.map(|(&end, &at)| (end == NOWHERE).then(|| span(usize::from(at)))));
        for (place, &at) in found.rest[first..last].iter().enumerate() {
            if encode.found(place).is_some_and(|ids| ids.len() > MAX_IDS) {
                let at = usize::from(at);
                tables.prefetch_long(&text[span(at).range()], found.keys[at], found.hashes[at]);
            }
        }
        let mut start = 0;
        for index in first..last {
            let at = usize::from(found.rest[index]);
            found.emit(done, at, out);
            done = at + 1;
            let end = found.known[index - first];
            if end != NOWHERE {
                out.extend_from_slice(&found.further[start..end]);
                start = end;
                continue;
            }
            let (key, hash, span) = (found.keys[at], found.hashes[at], span(at));
            let piece = &text[span.range()];
            // The same piece may stand earlier in this block.
            if tables.get(piece, key, hash, out) {
                continue;
            }
            let before = out.len();
            match encode.found(index - first) {
                Some(ids) => out.extend_from_slice(ids),
                None => encode.encode(span, tables, out)?,
            }
            tables.put(piece, key, hash, &out[before..]);
        }
    }
    found.emit(done, count, out);
    Ok(())
}

impl Found {
    /// The keys of pieces; asks for the lines of the table where they lie.
    #[inline(never)]
    fn find_keys(&mut self, spans: &[Span], text: &[u8], table: &PieceTable) {
        let table = table.view();
        for ((place, hash), span) in self.keys.iter_mut().zip(&mut self.hashes).zip(spans) {
            let key = Key::or_none(text, span.start as usize, span.end as usize);
            *place = key;
            *hash = key.hash();
            table.prefetch(*hash);
        }
    }

    /// Fills in the ids of listed pieces that the cache has, and keeps the others listed. Returns how many.
    #[inline]
    fn probe_cache(
        &mut self,
        rest: usize,
        span: impl Fn(usize) -> Span,
        text: &[u8],
        tables: &mut Tables<'_>,
    ) -> usize {
        for &at in &self.rest[..rest] {
            let at = usize::from(at);
            if self.keys[at] != Key::NONE {
                tables.cache.prefetch(self.hashes[at]);
            }
        }
        let mut slow = 0;
        for index in 0..rest {
            let at = self.rest[index];
            let place = usize::from(at);
            let (key, hash) = (self.keys[place], self.hashes[place]);
            let found = tables.cache.find(key, hash);
            if let Place::Here(ids) = found {
                self.ids[place] = ids;
                continue;
            }
            self.rest[slow] = at;
            slow += 1;
            if key == Key::NONE || matches!(found, Place::Elsewhere) {
                tables.prefetch_long(&text[span(place).range()], key, hash);
            }
        }
        slow
    }

    /// Finds the ids of some listed pieces that the caches have.
    #[inline]
    fn look_further(
        &mut self,
        listed: Range<usize>,
        span: impl Fn(usize) -> Span,
        text: &[u8],
        tables: &mut Tables<'_>,
    ) {
        self.further.clear();
        for (known, &at) in self.known.iter_mut().zip(&self.rest[listed]) {
            let at = usize::from(at);
            let (key, hash, piece) = (self.keys[at], self.hashes[at], &text[span(at).range()]);
            let found = tables.get(piece, key, hash, &mut self.further);
            *known = if found { self.further.len() } else { NOWHERE };
        }
    }

    /// Appends the ids of pieces in a row.
    #[inline(never)]
    fn emit(&mut self, start: usize, end: usize, out: &mut Vec<TokenId>) {
        if let Some(ids) = self.ids.get(start..end) {
            let count = Ids::write_all(ids, &mut self.room);
            out.extend_from_slice(self.room.get(..count).unwrap_or_default());
        }
    }
}

/// Whether a piece starts with a character of three bytes.
#[inline]
fn is_run(piece: &[u8]) -> bool {
    piece.first().is_some_and(|first| first & 0xF0 == 0xE0)
}

impl Tables<'_> {
    /// Asks for the memory where a piece lies that is neither in the table nor in the cache of short ones.
    #[inline]
    fn prefetch_long(&self, piece: &[u8], key: Key, hash: u64) {
        if key != Key::NONE || !(self.runs && is_run(piece)) {
            let short = LongKey::of_short(piece, key, hash);
            short.or_else(|| LongKey::new(piece)).iter().for_each(|key| self.long.prefetch(key));
        }
    }

    /// Appends the ids of such a piece, if a cache has them. `key` and `hash` are the piece's, `Key::NONE`
    /// where it is too long.
    #[inline]
    fn get(&mut self, piece: &[u8], key: Key, hash: u64, out: &mut Vec<TokenId>) -> bool {
        if key == Key::NONE {
            if self.runs && is_run(piece) {
                return false;
            }
            return LongKey::new(piece).is_some_and(|key| self.long.get(&key, out));
        }
        match self.cache.find(key, hash) {
            Place::Here(ids) => {
                ids.push_to(out);
                true
            }
            Place::Elsewhere => {
                let key = LongKey::of_short(piece, key, hash);
                key.is_some_and(|key| self.long.get(&key, out))
            }
            Place::Nowhere => false,
        }
    }

    /// Remembers them.
    #[inline]
    fn put(&mut self, piece: &[u8], key: Key, hash: u64, ids: &[TokenId]) {
        if key == Key::NONE {
            if !(self.runs && is_run(piece))
                && let Some(key) = LongKey::new(piece)
            {
                self.long.put(&key, ids);
            }
        } else {
            self.cache.put(key, hash, ids);
            if ids.len() > MAX_IDS
                && let Some(key) = LongKey::of_short(piece, key, hash)
            {
                self.long.put(&key, ids);
            }
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
