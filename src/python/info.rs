//! What a tokenizer is made of, for `Tokenizer.info()`; added tokens as Python gives them.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::errors::wrong_type;
use super::text::string;
use crate::decode::Decoder;
use crate::model::Model;
use crate::normalize::Normalizer;
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{AddedToken, Tokenizer};
use crate::unicode;

/// Model, components, roads, Unicode versions, memory.
pub(super) fn of<'py>(py: Python<'py>, tokenizer: &Tokenizer) -> PyResult<Bound<'py, PyDict>> {
    let declared = tokenizer.declaration();
    let (road, splitter) = tokenizer.road();
    let (table, cache) = tokenizer.table_bytes();
    let info = PyDict::new(py);
    info.set_item("model", declared.model.kind())?;
    info.set_item("vocab_size", tokenizer.vocab_size())?;
    info.set_item("id_limit", tokenizer.id_limit())?;
    if let Model::Bpe(model) = &declared.model {
        info.set_item("merges", model.merges().len())?;
        info.set_item("ignore_merges", model.options().ignore_merges)?;
    }
    let normalizer = declared.normalizer.as_ref().map(Normalizer::describe);
    info.set_item("normalizer", normalizer)?;
    info.set_item("pre_tokenizer", declared.pre_tokenizer.as_ref().map(PreTokenizer::describe))?;
    info.set_item(
        "post_processor",
        declared.post_processor.as_ref().map(super::super::postprocess::PostProcessor::name),
    )?;
    let decoder = declared.decoder.as_ref().map(Decoder::describe);
    info.set_item("decoder", decoder)?;
    info.set_item("added_tokens", tokenizer.added_tokens().count())?;
    info.set_item("road", road)?;
    info.set_item("splitter", splitter)?;
    let versions = PyDict::new(py);
    for (what, version) in [
        ("split_patterns", unicode::CLASSES_VERSION),
        ("bert_categories", unicode::BERT_CATEGORIES_VERSION),
        ("bert_decomposition", unicode::BERT_DECOMPOSITION_VERSION),
        ("bert_lower_case", unicode::BERT_LOWER_CASE_VERSION),
        ("normal_forms", unicode::NORMAL_FORMS_VERSION),
        ("lower_case", unicode::LOWER_CASE_VERSION),
        ("grapheme_clusters", unicode::GRAPHEME_CLUSTERS_VERSION),
        ("numbers", unicode::NUMBERS_VERSION),
        ("scripts", unicode::SCRIPTS_VERSION),
    ] {
        versions.set_item(what, version)?;
    }
    info.set_item("unicode", versions)?;
    info.set_item("table_bytes", table)?;
    info.set_item("cache_bytes", cache)?;
    Ok(info)
}

/// A string, or an object with the attributes of an added token.
pub(super) fn added_token(
    value: &Bound<'_, PyAny>,
    row: usize,
    special: bool,
) -> PyResult<AddedToken> {
    let name = format!("tokens[{row}]");
    if value.is_instance_of::<PyString>() {
        return Ok(AddedToken::new(string(&name, value)?.text(), special));
    }
    let Ok(content) = value.getattr("content") else {
        return Err(wrong_type(&name, "a string or an added token", value));
    };
    let flag = |flag: &str| -> PyResult<bool> { value.getattr(flag)?.extract() };
    Ok(AddedToken {
        content: string(&name, &content)?.text().to_owned(),
        single_word: flag("single_word")?,
        lstrip: flag("lstrip")?,
        rstrip: flag("rstrip")?,
        normalized: flag("normalized")?,
        special: special || flag("special")?,
    })
}
