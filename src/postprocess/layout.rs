//! The compiled form of post-processors: pieces from left to right.
//!
//! The reference library runs a chain of processors that each rebuild all columns of one or several
//! encodings and of what overflows from them; the encodings are joined at the end. Here the chain runs
//! once, when a tokenizer is built, on [`Part`]s that stand for those encodings: lists of pieces with
//! what a processor would have written. Its accidents come along for free: what overflows keeps the
//! type ids that nobody set, a range of a sequence that is not known stands for everything.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fit::MAX_OVERFLOWING;
use super::{PostProcessor, TemplatePiece, TrimOffsets};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// The most pieces, texts and processors that a layout is made of. Real ones have a handful of each.
const MAX_PIECES: usize = 4096;
const MAX_TEXTS: usize = 16;
const MAX_PROCESSORS: usize = 64;

/// The compiled form of a [`PostProcessor`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// The pieces, in the order of the result.
    pub(crate) pieces: Vec<LayoutPiece>,
    /// The text that each place for one holds: 0 for the first, 1 for the second.
    slots: Vec<usize>,
    parts: Vec<Ranges>,
    added: usize,
}

/// One piece of a [`Layout`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LayoutPiece {
    /// The tokens of a text.
    Sequence {
        /// 0 for the first text, 1 for the second.
        index: usize,
        /// Which of the places for texts it is.
        slot: usize,
        /// The type id of each token.
        type_id: u32,
        /// The type id of each token of an overflowing window.
        overflow_type_id: u32,
        /// How offsets are trimmed, one after the other.
        trims: Vec<Trim>,
    },
    /// One special token. Its offsets are 0..0, it is attended, and it belongs to no word.
    Special {
        /// Its id.
        id: TokenId,
        /// Its string.
        token: String,
        /// Its type id.
        type_id: u32,
        /// Its type id when the text that it was put around overflows, and the place of that text.
        overflow: Option<(u32, usize)>,
        /// Whether the mask of special tokens knows it: the later of two processors of BERT's kind
        /// takes what the earlier one added for text.
        masked: bool,
    },
}

/// One trimming of a text's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    how: TrimOffsets,
    /// Whether the text's first token was the first of all when it was trimmed.
    starts: bool,
}

/// The pieces of one part of the result, and the sequences whose ranges it knows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ranges {
    slot: Option<usize>,
    kept: Vec<(usize, Range<usize>)>,
    overflow: Vec<(usize, Range<usize>)>,
}

/// What stands for an encoding on its way through the processors; it holds one text at most.
#[derive(Clone, Debug, Default)]
struct Part {
    pieces: Vec<Piece>,
    kept: BTreeMap<usize, Range<usize>>,
    overflow: BTreeMap<usize, Range<usize>>,
}

#[derive(Clone, Debug)]
struct Piece {
    what: What,
    type_id: u32,
    overflow_type_id: u32,
    masked: bool,
}

#[derive(Clone, Debug)]
enum What {
    Text { index: usize, trims: Vec<Trim> },
    Special { id: TokenId, token: String },
}

impl Part {
    fn text(index: usize) -> Self {
        let type_id = u32::from(index > 0);
        let what = What::Text { index, trims: Vec::new() };
        let piece = Piece { what, type_id, overflow_type_id: type_id, masked: false };
        Self { pieces: vec![piece], ..Self::default() }
    }

    fn special(ids: &[TokenId], tokens: &[String], type_id: u32) -> Self {
        let piece = |(&id, token): (&TokenId, &String)| special(&(token.clone(), id), type_id);
        Self { pieces: ids.iter().zip(tokens).map(piece).collect(), ..Self::default() }
    }

    fn set_type_ids(&mut self, type_id: u32) {
        self.pieces.iter_mut().for_each(|piece| piece.type_id = type_id);
    }

    /// What a processor does that says which sequence a whole part is.
    fn set_sequence(&mut self, sequence: usize) {
        self.kept.insert(sequence, 0..self.pieces.len());
    }

    fn trim(&mut self, how: TrimOffsets) {
        let mut starts = true;
        for piece in &mut self.pieces {
            if let What::Text { trims, .. } = &mut piece.what {
                trims.push(Trim { how, starts });
            }
            starts = false;
        }
    }

    /// Puts special tokens around the part, as the processors of BERT and `RoBERTa` do.
    fn wrap(&mut self, before: Option<Piece>, after: Piece, sequence: usize) {
        self.pieces.iter_mut().for_each(|piece| piece.masked = false);
        let start = usize::from(before.is_some());
        self.pieces.splice(0..0, before);
        let range = start..self.pieces.len();
        self.pieces.push(after);
        self.kept = BTreeMap::from([(sequence, range)]);
        self.overflow = self.kept.clone();
    }
}

fn special((token, id): &(String, TokenId), type_id: u32) -> Piece {
    let what = What::Special { id: *id, token: token.clone() };
    Piece { what, type_id, overflow_type_id: type_id, masked: true }
}

impl Layout {
    /// The layout when there is no post-processor: the texts side by side, with type ids 0 and 1. What
    /// overflows does not know its sequences.
    pub(crate) fn plain(pair: bool) -> Self {
        let parts = (0..=usize::from(pair)).map(|index| {
            let mut part = Part::text(index);
            if pair {
                part.set_sequence(index);
            }
            part
        });
        Self::of(parts.collect(), 0)
    }

    /// The layout for one text, or with `pair` for two; without `special_tokens` the tokens of the
    /// processors are left out, and type ids are what the reference library gives then.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for processors after which the reference library cannot go on, and for
    /// more pieces than there is any use for.
    pub(crate) fn new(processor: &PostProcessor, pair: bool, special_tokens: bool) -> Result<Self> {
        let members = processor.members();
        if members.len() > MAX_PROCESSORS {
            return Err(unsupported(format!("more than {MAX_PROCESSORS} post_processors")));
        }
        let texts = (0..=usize::from(pair)).map(|index| {
            let mut part = Part::text(index);
            part.set_sequence(index);
            part.overflow = part.kept.clone();
            part
        });
        let mut parts: Vec<Part> = texts.collect();
        for member in members {
            apply(member, &mut parts, special_tokens)?;
            let pieces = parts.iter().map(|part| part.pieces.len()).sum::<usize>();
            let is_text = |piece: &&Piece| matches!(piece.what, What::Text { .. });
            let texts = parts.iter().flat_map(|part| &part.pieces).filter(is_text).count();
            if pieces > MAX_PIECES || texts > MAX_TEXTS {
                let what = format!("a row of {texts} texts and {} special tokens", pieces - texts);
                return Err(unsupported(what));
            }
        }
        Ok(Self::of(parts, if special_tokens { processor.added_tokens(pair) } else { 0 }))
    }

    fn of(parts: Vec<Part>, added: usize) -> Self {
        let mut layout = Self { pieces: Vec::new(), slots: Vec::new(), parts: Vec::new(), added };
        for part in parts {
            let index = part.pieces.iter().find_map(|piece| match piece.what {
                What::Text { index, .. } => Some(index),
                What::Special { .. } => None,
            });
            let slot = index.map(|_| layout.slots.len());
            layout.slots.extend(index);
            let start = layout.pieces.len();
            let moved = |ranges: BTreeMap<usize, Range<usize>>| {
                let moved = |(sequence, range): (usize, Range<usize>)| {
                    (sequence, start + range.start..start + range.end)
                };
                ranges.into_iter().map(moved).collect()
            };
            let (kept, overflow) = (moved(part.kept), moved(part.overflow));
            layout.parts.push(Ranges { slot, kept, overflow });
            layout.pieces.extend(part.pieces.into_iter().map(|piece| {
                let Piece { what, type_id, overflow_type_id, masked } = piece;
                match what {
                    What::Text { index, trims } => {
                        let slot = slot.unwrap_or_default();
                        LayoutPiece::Sequence { index, slot, type_id, overflow_type_id, trims }
                    }
                    What::Special { id, token } => {
                        let overflow = slot.map(|slot| (overflow_type_id, slot));
                        LayoutPiece::Special { id, token, type_id, overflow, masked }
                    }
                }
            }));
        }
        layout
    }

    /// The number of special tokens that the processors say they add; truncation leaves room for them.
    pub(crate) fn added_tokens(&self) -> usize {
        self.added
    }

    /// The windows of a row in which every text is as truncation kept it.
    pub(crate) fn kept(&self) -> Vec<usize> {
        vec![0; self.slots.len()]
    }

    /// The number of rows that there are of the two texts' windows, and of tokens in the longest when
    /// windows have `lengths` at most.
    pub(crate) fn size(&self, counts: [usize; 2], lengths: [usize; 2]) -> (usize, usize) {
        let rows = self.slots.iter().fold(1usize, |rows, &text| rows.saturating_mul(counts[text]));
        let specials = self.pieces.len() - self.slots.len();
        let tokens = self.slots.iter().map(|&text| lengths[text]);
        (rows, tokens.fold(specials, usize::saturating_add))
    }

    /// The overflowing results when the texts have `counts[0]` and `counts[1]` windows: for each, the
    /// window at every place for a text, in the reference library's order. First those in which the
    /// first place overflows, with all windows of the others, then those in which it does not but the
    /// second does, and so on.
    ///
    /// # Errors
    /// [`Error::Argument`] above [`MAX_OVERFLOWING`] results.
    pub(crate) fn overflowing(&self, counts: [usize; 2]) -> Result<Overflowing> {
        let counts: Vec<usize> = self.slots.iter().map(|&text| counts[text]).collect();
        let rows = counts.iter().try_fold(1usize, |rows, &count| rows.checked_mul(count));
        if rows.is_none_or(|rows| rows > MAX_OVERFLOWING) {
            let shown: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let given = format!("so small that {} windows overflow", shown.join(" x "));
            let wanted = format!("large enough for at most {MAX_OVERFLOWING} of them");
            return Err(Error::argument("max_length", given, wanted));
        }
        Ok(Overflowing { windows: vec![0; counts.len()], counts, lead: None })
    }

    /// The sequence id of each piece, `None` for special tokens, when the place for each text has the
    /// window `windows` says (0 is what was kept); and the one of padding.
    ///
    /// The reference library keeps a range per sequence and reads as many as there are, from 0 on; one
    /// that is not there stands for everything.
    pub(crate) fn sequence_ids(&self, windows: &[usize]) -> (Vec<Option<u32>>, Option<u32>) {
        let mut ranges = BTreeMap::new();
        for part in &self.parts {
            let overflows = part.slot.is_some_and(|slot| windows.get(slot).is_some_and(|&w| w > 0));
            let known = if overflows { &part.overflow } else { &part.kept };
            ranges.extend(known.iter().map(|(sequence, range)| (*sequence, range.clone())));
        }
        let mut ids = vec![None; self.pieces.len()];
        let mut padding = None;
        for (sequence, id) in (0..ranges.len().max(1)).zip(0u32..) {
            if let Some(range) = ranges.get(&sequence) {
                ids[range.clone()].fill(Some(id));
            } else {
                ids.fill(Some(id));
                padding = Some(id);
            }
        }
        (ids, padding)
    }
}

/// One processor of the chain.
fn apply(processor: &PostProcessor, parts: &mut Vec<Part>, special_tokens: bool) -> Result<()> {
    if let Some(how) = processor.own_trim() {
        for part in parts.iter_mut() {
            part.trim(how);
        }
    }
    match processor {
        PostProcessor::ByteLevel { .. } => {
            parts.iter_mut().enumerate().for_each(|(at, part)| part.set_sequence(at));
        }
        PostProcessor::Bert { sep, cls } if special_tokens => {
            for (at, part) in parts.iter_mut().enumerate() {
                let before = (at == 0).then(|| special(cls, 0));
                part.wrap(before, special(sep, u32::from(at > 0)), at.min(1));
            }
        }
        PostProcessor::Roberta { sep, cls, .. } => {
            for (at, part) in parts.iter_mut().enumerate() {
                part.set_type_ids(0);
                if special_tokens {
                    part.pieces.iter_mut().for_each(|piece| piece.overflow_type_id = 0);
                    let before = special(if at == 0 { cls } else { sep }, 0);
                    part.wrap(Some(before), special(sep, 0), at.min(1));
                }
            }
        }
        PostProcessor::Template(template) => {
            let pieces = match parts.len() {
                1 => template.single(),
                2 => template.pair(),
                count => {
                    // Where the reference library panics.
                    let what = format!(
                        "post_processor `TemplateProcessing` after one that left {count} parts"
                    );
                    return Err(unsupported(what));
                }
            };
            let mut made = Vec::new();
            for piece in pieces {
                match piece {
                    TemplatePiece::Sequence { index, type_id } => {
                        let Some(part) = parts.get_mut(*index) else {
                            let what = "a template for one text with the second text in it";
                            return Err(unsupported(what));
                        };
                        part.set_type_ids(*type_id);
                        part.set_sequence(*index);
                        made.push(part.clone());
                    }
                    TemplatePiece::Special { name, type_id } if special_tokens => {
                        if let Some(special) = template.find(name) {
                            made.push(Part::special(&special.ids, &special.tokens, *type_id));
                        }
                    }
                    TemplatePiece::Special { .. } => {}
                }
                if made.len() > MAX_PIECES {
                    return Err(unsupported(format!(
                        "a template of more than {MAX_PIECES} pieces"
                    )));
                }
            }
            *parts = made;
        }
        PostProcessor::Bert { .. } | PostProcessor::Sequence(_) => {}
    }
    Ok(())
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::unsupported(what, "post_processor")
}

/// The windows of every overflowing row, one after the other: see [`Layout::overflowing`].
pub(crate) struct Overflowing {
    counts: Vec<usize>,
    windows: Vec<usize>,
    /// The first place that overflows; places before it do not any more.
    lead: Option<usize>,
}

impl Iterator for Overflowing {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let mut lead = self.lead.unwrap_or_default();
        if self.lead.is_some() {
            for at in (lead..self.counts.len()).rev() {
                self.windows[at] += 1;
                if self.windows[at] < self.counts[at] {
                    return Some(self.windows.clone());
                }
                self.windows[at] = 0;
            }
            lead += 1;
        }
        while *self.counts.get(lead)? < 2 {
            lead += 1;
        }
        self.lead = Some(lead);
        self.windows[lead] = 1;
        Some(self.windows.clone())
    }
}

impl Trim {
    /// The trimmed offsets, in characters, of a token with so many characters of white space at its
    /// ends; `position` is its index in its window.
    #[inline]
    pub(crate) fn apply_counts(
        self,
        leading: usize,
        trailing: usize,
        position: usize,
        offsets: (usize, usize),
    ) -> (usize, usize) {
        let position = if self.starts { position } else { position + 1 };
        self.how.apply_counts(leading, trailing, position, offsets)
    }
}
