//! Long texts in parts: places where a text may be cut and each side encoded alone.
//!
//! A cut must be right whatever stands elsewhere in the text, so it is made only where every step is
//! known to start anew: no added token is near, the normaliser works on either side alone
//! (`normalize/border.rs`), and a piece ends there (`pretokenize/border.rs`) or, where a text is one
//! piece, no token of the model reaches across (its safe cuts). Anything that is not known to allow
//! cuts has none, and its texts are encoded as a whole.
//!
//! What is put in front of a text (a space, sentencepiece's `▁`) must not be put in front of every part.
//! Parts of such tokenizers begin one character early: the tokens of that character, encoded alone, are
//! those that the part has too many.

use super::scratch::Scratch;
use super::{EncodeOptions, Input, Plan, Road};
use crate::error::Result;
use crate::ids::{MAX_TEXT_BYTES, TokenId};
use crate::model::Model;
use crate::normalize::{Around, Normalizer};
use crate::postprocess::{Layout, LayoutPiece};
use crate::pretokenize::Borders;
use crate::unicode::bert::{CHINESE, flags};

/// How texts of a tokenizer may be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutting {
    borders: Borders,
    /// How many times as long a text may become.
    growth: usize,
    /// Whether a text may get something in front.
    early: bool,
    /// Whether ideographs stand alone.
    ideographs: bool,
}

/// A part of a text: encoded from `early` on, with what comes before `start` left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) early: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A text may become this many times as long within its budget, however it is cut.
const MOST_GROWTH: usize = 64;

impl Plan {
    /// How texts may be cut; none where nothing is known.
    pub(super) fn cutting(&self) -> Option<Cutting> {
        let normalizer = self.declared.normalizer.as_ref();
        if matches!(self.road, Road::Bert(_)) {
            let ideographs =
                matches!(normalizer, Some(Normalizer::Bert(bert)) if bert.handle_chinese_chars);
            return Some(Cutting { borders: Borders::White, growth: 1, early: false, ideographs });
        }
        if matches!(self.road, Road::General) {
            return None;
        }
        let borders = self.splitter.borders();
        let whole = matches!(borders, Borders::Whole(_) | Borders::Spaceless);
        // Inside of a piece only merges can be cut, and what is looked up whole must not be.
        let cuts = match &self.declared.model {
            Model::Bpe(model) => !model.options().ignore_merges,
            _ => false,
        };
        if borders == Borders::Unknown || (whole && !cuts) {
            return None;
        }
        let growth = normalizer.map_or(1, Normalizer::growth);
        let early =
            normalizer.is_some() || self.splitter.rewrites() || self.splitter.add_prefix_space;
        (growth <= MOST_GROWTH).then_some(Cutting { borders, growth, early, ideographs: false })
    }

    /// The parts, of about `bytes` bytes each, that a row may be encoded in: none for a row that is
    /// encoded as a whole.
    pub(super) fn parts(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        bytes: usize,
    ) -> Vec<Part> {
        let (Input::Text(text), None, None) = (input, pair, &options.truncation) else {
            return Vec::new();
        };
        if text.len() < 2 * bytes || self.is_random(options) {
            return Vec::new();
        }
        let Some(cutting) = self.cutting() else { return Vec::new() };
        // A layout may leave the text out, or have it twice.
        let layout = self.layout(false, options.add_special_tokens);
        if !layout.is_ok_and(|layout| sequences(layout) == 1) {
            return Vec::new();
        }
        if text.len().saturating_mul(cutting.growth) > MAX_TEXT_BYTES {
            return Vec::new();
        }
        let mut parts = Vec::new();
        let (mut early, mut start) = (0, 0_usize);
        let mut cut = |early, start, end| {
            parts.push(Part { early: if cutting.early { early } else { start }, start, end });
        };
        while let Some((left, at)) = self.border(cutting, text, start.saturating_add(bytes)) {
            cut(early, start, at);
            (early, start) = (left, at);
        }
        if start == 0 {
            return Vec::new();
        }
        cut(early, start, text.len());
        parts
    }

    /// Appends the ids of a part of a row: the first one has the special tokens before the text, the
    /// last one those behind it.
    pub(super) fn part_ids(
        &self,
        text: &str,
        part: Part,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let layout = self.layout(false, options.add_special_tokens)?;
        let plain = options.split_special_tokens;
        let mut before = true;
        for piece in &layout.pieces {
            match piece {
                LayoutPiece::Special { id, .. } => {
                    if if before { part.start == 0 } else { part.end == text.len() } {
                        out.push(*id);
                    }
                }
                LayoutPiece::Sequence { .. } => {
                    before = false;
                    let start = out.len();
                    self.text_ids(&text[part.early..part.start], plain, scratch, out)?;
                    let surplus = out.len() - start;
                    out.truncate(start);
                    self.text_ids(&text[part.early..part.end], plain, scratch, out)?;
                    out.drain(start..(start + surplus).min(out.len()));
                }
            }
        }
        Ok(())
    }

    /// The first border from `from` on, and where the character before it starts.
    fn border(&self, cutting: Cutting, text: &str, from: usize) -> Option<(usize, usize)> {
        let normalizer = self.declared.normalizer.as_ref();
        let reach = self.added.reach();
        let start = boundary(text, from);
        let mut free = 0;
        let mut left: Option<(usize, char)> = None;
        let mut characters = text[start..].char_indices().peekable();
        while let Some((offset, right)) = characters.next() {
            let at = start + offset;
            let Some((left_at, left)) = left.replace((at, right)) else { continue };
            if at < free {
                continue;
            }
            let around = Around { left, right, next: characters.peek().map(|&(_, c)| c) };
            if !self.may_part(cutting, normalizer, around) {
                continue;
            }
            match self.added.is_clear(text, at, normalizer) {
                Some(true) => return Some((left_at, at)),
                // Nothing is looked at twice, however many tokens stand in a text.
                _ => free = at + 4 * reach,
            }
        }
        None
    }

    /// Whether everything starts anew between two characters, added tokens aside.
    fn may_part(&self, cutting: Cutting, normalizer: Option<&Normalizer>, around: Around) -> bool {
        if around.left.is_whitespace() {
            return false;
        }
        if matches!(self.road, Road::Bert(_)) {
            let ideograph = |c: char| flags(c) & CHINESE != 0;
            return cutting.borders.between(around.left, around.right)
                || (cutting.ideographs && ideograph(around.left) && ideograph(around.right));
        }
        let normal = match normalizer {
            None => Some(around),
            Some(normalizer) => normalizer.across(around),
        };
        let Some(Around { left, right, .. }) = normal else { return false };
        if let Some((left, right)) = cutting.borders.within(left, right) {
            let mut text = [0; 8];
            let middle = left.encode_utf8(&mut text).len();
            let end = middle + right.encode_utf8(&mut text[middle..]).len();
            let mut cut = false;
            if let Ok(both) = std::str::from_utf8(&text[..end]) {
                self.declared.model.cuts(both, |start, _| cut |= start == middle);
            }
            return cut;
        }
        cutting.borders.between(left, right)
    }
}

/// The first border of characters from `at` on.
pub(super) fn boundary(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

/// How often a layout has the text.
fn sequences(layout: &Layout) -> usize {
    layout.pieces.iter().filter(|piece| matches!(piece, LayoutPiece::Sequence { .. })).count()
}

#[cfg(test)]
mod tests;
