//! The components of a `tokenizer.json` beside the model.

use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::formats::node::{Node, shown};
use crate::ids::TokenId;
use crate::normalize::{BertNormalizer, Normalizer};
use crate::postprocess::{PostProcessor, TemplatePiece, TemplateProcessing, TemplateSpecial};
use crate::pretokenize::{PreTokenizer, SplitBehavior};
use crate::regex::Pattern;

/// The types that the format knows, by slot: what is none of them is not only unsupported.
const NORMALIZERS: [&str; 14] = [
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Prepend",
    "Replace",
    "Sequence",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: [&str; 12] = [
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Digits",
    "FixedLength",
    "Metaspace",
    "Punctuation",
    "Sequence",
    "Split",
    "UnicodeScripts",
    "Whitespace",
    "WhitespaceSplit",
];
const POST_PROCESSORS: [&str; 5] =
    ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"];
const DECODERS: [&str; 10] = [
    "BPEDecoder",
    "ByteFallback",
    "ByteLevel",
    "CTC",
    "Fuse",
    "Metaspace",
    "Replace",
    "Sequence",
    "Strip",
    "WordPiece",
];

/// A slot of the file, and how to tell what stands in it.
struct Slot {
    name: &'static str,
    known: &'static [&'static str],
    /// Types that old files leave out, with the fields that give each away, in the order in which
    /// the reference library tries them.
    untyped: &'static [(&'static str, &'static [&'static str])],
}

impl Slot {
    /// The type of a component.
    fn kind<'a>(&self, node: &Node<'a>) -> Result<&'a str> {
        if let Some(kind) = node.optional("type")? {
            let given = kind.string()?;
            if self.known.contains(&given) {
                return Ok(given);
            }
            return Err(kind.fail(format!("there is no {} type {}", self.name, shown(given))));
        }
        for (kind, fields) in self.untyped {
            let mut present = true;
            for field in *fields {
                present &= node.optional(field)?.is_some();
            }
            if present {
                return Ok(kind);
            }
        }
        Err(node.fail("the field `type` is missing, and the other fields do not tell it"))
    }

    fn unsupported<T>(&self, node: &Node<'_>, kind: &str) -> Result<T> {
        Err(Error::unsupported(format!("{} type `{kind}`", self.name), node.path()))
    }
}

const NORMALIZER: Slot = Slot {
    name: "normalizer",
    known: &NORMALIZERS,
    untyped: &[("BertNormalizer", &["clean_text", "handle_chinese_chars", "lowercase"])],
};
const PRE_TOKENIZER: Slot = Slot {
    name: "pre_tokenizer",
    known: &PRE_TOKENIZERS,
    untyped: &[("Metaspace", &["replacement"])],
};
const POST_PROCESSOR: Slot = Slot {
    name: "post_processor",
    known: &POST_PROCESSORS,
    untyped: &[
        ("RobertaProcessing", &["sep", "cls", "trim_offsets", "add_prefix_space"]),
        ("BertProcessing", &["sep", "cls"]),
        ("TemplateProcessing", &["single", "pair", "special_tokens"]),
    ],
};
const DECODER: Slot = Slot {
    name: "decoder",
    known: &DECODERS,
    untyped: &[
        ("BPEDecoder", &["suffix"]),
        ("WordPiece", &["prefix", "cleanup"]),
        ("Metaspace", &["replacement"]),
        ("CTC", &["pad_token", "word_delimiter_token", "cleanup"]),
        ("Replace", &["pattern", "content"]),
        ("Strip", &["content", "start", "stop"]),
    ],
};

pub(in crate::formats) fn normalizer(node: &Node<'_>) -> Result<Normalizer> {
    match NORMALIZER.kind(node)? {
        "BertNormalizer" => Ok(Normalizer::Bert(BertNormalizer {
            clean_text: node.field("clean_text")?.boolean()?,
            handle_chinese_chars: node.field("handle_chinese_chars")?.boolean()?,
            strip_accents: match node.optional("strip_accents")? {
                Some(strip) => Some(strip.boolean()?),
                None => None,
            },
            lowercase: node.field("lowercase")?.boolean()?,
        })),
        kind => NORMALIZER.unsupported(node, kind),
    }
}

/// The three options that `ByteLevel` has in every slot.
fn byte_level(node: &Node<'_>) -> Result<(bool, bool, bool)> {
    let use_regex = match node.optional("use_regex")? {
        Some(use_regex) => use_regex.boolean()?,
        None => true,
    };
    Ok((
        node.field("add_prefix_space")?.boolean()?,
        node.field("trim_offsets")?.boolean()?,
        use_regex,
    ))
}

pub(in crate::formats) fn pre_tokenizer(node: &Node<'_>) -> Result<PreTokenizer> {
    match PRE_TOKENIZER.kind(node)? {
        "BertPreTokenizer" => Ok(PreTokenizer::Bert),
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            Ok(PreTokenizer::ByteLevel { add_prefix_space, trim_offsets, use_regex })
        }
        "Split" => Ok(PreTokenizer::Split {
            pattern: pattern(&node.field("pattern")?)?,
            behavior: node.field("behavior")?.choice(&[
                ("Removed", SplitBehavior::Removed),
                ("Isolated", SplitBehavior::Isolated),
                ("MergedWithPrevious", SplitBehavior::MergedWithPrevious),
                ("MergedWithNext", SplitBehavior::MergedWithNext),
                ("Contiguous", SplitBehavior::Contiguous),
            ])?,
            invert: node.field("invert")?.boolean()?,
        }),
        "Sequence" => {
            let parts = node.field("pretokenizers")?.items()?;
            Ok(PreTokenizer::Sequence(parts.iter().map(pre_tokenizer).collect::<Result<_>>()?))
        }
        kind => PRE_TOKENIZER.unsupported(node, kind),
    }
}

fn pattern(node: &Node<'_>) -> Result<Pattern> {
    match node.variant()? {
        ("String", text) => Ok(Pattern::String(text.string()?.to_owned())),
        ("Regex", text) => Ok(Pattern::Regex(text.string()?.to_owned())),
        _ => Err(node.fail("expected {\"String\": text} or {\"Regex\": pattern}")),
    }
}

pub(super) fn post_processor(node: &Node<'_>) -> Result<PostProcessor> {
    let processor = any_post_processor(node)?;
    processor.check().map_err(|error| node.adopt(error))?;
    Ok(processor)
}

fn any_post_processor(node: &Node<'_>) -> Result<PostProcessor> {
    match POST_PROCESSOR.kind(node)? {
        "BertProcessing" => Ok(PostProcessor::Bert {
            sep: token_and_id(&node.field("sep")?)?,
            cls: token_and_id(&node.field("cls")?)?,
        }),
        "RobertaProcessing" => Ok(PostProcessor::Roberta {
            sep: token_and_id(&node.field("sep")?)?,
            cls: token_and_id(&node.field("cls")?)?,
            trim_offsets: node.field("trim_offsets")?.boolean()?,
            add_prefix_space: node.field("add_prefix_space")?.boolean()?,
        }),
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            Ok(PostProcessor::ByteLevel { add_prefix_space, trim_offsets, use_regex })
        }
        "TemplateProcessing" => template(node).map(PostProcessor::Template),
        "Sequence" => {
            let members = node.field("processors")?.items()?;
            let members = members.iter().map(any_post_processor).collect::<Result<_>>()?;
            Ok(PostProcessor::Sequence(members))
        }
        kind => POST_PROCESSOR.unsupported(node, kind),
    }
}

fn token_and_id(node: &Node<'_>) -> Result<(String, TokenId)> {
    match node.items()?.as_slice() {
        [token, id] => Ok((token.string()?.to_owned(), id.id()?)),
        _ => Err(node.fail("expected a list of a token and its id")),
    }
}

fn template(node: &Node<'_>) -> Result<TemplateProcessing> {
    let pieces = |key| -> Result<Vec<TemplatePiece>> {
        node.field(key)?.items()?.iter().map(template_piece).collect()
    };
    let special = |(name, special): (&str, Node<'_>)| {
        let ids = special.field("ids")?.items()?;
        let tokens = special.field("tokens")?.items()?;
        special.field("id")?.string()?;
        Ok(TemplateSpecial {
            name: name.to_owned(),
            ids: ids.iter().map(Node::id).collect::<Result<_>>()?,
            tokens: tokens.iter().map(|t| t.string().map(str::to_owned)).collect::<Result<_>>()?,
        })
    };
    let specials = node.field("special_tokens")?.fields()?;
    let specials = specials.into_iter().map(special).collect::<Result<_>>()?;
    TemplateProcessing::new(pieces("single")?, pieces("pair")?, specials)
        .map_err(|error| node.adopt(error))
}

fn template_piece(node: &Node<'_>) -> Result<TemplatePiece> {
    let (kind, piece) = node.variant()?;
    match kind {
        "Sequence" => Ok(TemplatePiece::Sequence {
            index: piece.field("id")?.choice(&[("A", 0), ("B", 1)])?,
            type_id: piece.field("type_id")?.u32()?,
        }),
        "SpecialToken" => Ok(TemplatePiece::Special {
            name: piece.field("id")?.string()?.to_owned(),
            type_id: piece.field("type_id")?.u32()?,
        }),
        _ => Err(node.fail("expected {\"Sequence\": ...} or {\"SpecialToken\": ...}")),
    }
}

pub(super) fn decoder(node: &Node<'_>) -> Result<Decoder> {
    match DECODER.kind(node)? {
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            Ok(Decoder::ByteLevel { add_prefix_space, trim_offsets, use_regex })
        }
        "WordPiece" => Ok(Decoder::WordPiece {
            prefix: node.field("prefix")?.string()?.to_owned(),
            cleanup: node.field("cleanup")?.boolean()?,
        }),
        kind => DECODER.unsupported(node, kind),
    }
}
