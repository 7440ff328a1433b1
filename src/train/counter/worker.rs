//! One of the threads that count: chunks into words into a table.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Counted, Counter};
use crate::error::{Error, Result};
use crate::normalize::Aligned;
use crate::pretokenize::{Pieces, Place};
use crate::train::corpus::Chunk;
use crate::train::count::Table;
use crate::train::lines::{self, repaired};
use crate::train::run::{Folder, Run, Spill};

/// What all threads look at.
pub(super) struct State {
    /// The smallest number of a chunk that failed; the highest number there is while none has.
    pub(super) failed: AtomicU64,
    /// Whether all work shall end.
    pub(super) cancelled: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        Self { failed: AtomicU64::new(u64::MAX), cancelled: AtomicBool::new(false) }
    }
}

impl State {
    /// Whether a chunk is of no use any more.
    pub(super) fn is_idle(&self, number: u64) -> bool {
        self.cancelled.load(Ordering::Relaxed) || number > self.failed.load(Ordering::Relaxed)
    }
}

/// What one thread counted.
pub(super) struct Part {
    pub(super) counted: Counted,
    pub(super) error: Option<(u64, Error)>,
    pub(super) panic: Option<Panic>,
}

type Panic = Box<dyn std::any::Any + Send>;

/// A thread's part of the work.
pub(super) struct Worker<'a> {
    counter: &'a Counter,
    state: &'a State,
    table: Table,
    normalized: String,
    spaced: String,
    aligned: Aligned,
    pieces: Pieces,
    counted: Counted,
    /// The first chunk that failed here.
    error: Option<(u64, Error)>,
    panic: Option<Panic>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        counter: &'a Counter,
        state: &'a State,
        folder: Option<&Arc<Folder>>,
    ) -> Self {
        let spill = counter.memory.as_ref().zip(folder).map(|(memory, folder)| {
            // The rest is for chunks, for runs that are merged, and for their sum.
            let room = memory.limit / 5 * 2 / counter.threads;
            Spill::new(room, Arc::clone(folder))
        });
        let found = vec![0; counter.special_tokens().len()];
        Self {
            counter,
            state,
            table: Table::new(spill),
            normalized: String::new(),
            spaced: String::new(),
            aligned: Aligned::default(),
            pieces: Pieces::default(),
            counted: Counted { found, ..Counted::default() },
            error: None,
            panic: None,
        }
    }

    /// Takes chunks until there are no more, whatever happens: whoever hands them out is never held up.
    pub(super) fn work(mut self, receiver: &Mutex<Receiver<(u64, Chunk)>>) -> Part {
        loop {
            let got = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((number, chunk)) = got else { return self.done() };
            self.take(number, &chunk);
        }
    }

    /// Counts a chunk, unless it is of no use.
    pub(super) fn take(&mut self, number: u64, chunk: &Chunk) {
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

    pub(super) fn done(self) -> Part {
        let Self { state, table, mut counted, mut error, panic, .. } = self;
        // After a failure nobody asks for the words.
        if !state.is_idle(u64::MAX) {
            match table.into_sorted() {
                Ok((sorted, spill)) => {
                    counted.runs.extend(spill.into_iter().flat_map(Spill::runs));
                    counted.runs.push(Run::Memory(sorted));
                }
                Err(failed) => error = Some((u64::MAX - 1, failed)),
            }
        }
        Part { counted, error, panic }
    }

    fn chunk(&mut self, chunk_number: u64, chunk: &Chunk) -> Result<()> {
        self.table.check()?;
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
                    self.line(line, number).map_err(|error| error.in_file(path))?;
                    if self.state.is_idle(chunk_number) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], number: u64) -> Result<()> {
        let counter = self.counter;
        if counter.replace && !crate::unicode::utf8::is_utf8(line) {
            let (line, replaced) = repaired(line);
            self.counted.replaced += replaced;
            let text = lines::text(line.as_bytes(), &counter.field, number)?;
            return self.document(&text, true);
        }
        let text = lines::text(line, &counter.field, number)?;
        self.document(&text, true)
    }

    /// Counts one document, or a later part of one.
    fn document(&mut self, text: &str, starts: bool) -> Result<()> {
        self.counted.documents += u64::from(starts);
        self.counted.bytes += text.len() as u64;
        let Some(special) = &self.counter.special_tokens else {
            return self.stretch(text, 0, starts);
        };
        let mut start = 0;
        for found in special.search.find_iter(text) {
            self.counted.found[found.pattern().as_usize()] += 1;
            self.stretch(&text[start..found.start()], start, starts)?;
            start = found.end();
        }
        self.stretch(&text[start..], start, starts)
    }

    /// Counts the words of text without special tokens that stands somewhere in a document, or in the later
    /// part of one if that does not start here.
    fn stretch(&mut self, text: &str, at: usize, starts: bool) -> Result<()> {
        let Self { counter, table, normalized, spaced, .. } = self;
        if counter.splitter.rewrites() {
            return self.rewritten(text, at);
        }
        let mut text = text;
        if let Some(normalizer) = &counter.normalizer {
            normalized.clear();
            normalizer.normalize_into(text, normalized)?;
            text = normalized;
        }
        let first = starts || at > 0;
        if counter.splitter.add_prefix_space && first && !text.is_empty() && !text.starts_with(' ')
        {
            spaced.clear();
            spaced.push(' ');
            spaced.push_str(text);
            text = spaced;
        }
        let bytes = text.as_bytes();
        counter.splitter.for_each(text, |start, end| table.add(bytes, start, end))
    }

    /// The same where words are not the text's own, but spelled otherwise: with `▁` for spaces, say.
    fn rewritten(&mut self, text: &str, at: usize) -> Result<()> {
        let Self { counter, table, aligned, pieces, .. } = self;
        let place = match &counter.normalizer {
            None => Place { start: at, sources: None },
            Some(normalizer) => {
                normalizer.normalize_aligned(text, aligned)?;
                Place { start: at, sources: Some(&aligned.origins) }
            }
        };
        let text = if place.sources.is_some() { &aligned.text } else { text };
        counter.splitter.split(text, place, false, pieces)?;
        let bytes = pieces.text.as_bytes();
        for span in &pieces.spans {
            table.add(bytes, span.start as usize, span.end as usize);
        }
        Ok(())
    }
}
