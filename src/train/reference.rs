//! BPE training by its definition: count all pairs, merge the best one, again.
//!
//! Slow and short, to be believed: the twin that the fast trainers are tested against.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::alphabet::{Alphabet, Words};
use super::bpe::Job;
use super::likelihood::Ratio;
use super::policies::Judge;
use super::replay::Event;
use super::report::{Stats, is_point};
use super::{BpeTrainConfig, Learned, Score, Stop, Ties, Unit};
use crate::error::Result;
use crate::ids::TokenId;
use crate::unicode::byte_level::BYTE_TO_CHAR;

type Pair = (TokenId, TokenId);

struct Slow<'a> {
    config: &'a BpeTrainConfig,
    unit: Unit,
    score: Score,
    tokens: Vec<String>,
    ids: HashMap<String, TokenId>,
    lengths: HashMap<TokenId, usize>,
    merges: Vec<Pair>,
    events: Vec<Event>,
    /// The number of events that were there before.
    base: usize,
    reserved: usize,
    judge: Judge,
    refused: BTreeSet<Pair>,
    initial: Vec<Vec<TokenId>>,
    forced: Vec<Vec<TokenId>>,
    stats: Stats,
}

type Rows = Vec<(Vec<TokenId>, u64)>;

/// The same as [`super::learn_bpe`], but for progress, by counting every pair before each merge.
pub(crate) fn learn_slowly<W: Words + ?Sized>(job: &Job<'_, W>, score: Score) -> Result<Learned> {
    let Job { words, wide, unit, config, base } = *job;
    let alphabet = Alphabet::new(words, unit, config, base, &mut |_| Ok(()))?;
    let alphabet_end = alphabet.tokens.len();
    let events = base.map(|base| base.events.clone()).unwrap_or_default();
    let mut initial = Vec::new();
    for token in &config.forced_tokens {
        let mut symbols = Vec::new();
        alphabet.symbols(token.as_bytes(), &mut symbols);
        initial.push(symbols);
    }
    let mut slow = Slow {
        config,
        unit,
        score,
        tokens: alphabet.tokens.clone(),
        ids: alphabet.ids.clone().into_iter().collect(),
        lengths: HashMap::new(),
        merges: Vec::new(),
        base: events.len(),
        reserved: base.map_or(0, |base| base.reserved.len()),
        judge: Judge::new(config, unit),
        refused: BTreeSet::new(),
        forced: initial.clone(),
        initial,
        events: Vec::new(),
        stats: Stats { dropped: alphabet.dropped.clone(), ..Stats::default() },
    };
    slow.judge.reserved = base.map(|base| base.reserved.clone()).unwrap_or_default();
    for event in events {
        slow.join((event.left, event.right));
    }
    let stop = slow.stages(words, wide, &alphabet)?;
    let Slow { tokens, merges, stats, .. } = slow;
    let special_tokens = alphabet.special_tokens;
    Ok(Learned { tokens, merges, special_tokens, alphabet_end, stop, stats })
}

impl Slow<'_> {
    fn stages<W: Words + ?Sized>(
        &mut self,
        words: &W,
        wide: Option<&W>,
        alphabet: &Alphabet,
    ) -> Result<Stop> {
        let mut rows = self.rows(words, alphabet)?;
        let from = self.config.superwords.as_ref().map_or(usize::MAX, |second| second.from);
        let stop = self.run(&mut rows, from, wide.is_none());
        let (Some(wide), Some(second)) = (wide, &self.config.superwords) else {
            return Ok(stop.unwrap());
        };
        if let Some(stop @ (Stop::VocabSize | Stop::Alphabet)) = stop {
            return Ok(stop);
        }
        self.judge.max_words = Some(second.max_words);
        let mut rows = self.rows(wide, alphabet)?;
        Ok(self.run(&mut rows, usize::MAX, true).unwrap())
    }

    /// The words, as a tokenizer with the merges so far encodes them.
    fn rows<W: Words + ?Sized>(&mut self, words: &W, alphabet: &Alphabet) -> Result<Rows> {
        let mut rows = Vec::new();
        self.stats.bytes = 0;
        words.each(&mut |word, count| {
            let mut symbols = Vec::new();
            alphabet.symbols(word, &mut symbols);
            encode(&self.events, &mut symbols);
            self.stats.bytes += count * word.len() as u64;
            rows.push((symbols, count));
            Ok(())
        })?;
        self.point(&rows, self.stats.curve.is_empty());
        Ok(rows)
    }

    fn run(&mut self, rows: &mut Rows, until: usize, last: bool) -> Option<Stop> {
        loop {
            let missing: usize = self.forced.iter().map(|row| row.len() - 1).sum();
            let full = self.entries() + missing >= self.config.vocab_size;
            let stop = if full {
                let before = self.events.len() == self.base;
                Some(if before { Stop::Alphabet } else { Stop::VocabSize })
            } else if self.merges.len() >= until {
                return None;
            } else {
                self.merge_best(rows)
            };
            if stop.is_some() && (last || full) && missing > 0 {
                self.finish_forced(rows);
            } else if stop.is_some() {
                self.point(rows, true);
                return stop;
            }
        }
    }

    fn entries(&self) -> usize {
        self.tokens.len() + self.reserved
    }

    fn point(&mut self, rows: &Rows, last: bool) {
        let entries = self.entries();
        let symbols = rows.iter().map(|row| row.0.len() as u64 * row.1).sum();
        let curve = &mut self.stats.curve;
        let grown = curve.last().is_none_or(|point| point.0 < entries);
        if grown && (last || is_point(entries)) {
            curve.push((entries, symbols));
        }
        if let Some(end) = curve.last_mut().filter(|point| point.0 == entries) {
            end.1 = symbols;
        }
    }

    /// Why there is nothing to merge, if there is nothing.
    fn merge_best(&mut self, rows: &mut Rows) -> Option<Stop> {
        let length = |id: &TokenId| self.lengths.get(id).copied().unwrap_or(1);
        let limit = self.config.max_token_length.unwrap_or(usize::MAX);
        let mut pairs: BTreeMap<Pair, u64> = BTreeMap::new();
        let mut used: HashMap<TokenId, u64> = HashMap::new();
        for (symbols, count) in rows.iter().filter(|row| row.1 > 0) {
            for symbol in symbols {
                *used.entry(*symbol).or_default() += count;
            }
            for pair in symbols.windows(2) {
                let sum = length(&pair[0]) + length(&pair[1]);
                let refused = self.refused.contains(&(pair[0], pair[1]));
                if (sum == 2 || sum < limit) && !refused {
                    *pairs.entry((pair[0], pair[1])).or_default() += count;
                }
            }
        }
        if pairs.is_empty() {
            return Some(Stop::NoPairs);
        }
        pairs.retain(|_, count| *count >= self.config.min_frequency);
        let value = |pair: &Pair, count: u64| match self.score {
            Score::Frequency => Ratio::new(count, 1, 1),
            Score::Likelihood => Ratio::new(count, used[&pair.0], used[&pair.1]),
        };
        let Some(best) = pairs.iter().map(|(pair, &count)| value(pair, count)).max() else {
            return Some(Stop::MinFrequency);
        };
        let mut equals: Vec<Pair> = Vec::new();
        equals.extend(pairs.iter().filter(|(pair, n)| value(pair, **n) == best).map(|it| it.0));
        let spelled = |&(left, right): &Pair| {
            (
                bytes(&self.tokens[left as usize], self.unit),
                bytes(&self.tokens[right as usize], self.unit),
            )
        };
        // They stand in ascending order of ids, and stable sorts keep it among equals.
        match self.config.ties {
            Ties::Tokenizers => {}
            Ties::Cs336 => equals.sort_by_key(|pair| std::cmp::Reverse(spelled(pair))),
            Ties::RawBytes => equals.sort_by_key(spelled),
        }
        let token = self.spell(equals[0]);
        if let Some(policy) = self.judge.refuse(&token) {
            self.stats.refused[policy as usize].note(token, pairs[&equals[0]]);
            self.refused.insert(equals[0]);
            return None;
        }
        self.stats.near_ties += u64::from(equals.len() > 1);
        let event = self.join(equals[0]);
        for row in rows.iter_mut() {
            apply(event, &mut row.0);
        }
        self.point(rows, false);
        None
    }

    fn finish_forced(&mut self, rows: &mut Rows) {
        loop {
            self.forced.clone_from(&self.initial);
            self.forced.iter_mut().for_each(|row| encode(&self.events, row));
            let Some(row) = self.forced.iter().find(|row| row.len() > 1) else { break };
            let event = self.join((row[0], row[1]));
            self.stats.forced_merges += 1;
            for row in rows.iter_mut() {
                apply(event, &mut row.0);
            }
        }
        self.point(rows, false);
    }

    fn spell(&self, (left, right): Pair) -> String {
        let prefix = self.config.continuing_subword_prefix.as_deref().unwrap_or_default();
        let tail = &self.tokens[right as usize];
        format!("{}{}", self.tokens[left as usize], tail.strip_prefix(prefix).unwrap_or(tail))
    }

    fn join(&mut self, (left, right): Pair) -> Event {
        let token = self.spell((left, right));
        let next = TokenId::try_from(self.tokens.len()).unwrap();
        let new = *self.ids.entry(token.clone()).or_insert(next);
        if new == next {
            self.tokens.push(token);
        }
        let length = |id: &TokenId| self.lengths.get(id).copied().unwrap_or(1);
        let sum = length(&left) + length(&right);
        self.lengths.insert(new, sum);
        if !self.merges.contains(&(left, right)) {
            self.merges.push((left, right));
        }
        let event = Event { left, right, new };
        self.events.push(event);
        self.forced.iter_mut().for_each(|row| apply(event, row));
        event
    }
}

/// One merge, from left to right.
fn apply(event: Event, symbols: &mut Vec<TokenId>) {
    let mut i = 0;
    while i + 1 < symbols.len() {
        if (symbols[i], symbols[i + 1]) == (event.left, event.right) {
            symbols.splice(i..i + 2, [event.new]);
        }
        i += 1;
    }
}

/// The least event that applies, the leftmost first, until none does.
fn encode(events: &[Event], symbols: &mut Vec<TokenId>) {
    let rank = |pair: &[TokenId]| {
        events.iter().position(|event| [event.left, event.right] == [pair[0], pair[1]])
    };
    while let Some((rank, at)) =
        symbols.windows(2).enumerate().filter_map(|(at, pair)| Some((rank(pair)?, at))).min()
    {
        symbols.splice(at..at + 2, [events[rank].new]);
    }
}

/// The bytes of a token; characters that show no byte are taken as UTF-8.
fn bytes(token: &str, unit: Unit) -> Vec<u8> {
    let byte = |c: char| (0..=255_u8).find(|&b| BYTE_TO_CHAR[usize::from(b)] == c);
    let of = |c: char| match byte(c) {
        Some(byte) if unit == Unit::Byte => vec![byte],
        _ => c.to_string().into_bytes(),
    };
    token.chars().flat_map(of).collect()
}
