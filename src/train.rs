//! Training: text is counted into words, words are merged into a vocabulary.
//!
//! ```text
//! documents -> count -> Counts -> {bpe, wordpiece} -> Learned -> vocabulary and merges
//! ```
//!
//! The stages are separate, so one count serves any number of vocabularies, and counts made on many
//! machines add up. Nothing depends on the order of documents or words, on how the text was cut into
//! chunks, on the number of threads, or on a hash seed.

// Why the counts are sorted by bytes before anything else sees them: it makes the artefact on disk
// reproducible, and neighbouring words share prefixes, so the merge loop touches memory in order.

mod alphabet;
mod assemble;
mod bpe;
mod checkpoint;
mod corpus;
mod count;
mod counter;
mod counts;
mod digest;
mod extend;
mod feed;
mod forced;
mod likelihood;
mod lines;
mod manifest;
mod policies;
#[cfg(test)]
mod reference;
mod replay;
mod report;
mod resume;
mod run;
mod superwords;
mod tally;
mod ties;
mod token_counts;
#[cfg(test)]
mod twins;
mod wordpiece;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::ids::TokenId;

pub use assemble::{TrainReport, train_bpe, train_wordpiece};
use bpe::{Job, learn};
pub use checkpoint::Checkpoint;
#[cfg(feature = "python")]
pub(crate) use corpus::{Bytes, Chunk, Cuts, FileDigest, TextFile};
pub use counter::Counter;
#[cfg(feature = "python")]
pub(crate) use counter::{Batch, Halt};
pub use counts::Counts;
pub use extend::extend_bpe;
#[cfg(feature = "python")]
pub(crate) use feed::{Input, Part, Source, count as count_sources};
pub use manifest::{Manifest, TextInput, TextSource};
pub use policies::{Policies, Policy, Refused};
pub use report::{Dropped, Stats};
pub use superwords::{Superwords, wide_pre_tokenizer};
pub use ties::Ties;
pub use wordpiece::{Score, WordPieceTrainConfig, learn_wordpiece};

/// What the symbols of a word are before anything is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, each shown as one printable character, as byte-level tokenizers do.
    Byte,
    /// Characters.
    Char,
}

/// The characters that a vocabulary holds whether the text has them or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialAlphabet {
    /// All 256 bytes, for byte-level pretokenizers; nothing for those that work on characters.
    Bytes,
    /// These characters, as tokens show them.
    Chars(Vec<char>),
}

/// What a vocabulary shall be like. The default is what `tokenizers` does, with all bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpeTrainConfig {
    /// Entries wanted: special tokens, alphabet and merges together.
    pub vocab_size: usize,
    /// Tokens with the first ids, in this order; repeated ones count once.
    pub special_tokens: Vec<String>,
    /// Pairs that occur less often are not merged. 0 means the same as 1.
    pub min_frequency: u64,
    /// Merged tokens have fewer initial symbols than this; two initial symbols may always merge, so that
    /// 0 to 3 mean the same.
    pub max_token_length: Option<usize>,
    /// The number of characters to keep, the most frequent ones; the others are deleted from the text.
    /// It must leave room for `initial_alphabet`.
    pub limit_alphabet: Option<usize>,
    /// Characters that are kept whether the text has them or not.
    pub initial_alphabet: InitialAlphabet,
    /// Written before every symbol that does not start a word, such as `##`.
    pub continuing_subword_prefix: Option<String>,
    /// Written after the last symbol of a word, such as `</w>`.
    pub end_of_word_suffix: Option<String>,
    /// Which of equally frequent pairs is merged first.
    pub ties: Ties,
    /// Limits on tokens.
    pub policies: Policies,
    /// Tokens that the vocabulary must have, as words of the text.
    pub forced_tokens: Vec<String>,
    /// Merges across spaces, after those within words.
    pub superwords: Option<Superwords>,
    /// A file that lets training go on where it ended.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes that merging shall stay within: the distinct words take 12 for each symbol in any case, the
    /// index of pairs is kept small enough. The result is the same.
    pub memory_limit: Option<u64>,
    /// The number of threads that merge; none means `SUBTOK_NUM_THREADS`, or one for each processor.
    pub threads: Option<usize>,
}

impl Default for BpeTrainConfig {
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            special_tokens: Vec::new(),
            min_frequency: 0,
            max_token_length: None,
            limit_alphabet: None,
            initial_alphabet: InitialAlphabet::Bytes,
            continuing_subword_prefix: None,
            end_of_word_suffix: None,
            ties: Ties::Tokenizers,
            policies: Policies::default(),
            forced_tokens: Vec::new(),
            superwords: None,
            checkpoint: None,
            memory_limit: None,
            threads: None,
        }
    }
}

/// Why the merge loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The vocabulary has the size that was asked for.
    VocabSize,
    /// Special tokens and alphabet alone reach or exceed the size that was asked for.
    Alphabet,
    /// Every remaining pair occurs less often than `min_frequency`.
    MinFrequency,
    /// No pair is left that may be merged.
    NoPairs,
}

impl Stop {
    /// A name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::VocabSize => "vocab_size",
            Self::Alphabet => "alphabet",
            Self::MinFrequency => "min_frequency",
            Self::NoPairs => "no_pairs",
        }
    }
}

/// What training found: tokens in id order and the merges that made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The tokens; the position is the id.
    pub tokens: Vec<String>,
    /// Pairs of ids in the order they were merged.
    pub merges: Vec<(TokenId, TokenId)>,
    /// The number of special tokens at the head of `tokens`.
    pub special_tokens: usize,
    /// The number of entries before the first merge.
    pub alphabet_end: usize,
    /// Why it ended.
    pub stop: Stop,
    /// What happened on the way.
    pub stats: Stats,
}

/// Learns merges from counts. `unit` says what the words are made of: bytes under a byte-level
/// pre-tokenizer, else characters.
///
/// # Errors
/// [`Error::Training`] when there is no word, when a word of characters is not UTF-8, when the counts
/// are too high to be summed, when the distinct words have 2^32 symbols or more;
/// [`Error::Argument`] when `vocab_size` cannot hold the bytes that were asked for, or when an argument
/// has no meaning; [`Error::Interrupted`] when `progress` says so. With a checkpoint also
/// [`Error::Io`], [`Error::Format`], and [`Error::Training`] when it belongs to something else.
pub fn learn_bpe(
    counts: &Counts,
    unit: Unit,
    config: &BpeTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    not_empty(counts)?;
    if config.superwords.is_some() {
        return Err(Error::argument(
            "superwords",
            "given",
            "left to `train_bpe`, which cuts words",
        ));
    }
    let job = Job { words: counts, wide: None, unit, config, base: None };
    learn(&job, progress)
}

fn not_empty(counts: &Counts) -> Result<()> {
    if counts.is_empty() {
        let mut place = counts.manifest().origin();
        if !place.is_empty() {
            place.insert_str(0, " in ");
        }
        let problem = format!("there are no words{place}: the text is empty or all white space");
        return Err(Error::training(problem));
    }
    Ok(())
}

/// The stages that report progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Counting words; the unit is bytes of text. The total is 0 when it is not known.
    Count,
    /// Finding merges; the unit is vocabulary entries.
    Merge,
    /// Building the tokenizer. Not reported on while it lasts.
    Build,
}

impl Phase {
    /// A name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Merge => "merge",
            Self::Build => "build",
        }
    }
}

/// Told about progress every 50 ms or so: phase, done, total. Answering [`ControlFlow::Break`] stops
/// the training with [`Error::Interrupted`].
pub type Progress<'a> = dyn FnMut(Phase, u64, u64) -> ControlFlow<()> + 'a;

/// Calls a [`Progress`] at most every [`Pulse::INTERVAL`], however often work is reported.
pub(crate) struct Pulse<'a, 'b> {
    progress: &'a mut Progress<'b>,
    last: Instant,
    work: usize,
}

impl<'a, 'b> Pulse<'a, 'b> {
    pub(crate) const INTERVAL: Duration = Duration::from_millis(50);
    /// Small steps of work (tens of nanoseconds each) between two looks at the clock.
    const STEPS: usize = 1 << 16;

    pub(crate) fn new(progress: &'a mut Progress<'b>) -> Self {
        Self { progress, last: Instant::now(), work: 0 }
    }

    /// Notes `steps` of work, and reports when it is time.
    #[inline]
    pub(crate) fn tick(&mut self, steps: usize, phase: Phase, done: u64, total: u64) -> Result<()> {
        self.work += steps;
        if self.work < Self::STEPS {
            return Ok(());
        }
        self.work = 0;
        self.look(phase, done, total)
    }

    /// Looks at the clock, and reports when it is time.
    pub(crate) fn look(&mut self, phase: Phase, done: u64, total: u64) -> Result<()> {
        if self.last.elapsed() < Self::INTERVAL {
            return Ok(());
        }
        self.last = Instant::now();
        self.now(phase, done, total)
    }

    /// Reports at once: the start and the end of a phase.
    pub(crate) fn now(&mut self, phase: Phase, done: u64, total: u64) -> Result<()> {
        match (self.progress)(phase, done, total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }
}

/// The most memory that this process ever held, in bytes, where the system says it.
#[cfg(feature = "python")]
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}
