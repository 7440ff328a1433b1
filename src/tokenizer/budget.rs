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
            self.plan.row_ids(Input::Text(text), None, options, scratch, &mut ids)?;
            Ok(ids.len())
        })
    }

    /// A prefix of `text` that encodes to at most `max_tokens` tokens, special tokens not counted:
    /// it ends where one of the text's own tokens does, as late as possible.
    ///
    /// # Errors
    /// As [`Tokenizer::count`].
    pub fn truncate<'a>(&self, text: &'a str, max_tokens: usize) -> Result<&'a str> {
        let starts = self.token_starts(text)?;
        let end = self.fitting_end(text, &starts, 0, max_tokens)?;
        Ok(&text[..starts.get(end).map_or(text.len(), |&start| start)])
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
        let mut starts = self.token_starts(text)?;
        let positions = CharPositions::new(text);
        let character =
            |byte: usize| u32::try_from(byte).map_or(usize::MAX, |at| positions.at(at) as usize);
        let mut chunks = Vec::new();
        let mut first = 0;
        while first < starts.len() {
            let from = if first == 0 { 0 } else { starts[first] };
            let mut end = self.fitting_end(text, &starts, first, max_tokens)?;
            if end == first {
                // Not even to the next token's start: one character, whatever it needs.
                let next = from + text[from..].chars().next().map_or(0, char::len_utf8);
                end = first + 1;
                if next < starts.get(end).copied().unwrap_or(text.len()) {
                    starts.insert(end, next);
                }
            }
            let to = starts.get(end).map_or(text.len(), |&start| start);
            chunks.push((character(from), character(to)));
            if end >= starts.len() {
                break;
            }
            first = end.saturating_sub(overlap).max(first + 1);
        }
        Ok(chunks)
    }

    /// Where the tokens of a text start, in bytes, each place once.
    fn token_starts(&self, text: &str) -> Result<Vec<usize>> {
        check_text_length(text)?;
        let mut tokens = Tokens::default();
        self.plan
            .scratch
            .with(|scratch| self.plan.tokens(text, None, false, scratch, &mut tokens))?;
        let mut starts: Vec<usize> = tokens.spans.iter().map(|span| span.start as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        Ok(starts)
    }

    /// The largest number of starts after `first` such that the text up to there fits.
    fn fitting_end(
        &self,
        text: &str,
        starts: &[usize],
        first: usize,
        max_tokens: usize,
    ) -> Result<usize> {
        let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
        let from = if first == 0 { 0 } else { starts[first] };
        let mut end = first.saturating_add(max_tokens).min(starts.len());
        // A prefix may encode to other tokens than the text's own, and to more of them; a character
        // may have several. Both are rare and local, so a step or two back is enough.
        while end > first {
            let to = starts.get(end).map_or(text.len(), |&start| start);
            let excess = self.count(&text[from..to], &options)?.saturating_sub(max_tokens);
            if excess == 0 {
                break;
            }
            end = end.saturating_sub(excess.div_ceil(2)).max(first);
        }
        Ok(end)
    }
}
