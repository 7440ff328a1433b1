//! Encodings of which only some columns are asked for, where the ids may be known already.

use super::encoding::Encoding;
use super::scratch::Scratch;
use super::{EncodeOptions, Input, Plan, Tokenizer};
use crate::error::Result;
use crate::ids::{Span, TokenId, check_text_length};
use crate::postprocess::{Layout, LayoutPiece};

/// The columns of an [`Encoding`] that a call fills; the ids are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of columns")]
pub struct Columns {
    /// [`Encoding::offsets`].
    pub offsets: bool,
    /// [`Encoding::byte_offsets`].
    pub byte_offsets: bool,
    /// [`Encoding::word_ids`].
    pub word_ids: bool,
    /// The type ids, the sequence ids and the masks, which need no look at the text.
    pub marks: bool,
}

impl Columns {
    /// Everything.
    pub const ALL: Self = Self { offsets: true, byte_offsets: true, word_ids: true, marks: true };
    /// None but the ids.
    pub const NONE: Self =
        Self { offsets: false, byte_offsets: false, word_ids: false, marks: false };
    /// The characters of each token.
    pub const OFFSETS: Self = Self { offsets: true, ..Self::NONE };
    /// The bytes of each token.
    pub const BYTE_OFFSETS: Self = Self { byte_offsets: true, ..Self::NONE };
    /// The word of each token.
    pub const WORD_IDS: Self = Self { word_ids: true, ..Self::NONE };
    /// What needs no look at the text.
    pub const MARKS: Self = Self { marks: true, ..Self::NONE };

    /// Whether the places of tokens are needed.
    pub(super) fn has_places(self) -> bool {
        self.offsets || self.byte_offsets
    }
}

impl Tokenizer {
    /// The columns that are `wanted` of [`Tokenizer::encode_places`], for the row `row` of a batch whose
    /// longest has `longest` tokens. Others are empty, in overflowing parts too.
    ///
    /// `known` are the row's ids where they are known: what [`Tokenizer::encode_ids`] gives for the same
    /// texts and options. Then they are not computed again, where that is not needed. Other ids than
    /// those make places that are none.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_columns(
        &self,
        (input, pair): (Input<'_>, Option<Input<'_>>),
        options: &EncodeOptions,
        (row, longest): (usize, usize),
        known: Option<&[TokenId]>,
        wanted: Columns,
    ) -> Result<Encoding> {
        self.check(options)?;
        self.plan.scratch.with(|scratch| {
            self.plan.begin_row(options, row, scratch);
            let layout = self.plan.layout(pair.is_some(), options.add_special_tokens)?;
            let plain = options.truncation.is_none() && options.padding.is_none();
            let single = match (input, pair) {
                (Input::Text(text), None) if plain && !scratch.model.is_random() => Some(text),
                _ => None,
            };
            let known = known.filter(|_| single.is_some());
            if let Some(text) = single.filter(|_| wanted == Columns::OFFSETS) {
                let found = self.plan.offsets_alone(text, options, layout, known, scratch)?;
                if let Some(encoding) = found {
                    return Ok(encoding);
                }
            }
            let known = known.and_then(|known| Frame::of(layout)?.own(known));
            self.plan.row((input, pair), options, Some(longest), (known, wanted), scratch)
        })
    }
}

/// The special tokens before and behind the only text of a row.
struct Frame {
    before: usize,
    behind: usize,
}

impl Frame {
    fn of(layout: &Layout) -> Option<Self> {
        let is_text = |piece: &LayoutPiece| matches!(piece, LayoutPiece::Sequence { .. });
        let before = layout.pieces.iter().position(is_text)?;
        let behind = layout.pieces.iter().rev().position(is_text)?;
        (before + behind + 1 == layout.pieces.len()).then_some(Self { before, behind })
    }

    /// The text's own ids among those of the row.
    fn own<'a>(&self, ids: &'a [TokenId]) -> Option<&'a [TokenId]> {
        ids.get(self.before..ids.len().checked_sub(self.behind)?)
    }
}

impl Plan {
    /// Ids and offsets of a single text, if its tokens tile it.
    fn offsets_alone(
        &self,
        text: &str,
        options: &EncodeOptions,
        layout: &Layout,
        known: Option<&[TokenId]>,
        scratch: &mut Scratch,
    ) -> Result<Option<Encoding>> {
        let Some(frame) = Frame::of(layout) else { return Ok(None) };
        let Some(LayoutPiece::Sequence { trims, .. }) = layout.pieces.get(frame.before) else {
            return Ok(None);
        };
        let trim = match trims.as_slice() {
            [] => None,
            [trim] => Some(*trim),
            _ => return Ok(None),
        };
        if !self.tiles_chars() {
            return Ok(None);
        }
        check_text_length(text)?;
        let mut encoding = Encoding::default();
        let plain = options.split_special_tokens;
        match known {
            Some(known) => encoding.ids.extend_from_slice(known),
            None => self.row_ids(Input::Text(text), None, options, scratch, &mut encoding.ids)?,
        }
        let Some(own) = frame.own(&encoding.ids) else { return Ok(None) };
        let offsets = &mut encoding.offsets;
        offsets.reserve_exact(encoding.ids.len());
        offsets.resize(frame.before, Span::default());
        let tiled = self.tile_chars(text, own, plain, trim, offsets);
        offsets.resize(offsets.len() + frame.behind, Span::default());
        Ok(tiled.map(|()| encoding))
    }
}
