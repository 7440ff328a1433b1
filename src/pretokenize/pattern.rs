//! Split patterns: which are known, and the regex engine for those that are not.
//!
//! A pattern is recognised by its exact text. The same text may mean different things to different
//! engines, so recognition asks whose it is: tiktoken runs `fancy-regex`, `tokenizer.json` files are
//! written for Oniguruma. An unknown pattern runs on `fancy-regex` too; in a `tokenizer.json` only
//! if it keeps to the syntax that both engines read alike, else it is refused with the construct.

use crate::error::{Error, Result};

/// Whose regular expression a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `fancy-regex`, as tiktoken uses it; text that no match covers is dropped.
    Tiktoken,
    /// Oniguruma in Ruby syntax, as the reference library uses it; text between matches is kept.
    TokenizerJson,
}

/// The families that have a scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Gpt2,
    Cl100k { digits: usize, end_run: bool },
}

/// Recognises a pattern by its text.
pub(super) fn known(regex: &str, dialect: Dialect) -> Option<Known> {
    let cl100k = |digits| Some(Known::Cl100k { digits, end_run: false });
    match regex {
        GPT2 | GPT2_SHORT | GPT2_POSSESSIVE => Some(Known::Gpt2),
        CL100K => cl100k(3),
        QWEN2 => cl100k(1),
        // To Oniguruma `{1,3}+` is a repetition of a repetition, so these are tiktoken's only.
        CL100K_POSSESSIVE | CL100K_POSSESSIVE_LONG if dialect == Dialect::Tiktoken => {
            Some(Known::Cl100k { digits: 3, end_run: true })
        }
        CL100K_PORTABLE => Some(Known::Cl100k { digits: 3, end_run: true }),
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
        let wanted = "gpt2, cl100k_base, llama3, qwen2, o200k_base, bert (for training), or a \
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
        "o200k_base" => Some(O200K),
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
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The most steps back that one match may take before it is an error.
const BACKTRACK_LIMIT: usize = 1_000_000;
/// The largest program a pattern may compile to, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// Splits by an arbitrary pattern, on the regex engine.
#[derive(Clone, Debug)]
pub(super) struct RegexSplitter {
    regex: fancy_regex::Regex,
    keep_gaps: bool,
}

impl RegexSplitter {
    pub(super) fn new(pattern: &str, dialect: Dialect) -> Result<Self> {
        if dialect == Dialect::TokenizerJson
            && let Some(construct) = not_portable(pattern)
        {
            let what = format!("the construct `{construct}` in split pattern `{pattern}`");
            return Err(Error::unsupported(what, "pre_tokenizer"));
        }
        let regex = fancy_regex::RegexBuilder::new(pattern)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| {
                Error::argument(
                    "split pattern",
                    format!("`{pattern}`"),
                    format!("a regular expression: {error}"),
                )
            })?;
        Ok(Self { regex, keep_gaps: dialect == Dialect::TokenizerJson })
    }

    pub(super) fn for_each(&self, text: &str, mut piece: impl FnMut(usize, usize)) -> Result<()> {
        let mut done = 0;
        for found in self.regex.find_iter(text) {
            let found = found
                .map_err(|error| Error::Pattern { position: done, reason: error.to_string() })?;
            if self.keep_gaps && done < found.start() {
                piece(done, found.start());
            }
            if found.start() < found.end() {
                piece(found.start(), found.end());
            }
            done = found.end();
        }
        if self.keep_gaps && done < text.len() {
            piece(done, text.len());
        }
        Ok(())
    }
}

/// Whether both engines find the same in a group without case: one of them also folds several letters
/// into one (`ss` into `ß`, `st` into `ﬆ`), and characters of a property not at all.
fn folds_alike(group: &[char]) -> bool {
    let body: Vec<char> = group.iter().copied().take_while(|&c| c != ')').collect();
    let plain = |&c: &char| c.is_ascii_alphabetic() || "'|[]".contains(c);
    let folded = [['s', 's'], ['s', 't'], ['f', 'f'], ['f', 'i'], ['f', 'l']];
    let folds = |pair: &[char]| folded.iter().any(|folded| pair.iter().eq(folded));
    let lower: Vec<char> = body.iter().map(char::to_ascii_lowercase).collect();
    body.iter().all(plain) && !lower.windows(2).any(folds)
}

/// The first construct of a pattern that Oniguruma and `fancy-regex` may read differently.
fn not_portable(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let text = |from: usize, to: usize| chars[from..to.min(chars.len())].iter().collect();
    let mut at = 0;
    let mut in_class = false;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match (chars[at], next) {
            ('\\', Some('p' | 'P' | 's' | 'S' | 'd' | 'D' | 'r' | 'n' | 't' | 'f' | 'v')) => {
                at += 1;
            }
            ('\\', Some(c)) if r".^$*+?()[]{}|\/-'".contains(c) => at += 1,
            ('\\', _) => return Some(text(at, at + 2)),
            ('[', Some(':')) if in_class => return Some("[:".to_owned()),
            ('[', _) if in_class => return Some("[[".to_owned()),
            ('&' | '-' | '~', next) if in_class && next == Some(chars[at]) => {
                return Some(text(at, at + 2));
            }
            ('[', _) => in_class = true,
            (']', _) => in_class = false,
            ('^' | '$' | '.', _) if !in_class => return Some(text(at, at + 1)),
            ('}', Some('+')) if !in_class && counts(&chars[..at]) => return Some("}+".to_owned()),
            ('(', Some('?')) if !in_class => match (chars.get(at + 2), chars.get(at + 3)) {
                (Some(':' | '!' | '='), _) => {}
                (Some('i'), Some(':')) if folds_alike(&chars[at + 4..]) => {}
                _ => return Some(text(at, at + 4)),
            },
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether the brace that closes here counts repetitions, and is no property's.
fn counts(before: &[char]) -> bool {
    let inside = before.iter().rev().take_while(|&&c| c != '{');
    inside.clone().count() > 0 && inside.clone().all(|&c| c.is_ascii_digit() || c == ',')
}
