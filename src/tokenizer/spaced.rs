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
mod masks;
mod shape;
mod singles;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::borders::{Borders, Joins};
use self::shape::{Shape, raw_key};
use self::singles::Singles;
use super::block::{Block, Tables};
use super::builder::TokenizerBuilder;
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::{MAX_TEXT_BYTES, Span, TokenId};
use crate::model::pieces::{Ids, PieceTable};
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
    pub(super) fn takes(text: &str, model: &ModelScratch) -> bool {
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
        let Scratch { cache, long, block, model: state, normal, .. } = scratch;
        let mut tables = Tables { table: &self.table, cache, long, runs: false };
        let mut stretches = Stretches { road: self, model, text, state, normal };
        let mut first = 0;
        if self.shape.prefixes(text, base) {
            first = self.borders.first(text.as_bytes());
            stretches.first(first, &mut tables, out)?;
        }
        let mut walk = Walk {
            road: self,
            text: text.as_bytes(),
            waiting: first,
            start: first,
            count: 0,
            ends: [0; WAITING],
            block,
            tables,
            stretches,
            out,
            result: Ok(()),
        };
        self.borders.for_each(&text.as_bytes()[first..], |at| walk.stretch(first + at));
        if walk.start < text.len() {
            walk.stretch(text.len());
        }
        walk.flush();
        walk.result
    }
}

/// Stretches that are looked up together.
const WAITING: usize = 256;

/// Takes the stretches of a text one by one and appends their ids.
struct Walk<'a> {
    road: &'a SpacedRoad,
    text: &'a [u8],
    /// Where those start that wait to be looked up.
    waiting: usize,
    /// Where the next one starts.
    start: usize,
    count: usize,
    /// Where those end that wait.
    ends: [u32; WAITING],
    block: &'a mut Block,
    tables: Tables<'a>,
    stretches: Stretches<'a>,
    out: &'a mut Vec<TokenId>,
    result: Result<()>,
}

impl Walk<'_> {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
    fn stretch(&mut self, end: usize) {
        let start = std::mem::replace(&mut self.start, end);
        if end - start == 3
            && let Some(&[first, second, third]) = self.text[start..].first_chunk()
            && first >= 0xE0
        {
            if self.count > 0 {
                self.flush();
            }
            self.road.singles.push([first, second, third], self.out);
            self.waiting = end;
            return;
        }
        self.ends[self.count] = end as u32;
        self.count += 1;
        if self.count == WAITING {
            self.flush();
        }
    }

    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
    fn flush(&mut self) {
        let ends = &self.ends[..std::mem::take(&mut self.count)];
        let Some(&last) = ends.last() else { return };
        let start = std::mem::replace(&mut self.waiting, last as usize) as u32;
        if self.result.is_err() {
            return;
        }
        let Self { text, block, tables, stretches, out, .. } = self;
        let encode = |span: Span, tables: &mut Tables<'_>, out: &mut Vec<TokenId>| {
            stretches.encode(span.range(), tables, out)
        };
        self.result = block.look_up_ends(start, ends, text, tables, out, encode);
    }
}

/// Finds the ids of stretches that are in no table.
struct Stretches<'a> {
    road: &'a SpacedRoad,
    model: &'a Model,
    text: &'a str,
    state: &'a mut ModelScratch,
    normal: &'a mut String,
}

impl Stretches<'_> {
    /// Appends the ids of a stretch.
    fn encode(
        &mut self,
        range: Range<usize>,
        tables: &mut Tables<'_>,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        self.normal.clear();
        Shape::write(&self.text[range], self.normal);
        self.normal_ids(tables, out)
    }

    /// The same for the first stretch of a text that gets a space in front.
    fn first(&mut self, end: usize, tables: &mut Tables<'_>, out: &mut Vec<TokenId>) -> Result<()> {
        self.normal.clear();
        self.normal.push(SPACE);
        Shape::write(&self.text[..end], self.normal);
        match known(tables, self.normal) {
            Some(ids) => ids.push_to(out),
            None => self.normal_ids(tables, out)?,
        }
        Ok(())
    }

    /// Appends the ids of what is written as the model wants it, and is in no table as a whole.
    fn normal_ids(&mut self, tables: &mut Tables<'_>, out: &mut Vec<TokenId>) -> Result<()> {
        let Self { road, model, state, normal, .. } = self;
        let normal = normal.as_str();
        road.shape.parts(model, normal, |part| {
            if part.len() == normal.len() {
                return model.encode_ids(part, state, out);
            }
            if let Some(ids) = known(tables, part) {
                ids.push_to(out);
                return Ok(());
            }
            // A part is a text that is the same raw and normalised.
            tables.part(part.as_bytes(), out, |out| model.encode_ids(part, state, out))
        })
    }
}

/// What the table says of a normalised part.
fn known(tables: &Tables<'_>, part: &str) -> Option<Ids> {
    let key = raw_key(part)?;
    tables.table.get(key, key.hash())
}
