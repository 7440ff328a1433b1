//! Rounds of merges, and what is known between them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Job;
use super::index::{Index, Merge, Windows};
use super::slots::{self, Slots};
use crate::error::{Error, Result};
use crate::ids::{Pair, TokenId};
use crate::train::alphabet::{Alphabet, Words};
use crate::train::checkpoint::{Saver, State};
use crate::train::forced::Forced;
use crate::train::policies::{Judge, Policy};
use crate::train::replay::{Event, Replay};
use crate::train::report::{Stats, is_point};
use crate::train::ties::Rank;
use crate::train::{BpeTrainConfig, Learned, Phase, Pulse, Stop, Unit};

/// Below this many symbols all pairs are tracked from the start: rounds would cost more than they save.
const SMALL: usize = if cfg!(test) { 8 } else { 1 << 20 };

/// A round's threshold is this fraction of the count of its best pair.
const STEP: u64 = 16;

/// The pairs tracked for each merge that is left: their bounds are high, and the last round is to be the
/// last. With 2 a round more was needed for 3,262 of 31,744 merges of 32 MB of Chinese.
const SPARE: usize = 4;

/// How a round ended.
#[derive(PartialEq, Eq)]
enum Round {
    /// No tracked pair is left.
    Empty,
    /// Counts of existing pairs rose.
    Rose,
    /// There are as many merges or entries as were wanted.
    Full,
}

pub(super) struct Learner<'a, R: Rank> {
    config: &'a BpeTrainConfig,
    unit: Unit,
    /// Entries of the model that are wanted.
    wanted: usize,
    special_tokens: usize,
    alphabet_end: usize,
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
    /// Everything that was merged, in order, those of the base first.
    events: Vec<Event>,
    base_events: usize,
    /// How many of them came before the second stage, once that has begun.
    stage_one: Option<usize>,
    judge: Judge,
    /// Pairs that a limit refused.
    refused: FxHashSet<Pair>,
    forced: Forced,
    /// All symbols of the text.
    symbols: u64,
    stats: Stats,
    saver: Option<Saver>,
    threads: usize,
}

impl<'a, R: Rank> Learner<'a, R> {
    /// Ready to begin, or to go on from a checkpoint. Takes the tokens out of `alphabet`.
    pub(super) fn new<W: ?Sized>(
        job: &Job<'a, W>,
        alphabet: &mut Alphabet,
        saver: Option<Saver>,
    ) -> Result<Self> {
        let tokens = std::mem::take(&mut alphabet.tokens);
        let mut judge = Judge::new(job.config, job.unit);
        let base = job.base.map(|base| base.events.as_slice()).unwrap_or_default();
        judge.reserved = job.base.map(|base| base.reserved.clone()).unwrap_or_default();
        let mut learner = Self {
            config: job.config,
            unit: job.unit,
            wanted: job.config.vocab_size.saturating_sub(judge.reserved.len()),
            special_tokens: alphabet.special_tokens,
            alphabet_end: tokens.len(),
            // With a base, what may stand in the text is not looked into: a round too many at worst.
            in_text: vec![job.base.is_some(); tokens.len()],
            lengths: vec![1; tokens.len()],
            names: tokens.iter().map(|token| R::name(token, job.unit)).collect(),
            tokens,
            ids: std::mem::take(&mut alphabet.ids),
            merges: Vec::new(),
            known: FxHashSet::default(),
            events: base.to_vec(),
            base_events: base.len(),
            stage_one: None,
            judge,
            refused: FxHashSet::default(),
            forced: Forced::new(&job.config.forced_tokens, alphabet)?,
            symbols: 0,
            stats: Stats { dropped: alphabet.dropped.clone(), ..Stats::default() },
            saver: None,
            threads: crate::threads::count(job.config.threads)?.clamp(1, 64),
        };
        for event in base {
            learner.known.insert(Pair::new(event.left, event.right));
            learner.merges.push((event.left, event.right));
            let [left, right] = [event.left, event.right].map(|id| learner.lengths[id as usize]);
            learner.lengths[event.new as usize] = left.saturating_add(right);
            learner.forced.merge(*event);
        }
        learner.saver = saver;
        if let Some(state) = learner.saver.as_mut().and_then(Saver::take_state) {
            learner.restore(state, job.wide.is_some())?;
        }
        Ok(learner)
    }

    /// Makes the merges of a checkpoint again.
    fn restore(&mut self, state: State, wide: bool) -> Result<()> {
        let before = self.tokens.len();
        let longest = self.saver.as_ref().map_or(0, Saver::longest);
        if state.stage_one.is_some() && !wide {
            return Err(Saver::broken("a second stage, which nobody asked for"));
        }
        for event in &state.events {
            let symbols = self.tokens.len();
            if event.left as usize >= symbols || event.right as usize >= symbols {
                return Err(Saver::broken("a merge of unknown tokens"));
            }
            let [left, right] =
                [event.left, event.right].map(|id| self.lengths[id as usize] as usize);
            if left + right > longest {
                return Err(Saver::broken("a token that is longer than every word"));
            }
            let (new, _) = self.name(Pair::new(event.left, event.right))?;
            if new != event.new {
                return Err(Saver::broken("a merge that makes another token"));
            }
        }
        if self.tokens.len() > self.wanted.max(before) {
            return Err(Saver::broken("more tokens than were asked for"));
        }
        if state.stage_one.is_some_and(|events| events > self.events.len()) {
            return Err(Saver::broken("a stage that ends after the last merge"));
        }
        self.stage_one = state.stage_one;
        self.refused.extend(state.refused.iter().map(|&(left, right)| Pair::new(left, right)));
        self.stats = state.stats;
        Ok(())
    }

    /// Writes the checkpoint, where one is wanted.
    pub(super) fn save(&mut self) -> Result<()> {
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let mut refused: Vec<_> = self.refused.iter().map(|p| (p.left(), p.right())).collect();
        refused.sort_unstable();
        saver.save(&State {
            events: self.events[self.base_events..].to_vec(),
            stage_one: self.stage_one,
            refused,
            stats: self.stats.clone(),
        })
    }

    /// Merges until the vocabulary is full: words first, then the wider words of a second stage.
    pub(super) fn stages<W: Words + ?Sized>(
        &mut self,
        job: &Job<'_, W>,
        alphabet: &Alphabet,
        pulse: &mut Pulse<'_, '_>,
    ) -> Result<Stop> {
        let until = job.config.superwords.as_ref().map_or(usize::MAX, |second| second.from);
        if self.stage_one.is_none() {
            let (base, since) = self.events.split_at(self.base_events);
            let replays = [Replay::by_rank(base), Replay::in_order(since)];
            let mut slots = self.slots(job.words, alphabet, &replays, pulse)?;
            let stop = self.run(&mut slots, until, pulse)?;
            match stop {
                Some(stop @ (Stop::VocabSize | Stop::Alphabet)) => return Ok(stop),
                Some(stop) if job.wide.is_none() => return Ok(stop),
                _ => self.stage_one = Some(self.events.len()),
            }
        }
        let (Some(wide), Some(second)) = (job.wide, &job.config.superwords) else {
            return Ok(Stop::NoPairs);
        };
        let first = self.stage_one.unwrap_or(self.events.len());
        let (first, since) = self.events.split_at(first);
        let replays = [Replay::by_rank(first), Replay::in_order(since)];
        self.judge.max_words = Some(second.max_words);
        let mut slots = self.slots(wide, alphabet, &replays, pulse)?;
        Ok(self.run(&mut slots, usize::MAX, pulse)?.unwrap_or(Stop::NoPairs))
    }

    fn slots<W: Words + ?Sized>(
        &mut self,
        words: &W,
        alphabet: &Alphabet,
        replays: &[Replay],
        pulse: &mut Pulse<'_, '_>,
    ) -> Result<Slots> {
        let (done, total) = (self.tokens.len() as u64, self.wanted as u64);
        let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
        let (slots, size) = Slots::new(words, alphabet, replays, &mut tick)?;
        slots.mark(&mut self.in_text);
        (self.symbols, self.stats.bytes) = (size.symbols, size.bytes);
        if self.stats.curve.is_empty() {
            self.stats.curve.push((self.entries(), self.symbols));
        } else {
            self.point(false);
        }
        Ok(slots)
    }

    /// Entries of the vocabulary, with those that the model does not hold.
    fn entries(&self) -> usize {
        self.tokens.len() + self.judge.reserved.len()
    }

    /// Rounds, until there are `until` merges (nothing is returned then) or for another reason.
    fn run(
        &mut self,
        slots: &mut Slots,
        until: usize,
        pulse: &mut Pulse<'_, '_>,
    ) -> Result<Option<Stop>> {
        let floor = self.config.min_frequency.max(1);
        let mut threshold = u64::MAX;
        let mut fresh = true;
        let threads = self.threads;
        loop {
            let stop = if self.is_full() {
                let before = self.events.len() == self.base_events;
                Some(if before { Stop::Alphabet } else { Stop::VocabSize })
            } else if self.merges.len() >= until {
                return Ok(None);
            } else {
                let (done, total) = (self.tokens.len() as u64, self.wanted as u64);
                let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
                let admit = Admit::new(&self.lengths, self.config.max_token_length, &self.refused);
                let windows = Windows::count(slots, admit, self.tokens.len(), threads, &mut tick)?;
                let bound = windows.bound();
                if bound < floor || (threshold == floor && fresh) {
                    Some(if bound == 0 { Stop::NoPairs } else { Stop::MinFrequency })
                } else {
                    let before = threshold;
                    if fresh {
                        threshold = floor.max(bound.min(threshold) / STEP);
                    }
                    if slots.len() < SMALL {
                        threshold = floor;
                    }
                    // Bounds are not counts: what seems to be enough may be nothing, so it must fall.
                    let most = if fresh { before - before.div_ceil(4) } else { before };
                    // Rarer pairs than those that will be merged need not be tracked.
                    let left = self.wanted - self.tokens.len();
                    threshold = windows.rank(SPARE * left).min(most).max(threshold);
                    if let Some(limit) = self.config.memory_limit {
                        threshold =
                            windows.within(limit, slots, threshold).min(most).max(threshold);
                    }
                    let names = &self.names;
                    let mut index =
                        windows.index(slots, admit, names, threshold, threads, &mut tick)?;
                    let end = self.round(slots, &mut index, until, pulse)?;
                    fresh = end != Round::Rose;
                    drop(index);
                    slots.compact();
                    None
                }
            };
            // In a first stage that is not full, forced tokens wait for the second.
            if let Some(stop) = stop {
                let last = until == usize::MAX || self.is_full();
                if last && self.forced.missing() > 0 {
                    self.finish_forced(slots)?;
                    fresh = false;
                } else {
                    self.point(true);
                    return Ok(Some(stop));
                }
            }
        }
    }

    /// Whether the entries that are left are needed for forced tokens.
    fn is_full(&self) -> bool {
        self.tokens.len() + self.forced.missing() >= self.wanted
    }

    /// Merges while a tracked pair is left and the vocabulary is not full.
    fn round(
        &mut self,
        slots: &mut Slots,
        index: &mut Index<R>,
        until: usize,
        pulse: &mut Pulse<'_, '_>,
    ) -> Result<Round> {
        while !self.is_full() && self.merges.len() < until {
            let Some((pair, count, places)) = index.pop() else { return Ok(Round::Empty) };
            let (done, total) = (self.entries() as u64, self.config.vocab_size as u64);
            let mut tick = |steps| pulse.tick(steps, Phase::Merge, done, total);
            tick(16)?;
            if let Some((policy, token)) = self.refuse(pair) {
                self.refused.insert(pair);
                self.stats.refused[policy as usize].note(token, count);
                continue;
            }
            self.stats.near_ties += u64::from(index.has(count));
            let (new, fresh) = self.name(pair)?;
            let admit = Admit::new(&self.lengths, self.config.max_token_length, &self.refused);
            let merge = Merge { pair, new, places: &places, threads: self.threads };
            let merged = index.merge(slots, merge, admit, &self.names, &mut tick)?;
            self.symbols -= merged.min(self.symbols);
            self.point(false);
            if self.saver.as_ref().is_some_and(Saver::is_due) {
                self.save()?;
            }
            if !fresh {
                return Ok(Round::Rose);
            }
        }
        Ok(Round::Full)
    }

    /// Notes how many symbols the text has now.
    fn point(&mut self, last: bool) {
        let (entries, curve) = (self.entries(), &mut self.stats.curve);
        let grown = curve.last().is_none_or(|point| point.0 < entries);
        if grown && (last || is_point(entries)) {
            curve.push((entries, self.symbols));
        } else if let Some(end) = curve.last_mut().filter(|point| point.0 == entries) {
            end.1 = self.symbols;
        }
    }

    fn refuse(&self, pair: Pair) -> Option<(Policy, String)> {
        if self.judge.is_idle() {
            return None;
        }
        let token = self.join(pair);
        self.judge.refuse(&token).map(|policy| (policy, token))
    }

    fn join(&self, pair: Pair) -> String {
        let prefix = self.config.continuing_subword_prefix.as_deref().unwrap_or_default();
        let tail = &self.tokens[pair.right() as usize];
        let tail = tail.strip_prefix(prefix).unwrap_or(tail);
        format!("{}{tail}", self.tokens[pair.left() as usize])
    }

    /// Notes the merge and gives its result an id. The flag is false when the symbol stood in the text.
    fn name(&mut self, pair: Pair) -> Result<(TokenId, bool)> {
        let token = self.join(pair);
        let (left, right) = (pair.left(), pair.right());
        let length = self.lengths[left as usize].saturating_add(self.lengths[right as usize]);
        if self.known.insert(pair) {
            self.merges.push((left, right));
        }
        let known = self.ids.get(&token).copied();
        let new = match known {
            Some(id) => id,
            None => TokenId::try_from(self.tokens.len()).unwrap_or(TokenId::MAX),
        };
        let fresh = if known.is_some() {
            self.lengths[new as usize] = length;
            !std::mem::replace(&mut self.in_text[new as usize], true)
        } else {
            if new >= slots::MAX_SYMBOL {
                return Err(Error::training("the vocabulary has too many entries"));
            }
            self.names.push(R::name(&token, self.unit));
            self.ids.insert(token.clone(), new);
            self.tokens.push(token);
            self.lengths.push(length);
            self.in_text.push(true);
            true
        };
        let event = Event { left, right, new };
        self.events.push(event);
        self.forced.merge(event);
        Ok((new, fresh))
    }

    /// Makes the merges that forced tokens still need, and applies them to the text.
    fn finish_forced(&mut self, slots: &mut Slots) -> Result<()> {
        let since = self.events.len();
        let first = self.stage_one.unwrap_or(self.base_events);
        while let Some((left, right)) = self.forced.next(&self.events) {
            self.name(Pair::new(left, right))?;
        }
        if self.tokens.len() > self.wanted {
            let reserved = self.judge.reserved.len();
            let wanted =
                format!("at least {}, for the forced tokens", self.tokens.len() + reserved);
            return Err(Error::argument("vocab_size", self.config.vocab_size, wanted));
        }
        debug_assert!(first <= since);
        let merged = slots.replay(&Replay::in_order(&self.events[since..]));
        self.symbols -= merged.min(self.symbols);
        self.stats.forced_merges += (self.events.len() - since) as u64;
        self.point(false);
        Ok(())
    }

    /// The result.
    pub(super) fn learned(self, stop: Stop) -> Learned {
        Learned {
            tokens: self.tokens,
            merges: self.merges,
            special_tokens: self.special_tokens,
            alphabet_end: self.alphabet_end,
            stop,
            stats: self.stats,
        }
    }
}

/// Which pairs may merge.
#[derive(Clone, Copy)]
pub(super) struct Admit<'a> {
    lengths: &'a [u32],
    /// Exclusive, as `tokenizers` has it.
    limit: Option<usize>,
    refused: &'a FxHashSet<Pair>,
}

impl<'a> Admit<'a> {
    fn new(lengths: &'a [u32], limit: Option<usize>, refused: &'a FxHashSet<Pair>) -> Self {
        Self { lengths, limit, refused }
    }

    /// The number of symbols there are.
    pub(super) fn symbols(&self) -> usize {
        self.lengths.len()
    }

    #[inline]
    pub(super) fn pair(&self, left: TokenId, right: TokenId) -> bool {
        if self.limit.is_none() && self.refused.is_empty() {
            return true;
        }
        self.pair_in_detail(left, right)
    }

    fn pair_in_detail(&self, left: TokenId, right: TokenId) -> bool {
        let sum = self.lengths[left as usize] as usize + self.lengths[right as usize] as usize;
        self.limit.is_none_or(|limit| sum == 2 || sum < limit)
            && !self.refused.contains(&Pair::new(left, right))
    }
}
