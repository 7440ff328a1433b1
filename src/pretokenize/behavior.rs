//! What becomes of matches: from what matched and what lies between to pieces.

use super::SplitBehavior;

/// Takes the parts of a text in order, each a match or not, and gives pieces.
pub(super) struct Joiner<F> {
    behavior: SplitBehavior,
    piece: F,
    /// The piece that may still grow, and whether its last part was a match.
    open: Option<(usize, usize, bool)>,
}

impl<F: FnMut(usize, usize)> Joiner<F> {
    pub(super) fn new(behavior: SplitBehavior, piece: F) -> Self {
        Self { behavior, piece, open: None }
    }

    /// The next part.
    #[inline]
    pub(super) fn part(&mut self, start: usize, end: usize, is_match: bool) {
        let was_match = self.open.map(|(_, _, was_match)| was_match);
        let joins = match self.behavior {
            SplitBehavior::Isolated => return self.give(start, end),
            SplitBehavior::Removed => {
                if !is_match {
                    self.give(start, end);
                }
                return;
            }
            SplitBehavior::Contiguous => was_match == Some(is_match),
            SplitBehavior::MergedWithPrevious => is_match && was_match == Some(false),
            SplitBehavior::MergedWithNext => !is_match && was_match == Some(true),
        };
        match &mut self.open {
            Some((_, last, was_match)) if joins => (*last, *was_match) = (end, is_match),
            _ => {
                self.flush();
                self.open = Some((start, end, is_match));
            }
        }
    }

    /// The end of the text.
    pub(super) fn flush(&mut self) {
        if let Some((start, end, _)) = self.open.take() {
            self.give(start, end);
        }
    }

    #[inline]
    fn give(&mut self, start: usize, end: usize) {
        if start < end {
            (self.piece)(start, end);
        }
    }
}
