//! Single components of a `tokenizer.json`, as JSON text of their own: what manifests keep, and what
//! callers give as an object.

use serde_json::Value;

use super::json::{self, FORMAT};
use super::json_write::{DecoderOut, NormalizerOut, PostProcessorOut, PreTokenizerOut};
use super::node::Node;
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::normalize::Normalizer;
use crate::postprocess::PostProcessor;
use crate::pretokenize::PreTokenizer;

/// A pre-tokenizer as JSON; equal ones give equal text.
///
/// # Errors
/// None that is known: the error is that of the JSON library.
pub fn pre_tokenizer_to_json(pre_tokenizer: &PreTokenizer) -> Result<String> {
    write("pre_tokenizer", &PreTokenizerOut::new(pre_tokenizer))
}

/// A normalizer as JSON; `null` when there is none.
///
/// # Errors
/// None that is known: the error is that of the JSON library.
pub fn normalizer_to_json(normalizer: Option<&Normalizer>) -> Result<String> {
    write("normalizer", &normalizer.map(NormalizerOut::new))
}

/// The pre-tokenizer in a component's JSON; none for `null`.
///
/// # Errors
/// [`Error::Format`] and [`Error::Unsupported`] with the place in the component.
pub fn pre_tokenizer_from_json(text: &str) -> Result<Option<PreTokenizer>> {
    read(text, "pre_tokenizer", json::pre_tokenizer)
}

/// The normalizer in a component's JSON; none for `null`.
///
/// # Errors
/// [`Error::Format`] and [`Error::Unsupported`] with the place in the component.
pub fn normalizer_from_json(text: &str) -> Result<Option<Normalizer>> {
    read(text, "normalizer", json::normalizer)
}

/// A post-processor as JSON.
///
/// # Errors
/// None that is known: the error is that of the JSON library.
pub fn post_processor_to_json(post_processor: &PostProcessor) -> Result<String> {
    write("post_processor", &PostProcessorOut::new(post_processor))
}

/// A decoder as JSON.
///
/// # Errors
/// None that is known: the error is that of the JSON library.
pub fn decoder_to_json(decoder: &Decoder) -> Result<String> {
    write("decoder", &DecoderOut::new(decoder))
}

/// The post-processor in a component's JSON; none for `null`.
///
/// # Errors
/// [`Error::Format`] and [`Error::Unsupported`] with the place in the component.
pub fn post_processor_from_json(text: &str) -> Result<Option<PostProcessor>> {
    read(text, "post_processor", json::post_processor)
}

/// The decoder in a component's JSON; none for `null`.
///
/// # Errors
/// [`Error::Format`] and [`Error::Unsupported`] with the place in the component.
pub fn decoder_from_json(text: &str) -> Result<Option<Decoder>> {
    read(text, "decoder", json::decoder)
}

fn write(place: &str, part: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(part).map_err(|error| Error::format(FORMAT, place, error.to_string()))
}

fn read<T>(
    text: &str,
    place: &str,
    part: impl FnOnce(&Node<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Error::format(FORMAT, place, error.to_string()))?;
    if value.is_null() { Ok(None) } else { part(&Node::new(&value, place)).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::BertNormalizer;

    #[test]
    fn components_come_back_as_they_were() {
        for name in ["gpt2", "cl100k_base", "bert"] {
            let pre_tokenizer = PreTokenizer::by_name(name).unwrap();
            let text = pre_tokenizer_to_json(&pre_tokenizer).unwrap();
            assert_eq!(pre_tokenizer_from_json(&text).unwrap(), Some(pre_tokenizer));
        }
        let normalizer = Some(Normalizer::Bert(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: false,
            strip_accents: Some(true),
            lowercase: true,
        }));
        let text = normalizer_to_json(normalizer.as_ref()).unwrap();
        assert_eq!(normalizer_from_json(&text).unwrap(), normalizer);
        assert_eq!(normalizer_to_json(None).unwrap(), "null");
        assert_eq!(normalizer_from_json("null").unwrap(), None);
    }

    #[test]
    fn bad_components_are_told_with_their_place() {
        let error = pre_tokenizer_from_json(r#"{"type": "Metaspace"}"#).unwrap_err();
        assert!(error.to_string().contains("the field `replacement` is missing"), "{error}");
        let error = pre_tokenizer_from_json(r#"{"type": "ByteLevel"}"#).unwrap_err();
        assert!(error.to_string().contains("at pre_tokenizer"), "{error}");
        assert!(normalizer_from_json("{").is_err());
    }
}
