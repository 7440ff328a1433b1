//! Regular expressions from files: two dialects on one engine, with a bound on what a match may cost.
//!
//! tiktoken runs `fancy-regex`, `tokenizer.json` files are written for Oniguruma in Ruby syntax.

use std::sync::Arc;

use crate::error::{Error, Result};

/// Whose regular expression a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `fancy-regex`, as tiktoken uses it; text that no match covers is dropped.
    Tiktoken,
    /// Oniguruma in Ruby syntax, as the reference library uses it; text between matches is kept.
    TokenizerJson,
}

/// What a component of a `tokenizer.json` looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This very text.
    String(String),
    /// A regular expression.
    Regex(String),
}

/// The most steps back that one match may take before it is an error.
const BACKTRACK_LIMIT: usize = 1_000_000;
/// The largest program a pattern may compile to, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// A compiled regular expression of one of the two dialects.
#[derive(Clone, Debug)]
pub struct Regex {
    engine: Arc<fancy_regex::Regex>,
    dialect: Dialect,
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() && self.dialect == other.dialect
    }
}

impl Eq for Regex {}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no regular expression, or too large a one;
    /// [`Error::Unsupported`] for a construct that cannot be run as the dialect means it.
    pub fn new(pattern: &str, dialect: Dialect) -> Result<Self> {
        if dialect == Dialect::TokenizerJson
            && let Some(construct) = not_portable(pattern)
        {
            let what = format!("the construct `{construct}` in split pattern `{pattern}`");
            return Err(Error::unsupported(what, ""));
        }
        let engine = fancy_regex::RegexBuilder::new(pattern)
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
        Ok(Self { engine: Arc::new(engine), dialect })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        self.engine.as_str()
    }

    /// Whose pattern it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Calls `found` with the bytes of every match from left to right; matches do not overlap and may
    /// be empty.
    ///
    /// # Errors
    /// [`Error::Pattern`] with the byte where a match was tried when the bound on backtracking is
    /// reached.
    pub fn for_each_match(&self, text: &str, mut found: impl FnMut(usize, usize)) -> Result<()> {
        let mut done = 0;
        for matched in self.engine.find_iter(text) {
            let matched = matched
                .map_err(|error| Error::Pattern { position: done, reason: error.to_string() })?;
            found(matched.start(), matched.end());
            done = matched.end();
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
