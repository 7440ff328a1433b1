//! A text for every match of a pattern.

use crate::error::Result;
use crate::regex::{Dialect, Pattern, Regex};

/// A pattern and the text that takes the place of its matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    pattern: Pattern,
    regex: Option<Regex>,
    content: String,
}

impl Replace {
    /// Compiles the pattern.
    ///
    /// # Errors
    /// As [`Regex::new`].
    pub fn new(pattern: Pattern, content: impl Into<String>) -> Result<Self> {
        let regex = match &pattern {
            Pattern::String(_) => None,
            Pattern::Regex(regex) => Some(Regex::new(regex, Dialect::TokenizerJson)?),
        };
        Ok(Self { pattern, regex, content: content.into() })
    }

    /// What is looked for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What takes its place.
    pub fn content(&self) -> &str {
        &self.content
    }
}
