//! Writing a `tokenizer.json`.

// Byte for byte what tokenizers 0.23.3 writes for the same tokenizer: its order of keys, the
// vocabulary in the order of ids, nothing escaped that JSON does not want escaped. So a file that
// went through the reference once can be compared by its bytes, and equal tokenizers have equal
// files whatever they were read from.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};

use crate::decode::Decoder;
use crate::ids::TokenId;
use crate::model::{Model, Vocab};
use crate::normalize::Normalizer;
use crate::postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
use crate::postprocess::{PostProcessor, TemplatePiece, TemplateProcessing};
use crate::pretokenize::{PreTokenizer, SplitBehavior};
use crate::regex::Pattern;
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
    normalizer: Option<NormalizerOut>,
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
pub(super) enum NormalizerOut {
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

impl NormalizerOut {
    pub(super) fn new(normalizer: &Normalizer) -> Self {
        match normalizer {
            Normalizer::Bert(bert) => Self::BertNormalizer {
                clean_text: bert.clean_text,
                handle_chinese_chars: bert.handle_chinese_chars,
                strip_accents: bert.strip_accents,
                lowercase: bert.lowercase,
            },
            _ => unimplemented!(),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
pub(super) enum PreTokenizerOut<'a> {
    ByteLevel { add_prefix_space: bool, trim_offsets: bool, use_regex: bool },
    Split { pattern: PatternOut<'a>, behavior: &'static str, invert: bool },
    BertPreTokenizer,
    Sequence { pretokenizers: Vec<Self> },
}

#[derive(serde::Serialize)]
pub(super) enum PatternOut<'a> {
    String(&'a str),
    Regex(&'a str),
}

impl<'a> PreTokenizerOut<'a> {
    pub(super) fn new(pre_tokenizer: &'a PreTokenizer) -> Self {
        match pre_tokenizer {
            PreTokenizer::ByteLevel { add_prefix_space, trim_offsets, use_regex } => {
                Self::ByteLevel {
                    add_prefix_space: *add_prefix_space,
                    trim_offsets: *trim_offsets,
                    use_regex: *use_regex,
                }
            }
            PreTokenizer::Split { pattern, behavior, invert } => Self::Split {
                pattern: match pattern {
                    Pattern::String(text) => PatternOut::String(text),
                    Pattern::Regex(text) => PatternOut::Regex(text),
                },
                behavior: match behavior {
                    SplitBehavior::Removed => "Removed",
                    SplitBehavior::Isolated => "Isolated",
                    SplitBehavior::MergedWithPrevious => "MergedWithPrevious",
                    SplitBehavior::MergedWithNext => "MergedWithNext",
                    SplitBehavior::Contiguous => "Contiguous",
                },
                invert: *invert,
            },
            PreTokenizer::Bert => Self::BertPreTokenizer,
            PreTokenizer::Sequence(parts) => {
                Self::Sequence { pretokenizers: parts.iter().map(PreTokenizerOut::new).collect() }
            }
            _ => unimplemented!(),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum PostProcessorOut<'a> {
    TemplateProcessing {
        single: Vec<PieceOut<'a>>,
        pair: Vec<PieceOut<'a>>,
        special_tokens: BTreeMap<&'a str, SpecialOut<'a>>,
    },
    BertProcessing {
        sep: &'a (String, TokenId),
        cls: &'a (String, TokenId),
    },
    RobertaProcessing {
        sep: &'a (String, TokenId),
        cls: &'a (String, TokenId),
        trim_offsets: bool,
        add_prefix_space: bool,
    },
    ByteLevel {
        add_prefix_space: bool,
        trim_offsets: bool,
        use_regex: bool,
    },
    Sequence {
        processors: Vec<Self>,
    },
}

#[derive(serde::Serialize)]
enum PieceOut<'a> {
    Sequence { id: &'static str, type_id: u32 },
    SpecialToken { id: &'a str, type_id: u32 },
}

#[derive(serde::Serialize)]
struct SpecialOut<'a> {
    id: &'a str,
    ids: &'a [TokenId],
    tokens: &'a [String],
}

impl<'a> PostProcessorOut<'a> {
    fn new(processor: &'a PostProcessor) -> Self {
        match processor {
            PostProcessor::Template(template) => Self::template(template),
            PostProcessor::Bert { sep, cls } => Self::BertProcessing { sep, cls },
            PostProcessor::Roberta { sep, cls, trim_offsets, add_prefix_space } => {
                Self::RobertaProcessing {
                    sep,
                    cls,
                    trim_offsets: *trim_offsets,
                    add_prefix_space: *add_prefix_space,
                }
            }
            PostProcessor::ByteLevel { add_prefix_space, trim_offsets, use_regex } => {
                Self::ByteLevel {
                    add_prefix_space: *add_prefix_space,
                    trim_offsets: *trim_offsets,
                    use_regex: *use_regex,
                }
            }
            PostProcessor::Sequence(members) => {
                Self::Sequence { processors: members.iter().map(PostProcessorOut::new).collect() }
            }
        }
    }

    fn template(template: &'a TemplateProcessing) -> Self {
        let piece = |piece: &'a TemplatePiece| match piece {
            TemplatePiece::Sequence { index, type_id } => {
                PieceOut::Sequence { id: if *index == 0 { "A" } else { "B" }, type_id: *type_id }
            }
            TemplatePiece::Special { name, type_id } => {
                PieceOut::SpecialToken { id: name, type_id: *type_id }
            }
        };
        let special = template.special_tokens().iter().map(|special| {
            let name = special.name.as_str();
            (name, SpecialOut { id: name, ids: &special.ids, tokens: &special.tokens })
        });
        Self::TemplateProcessing {
            single: template.single().iter().map(piece).collect(),
            pair: template.pair().iter().map(piece).collect(),
            special_tokens: special.collect(),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum DecoderOut<'a> {
    ByteLevel { add_prefix_space: bool, trim_offsets: bool, use_regex: bool },
    WordPiece { prefix: &'a str, cleanup: bool },
    /// Never read: with the model that it belongs to it is written by `sentencepiece/json.rs`.
    SentencePiece,
}

impl<'a> DecoderOut<'a> {
    fn new(decoder: &'a Decoder) -> Self {
        match decoder {
            Decoder::ByteLevel { add_prefix_space, trim_offsets, use_regex } => Self::ByteLevel {
                add_prefix_space: *add_prefix_space,
                trim_offsets: *trim_offsets,
                use_regex: *use_regex,
            },
            Decoder::WordPiece { prefix, cleanup } => Self::WordPiece { prefix, cleanup: *cleanup },
            Decoder::SentencePiece(_) => Self::SentencePiece,
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
}

impl<'a> ModelOut<'a> {
    fn new(model: &'a Model) -> Self {
        let vocab = VocabOut(model.vocab());
        match model {
            Model::Bpe(bpe) => Self::Bpe {
                dropout: None,
                unk_token: None,
                continuing_subword_prefix: None,
                end_of_word_suffix: None,
                fuse_unk: false,
                byte_fallback: false,
                ignore_merges: bpe.options().ignore_merges,
                vocab,
                merges: MergesOut { vocab: model.vocab(), merges: bpe.merges() },
            },
            Model::WordPiece(wordpiece) => {
                let options = wordpiece.options();
                Self::WordPiece {
                    unk_token: &options.unk_token,
                    continuing_subword_prefix: &options.continuing_subword_prefix,
                    max_input_chars_per_word: options.max_input_chars_per_word,
                    vocab,
                }
            }
            _ => unimplemented!(),
        }
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
        let mut out = serializer.serialize_seq(Some(self.merges.len()))?;
        for &(left, right) in self.merges {
            out.serialize_element(&[token(left)?, token(right)?])?;
        }
        out.end()
    }
}
