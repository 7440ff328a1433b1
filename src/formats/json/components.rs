//! The components of a `tokenizer.json` that come before the model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Result;
use crate::formats::node::{Node, shown};
use crate::normalize::{BertNormalizer, Normalizer, Precompiled, Replace};
use crate::pretokenize::{PreTokenizer, PrependScheme, SplitBehavior};
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
/// A slot of the file, and how to tell what stands in it.
pub(super) struct Slot {
    pub(super) name: &'static str,
    pub(super) known: &'static [&'static str],
    /// Types that old files leave out, with the fields that give each away, in the order in which
    /// the reference library tries them.
    pub(super) untyped: &'static [(&'static str, &'static [&'static str])],
}

impl Slot {
    /// The type of a component.
    pub(super) fn kind<'a>(&self, node: &Node<'a>) -> Result<&'a str> {
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

    /// What is wrong with a type that is known and that nobody reads.
    pub(super) fn unread<T>(&self, node: &Node<'_>, kind: &str) -> Result<T> {
        Err(node.fail(format!("{} type {} has no reader", self.name, shown(kind))))
    }
}

const NORMALIZER: Slot = Slot {
    name: "normalizer",
    known: &NORMALIZERS,
    untyped: &[
        ("BertNormalizer", &["clean_text", "handle_chinese_chars", "lowercase"]),
        ("Strip", &["strip_left", "strip_right"]),
        ("Sequence", &["normalizers"]),
        ("Replace", &["pattern", "content"]),
        ("Prepend", &["prepend"]),
    ],
};
const PRE_TOKENIZER: Slot = Slot { name: "pre_tokenizer", known: &PRE_TOKENIZERS, untyped: &[] };

pub(in crate::formats) fn normalizer(node: &Node<'_>) -> Result<Normalizer> {
    Ok(match NORMALIZER.kind(node)? {
        "BertNormalizer" => Normalizer::Bert(BertNormalizer {
            clean_text: node.field("clean_text")?.boolean()?,
            handle_chinese_chars: node.field("handle_chinese_chars")?.boolean()?,
            strip_accents: match node.optional("strip_accents")? {
                Some(strip) => Some(strip.boolean()?),
                None => None,
            },
            lowercase: node.field("lowercase")?.boolean()?,
        }),
        "ByteLevel" => Normalizer::ByteLevel,
        "Lowercase" => Normalizer::Lowercase,
        "NFC" => Normalizer::Nfc,
        "NFD" => Normalizer::Nfd,
        "NFKC" => Normalizer::Nfkc,
        "NFKD" => Normalizer::Nfkd,
        "Nmt" => Normalizer::Nmt,
        "Precompiled" => {
            Normalizer::Precompiled(precompiled(&node.field("precompiled_charsmap")?)?)
        }
        "Prepend" => Normalizer::Prepend(node.field("prepend")?.string()?.to_owned()),
        "Replace" => {
            let content = node.field("content")?.string()?;
            let replace = Replace::new(pattern(&node.field("pattern")?)?, content);
            Normalizer::Replace(replace.map_err(|error| node.adopt(error))?)
        }
        "Sequence" => {
            let members = node.field("normalizers")?.items()?;
            Normalizer::Sequence(members.iter().map(normalizer).collect::<Result<_>>()?)
        }
        "Strip" => Normalizer::Strip {
            left: node.field("strip_left")?.boolean()?,
            right: node.field("strip_right")?.boolean()?,
        },
        "StripAccents" => Normalizer::StripAccents,
        kind => return NORMALIZER.unread(node, kind),
    })
}

fn precompiled(node: &Node<'_>) -> Result<Precompiled> {
    let charsmap = STANDARD
        .decode(node.string()?)
        .map_err(|error| node.fail(format!("it is no base64: {error}")))?;
    Precompiled::new(&charsmap).map_err(|error| node.adopt(error))
}

/// The three options that `ByteLevel` has in every slot.
pub(super) fn byte_level(node: &Node<'_>) -> Result<(bool, bool, bool)> {
    let use_regex = match node.present("use_regex")? {
        Some(use_regex) => use_regex.boolean()?,
        None => true,
    };
    Ok((
        node.field("add_prefix_space")?.boolean()?,
        node.field("trim_offsets")?.boolean()?,
        use_regex,
    ))
}

/// The three options that `Metaspace` has in both slots, from any of its versions.
pub(super) fn metaspace(node: &Node<'_>) -> Result<(char, PrependScheme, bool)> {
    let prepend = match node.present("prepend_scheme")? {
        Some(scheme) => scheme.choice(&[
            ("first", PrependScheme::First),
            ("never", PrependScheme::Never),
            ("always", PrependScheme::Always),
        ])?,
        None => PrependScheme::Always,
    };
    // Files from before the scheme had a flag; the reference library believes it where both agree.
    if let Some(flag) = node.optional("add_prefix_space")?
        && !flag.boolean()?
        && prepend != PrependScheme::Never
    {
        return Err(flag.fail("it is false, and then `prepend_scheme` must be \"never\""));
    }
    if let Some(text) = node.optional("str_rep")? {
        text.string()?;
    }
    let split = match node.optional("split")? {
        Some(split) => split.boolean()?,
        None => true,
    };
    Ok((node.field("replacement")?.character()?, prepend, split))
}

pub(in crate::formats) fn pre_tokenizer(node: &Node<'_>) -> Result<PreTokenizer> {
    Ok(match PRE_TOKENIZER.kind(node)? {
        "BertPreTokenizer" => PreTokenizer::Bert,
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            PreTokenizer::ByteLevel { add_prefix_space, trim_offsets, use_regex }
        }
        "CharDelimiterSplit" => {
            PreTokenizer::CharDelimiterSplit(node.field("delimiter")?.character()?)
        }
        "Digits" => {
            PreTokenizer::Digits { individual: node.field("individual_digits")?.boolean()? }
        }
        "FixedLength" => {
            let length = match node.present("length")? {
                Some(length) => match length.size()? {
                    0 => return Err(length.fail("pieces of 0 characters have no end")),
                    length => length,
                },
                None => 5,
            };
            PreTokenizer::FixedLength(length)
        }
        "Metaspace" => {
            let (replacement, prepend, split) = metaspace(node)?;
            PreTokenizer::Metaspace { replacement, prepend, split }
        }
        "Punctuation" => PreTokenizer::Punctuation(match node.present("behavior")? {
            Some(given) => behavior(&given)?,
            None => SplitBehavior::Isolated,
        }),
        "Sequence" => {
            let parts = node.field("pretokenizers")?.items()?;
            PreTokenizer::Sequence(parts.iter().map(pre_tokenizer).collect::<Result<_>>()?)
        }
        "Split" => PreTokenizer::Split {
            pattern: pattern(&node.field("pattern")?)?,
            behavior: behavior(&node.field("behavior")?)?,
            invert: node.field("invert")?.boolean()?,
        },
        "UnicodeScripts" => PreTokenizer::UnicodeScripts,
        "Whitespace" => PreTokenizer::Whitespace,
        "WhitespaceSplit" => PreTokenizer::WhitespaceSplit,
        kind => return PRE_TOKENIZER.unread(node, kind),
    })
}

fn behavior(node: &Node<'_>) -> Result<SplitBehavior> {
    node.choice(&[
        ("Removed", SplitBehavior::Removed),
        ("Isolated", SplitBehavior::Isolated),
        ("MergedWithPrevious", SplitBehavior::MergedWithPrevious),
        ("MergedWithNext", SplitBehavior::MergedWithNext),
        ("Contiguous", SplitBehavior::Contiguous),
    ])
}

pub(super) fn pattern(node: &Node<'_>) -> Result<Pattern> {
    match node.variant()? {
        ("String", text) => Ok(Pattern::String(text.string()?.to_owned())),
        ("Regex", text) => Ok(Pattern::Regex(text.string()?.to_owned())),
        _ => Err(node.fail("expected {\"String\": text} or {\"Regex\": pattern}")),
    }
}
