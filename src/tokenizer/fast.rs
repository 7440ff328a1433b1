//! The fast road: ids alone, through tables of pieces.
//!
//! What a model makes of a piece depends on the piece alone, so every piece is looked up: in the
//! model's table, then in the cache of the call; what is in neither is encoded. A piece that is too
//! long for a table is cut where the model knows that no token crosses.
//!
//! The twin is the general road in `aligned.rs`, which also knows where tokens came from.

use super::block::{Block, Encode, Tables};
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::pieces::{LongCache, MAX_KEY, PieceCache, PieceTable};
use crate::model::{Model, ModelScratch};
use crate::pretokenize::{Ends, Place, Scanner, Splitter};

/// Appends the ids of a normalised stretch without added tokens.
#[inline]
pub(super) fn pieces(
    model: &Model,
    splitter: &Splitter,
    text: &str,
    place: Place<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let Scratch { cache, long, block, ends, model: state, pieces, text: prefixed, .. } = scratch;
    if splitter.rewrites() {
        splitter.split(text, place, false, pieces)?;
        let mut look_up = LookUp::new(model, &pieces.text, cache, long, block, state, out);
        for span in &pieces.spans {
            look_up.piece(span.start as usize, span.end as usize);
        }
        return look_up.finish();
    }
    let text = if splitter.add_prefix_space && !text.is_empty() && !text.starts_with(' ') {
        prefixed.clear();
        prefixed.push(' ');
        prefixed.push_str(text);
        prefixed
    } else {
        text
    };
    if let (Some(scanner), false) = (splitter.scanner(), state.is_random()) {
        return scanned(model, scanner, text, (cache, long, block, ends), state, out);
    }
    let mut look_up = LookUp::new(model, text, cache, long, block, state, out);
    splitter.for_each(text, |start, end| look_up.piece(start, end))?;
    look_up.finish()
}

/// Pieces that follow one another, found and looked up a few hundred at a time.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
fn scanned(
    model: &Model,
    scanner: Scanner,
    text: &str,
    (cache, long, block, ends): (&mut PieceCache, &mut LongCache, &mut Block, &mut Ends),
    state: &mut ModelScratch,
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let runs = model.takes_runs();
    let mut tables = Tables { table: model.table(), cache, long, runs };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < text.len() {
        let start = at as u32;
        at = scanner.fill(text, at, ends);
        let encode = Pieces { model, text, state, runs };
        block.look_up_ends(start, ends.get(), bytes, &mut tables, out, encode)?;
    }
    Ok(())
}

/// Encodes pieces of a text that no table has.
struct Pieces<'a> {
    model: &'a Model,
    text: &'a str,
    state: &'a mut ModelScratch,
    runs: bool,
}

impl Encode for Pieces<'_> {
    #[inline]
    fn ahead(&mut self, pieces: impl Iterator<Item = Option<Span>>) {
        let pieces = pieces.map(|piece| Some(&self.text[piece?.range()]));
        self.model.encode_together(pieces, self.state);
    }

    #[inline]
    fn found(&self, place: usize) -> Option<&[TokenId]> {
        self.state.lanes.ids(place)
    }

    fn encode(
        &mut self,
        piece: Span,
        tables: &mut Tables<'_>,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let Self { model, text, state, runs } = self;
        let piece = &text[piece.range()];
        if *runs || piece.len() <= MAX_KEY {
            return model.encode_ids_with(piece, state, tables.cache, out);
        }
        let mut result = Ok(());
        model.cuts(piece, |from, to| {
            if result.is_ok() {
                let part = &piece[from..to];
                result =
                    tables.part(part.as_bytes(), out, |out| model.encode_ids(part, state, out));
            }
        });
        result
    }
}

/// Takes the pieces of a text one by one and gives their ids.
struct LookUp<'a> {
    model: &'a Model,
    /// None where results are not to be kept: they are random.
    table: Option<&'a PieceTable>,
    /// Pieces that start with a character of three bytes are not looked up.
    runs: bool,
    text: &'a str,
    cache: &'a mut PieceCache,
    long: &'a mut LongCache,
    block: &'a mut Block,
    state: &'a mut ModelScratch,
    out: &'a mut Vec<TokenId>,
    result: Result<()>,
}

impl<'a> LookUp<'a> {
    #[inline]
    fn new(
        model: &'a Model,
        text: &'a str,
        cache: &'a mut PieceCache,
        long: &'a mut LongCache,
        block: &'a mut Block,
        state: &'a mut ModelScratch,
        out: &'a mut Vec<TokenId>,
    ) -> Self {
        block.clear();
        let table = if state.is_random() { None } else { Some(model.table()) };
        let runs = table.is_some() && model.takes_runs();
        Self { model, table, runs, text, cache, long, block, state, out, result: Ok(()) }
    }

    #[inline]
    fn piece(&mut self, start: usize, end: usize) {
        let first = self.text.as_bytes().get(start).copied().unwrap_or(0);
        if first & 0xF0 == 0xE0 && self.runs {
            self.run(start, end);
        } else if end - start <= MAX_KEY {
            self.push(start, end);
        } else {
            self.long(start, end);
        }
    }

    /// A piece that the model encodes sooner than anybody finds it in a table.
    fn run(&mut self, start: usize, end: usize) {
        self.flush();
        if self.result.is_ok() {
            self.result = self.model.encode_ids(&self.text[start..end], self.state, self.out);
        }
    }

    fn long(&mut self, start: usize, end: usize) {
        if self.table.is_none() {
            self.push(start, end);
            return;
        }
        let model = self.model;
        model.cuts(&self.text[start..end], |from, to| self.push(start + from, start + to));
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize) {
        self.block.push(start, end);
        if self.block.is_full() {
            self.flush();
        }
    }

    #[inline]
    fn finish(mut self) -> Result<()> {
        self.flush();
        self.result
    }

    fn flush(&mut self) {
        if self.result.is_err() {
            self.block.clear();
            return;
        }
        let Self { model, text, state, .. } = self;
        let encode =
            |span: Span, out: &mut Vec<TokenId>| model.encode_ids(&text[span.range()], state, out);
        let bytes = self.text.as_bytes();
        self.result = match self.table {
            Some(table) => {
                self.block.look_up(bytes, table, self.cache, self.long, self.out, encode)
            }
            None => self.block.encode_all(self.out, encode),
        };
    }
}
