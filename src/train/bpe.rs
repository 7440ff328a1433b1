//! The merge loop: word counts in, a vocabulary and its merges out.
//!
//! The result is that of `tokenizers`' `BpeTrainer` to the last merge: the most frequent pair is merged
//! first, the smallest (left id, right id) among equals, counting every adjacent pair of every word.
//! Other rules for equals (`ties.rs`) change nothing else.
//! A merge whose text is an entry already (a special token) takes that entry's id.
//!
//! Cost: each merge visits the places where its pair stands, and nothing else; all merges together
//! visit each symbol of the distinct words about once. One thread.

// The places of a pair are kept as positions in one flat array (`slots.rs`) and checked when they are
// used, because a place may have been overwritten since. What a merge does to the counts of other
// pairs is summed up by neighbour first, so the pair table is probed once for each distinct neighbour.
//
// Thresholds. A corpus has millions of pairs, almost all of them rare, and almost no rare pair is ever
// merged. So the loop runs in rounds: a round tracks only pairs that occur at least `threshold` times.
// A tracked pair's count is exact, and the count of a pair can only fall after the merge that made it
// (all its occurrences contain the symbol that was new then). So a pair below the threshold stays
// below, and as long as the best tracked pair is at or above it, it is the best of all. When none is
// left, the array is compacted (most symbols are gone by then), the threshold falls and the pairs are
// counted anew. The last threshold is `min_frequency`. Nothing is approximated. Pairs of the same count
// are all tracked or none is, so a rule for ties is decided among all of them.
//
// The one exception is a merge that makes a symbol which already stands in the text (`#` + `##x`
// spells `##x`): counts of existing pairs rise. Then the round ends at once.

mod index;
mod slots;

use rustc_hash::{FxHashMap, FxHashSet};

use self::index::{Index, Merge, Windows};
use self::slots::Slots;
use super::alphabet::{Alphabet, Words};
use super::ties::{GreatestBytes, Rank, SmallestBytes, SmallestIds};
use super::{BpeTrainConfig, Learned, Phase, Progress, Pulse, Stop, Ties, Unit};
use crate::error::{Error, Result};
use crate::ids::{Pair, TokenId};

/// Below this many symbols all pairs are tracked from the start: rounds would cost more than they save.
const SMALL: usize = if cfg!(test) { 8 } else { 1 << 20 };

/// A round's threshold is this fraction of the count of its best pair.
const STEP: u64 = 16;

/// Learns merges from words and their counts; see [`super::learn_bpe`].
pub(super) fn learn<W: Words + ?Sized>(
    words: &W,
    unit: Unit,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    match config.ties {
        Ties::Tokenizers => learn_by::<SmallestIds, W>(words, unit, config, progress),
        Ties::Cs336 => learn_by::<GreatestBytes, W>(words, unit, config, progress),
        Ties::RawBytes => learn_by::<SmallestBytes, W>(words, unit, config, progress),
    }
}

fn learn_by<R: Rank, W: Words + ?Sized>(
    words: &W,
    unit: Unit,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    let mut pulse = Pulse::new(progress);
    let total = config.vocab_size as u64;
    let mut tick = |steps| pulse.tick(steps, Phase::Merge, 0, total);
    let alphabet = Alphabet::new(words, unit, config, &mut tick)?;
    let alphabet_end = alphabet.tokens.len();
    if unit == Unit::Byte && config.vocab_size < alphabet_end {
        let specials = alphabet.special_tokens;
        let bytes = alphabet_end - specials;
        let wanted =
            format!("at least {alphabet_end}: {specials} special tokens and {bytes} bytes");
        return Err(Error::argument("vocab_size", config.vocab_size, wanted));
    }
    let slots = Slots::new(words, &alphabet, &mut tick)?;
    let mut learner = Learner::<R> {
        config,
        unit,
        wanted: config.vocab_size,
        special_tokens: alphabet.special_tokens,
        in_text: vec![false; alphabet_end],
        lengths: vec![1; alphabet_end],
        names: alphabet.tokens.iter().map(|token| R::name(token, unit)).collect(),
        tokens: alphabet.tokens,
        ids: alphabet.ids,
        merges: Vec::new(),
        known: FxHashSet::default(),
        slots,
    };
    learner.slots.mark(&mut learner.in_text);
    let stop = learner.run(&mut pulse)?;
    let Learner { tokens, merges, special_tokens, .. } = learner;
    Ok(Learned { tokens, merges, special_tokens, alphabet_end, stop })
}

struct Learner<'a, R: Rank> {
    config: &'a BpeTrainConfig,
    unit: Unit,
    wanted: usize,
    special_tokens: usize,
    tokens: Vec<String>,
    /// What the rule for ties has to know of each token.
    names: Vec<R::Name>,
    ids: FxHashMap<String, TokenId>,
    /// Initial symbols in each token.
    lengths: Vec<u32>,
    /// Whether a token is or was a symbol of some word.
    in_text: Vec<bool>,
    merges: Vec<(TokenId, TokenId)>,
    /// The merges again: the same pair is not written twice, even if it forms anew.
    known: FxHashSet<Pair>,
    slots: Slots,
}

impl<R: Rank> Learner<'_, R> {
    fn run(&mut self, pulse: &mut Pulse<'_, '_>) -> Result<Stop> {
        let floor = self.config.min_frequency.max(1);
        let mut threshold = u64::MAX;
        let mut fresh = true;
        loop {
            if self.tokens.len() >= self.wanted {
                let before = self.merges.is_empty();
                return Ok(if before { Stop::Alphabet } else { Stop::VocabSize });
            }
            let (done, total) = (self.tokens.len() as u64, self.wanted as u64);
            let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
            let admit = Admit::new(&self.lengths, self.config.max_token_length);
            let windows = Windows::count(&self.slots, admit, self.tokens.len(), &mut tick)?;
            let bound = windows.bound();
            if bound < floor || (threshold == floor && fresh) {
                return Ok(if bound == 0 { Stop::NoPairs } else { Stop::MinFrequency });
            }
            if fresh {
                threshold = floor.max(bound.min(threshold) / STEP);
            }
            if self.slots.len() < SMALL {
                threshold = floor;
            }
            let mut index = windows.index(&self.slots, admit, &self.names, threshold, &mut tick)?;
            fresh = self.round(&mut index, pulse)?;
            drop(index);
            self.slots.compact();
        }
    }

    /// Merges while a tracked pair is left and the vocabulary is not full. False when counts of existing
    /// pairs rose.
    fn round(&mut self, index: &mut Index<R>, pulse: &mut Pulse<'_, '_>) -> Result<bool> {
        while self.tokens.len() < self.wanted {
            let Some((pair, places)) = index.pop() else { return Ok(true) };
            let (new, fresh) = self.name(pair)?;
            let (done, total) = (self.tokens.len() as u64, self.wanted as u64);
            let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
            tick(16)?;
            let admit = Admit::new(&self.lengths, self.config.max_token_length);
            let merge = Merge { pair, new, places: &places };
            index.merge(&mut self.slots, merge, admit, &self.names, &mut tick)?;
            if !fresh {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes the merge and gives its result an id. The flag is false when the symbol stood in the text.
    fn name(&mut self, pair: Pair) -> Result<(TokenId, bool)> {
        let prefix = self.config.continuing_subword_prefix.as_deref().unwrap_or_default();
        let tail = &self.tokens[pair.right() as usize];
        let tail = tail.strip_prefix(prefix).unwrap_or(tail);
        let token = format!("{}{tail}", self.tokens[pair.left() as usize]);
        let length =
            self.lengths[pair.left() as usize].saturating_add(self.lengths[pair.right() as usize]);
        if self.known.insert(pair) {
            self.merges.push((pair.left(), pair.right()));
        }
        if let Some(&id) = self.ids.get(&token) {
            self.lengths[id as usize] = length;
            return Ok((id, !std::mem::replace(&mut self.in_text[id as usize], true)));
        }
        let id = TokenId::try_from(self.tokens.len()).unwrap_or(TokenId::MAX);
        if id >= slots::MAX_SYMBOL {
            return Err(Error::training("the vocabulary has too many entries"));
        }
        self.names.push(R::name(&token, self.unit));
        self.ids.insert(token.clone(), id);
        self.tokens.push(token);
        self.lengths.push(length);
        self.in_text.push(true);
        Ok((id, true))
    }
}

/// Which pairs may merge.
#[derive(Clone, Copy)]
pub(crate) struct Admit<'a> {
    lengths: &'a [u32],
    /// Exclusive, as `tokenizers` has it.
    limit: Option<usize>,
}

impl<'a> Admit<'a> {
    fn new(lengths: &'a [u32], limit: Option<usize>) -> Self {
        Self { lengths, limit }
    }

    /// The number of symbols there are.
    fn symbols(&self) -> usize {
        self.lengths.len()
    }

    #[inline]
    fn pair(&self, left: TokenId, right: TokenId) -> bool {
        let Some(limit) = self.limit else { return true };
        let sum = self.lengths[left as usize] as usize + self.lengths[right as usize] as usize;
        sum == 2 || sum < limit
    }
}
