//! `WordPiece` by likelihood, as the BERT paper's sources describe it (Schuster and Nakajima 2012).
//!
//! The pair to be merged is the one whose merge raises the likelihood of the text most for each of its
//! occurrences: the highest
//!
//! ```text
//! score(a, b) = count(a b) / (count(a) * count(b))
//! ```
//!
//! where `count(a b)` is how often `a` is followed by `b` inside words and `count(a)` how often the symbol
//! `a` stands in the text as it is cut at that moment, both over all occurrences of all words. Scores are
//! compared exactly, as fractions; among equals the smallest (left id, right id) is merged. Pairs that
//! occur less often than `min_frequency` are not merged; without such a limit the pairs of what occurs
//! once come first, since their score is the highest there is.
//!
//! Google never published its trainer; this is the formula of the usual descriptions, not its code.

// Counts of symbols fall, so scores rise, and a heap that is refreshed when something is taken out of it
// would miss that. Every pair whose score changes is put in anew, and entries that are out of date are
// passed over.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::alphabet::{Alphabet, Words};
use super::report::{Stats, is_point};
use super::{BpeTrainConfig, Learned, Phase, Progress, Pulse, Stop, Unit};
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, Pair, TokenId};

/// A fraction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    /// How often the pair occurs.
    pub(super) count: u64,
    /// The product of how often its two symbols do.
    pub(super) apart: u128,
}

impl Ratio {
    pub(super) fn new(count: u64, left: u64, right: u64) -> Self {
        Self { count, apart: u128::from(left) * u128::from(right) }
    }
}

/// A product of 192 bits: the high 128, the low 64.
#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
fn product(a: u64, b: u128) -> (u128, u64) {
    let low = u128::from(a) * u128::from(b as u64);
    let high = u128::from(a) * (b >> 64) + (low >> 64);
    (high, low as u64)
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        product(self.count, other.apart).cmp(&product(other.count, self.apart))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ratio {}

/// An entry of the heap: the greatest is merged first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    score: Ratio,
    pair: Reverse<Pair>,
}

#[derive(Default)]
struct Tracked {
    count: u64,
    /// The words that hold or held it.
    words: Vec<u32>,
}

/// Learns merges by likelihood.
pub(super) fn learn<W: Words + ?Sized>(
    words: &W,
    unit: Unit,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    let mut pulse = Pulse::new(progress);
    let total = config.vocab_size as u64;
    let mut tick = |steps| pulse.tick(steps, Phase::Merge, 0, total);
    let alphabet = Alphabet::new(words, unit, config, None, &mut tick)?;
    let mut learner = Learner::default();
    words.each(&mut |word, count| {
        let mut symbols = Vec::new();
        alphabet.symbols(word, &mut symbols);
        tick(16 * symbols.len())?;
        learner.add_word(symbols, count, word.len())
    })?;
    learner.stats.dropped = alphabet.dropped.clone();
    let Alphabet { mut tokens, mut ids, special_tokens, .. } = alphabet;
    let alphabet_end = tokens.len();
    learner.used.resize(alphabet_end, 0);
    learner.pairs_of.resize(alphabet_end, Vec::new());
    learner.stats.curve.push((alphabet_end, learner.symbols));
    let limit = config.max_token_length;
    let prefix = config.continuing_subword_prefix.as_deref().unwrap_or_default();
    let (mut merges, mut known) = (Vec::new(), FxHashSet::default());
    let mut lengths: Vec<usize> = vec![1; alphabet_end];
    learner.push_all(config, &lengths);
    let stop = loop {
        if tokens.len() >= config.vocab_size {
            break if merges.is_empty() { Stop::Alphabet } else { Stop::VocabSize };
        }
        pulse.tick(64, Phase::Merge, tokens.len() as u64, total)?;
        let Some(Entry { score, pair: Reverse(pair) }) = learner.pop(limit, &lengths) else {
            break if learner.has_pairs(config, &lengths) {
                Stop::MinFrequency
            } else {
                Stop::NoPairs
            };
        };
        learner.stats.near_ties += u64::from(learner.has(score, limit, &lengths));
        let (left, right) = (pair.left(), pair.right());
        let tail = tokens[right as usize].as_str();
        let token =
            format!("{}{}", tokens[left as usize], tail.strip_prefix(prefix).unwrap_or(tail));
        let length = lengths[left as usize].saturating_add(lengths[right as usize]);
        let next = TokenId::try_from(tokens.len()).unwrap_or(TokenId::MAX);
        if next > MAX_ID {
            return Err(Error::training("the vocabulary has too many entries"));
        }
        let new = *ids.entry(token.clone()).or_insert(next);
        if new == next {
            tokens.push(token);
            lengths.push(length);
            learner.used.push(0);
            learner.pairs_of.push(Vec::new());
        }
        lengths[new as usize] = length;
        if known.insert(pair) {
            merges.push((left, right));
        }
        let (done, config, lengths) = (tokens.len() as u64, config, lengths.as_slice());
        let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
        learner.merge(pair, new, &mut tick)?;
        learner.push_changed([left, right, new], config, lengths, &mut tick)?;
        learner.point(tokens.len(), false);
    };
    learner.point(tokens.len(), true);
    Ok(Learned { tokens, merges, special_tokens, alphabet_end, stop, stats: learner.stats })
}

#[derive(Default)]
struct Learner {
    words: Vec<(Vec<TokenId>, u64)>,
    pairs: FxHashMap<Pair, Tracked>,
    /// By symbol: how often it stands in the text, and the pairs that have it or had it.
    used: Vec<u64>,
    pairs_of: Vec<Vec<Pair>>,
    heap: BinaryHeap<Entry>,
    /// Pairs whose counts changed.
    changed: FxHashSet<Pair>,
    symbols: u64,
    stats: Stats,
}

impl Learner {
    fn add_word(&mut self, symbols: Vec<TokenId>, count: u64, bytes: usize) -> Result<()> {
        self.symbols = self.symbols.saturating_add(count.saturating_mul(symbols.len() as u64));
        self.stats.bytes = self.stats.bytes.saturating_add(count.saturating_mul(bytes as u64));
        if count == 0 {
            return Ok(());
        }
        let number = u32::try_from(self.words.len())
            .map_err(|_| Error::training("there are 2^32 distinct words; count less text"))?;
        self.put(&symbols, count, number);
        self.words.push((symbols, count));
        Ok(())
    }

    /// Counts a word in.
    fn put(&mut self, symbols: &[TokenId], count: u64, number: u32) {
        for &symbol in symbols {
            let symbol = symbol as usize;
            if self.used.len() <= symbol {
                self.used.resize(symbol + 1, 0);
                self.pairs_of.resize(symbol + 1, Vec::new());
            }
            self.used[symbol] += count;
        }
        for window in symbols.windows(2) {
            let pair = Pair::new(window[0], window[1]);
            let tracked = self.pairs.entry(pair).or_default();
            if tracked.words.is_empty() {
                self.pairs_of[pair.left() as usize].push(pair);
                self.pairs_of[pair.right() as usize].push(pair);
            }
            tracked.count += count;
            if tracked.words.last() != Some(&number) {
                tracked.words.push(number);
            }
            self.changed.insert(pair);
        }
    }

    /// Counts a word out.
    fn take(&mut self, symbols: &[TokenId], count: u64) {
        for &symbol in symbols {
            self.used[symbol as usize] -= count;
        }
        for window in symbols.windows(2) {
            let pair = Pair::new(window[0], window[1]);
            if let Some(tracked) = self.pairs.get_mut(&pair) {
                tracked.count -= count;
            }
            self.changed.insert(pair);
        }
    }

    fn merge(
        &mut self,
        pair: Pair,
        new: TokenId,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let mut numbers = match self.pairs.get_mut(&pair) {
            Some(tracked) => std::mem::take(&mut tracked.words),
            None => return Ok(()),
        };
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let (mut symbols, count) = std::mem::take(&mut self.words[number as usize]);
            tick(4 * symbols.len())?;
            let before = symbols.len();
            let joins = |two: &[TokenId]| [pair.left(), pair.right()] == [two[0], two[1]];
            if symbols.windows(2).any(joins) {
                self.take(&symbols, count);
                let (mut read, mut write) = (0, 0);
                while read < before {
                    let two = symbols.get(read..read + 2).is_some_and(joins);
                    symbols[write] = if two { new } else { symbols[read] };
                    read += 1 + usize::from(two);
                    write += 1;
                }
                symbols.truncate(write);
                self.put(&symbols, count, number);
                self.symbols -= count * (before - write) as u64;
            }
            self.words[number as usize] = (symbols, count);
        }
        Ok(())
    }

    /// The pairs whose counts changed, in order.
    fn take_changed(&mut self) -> Vec<Pair> {
        let mut changed: Vec<_> = std::mem::take(&mut self.changed).into_iter().collect();
        changed.sort_unstable();
        changed
    }

    fn push_all(&mut self, config: &BpeTrainConfig, lengths: &[usize]) {
        for pair in self.take_changed() {
            self.push(pair, config, lengths);
        }
    }

    /// Puts in what may have another score now.
    fn push_changed(
        &mut self,
        symbols: [TokenId; 3],
        config: &BpeTrainConfig,
        lengths: &[usize],
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        for symbol in symbols {
            let mut pairs = std::mem::take(&mut self.pairs_of[symbol as usize]);
            tick(4 * pairs.len())?;
            pairs.retain(|pair| self.pairs.get(pair).is_some_and(|tracked| tracked.count > 0));
            self.changed.extend(&pairs);
            self.pairs_of[symbol as usize] = pairs;
        }
        for pair in self.take_changed() {
            if self.pairs.get(&pair).is_some_and(|tracked| tracked.count == 0) {
                self.pairs.remove(&pair);
            }
            self.push(pair, config, lengths);
        }
        if self.heap.len() > 4 * self.pairs.len() + 1024 {
            let limit = config.max_token_length;
            let mut heap = std::mem::take(&mut self.heap).into_vec();
            heap.retain(|entry| self.is_current(entry, limit, lengths));
            self.heap = heap.into();
        }
        Ok(())
    }

    fn push(&mut self, pair: Pair, config: &BpeTrainConfig, lengths: &[usize]) {
        if let Some(score) = self.score(pair)
            && score.count >= config.min_frequency.max(1)
            && may_merge(pair, config.max_token_length, lengths)
        {
            self.heap.push(Entry { score, pair: Reverse(pair) });
        }
    }

    fn score(&self, pair: Pair) -> Option<Ratio> {
        let count = self.pairs.get(&pair)?.count;
        let used = |id: TokenId| self.used[id as usize];
        (count > 0).then(|| Ratio::new(count, used(pair.left()), used(pair.right())))
    }

    fn is_current(&self, entry: &Entry, limit: Option<usize>, lengths: &[usize]) -> bool {
        may_merge(entry.pair.0, limit, lengths)
            && self
                .score(entry.pair.0)
                .is_some_and(|now| now.count == entry.score.count && now.apart == entry.score.apart)
    }

    /// Takes out the best pair.
    fn pop(&mut self, limit: Option<usize>, lengths: &[usize]) -> Option<Entry> {
        while let Some(entry) = self.heap.pop() {
            if self.is_current(&entry, limit, lengths) {
                // The same entry may be there more than once.
                while self.heap.peek().is_some_and(|next| *next == entry) {
                    self.heap.pop();
                }
                return Some(entry);
            }
        }
        None
    }

    /// Whether another pair has this score.
    fn has(&mut self, score: Ratio, limit: Option<usize>, lengths: &[usize]) -> bool {
        while let Some(entry) = self.heap.peek() {
            if self.is_current(entry, limit, lengths) {
                return entry.score == score;
            }
            self.heap.pop();
        }
        false
    }

    /// Whether a pair is left that is too rare.
    fn has_pairs(&self, config: &BpeTrainConfig, lengths: &[usize]) -> bool {
        let mut pairs = self.pairs.iter();
        pairs.any(|(&pair, tracked)| {
            tracked.count > 0 && may_merge(pair, config.max_token_length, lengths)
        })
    }

    fn point(&mut self, entries: usize, last: bool) {
        let (symbols, curve) = (self.symbols, &mut self.stats.curve);
        let grown = curve.last().is_none_or(|point| point.0 < entries);
        if grown && (last || is_point(entries)) {
            curve.push((entries, symbols));
        } else if let Some(end) = curve.last_mut().filter(|point| point.0 == entries) {
            end.1 = symbols;
        }
    }
}

fn may_merge(pair: Pair, limit: Option<usize>, lengths: &[usize]) -> bool {
    let sum = lengths[pair.left() as usize].saturating_add(lengths[pair.right() as usize]);
    limit.is_none_or(|limit| sum == 2 || sum < limit)
}
