//! The components as the reference library writes them: its names, its order of fields.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decode::Decoder;
use crate::ids::TokenId;
use crate::normalize::Normalizer;
use crate::postprocess::{PostProcessor, TemplatePiece, TemplateProcessing};
use crate::pretokenize::{PreTokenizer, PrependScheme, SplitBehavior};
use crate::regex::Pattern;

#[derive(serde::Serialize)]
#[serde(tag = "type")]
pub(in crate::formats) enum NormalizerOut<'a> {
    /// As the decoder of that name.
    SentencePiece,
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
    ByteLevel,
    Lowercase,
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Nmt,
    Precompiled {
        precompiled_charsmap: String,
    },
    Prepend {
        prepend: &'a str,
    },
    Replace {
        pattern: PatternOut<'a>,
        content: &'a str,
    },
    Sequence {
        normalizers: Vec<Self>,
    },
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    StripAccents,
}

impl<'a> NormalizerOut<'a> {
    pub(in crate::formats) fn new(normalizer: &'a Normalizer) -> Self {
        match normalizer {
            Normalizer::Bert(bert) => Self::BertNormalizer {
                clean_text: bert.clean_text,
                handle_chinese_chars: bert.handle_chinese_chars,
                strip_accents: bert.strip_accents,
                lowercase: bert.lowercase,
            },
            Normalizer::ByteLevel => Self::ByteLevel,
            Normalizer::Lowercase => Self::Lowercase,
            Normalizer::Nfc => Self::Nfc,
            Normalizer::Nfd => Self::Nfd,
            Normalizer::Nfkc => Self::Nfkc,
            Normalizer::Nfkd => Self::Nfkd,
            Normalizer::Nmt => Self::Nmt,
            Normalizer::Precompiled(precompiled) => {
                Self::Precompiled { precompiled_charsmap: STANDARD.encode(precompiled.charsmap()) }
            }
            Normalizer::Prepend(prepend) => Self::Prepend { prepend },
            Normalizer::Replace(replace) => Self::Replace {
                pattern: PatternOut::new(replace.pattern()),
                content: replace.content(),
            },
            Normalizer::Sequence(members) => {
                Self::Sequence { normalizers: members.iter().map(NormalizerOut::new).collect() }
            }
            Normalizer::Strip { left, right } => {
                Self::Strip { strip_left: *left, strip_right: *right }
            }
            Normalizer::SentencePiece(_) => Self::SentencePiece,
            Normalizer::StripAccents => Self::StripAccents,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
pub(in crate::formats) enum PreTokenizerOut<'a> {
    BertPreTokenizer,
    ByteLevel { add_prefix_space: bool, trim_offsets: bool, use_regex: bool },
    CharDelimiterSplit { delimiter: char },
    Digits { individual_digits: bool },
    FixedLength { length: usize },
    Metaspace { replacement: char, prepend_scheme: &'static str, split: bool },
    Punctuation { behavior: &'static str },
    Sequence { pretokenizers: Vec<Self> },
    Split { pattern: PatternOut<'a>, behavior: &'static str, invert: bool },
    UnicodeScripts,
    Whitespace,
    WhitespaceSplit,
}

#[derive(serde::Serialize)]
pub(in crate::formats) enum PatternOut<'a> {
    String(&'a str),
    Regex(&'a str),
}

impl<'a> PatternOut<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        match pattern {
            Pattern::String(text) => Self::String(text),
            Pattern::Regex(text) => Self::Regex(text),
        }
    }
}

fn behavior(behavior: SplitBehavior) -> &'static str {
    match behavior {
        SplitBehavior::Removed => "Removed",
        SplitBehavior::Isolated => "Isolated",
        SplitBehavior::MergedWithPrevious => "MergedWithPrevious",
        SplitBehavior::MergedWithNext => "MergedWithNext",
        SplitBehavior::Contiguous => "Contiguous",
    }
}

fn prepend_scheme(scheme: PrependScheme) -> &'static str {
    match scheme {
        PrependScheme::Always => "always",
        PrependScheme::First => "first",
        PrependScheme::Never => "never",
    }
}

impl<'a> PreTokenizerOut<'a> {
    pub(in crate::formats) fn new(pre_tokenizer: &'a PreTokenizer) -> Self {
        match pre_tokenizer {
            PreTokenizer::Bert => Self::BertPreTokenizer,
            PreTokenizer::ByteLevel { add_prefix_space, trim_offsets, use_regex } => {
                Self::ByteLevel {
                    add_prefix_space: *add_prefix_space,
                    trim_offsets: *trim_offsets,
                    use_regex: *use_regex,
                }
            }
            PreTokenizer::CharDelimiterSplit(delimiter) => {
                Self::CharDelimiterSplit { delimiter: *delimiter }
            }
            PreTokenizer::Digits { individual } => Self::Digits { individual_digits: *individual },
            PreTokenizer::FixedLength(length) => Self::FixedLength { length: *length },
            PreTokenizer::Metaspace { replacement, prepend, split } => Self::Metaspace {
                replacement: *replacement,
                prepend_scheme: prepend_scheme(*prepend),
                split: *split,
            },
            PreTokenizer::Punctuation(of) => Self::Punctuation { behavior: behavior(*of) },
            PreTokenizer::Sequence(parts) => {
                Self::Sequence { pretokenizers: parts.iter().map(PreTokenizerOut::new).collect() }
            }
            PreTokenizer::Split { pattern, behavior: of, invert } => Self::Split {
                pattern: PatternOut::new(pattern),
                behavior: behavior(*of),
                invert: *invert,
            },
            PreTokenizer::UnicodeScripts => Self::UnicodeScripts,
            PreTokenizer::Whitespace => Self::Whitespace,
            PreTokenizer::WhitespaceSplit => Self::WhitespaceSplit,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
pub(in crate::formats) enum PostProcessorOut<'a> {
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
pub(in crate::formats) enum PieceOut<'a> {
    Sequence { id: &'static str, type_id: u32 },
    SpecialToken { id: &'a str, type_id: u32 },
}

#[derive(serde::Serialize)]
pub(in crate::formats) struct SpecialOut<'a> {
    id: &'a str,
    ids: &'a [TokenId],
    tokens: &'a [String],
}

impl<'a> PostProcessorOut<'a> {
    pub(in crate::formats) fn new(processor: &'a PostProcessor) -> Self {
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
            (name, SpecialOut { id: &special.id, ids: &special.ids, tokens: &special.tokens })
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
pub(in crate::formats) enum DecoderOut<'a> {
    /// Never read: with the model that it belongs to it is written by `sentencepiece/json.rs`.
    SentencePiece,
    #[serde(rename = "BPEDecoder")]
    Bpe {
        suffix: &'a str,
    },
    ByteFallback,
    ByteLevel {
        add_prefix_space: bool,
        trim_offsets: bool,
        use_regex: bool,
    },
    #[serde(rename = "CTC")]
    Ctc {
        pad_token: &'a str,
        word_delimiter_token: &'a str,
        cleanup: bool,
    },
    Fuse,
    Metaspace {
        replacement: char,
        prepend_scheme: &'static str,
        split: bool,
    },
    Replace {
        pattern: PatternOut<'a>,
        content: &'a str,
    },
    Sequence {
        decoders: Vec<Self>,
    },
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    WordPiece {
        prefix: &'a str,
        cleanup: bool,
    },
}

impl<'a> DecoderOut<'a> {
    pub(in crate::formats) fn new(decoder: &'a Decoder) -> Self {
        match decoder {
            Decoder::Bpe { suffix } => Self::Bpe { suffix },
            Decoder::ByteFallback => Self::ByteFallback,
            Decoder::ByteLevel { add_prefix_space, trim_offsets, use_regex } => Self::ByteLevel {
                add_prefix_space: *add_prefix_space,
                trim_offsets: *trim_offsets,
                use_regex: *use_regex,
            },
            Decoder::Ctc { pad_token, word_delimiter_token, cleanup } => {
                Self::Ctc { pad_token, word_delimiter_token, cleanup: *cleanup }
            }
            Decoder::Fuse => Self::Fuse,
            Decoder::SentencePiece(_) => Self::SentencePiece,
            Decoder::Metaspace { replacement, prepend, split } => Self::Metaspace {
                replacement: *replacement,
                prepend_scheme: prepend_scheme(*prepend),
                split: *split,
            },
            Decoder::Replace { pattern, content } => {
                Self::Replace { pattern: PatternOut::new(pattern), content }
            }
            Decoder::Sequence(members) => {
                Self::Sequence { decoders: members.iter().map(DecoderOut::new).collect() }
            }
            Decoder::Strip { content, start, stop } => {
                Self::Strip { content: *content, start: *start, stop: *stop }
            }
            Decoder::WordPiece { prefix, cleanup } => Self::WordPiece { prefix, cleanup: *cleanup },
        }
    }
}
