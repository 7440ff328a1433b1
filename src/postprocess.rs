//! Post-processing: where special tokens stand around one or two encoded texts, and how long the
//! result may be.
//!
//! A [`PostProcessor`] is a declaration. It compiles to one flat form, a `Layout`: the list of
//! pieces (a text's tokens, or one special token) with their type ids. The tokenizer lays out every
//! row by walking that list; nothing else is known about BERT, `RoBERTa` or templates further on.
//!
//! `fit` computes lengths and windows for truncation and padding, and copies nothing.

// Why one layout for everything: the reference library runs a chain of processors that each rebuild
// all arrays, and what comes out differs in small ways between them (type ids and sequence ids of
// the overflowing parts, most of all). Those differences are data here, in two numbers per piece.
// Left out: a `Sequence` in which something moves or trims tokens that another processor has laid
// out already. No known file has one, and its sequence ids are an accident of the reference.

pub(crate) mod fit;
mod template;

pub use template::{TemplatePiece, TemplateProcessing, TemplateSpecial};

use crate::error::{Error, Result};
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
    /// Several, one after the other; see [`PostProcessor::check`] for what may follow what.
    Sequence(Vec<PostProcessor>),
}

impl PostProcessor {
    /// Checks what the type cannot: that a [`PostProcessor::Sequence`] is one that a layout can
    /// express, which is any number of [`PostProcessor::ByteLevel`], of which at most one member
    /// of the whole trims offsets, and after them at most one processor that adds tokens.
    ///
    /// # Errors
    /// [`Error::Unsupported`] that names the first member out of place.
    pub fn check(&self) -> Result<()> {
        let (mut layouts, mut trims) = (0, 0);
        for member in self.members() {
            let adds = !matches!(member, Self::ByteLevel { .. });
            if layouts > 0 {
                let what =
                    format!("post_processor `{}` after a processor with tokens", member.name());
                return Err(Error::unsupported(what, "post_processor"));
            }
            layouts += usize::from(adds);
            trims += usize::from(member.own_trim().is_some());
            if trims > 1 {
                let what = "post_processor `Sequence` that trims offsets twice";
                return Err(Error::unsupported(what, "post_processor"));
            }
        }
        Ok(())
    }

    /// The order of pieces for one text, or with `pair` for two; without `special_tokens` the
    /// tokens of the processor are left out, and type ids are what the reference library gives then.
    pub(crate) fn layout(&self, pair: bool, special_tokens: bool) -> Layout {
        match self.members().into_iter().find(|m| !matches!(m, Self::ByteLevel { .. })) {
            Some(Self::Template(template)) => template.layout(pair, special_tokens),
            Some(Self::Bert { sep, cls }) => {
                let mut pieces = vec![special(cls, 0), sequence(0, 0), special(sep, 0)];
                if pair {
                    pieces.extend([sequence(1, 1), special(sep, 1)]);
                }
                Layout::new(pieces, pair, special_tokens)
            }
            Some(Self::Roberta { sep, cls, .. }) => {
                let mut pieces = vec![special(cls, 0), sequence(0, 0), special(sep, 0)];
                if pair {
                    pieces.extend([special(sep, 0), sequence(1, 0), special(sep, 0)]);
                }
                if special_tokens {
                    // Only then does the reference touch the type ids of overflowing parts.
                    for piece in &mut pieces {
                        if let LayoutPiece::Sequence { overflow_type_id, .. } = piece {
                            *overflow_type_id = 0;
                        }
                    }
                }
                Layout::new(pieces, pair, special_tokens)
            }
            _ => {
                let pieces = (0..=u8::from(pair)).map(|i| sequence(i.into(), i.into())).collect();
                Layout::new(pieces, pair, special_tokens)
            }
        }
    }

    /// How offsets are trimmed; `None` when they stay as they are. The same with and without
    /// special tokens.
    pub(crate) fn trim_offsets(&self) -> Option<TrimOffsets> {
        self.members().into_iter().find_map(Self::own_trim)
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

fn special((token, id): &(String, TokenId), type_id: u32) -> LayoutPiece {
    LayoutPiece::Special { id: *id, token: token.clone(), type_id }
}

fn sequence(index: usize, type_id: u32) -> LayoutPiece {
    LayoutPiece::Sequence { index, type_id, overflow_type_id: u32::from(index > 0) }
}

/// The compiled form of a [`PostProcessor`]: pieces from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// The pieces, in the order of the result.
    pub pieces: Vec<LayoutPiece>,
    /// Whether a post-processor is there. Without one the reference library numbers the sequences
    /// of overflowing pairs differently: see [`Layout::sequence_ids`].
    processed: bool,
    /// Whether it is for two texts.
    pair: bool,
}

/// One piece of a [`Layout`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LayoutPiece {
    /// The tokens of a text.
    Sequence {
        /// 0 for the first text, 1 for the second.
        index: usize,
        /// The type id of each token.
        type_id: u32,
        /// The type id of each token of an overflowing window.
        overflow_type_id: u32,
    },
    /// One special token. Its offsets are 0..0, its masks say special and attended, and it belongs
    /// to no word.
    Special {
        /// Its id.
        id: TokenId,
        /// Its string.
        token: String,
        /// Its type id.
        type_id: u32,
    },
}

impl Layout {
    fn new(mut pieces: Vec<LayoutPiece>, pair: bool, special_tokens: bool) -> Self {
        if !special_tokens {
            pieces.retain(|piece| matches!(piece, LayoutPiece::Sequence { .. }));
        }
        Self { pieces, processed: true, pair }
    }

    /// The layout when there is no post-processor: the texts side by side, with type ids 0 and 1.
    pub(crate) fn plain(pair: bool) -> Self {
        let pieces = (0..=u8::from(pair)).map(|i| sequence(i.into(), i.into())).collect();
        Self { pieces, processed: false, pair }
    }

    /// The number of special tokens in it.
    pub(crate) fn added_tokens(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, LayoutPiece::Special { .. })).count()
    }

    /// Whether text `index` (0 or 1) is in the result.
    pub(crate) fn uses(&self, index: usize) -> bool {
        self.pieces.iter().any(
            |piece| matches!(piece, LayoutPiece::Sequence { index: used, .. } if *used == index),
        )
    }

    /// The overflowing results when the texts have `counts[0]` and `counts[1]` windows: for each,
    /// the window of text A and of text B, in the reference library's order. Windows of a text that
    /// is not in the result do not count.
    ///
    /// # Errors
    /// [`Error::Argument`] above [`fit::MAX_OVERFLOWING`] results.
    pub(crate) fn overflowing(
        &self,
        counts: [usize; 2],
    ) -> Result<impl Iterator<Item = [usize; 2]>> {
        let [a, b] = [0, 1].map(|index| if self.uses(index) { counts[index] } else { 1 });
        // The order follows the pieces: a template may put the second text first.
        let swapped = self.pieces.iter().find_map(|piece| match piece {
            LayoutPiece::Sequence { index, .. } => Some(*index == 1),
            LayoutPiece::Special { .. } => None,
        });
        let swapped = swapped == Some(true);
        let found = if swapped { fit::overflowing(b, a)? } else { fit::overflowing(a, b)? };
        Ok(found
            .map(move |[first, second]| if swapped { [second, first] } else { [first, second] }))
    }

    /// The sequence id of each piece, `None` for special tokens, when text A is window
    /// `windows[0]` and text B window `windows[1]` of what truncation made (0 is what was kept).
    ///
    /// This is the text's index, with two accidents of the reference library kept: a result that
    /// holds only the second text counts as one sequence, number 0; so does an overflowing result
    /// of a pair without a post-processor as soon as its first text is cut.
    pub(crate) fn sequence_ids(&self, windows: [usize; 2]) -> Vec<Option<u32>> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                _ if !self.known(0, windows) => Some(0),
                LayoutPiece::Sequence { index: 0, .. } => Some(0),
                LayoutPiece::Sequence { .. } if self.known(1, windows) => Some(1),
                _ => None,
            })
            .collect()
    }

    /// The sequence id of padding, -1 for none: where the reference does not know the range of the
    /// first text, everything belongs to it.
    pub(crate) fn padding_sequence_id(&self, windows: [usize; 2]) -> i64 {
        if self.known(0, windows) { -1 } else { 0 }
    }

    /// Whether the reference knows the range of a text in the result. It keeps a range per sequence
    /// and reads as many as there are, from 0 on; a range that is not there stands for everything.
    /// Truncation forgets the ranges, and only a post-processor sets them again (without one: for
    /// the kept parts of a pair).
    fn known(&self, index: usize, windows: [usize; 2]) -> bool {
        self.uses(index) && (self.processed || (self.pair && windows[index] == 0))
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
    pub(crate) fn apply(
        self,
        token: &str,
        position: usize,
        offsets: (usize, usize),
    ) -> (usize, usize) {
        // `Ġ` is the byte-level sign of a space.
        let blank = |c: &char| *c == 'Ġ' || c.is_whitespace();
        let leading = token.chars().take_while(blank).count();
        let trailing = token.chars().rev().take_while(blank).count();
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

#[cfg(test)]
mod tests;
