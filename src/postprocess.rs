//! Post-processing: where special tokens stand around one or two encoded texts, and how long the
//! result may be.
//!
//! A [`PostProcessor`] is a declaration. It compiles to one flat form, a `Layout`: the list of
//! pieces (a text's tokens, or one special token) with their type ids. The tokenizer lays out every
//! row by walking that list; nothing else is known about BERT, `RoBERTa` or templates further on.
//!
//! `fit` computes lengths and windows for truncation and padding, and copies nothing.

pub(crate) mod fit;
mod layout;
mod template;

pub(crate) use layout::{Layout, LayoutPiece, Trim};
pub use template::{TemplatePiece, TemplateProcessing, TemplateSpecial};

use crate::error::Result;
use crate::ids::TokenId;

/// What happens to the tokens of one or two texts after the model.
#[derive(Clone, Debug, PartialEq)]
pub enum PostProcessor {
    /// Pieces in a declared order, for one text and for two.
    Template(TemplateProcessing),
    /// `cls A sep`, and `cls A sep B sep` with type id 1 from B on.
    Bert {
        /// The token after each text.
        sep: (String, TokenId),
        /// The token before the first text.
        cls: (String, TokenId),
    },
    /// `cls A sep`, and `cls A sep sep B sep`, all with type id 0.
    Roberta {
        /// The token after each text, and before the second.
        sep: (String, TokenId),
        /// The token before the first text.
        cls: (String, TokenId),
        /// Whether offsets leave out white space at the ends of a token.
        trim_offsets: bool,
        /// Whether one leading space was put there by the pre-tokenizer.
        add_prefix_space: bool,
    },
    /// Adds no token; trims offsets when asked to.
    ByteLevel {
        /// Whether one leading space was put there by the pre-tokenizer.
        add_prefix_space: bool,
        /// Whether offsets leave out white space at the ends of a token.
        trim_offsets: bool,
        /// Has no meaning here; files carry it.
        use_regex: bool,
    },
    /// Several, one after the other, as the reference library runs them.
    Sequence(Vec<PostProcessor>),
}

impl PostProcessor {
    /// Checks what the type cannot: that the members of a [`PostProcessor::Sequence`] can follow one
    /// another. A template takes one text or two, so none can stand behind a processor that left more
    /// than two parts, or none (a template leaves one for each of its pieces); the reference library
    /// panics there, at the first text. What cannot do pairs still serves single texts, and says so when
    /// it is given a pair.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] that names the first member out of place, or a row of thousands of pieces.
    pub fn check(&self) -> Result<()> {
        self.layout(false, false)?;
        self.layout(false, true).map(drop)
    }

    /// The order of pieces for one text, or with `pair` for two; without `special_tokens` the
    /// tokens of the processor are left out, and type ids are what the reference library gives then.
    ///
    /// # Errors
    /// As [`PostProcessor::check`].
    pub(crate) fn layout(&self, pair: bool, special_tokens: bool) -> Result<Layout> {
        Layout::new(self, pair, special_tokens)
    }

    /// The number of special tokens that are added.
    pub fn added_tokens(&self, pair: bool) -> usize {
        match self {
            Self::Template(template) => template.added_tokens(pair),
            Self::Bert { .. } => 2 + usize::from(pair),
            Self::Roberta { .. } => 2 + 2 * usize::from(pair),
            Self::ByteLevel { .. } => 0,
            Self::Sequence(members) => members.iter().map(|m| m.added_tokens(pair)).sum(),
        }
    }

    /// The name of the kind, as files spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Template(_) => "TemplateProcessing",
            Self::Bert { .. } => "BertProcessing",
            Self::Roberta { .. } => "RobertaProcessing",
            Self::ByteLevel { .. } => "ByteLevel",
            Self::Sequence(_) => "Sequence",
        }
    }

    /// Itself, or the members of a sequence, those of inner sequences included.
    fn members(&self) -> Vec<&Self> {
        match self {
            Self::Sequence(members) => members.iter().flat_map(Self::members).collect(),
            other => vec![other],
        }
    }

    fn own_trim(&self) -> Option<TrimOffsets> {
        match *self {
            Self::Roberta { trim_offsets: true, add_prefix_space, .. }
            | Self::ByteLevel { trim_offsets: true, add_prefix_space, .. } => {
                Some(TrimOffsets { add_prefix_space })
            }
            _ => None,
        }
    }
}

/// How the offsets of byte-level tokens leave out white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrimOffsets {
    /// Whether one leading space of the first token was put there by the pre-tokenizer.
    pub add_prefix_space: bool,
}

impl TrimOffsets {
    /// The trimmed offsets, in characters, of a token.
    ///
    /// `position` is the token's index in its text, or in its window of the text after truncation.
    #[cfg(test)]
    pub(crate) fn apply(
        self,
        token: &str,
        position: usize,
        offsets: (usize, usize),
    ) -> (usize, usize) {
        let (leading, trailing) = blanks_of(token);
        self.apply_counts(leading, trailing, position, offsets)
    }

    /// The same for a caller that knows how many characters of white space there are at each end.
    #[inline]
    pub(crate) fn apply_counts(
        self,
        leading: usize,
        trailing: usize,
        position: usize,
        (mut start, mut end): (usize, usize),
    ) -> (usize, usize) {
        let first = position == 0 || start == 0;
        if leading > 0 && !(first && self.add_prefix_space && leading == 1) {
            start = (start + leading).min(end);
        }
        if trailing > 0 && end >= trailing {
            end = (end - trailing).max(start);
        }
        (start, end)
    }
}

/// The number of characters of white space at each end of a token.
pub(crate) fn blanks_of(token: &str) -> (usize, usize) {
    // `Ġ` is the byte-level sign of a space.
    let blank = |c: &char| *c == 'Ġ' || c.is_whitespace();
    (token.chars().take_while(blank).count(), token.chars().rev().take_while(blank).count())
}

#[cfg(test)]
mod tests;
