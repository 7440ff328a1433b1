//! Words of a normalised text, with the spaces in front of them, or behind.

use super::SPACE;

/// Calls `found` with the bytes of every word: one begins at each space (ends after it, with
/// `suffix`).
pub(super) fn for_each(text: &str, suffix: bool, mut found: impl FnMut(usize, usize)) {
    let mut start = 0;
    for (at, space) in text.match_indices(SPACE) {
        let end = if suffix { at + space.len() } else { at };
        if end > start {
            found(start, end);
        }
        start = end;
    }
    if start < text.len() {
        found(start, text.len());
    }
}
