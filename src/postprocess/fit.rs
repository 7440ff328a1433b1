//! Truncation and padding: lengths and windows.
//!
//! Nothing here touches tokens. A caller asks for the [`room`] that special tokens leave, for the
//! lengths that the texts keep in it ([`truncated`]), for the [`windows`] that cut a text into a
//! kept part and overflowing parts, for the overflowing combinations of two cut texts, and for
//! the [`padded_length`] of a batch.

// All rules are those of tokenizers 0.23.3, but where it panics or goes wrong in silence: a stride
// that leaves no step forward, a `max_length` below the number of special tokens (there it
// subtracts below zero and truncates nothing), and lengths that no memory holds. Those are errors.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::ids::TokenId;

/// The longest row that padding makes, in tokens. Longer texts are served; they are not padded.
pub(crate) const MAX_PADDED_LENGTH: usize = 1 << 22;
/// The most bytes that a row has if all of it is padding, and the token's text is longer than any.
const MAX_PADDED_BYTES: usize = 1 << 28;
const ANY_PAD_TOKEN: usize = 64;

/// The largest number of overflowing parts that one call makes.
pub(crate) const MAX_OVERFLOWING: usize = 1 << 24;

/// A side of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The beginning.
    Left,
    /// The end.
    #[default]
    Right,
}

/// Which text gives way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TruncationStrategy {
    /// The longer one first, then both.
    #[default]
    LongestFirst,
    /// Only the first.
    OnlyFirst,
    /// Only the second.
    OnlySecond,
}

/// How long a row may be, special tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruncationParams {
    /// The largest number of tokens.
    pub max_length: usize,
    /// Which text gives way.
    pub strategy: TruncationStrategy,
    /// The number of tokens that neighbouring windows share.
    pub stride: usize,
    /// The side where tokens are cut off.
    pub direction: Direction,
}

impl Default for TruncationParams {
    /// The reference library's: 512 tokens, the longest first, no stride, cut at the end.
    fn default() -> Self {
        let strategy = TruncationStrategy::LongestFirst;
        Self { max_length: 512, strategy, stride: 0, direction: Direction::Right }
    }
}

/// How long rows become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingStrategy {
    /// As long as the longest row of the batch.
    #[default]
    BatchLongest,
    /// This long, or as long as they are.
    Fixed(usize),
}

/// What fills up short rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaddingParams {
    /// How long rows become.
    pub strategy: PaddingStrategy,
    /// The side where tokens are added.
    pub direction: Direction,
    /// Lengths are rounded up to a multiple of this; 0 is the same as `None`.
    pub pad_to_multiple_of: Option<usize>,
    /// The id that is added.
    pub pad_id: TokenId,
    /// Its type id.
    pub pad_type_id: u32,
    /// Its string.
    pub pad_token: String,
}

impl Default for PaddingParams {
    /// The reference library's: to the longest row, at the end, with `[PAD]` and id 0.
    fn default() -> Self {
        Self {
            strategy: PaddingStrategy::BatchLongest,
            direction: Direction::Right,
            pad_to_multiple_of: None,
            pad_id: 0,
            pad_type_id: 0,
            pad_token: "[PAD]".to_owned(),
        }
    }
}

/// The number of tokens that texts may have when `added` special tokens stand around them.
///
/// # Errors
/// [`Error::Argument`] when `max_length` does not even hold the special tokens, or when the stride
/// leaves no step forward in windows of the room's size. Both are told before any text is seen, so
/// that a call does not fail at the first long text only.
pub(crate) fn room(params: &TruncationParams, added: usize) -> Result<usize> {
    let Some(room) = params.max_length.checked_sub(added) else {
        let wanted = format!("at least {added}, the number of special tokens");
        return Err(Error::argument("max_length", params.max_length, wanted));
    };
    check_stride(params.stride, room, added)?;
    Ok(room)
}

fn check_stride(stride: usize, length: usize, added: usize) -> Result<()> {
    if stride == 0 || stride < length {
        return Ok(());
    }
    let wanted = match added {
        0 => format!("less than {length}, the tokens that a window holds"),
        _ => format!(
            "less than {length}, the tokens that a window holds beside {added} special ones"
        ),
    };
    Err(Error::argument("stride", stride, wanted))
}

/// The number of tokens that each text keeps: for one text `lengths[1]` is `None`.
///
/// # Errors
/// [`Error::Argument`] when the strategy cannot make the texts fit: it names a second text and
/// there is none, or the text it names is too short; or when the stride is not shorter than a
/// text that is cut.
pub(crate) fn truncated(
    lengths: (usize, Option<usize>),
    room: usize,
    params: &TruncationParams,
) -> Result<(usize, usize)> {
    let (a, b) = (lengths.0, lengths.1.unwrap_or(0));
    if room == 0 {
        return Ok((0, 0));
    }
    let Some(surplus) = a.saturating_add(b).checked_sub(room).filter(|&surplus| surplus > 0) else {
        return Ok((a, b));
    };
    let kept = match (params.strategy, lengths.1) {
        (TruncationStrategy::LongestFirst, None) => (room, 0),
        (TruncationStrategy::LongestFirst, Some(b)) => longest_first(a, b, room),
        (TruncationStrategy::OnlyFirst, _) => (shorten("first", a, surplus)?, b),
        (TruncationStrategy::OnlySecond, Some(b)) => (a, shorten("second", b, surplus)?),
        (TruncationStrategy::OnlySecond, None) => {
            return Err(Error::argument(
                "truncation",
                "only_second",
                "another one for a single text",
            ));
        }
    };
    for (length, kept) in [(a, kept.0), (b, kept.1)] {
        if kept < length && kept > 0 {
            check_stride(params.stride, kept, 0)?;
        }
    }
    Ok(kept)
}

fn shorten(which: &str, length: usize, surplus: usize) -> Result<usize> {
    if length > surplus {
        return Ok(length - surplus);
    }
    let given = format!("only_{which}");
    let wanted = format!("able to remove {surplus} tokens, but the {which} text has {length}");
    Err(Error::argument("truncation", given, wanted))
}

/// The lengths of two texts that are too long together.
fn longest_first(a: usize, b: usize, room: usize) -> (usize, usize) {
    let shorter = a.min(b);
    let (mut small, mut large) = match room.checked_sub(shorter) {
        Some(rest) => (shorter, rest.max(shorter)),
        None => (shorter, shorter),
    };
    if small + large > room {
        // Half each; the text that was longer (the second of equals) gets the odd token.
        small = room / 2;
        large = small + room % 2;
    }
    if a > b { (large, small) } else { (small, large) }
}

/// The windows of a text of `length` tokens that keeps `kept`: the first is what is kept, the rest
/// is the overflowing, from the kept part away.
///
/// A text that is not cut has one window. One that keeps nothing has an empty one and itself.
/// `stride` is less than `kept` or the text is not cut; [`truncated`] has checked it.
pub(crate) fn windows(
    length: usize,
    kept: usize,
    stride: usize,
    direction: Direction,
) -> Vec<Range<usize>> {
    if kept >= length {
        return std::iter::once(0..length).collect();
    }
    if kept == 0 {
        return vec![0..0, 0..length];
    }
    debug_assert!(stride < kept);
    let step = kept.saturating_sub(stride).max(1);
    let mut windows = Vec::with_capacity((length - kept).div_ceil(step) + 1);
    match direction {
        Direction::Right => {
            let mut start = 0;
            loop {
                let end = length.min(start + kept);
                windows.push(start..end);
                if end == length {
                    return windows;
                }
                start += step;
            }
        }
        Direction::Left => {
            let mut end = length;
            loop {
                let start = end.saturating_sub(kept);
                windows.push(start..end);
                if start == 0 {
                    return windows;
                }
                end -= step;
            }
        }
    }
}

/// The length of the rows of a batch whose longest row has `longest` tokens; rows that are longer
/// already (possible with [`PaddingStrategy::Fixed`]) stay as they are.
///
/// # Errors
/// [`Error::Argument`] when padding would make rows longer than [`MAX_PADDED_LENGTH`], or fill them
/// with more than [`MAX_PADDED_BYTES`] of text.
pub(crate) fn padded_length(longest: usize, params: &PaddingParams) -> Result<usize> {
    let target = match params.strategy {
        PaddingStrategy::BatchLongest => longest,
        PaddingStrategy::Fixed(length) => length,
    };
    let rounded = match params.pad_to_multiple_of {
        None | Some(0) => Some(target),
        Some(multiple) => target.checked_next_multiple_of(multiple),
    };
    match rounded {
        Some(length) if length <= MAX_PADDED_LENGTH.max(longest) => {
            let token = params.pad_token.len();
            if token > ANY_PAD_TOKEN && length.saturating_mul(token) > MAX_PADDED_BYTES {
                let given = format!("{token} bytes long");
                let wanted = format!("such that a row has at most {MAX_PADDED_BYTES} bytes of it");
                return Err(Error::argument("pad_token", given, wanted));
            }
            Ok(length)
        }
        _ => {
            let given = match params.pad_to_multiple_of {
                Some(multiple) if multiple > 0 => {
                    format!("{target}, up to a multiple of {multiple}")
                }
                _ => target.to_string(),
            };
            let wanted = format!("at most {MAX_PADDED_LENGTH} tokens");
            Err(Error::argument("padding length", given, wanted))
        }
    }
}

#[cfg(test)]
mod tests;
