//! Merging that survives a crash: what was merged so far, in a file.
//!
//! Everything else follows from the counts, so a checkpoint is small, and going on from it gives the same
//! bytes as never having stopped. It belongs to one set of counts and one configuration: their digest
//! stands in it, and a checkpoint of others is refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::alphabet::Words;
use super::bpe::Job;
use super::replay::Event;
use super::report::Stats;
use crate::error::{Error, Result};
use crate::files;
use crate::ids::TokenId;

/// Where the state of a training is kept, and how often it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The file. If it exists, training goes on from it.
    pub path: PathBuf,
    /// The time between two saves. It is written at the end as well, and when training is interrupted.
    pub every: Duration,
}

/// What was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) events: Vec<Event>,
    /// How many of them came before the second stage, with those of the base; none in the first.
    pub(super) stage_one: Option<usize>,
    pub(super) refused: Vec<(TokenId, TokenId)>,
    pub(super) stats: Stats,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<S> {
    format: String,
    version: u32,
    /// The digest of counts and configuration.
    digest: String,
    state: S,
}

const FORMAT: &str = "subtok training checkpoint";
const VERSION: u32 = 1;

/// Writes checkpoints.
pub(super) struct Saver {
    checkpoint: Checkpoint,
    digest: String,
    last: Instant,
    state: Option<State>,
    /// The bytes of the longest word.
    longest: usize,
}

impl Saver {
    /// Looks for the checkpoint of `job`, if it has one.
    ///
    /// # Errors
    /// [`Error::Format`] when the file is no checkpoint; [`Error::Training`] when it is that of other
    /// counts or of another configuration; [`Error::Io`].
    pub(super) fn open<W: Words + ?Sized>(
        job: &Job<'_, W>,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Option<Self>> {
        let Some(checkpoint) = job.config.checkpoint.clone() else { return Ok(None) };
        let (digest, longest) = digest(job, tick)?;
        let mut state = None;
        if checkpoint.path.exists() {
            let found = read(&checkpoint.path)?;
            if found.digest != digest {
                return Err(Error::training(format!(
                    "the checkpoint {} belongs to other counts or to another configuration; remove \
                     it, or name another file",
                    checkpoint.path.display()
                )));
            }
            state = Some(found.state);
        }
        Ok(Some(Self { checkpoint, digest, last: Instant::now(), state, longest }))
    }

    /// What was read.
    pub(super) fn take_state(&mut self) -> Option<State> {
        self.state.take()
    }

    /// The most symbols that a token can have.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether it is time to write again.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.checkpoint.every
    }

    /// Writes the file.
    pub(super) fn save(&mut self, state: &State) -> Result<()> {
        let (format, digest) = (FORMAT.to_owned(), self.digest.clone());
        let content = Content { format, version: VERSION, digest, state };
        files::write_atomically(&self.checkpoint.path, |out| {
            serde_json::to_writer(out, &content).map_err(std::io::Error::from)
        })?;
        self.last = Instant::now();
        Ok(())
    }

    /// The error of a checkpoint that contradicts itself.
    pub(super) fn broken(problem: &str) -> Error {
        Error::format(FORMAT, "state", problem)
    }
}

fn read(path: &Path) -> Result<Content<State>> {
    let bytes = files::read(path)?;
    let content: Content<State> = serde_json::from_slice(&bytes)
        .map_err(|error| Error::format(FORMAT, path.display().to_string(), error.to_string()))?;
    if content.format != FORMAT || content.version != VERSION {
        let problem = format!("{:?} of version {}", content.format, content.version);
        return Err(Error::format(FORMAT, path.display().to_string(), problem));
    }
    Ok(content)
}

/// A digest of everything that the result follows from.
fn digest<W: Words + ?Sized>(
    job: &Job<'_, W>,
    tick: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<(String, usize)> {
    let mut digest = Fnv::new();
    let config = job.config;
    let mut longest = config.forced_tokens.iter().map(String::len).max().unwrap_or(0);
    let head = serde_json::json!({
        "vocab_size": config.vocab_size,
        "special_tokens": config.special_tokens,
        "min_frequency": config.min_frequency,
        "max_token_length": config.max_token_length,
        "limit_alphabet": config.limit_alphabet,
        "initial_alphabet": format!("{:?}", config.initial_alphabet),
        "prefix": config.continuing_subword_prefix,
        "suffix": config.end_of_word_suffix,
        "ties": config.ties.name(),
        "policies": config.policies,
        "forced_tokens": config.forced_tokens,
        "superwords": config.superwords.as_ref().map(|s| (s.from, s.max_words)),
        "unit": format!("{:?}", job.unit),
    });
    digest.add(head.to_string().as_bytes());
    if let Some(base) = job.base {
        digest.add(format!("{:?}", (&base.tokens, base.id_limit)).as_bytes());
        digest.add(format!("{:?}", base.events).as_bytes());
        let mut reserved: Vec<_> = base.reserved.iter().collect();
        reserved.sort_unstable();
        digest.add(format!("{reserved:?}").as_bytes());
    }
    for words in [Some(job.words), job.wide].into_iter().flatten() {
        words.each(&mut |word, count| {
            tick(word.len())?;
            longest = longest.max(word.len());
            digest.add(word);
            digest.add(&count.to_le_bytes());
            Ok(())
        })?;
        digest.add(b"end");
    }
    Ok((digest.hex(), longest))
}

/// FNV-1a of 128 bits, each part with its length: it tells apart what was mixed up by accident.
struct Fnv(u128);

impl Fnv {
    fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn add(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        for &byte in length.iter().chain(part) {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul((1 << 88) + 0x13b);
        }
    }

    fn hex(&self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_its_definition() {
        // FNV-1a 128 of nothing is its offset basis; parts are told apart by their lengths.
        assert_eq!(Fnv::new().hex(), "6c62272e07bb014262b821756295c58d");
        let of = |parts: &[&[u8]]| {
            let mut digest = Fnv::new();
            for part in parts {
                digest.add(part);
            }
            digest.hex()
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
    }
}
