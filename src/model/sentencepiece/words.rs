//! Words of a normalised text, with the spaces in front of them.

use super::SPACE;

/// Calls `found` with the bytes of every word: one begins at each space, also where a model wants
/// spaces behind words, for that is what the library does.
pub(super) fn for_each(text: &str, mut found: impl FnMut(usize, usize)) {
    let mut start = 0;
    for (end, _) in text.match_indices(SPACE) {
        if end > start {
            found(start, end);
        }
        start = end;
    }
    if start < text.len() {
        found(start, text.len());
    }
}
