//! The general road: ids with the place of every token in the text.
//!
//! It takes any combination of components, one step after the other, and is the twin of the fast
//! road. A place is a range of bytes of the text as it was given: byte-level tokens that cover part of
//! a character cover the whole of it, normalised text goes back through its origins.

use super::added::Part;
use super::chars::CharPositions;
use super::places::{Found, PlaceCache};
use super::scratch::Scratch;
use super::{Plan, Road};
use crate::budget;
use crate::error::{Error, Result};
use crate::ids::{Span, TokenId};
use crate::model::pieces::{Key, MAX_KEY};
use crate::model::{Model, ModelScratch};
use crate::normalize::Aligned;
use crate::pretokenize::Place;

/// The tokens of one text, before special tokens and truncation.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) ids: Vec<TokenId>,
    /// Bytes of the text, or of its word when it came in words.
    pub(super) spans: Vec<Span>,
    /// The number of the piece, or of the word, that each token lies in.
    pub(super) words: Vec<u32>,
    /// Texts that differ from the token's own, by index, ascending: an added token that took white
    /// space along.
    pub(super) surfaces: Vec<(usize, String)>,
}

/// Room is made for no more tokens than these before they are there.
const MOST_EXPECTED: usize = 1 << 16;

/// Where the tokens of one part of a text go.
struct Sink<'a> {
    tokens: &'a mut Tokens,
    positions: &'a CharPositions<'a>,
    /// The number of the next piece.
    piece: u32,
    /// The number of the word all of it lies in, where texts come in words.
    word: Option<u32>,
    /// The bytes that texts of added tokens may still have.
    room: usize,
}

/// The bytes of [`Tokens::surfaces`] that any text may have ...
const SURFACES: usize = 16 << 20;
/// ... and so many more for each of its own. White space that two added tokens take along is in the
/// texts of both, and so a text of white space could have the square of its length.
const SURFACES_A_BYTE: usize = 16;

impl Sink<'_> {
    fn push(&mut self, id: TokenId, span: Span) {
        self.tokens.ids.push(id);
        self.tokens.spans.push(span);
        self.tokens.words.push(self.word.unwrap_or(self.piece));
    }
}

impl Plan {
    /// Appends the tokens of `text`; `word` is its number where a text comes in words.
    pub(super) fn tokens(
        &self,
        text: &str,
        word: Option<u32>,
        plain_specials: bool,
        scratch: &mut Scratch,
        tokens: &mut Tokens,
    ) -> Result<()> {
        let positions = CharPositions::new(text);
        let room = text.len().saturating_mul(SURFACES_A_BYTE).saturating_add(SURFACES);
        let expected = (text.len() / 4).min(MOST_EXPECTED);
        tokens.ids.reserve(expected);
        tokens.spans.reserve(expected);
        tokens.words.reserve(expected);
        let mut sink = Sink { tokens, positions: &positions, piece: 0, word, room };
        let mut parts = Vec::new();
        self.added.split_raw(text, plain_specials, |part| parts.push(part));
        budget::of_text(text.len(), || {
            for part in parts {
                if let Some(id) = part.id {
                    let span = Span::new(part.start, part.end);
                    self.added_token(id, &text[span.range()], span, &mut sink)?;
                } else {
                    self.between(text, part, plain_specials, scratch, &mut sink)?;
                }
            }
            Ok(())
        })
    }

    fn added_token(
        &self,
        id: TokenId,
        surface: &str,
        span: Span,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        if self.added.token(id).is_none_or(|token| token.content != surface) {
            sink.room = sink.room.checked_sub(surface.len()).ok_or_else(|| {
                let given = "such that added tokens share white space without end";
                Error::argument("the text", given, "such that their texts stay short")
            })?;
            sink.tokens.surfaces.push((sink.tokens.ids.len(), surface.to_owned()));
        }
        sink.push(id, span);
        sink.piece += 1;
        Ok(())
    }

    /// A stretch between added tokens of the raw text.
    fn between(
        &self,
        text: &str,
        part: Part,
        plain_specials: bool,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let raw = &text[part.start..part.end];
        let mut aligned = std::mem::take(&mut scratch.aligned);
        let result = match &self.declared.normalizer {
            None => self.stretch(
                &Stretch { raw, normal: None, base: part.start },
                plain_specials,
                scratch,
                sink,
            ),
            Some(normalizer) => normalizer.normalize_aligned(raw, &mut aligned).and_then(|()| {
                let stretch = Stretch { raw, normal: Some(&aligned), base: part.start };
                self.stretch(&stretch, plain_specials, scratch, sink)
            }),
        };
        scratch.aligned = aligned;
        result
    }

    fn stretch(
        &self,
        stretch: &Stretch<'_>,
        plain_specials: bool,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let mut inner = Vec::new();
        self.added.split_normalized(stretch.text(), plain_specials, |part| inner.push(part));
        for part in inner {
            if let Some(id) = part.id {
                let span = sink.positions.whole(stretch.source(part.start, part.end));
                self.added_token(id, &stretch.text()[part.start..part.end], span, sink)?;
            } else {
                self.pieces(stretch, part, scratch, sink)?;
            }
        }
        Ok(())
    }

    /// A part of a stretch without added tokens.
    fn pieces(
        &self,
        stretch: &Stretch<'_>,
        part: Part,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let Scratch { model: state, text: prefixed, pieces, places, found, .. } = scratch;
        let mut finder = Finder { state, places, found };
        let text = &stretch.text()[part.start..part.end];
        if self.splitter.rewrites() {
            self.splitter.split(text, stretch.place(part), true, pieces)?;
            for span in &pieces.spans {
                let piece = Piece {
                    stretch,
                    base: part.start,
                    start: span.start as usize,
                    end: span.end as usize,
                    origins: Some(&pieces.origins),
                    prefix: 0,
                };
                self.piece(&piece, &pieces.text, &mut finder, sink)?;
            }
            return Ok(());
        }
        let prefix = self.splitter.add_prefix_space && !text.is_empty() && !text.starts_with(' ');
        let text = if prefix {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            prefixed.as_str()
        } else {
            text
        };
        let mut result = Ok(());
        self.splitter.for_each(text, |start, end| {
            let prefix = usize::from(prefix);
            let piece = Piece { stretch, base: part.start, start, end, origins: None, prefix };
            if result.is_ok() {
                result = self.piece(&piece, text, &mut finder, sink);
            }
        })?;
        result
    }

    fn piece(
        &self,
        piece: &Piece<'_>,
        text: &str,
        finder: &mut Finder<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let model = &self.declared.model;
        let (start, end) = (piece.start, piece.end);
        finder.found.clear();
        if end - start <= MAX_KEY || finder.state.is_random() {
            finder.find(model, text, (start, end), 0)?;
        } else {
            let mut result = Ok(());
            model.cuts(&text[start..end], |from, to| {
                if result.is_ok() {
                    result = finder.find(model, text, (start + from, start + to), from);
                }
            });
            result?;
        }
        let text = &text[start..end];
        for &(id, from, to) in finder.found.iter() {
            let surface = if model.shows_text(id) { text.get(from..to) } else { None };
            if let Some(surface) = surface.or_else(|| self.added.hidden(id)) {
                sink.tokens.surfaces.push((sink.tokens.ids.len(), surface.to_owned()));
            }
            sink.push(id, piece.place(from, to, sink.positions));
        }
        sink.piece += 1;
        Ok(())
    }

    /// Whether the fast road takes this tokenizer's texts.
    pub(super) fn is_fast(&self) -> bool {
        !matches!(self.road, Road::General)
    }
}

/// Finds the tokens of pieces.
struct Finder<'a> {
    state: &'a mut ModelScratch,
    places: &'a mut PlaceCache,
    found: &'a mut Vec<Found>,
}

impl Finder<'_> {
    /// Appends the tokens of a stretch of a piece that starts at byte `base` of the piece.
    #[inline]
    fn find(
        &mut self,
        model: &Model,
        text: &str,
        (start, end): (usize, usize),
        base: usize,
    ) -> Result<()> {
        let before = self.found.len();
        let key = Key::new(text.as_bytes(), start, end).filter(|_| !self.state.is_random());
        let key = key.map(|key| (key, key.hash()));
        let known = key.is_some_and(|(key, hash)| self.places.get(key, hash, self.found));
        if !known {
            let found = &mut *self.found;
            model
                .encode(&text[start..end], self.state, |id, from, to| found.push((id, from, to)))?;
            if let Some((key, hash)) = key {
                self.places.put(key, hash, &self.found[before..]);
            }
        }
        if base > 0 {
            for (_, from, to) in &mut self.found[before..] {
                *from += base;
                *to += base;
            }
        }
        Ok(())
    }
}

/// A stretch of the text, as it is or normalised.
struct Stretch<'a> {
    raw: &'a str,
    normal: Option<&'a Aligned>,
    /// Where the stretch starts in the text.
    base: usize,
}

impl Stretch<'_> {
    fn text(&self) -> &str {
        self.normal.map_or(self.raw, |aligned| &aligned.text)
    }

    /// The bytes of the text that some bytes of the stretch came from.
    fn source(&self, start: usize, end: usize) -> Span {
        let inner = match self.normal {
            Some(aligned) => aligned.source(start..end),
            None => Span::new(start, end.min(self.raw.len())),
        };
        Span::new(self.base + inner.start as usize, self.base + inner.end as usize)
    }

    fn place(&self, part: Part) -> Place<'_> {
        let sources = self.normal.and_then(|aligned| aligned.origins.get(part.start..part.end));
        let start = if sources.is_some() { self.base } else { self.base + part.start };
        Place { start, sources }
    }
}

/// A piece as the model gets it, with the way back.
struct Piece<'a> {
    stretch: &'a Stretch<'a>,
    /// Where the part that was split starts in the stretch.
    base: usize,
    /// The piece in the text that was split.
    start: usize,
    end: usize,
    /// For each byte of the text that was split, where splitting rewrote it: the bytes of the part.
    origins: Option<&'a [Span]>,
    /// Bytes that were put in front; they belong to the first character.
    prefix: usize,
}

impl Piece<'_> {
    /// The bytes of the text that some bytes of the piece came from.
    fn source(&self, from: usize, to: usize) -> Span {
        let (first, last) = if let Some(origins) = self.origins {
            let first = origins.get(from).copied().unwrap_or_default();
            let last = origins.get(to.saturating_sub(1)).copied().unwrap_or_default();
            (first.start as usize, last.end as usize)
        } else {
            let back = |at: usize| at.saturating_sub(self.prefix);
            (back(from), back(to).max(back(from) + 1))
        };
        self.stretch.source(self.base + first, self.base + last)
    }

    /// The place of a token that the model found in bytes of the piece, in whole characters.
    fn place(&self, from: usize, to: usize, positions: &CharPositions<'_>) -> Span {
        let length = self.end - self.start;
        // As in the reference: a token without bytes stands where its numbers say, counted from the
        // piece; one beyond the piece keeps its numbers.
        if to > length {
            return Span::new(from, to);
        }
        let span = if from < to {
            self.source(self.start + from, self.start + to)
        } else {
            let start = self.source(self.start, self.end).start as usize;
            Span::new(start + from, start + to)
        };
        positions.whole(span)
    }
}
