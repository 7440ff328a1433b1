//! Writing a `tokenizer.json`.

// Byte for byte what tokenizers 0.23.3 writes for the same tokenizer: its order of keys, the
// vocabulary in the order of ids, nothing escaped that JSON does not want escaped. So a file that
// went through the reference once can be compared by its bytes, and equal tokenizers have equal
// files whatever they were read from.

mod components;

use std::io::{self, Write};

use hashbrown::HashSet;
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};

pub(super) use components::{DecoderOut, NormalizerOut, PostProcessorOut, PreTokenizerOut};

use crate::ids::{Pair, TokenId};
use crate::model::{Model, Unigram, Vocab};
use crate::postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{AddedToken, Tokenizer};

/// Writes a tokenizer; `pre_tokenizer` stands for its own. `pretty` breaks lines and indents by two
/// spaces.
pub(super) fn write(
    tokenizer: &Tokenizer,
    pre_tokenizer: Option<&PreTokenizer>,
    pretty: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let declaration = tokenizer.declaration();
    let mut added: Vec<_> =
        tokenizer.added_tokens().map(|(id, token)| Added::new(id, token)).collect();
    added.sort_by_key(|added| added.id);
    let file = File {
        version: "1.0",
        truncation: declaration.truncation.as_ref().map(Truncation::new),
        padding: declaration.padding.as_ref().map(Padding::new),
        added_tokens: added,
        normalizer: declaration.normalizer.as_ref().map(NormalizerOut::new),
        pre_tokenizer: pre_tokenizer.map(PreTokenizerOut::new),
        post_processor: declaration.post_processor.as_ref().map(PostProcessorOut::new),
        decoder: declaration.decoder.as_ref().map(DecoderOut::new),
        model: ModelOut::new(&declaration.model),
    };
    let written = if pretty {
        serde_json::to_writer_pretty(out, &file)
    } else {
        serde_json::to_writer(out, &file)
    };
    written.map_err(io::Error::from)
}

#[derive(serde::Serialize)]
struct File<'a> {
    version: &'static str,
    truncation: Option<Truncation>,
    padding: Option<Padding<'a>>,
    added_tokens: Vec<Added<'a>>,
    normalizer: Option<NormalizerOut<'a>>,
    pre_tokenizer: Option<PreTokenizerOut<'a>>,
    post_processor: Option<PostProcessorOut<'a>>,
    decoder: Option<DecoderOut<'a>>,
    model: ModelOut<'a>,
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Left => "Left",
        Direction::Right => "Right",
    }
}

#[derive(serde::Serialize)]
struct Truncation {
    direction: &'static str,
    max_length: usize,
    strategy: &'static str,
    stride: usize,
}

impl Truncation {
    fn new(params: &TruncationParams) -> Self {
        Self {
            direction: direction(params.direction),
            max_length: params.max_length,
            strategy: match params.strategy {
                TruncationStrategy::LongestFirst => "LongestFirst",
                TruncationStrategy::OnlyFirst => "OnlyFirst",
                TruncationStrategy::OnlySecond => "OnlySecond",
            },
            stride: params.stride,
        }
    }
}

#[derive(serde::Serialize)]
enum PaddingStrategyOut {
    BatchLongest,
    Fixed(usize),
}

#[derive(serde::Serialize)]
struct Padding<'a> {
    strategy: PaddingStrategyOut,
    direction: &'static str,
    pad_to_multiple_of: Option<usize>,
    pad_id: TokenId,
    pad_type_id: u32,
    pad_token: &'a str,
}

impl<'a> Padding<'a> {
    fn new(params: &'a PaddingParams) -> Self {
        Self {
            strategy: match params.strategy {
                PaddingStrategy::BatchLongest => PaddingStrategyOut::BatchLongest,
                PaddingStrategy::Fixed(length) => PaddingStrategyOut::Fixed(length),
            },
            direction: direction(params.direction),
            pad_to_multiple_of: params.pad_to_multiple_of,
            pad_id: params.pad_id,
            pad_type_id: params.pad_type_id,
            pad_token: &params.pad_token,
        }
    }
}

#[derive(serde::Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of the format")]
struct Added<'a> {
    id: TokenId,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl<'a> Added<'a> {
    fn new(id: TokenId, token: &'a AddedToken) -> Self {
        Self {
            id,
            content: &token.content,
            single_word: token.single_word,
            lstrip: token.lstrip,
            rstrip: token.rstrip,
            normalized: token.normalized,
            special: token.special,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum ModelOut<'a> {
    #[serde(rename = "BPE")]
    Bpe {
        dropout: Option<f32>,
        unk_token: Option<&'a str>,
        continuing_subword_prefix: Option<&'a str>,
        end_of_word_suffix: Option<&'a str>,
        fuse_unk: bool,
        byte_fallback: bool,
        ignore_merges: bool,
        vocab: VocabOut<'a>,
        merges: MergesOut<'a>,
    },
    WordPiece {
        unk_token: &'a str,
        continuing_subword_prefix: &'a str,
        max_input_chars_per_word: usize,
        vocab: VocabOut<'a>,
    },
    WordLevel {
        vocab: VocabOut<'a>,
        unk_token: &'a str,
    },
    Unigram {
        unk_id: Option<TokenId>,
        vocab: ScoresOut<'a>,
        byte_fallback: bool,
    },
    /// Never read: it is written by `sentencepiece/json.rs`.
    SentencePiece,
}

impl<'a> ModelOut<'a> {
    fn new(model: &'a Model) -> Self {
        let vocab = VocabOut(model.vocab());
        match model {
            Model::Bpe(bpe) => {
                let options = bpe.options();
                Self::Bpe {
                    dropout: options.dropout,
                    unk_token: options.unk_token.as_deref(),
                    continuing_subword_prefix: options.continuing_subword_prefix.as_deref(),
                    end_of_word_suffix: options.end_of_word_suffix.as_deref(),
                    fuse_unk: options.fuse_unk,
                    byte_fallback: options.byte_fallback,
                    ignore_merges: options.ignore_merges,
                    vocab,
                    merges: MergesOut { vocab: model.vocab(), merges: bpe.merges() },
                }
            }
            Model::WordPiece(wordpiece) => {
                let options = wordpiece.options();
                Self::WordPiece {
                    unk_token: &options.unk_token,
                    continuing_subword_prefix: &options.continuing_subword_prefix,
                    max_input_chars_per_word: options.max_input_chars_per_word,
                    vocab,
                }
            }
            Model::WordLevel(wordlevel) => {
                Self::WordLevel { vocab, unk_token: wordlevel.unk_token() }
            }
            Model::Unigram(unigram) => Self::Unigram {
                unk_id: unigram.options().unk_id,
                vocab: ScoresOut(unigram),
                byte_fallback: unigram.options().byte_fallback,
            },
            Model::SentencePiece(_) => Self::SentencePiece,
        }
    }
}

/// Tokens and their scores as lists of two, in the order of ids.
struct ScoresOut<'a>(&'a Unigram);

impl Serialize for ScoresOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.vocab().iter().zip(self.0.scores());
        serializer.collect_seq(entries.map(|((_, token), score)| (token, score)))
    }
}

/// Tokens and ids as an object, in the order of ids.
struct VocabOut<'a>(&'a Vocab);

impl Serialize for VocabOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, token)| (token, id)))
    }
}

/// Merges as lists of two tokens.
struct MergesOut<'a> {
    vocab: &'a Vocab,
    merges: &'a [(TokenId, TokenId)],
}

impl Serialize for MergesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let token = |id| {
            let missing =
                || S::Error::custom(format_args!("a merge of id {id}, which is no token"));
            self.vocab.token(id).ok_or_else(missing)
        };
        // A pair that is listed twice has its last rank, and the reference library forgets the others.
        let mut later = HashSet::with_capacity(self.merges.len());
        let pairs = self.merges.iter().rev();
        let first: Vec<bool> =
            pairs.map(|&(left, right)| later.insert(Pair::new(left, right))).collect();
        let mut out = serializer.serialize_seq(Some(later.len()))?;
        for (&(left, right), _) in
            self.merges.iter().zip(first.iter().rev()).filter(|(_, kept)| **kept)
        {
            out.serialize_element(&[token(left)?, token(right)?])?;
        }
        out.end()
    }
}
