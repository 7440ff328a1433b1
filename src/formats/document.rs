//! What a `tokenizer.json` says, as data: the declaration with its vocabulary not yet built. Tokens are
//! borrowed from the text where nothing in them is escaped.

use std::borrow::Cow;

use crate::decode::Decoder;
use crate::ids::TokenId;
use crate::model::{BpeOptions, UnigramOptions};
use crate::normalize::Normalizer;
use crate::postprocess::PostProcessor;
use crate::postprocess::fit::{PaddingParams, TruncationParams};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::AddedToken;

/// The content of a `tokenizer.json`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document<'a> {
    pub(crate) truncation: Option<TruncationParams>,
    pub(crate) padding: Option<PaddingParams>,
    /// In the order of the file, with the ids that the file claims. The reference library does not
    /// obey those: it hands out ids by the vocabulary and the order.
    pub(crate) added_tokens: Vec<(TokenId, AddedToken)>,
    pub(crate) normalizer: Option<Normalizer>,
    pub(crate) pre_tokenizer: Option<PreTokenizer>,
    pub(crate) post_processor: Option<PostProcessor>,
    pub(crate) decoder: Option<Decoder>,
    pub(crate) model: ModelDocument<'a>,
}

/// The model of a [`Document`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModelDocument<'a> {
    /// Byte-pair encoding.
    Bpe {
        /// Tokens and ids, in the order of the file.
        vocab: Vec<(Cow<'a, str>, TokenId)>,
        /// Pairs of tokens, the first with rank 0.
        merges: Vec<(Cow<'a, str>, Cow<'a, str>)>,
        /// How it departs from plain merging; the alphabet is not known before the rest is.
        options: BpeOptions,
    },
    /// The longest token first.
    WordPiece {
        /// Tokens and ids, in the order of the file.
        vocab: Vec<(Cow<'a, str>, TokenId)>,
        /// What stands for a word that cannot be split.
        unk_token: String,
        /// What marks a token that continues a word.
        continuing_subword_prefix: String,
        /// Longer words are unknown.
        max_input_chars_per_word: usize,
    },
    /// Whole pieces.
    WordLevel {
        /// Tokens and ids, in the order of the file.
        vocab: Vec<(Cow<'a, str>, TokenId)>,
        /// What stands for a piece that is no token.
        unk_token: String,
    },
    /// The most likely segmentation.
    Unigram {
        /// Tokens and scores; ids are positions.
        entries: Vec<(Cow<'a, str>, f64)>,
        /// How it treats what it has no token for.
        options: UnigramOptions,
    },
}
