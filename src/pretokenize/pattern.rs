//! Split patterns: which are known.
//!
//! A pattern is recognised by its exact text. The same text may mean different things to different
//! engines, so recognition asks whose it is: tiktoken runs `fancy-regex`, `tokenizer.json` files are
//! written for Oniguruma. An unknown pattern runs on the engine in [`crate::regex`].

use crate::error::{Error, Result};
use crate::regex::Dialect;

/// The families that have a scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Gpt2,
    Cl100k { digits: usize, end_run: bool, marks: bool },
    O200k { digits: usize, contractions: bool },
}

/// Recognises a pattern by its text.
pub(super) fn known(regex: &str, dialect: Dialect) -> Option<Known> {
    let cl100k = |digits, marks| Some(Known::Cl100k { digits, end_run: false, marks });
    let end_run = Some(Known::Cl100k { digits: 3, end_run: true, marks: false });
    match regex {
        GPT2 | GPT2_SHORT | GPT2_POSSESSIVE => Some(Known::Gpt2),
        CL100K => cl100k(3, false),
        QWEN2 => cl100k(1, false),
        QWEN35 => cl100k(1, true),
        O200K => Some(Known::O200k { digits: 3, contractions: true }),
        TEKKEN => Some(Known::O200k { digits: 1, contractions: false }),
        // To Oniguruma `{1,3}+` is a repetition of a repetition, so these are tiktoken's only.
        CL100K_POSSESSIVE | CL100K_POSSESSIVE_LONG if dialect == Dialect::Tiktoken => end_run,
        CL100K_PORTABLE => end_run,
        _ => None,
    }
}

/// A spelling, for `tokenizer.json` files, of a pattern of tiktoken's that splits alike; none for
/// a pattern that is not known.
pub(super) fn portable(regex: &str) -> Option<&'static str> {
    match regex {
        GPT2 | GPT2_SHORT | GPT2_POSSESSIVE => Some(GPT2),
        CL100K => Some(CL100K),
        QWEN2 => Some(QWEN2),
        QWEN35 => Some(QWEN35),
        O200K => Some(O200K),
        CL100K_POSSESSIVE | CL100K_POSSESSIVE_LONG | CL100K_PORTABLE => Some(CL100K_PORTABLE),
        _ => None,
    }
}

/// A regular expression that was given where a name could stand. Text of letters, digits and a few
/// signs that names have is a misspelt name: as a pattern it would match nothing but itself.
pub(super) fn not_a_name<'a>(argument: &'static str, given: &'a str) -> Result<&'a str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    let has_letters = given.contains(|c: char| c.is_ascii_alphanumeric());
    if given.trim().is_empty() || (has_letters && given.chars().all(is_name)) {
        let wanted = "gpt2, cl100k_base, llama3, qwen2, qwen3.5, o200k_base, bert (for training), or a \
                      regular expression";
        return Err(Error::argument(argument, format!("{given:?}"), wanted));
    }
    Ok(given)
}

/// The spelling that `tokenizer.json` files carry of a pattern with a name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    match name {
        "cl100k_base" | "llama3" => Some(CL100K),
        "qwen2" => Some(QWEN2),
        "qwen3.5" => Some(QWEN35),
        "o200k_base" => Some(O200K),
        _ => None,
    }
}

/// The spelling that tiktoken has of a pattern with a name.
pub(super) fn rank_file(name: &str) -> Option<&'static str> {
    match name {
        "gpt2" | "r50k_base" | "p50k_base" | "p50k_edit" => Some(GPT2_POSSESSIVE),
        "cl100k_base" => Some(CL100K_POSSESSIVE),
        "llama3" => Some(CL100K),
        "qwen2" => Some(QWEN2),
        "qwen3.5" => Some(QWEN35),
        "o200k_base" | "o200k_harmony" => Some(O200K),
        _ => None,
    }
}

pub(super) const GPT2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const GPT2_SHORT: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
pub(super) const GPT2_POSSESSIVE: &str =
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";
pub(super) const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const CL100K_POSSESSIVE: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
const CL100K_POSSESSIVE_LONG: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
/// tiktoken's pattern in words that Oniguruma reads alike: there `{1,3}+` repeats a repetition, and
/// `$` is the end of a line.
const CL100K_PORTABLE: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++(?![\s\S])|\s*[\r\n]|\s+(?!\S)|\s";
pub(super) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen2's with marks for letters.
pub(super) const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's: o200k's without contractions, each number alone.
pub(super) const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
