//! From documents to counts, on several threads.

// One thread hands out chunks, the others count them, each into its own table; the tables are added up
// in the end. The thread that hands out may hold an interpreter lock: it never counts. Nothing is shared
// while counting, so the sum cannot depend on which thread got which chunk.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::corpus::{Chunk, Files, parts};
use super::count::{Sorted, Table};
use super::{Counts, Manifest, Phase, Progress, Pulse};
use crate::error::{Error, Result};
use crate::normalize::Normalizer;
use crate::pretokenize::{Dialect, PreTokenizer, Splitter};

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
    /// Those of [`Splitter::compile`].
    pub fn new(
        normalizer: Option<Normalizer>,
        pre_tokenizer: &PreTokenizer,
        manifest: Manifest,
        threads: Option<usize>,
    ) -> Result<Self> {
        let splitter = Splitter::compile(pre_tokenizer, Dialect::TokenizerJson)?;
        let named = ["gpt2", "cl100k_base", "qwen2", "o200k_base", "bert"];
        let cut = named
            .iter()
            .any(|name| PreTokenizer::by_name(name).is_ok_and(|named| named == *pre_tokenizer));
        let threads = threads.unwrap_or_else(default_threads).clamp(1, 1024);
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
            let chunk = files.next()?;
            pulse.look(Phase::Count, files.done, files.total)?;
            Ok::<_, Error>(chunk)
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
                    return Ok::<_, Error>(batch.pop());
                };
                batch.push(text);
            }
        })
    }

    /// Counts the chunks that `next` hands out, until it has no more.
    pub(crate) fn count_chunks<E: From<Error>>(
        &self,
        mut next: impl FnMut() -> Result<Option<Chunk>, E>,
    ) -> Result<Counts, E> {
        let stop = AtomicBool::new(false);
        let (sender, receiver) = sync_channel::<(u64, Chunk)>(self.threads);
        let receiver = Mutex::new(receiver);
        let (fed, workers) = thread::scope(|scope| {
            let work = || self.work(&receiver, &stop);
            let workers: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            let fed = hand_out(&mut next, sender, &stop);
            if fed.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            let joined = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            (fed, joined.collect::<Vec<_>>())
        });
        let mut first: Option<(u64, Error)> = None;
        let mut parts = Vec::new();
        for worker in workers {
            match worker {
                Ok(part) => parts.push(part),
                Err((number, error)) => {
                    if first.as_ref().is_none_or(|(other, _)| number < *other) {
                        first = Some((number, error));
                    }
                }
            }
        }
        // What the source raised explains more than what a worker found in an earlier chunk.
        fed?;
        if let Some((_, error)) = first {
            return Err(error.into());
        }
        let mut manifest = self.manifest.clone();
        let mut sorted: Vec<Sorted> = Vec::new();
        for part in parts {
            manifest.documents += part.documents;
            manifest.bytes += part.bytes;
            sorted.push(part.words);
        }
        let all = sorted.into_iter().reduce(Sorted::merge);
        Ok(match all {
            Some(all) => Counts::from_sorted(&all, manifest),
            None => Counts::default(),
        })
    }

    fn work(
        &self,
        receiver: &Mutex<Receiver<(u64, Chunk)>>,
        stop: &AtomicBool,
    ) -> Result<Part, (u64, Error)> {
        let mut worker = Worker {
            counter: self,
            table: Table::new(),
            normalized: String::new(),
            spaced: String::new(),
            documents: 0,
            bytes: 0,
        };
        loop {
            let got = match receiver.lock() {
                Ok(receiver) => receiver.recv(),
                Err(_) => break,
            };
            let Ok((number, chunk)) = got else { break };
            if stop.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = worker.chunk(&chunk, stop) {
                stop.store(true, Ordering::Relaxed);
                // Chunks that wait are dropped, so that whoever hands them out is not held up.
                while receiver.lock().is_ok_and(|receiver| receiver.recv().is_ok()) {}
                return Err((number, error));
            }
        }
        let Worker { table, documents, bytes, .. } = worker;
        let words = if stop.load(Ordering::Relaxed) { Table::new() } else { table };
        Ok(Part { words: words.into_sorted(), documents, bytes })
    }
}

/// Hands out until there is no more, or a worker failed.
fn hand_out<E>(
    next: &mut impl FnMut() -> Result<Option<Chunk>, E>,
    sender: SyncSender<(u64, Chunk)>,
    stop: &AtomicBool,
) -> Result<(), E> {
    let mut number = 0;
    while let Some(chunk) = next()? {
        if stop.load(Ordering::Relaxed) || sender.send((number, chunk)).is_err() {
            break;
        }
        number += 1;
    }
    // Dropping the sender ends the workers.
    drop(sender);
    Ok(())
}

/// The number of threads when none is given.
fn default_threads() -> usize {
    let given = std::env::var("SUBTOK_NUM_THREADS").ok().and_then(|value| value.parse().ok());
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    given.filter(|&threads| threads > 0).unwrap_or_else(processors)
}

/// What one thread counted.
struct Part {
    words: Sorted,
    documents: u64,
    bytes: u64,
}

struct Worker<'a> {
    counter: &'a Counter,
    table: Table,
    normalized: String,
    spaced: String,
    documents: u64,
    bytes: u64,
}

#[derive(serde::Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Worker<'_> {
    fn chunk(&mut self, chunk: &Chunk, stop: &AtomicBool) -> Result<()> {
        match chunk {
            Chunk::Documents { text, ends, starts } => {
                let mut start = 0;
                for &end in ends {
                    self.document(&text[start..end], *starts || start > 0)?;
                    start = end;
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
            Chunk::Lines { bytes, first, path } => {
                for (number, line) in (*first..).zip(bytes.split(|&byte| byte == b'\n')) {
                    if line.trim_ascii().is_empty() {
                        continue;
                    }
                    let line: Line = serde_json::from_slice(line).map_err(|error| {
                        let place = format!("line {number}");
                        Error::format("JSON lines", place, error.to_string()).in_file(path)
                    })?;
                    self.document(&line.text, true)?;
                    if stop.load(Ordering::Relaxed) {
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
            normalizer.normalize_into(text, normalized);
            text = normalized;
        }
        if counter.splitter.add_prefix_space && starts && !text.starts_with(' ') {
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
