//! The most likely pieces, by the arithmetic of sentencepiece.

// Scores are added up in 32 bits from the beginning of the text, so that near ties fall one way or
// the other by what was before: splitting the text into words first, or counting in 64 bits, gives
// other ids. Lest a long text's scores become coarse, counting begins anew now and then.

use super::{PieceKind, SentencePiece, char_len};
use crate::ids::TokenId;

/// How much worse than the worst piece an unknown character is.
const UNKNOWN_PENALTY: f32 = 10.0;
/// What a symbol of the user's scores for each byte but the first.
const SYMBOL_BONUS: f32 = 0.1;

/// The score of an unknown character, by those of the normal pieces.
pub(super) fn unknown_score(scores: &[f32], kinds: &[PieceKind]) -> f32 {
    let both = scores.iter().zip(kinds);
    let normal = both.filter(|(_, kind)| **kind == PieceKind::Normal).map(|(score, _)| *score);
    normal.fold(f32::MAX, f32::min) - UNKNOWN_PENALTY
}

/// The best way to the end of a character.
#[derive(Clone, Copy, Debug)]
struct Best {
    score: f32,
    /// Where its last piece starts; [`NOWHERE`] when there is no way yet.
    start: u32,
    id: TokenId,
}

/// Where a score comes this far from zero, counting begins anew there.
const RECENTRE: f32 = 100_000.0;

const NOWHERE: u32 = u32::MAX;

/// Buffers of a call.
#[derive(Debug, Default)]
pub(crate) struct UnigramScratch {
    best: Vec<Best>,
    path: Vec<(TokenId, u32)>,
}

impl UnigramScratch {
    /// Gives back what one long text made large.
    pub(super) fn shrink(&mut self, bytes: usize) {
        if self.best.capacity() * size_of::<Best>() > bytes {
            *self = Self::default();
        }
    }
}

impl SentencePiece {
    #[expect(clippy::cast_possible_truncation, reason = "scores are kept in 32 bits")]
    pub(super) fn encode_unigram(
        &self,
        text: &str,
        scratch: &mut UnigramScratch,
        mut found: impl FnMut(TokenId, usize, usize),
    ) {
        let UnigramScratch { best, path } = scratch;
        let bytes = text.as_bytes();
        best.clear();
        best.resize(bytes.len() + 1, Best { score: 0.0, start: NOWHERE, id: 0 });
        let (mut start, mut frontier) = (0, 0);
        while start < bytes.len() {
            let mut before = best[start].score;
            if before.abs() > RECENTRE {
                for way in best.iter_mut().take(frontier + 1).skip(start) {
                    if way.start != NOWHERE {
                        way.score -= before;
                    }
                }
                before = 0.0;
            }
            let length = char_len(&bytes[start..]);
            let mut single = false;
            self.trie.prefixes(&bytes[start..], |id, size| {
                let kind = self.kind(id);
                if kind == PieceKind::Unused {
                    return;
                }
                let score = if kind == PieceKind::UserDefined {
                    SYMBOL_BONUS * (size - 1) as f32
                } else {
                    self.score(id)
                };
                frontier = frontier.max(start + size);
                let target = &mut best[start + size];
                let candidate = score + before;
                if target.start == NOWHERE || candidate > target.score {
                    *target = Best { score: candidate, start: start as u32, id };
                }
                single |= size == length;
            });
            if !single {
                frontier = frontier.max(start + length);
                let target = &mut best[start + length];
                let candidate = self.unknown_score + before;
                if target.start == NOWHERE || candidate > target.score {
                    *target = Best { score: candidate, start: start as u32, id: self.unk_id };
                }
            }
            start += length;
        }
        path.clear();
        let mut end = bytes.len();
        while end > 0 {
            let Best { start, id, .. } = best[end];
            path.push((id, end as u32));
            // Every character has a way that ends with it, so this comes down to the beginning.
            end = (start as usize).min(end - 1);
        }
        let mut start = 0;
        for &(id, end) in path.iter().rev() {
            found(id, start, end as usize);
            start = end as usize;
        }
    }
}
