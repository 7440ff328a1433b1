//! The result of encoding one text or two, with everything the reference library tells about it.

use super::Columns;
use crate::ids::{Span, TokenId};

/// Ids, and for each where it came from. All lists have one entry per token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The token ids.
    pub ids: Vec<TokenId>,
    /// Which segment the token belongs to, for models with segment embeddings.
    pub type_ids: Vec<u32>,
    /// The tokens as strings; see [`Tokenizer::encode_places`](super::Tokenizer::encode_places).
    pub tokens: Vec<String>,
    /// The characters of the text that the token covers; 0..0 for special tokens and padding.
    pub offsets: Vec<Span>,
    /// The same in bytes of UTF-8.
    pub byte_offsets: Vec<Span>,
    /// The number of the piece (or of the given word) that the token lies in; -1 for none.
    pub word_ids: Vec<i64>,
    /// 0 or 1 for tokens of the first or second text; -1 for none.
    pub sequence_ids: Vec<i64>,
    /// 1 for tokens that stand for no text.
    pub special_tokens_mask: Vec<u32>,
    /// 0 for padding.
    pub attention_mask: Vec<u32>,
    /// What truncation cut off, in windows with special tokens and padding of their own.
    pub overflowing: Vec<Encoding>,
    /// Strings that are not those of their ids, by index, ascending.
    pub(super) named: Vec<(usize, String)>,
}

/// A token that stands for no text, about to be pushed.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: TokenId,
    pub(super) type_id: u32,
    /// Its string where that is not the id's.
    pub(super) named: Option<String>,
    pub(super) sequence_id: i64,
    pub(super) special: bool,
    pub(super) attention: bool,
}

impl Encoding {
    /// Appends a token so many times.
    pub(super) fn push(&mut self, row: Row, count: usize, wanted: Columns) {
        let before = self.ids.len();
        let length = before + count;
        if let Some(token) = row.named {
            self.named.extend((before..length).map(|at| (at, token.clone())));
        }
        self.ids.resize(length, row.id);
        if wanted.has_places() {
            self.offsets.resize(length, Span::default());
            self.byte_offsets.resize(length, Span::default());
        }
        if wanted.word_ids {
            self.word_ids.resize(length, -1);
        }
        if wanted.marks {
            self.type_ids.resize(length, row.type_id);
            self.sequence_ids.resize(length, row.sequence_id);
            self.special_tokens_mask.resize(length, u32::from(row.special));
            self.attention_mask.resize(length, u32::from(row.attention));
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        let before = self.ids.len();
        self.named.extend(other.named.drain(..).map(|(at, token)| (before + at, token)));
        self.ids.append(&mut other.ids);
        self.type_ids.append(&mut other.type_ids);
        self.offsets.append(&mut other.offsets);
        self.byte_offsets.append(&mut other.byte_offsets);
        self.word_ids.append(&mut other.word_ids);
        self.sequence_ids.append(&mut other.sequence_ids);
        self.special_tokens_mask.append(&mut other.special_tokens_mask);
        self.attention_mask.append(&mut other.attention_mask);
    }

    /// Makes room for so many more tokens.
    pub(super) fn reserve(&mut self, count: usize, wanted: Columns) {
        self.ids.reserve_exact(count);
        if wanted.has_places() {
            self.offsets.reserve_exact(count);
            self.byte_offsets.reserve_exact(count);
        }
        if wanted.word_ids {
            self.word_ids.reserve_exact(count);
        }
        if wanted.marks {
            self.type_ids.reserve_exact(count);
            self.sequence_ids.reserve_exact(count);
            self.special_tokens_mask.reserve_exact(count);
            self.attention_mask.reserve_exact(count);
        }
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The tokens of a text; all of them when it has none of its own.
    fn range(&self, sequence: usize) -> std::ops::Range<usize> {
        let inside = |&id: &i64| usize::try_from(id) == Ok(sequence);
        let start = self.sequence_ids.iter().position(inside);
        let end = self.sequence_ids.iter().rposition(inside);
        match (start, end) {
            (Some(start), Some(end)) => start..end + 1,
            _ => 0..self.len(),
        }
    }

    /// The text that a token belongs to.
    pub fn token_to_sequence(&self, token: usize) -> Option<usize> {
        usize::try_from(*self.sequence_ids.get(token)?).ok()
    }

    /// The text and the characters that a token covers.
    pub fn token_to_chars(&self, token: usize) -> Option<(usize, Span)> {
        Some((self.token_to_sequence(token)?, *self.offsets.get(token)?))
    }

    /// The text and the word that a token lies in.
    pub fn token_to_word(&self, token: usize) -> Option<(usize, usize)> {
        let word = usize::try_from(*self.word_ids.get(token)?).ok()?;
        Some((self.token_to_sequence(token)?, word))
    }

    /// The token that covers a character of a text.
    pub fn char_to_token(&self, character: usize, sequence: usize) -> Option<usize> {
        let mut range = self.range(sequence);
        range.find(|&token| self.offsets[token].range().contains(&character))
    }

    /// The word that a character of a text lies in.
    pub fn char_to_word(&self, character: usize, sequence: usize) -> Option<usize> {
        let token = self.char_to_token(character, sequence)?;
        self.token_to_word(token).map(|(_, word)| word)
    }

    /// The tokens `start..end` of a word of a text.
    pub fn word_to_tokens(&self, word: usize, sequence: usize) -> Option<(usize, usize)> {
        let word = i64::try_from(word).ok()?;
        let range = self.range(sequence);
        let mut found = range.take_while(|&token| self.word_ids[token] <= word);
        let start = found.find(|&token| self.word_ids[token] == word)?;
        let last = found.filter(|&token| self.word_ids[token] == word).last();
        Some((start, last.unwrap_or(start) + 1))
    }

    /// The characters of a word of a text.
    pub fn word_to_chars(&self, word: usize, sequence: usize) -> Option<Span> {
        let (start, end) = self.word_to_tokens(word, sequence)?;
        Some(Span { start: self.offsets[start].start, end: self.offsets[end - 1].end })
    }
}
