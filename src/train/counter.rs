//! From documents to counts, on several threads.

// One thread hands out chunks, the others count them, each into its own table; the tables are added up
// in the end. Nothing is shared while counting, so the sum cannot depend on which thread got which chunk.
//
// Chunks are numbered and taken in order. After a failure none is handed out any more, but those with
// smaller numbers are finished: one of them may hold the first error. So the error, too, is the same for
// any number of threads. When the caller wants to stop, all chunks are given up.
//
// Threads are started while there are chunks for them. When the system gives no more, those that run do
// the work; when it gives none, the thread that hands out counts as well.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use aho_corasick::{AhoCorasick, MatchKind};

use super::corpus::{Chunk, Cuts, parts};
use super::feed::{self, Feeder, Part as InputPart, Source};
use super::run::{Folder, Run};

use super::tally::Tally;
use super::{Counts, Manifest, Phase, Progress, Pulse, TextSource};
use crate::error::{Error, Result};
use crate::normalize::Normalizer;
use crate::pretokenize::{ByteAlphabet, PreTokenizer, Splitter};
use crate::regex::Dialect;
use worker::{Part, State, Worker};

/// How documents become words.
#[derive(Clone, Debug)]
pub struct Counter {
    normalizer: Option<Normalizer>,
    splitter: Splitter,
    /// Whether a known pattern lets one document be cut at the places that `corpus.rs` knows.
    cut: bool,
    cuts: Cuts,
    threads: usize,
    manifest: Manifest,
    special_tokens: Option<SpecialTokens>,
    field: String,
    /// The column of tables, which somebody else reads.
    column: String,
    replace: bool,
    memory: Option<Memory>,
}

/// Special tokens and the search for them.
#[derive(Clone, Debug)]
struct SpecialTokens {
    tokens: Vec<String>,
    search: AhoCorasick,
}

/// A bound of memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Bytes.
    pub(crate) limit: usize,
    /// Where a folder for what does not fit is made.
    pub(crate) parent: PathBuf,
}

impl Memory {
    /// The least that counting works with.
    const LEAST: usize = if cfg!(test) { 1 << 10 } else { 16 << 20 };
}

impl Counter {
    /// A counter for a normalizer and a pre-tokenizer. `threads` is the number of threads that count;
    /// none means `SUBTOK_NUM_THREADS`, or one for each processor.
    ///
    /// # Errors
    /// Those of [`Splitter::compile`]; [`Error::Argument`] when `SUBTOK_NUM_THREADS` is no number.
    pub fn new(
        normalizer: Option<Normalizer>,
        pre_tokenizer: &PreTokenizer,
        manifest: Manifest,
        threads: Option<usize>,
    ) -> Result<Self> {
        let splitter = Splitter::compile(pre_tokenizer, Dialect::TokenizerJson, ByteAlphabet::Raw)?;
        if pre_tokenizer.is_byte_level() && !splitter.gives_bytes() {
            let what = "counting with a pretokenizer that goes on after it spelled bytes";
            return Err(Error::unsupported(what, "pretokenizer"));
        }
        let named = ["gpt2", "cl100k_base", "qwen2", "qwen3.5", "o200k_base", "bert"];
        let named = named
            .iter()
            .any(|name| PreTokenizer::by_name(name).is_ok_and(|named| named == *pre_tokenizer));
        // A normalizer may make other text of the two sides of a cut: a space of a line break, say.
        let cut = named && (normalizer.is_none() || *pre_tokenizer == PreTokenizer::Bert);
        Ok(Self {
            normalizer,
            splitter,
            cut,
            cuts: Cuts::new(cut, &[]),
            threads: crate::threads::count(threads)?.clamp(1, 1024),
            manifest,
            special_tokens: None,
            field: "text".to_owned(),
            column: "text".to_owned(),
            replace: false,
            memory: None,
        })
    }

    /// The same, for text in which these tokens may stand. They are cut out before anything else, the
    /// longest of those that begin first, and counted: words reach neither into nor across them.
    ///
    /// # Errors
    /// [`Error::Argument`] when they are too many or too long to be searched for.
    pub fn with_special_tokens(mut self, tokens: &[String]) -> Result<Self> {
        let mut tokens: Vec<String> =
            tokens.iter().filter(|token| !token.is_empty()).cloned().collect();
        tokens.sort_unstable();
        tokens.dedup();
        let longest = tokens.iter().map(String::len).max().unwrap_or(0);
        let bytes: usize = tokens.iter().map(String::len).sum();
        if longest > MAX_SPECIAL.0 || bytes > MAX_SPECIAL.1 {
            let given = format!("up to {longest} bytes long, {bytes} together");
            let wanted =
                format!("at most {} bytes long, {} together", MAX_SPECIAL.0, MAX_SPECIAL.1);
            return Err(Error::argument("special_tokens", given, wanted));
        }
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&tokens);
        let search = search.map_err(|error| {
            Error::argument("special_tokens", error, "what can be searched for")
        })?;
        self.manifest.special_tokens = tokens.iter().map(|token| (token.clone(), 0)).collect();
        self.cuts = Cuts::new(self.cut, &tokens);
        self.special_tokens = (!tokens.is_empty()).then_some(SpecialTokens { tokens, search });
        Ok(self)
    }

    /// The same, for JSON lines with the text in another field than `text`.
    #[must_use]
    pub fn with_field(self, field: &str) -> Self {
        Self { field: field.to_owned(), ..self }
    }

    /// The same, for tables with the text in another column than `text`. Whoever resumes is held to it.
    #[must_use]
    pub fn with_column(self, column: &str) -> Self {
        Self { column: column.to_owned(), ..self }
    }

    /// The same, for files that may hold what is no UTF-8: each invalid sequence becomes U+FFFD, and is
    /// counted. Else it is an error.
    #[must_use]
    pub fn with_replacement(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// The same, within about `limit` bytes of memory: tables go to files in a new folder in `folder` (that
    /// of the system for temporary files, when it is none) when they are full. The counts are the same.
    ///
    /// # Errors
    /// [`Error::Argument`] when it is less than 16 MiB.
    pub fn with_memory_limit(mut self, limit: usize, folder: Option<&Path>) -> Result<Self> {
        if limit < Memory::LEAST {
            let wanted = format!("at least {} (16 MiB)", Memory::LEAST);
            return Err(Error::argument("memory_limit", limit, wanted));
        }
        let parent = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        // Each thread has a table, a chunk at hand and one that waits.
        self.threads = self.threads.min(limit / Memory::LEAST);
        self.memory = Some(Memory { limit, parent });
        Ok(self)
    }

    /// Where a document may be cut; at line ends alone when that is where its source may have to end.
    pub(crate) fn cuts(&self, capped: bool) -> Cuts {
        if capped { self.cuts.at_lines() } else { self.cuts.clone() }
    }

    pub(crate) fn replaces(&self) -> bool {
        self.replace
    }

    pub(crate) fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// How files are read, for whoever has to tell counts apart.
    pub(crate) fn reading(&self) -> String {
        let errors = if self.replace { "replace" } else { "strict" };
        format!("field {:?}, column {:?}, errors {errors:?}", self.field, self.column)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn special_tokens(&self) -> &[String] {
        self.special_tokens.as_ref().map_or(&[], |special| &special.tokens)
    }

    /// Counts the words of files. Plain text is one document a file; JSON lines are one a line.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::Format`] when it is not UTF-8 or not JSON, with
    /// the place; [`Error::Pattern`] when the split pattern gives up; [`Error::Training`] when the words
    /// do not fit into the bound of memory; [`Error::Interrupted`].
    pub fn count_files(&self, paths: &[PathBuf], progress: &mut Progress<'_>) -> Result<Counts> {
        let mut pulse = Pulse::new(progress);
        let parts = paths.iter().map(|path| InputPart::plain(path, self)).collect();
        let source = Source { parts, ..Source::new(TextSource::unnamed()) };
        feed::count(self, vec![source], None, &mut |done, total, last| {
            let look = if last { Pulse::now } else { Pulse::look };
            look(&mut pulse, Phase::Count, done, total).map_err(Halt::<Error>::Caller)
        })
    }

    /// Counts the words of texts.
    ///
    /// # Errors
    /// [`Error::Pattern`] when the split pattern gives up on a text.
    pub fn count_texts<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Counts> {
        let mut batch = Batch::new(&self.cuts);
        let mut texts = texts.into_iter();
        self.count_chunks(|| {
            loop {
                if let Some(chunk) = batch.pop() {
                    return Ok(Some(chunk));
                }
                let Some(text) = texts.next() else {
                    batch.close();
                    return Ok::<_, Halt<Error>>(batch.pop());
                };
                batch.push(text);
            }
        })
    }

    /// Counts the chunks that `next` hands out, until it has no more.
    pub(crate) fn count_chunks<E: From<Error>>(
        &self,
        next: impl FnMut() -> Result<Option<Chunk>, Halt<E>>,
    ) -> Result<Counts, E> {
        let mut tally = Tally::new(self)?;
        tally.begin(TextSource::unnamed());
        let counted = self.gather(&mut feed::Plain(next), tally.folder())?;
        tally.add(counted)?;
        tally.finish(&mut || Ok::<_, Halt<E>>(()))
    }

    /// Counts the chunks that `feeder` hands out, until it has no more.
    pub(crate) fn gather<E: From<Error>>(
        &self,
        feeder: &mut dyn Feeder<E>,
        folder: Option<&Arc<Folder>>,
    ) -> Result<Counted, E> {
        let state = State::default();
        let (sender, receiver) = sync_channel::<(u64, Chunk)>(self.threads);
        let receiver = Mutex::new(receiver);
        let (finished, all_finished) = channel::<()>();
        let (fed, done) = thread::scope(|scope| {
            let mut here: Option<Worker<'_>> = None;
            let mut workers = Vec::new();
            let mut room = self.threads;
            let mut hand_out = || {
                for number in 0.. {
                    if state.failed.load(Ordering::Relaxed) < u64::MAX {
                        break;
                    }
                    let Some(chunk) = feeder.next()? else { break };
                    if workers.len() < room {
                        let finished = finished.clone();
                        let work = || {
                            let part = Worker::new(self, &state, folder).work(&receiver);
                            // Nobody listens when there is nothing to wait for any more.
                            let _ = { finished }.send(());
                            part
                        };
                        match builder().spawn_scoped(scope, work) {
                            Ok(worker) => workers.push(worker),
                            Err(_) => room = workers.len(),
                        }
                    }
                    if workers.is_empty() {
                        here.get_or_insert_with(|| Worker::new(self, &state, folder))
                            .take(number, &chunk);
                    } else if sender.send((number, chunk)).is_err() {
                        break;
                    }
                }
                Ok(())
            };
            let mut fed = hand_out();
            let cancel = |fed: &Result<(), Halt<E>>| {
                if matches!(fed, Err(Halt::Caller(_))) {
                    state.cancelled.store(true, Ordering::Relaxed);
                }
            };
            cancel(&fed);
            // This ends the workers.
            drop((sender, finished));
            let mut done: Vec<Part> = here.map(Worker::done).into_iter().collect();
            while fed.is_ok() {
                match all_finished.recv_timeout(Pulse::INTERVAL) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => fed = feeder.look(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                cancel(&fed);
            }
            for worker in workers {
                done.push(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            (fed, done)
        });
        let mut first: Option<(u64, Error)> = None;
        let mut counted =
            Counted { found: vec![0; self.special_tokens().len()], ..Counted::default() };
        for part in done {
            if let Some(panic) = part.panic {
                resume_unwind(panic);
            }
            if let Some((number, error)) = part.error
                && first.as_ref().is_none_or(|(other, _)| number < *other)
            {
                first = Some((number, error));
            }
            counted.add(part.counted);
        }
        // What the source raised comes after all chunks that it gave.
        match (fed, first) {
            (Err(Halt::Caller(error)), _) | (Err(Halt::Source(error)), None) => Err(error),
            (_, Some((_, error))) => Err(error.into()),
            (Ok(()), None) => Ok(counted),
        }
    }
}

/// The bytes that a special token may have, and that all may have together: the search goes back where one
/// stands nearly, and takes some hundred times the memory.
const MAX_SPECIAL: (usize, usize) = (4096, 4 << 20);

/// What chunks held.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) runs: Vec<Run>,
    pub(crate) documents: u64,
    pub(crate) bytes: u64,
    /// Invalid sequences in lines that became U+FFFD.
    pub(crate) replaced: u64,
    /// How often each special token was there.
    pub(crate) found: Vec<u64>,
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.replaced += other.replaced;
        self.found.iter_mut().zip(other.found).for_each(|(ours, theirs)| *ours += theirs);
    }
}

/// Why no chunk comes.
#[derive(Debug)]
pub(crate) enum Halt<E> {
    /// The text cannot be read. Chunks before may hold an earlier error.
    Source(E),
    /// The caller wants to stop.
    Caller(E),
}

impl<E> Halt<E> {
    pub(crate) fn into_inner(self) -> E {
        match self {
            Self::Source(error) | Self::Caller(error) => error,
        }
    }
}

/// How a thread is started.
fn builder() -> thread::Builder {
    let builder = thread::Builder::new();
    #[cfg(test)]
    if tests::STARTS.get() == 0 {
        // No system has room for such a stack.
        return builder.stack_size(1 << 60);
    }
    #[cfg(test)]
    tests::STARTS.set(tests::STARTS.get() - 1);
    builder
}

/// Collects documents into chunks, and cuts long ones.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Where one document may be cut.
    cuts: Cuts,
    text: String,
    ends: Vec<usize>,
    full: VecDeque<Chunk>,
}

impl Batch {
    const FULL: usize = if cfg!(test) { 64 } else { 1 << 19 };

    pub(crate) fn new(cuts: &Cuts) -> Self {
        Self { cuts: cuts.clone(), ..Self::default() }
    }

    /// Adds a document.
    pub(crate) fn push(&mut self, text: &str) {
        if self.cuts.allowed() && text.len() >= 2 * Self::FULL {
            self.close();
            let mut starts = true;
            for part in parts(text, Self::FULL, &self.cuts) {
                let chunk =
                    Chunk::Documents { text: part.to_owned(), ends: vec![part.len()], starts };
                self.full.push_back(chunk);
                starts = false;
            }
            return;
        }
        self.text.push_str(text);
        self.ends.push(self.text.len());
        // Many empty documents are work, too.
        if self.text.len() + self.ends.len() >= Self::FULL {
            self.close();
        }
    }

    /// A full chunk, if there is one.
    pub(crate) fn pop(&mut self) -> Option<Chunk> {
        self.full.pop_front()
    }

    /// Makes what is left a chunk.
    pub(crate) fn close(&mut self) {
        if !self.ends.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.text.reserve(text.len());
            let ends = std::mem::take(&mut self.ends);
            self.full.push_back(Chunk::Documents { text, ends, starts: true });
        }
    }
}

#[cfg(test)]
mod tests;
mod worker;
