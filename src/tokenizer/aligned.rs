//! The general road: ids with the place of every token in the text.
//!
//! It takes any combination of components, one step after the other, and is the twin of the fast
//! road. A place is a range of bytes of the text as it was given: byte-level tokens that cover part of
//! a character cover the whole of it, normalised text goes back through its origins.

use super::added::Part;
use super::chars::CharPositions;
use super::scratch::Scratch;
use super::{Plan, Road};
use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::{Bpe, Model, WordPiece};
use crate::normalize::Aligned;

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

/// Where the tokens of one part of a text go.
struct Sink<'a> {
    tokens: &'a mut Tokens,
    positions: &'a CharPositions<'a>,
    /// The number of the next piece.
    piece: u32,
    /// The number of the word all of it lies in, where texts come in words.
    word: Option<u32>,
}

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
        let mut sink = Sink { tokens, positions: &positions, piece: 0, word };
        let mut parts = Vec::new();
        self.added.split_raw(text, plain_specials, |part| parts.push(part));
        for part in parts {
            if let Some(id) = part.id {
                self.added_token(
                    id,
                    &text[part.start..part.end],
                    Span::new(part.start, part.end),
                    &mut sink,
                );
            } else {
                self.between(text, part, plain_specials, scratch, &mut sink)?;
            }
        }
        Ok(())
    }

    fn added_token(&self, id: TokenId, surface: &str, span: Span, sink: &mut Sink<'_>) {
        if self.added.token(id).is_none_or(|token| token.content != surface) {
            sink.tokens.surfaces.push((sink.tokens.ids.len(), surface.to_owned()));
        }
        sink.push(id, span);
        sink.piece += 1;
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
        let normal = match self.declared.normalizer.as_ref() {
            Some(normalizer) => {
                normalizer.normalize_aligned(raw, &mut aligned)?;
                Some(&aligned)
            }
            None => None,
        };
        let source = Source { raw, normal, base: part.start };
        let mut inner = Vec::new();
        self.added.split_normalized(source.text(), plain_specials, |part| inner.push(part));
        let mut result = Ok(());
        for part in inner {
            if let Some(id) = part.id {
                let span = source.span(part.start, part.end, sink.positions);
                self.added_token(id, &source.text()[part.start..part.end], span, sink);
            } else {
                result = result.and_then(|()| self.pieces(&source, part, scratch, sink));
            }
        }
        scratch.aligned = aligned;
        result
    }

    fn pieces(
        &self,
        source: &Source<'_>,
        part: Part,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        match &self.declared.model {
            Model::Bpe(model) => self.bpe_pieces(model, source, part, scratch, sink),
            Model::WordPiece(model) => self.wordpiece_pieces(model, source, part, sink),
            Model::SentencePiece(model) => {
                let text = &source.text()[part.start..part.end];
                model.encode(text, &mut scratch.sentencepiece, |id, start, end| {
                    let span = source.span(part.start + start, part.start + end, sink.positions);
                    sink.push(id, span);
                });
                sink.piece += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn bpe_pieces(
        &self,
        model: &Bpe,
        source: &Source<'_>,
        part: Part,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let text = &source.text()[part.start..part.end];
        let prefix = self.splitter.add_prefix_space && !text.starts_with(' ') && !text.is_empty();
        let Scratch { merge, text: prefixed, .. } = scratch;
        let text = if prefix {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            prefixed.as_str()
        } else {
            text
        };
        // The space in front belongs to the first character, as in the reference library.
        let back = |at: usize| part.start + at.saturating_sub(usize::from(prefix));
        self.splitter.for_each(text, |start, end| {
            model.encode_piece(&text.as_bytes()[start..end], merge);
            let mut at = start;
            for &id in &merge.symbols {
                let token_end = at + model.token_bytes(id).map_or(0, <[u8]>::len);
                let (first, last) =
                    (back(at), back(token_end).max(back(at) + usize::from(token_end > at)));
                sink.push(id, source.span(first, last, sink.positions));
                at = token_end;
            }
            sink.piece += 1;
        })
    }

    fn wordpiece_pieces(
        &self,
        model: &WordPiece,
        source: &Source<'_>,
        part: Part,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let text = &source.text()[part.start..part.end];
        self.splitter.for_each(text, |start, end| {
            let base = part.start + start;
            model.encode_word(&text[start..end], |id, from, to| {
                sink.push(id, source.span(base + from, base + to, sink.positions));
            });
            sink.piece += 1;
        })
    }

    /// Whether the fast road takes this tokenizer's texts.
    pub(super) fn is_fast(&self) -> bool {
        !matches!(self.road, Road::General)
    }
}

/// A stretch of the text, as it is or normalised.
struct Source<'a> {
    raw: &'a str,
    normal: Option<&'a Aligned>,
    /// Where the stretch starts in the text.
    base: usize,
}

impl Source<'_> {
    fn text(&self) -> &str {
        self.normal.map_or(self.raw, |aligned| &aligned.text)
    }

    /// The place in the text of a range of the stretch, in whole characters.
    fn span(&self, start: usize, end: usize, positions: &CharPositions<'_>) -> Span {
        let inner = match self.normal {
            Some(aligned) => aligned.source(start..end),
            None => Span::new(start, end.min(self.raw.len())),
        };
        positions.whole(Span::new(self.base + inner.start as usize, self.base + inner.end as usize))
    }
}
