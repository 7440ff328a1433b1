//! Pre-tokenizing with steps that rewrite the text: pieces of a new text, with the way back.
//!
//! The steps run one after the other over all pieces, as in the reference library, whose rules say where
//! a rewritten character comes from: one that replaces others has their place, one that is put in front
//! has the place of its neighbour.

use super::{Splitter, Step};
use crate::budget::{self, growth_limit, too_long};
use crate::error::Result;
use crate::ids::Span;
use crate::pretokenize::PrependScheme;
use crate::unicode::byte_level::BYTE_TO_CHAR;

/// Pieces of a text that pre-tokenizing may have rewritten. Reused from text to text.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// The text that the pieces are of.
    pub text: String,
    /// The pieces.
    pub spans: Vec<Span>,
    /// For each byte of `text` the bytes of the given text that it comes from; empty unless asked for.
    pub origins: Vec<Span>,
    /// The other buffers of a step.
    next_text: String,
    next_spans: Vec<Span>,
    next_origins: Vec<Span>,
}

/// Where the given text stands in the original one.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The byte of the original that `sources` count from, or at which the given text begins.
    pub start: usize,
    /// For each byte of the given text the bytes that it comes from; none when it was not rewritten.
    pub sources: Option<&'a [Span]>,
}

impl Place<'_> {
    /// Whether a byte of the given text comes from the original's first one.
    fn is_first(&self, byte: usize) -> bool {
        match self.sources {
            Some(sources) => {
                sources.get(byte).is_some_and(|span| self.start + span.start as usize == 0)
            }
            None => self.start + byte == 0,
        }
    }
}

impl Pieces {
    /// Everything in one piece.
    pub(super) fn begin(&mut self, text: &str, track: bool) {
        self.text.clear();
        self.text.push_str(text);
        self.spans.clear();
        self.origins.clear();
        if !text.is_empty() {
            self.spans.push(Span::new(0, text.len()));
        }
        if track {
            for (at, c) in text.char_indices() {
                let span = Span::new(at, at + c.len_utf8());
                self.origins.extend(std::iter::repeat_n(span, c.len_utf8()));
            }
        }
    }

    /// Writes each piece anew: `write` gets a piece, its place in the old text, and the new text, which
    /// may have `limit` bytes.
    fn rewrite(
        &mut self,
        limit: usize,
        mut write: impl FnMut(&str, usize, &[Span], &mut Writer<'_>),
    ) -> Result<()> {
        self.next_text.clear();
        self.next_spans.clear();
        self.next_origins.clear();
        let track = !self.origins.is_empty();
        for span in &self.spans {
            let start = self.next_text.len();
            let mut writer =
                Writer { text: &mut self.next_text, origins: &mut self.next_origins, track };
            let range = span.range();
            write(&self.text[range.clone()], range.start, &self.origins, &mut writer);
            if start < self.next_text.len() {
                self.next_spans.push(Span::new(start, self.next_text.len()));
            }
            if self.next_text.len() > limit {
                return Err(too_long(limit));
            }
        }
        std::mem::swap(&mut self.text, &mut self.next_text);
        std::mem::swap(&mut self.spans, &mut self.next_spans);
        std::mem::swap(&mut self.origins, &mut self.next_origins);
        Ok(())
    }

    /// Cuts each piece.
    fn cut(
        &mut self,
        mut cut: impl FnMut(&str, &mut dyn FnMut(usize, usize)) -> Result<()>,
    ) -> Result<()> {
        self.next_spans.clear();
        for span in &self.spans {
            let range = span.range();
            let (base, spans) = (range.start, &mut self.next_spans);
            cut(&self.text[range], &mut |start, end| {
                spans.push(Span::new(base + start, base + end));
            })?;
        }
        std::mem::swap(&mut self.spans, &mut self.next_spans);
        Ok(())
    }
}

/// Takes the characters of the new text.
struct Writer<'a> {
    text: &'a mut String,
    origins: &'a mut Vec<Span>,
    track: bool,
}

impl Writer<'_> {
    /// Adds a character that comes from where the byte `from` of the old text does.
    fn push(&mut self, c: char, from: usize, origins: &[Span]) {
        self.text.push(c);
        if self.track
            && let Some(&origin) = origins.get(from)
        {
            self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
        }
    }

    /// Adds text as it is.
    fn copy(&mut self, text: &str, from: usize, origins: &[Span]) {
        self.text.push_str(text);
        if self.track
            && let Some(kept) = origins.get(from..from + text.len())
        {
            self.origins.extend_from_slice(kept);
        }
    }
}

impl Splitter {
    /// Pre-tokenizes a text, whatever the steps are. `aligned` asks for the way back.
    ///
    /// # Errors
    /// [`crate::Error::Pattern`] when a regular expression exceeds its bound, [`crate::Error::Argument`] when the
    /// steps make the text longer than any true ones do.
    pub fn split(
        &self,
        text: &str,
        place: Place<'_>,
        aligned: bool,
        out: &mut Pieces,
    ) -> Result<()> {
        let limit = growth_limit(text.len());
        out.begin(text, aligned || self.looks_back);
        for step in &self.steps {
            match step {
                Step::Cut(cut) => {
                    out.cut(|text, piece| cut.for_each(text, piece))?;
                }
                Step::PrefixSpace => out.rewrite(limit, |piece, at, origins, writer| {
                    if !piece.starts_with(' ') {
                        writer.push(' ', at, origins);
                    }
                    writer.copy(piece, at, origins);
                })?,
                Step::Spell => out.rewrite(limit, |piece, at, origins, writer| {
                    for (index, &byte) in piece.as_bytes().iter().enumerate() {
                        writer.push(BYTE_TO_CHAR[usize::from(byte)], at + index, origins);
                    }
                })?,
                &Step::Metaspace { replacement, prepend, split } => {
                    out.rewrite(limit, |piece, at, origins, writer| {
                        let wanted = match prepend {
                            PrependScheme::Always => true,
                            PrependScheme::Never => false,
                            PrependScheme::First => {
                                let byte = origins.get(at).map_or(at, |span| span.start as usize);
                                place.is_first(byte)
                            }
                        };
                        if wanted && !piece.starts_with([' ', replacement]) {
                            writer.push(replacement, at, origins);
                        }
                        let mut done = 0;
                        for (space, _) in piece.match_indices(' ') {
                            writer.copy(&piece[done..space], at + done, origins);
                            writer.push(replacement, at + space, origins);
                            done = space + 1;
                        }
                        writer.copy(&piece[done..], at + done, origins);
                    })?;
                    if split {
                        out.cut(|text, piece| {
                            let mut start = 0;
                            for (at, _) in text.match_indices(replacement) {
                                // The first of the text begins no piece anew.
                                if start < at {
                                    piece(start, at);
                                }
                                start = at;
                            }
                            if start < text.len() {
                                piece(start, text.len());
                            }
                            Ok(())
                        })?;
                    }
                }
            }
        }
        if !aligned {
            out.origins.clear();
        }
        budget::grow(out.text.len())
    }
}
