//! The fast road of BPE over characters where spaces are written `▁`, as in Llama 2, Mistral and Gemma,
//! and in the models of sentencepiece that merge.
//!
//! No pattern splits their texts: to the reference library a text is one piece. Here the raw text is cut
//! where nothing can be merged across ([`Borders`]), and each stretch looked up as it stands, its space
//! for the `▁`: in a table of the model's own tokens, then in the caches of the call. Only a stretch that
//! is in none is written as the model wants it, cut again by characters, and merged. So the normalised
//! text is never written, and what is looked at is words.
//!
//! The twins are the road of pieces in `fast.rs`, which takes what this one does not (chance, added
//! tokens that are found in normalised text), and the general road.

mod borders;
mod long;
mod masks;
mod shape;
mod singles;
#[cfg(test)]
mod tests;

use self::borders::{Borders, Joins};
pub(super) use self::long::LongCache;
use self::long::LongKey;
use self::shape::Shape;
use self::singles::Singles;
use super::builder::TokenizerBuilder;
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::{MAX_TEXT_BYTES, TokenId};
use crate::model::pieces::{Key, MAX_IDS, MAX_KEY, PieceCache, PieceTable};
use crate::model::{Model, ModelScratch};

/// What stands for a space.
const SPACE: char = '\u{2581}';
/// Texts beyond this are left to the other roads, which say what is too long when it is rewritten.
const MAX_BYTES: usize = MAX_TEXT_BYTES / 16;

/// The compiled road.
#[derive(Debug)]
pub(super) struct SpacedRoad {
    shape: Shape,
    borders: Borders,
    /// The model's own tokens as raw text has them, with what the model makes of them.
    table: PieceTable,
    /// The same for single characters of three bytes, by code point.
    singles: Singles,
}

impl SpacedRoad {
    /// The road of a declaration, if it can be taken.
    pub(super) fn new(declared: &TokenizerBuilder) -> Option<Self> {
        let shape = Shape::of(declared)?;
        let mut joins = Joins::new(shape.split);
        let tokens = || declared.model.vocab().iter().map(|(_, token)| token);
        tokens().for_each(|token| joins.add(token));
        let borders = Borders::new(&joins);
        let table = shape.table(&declared.model, tokens());
        let singles = Singles::new(&declared.model);
        Some(Self { shape, borders, table, singles })
    }

    /// Whether it takes a text.
    #[inline]
    pub(super) fn takes(&self, text: &str, model: &ModelScratch) -> bool {
        text.len() <= MAX_BYTES && !model.is_random()
    }

    /// The memory of its tables.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.bytes() + self.singles.bytes() + size_of::<Borders>()
    }

    /// Appends the ids of a text without added tokens, which starts at byte `base` of the row.
    #[inline]
    pub(super) fn encode(
        &self,
        model: &Model,
        text: &str,
        base: usize,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        match &self.shape.front {
            // These forms leave ASCII as it is.
            Some(front) if !text.is_ascii() => {
                let mut normal = std::mem::take(&mut scratch.text);
                normal.clear();
                let result = front
                    .normalize_into(text, &mut normal)
                    .and_then(|()| self.raw(model, &normal, base, scratch, out));
                scratch.text = normal;
                result
            }
            _ => self.raw(model, text, base, scratch, out),
        }
    }

    fn raw(
        &self,
        model: &Model,
        text: &str,
        base: usize,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let Scratch { cache, model: state, normal, long, .. } = scratch;
        let mut walk = Walk { road: self, model, text, start: 0, cache, long, state, normal, out };
        let mut result = Ok(());
        if self.shape.prefixes(text, base) {
            walk.start = self.borders.first(text.as_bytes());
            walk.first()?;
        }
        let from = walk.start;
        self.borders.for_each(&text.as_bytes()[from..], |at| {
            if let Err(error) = walk.stretch(from + at) {
                result = Err(error);
            }
        });
        if walk.start < text.len() {
            walk.stretch(text.len())?;
        }
        result
    }
}

/// Takes the stretches of a text one by one and appends their ids.
struct Walk<'a> {
    road: &'a SpacedRoad,
    model: &'a Model,
    text: &'a str,
    /// Where the next stretch starts.
    start: usize,
    cache: &'a mut PieceCache,
    long: &'a mut LongCache,
    state: &'a mut ModelScratch,
    normal: &'a mut String,
    out: &'a mut Vec<TokenId>,
}

impl Walk<'_> {
    #[inline]
    fn stretch(&mut self, end: usize) -> Result<()> {
        let start = std::mem::replace(&mut self.start, end);
        let bytes = self.text.as_bytes();
        if end - start == 3
            && let Some(&[first, second, third]) = bytes.get(start..end).and_then(<[u8]>::as_array)
            && first >= 0xE0
        {
            self.road.singles.push([first, second, third], self.out);
            return Ok(());
        }
        let Some(key) = Key::new(bytes, start, end) else { return self.long(start, end) };
        let hash = key.hash();
        if let Some(ids) = self.road.table.get(key, hash) {
            ids.push_to(self.out);
            return Ok(());
        }
        self.seen(key, hash, start, end)
    }

    /// Appends the ids of a stretch that is not in the table.
    #[inline(never)]
    fn seen(&mut self, key: Key, hash: u64, start: usize, end: usize) -> Result<()> {
        if let Some(ids) = self.cache.get(key, hash) {
            ids.push_to(self.out);
            return Ok(());
        }
        let before = self.out.len();
        self.long(start, end)?;
        self.cache.put(key, hash, &self.out[before..]);
        Ok(())
    }

    /// The same for one that the first cache does not keep.
    #[inline(never)]
    fn long(&mut self, start: usize, end: usize) -> Result<()> {
        let key = LongKey::new(self.text.as_bytes(), start, end);
        if let Some(key) = key
            && self.long.push(key, self.out)
        {
            return Ok(());
        }
        let before = self.out.len();
        self.normal.clear();
        self.road.shape.write(&self.text[start..end], self.normal);
        self.road.shape.encode(self.model, self.normal, self.state, self.out)?;
        // The other cache keeps what is short in both ways.
        if let Some(key) = key
            && (end - start > MAX_KEY || self.out.len() - before > MAX_IDS)
        {
            self.long.put(key, &self.out[before..]);
        }
        Ok(())
    }

    /// Appends the ids of what is before the start, with a space in front.
    fn first(&mut self) -> Result<()> {
        let text = &self.text[..self.start];
        let mut bytes = [b' '; MAX_KEY];
        if let Some(rest) = bytes.get_mut(1..=text.len()) {
            rest.copy_from_slice(text.as_bytes());
            let key = Key::new(&bytes, 0, text.len() + 1);
            if let Some(ids) = key.and_then(|key| self.road.table.get(key, key.hash())) {
                ids.push_to(self.out);
                return Ok(());
            }
        }
        self.normal.clear();
        self.normal.push(SPACE);
        self.road.shape.write(text, self.normal);
        self.road.shape.encode(self.model, self.normal, self.state, self.out)
    }
}
