//! Word pieces: the longest token that a word starts with, then the longest continuation, to its end.
//!
//! [`WordPiece::encode_word`] allocates nothing; a word of running English or Chinese costs about 15 to
//! 20 ns, one of Korean, with more tokens of more bytes, about 50 ns.
//!
//! The definition is greedy: from each position the longest entry is taken, never a shorter one for
//! the sake of the rest, and a word whose rest has no entry becomes the unknown token as a whole. So
//! no token may be given out before the word's end is reached; the first few wait on the stack.

#[cfg(any(test, feature = "reference"))]
pub mod reference;

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::trie::{self, Trie};

use super::pieces::PieceTable;
use super::vocab::Vocab;

/// Tokens of one word that wait on the stack; a word of more is walked twice.
const WAITING: usize = 16;

/// What a `WordPiece` model declares beside its vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordPieceOptions {
    /// The token for words that cannot be taken apart.
    pub unk_token: String,
    /// What stands before tokens that continue a word.
    pub continuing_subword_prefix: String,
    /// Words of more characters become `unk_token` at once.
    pub max_input_chars_per_word: usize,
}

impl Default for WordPieceOptions {
    fn default() -> Self {
        Self {
            unk_token: "[UNK]".to_owned(),
            continuing_subword_prefix: "##".to_owned(),
            max_input_chars_per_word: 100,
        }
    }
}

/// A `WordPiece` model, compiled for speed. Immutable.
#[derive(Clone, Debug)]
pub struct WordPiece {
    vocab: Vocab,
    options: WordPieceOptions,
    unk: TokenId,
    /// Entries as they are, for the start of a word.
    starts: Trie,
    /// Entries with the prefix, without it, for the rest of a word.
    continuations: Trie,
    /// The results of tokens that start a word, once they are asked for.
    table: OnceLock<PieceTable>,
}

/// The longest token that a word may contain, in bytes. Those of real vocabularies have up to 100.
const MAX_TOKEN_BYTES: usize = 1024;

impl WordPiece {
    /// Compiles a model.
    ///
    /// The reference library loads a model whose unknown token is missing and fails on the first word
    /// that needs it; here such a model is refused when it is made, since any text may hold that word.
    ///
    /// # Errors
    /// [`Error::Format`] when `unk_token` is not in the vocabulary; [`Error::Unsupported`] when a token
    /// has more than 1024 bytes, or the tokens are so long and so different that their trie would
    /// pass 16 million nodes. Tokens that no word of `max_input_chars_per_word` can contain do not
    /// count.
    pub fn new(vocab: Vocab, options: WordPieceOptions) -> Result<Self> {
        let Some(unk) = vocab.id(&options.unk_token) else {
            let problem = format!("{:?} is not in the vocabulary", options.unk_token);
            return Err(Error::format("WordPiece model", "unk_token", problem));
        };
        // No character is longer than four bytes, so no longer token can be part of a word.
        let longest = options.max_input_chars_per_word.saturating_mul(4);
        let prefix = options.continuing_subword_prefix.as_str();
        let fits = |token: &str| !token.is_empty() && token.len() <= longest;
        // At every character of a word a walk may go as far as the longest token and come back with
        // nothing: the product of both is the time that a word takes.
        if let Some((id, token)) = vocab.iter().find(|(_, token)| {
            let rest = token.strip_prefix(prefix).unwrap_or(token);
            fits(rest) && rest.len() > MAX_TOKEN_BYTES
        }) {
            let (length, limit) = (token.len(), MAX_TOKEN_BYTES);
            let what = format!("a WordPiece token of {length} bytes (more than {limit})");
            return Err(Error::unsupported(what, format!("id {id}")));
        }
        let starts = vocab.iter().filter(|(_, token)| fits(token));
        let continuations = vocab
            .iter()
            .filter_map(|(id, token)| Some((id, token.strip_prefix(prefix)?)))
            .filter(|(_, rest)| fits(rest));
        let too_large = || {
            let what = format!("a WordPiece trie of more than {} nodes", trie::MAX_NODES);
            Error::unsupported(what, "vocab")
        };
        let starts = Trie::new(starts).ok_or_else(too_large)?;
        let continuations = Trie::new(continuations).ok_or_else(too_large)?;
        Ok(Self { vocab, options, unk, starts, continuations, table: OnceLock::new() })
    }

    /// Calls `token` with each token of `word` and the bytes `start..end` of the word that it covers.
    ///
    /// An empty word has no tokens. One that is too long, or that no sequence of entries covers, is
    /// one unknown token from end to end.
    #[inline]
    pub fn encode_word(&self, word: &str, mut token: impl FnMut(TokenId, usize, usize)) {
        if self.is_too_long(word) {
            return token(self.unk, 0, word.len());
        }
        let mut waiting = [(0, 0, 0); WAITING];
        let mut count = 0;
        let covered = self.walk(word, |id, start, end| {
            if let Some(slot) = waiting.get_mut(count) {
                *slot = (id, start, end);
            }
            count += 1;
        });
        if !covered {
            token(self.unk, 0, word.len());
        } else if let Some(tokens) = waiting.get(..count) {
            for &(id, start, end) in tokens {
                token(id, start, end);
            }
        } else {
            self.walk(word, token);
        }
    }

    /// Appends the tokens of a word of UTF-8, as [`WordPiece::encode_word`] gives them.
    #[inline]
    pub(crate) fn encode_utf8(&self, word: &[u8], out: &mut Vec<TokenId>) {
        let before = out.len();
        let (mut trie, mut rest) = (&self.starts, word);
        let mut covered = !self.is_longer(word);
        while covered && !rest.is_empty() {
            match trie.longest(rest) {
                Some((id, length)) => {
                    out.push(id);
                    rest = &rest[length..];
                    trie = &self.continuations;
                }
                None => covered = false,
            }
        }
        if !covered {
            out.truncate(before);
            out.push(self.unk);
        }
    }

    /// Takes the longest entries from left to right; false when some rest has none.
    #[inline]
    fn walk(&self, word: &str, mut token: impl FnMut(TokenId, usize, usize)) -> bool {
        let mut trie = &self.starts;
        let mut start = 0;
        let mut rest = word.as_bytes();
        while !rest.is_empty() {
            let Some((id, length)) = trie.longest(rest) else { return false };
            token(id, start, start + length);
            start += length;
            rest = &rest[length..];
            trie = &self.continuations;
        }
        true
    }

    /// Whether `word` has more characters than the model takes. Counted only when its bytes pass the
    /// limit.
    #[inline]
    fn is_too_long(&self, word: &str) -> bool {
        self.is_longer(word.as_bytes())
    }

    /// The same for the bytes of a word.
    #[inline]
    fn is_longer(&self, word: &[u8]) -> bool {
        let limit = self.options.max_input_chars_per_word;
        // Each character has one byte that continues none.
        let starts = |byte: &&u8| !matches!(byte, 0x80..=0xBF);
        word.len() > limit && word.iter().filter(starts).nth(limit).is_some()
    }

    /// The results of the model's own tokens that start a word.
    pub(crate) fn table(&self) -> &PieceTable {
        super::once(&self.table, || {
            let prefix = self.options.continuing_subword_prefix.as_str();
            let starts = |token: &&str| prefix.is_empty() || !token.starts_with(prefix);
            let tokens = self.vocab.iter().map(|(_, token)| token).filter(starts);
            PieceTable::of_texts(tokens, |token, ids| {
                self.encode_word(token, |id, _, _| ids.push(id));
                true
            })
        })
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        let table = self.table.get().map_or(0, PieceTable::bytes);
        self.starts.bytes() + self.continuations.bytes() + table
    }

    /// The vocabulary.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// What the model was declared with.
    pub fn options(&self) -> &WordPieceOptions {
        &self.options
    }

    /// The id of the unknown token.
    pub fn unk_id(&self) -> TokenId {
        self.unk
    }
}
