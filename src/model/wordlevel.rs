//! Whole pieces: one that is no token is unknown.

use super::vocab::Vocab;
use crate::error::Result;

/// A vocabulary of whole pieces.
#[derive(Clone, Debug)]
pub struct WordLevel {
    vocab: Vocab,
    unk_token: String,
}

impl WordLevel {
    /// A model out of its tokens; `unk_token` stands for pieces that are none.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when the model contradicts itself.
    pub fn new(vocab: Vocab, unk_token: impl Into<String>) -> Result<Self> {
        Ok(Self { vocab, unk_token: unk_token.into() })
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The token of pieces that are none.
    pub fn unk_token(&self) -> &str {
        &self.unk_token
    }
}
