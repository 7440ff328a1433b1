//! Split patterns of rank files, in words that a `tokenizer.json` may carry.

use super::node::shown;
use crate::error::{Error, Result};
use crate::pretokenize::{PreTokenizer, portable_pattern};
use crate::regex::{Dialect, Pattern};
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
