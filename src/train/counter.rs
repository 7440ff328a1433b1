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

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::corpus::{Chunk, Files, parts};
use super::count::{Sorted, Table};
use super::{Counts, Manifest, Phase, Progress, Pulse};
use crate::error::{Error, Result};
use crate::normalize::Normalizer;
use crate::pretokenize::{ByteAlphabet, PreTokenizer, Splitter};
use crate::regex::Dialect;

/// How documents become words.
#[derive(Clone, Debug)]
pub struct Counter {
    normalizer: Option<Normalizer>,
    splitter: Splitter,
    /// Whether one document may be cut at the places that `corpus.rs` knows.
    cut: bool,
    threads: usize,
    manifest: Manifest,
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
        if splitter.rewrites() {
            let what = "counting with a pretokenizer that rewrites its text";
            return Err(Error::unsupported(what, "pretokenizer"));
        }
        let named = ["gpt2", "cl100k_base", "qwen2", "qwen3.5", "o200k_base", "bert"];
        let named = named
            .iter()
            .any(|name| PreTokenizer::by_name(name).is_ok_and(|named| named == *pre_tokenizer));
        // A normalizer may make other text of the two sides of a cut: a space of a line break, say.
        let cut = named && (normalizer.is_none() || *pre_tokenizer == PreTokenizer::Bert);
        let threads = crate::threads::count(threads)?.clamp(1, 1024);
        Ok(Self { normalizer, splitter, cut, threads, manifest })
    }

    /// Whether one document may be counted in parts, cut where [`Files`] cuts.
    #[cfg(feature = "python")]
    pub(crate) fn may_cut(&self) -> bool {
        self.cut
    }

    /// Counts the words of files. Plain text is one document a file; JSON lines are one a line.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::Format`] when it is not UTF-8 or not JSON, with
    /// the place; [`Error::Pattern`] when the split pattern gives up; [`Error::Interrupted`].
    pub fn count_files(&self, paths: &[PathBuf], progress: &mut Progress<'_>) -> Result<Counts> {
        let mut files = Files::new(paths.to_vec(), self.cut)?;
        let mut pulse = Pulse::new(progress);
        let mut counts = self.count_chunks(|| {
            let chunk = files.next().map_err(Halt::Source)?;
            pulse.look(Phase::Count, files.done, files.total).map_err(Halt::Caller)?;
            Ok::<_, Halt<Error>>(chunk)
        })?;
        pulse.now(Phase::Count, files.done, files.total)?;
        let sources = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        counts.set_sources(sources);
        Ok(counts)
    }

    /// Counts the words of texts.
    ///
    /// # Errors
    /// [`Error::Pattern`] when the split pattern gives up on a text.
    pub fn count_texts<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Counts> {
        let mut batch = Batch::new(self.cut);
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
        mut next: impl FnMut() -> Result<Option<Chunk>, Halt<E>>,
    ) -> Result<Counts, E> {
        let state = State::default();
        let (sender, receiver) = sync_channel::<(u64, Chunk)>(self.threads);
        let receiver = Mutex::new(receiver);
        let (fed, done) = thread::scope(|scope| {
            let mut here: Option<Worker<'_>> = None;
            let mut workers = Vec::new();
            let mut room = self.threads;
            let mut hand_out = || {
                for number in 0.. {
                    if state.failed.load(Ordering::Relaxed) < u64::MAX {
                        break;
                    }
                    let Some(chunk) = next()? else { break };
                    if workers.len() < room {
                        let work = || Worker::new(self, &state).work(&receiver);
                        match builder().spawn_scoped(scope, work) {
                            Ok(worker) => workers.push(worker),
                            Err(_) => room = workers.len(),
                        }
                    }
                    if workers.is_empty() {
                        here.get_or_insert_with(|| Worker::new(self, &state)).take(number, &chunk);
                    } else if sender.send((number, chunk)).is_err() {
                        break;
                    }
                }
                Ok(())
            };
            let fed = hand_out();
            if matches!(fed, Err(Halt::Caller(_))) {
                state.cancelled.store(true, Ordering::Relaxed);
            }
            // This ends the workers.
            drop(sender);
            let mut done: Vec<Part> = here.map(Worker::done).into_iter().collect();
            for worker in workers {
                done.push(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            (fed, done)
        });
        let mut first: Option<(u64, Error)> = None;
        let mut manifest = self.manifest.clone();
        let mut sorted: Vec<Sorted> = Vec::new();
        for part in done {
            if let Some(panic) = part.panic {
                resume_unwind(panic);
            }
            if let Some((number, error)) = part.error
                && first.as_ref().is_none_or(|(other, _)| number < *other)
            {
                first = Some((number, error));
            }
            manifest.documents += part.documents;
            manifest.bytes += part.bytes;
            sorted.push(part.words);
        }
        // What the source raised comes after all chunks that it gave.
        match (fed, first) {
            (Err(Halt::Caller(error)), _) | (Err(Halt::Source(error)), None) => return Err(error),
            (_, Some((_, error))) => return Err(error.into()),
            (Ok(()), None) => {}
        }
        let all = sorted.into_iter().reduce(Sorted::merge);
        let all = all.unwrap_or_else(|| Table::new().into_sorted());
        Ok(Counts::from_sorted(&all, manifest))
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

/// What all threads look at.
struct State {
    /// The smallest number of a chunk that failed; the highest number there is while none has.
    failed: AtomicU64,
    /// Whether all work shall end.
    cancelled: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        Self { failed: AtomicU64::new(u64::MAX), cancelled: AtomicBool::new(false) }
    }
}

impl State {
    /// Whether a chunk is of no use any more.
    fn is_idle(&self, number: u64) -> bool {
        self.cancelled.load(Ordering::Relaxed) || number > self.failed.load(Ordering::Relaxed)
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

/// What one thread counted.
struct Part {
    words: Sorted,
    documents: u64,
    bytes: u64,
    error: Option<(u64, Error)>,
    panic: Option<Panic>,
}

type Panic = Box<dyn std::any::Any + Send>;

struct Worker<'a> {
    counter: &'a Counter,
    state: &'a State,
    table: Table,
    normalized: String,
    spaced: String,
    documents: u64,
    bytes: u64,
    /// The first chunk that failed here.
    error: Option<(u64, Error)>,
    panic: Option<Panic>,
}

#[derive(serde::Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl<'a> Worker<'a> {
    fn new(counter: &'a Counter, state: &'a State) -> Self {
        Self {
            counter,
            state,
            table: Table::new(),
            normalized: String::new(),
            spaced: String::new(),
            documents: 0,
            bytes: 0,
            error: None,
            panic: None,
        }
    }

    /// Takes chunks until there are no more, whatever happens: whoever hands them out is never held up.
    fn work(mut self, receiver: &Mutex<Receiver<(u64, Chunk)>>) -> Part {
        loop {
            let got = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((number, chunk)) = got else { return self.done() };
            self.take(number, &chunk);
        }
    }

    /// Counts a chunk, unless it is of no use.
    fn take(&mut self, number: u64, chunk: &Chunk) {
        if self.state.is_idle(number) {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| self.chunk(number, chunk))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.state.failed.fetch_min(number, Ordering::Relaxed);
                if self.error.is_none() {
                    self.error = Some((number, error));
                }
            }
            Err(panic) => {
                self.state.failed.fetch_min(number, Ordering::Relaxed);
                self.state.cancelled.store(true, Ordering::Relaxed);
                self.panic = Some(panic);
            }
        }
    }

    fn done(self) -> Part {
        let Self { state, table, documents, bytes, error, panic, .. } = self;
        // After a failure nobody asks for the words.
        let words = if state.is_idle(u64::MAX) { Table::new() } else { table };
        Part { words: words.into_sorted(), documents, bytes, error, panic }
    }

    fn chunk(&mut self, chunk_number: u64, chunk: &Chunk) -> Result<()> {
        match chunk {
            Chunk::Documents { text, ends, starts } => {
                let mut start = 0;
                for &end in ends {
                    self.document(&text[start..end], *starts || start > 0)?;
                    start = end;
                    if self.state.is_idle(chunk_number) {
                        break;
                    }
                }
            }
            Chunk::Lines { bytes, first, path } => {
                for (number, line) in (*first..).zip(bytes.split(|&byte| byte == b'\n')) {
                    let line = line.trim_ascii();
                    if line.is_empty() {
                        continue;
                    }
                    let bad = |problem: String| {
                        Error::format("JSON lines", format!("line {number}"), problem).in_file(path)
                    };
                    // An array would do for `serde`, too: its items in the order of the fields.
                    if line[0] != b'{' {
                        return Err(bad("no object `{...}`".to_owned()));
                    }
                    let line: Line =
                        serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
                    self.document(&line.text, true)?;
                    if self.state.is_idle(chunk_number) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts one document, or a later part of one.
    fn document(&mut self, text: &str, starts: bool) -> Result<()> {
        self.documents += u64::from(starts);
        self.bytes += text.len() as u64;
        let Self { counter, table, normalized, spaced, .. } = self;
        let mut text = text;
        if let Some(normalizer) = &counter.normalizer {
            normalized.clear();
            normalizer.normalize_into(text, normalized)?;
            text = normalized;
        }
        if counter.splitter.add_prefix_space && starts && !text.is_empty() && !text.starts_with(' ')
        {
            spaced.clear();
            spaced.push(' ');
            spaced.push_str(text);
            text = spaced;
        }
        let bytes = text.as_bytes();
        counter.splitter.for_each(text, |start, end| table.add(bytes, start, end))
    }
}

/// Collects documents into chunks, and cuts long ones.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Whether one document may be cut.
    cut: bool,
    text: String,
    ends: Vec<usize>,
    full: VecDeque<Chunk>,
}

impl Batch {
    const FULL: usize = if cfg!(test) { 64 } else { 1 << 19 };

    pub(crate) fn new(cut: bool) -> Self {
        Self { cut, ..Self::default() }
    }

    /// Adds a document.
    pub(crate) fn push(&mut self, text: &str) {
        if self.cut && text.len() >= 2 * Self::FULL {
            self.close();
            let mut starts = true;
            for part in parts(text, Self::FULL) {
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
