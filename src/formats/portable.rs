//! Split patterns of rank files, in words that a `tokenizer.json` may carry.

use super::node::shown;
#[cfg(any(test, feature = "python"))]
use super::{from_json, json_write, to_json, written};
use crate::error::{Error, Result};
use crate::pretokenize::{PreTokenizer, portable_pattern};
use crate::regex::{Dialect, Pattern};
#[cfg(any(test, feature = "python"))]
use crate::tokenizer::Tokenizer;
use crate::tokenizer::TokenizerBuilder;

/// The pre-tokenizer of a declaration as files carry it.
///
/// # Errors
/// [`Error::Unsupported`] when it holds a pattern of a rank file that nobody knows how to spell for
/// the other engine: the same words may split differently there.
pub(super) fn pre_tokenizer(declaration: &TokenizerBuilder) -> Result<Option<PreTokenizer>> {
    let declared = declaration.pre_tokenizer.as_ref();
    match declaration.dialect {
        Dialect::TokenizerJson => Ok(declared.cloned()),
        Dialect::Tiktoken => declared.map(respell).transpose(),
    }
}

fn respell(declared: &PreTokenizer) -> Result<PreTokenizer> {
    Ok(match declared {
        PreTokenizer::Split { pattern: Pattern::Regex(regex), behavior, invert } => {
            let Some(portable) = portable_pattern(regex) else {
                let what =
                    format!("a tokenizer.json with the rank file's split pattern {}", shown(regex));
                return Err(Error::unsupported(what, "pre_tokenizer"));
            };
            let pattern = Pattern::Regex(portable.to_owned());
            PreTokenizer::Split { pattern, behavior: *behavior, invert: *invert }
        }
        PreTokenizer::Sequence(parts) => {
            PreTokenizer::Sequence(parts.iter().map(respell).collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

/// A tokenizer as one text, and whose patterns are in it: equal texts, equal behaviour. The text is
/// that of a `tokenizer.json` where there is one; where a pattern of a rank file has no words for the
/// other engine, it stands there as it is, and only [`from_canonical`] reads it.
///
/// # Errors
/// As [`to_json`], but never for a pattern.
#[cfg(any(test, feature = "python"))]
pub(crate) fn canonical(tokenizer: &Tokenizer) -> Result<(String, Dialect)> {
    match to_json(tokenizer, false) {
        Err(Error::Unsupported { .. }) => {
            let declared = tokenizer.declaration();
            let text = written(|out| {
                json_write::write(tokenizer, declared.pre_tokenizer.as_ref(), false, out)
            })?;
            Ok((text, declared.dialect))
        }
        text => Ok((text?, Dialect::TokenizerJson)),
    }
}

/// What [`canonical`] gave.
///
/// # Errors
/// As [`from_json`].
#[cfg(any(test, feature = "python"))]
pub(crate) fn from_canonical(text: &str, dialect: Dialect) -> Result<TokenizerBuilder> {
    Ok(TokenizerBuilder { dialect, ..from_json(text.as_bytes())? })
}
