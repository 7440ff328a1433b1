//! Regular expressions from files, in two dialects, with a bound on what a match may cost.
//!
//! tiktoken runs `fancy-regex`, and so does this for its patterns. `tokenizer.json` files are written for
//! Oniguruma, which differs from it in syntax, in case folding and in what a match is: those patterns run
//! on an engine of our own that means what Oniguruma means (`parse.rs`, `program.rs`, `run.rs`).

mod alphabet;
mod class;
mod escape;
mod fold;
mod node;
mod parse;
mod program;
mod property;
mod repetition;
mod run;
mod set;

pub(crate) use alphabet::Alphabet;
pub(crate) use set::CharSet;

use std::sync::Arc;

use crate::error::{Error, Result};

/// The characters of words and of white space, as brackets have them.
pub(crate) fn word_characters() -> (CharSet, CharSet) {
    (property::word(), property::space())
}

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

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1 << 16;

/// A compiled regular expression of one of the two dialects.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: Arc<str>,
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    Fancy(Arc<fancy_regex::Regex>),
    Oniguruma(Arc<program::Program>),
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() && self.dialect() == other.dialect()
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
        let wrong = |wanted: String| {
            let shown: String = pattern.chars().take(200).collect();
            let more = if shown.len() < pattern.len() { "..." } else { "" };
            Error::argument("split pattern", format!("`{shown}{more}`"), wanted)
        };
        if pattern.len() > MAX_PATTERN {
            return Err(wrong(format!("a regular expression of at most {MAX_PATTERN} bytes")));
        }
        let engine = match dialect {
            Dialect::Tiktoken => {
                let engine = fancy_regex::RegexBuilder::new(pattern)
                    .backtrack_limit(BACKTRACK_LIMIT)
                    .delegate_size_limit(SIZE_LIMIT)
                    .build()
                    .map_err(|error| wrong(format!("a regular expression: {error}")))?;
                Engine::Fancy(Arc::new(engine))
            }
            Dialect::TokenizerJson => {
                let program = program::compile(parse::parse(pattern)?).map_err(|_| {
                    wrong("a regular expression whose program is not too large".to_owned())
                })?;
                Engine::Oniguruma(Arc::new(program))
            }
        };
        Ok(Self { pattern: pattern.into(), engine })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whose pattern it is.
    pub fn dialect(&self) -> Dialect {
        match self.engine {
            Engine::Fancy(_) => Dialect::Tiktoken,
            Engine::Oniguruma(_) => Dialect::TokenizerJson,
        }
    }

    /// Calls `found` with the bytes of every match from left to right; matches do not overlap and may
    /// be empty.
    ///
    /// # Errors
    /// [`Error::Pattern`] with the byte where a match was tried when the bound on backtracking is
    /// reached.
    pub fn for_each_match(&self, text: &str, mut found: impl FnMut(usize, usize)) -> Result<()> {
        match &self.engine {
            Engine::Fancy(engine) => {
                let mut done = 0;
                for matched in engine.find_iter(text) {
                    let matched = matched.map_err(|error| Error::Pattern {
                        position: done,
                        reason: error.to_string(),
                    })?;
                    found(matched.start(), matched.end());
                    done = matched.end();
                }
                Ok(())
            }
            Engine::Oniguruma(program) => for_each_match(program, text, found),
        }
    }
}

/// Matches in the order and with the gaps of the reference's iterator: an empty match right behind
/// the match before is passed over, and the search goes on one character further.
fn for_each_match(
    program: &program::Program,
    text: &str,
    mut found: impl FnMut(usize, usize),
) -> Result<()> {
    let mut matcher = run::Matcher::new(program, text);
    let (mut from, mut last_end) = (0, None);
    while from <= text.len() {
        let matched = matcher.search(from).map_err(|gave_up| Error::Pattern {
            position: gave_up.at,
            reason: gave_up.reason.to_owned(),
        })?;
        let Some((start, end)) = matched else { break };
        if start == end && last_end == Some(end) {
            from += matcher.length_at(from);
        } else {
            (from, last_end) = (end, Some(end));
            found(start, end);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
