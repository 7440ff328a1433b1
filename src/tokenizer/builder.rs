//! The declaration of a tokenizer: its components, before they are compiled.

use super::added::AddedToken;
use crate::decode::Decoder;
use crate::model::Model;
use crate::normalize::Normalizer;
use crate::postprocess::PostProcessor;
use crate::postprocess::fit::{PaddingParams, TruncationParams};
use crate::pretokenize::PreTokenizer;
use crate::regex::Dialect;

/// What a tokenizer is made of, as files declare it. [`Tokenizer::build`](super::Tokenizer::build)
/// checks and compiles it.
#[derive(Clone, Debug)]
pub struct TokenizerBuilder {
    /// Rewrites the text.
    pub normalizer: Option<Normalizer>,
    /// Splits it into pieces.
    pub pre_tokenizer: Option<PreTokenizer>,
    /// Whose regular expressions the pre-tokenizer holds.
    pub dialect: Dialect,
    /// Turns pieces into ids.
    pub model: Model,
    /// Puts special tokens around texts.
    pub post_processor: Option<PostProcessor>,
    /// Turns ids back into text.
    pub decoder: Option<Decoder>,
    /// Tokens beside the model's, in the order in which they were added.
    pub added_tokens: Vec<AddedToken>,
    /// Kept for the file: a call says for itself how long a row may be.
    pub truncation: Option<TruncationParams>,
    /// Kept for the file. A call says for itself whether rows are filled up; the token is this one.
    pub padding: Option<PaddingParams>,
}

impl TokenizerBuilder {
    /// A tokenizer of a model alone.
    pub fn new(model: Model) -> Self {
        Self {
            normalizer: None,
            pre_tokenizer: None,
            dialect: Dialect::TokenizerJson,
            model,
            post_processor: None,
            decoder: None,
            added_tokens: Vec::new(),
            truncation: None,
            padding: None,
        }
    }
}
