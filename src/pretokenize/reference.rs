//! The slow twins of the scanners: the patterns themselves, on the regex engine.

use super::cut::by_regex;
use super::pattern::{
    CL100K, CL100K_POSSESSIVE, GPT2, GPT2_POSSESSIVE, O200K, QWEN2, QWEN35, TEKKEN,
};
use super::{ByteAlphabet, PreTokenizer, SplitBehavior, Splitter};
use crate::error::Result;
use crate::regex::{Dialect, Regex};

/// A scanner and the pattern that it stands for.
pub struct Twins {
    /// The pattern, spelled as a regular expression.
    pub pattern: &'static str,
    scanner: Splitter,
    regex: Regex,
}

impl Twins {
    /// Every scanner with its pattern.
    ///
    /// # Errors
    /// None, unless a pattern is broken.
    ///
    /// # Panics
    /// When a pattern has no scanner: it would be compared with itself.
    pub fn all() -> Result<Vec<Self>> {
        let make = |pattern: &'static str, dialect| {
            let declared = PreTokenizer::byte_level_split(pattern);
            let scanner = Splitter::compile(&declared, dialect, ByteAlphabet::Raw)?;
            assert!(scanner.describe().ends_with("scanner"), "{pattern} has no scanner");
            Ok(Self { pattern, scanner, regex: Regex::new(pattern, Dialect::Tiktoken)? })
        };
        [GPT2, GPT2_POSSESSIVE, CL100K, CL100K_POSSESSIVE, QWEN2, QWEN35, O200K, TEKKEN]
            .into_iter()
            .map(|pattern| make(pattern, Dialect::Tiktoken))
            .collect()
    }

    /// The pieces by the scanner and by the regex engine.
    ///
    /// # Errors
    /// When the engine gives up.
    pub fn pieces<'a>(&self, text: &'a str) -> Result<(Vec<&'a str>, Vec<&'a str>)> {
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        self.scanner.for_each(text, |start, end| fast.push(&text[start..end]))?;
        let piece = |start, end| slow.push(&text[start..end]);
        by_regex(&self.regex, SplitBehavior::Removed, true, text, piece)?;
        Ok((fast, slow))
    }
}
