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
#[cfg(test)]
mod tests;

use self::borders::{Borders, Joins};
pub(super) use self::long::LongCache;
use self::long::LongKey;
use self::shape::Shape;
use super::block::Block;
use super::builder::TokenizerBuilder;
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::{MAX_TEXT_BYTES, TokenId};
use crate::model::pieces::{Key, MAX_IDS, MAX_KEY, PieceTable};
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
}

impl SpacedRoad {
    /// The road of a declaration, if it can be taken.
    pub(super) fn new(declared: &TokenizerBuilder) -> Option<Self> {
        let shape = Shape::of(declared)?;
        let mut joins = Joins::new(shape.split);
        // No text holds a space once it is normalised: a token that does is never made.
        let tokens = || declared.model.vocab().iter().filter(|(_, token)| !token.contains(' '));
        tokens().for_each(|(_, token)| joins.add(token));
        let borders = Borders::new(&joins);
        let texts = tokens().map(|(_, token)| token);
        let table = shape.table(&declared.model, texts);
        Some(Self { shape, borders, table })
    }

    /// Whether it takes a text.
    #[inline]
    pub(super) fn takes(&self, text: &str, model: &ModelScratch) -> bool {
        text.len() <= MAX_BYTES && !model.is_random()
    }

    /// The memory of its tables.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.bytes() + size_of::<Borders>()
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
        let Scratch { cache, block, model: state, normal, long, .. } = scratch;
        let bytes = text.as_bytes();
        let shape = &self.shape;
        let mut stretches = Stretches { shape, model, state, normal, long };
        let mut result = Ok(());
        block.clear();
        let mut flush = |block: &mut Block, out: &mut Vec<TokenId>, stretches: &mut Stretches<'_>| {
            block.look_up(bytes, &self.table, cache, out, |span, out| {
                stretches.look_up(text, span.start as usize, span.end as usize, out)
            })
        };
        let mut start = 0;
        let mut prefix = shape.prefixes(text, base);
        let mut stretch = |end: usize| {
            if prefix {
                prefix = false;
                result = stretches.first(&text[..end], &self.table, out);
            } else {
                block.push(start, end);
                if block.is_full() && result.is_ok() {
                    result = flush(block, out, &mut stretches);
                }
                if result.is_err() {
                    block.clear();
                }
            }
            start = end;
        };
        self.borders.for_each(bytes, &mut stretch);
        stretch(bytes.len());
        result.and_then(|()| flush(block, out, &mut stretches))
    }
}

/// Finds the ids of stretches that are not in the tables.
struct Stretches<'a> {
    shape: &'a Shape,
    model: &'a Model,
    state: &'a mut ModelScratch,
    normal: &'a mut String,
    long: &'a mut LongCache,
}

impl Stretches<'_> {
    /// Appends the ids of a stretch that is in neither table of short ones.
    fn look_up(
        &mut self,
        text: &str,
        start: usize,
        end: usize,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let key = LongKey::new(text.as_bytes(), start, end);
        if let Some(key) = key
            && self.long.push(key, out)
        {
            return Ok(());
        }
        let before = out.len();
        self.normal.clear();
        self.shape.write(&text[start..end], self.normal);
        self.shape.encode(self.model, self.normal, self.state, out)?;
        // The other cache keeps what is short in both ways.
        if let Some(key) = key
            && (end - start > MAX_KEY || out.len() - before > MAX_IDS)
        {
            self.long.put(key, &out[before..]);
        }
        Ok(())
    }

    /// The same for the first stretch of a text that gets a space in front.
    fn first(&mut self, text: &str, table: &PieceTable, out: &mut Vec<TokenId>) -> Result<()> {
        let mut bytes = [b' '; MAX_KEY];
        if let Some(rest) = bytes.get_mut(1..=text.len()) {
            rest.copy_from_slice(text.as_bytes());
            let key = Key::new(&bytes, 0, text.len() + 1);
            if let Some(ids) = key.and_then(|key| table.get(key, key.hash())) {
                ids.push_to(out);
                return Ok(());
            }
        }
        self.normal.clear();
        self.normal.push(SPACE);
        self.shape.write(text, self.normal);
        self.shape.encode(self.model, self.normal, self.state, out)
    }
}
