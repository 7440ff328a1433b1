//! The merge loop: word counts in, a vocabulary and its merges out.
//!
//! The result is that of `tokenizers`' `BpeTrainer` to the last merge: the most frequent pair is merged
//! first, the smallest (left id, right id) among equals, counting every adjacent pair of every word.
//! Other rules for equals (`ties.rs`) and limits on tokens (`policies.rs`) change nothing else.
//! A merge whose text is an entry already (a special token) takes that entry's id.
//!
//! Cost: each merge visits the places where its pair stands, and nothing else; all merges together
//! visit each symbol of the distinct words about once. Passes over all words, and merges in many places,
//! are shared by threads; the others are too short for that.

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
// are all tracked or none is, so a rule for ties is decided among all of them. A limit on memory makes
// thresholds higher, so that there are more rounds with fewer places each.
//
// The one exception is a merge that makes a symbol which already stands in the text (`#` + `##x`
// spells `##x`): counts of existing pairs rise. Then the round ends at once.

mod index;
mod learner;
mod slots;
mod split;

use self::learner::Learner;
use super::alphabet::{Alphabet, Words};
use super::checkpoint::Saver;
use super::extend::Base;
use super::ties::{GreatestBytes, Rank, SmallestBytes, SmallestIds};
use super::{BpeTrainConfig, Learned, Phase, Progress, Pulse, Ties, Unit};
use crate::error::{Error, Result};

/// What is learned from what.
pub(super) struct Job<'a, W: ?Sized> {
    pub(super) words: &'a W,
    /// The words of the second stage, for superwords.
    pub(super) wide: Option<&'a W>,
    pub(super) unit: Unit,
    pub(super) config: &'a BpeTrainConfig,
    /// The vocabulary to go on from.
    pub(super) base: Option<&'a Base>,
}

/// Learns merges from words and their counts; see [`super::learn_bpe`].
pub(super) fn learn<W: Words + ?Sized>(
    job: &Job<'_, W>,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    match job.config.ties {
        Ties::Tokenizers => learn_by::<SmallestIds, W>(job, progress),
        Ties::Cs336 => learn_by::<GreatestBytes, W>(job, progress),
        Ties::RawBytes => learn_by::<SmallestBytes, W>(job, progress),
    }
}

fn learn_by<R: Rank, W: Words + ?Sized>(
    job: &Job<'_, W>,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    let Job { unit, config, .. } = *job;
    let mut pulse = Pulse::new(progress);
    let total = config.vocab_size as u64;
    let mut tick = |steps| pulse.tick(steps, Phase::Merge, 0, total);
    let mut alphabet = Alphabet::new(job.words, unit, config, job.base, &mut tick)?;
    let entries = alphabet.tokens.len();
    let reserved = job.base.map_or(0, |base| base.reserved.len());
    if job.base.is_some() && config.vocab_size < entries + reserved {
        let wanted = format!("at least {}: what is there already", entries + reserved);
        return Err(Error::argument("vocab_size", config.vocab_size, wanted));
    }
    if unit == Unit::Byte && config.vocab_size < entries {
        let specials = alphabet.special_tokens;
        let bytes = entries - specials;
        let wanted = format!("at least {entries}: {specials} special tokens and {bytes} bytes");
        return Err(Error::argument("vocab_size", config.vocab_size, wanted));
    }
    let saver = Saver::open(job, &mut tick)?;
    let mut learner = Learner::<R>::new(job, &mut alphabet, saver)?;
    let result = learner.stages(job, &alphabet, &mut pulse);
    if matches!(result, Ok(_) | Err(Error::Interrupted)) {
        learner.save()?;
    }
    let stop = result?;
    Ok(learner.learned(stop))
}
