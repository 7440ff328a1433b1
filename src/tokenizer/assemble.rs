//! From the tokens of texts to rows: truncation, special tokens, padding, in this order.
//!
//! Two forms of the same walk over a layout: ids alone, and full encodings with all their columns.

use super::aligned::Tokens;
use super::chars::CharPositions;
use super::encoding::{Encoding, Row};
use super::scratch::Scratch;
use super::{Columns, EncodeOptions, Input, Plan};
use crate::error::{Error, Result};
use crate::ids::{Span, TokenId, check_text_length};
use crate::model::{Dropout, Model};
use crate::postprocess::fit::{self, Direction, PaddingParams};
use crate::postprocess::{Layout, LayoutPiece, Trim, blanks_of};

impl Plan {
    /// The layout of a row.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the post-processor cannot go on.
    pub(super) fn layout(&self, pair: bool, special: bool) -> Result<&Layout> {
        if let Some(layout) = &self.layouts[usize::from(pair)][usize::from(special)] {
            return Ok(layout);
        }
        super::layout(self.declared.post_processor.as_ref(), pair, special)?;
        Err(Error::unsupported("this post_processor", "post_processor"))
    }

    /// Whether merges are left out at random.
    pub(super) fn is_random(&self, options: &EncodeOptions) -> bool {
        let share = options.dropout.or(self.declared.model.dropout());
        matches!(self.declared.model, Model::Bpe(_)) && share.is_some_and(|share| share > 0.0)
    }

    /// Sets chance up for a row: what falls out depends on the seed and the row's number alone.
    pub(super) fn begin_row(&self, options: &EncodeOptions, row: usize, scratch: &mut Scratch) {
        let share = options.dropout.or(self.declared.model.dropout()).filter(|&share| share > 0.0);
        scratch.model.dropout = match (&self.declared.model, share) {
            (Model::Bpe(_), Some(share)) => Some(Dropout::new(share, options.seed, row as u64)),
            _ => None,
        };
    }

    /// Appends the ids of one row, special tokens included, cut but not padded.
    pub(super) fn row_ids(
        &self,
        input: Input<'_>,
        pair: Option<Input<'_>>,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let layout = self.layout(pair.is_some(), options.add_special_tokens)?;
        let Some(truncation) = &options.truncation else {
            for piece in &layout.pieces {
                match piece {
                    LayoutPiece::Special { id, .. } => out.push(*id),
                    LayoutPiece::Sequence { index: 0, .. } => {
                        self.input_ids(input, options, scratch, out)?;
                    }
                    LayoutPiece::Sequence { .. } => {
                        if let Some(pair) = pair {
                            self.input_ids(pair, options, scratch, out)?;
                        }
                    }
                }
            }
            return Ok(());
        };
        let mut ids = std::mem::take(&mut scratch.ids);
        ids.iter_mut().for_each(Vec::clear);
        self.input_ids(input, options, scratch, &mut ids[0])?;
        if let Some(pair) = pair {
            self.input_ids(pair, options, scratch, &mut ids[1])?;
        }
        let room = fit::room(truncation, layout.added_tokens())?;
        let lengths = (ids[0].len(), pair.map(|_| ids[1].len()));
        let kept = fit::truncated(lengths, room, truncation)?;
        for piece in &layout.pieces {
            match piece {
                LayoutPiece::Special { id, .. } => out.push(*id),
                LayoutPiece::Sequence { index, .. } => {
                    let ids = &ids[*index];
                    let kept = if *index == 0 { kept.0 } else { kept.1 }.min(ids.len());
                    out.extend_from_slice(match truncation.direction {
                        Direction::Right => &ids[..kept],
                        Direction::Left => &ids[ids.len() - kept..],
                    });
                }
            }
        }
        scratch.ids = ids;
        Ok(())
    }

    fn input_ids(
        &self,
        input: Input<'_>,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        match input {
            Input::Text(text) => self.text_ids(text, options.split_special_tokens, scratch, out),
            Input::Words(words) => words.iter().try_for_each(|word| {
                self.text_ids(word, options.split_special_tokens, scratch, out)
            }),
        }
    }

    /// One row with the columns that are `wanted`. `padded` is the length that rows are filled up to,
    /// `known` the first text's ids where they are known.
    pub(super) fn row(
        &self,
        (input, pair): (Input<'_>, Option<Input<'_>>),
        options: &EncodeOptions,
        padded: Option<usize>,
        (known, wanted): (Option<&[TokenId]>, Columns),
        scratch: &mut Scratch,
    ) -> Result<Encoding> {
        let layout = self.layout(pair.is_some(), options.add_special_tokens)?;
        let first = Text::new(self, input, options, (known, wanted), scratch)?;
        let second = pair.map(|pair| Text::new(self, pair, options, (None, wanted), scratch));
        let second = second.transpose()?;
        let mut texts = vec![first];
        texts.extend(second);
        if let Some(truncation) = &options.truncation {
            let room = fit::room(truncation, layout.added_tokens())?;
            let lengths =
                (texts[0].tokens.ids.len(), texts.get(1).map(|text| text.tokens.ids.len()));
            let kept = fit::truncated(lengths, room, truncation)?;
            for (text, kept) in texts.iter_mut().zip([kept.0, kept.1]) {
                let length = text.tokens.ids.len();
                text.windows = fit::windows(length, kept, truncation.stride, truncation.direction);
            }
        }
        let counts = [texts[0].windows.len(), texts.get(1).map_or(1, |text| text.windows.len())];
        let kept = layout.kept();
        let mut encoding = self.assemble(layout, &texts, &kept, wanted);
        let length = match (&options.padding, padded) {
            (Some(padding), Some(longest)) => {
                Some((padding, fit::padded_length(longest.max(encoding.len()), padding)?))
            }
            _ => None,
        };
        let window = |text: Option<&Text<'_>>| text.map_or(0, |text| text.windows[0].len());
        let (rows, longest) = layout.size(counts, [window(texts.first()), window(texts.get(1))]);
        if rows > 1 {
            let longest = length.map_or(longest, |(_, length)| length.max(longest));
            if rows.saturating_mul(longest) > MAX_OVERFLOWING_TOKENS {
                let given =
                    format!("such that {} overflowing rows have {longest} tokens each", rows - 1);
                let wanted =
                    format!("such that they have at most {MAX_OVERFLOWING_TOKENS} together");
                return Err(Error::argument("max_length", given, wanted));
            }
        }
        let finish = |encoding: &mut Encoding, windows: &[usize]| {
            if let Some((padding, length)) = length {
                let sequence = layout.sequence_ids(windows).1.map_or(-1, i64::from);
                self.pad(encoding, length, padding, (sequence, wanted));
            }
        };
        finish(&mut encoding, &kept);
        let overflowing = layout.overflowing(counts)?.map(|windows| {
            let mut encoding = self.assemble(layout, &texts, &windows, wanted);
            finish(&mut encoding, &windows);
            encoding
        });
        encoding.overflowing = overflowing.collect();
        Ok(encoding)
    }

    fn assemble(
        &self,
        layout: &Layout,
        texts: &[Text<'_>],
        windows: &[usize],
        wanted: Columns,
    ) -> Encoding {
        let mut encoding = Encoding::default();
        let (sequences, _) = layout.sequence_ids(windows);
        let window = |slot: usize| windows.get(slot).copied().unwrap_or_default();
        for (piece, sequence) in layout.pieces.iter().zip(sequences) {
            let sequence_id = sequence.map_or(-1, i64::from);
            match piece {
                LayoutPiece::Special { id, token, type_id, overflow, masked } => {
                    let type_id = match overflow {
                        Some((overflow_type_id, slot)) if window(*slot) > 0 => *overflow_type_id,
                        _ => *type_id,
                    };
                    let row = Row {
                        id: *id,
                        type_id,
                        named: self.named(*id, token),
                        sequence_id,
                        special: *masked,
                        attention: true,
                    };
                    encoding.push(row, 1, wanted);
                }
                LayoutPiece::Sequence { index, slot, type_id, overflow_type_id, trims } => {
                    let Some(text) = texts.get(*index) else { continue };
                    // What was kept has the declared type id beside an overflowing part too.
                    let window = window(*slot);
                    let type_id = if window > 0 { *overflow_type_id } else { *type_id };
                    let marks = (type_id, sequence_id, trims.as_slice());
                    text.push_window(self, window, marks, wanted, &mut encoding);
                }
            }
        }
        encoding
    }
}

/// Room for the special tokens behind a text.
const SPECIALS: usize = 4;

/// The most tokens that the overflowing rows of one call have together.
const MAX_OVERFLOWING_TOKENS: usize = 1 << 23;

/// The tokens of one text or list of words, and the windows that truncation made of them.
struct Text<'a> {
    /// Of the text, or of each word.
    positions: Vec<CharPositions<'a>>,
    in_words: bool,
    tokens: Tokens,
    windows: Vec<std::ops::Range<usize>>,
}

impl<'a> Text<'a> {
    fn new(
        plan: &Plan,
        input: Input<'a>,
        options: &EncodeOptions,
        (known, wanted): (Option<&[TokenId]>, Columns),
        scratch: &mut Scratch,
    ) -> Result<Self> {
        let mut tokens = Tokens::default();
        let plain = options.split_special_tokens;
        match input {
            Input::Text(text) => {
                plan.wanted_tokens(text, None, plain, (known, wanted), scratch, &mut tokens)?;
            }
            Input::Words(words) => {
                for (number, word) in (0..).zip(words) {
                    let number = Some(number);
                    plan.wanted_tokens(word, number, plain, (None, wanted), scratch, &mut tokens)?;
                }
            }
        }
        let (positions, in_words) = match input {
            _ if !wanted.has_places() => (Vec::new(), false),
            Input::Text(text) => (vec![CharPositions::new(text)], false),
            Input::Words(words) => {
                (words.iter().map(|word| CharPositions::new(word)).collect(), true)
            }
        };
        let whole = 0..tokens.ids.len();
        Ok(Self { positions, in_words, tokens, windows: vec![whole] })
    }

    fn push_window(
        &self,
        plan: &Plan,
        window: usize,
        (type_id, sequence_id, trims): (u32, i64, &[Trim]),
        wanted: Columns,
        out: &mut Encoding,
    ) {
        let Some(window) = self.windows.get(window).cloned() else { return };
        let Tokens { ids, spans, words, surfaces } = &self.tokens;
        let first = out.len();
        let length = first + window.len();
        out.reserve(window.len() + SPECIALS, wanted);
        let surfaces = &surfaces[surfaces.partition_point(|(index, _)| *index < window.start)..];
        let inside = surfaces.iter().take_while(|(index, _)| *index < window.end);
        let named = inside.map(|(index, text)| (first + index - window.start, text.clone()));
        out.named.extend(named);
        out.ids.extend_from_slice(&ids[window.clone()]);
        if wanted.marks {
            out.type_ids.resize(length, type_id);
            out.sequence_ids.resize(length, sequence_id);
            out.special_tokens_mask.resize(length, 0);
            out.attention_mask.resize(length, 1);
        }
        if wanted.word_ids {
            out.word_ids.extend(words[window.clone()].iter().map(|&word| i64::from(word)));
        }
        if !wanted.has_places() {
            return;
        }
        // Characters are counted and trimmed for bytes, too: what is left out is the same.
        out.byte_offsets.extend_from_slice(&spans[window.clone()]);
        if let ([positions], false) = (&*self.positions, self.in_words) {
            let spans = spans[window.clone()].iter();
            if positions.are_bytes() {
                out.offsets.extend(spans);
            } else {
                out.offsets.extend(spans.map(|&span| positions.near_span(span)));
            }
        } else {
            let rows = spans[window.clone()].iter().zip(&words[window.clone()]);
            out.offsets.extend(rows.map(|(&span, &word)| {
                self.positions
                    .get(word as usize)
                    .map_or(span, |positions| positions.near_span(span))
            }));
        }
        if trims.is_empty() {
            return;
        }
        let blanks = plan.blanks();
        let mut surfaces = surfaces.iter().peekable();
        for (position, index) in window.enumerate() {
            let surface = surfaces.next_if(|(of, _)| *of == index);
            let known = blanks.get(ids[index] as usize).filter(|_| surface.is_none());
            let counts = match known {
                Some([0, 0]) => continue,
                Some(&[leading, trailing]) if leading < u8::MAX && trailing < u8::MAX => {
                    (usize::from(leading), usize::from(trailing))
                }
                _ => {
                    let own = || plan.token(ids[index]).unwrap_or_default();
                    blanks_of(surface.map_or_else(own, |(_, surface)| surface))
                }
            };
            let word = if self.in_words { words[index] as usize } else { 0 };
            let Some(positions) = self.positions.get(word) else { continue };
            let at = first + position;
            let places = (&mut out.offsets[at], &mut out.byte_offsets[at]);
            trim(trims, counts, position, places, positions);
        }
    }
}

fn trim(
    trims: &[Trim],
    (leading, trailing): (usize, usize),
    position: usize,
    (offsets, bytes): (&mut Span, &mut Span),
    positions: &CharPositions<'_>,
) {
    for trim in trims {
        let before = *offsets;
        let ends = (before.start as usize, before.end as usize);
        let (start, end) = trim.apply_counts(leading, trailing, position, ends);
        *offsets = Span::new(start, end);
        // The same characters are left out in bytes.
        let start = positions.forward(bytes.start, offsets.start - before.start);
        let end = positions.back(bytes.end, before.end - offsets.end);
        *bytes = Span { start, end: end.max(start) };
    }
}

impl Plan {
    /// Appends the tokens of `text` as [`Plan::tokens`] does, with what is `wanted` of them; `known` are
    /// its ids where they are known.
    fn wanted_tokens(
        &self,
        text: &str,
        word: Option<u32>,
        plain_specials: bool,
        (known, wanted): (Option<&[TokenId]>, Columns),
        scratch: &mut Scratch,
        tokens: &mut Tokens,
    ) -> Result<()> {
        check_text_length(text)?;
        // The places of words are looked up by their numbers.
        let words = wanted.word_ids || (word.is_some() && wanted.has_places());
        let places = wanted.has_places() || words;
        if !scratch.model.is_random() && self.is_fast() && (self.tiles_words(words) || !places) {
            let (ids, spans, words_before) =
                (tokens.ids.len(), tokens.spans.len(), tokens.words.len());
            let mut own = std::mem::take(&mut scratch.own);
            own.clear();
            let known = match known {
                Some(known) => Ok(known),
                None => self.text_ids(text, plain_specials, scratch, &mut own).map(|()| &*own),
            };
            let tiled = known.is_ok_and(|known| {
                if !places {
                    tokens.ids.extend_from_slice(known);
                    return true;
                }
                let how = (plain_specials, words);
                self.tile_tokens(text, known, word, how, scratch, tokens).is_some()
            });
            scratch.own = own;
            if tiled {
                return Ok(());
            }
            tokens.ids.truncate(ids);
            tokens.spans.truncate(spans);
            tokens.words.truncate(words_before);
        }
        self.tokens(text, word, plain_specials, scratch, tokens)
    }

    /// A token's string where it is not the id's.
    fn named(&self, id: TokenId, token: &str) -> Option<String> {
        (self.token(id).unwrap_or_default() != token).then(|| token.to_owned())
    }

    /// Fills a row up to `length`; padding belongs to `sequence_id`.
    fn pad(
        &self,
        encoding: &mut Encoding,
        length: usize,
        padding: &PaddingParams,
        (sequence_id, wanted): (i64, Columns),
    ) {
        let mut filler = Encoding::default();
        let row = Row {
            id: padding.pad_id,
            type_id: padding.pad_type_id,
            named: self.named(padding.pad_id, &padding.pad_token),
            sequence_id,
            special: true,
            attention: false,
        };
        filler.push(row, length.saturating_sub(encoding.len()), wanted);
        match padding.direction {
            Direction::Right => encoding.append(filler),
            Direction::Left => {
                filler.append(std::mem::take(encoding));
                *encoding = filler;
            }
        }
    }
}
