//! A text for every match of a pattern.

use memchr::memmem;

use super::changes::Changes;
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

    /// Reports the replacements. The new text is inserted behind what it replaces: its origin is that
    /// of the last character of the match, or of the one before an empty match.
    pub(super) fn walk(&self, text: &str, sink: &mut impl Changes) -> Result<Replaced> {
        let mut work =
            Work { text, content: &self.content, sink, kept: 0, done: Replaced::Nothing };
        let mut result = Ok(());
        if text.is_empty() {
            return Ok(work.done);
        }
        match (&self.pattern, &self.regex) {
            (_, Some(regex)) => regex.for_each_match(text, |start, end| {
                if result.is_ok() {
                    result = work.found(start, end);
                }
            })?,
            // Nothing matches before every character and at the end.
            (Pattern::String(literal), _) if literal.is_empty() => {
                let starts = text.char_indices().map(|(at, _)| at);
                result = starts.chain([text.len()]).try_for_each(|at| work.found(at, at));
            }
            (Pattern::String(literal), _) => {
                if let &[byte] = literal.as_bytes() {
                    let mut found = memchr::memchr_iter(byte, text.as_bytes());
                    result = found.try_for_each(|at| work.found(at, at + 1));
                } else {
                    let finder = memmem::Finder::new(literal);
                    let mut found = finder.find_iter(text.as_bytes());
                    result = found.try_for_each(|at| work.found(at, at + literal.len()));
                }
            }
            (Pattern::Regex(_), None) => {}
        }
        result?;
        if work.done != Replaced::Nothing {
            work.sink.keep(&text[work.kept..]);
            work.sink.room(0)?;
        }
        Ok(work.done)
    }
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    /// There was no match.
    Nothing,
    /// Some of it.
    Something,
    /// The same, and there is new text before the first character: it came from nowhere.
    Unplaced,
}

struct Work<'a, S> {
    text: &'a str,
    content: &'a str,
    sink: &'a mut S,
    kept: usize,
    done: Replaced,
}

impl<S: Changes> Work<'_, S> {
    #[inline]
    fn found(&mut self, start: usize, end: usize) -> Result<()> {
        // Matches come in order; whatever else an engine says is not followed.
        let (Some(before), Some(gone)) =
            (self.text.get(self.kept..start), self.text.get(start..end))
        else {
            return Ok(());
        };
        self.sink.keep(before);
        if !gone.is_empty() {
            self.sink.drop_text(gone);
        }
        self.sink.room(self.content.len())?;
        self.sink.insert(self.content);
        self.kept = end;
        if end == 0 && !self.content.is_empty() {
            self.done = Replaced::Unplaced;
        } else if self.done == Replaced::Nothing {
            self.done = Replaced::Something;
        }
        Ok(())
    }
}
