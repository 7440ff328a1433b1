//! Merging long pieces window by window.
//!
//! Merging always takes the least rank, leftmost. So two neighbours of a result, encoded alone, give
//! the same two tokens: what is merged within their span is merged in the same order whether the rest
//! stands there or not, and nothing reaches across the ends of the span. The other way round, a row of
//! tokens in which each two neighbours are so is the result of the whole: the first merge across a
//! border between two of them would also be made in the span of these two alone, where it is not.
//!
//! A window is merged; the next one begins at one of its last tokens, and when it gives that token
//! again as its first, the border before it is a border between two such neighbours, and all tokens
//! before it are settled. When it does not, the window ended too soon: the next one begins earlier,
//! or windows become larger.

use super::merge::MergeScratch;
use super::pairs::PairTable;
use super::short::{SHORT, Source};
use crate::ids::TokenId;

/// The symbols of a window, at first.
const WINDOW: usize = 48;
/// Windows do not become larger; then the whole piece is merged at once.
const LARGEST: usize = 1 << 16;

/// What a window was merged to, and where its tokens start.
#[derive(Debug, Default)]
pub(super) struct Window {
    tokens: Vec<Token>,
}

impl Window {
    pub(super) fn capacity(&self) -> usize {
        self.tokens.capacity()
    }

    /// How many tokens come before the last one that starts at or before a place, and this one with
    /// the place where it starts and its end.
    fn last_by(&self, place: usize) -> (usize, Token) {
        let count = self.tokens.partition_point(|token| token.start <= place).max(1) - 1;
        (count, self.tokens.get(count).copied().unwrap_or_default())
    }

    /// Whether the first token is this one, wherever it starts.
    fn starts_with(&self, token: Token) -> bool {
        let first = self.tokens.first().copied().unwrap_or_default();
        first.id == token.id && first.end - first.start == token.end - token.start
    }
}

/// A token of a window and the symbols it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Token {
    pub(super) id: TokenId,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl MergeScratch {
    /// Appends the tokens of a long piece, with the symbols that each was, to `out`. Returns false when
    /// windows would be too large; then some tokens may have been appended.
    pub(super) fn windows<S: Source>(
        &mut self,
        source: &S,
        pairs: &PairTable,
        out: &mut Vec<Token>,
    ) -> bool {
        let len = source.len();
        let (mut size, mut from) = (WINDOW, 0);
        let mut window = std::mem::take(&mut self.window);
        let mut next = std::mem::take(&mut self.next_window);
        self.window(source, 0, size.min(len), pairs, &mut window);
        let settled = loop {
            let moved = |token: &Token| Token {
                id: token.id,
                start: token.start + from,
                end: token.end + from,
            };
            if len - from <= size {
                out.extend(window.tokens.iter().map(moved));
                break true;
            }
            let mut found = None;
            for overlap in [size / 6, size / 2] {
                let (count, token) = window.last_by(size - overlap);
                if token.start < size / 4 {
                    break;
                }
                let (first, to) = (from + token.start, (from + token.start + size).min(len));
                let again = to - first == size && source.same(first..to, from..from + size);
                if !again {
                    self.window(source, first, to, pairs, &mut next);
                }
                if (if again { &window } else { &next }).starts_with(token) {
                    found = Some((count, token.start, again));
                    break;
                }
            }
            if let Some((count, start, again)) = found {
                out.extend(window.tokens[..count].iter().map(moved));
                if !again {
                    std::mem::swap(&mut window, &mut next);
                }
                from += start;
                continue;
            }
            size *= 4;
            if size > LARGEST {
                break false;
            }
            let first = window.last_by(0).1;
            self.window(source, from, (from + size).min(len), pairs, &mut window);
            // The border before the window was found with the token that it began with.
            if from > 0 && !window.starts_with(first) {
                break false;
            }
        };
        self.window = window;
        self.next_window = next;
        settled
    }

    fn window<S: Source>(
        &mut self,
        source: &S,
        from: usize,
        to: usize,
        pairs: &PairTable,
        window: &mut Window,
    ) {
        window.tokens.clear();
        if to - from <= SHORT {
            self.short.run(source, from, to, pairs);
            self.short.for_each(|id, start, end| window.tokens.push(Token { id, start, end }));
        } else {
            self.symbols.clear();
            self.symbols.extend((from..to).map(|at| source.symbol(at)));
            self.heap(pairs);
            self.left(|token| window.tokens.push(token));
        }
    }

    /// Merges the symbols of a source and calls `emit` with the tokens. What the scratch held for
    /// symbols is lost.
    pub(super) fn each<S: Source>(
        &mut self,
        source: &S,
        pairs: &PairTable,
        mut emit: impl FnMut(TokenId, usize, usize),
    ) {
        let len = source.len();
        if len <= SHORT && pairs.packs() {
            if len > 0 {
                self.short.run(source, 0, len, pairs);
                self.short.for_each(emit);
            }
            return;
        }
        let mut all = std::mem::take(&mut self.all);
        all.clear();
        if !pairs.packs() || !self.windows(source, pairs, &mut all) {
            all.clear();
            self.symbols.clear();
            self.symbols.extend((0..len).map(|at| source.symbol(at)));
            self.heap(pairs);
            self.left(|token| all.push(token));
        }
        for token in &all {
            emit(token.id, token.start, token.end);
        }
        self.all = all;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::Pair;
    use crate::model::bpe::pairs::Merge;
    use crate::model::bpe::short::Symbols;

    fn by_heap(symbols: &[TokenId], pairs: &PairTable) -> Vec<(TokenId, usize, usize)> {
        let mut scratch = MergeScratch::default();
        scratch.symbols.extend(symbols);
        scratch.heap(pairs);
        let mut all = Vec::new();
        scratch.left(|token| all.push((token.id, token.start, token.end)));
        all
    }

    fn check(symbols: &[TokenId], pairs: &PairTable) {
        let mut scratch = MergeScratch::default();
        let mut all = Vec::new();
        let source = Symbols { symbols, pairs };
        scratch.each(&source, pairs, |id, start, end| all.push((id, start, end)));
        assert_eq!(all, by_heap(symbols, pairs));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn windows_are_as_the_whole(
            merges in prop::collection::vec((0u32..40, 0u32..40, 0u32..30), 0..60),
            narrow in any::<bool>(),
            texts in prop::collection::vec(
                (prop::collection::vec(0u32..4, 1..9), prop::collection::vec(0u32..4, 0..90), 0usize..60),
                1..5,
            ),
        ) {
            let mut pairs = if narrow {
                PairTable::with_limits(60, 64, 64)
            } else {
                PairTable::with_room(60)
            };
            // Ranks that are equal, pairs that are listed twice, tokens that several pairs make.
            for (id, &(left, right, rank)) in (4..).zip(&merges) {
                pairs.insert(Pair::new(left % id, right % id), Merge { rank, id: id - rank % 2 });
            }
            for (period, rest, times) in &texts {
                let symbols = [&period.repeat(*times)[..], &rest[..], &period.repeat(*times)].concat();
                check(&symbols, &pairs);
            }
        }
    }

    #[test]
    fn tokens_longer_than_windows_make_them_larger() {
        // Twice as long each time, up to 2^18 symbols, and the same with another letter at the end.
        let mut pairs = PairTable::with_room(64);
        for power in 0..18 {
            pairs.insert(Pair::new(power, power), Merge { rank: power, id: power + 1 });
        }
        pairs.insert(Pair::new(18, 30), Merge { rank: 40, id: 31 });
        for length in [1, 47, 48, 49, 63, 64, 65, 200, 1 << 12, (1 << 18) + 77, 3 << 17] {
            check(&vec![0; length], &pairs);
            let mut symbols = vec![0; length];
            symbols.push(30);
            check(&symbols, &pairs);
            symbols.extend(vec![0; length]);
            check(&symbols, &pairs);
        }
    }

    #[test]
    fn ranks_beyond_short_merges_go_to_the_heap() {
        let mut pairs = PairTable::with_room(4);
        pairs.insert(Pair::new(0, 0), Merge { rank: u32::MAX - 1, id: 1 });
        pairs.insert(Pair::new(0, 1), Merge { rank: 5, id: 2 });
        assert!(!pairs.packs());
        for length in [0, 1, 2, 3, 10, 100] {
            check(&vec![0; length], &pairs);
        }
    }
}
