//! What one text may cost: steps of regular expressions, and bytes that rewriting makes of it.
//!
//! A text is worked on in parts: stretches between added tokens, pieces of an earlier split. Each part
//! has bounds of its own, and a hostile file makes a part of every byte. So the parts of a text
//! share one budget, which [`of_text`] sets up; outside of it every part has its own.

use std::cell::Cell;

use crate::error::{Error, Result};
use crate::ids::MAX_TEXT_BYTES;

/// Steps that a text may cost, besides those for each of its bytes.
const STEPS: u64 = 2_000_000;
const STEPS_PER_BYTE: u64 = 512;

/// A text may grow to this much, whatever its length was ...
const SMALL: usize = 16 << 20;
/// ... and beyond it only to so many times its length. No real step comes near either.
const TIMES: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Left {
    steps: u64,
    /// Bytes that may still be made, and those that there were.
    bytes: usize,
    limit: usize,
}

thread_local! {
    static LEFT: Cell<Option<Left>> = const { Cell::new(None) };
}

/// Ends a budget, however its text ends.
struct Scope;

impl Drop for Scope {
    fn drop(&mut self) {
        LEFT.set(None);
    }
}

/// Works on a text of so many bytes; all of its parts share one budget.
pub(crate) fn of_text<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if LEFT.get().is_some() {
        return work();
    }
    let limit = growth_limit(bytes);
    LEFT.set(Some(Left { steps: step_limit(bytes), bytes: limit, limit }));
    let _scope = Scope;
    work()
}

fn step_limit(bytes: usize) -> u64 {
    STEPS + STEPS_PER_BYTE * bytes as u64
}

/// The longest result for a part of `bytes` bytes. A file may hold steps that each double a text, and
/// the text of a `Prepend` may be as long as the file.
pub(crate) fn growth_limit(bytes: usize) -> usize {
    bytes.saturating_mul(TIMES).saturating_add(SMALL).min(MAX_TEXT_BYTES)
}

/// The steps that a search in a part of `bytes` bytes may take.
pub(crate) fn steps(bytes: usize) -> u64 {
    LEFT.get().map_or_else(|| step_limit(bytes), |left| left.steps)
}

/// Takes steps that were made from what is left.
pub(crate) fn spend(steps: u64) {
    if let Some(left) = LEFT.get() {
        LEFT.set(Some(Left { steps: left.steps.saturating_sub(steps), ..left }));
    }
}

/// Takes bytes that were made from what is left.
///
/// # Errors
/// [`Error::Argument`] when the parts of a text have grown out of all proportion together.
pub(crate) fn grow(bytes: usize) -> Result<()> {
    let Some(left) = LEFT.get() else { return Ok(()) };
    let rest = left.bytes.checked_sub(bytes).ok_or_else(|| too_long(left.limit))?;
    LEFT.set(Some(Left { bytes: rest, ..left }));
    Ok(())
}

/// The error of a text that grew beyond `limit`.
#[cold]
pub(crate) fn too_long(limit: usize) -> Error {
    let wanted = format!("at most {limit} bytes long for this text");
    Error::argument("the rewritten text", format!("more than {limit} bytes long"), wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_text_share_what_it_may_cost() {
        of_text(10, || {
            let all = steps(0);
            spend(all - 1);
            // A text within a text has no budget of its own.
            of_text(1 << 20, || assert_eq!(steps(1 << 20), 1));
            spend(5);
            assert_eq!(steps(0), 0);
            assert!(grow(SMALL).is_ok());
            assert!(grow(SMALL).is_err());
        });
        assert_eq!(steps(0), STEPS);
        assert!(grow(usize::MAX).is_ok());
    }
}
