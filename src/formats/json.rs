//! `tokenizer.json`, version 1.0, as tokenizers 0.23.3 reads and writes it; version 2.0 is read.
//!
//! What this version cannot do justice to is refused by name, with the path to it. Files from before
//! components had a `type` are understood where the reference library understands them.

// The reference library guesses by the fields when a type is missing *or unknown*. Only the first is
// done here: a type that nobody knows is an error, whatever fields stand beside it. The guess also
// takes a `RobertaProcessing` that lacks a field for a `BertProcessing`; with a type there, a missing
// field is an error here. The other way round, a `BertProcessing` with all fields of the other is read
// as the other, as there: what is accepted is never read differently.

mod components;
mod model;
mod outputs;
mod v2;

pub(super) use components::{normalizer, pre_tokenizer};
pub(super) use outputs::{decoder, post_processor};

use serde_json::Value;

use super::document::Document;
use super::json_read::{Part, Source};
use super::node::{Node, shown_key};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
use crate::tokenizer::AddedToken;

/// The name of the format in errors.
pub(crate) const FORMAT: &str = "tokenizer.json";

/// Reads a `tokenizer.json`.
///
/// # Errors
/// [`Error::Format`] with the line and column of a syntax error, or the path of what does not belong
/// there; [`Error::Unsupported`] with the name and path of what is not supported yet.
pub(crate) fn read_document(bytes: &[u8]) -> Result<Document<'_>> {
    let (fields, ahead) = Source::new(FORMAT, bytes)?.document()?;
    // Keys first: a file of another kind is better told by its keys than by their content.
    let known = |key: &str| KEYS.contains(&key) || key == ROLES;
    if let Some((key, _)) = fields.iter().find(|(key, _)| !known(key)) {
        let problem = format!("a tokenizer.json has only {}", KEYS.join(", "));
        return Err(Error::format(FORMAT, shown_key(key), problem));
    }
    let part = |key: &str| fields.iter().find(|(name, _)| name == key).map(|&(_, part)| part);
    let version = part("version").map_or(Ok(Version::One), version)?;
    if version == Version::One && part(ROLES).is_some() {
        return Err(Error::format(FORMAT, ROLES, "only version 2.0 has this key"));
    }
    let Some(model_part) = part("model") else {
        return Err(Error::format(FORMAT, "", "the key `model` is missing"));
    };
    let added_tokens = match part("added_tokens") {
        Some(part) => {
            added_tokens(&Node::new(&part.value("added_tokens", MAX_ADDED_BYTES)?, "added_tokens"))?
        }
        None => Vec::new(),
    };
    let value = |key| match part(key) {
        Some(part) => part.value(key, MAX_COMPONENT_BYTES),
        None => Ok(Value::Null),
    };
    let (mut normalizer, mut pre_tokenizer) = (value("normalizer")?, value("pre_tokenizer")?);
    let mut decoder = value("decoder")?;
    if version == Version::Two {
        let byte_level = model::byte_level(model_part)?;
        (normalizer, pre_tokenizer) = v2::before_model(normalizer, pre_tokenizer, byte_level)?;
        decoder = v2::decoder(decoder);
    }
    // Small parts first: what is wrong with them need not wait for the large one.
    let truncation = component(&value("truncation")?, "truncation", truncation)?;
    let padding = component(&value("padding")?, "padding", padding)?;
    let normalizer = component(&normalizer, "normalizer", components::normalizer)?;
    let pre_tokenizer = component(&pre_tokenizer, "pre_tokenizer", components::pre_tokenizer)?;
    let post = value("post_processor")?;
    let mut post_processor = None;
    if version == Version::One {
        post_processor = component(&post, "post_processor", outputs::post_processor)?;
    }
    let decoder = component(&decoder, "decoder", outputs::decoder)?;
    let model = model::read(model_part, ahead)?;
    if version == Version::Two {
        v2::check_ids(&added_tokens, &model)?;
        let tokens = v2::Tokens { model: &model, added: &added_tokens };
        let read = |node: &Node<'_>| v2::post_processor(node, &tokens);
        post_processor = component(&post, "post_processor", read)?;
    }
    Ok(Document {
        truncation,
        padding,
        added_tokens,
        normalizer,
        pre_tokenizer,
        post_processor,
        decoder,
        model,
    })
}

/// A key that files of version 2.0 have beside the others.
const ROLES: &str = "role_to_token";

/// The keys of a file, in the order in which they are written.
pub(super) const KEYS: [&str; 9] = [
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
];

/// The longest text of a component. Real ones have a few hundred bytes, and half a megabyte with
/// tables of characters in them.
const MAX_COMPONENT_BYTES: usize = 16 << 20;
/// The longest text of all added tokens, which are some 130 bytes each.
const MAX_ADDED_BYTES: usize = 64 << 20;

fn component<T>(
    value: &Value,
    path: &str,
    read: impl FnOnce(&Node<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if value.is_null() { Ok(None) } else { read(&Node::new(value, path)).map(Some) }
}

/// The versions of the format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

fn version(part: Part<'_>) -> Result<Version> {
    let value = part.value("version", MAX_COMPONENT_BYTES)?;
    let node = Node::new(&value, "version");
    match node.string()? {
        "1.0" => Ok(Version::One),
        "2.0" => Ok(Version::Two),
        other => Err(node.fail(format!("expected \"1.0\", found {}", super::node::shown(other)))),
    }
}

const DIRECTIONS: [(&str, Direction); 2] = [("Left", Direction::Left), ("Right", Direction::Right)];

fn truncation(node: &Node<'_>) -> Result<TruncationParams> {
    let strategies = [
        ("LongestFirst", TruncationStrategy::LongestFirst),
        ("OnlyFirst", TruncationStrategy::OnlyFirst),
        ("OnlySecond", TruncationStrategy::OnlySecond),
    ];
    Ok(TruncationParams {
        max_length: node.field("max_length")?.size()?,
        strategy: node.field("strategy")?.choice(&strategies)?,
        stride: node.field("stride")?.size()?,
        direction: match node.optional("direction")? {
            Some(direction) => direction.choice(&DIRECTIONS)?,
            None => Direction::Right,
        },
    })
}

fn padding(node: &Node<'_>) -> Result<PaddingParams> {
    let strategy = node.field("strategy")?;
    let strategy = if strategy.is_string() {
        strategy.choice(&[("BatchLongest", PaddingStrategy::BatchLongest)])?
    } else {
        match strategy.variant()? {
            ("Fixed", length) => PaddingStrategy::Fixed(length.size()?),
            _ => return Err(strategy.fail("expected \"BatchLongest\" or {\"Fixed\": length}")),
        }
    };
    Ok(PaddingParams {
        strategy,
        direction: node.field("direction")?.choice(&DIRECTIONS)?,
        pad_to_multiple_of: match node.optional("pad_to_multiple_of")? {
            Some(multiple) => Some(multiple.size()?),
            None => None,
        },
        pad_id: node.field("pad_id")?.id()?,
        pad_type_id: node.field("pad_type_id")?.u32()?,
        pad_token: node.field("pad_token")?.string()?.to_owned(),
    })
}

fn added_tokens(node: &Node<'_>) -> Result<Vec<(TokenId, AddedToken)>> {
    let entry = |item: &Node<'_>| {
        let token = AddedToken {
            content: item.field("content")?.string()?.to_owned(),
            single_word: item.field("single_word")?.boolean()?,
            lstrip: item.field("lstrip")?.boolean()?,
            rstrip: item.field("rstrip")?.boolean()?,
            normalized: item.field("normalized")?.boolean()?,
            special: item.field("special")?.boolean()?,
        };
        Ok((item.field("id")?.id()?, token))
    };
    node.items()?.iter().map(entry).collect()
}
