//! Many rows at once: flat results, threads, padding.
//!
//! Rows are cut into chunks of about equal size; threads take the next chunk until none is left, and
//! the results are joined in order. So the result, and the row that an error names, are the same for
//! any number of threads. Threads live for one call: starting one costs some 20 microseconds, a
//! chunk takes longer, and nothing has to survive a fork.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{EncodeOptions, Input, Tokenizer};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::postprocess::fit::{self, Direction, PaddingParams};

/// One row of a batch: a text, and a second one where rows are pairs.
#[derive(Clone, Copy, Debug)]
pub struct BatchRow<'a> {
    /// The text.
    pub input: Input<'a>,
    /// The second text.
    pub pair: Option<Input<'a>>,
}

impl BatchRow<'_> {
    fn bytes(&self) -> usize {
        self.input.bytes() + self.pair.map_or(0, |pair| pair.bytes())
    }
}

/// The ids of many rows, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchIds {
    /// The ids of all rows.
    pub ids: Vec<TokenId>,
    /// Row `n` is `ids[row_offsets[n]..row_offsets[n + 1]]`.
    pub row_offsets: Vec<i64>,
    /// The number of tokens of the longest row before padding.
    pub longest: usize,
    /// The number of tokens of each row before padding; empty where nothing was padded.
    pub unpadded: Vec<usize>,
}

/// Text per chunk: enough to outweigh a thread's start, little enough to share out evenly.
const CHUNK_BYTES: usize = 128 << 10;
/// Text between two looks at whether the caller wants to stop.
const POLL_BYTES: usize = 256 << 10;
/// More threads than this are never started.
const MAX_THREADS: usize = 512;

/// What a chunk gave: ids, and the length of each row.
type Chunk = Result<(Vec<TokenId>, Vec<usize>)>;

impl Tokenizer {
    /// Encodes rows on up to `threads` threads, the caller's among them.
    ///
    /// `poll` is called on the caller's thread between rows, every quarter megabyte or so; its error
    /// ends the call.
    ///
    /// # Errors
    /// The error of the first row that has one, with the row's number; `poll`'s.
    pub fn encode_batch(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        threads: usize,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<BatchIds> {
        self.check(options)?;
        let total: usize = rows.iter().map(BatchRow::bytes).sum();
        let threads = threads.min(total / CHUNK_BYTES).min(rows.len()).clamp(1, MAX_THREADS);
        let mut batch = if threads == 1 {
            let (ids, lengths) = self.encode_rows(rows, 0, options, total, poll)?;
            BatchIds::new(ids, &lengths)
        } else {
            self.encode_chunks(rows, options, threads, poll)?
        };
        if let Some(padding) = &options.padding {
            batch.pad(padding)?;
        }
        Ok(batch)
    }

    fn encode_rows(
        &self,
        rows: &[BatchRow<'_>],
        first: usize,
        options: &EncodeOptions,
        bytes: usize,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Chunk {
        self.plan.scratch.with(|scratch| {
            let mut ids = Vec::with_capacity(bytes / 4 + rows.len() * 4);
            let mut lengths = Vec::with_capacity(rows.len());
            let mut since = 0;
            for (number, row) in rows.iter().enumerate() {
                let before = ids.len();
                self.plan.begin_row(options, first + number, scratch);
                self.plan
                    .row_ids(row.input, row.pair, options, scratch, &mut ids)
                    .map_err(|error| error.in_row(first + number))?;
                lengths.push(ids.len() - before);
                since += row.bytes();
                if since > POLL_BYTES {
                    since = 0;
                    poll()?;
                }
            }
            Ok((ids, lengths))
        })
    }

    fn encode_chunks(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        threads: usize,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<BatchIds> {
        let chunks = cut(rows);
        let next = AtomicUsize::new(0);
        // After an error no chunk is begun any more, but those before it are finished: one of them
        // may hold the first error. When the caller wants to stop, all of them are given up.
        let (failed, cancelled) = (AtomicBool::new(false), AtomicBool::new(false));
        let results: Mutex<Vec<Option<Chunk>>> = Mutex::new(chunks.iter().map(|_| None).collect());
        let work = |poll: &mut dyn FnMut() -> Result<()>| {
            while !failed.load(Ordering::Relaxed) && poll().is_ok() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(&(start, end, bytes)) = chunks.get(number) else { return };
                let chunk = self.encode_rows(&rows[start..end], start, options, bytes, poll);
                if chunk.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                results.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(chunk);
            }
        };
        let mut stopped = None;
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no more threads, those that there are do the work.
                let _started = std::thread::Builder::new().spawn_scoped(scope, || {
                    work(&mut || {
                        let cancelled = cancelled.load(Ordering::Relaxed);
                        if cancelled { Err(Error::Interrupted) } else { Ok(()) }
                    });
                });
            }
            work(&mut || {
                poll().map_err(|error| {
                    cancelled.store(true, Ordering::Relaxed);
                    stopped = Some(error);
                    Error::Interrupted
                })
            });
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        join(results.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of tokens of each row, special tokens included.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_batch`].
    pub fn count_batch(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        threads: usize,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<i64>> {
        let batch = self.encode_batch(rows, options, threads, poll)?;
        Ok(batch.row_offsets.windows(2).map(|ends| ends[1] - ends[0]).collect())
    }
}

/// Chunks as (first row, end, bytes).
fn cut(rows: &[BatchRow<'_>]) -> Vec<(usize, usize, usize)> {
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (number, row) in rows.iter().enumerate() {
        bytes += row.bytes();
        if bytes >= CHUNK_BYTES {
            chunks.push((start, number + 1, bytes));
            (start, bytes) = (number + 1, 0);
        }
    }
    if start < rows.len() {
        chunks.push((start, rows.len(), bytes));
    }
    chunks
}

/// Joins chunks in order. They are begun in order too, so before the first error all are there.
fn join(chunks: Vec<Option<Chunk>>) -> Result<BatchIds> {
    let parts = chunks.into_iter().flatten().collect::<Result<Vec<_>>>()?;
    let mut ids = Vec::with_capacity(parts.iter().map(|(ids, _)| ids.len()).sum());
    let mut lengths = Vec::new();
    for (part, mut rows) in parts {
        ids.extend_from_slice(&part);
        lengths.append(&mut rows);
    }
    Ok(BatchIds::new(ids, &lengths))
}

impl BatchIds {
    fn new(ids: Vec<TokenId>, lengths: &[usize]) -> Self {
        let mut row_offsets = Vec::with_capacity(lengths.len() + 1);
        let mut end = 0i64;
        row_offsets.push(0);
        for &length in lengths {
            end += i64::try_from(length).unwrap_or(i64::MAX);
            row_offsets.push(end);
        }
        Self {
            ids,
            row_offsets,
            longest: lengths.iter().copied().max().unwrap_or(0),
            unpadded: Vec::new(),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.row_offsets.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of row `index`; none past the end.
    pub fn row(&self, index: usize) -> Option<&[TokenId]> {
        let at = |index: usize| usize::try_from(*self.row_offsets.get(index)?).ok();
        self.ids.get(at(index)?..at(index + 1)?)
    }

    fn pad(&mut self, padding: &PaddingParams) -> Result<()> {
        let length = fit::padded_length(self.longest, padding)?;
        let total = self.len().checked_mul(length).filter(|&total| total <= MAX_PADDED_TOKENS);
        if total.is_none() {
            let given = format!("{} rows of {length} tokens", self.len());
            let wanted = format!("at most {MAX_PADDED_TOKENS} tokens together");
            return Err(Error::argument("padding", given, wanted));
        }
        let mut padded = Vec::with_capacity(total.unwrap_or(0));
        let (mut lengths, mut unpadded) = (Vec::new(), Vec::new());
        for index in 0..self.len() {
            let row = self.row(index).unwrap_or_default();
            let missing = length.saturating_sub(row.len());
            if padding.direction == Direction::Left {
                padded.resize(padded.len() + missing, padding.pad_id);
            }
            padded.extend_from_slice(row);
            if padding.direction == Direction::Right {
                padded.resize(padded.len() + missing, padding.pad_id);
            }
            lengths.push(row.len() + missing);
            unpadded.push(row.len());
        }
        *self = Self { longest: self.longest, unpadded, ..Self::new(padded, &lengths) };
        Ok(())
    }
}

/// The largest padded batch, in tokens: beyond it a row or two too long fill the memory.
const MAX_PADDED_TOKENS: usize = 1 << 31;
