//! `tokenizer.json`, version 2.0, as tokenizers 1.0.0-rc.3 writes it: turned into the words of 1.0.
//!
//! | 2.0 | 1.0 |
//! |---|---|
//! | `model.byte_level` | a `ByteLevel` pre-tokenizer at the end that splits nothing |
//! | `MetaspaceNormalizer` at the end, and a split at its character | the `Metaspace` pre-tokenizer |
//! | the same with `drop_whitespace` | `WhitespaceSplit` before it |
//! | template pieces `{"seq": "A"}`, `{"ids": [1]}`, `type_id` where it is not 0 | named special tokens |
//! | decoders without the fields that mean nothing to them | the defaults of those fields |
//! | `role_to_token` | nothing: it names tokens and changes no id |

// Whatever else stands in such a file is not guessed at but refused by name.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::formats::document::ModelDocument;
use crate::formats::node::Node;
use crate::ids::TokenId;
use crate::postprocess::{PostProcessor, TemplatePiece, TemplateProcessing, TemplateSpecial};
use crate::tokenizer::AddedToken;

/// The normalizer and the pre-tokenizer of a file in the words of 1.0; null where there is none.
pub(super) fn before_model(
    normalizer: Value,
    pre_tokenizer: Value,
    byte_level: bool,
) -> Result<(Value, Value)> {
    refuse_old(&pre_tokenizer)?;
    let (normalizer, metaspace) = take_metaspace(normalizer)?;
    let pre_tokenizer = match metaspace {
        Some(_) if byte_level => {
            return Err(unsupported("`MetaspaceNormalizer` with `byte_level`", "normalizer"));
        }
        Some(metaspace) => join_metaspace(&metaspace, &pre_tokenizer)?,
        None => pre_tokenizer,
    };
    if !byte_level {
        return Ok((normalizer, pre_tokenizer));
    }
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false
    });
    let mut parts = match pre_tokenizer {
        Value::Null => Vec::new(),
        other => vec![other],
    };
    parts.push(bytes);
    let pre_tokenizer = match parts.len() {
        1 => parts.swap_remove(0),
        _ => json!({"type": "Sequence", "pretokenizers": parts}),
    };
    Ok((normalizer, pre_tokenizer))
}

fn unsupported(what: &str, place: &str) -> Error {
    Error::unsupported(format!("{what} in a tokenizer.json of version 2.0"), place)
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type").and_then(Value::as_str)
}

/// Refuses the pre-tokenizers that 2.0 has other words for.
fn refuse_old(pre_tokenizer: &Value) -> Result<()> {
    match kind(pre_tokenizer) {
        Some(old @ ("ByteLevel" | "Metaspace")) => {
            Err(unsupported(&format!("pre_tokenizer type `{old}`"), "pre_tokenizer"))
        }
        Some("Sequence") => {
            let parts = pre_tokenizer.get("pretokenizers").and_then(Value::as_array);
            parts.into_iter().flatten().try_for_each(refuse_old)
        }
        _ => Ok(()),
    }
}

/// Takes the `MetaspaceNormalizer` from the end of a normalizer.
fn take_metaspace(mut normalizer: Value) -> Result<(Value, Option<Value>)> {
    const KIND: &str = "MetaspaceNormalizer";
    if kind(&normalizer) == Some(KIND) {
        return Ok((Value::Null, Some(normalizer)));
    }
    if kind(&normalizer) != Some("Sequence") {
        return Ok((normalizer, None));
    }
    let Some(members) = normalizer.get_mut("normalizers").and_then(Value::as_array_mut) else {
        return Ok((normalizer, None));
    };
    let last = members.pop_if(|member| kind(member) == Some(KIND));
    if members.iter().any(|member| kind(member) == Some(KIND)) {
        return Err(unsupported("`MetaspaceNormalizer` before other normalizers", "normalizer"));
    }
    let rest = match members.len() {
        1 if last.is_some() => members.swap_remove(0),
        0 if last.is_some() => Value::Null,
        _ => normalizer,
    };
    Ok((rest, last))
}

/// The pre-tokenizer that a `MetaspaceNormalizer` and the split after it stand for.
fn join_metaspace(metaspace: &Value, pre_tokenizer: &Value) -> Result<Value> {
    let node = Node::new(metaspace, "normalizer");
    let replacement = node.field("replacement")?.character()?;
    let drop_whitespace = node.field("drop_whitespace")?.boolean()?;
    let prepend = node.field("prepend")?.string()?;
    let split = json!({
        "type": "Split", "pattern": {"String": replacement}, "behavior": "MergedWithNext",
        "invert": false
    });
    let joined = json!({
        "type": "Metaspace", "replacement": replacement, "prepend_scheme": prepend,
        "split": !pre_tokenizer.is_null()
    });
    if pre_tokenizer.is_null() && !drop_whitespace {
        return Ok(joined);
    }
    if *pre_tokenizer != split {
        let what =
            "`MetaspaceNormalizer` without a split at its character, and nothing else, after it";
        return Err(unsupported(what, "pre_tokenizer"));
    }
    Ok(if drop_whitespace {
        json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, joined]})
    } else {
        joined
    })
}

/// A decoder in the words of 1.0.
pub(super) fn decoder(mut value: Value) -> Value {
    if kind(&value) == Some("ByteLevel")
        && let Some(fields) = value.as_object_mut()
    {
        for field in ["add_prefix_space", "trim_offsets", "use_regex"] {
            fields.entry(field).or_insert(Value::Bool(true));
        }
    }
    if let Some(members) = value.get_mut("decoders").and_then(Value::as_array_mut) {
        for member in members {
            *member = decoder(member.take());
        }
    }
    value
}

/// The strings of ids: what templates do not carry.
pub(super) struct Tokens<'a> {
    pub(super) model: &'a ModelDocument<'a>,
    pub(super) added: &'a [(TokenId, AddedToken)],
}

impl Tokens<'_> {
    fn get(&self, id: TokenId) -> Option<&str> {
        let added = self.added.iter().find(|(of, _)| *of == id);
        let of = |vocab: &'_ [(Cow<'_, str>, TokenId)]| vocab.iter().position(|(_, of)| *of == id);
        added.map(|(_, token)| token.content.as_str()).or_else(|| match self.model {
            ModelDocument::Bpe { vocab, .. }
            | ModelDocument::WordPiece { vocab, .. }
            | ModelDocument::WordLevel { vocab, .. } => Some(vocab[of(vocab)?].0.as_ref()),
            ModelDocument::Unigram { entries, .. } => Some(entries.get(id as usize)?.0.as_ref()),
        })
    }
}

/// The post-processor: a template, whose special tokens get the names of their strings.
pub(super) fn post_processor(node: &Node<'_>, tokens: &Tokens<'_>) -> Result<PostProcessor> {
    if node.field("type")?.string()? != "TemplateProcessing" {
        return Err(node.fail("a file of version 2.0 has `TemplateProcessing` only"));
    }
    let mut specials: Vec<TemplateSpecial> = Vec::new();
    let mut pieces = |key| -> Result<Vec<TemplatePiece>> {
        let pieces = node.field(key)?.items()?;
        pieces.iter().map(|piece| template_piece(piece, tokens, &mut specials)).collect()
    };
    let (single, pair) = (pieces("single")?, pieces("pair")?);
    let template = TemplateProcessing::new(single, pair, specials);
    template.map(PostProcessor::Template).map_err(|error| node.adopt(error))
}

fn template_piece(
    node: &Node<'_>,
    tokens: &Tokens<'_>,
    specials: &mut Vec<TemplateSpecial>,
) -> Result<TemplatePiece> {
    let type_id = match node.optional("type_id")? {
        Some(type_id) => type_id.u32()?,
        None => 0,
    };
    let keys: Vec<&str> = node.fields()?.into_iter().map(|(key, _)| key).collect();
    match keys.as_slice() {
        ["seq"] | ["seq", "type_id"] => {
            let index = node.field("seq")?.choice(&[("A", 0), ("B", 1)])?;
            Ok(TemplatePiece::Sequence { index, type_id })
        }
        ["ids"] | ["ids", "type_id"] => {
            let ids = node.field("ids")?.items()?;
            let ids = ids.iter().map(Node::id).collect::<Result<Vec<TokenId>>>()?;
            let name = special(node, ids, tokens, specials)?;
            Ok(TemplatePiece::Special { name, type_id })
        }
        _ => Err(node.fail("expected {\"seq\": ...} or {\"ids\": ...}, and a type_id")),
    }
}

/// The name of a list of ids.
fn special(
    node: &Node<'_>,
    ids: Vec<TokenId>,
    tokens: &Tokens<'_>,
    specials: &mut Vec<TemplateSpecial>,
) -> Result<String> {
    if let Some(known) = specials.iter().find(|special| special.ids == ids) {
        return Ok(known.name.clone());
    }
    let string = |&id: &TokenId| match tokens.get(id) {
        Some(token) => Ok(token.to_owned()),
        None => Err(node.fail(format!("no token has id {id}"))),
    };
    let strings = ids.iter().map(string).collect::<Result<Vec<String>>>()?;
    let mut name = strings.join(" ");
    while specials.iter().any(|special| special.name == name) {
        name.push('\'');
    }
    specials.push(TemplateSpecial { id: name.clone(), name: name.clone(), ids, tokens: strings });
    Ok(name)
}

/// Checks that added tokens have the ids that they get from a file of version 1.0, which does not obey
/// what is listed: the model's, or the next free one.
pub(super) fn check_ids(added: &[(TokenId, AddedToken)], model: &ModelDocument<'_>) -> Result<()> {
    let ids: Map<String, Value> = match model {
        ModelDocument::Bpe { vocab, .. }
        | ModelDocument::WordPiece { vocab, .. }
        | ModelDocument::WordLevel { vocab, .. } => {
            known(vocab.iter().map(|(token, id)| (token.as_ref(), *id)), added)
        }
        ModelDocument::Unigram { entries, .. } => {
            let entries = entries.iter().map(|(token, _)| token.as_ref());
            known(entries.zip(0..), added)
        }
    };
    let size = match model {
        ModelDocument::Bpe { vocab, .. }
        | ModelDocument::WordPiece { vocab, .. }
        | ModelDocument::WordLevel { vocab, .. } => vocab.len(),
        ModelDocument::Unigram { entries, .. } => entries.len(),
    } as u64;
    let mut largest: Option<u64> = None;
    for (index, (id, token)) in added.iter().enumerate() {
        let next = largest.filter(|&largest| largest >= size || size == 0);
        let next = next.map_or(size, |largest| largest + 1);
        let given = ids.get(&token.content).and_then(Value::as_u64).unwrap_or(next);
        if given != u64::from(*id) {
            let what =
                format!("an added token with id {id} that is neither the model's nor {next},");
            return Err(unsupported(&what, &format!("added_tokens[{index}]")));
        }
        largest = largest.max(Some(given));
    }
    Ok(())
}

/// The ids of those added tokens that the model has too.
fn known<'a>(
    vocab: impl Iterator<Item = (&'a str, TokenId)>,
    added: &[(TokenId, AddedToken)],
) -> Map<String, Value> {
    let wanted: hashbrown::HashSet<&str> =
        added.iter().map(|(_, token)| token.content.as_str()).collect();
    let known = vocab.filter(|(token, _)| wanted.contains(token));
    known.map(|(token, id)| (token.to_owned(), Value::from(id))).collect()
}
