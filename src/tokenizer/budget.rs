//! Texts cut to a number of tokens: the longest prefix that fits, and chunks that fit.

use super::aligned::Tokens;
use super::chars::CharPositions;
use super::{EncodeOptions, Input, Tokenizer};
use crate::error::{Error, Result};
use crate::ids::check_text_length;

impl Tokenizer {
    /// The number of tokens of a text.
    ///
    /// # Errors
    /// [`Error::Argument`] for a text that is too long.
    pub fn count(&self, text: &str, options: &EncodeOptions) -> Result<usize> {
        self.check(options)?;
        self.plan.scratch.with(|scratch| {
            let mut ids = Vec::new();
            self.plan.begin_row(options, 0, scratch);
            self.plan.row_ids(Input::Text(text), None, options, scratch, &mut ids)?;
            Ok(ids.len())
        })
    }

    /// The longest prefix of `text` that ends where one of the text's own tokens starts (or the text
    /// ends) and encodes to at most `max_tokens` tokens, special tokens not counted.
    ///
    /// # Errors
    /// As [`Tokenizer::count`].
    pub fn truncate<'a>(&self, text: &'a str, max_tokens: usize) -> Result<&'a str> {
        let borders = self.borders(text)?;
        Ok(&text[..self.fitting_end(text, &borders, 0, max_tokens)?.unwrap_or(0)])
    }

    /// Ranges of characters of `text` that encode to at most `max_tokens` tokens each and cover the
    /// text in order; neighbours share about `overlap` tokens. A single character that needs more
    /// tokens is a chunk of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] when `max_tokens` is 0 or `overlap` is not less than it; as
    /// [`Tokenizer::count`].
    pub fn chunk(
        &self,
        text: &str,
        max_tokens: usize,
        overlap: usize,
    ) -> Result<Vec<(usize, usize)>> {
        if max_tokens == 0 {
            return Err(Error::argument("max_tokens", max_tokens, "at least 1"));
        }
        if overlap >= max_tokens {
            let wanted = format!("less than max_tokens ({max_tokens})");
            return Err(Error::argument("overlap", overlap, wanted));
        }
        let borders = self.borders(text)?;
        let positions = CharPositions::new(text);
        let character =
            |byte: usize| u32::try_from(byte).map_or(usize::MAX, |at| positions.at(at) as usize);
        let mut chunks = Vec::new();
        let mut from = 0;
        while from < text.len() {
            let one = from + text[from..].chars().next().map_or(0, char::len_utf8);
            let to = self.fitting_end(text, &borders, from, max_tokens)?.unwrap_or(one);
            chunks.push((character(from), character(to)));
            if to >= text.len() {
                break;
            }
            // Back by so many tokens, but never to where this chunk began.
            let at = borders.partition_point(|border| border.byte < to);
            let tokens = borders.get(at).map_or(0, |border| border.tokens);
            let back = borders.partition_point(|border| border.tokens + overlap < tokens);
            from = borders.get(back).map_or(to, |border| border.byte).clamp(one, to);
        }
        Ok(chunks)
    }

    /// The places where tokens of a text start, and its end.
    fn borders(&self, text: &str) -> Result<Vec<Border>> {
        check_text_length(text)?;
        let mut tokens = Tokens::default();
        self.plan.scratch.with(|scratch| {
            self.plan.begin_row(&EncodeOptions::default(), 0, scratch);
            self.plan.tokens(text, None, false, scratch, &mut tokens)
        })?;
        let mut borders: Vec<Border> = Vec::with_capacity(tokens.spans.len() + 1);
        for (tokens, span) in tokens.spans.iter().enumerate() {
            let byte = span.start as usize;
            // Tokens that share a character start at the same place: no border lies between them.
            if borders.last().is_none_or(|last| last.byte < byte) {
                borders.push(Border { byte, tokens });
            }
        }
        if borders.last().is_none_or(|last| last.byte < text.len()) {
            borders.push(Border { byte: text.len(), tokens: tokens.spans.len() });
        }
        Ok(borders)
    }

    /// The last border after `from` such that the text from there to it fits; none when not even the
    /// first does.
    fn fitting_end(
        &self,
        text: &str,
        borders: &[Border],
        from: usize,
        max_tokens: usize,
    ) -> Result<Option<usize>> {
        let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
        let fits = |at: usize| -> Result<bool> {
            let Some(border) = borders.get(at) else { return Ok(false) };
            Ok(self.count(&text[from..border.byte], &options)? <= max_tokens)
        };
        let first = borders.partition_point(|border| border.byte <= from);
        let start = borders.partition_point(|border| border.byte < from);
        let budget =
            borders.get(start).map_or(0, |border| border.tokens).saturating_add(max_tokens);
        let within = borders.partition_point(|border| border.tokens <= budget);
        // A part of a text may encode to other tokens than the text does there, a few more or a few
        // less, so what the text's own tokens say is where the search begins.
        let mut at = within.saturating_sub(1).max(first);
        if fits(at)? {
            while fits(at + 1)? {
                at += 1;
            }
            return Ok(Some(borders[at].byte));
        }
        while at > first {
            at -= 1;
            if fits(at)? {
                return Ok(Some(borders[at].byte));
            }
        }
        Ok(None)
    }
}

/// A place where a token starts, and the number of the text's tokens before it.
#[derive(Clone, Copy, Debug)]
struct Border {
    byte: usize,
    tokens: usize,
}
