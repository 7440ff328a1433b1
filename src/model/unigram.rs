//! Unigram language models (Kudo 2018): the most likely segmentation of a piece.

use super::vocab::Vocab;
use crate::error::Result;
use crate::ids::TokenId;

/// How a model treats what it has no token for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnigramOptions {
    /// The token of characters that have none.
    pub unk_id: Option<TokenId>,
    /// A character without a token becomes tokens of its bytes, such as `<0x0A>`.
    pub byte_fallback: bool,
}

/// A unigram model.
#[derive(Clone, Debug)]
pub struct Unigram {
    vocab: Vocab,
    scores: Vec<f64>,
    options: UnigramOptions,
}

impl Unigram {
    /// A model out of tokens and their log probabilities; ids are positions.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when the model contradicts itself.
    pub fn new(entries: Vec<(String, f64)>, options: UnigramOptions) -> Result<Self> {
        let scores = entries.iter().map(|&(_, score)| score).collect();
        let entries = (0..).zip(entries).map(|(id, (token, _))| (token, id)).collect();
        Ok(Self { vocab: Vocab::new(entries)?, scores, options })
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The log probability of each id.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// How the model treats what it has no token for.
    pub fn options(&self) -> &UnigramOptions {
        &self.options
    }
}
