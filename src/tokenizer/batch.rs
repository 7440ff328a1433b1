//! Many rows at once: flat results, threads, padding.
//!
//! Rows are cut into chunks of about equal size, long rows into parts (`parts.rs`); threads take the
//! next chunk until none is left, and results are added in order. So the result, and the row that an
//! error names, are the same for any number of threads. Threads live for one call: starting one costs
//! some 20 microseconds, a chunk takes longer, and nothing has to survive a fork.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::parts::Part;
use super::scratch::Scratch;
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

/// Text per chunk: enough to outweigh what handing it out costs, little enough to share out evenly.
const CHUNK_BYTES: std::ops::RangeInclusive<usize> = (32 << 10)..=(128 << 10);
/// Text that is worth a thread.
const THREAD_BYTES: usize = 128 << 10;
/// A row from this length on is taken apart where that is possible.
const LONG_BYTES: usize = 256 << 10;
/// Text between two looks at whether the caller wants to stop.
const POLL_BYTES: usize = 256 << 10;
/// More threads than this are never started.
const MAX_THREADS: usize = 512;
/// So many finished chunks a thread keeps while another one adds its own to the result.
const MAX_KEPT: usize = 4;

/// What a thread takes at a time: some rows, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    first: usize,
    end: usize,
    part: Option<Part>,
    bytes: usize,
}

/// What became of a chunk.
#[derive(Debug, Default)]
struct Done {
    ids: Vec<TokenId>,
    /// The number of ids of each row.
    lengths: Vec<usize>,
    /// Whether the first of them goes on with the row before.
    goes_on: bool,
}

/// The result as far as it is known, and chunks that wait for one before them.
#[derive(Debug, Default)]
struct Sink {
    batch: BatchIds,
    /// The number of the next chunk.
    next: usize,
    waiting: BTreeMap<usize, Done>,
    spare: Vec<Done>,
}

impl Sink {
    /// Takes a chunk, and gives an empty one for it.
    fn take(&mut self, number: usize, done: Done) -> Done {
        if number != self.next {
            self.waiting.insert(number, done);
            return self.spare.pop().unwrap_or_default();
        }
        self.add(&done);
        while let Some(after) = self.waiting.remove(&self.next) {
            self.add(&after);
            self.spare.push(after);
        }
        done
    }

    fn add(&mut self, done: &Done) {
        self.next += 1;
        self.batch.ids.extend_from_slice(&done.ids);
        self.batch.add_rows(&done.lengths, done.goes_on);
    }
}

/// What went wrong first: the error of the first chunk that has one, whichever was found first.
type FirstError = Mutex<Option<(usize, Error)>>;

impl Tokenizer {
    /// Encodes rows on up to `threads` threads, the caller's among them; 0 for as many as the machine
    /// allows.
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
        // Work for one thread asks nobody how many there are.
        let threads = match total / THREAD_BYTES {
            0 | 1 => 1,
            worth if threads == 0 => crate::threads::available().min(worth),
            worth => threads.min(worth),
        };
        let threads = threads.min(MAX_THREADS);
        let bytes = (total / (threads * 8)).clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end());
        let chunks = self.cut(rows, options, bytes, threads == 1);
        let mut sink = Sink::default();
        // Memory that is not written to costs nothing, so this is room for nearly every text.
        sink.batch.ids.reserve(total / 4 + rows.len() * 4);
        sink.batch.row_offsets.reserve(rows.len() + 1);
        sink.batch.row_offsets.push(0);
        let threads = threads.min(chunks.len()).max(1);
        let mut batch = if threads == 1 {
            self.encode_chunks(rows, options, &chunks, sink.batch, poll)?
        } else {
            self.encode_parallel(rows, options, &chunks, threads, sink, poll)?
        };
        batch.longest = batch.lengths().max().unwrap_or(0);
        if let Some(padding) = &options.padding {
            batch.pad(padding)?;
        }
        Ok(batch)
    }

    /// Cuts work into chunks; `together` leaves rows that need not be taken apart in one.
    fn cut(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        size: usize,
        together: bool,
    ) -> Vec<Chunk> {
        let (mut chunks, mut first, mut bytes) = (Vec::new(), 0, 0);
        for (number, row) in rows.iter().enumerate() {
            let length = row.bytes();
            if length >= LONG_BYTES {
                let parts = self.plan.parts(row.input, row.pair, options, size);
                if !parts.is_empty() {
                    if first < number {
                        chunks.push(Chunk { first, end: number, part: None, bytes });
                    }
                    (first, bytes) = (number + 1, 0);
                    chunks.extend(parts.into_iter().map(|part| Chunk {
                        first: number,
                        end: number + 1,
                        part: Some(part),
                        bytes: part.end - part.early,
                    }));
                    continue;
                }
            }
            bytes += length;
            if bytes >= size && !together {
                chunks.push(Chunk { first, end: number + 1, part: None, bytes });
                (first, bytes) = (number + 1, 0);
            }
        }
        if first < rows.len() {
            chunks.push(Chunk { first, end: rows.len(), part: None, bytes });
        }
        chunks
    }

    /// Appends the ids of a chunk and the number of ids of each of its rows.
    fn encode_chunk(
        &self,
        rows: &[BatchRow<'_>],
        chunk: Chunk,
        options: &EncodeOptions,
        scratch: &mut Scratch,
        (ids, lengths): (&mut Vec<TokenId>, &mut Vec<usize>),
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut since = 0;
        for (number, row) in (chunk.first..chunk.end).zip(&rows[chunk.first..chunk.end]) {
            let before = ids.len();
            self.plan.begin_row(options, number, scratch);
            let result = match (chunk.part, row.input) {
                (Some(part), Input::Text(text)) => {
                    self.plan.part_ids(text, part, options, scratch, ids)
                }
                _ => self.plan.row_ids(row.input, row.pair, options, scratch, ids),
            };
            result.map_err(|error| error.in_row(number))?;
            lengths.push(ids.len() - before);
            since += row.bytes();
            if since > POLL_BYTES {
                since = 0;
                poll()?;
            }
        }
        Ok(())
    }

    /// Encodes on the caller's thread alone, into the result.
    fn encode_chunks(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        chunks: &[Chunk],
        mut batch: BatchIds,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<BatchIds> {
        self.plan.scratch.with(|scratch| {
            let mut lengths = Vec::new();
            for chunk in chunks {
                lengths.clear();
                let out = (&mut batch.ids, &mut lengths);
                self.encode_chunk(rows, *chunk, options, scratch, out, poll)?;
                batch.add_rows(&lengths, chunk.goes_on());
            }
            Ok(batch)
        })
    }

    /// Encodes on several threads. Each adds the chunks that it finished to the result as soon as those
    /// before are there, and waits for no other thread meanwhile: what it has encoded last is still in
    /// its cache, and nothing is left to be joined at the end.
    fn encode_parallel(
        &self,
        rows: &[BatchRow<'_>],
        options: &EncodeOptions,
        chunks: &[Chunk],
        threads: usize,
        sink: Sink,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<BatchIds> {
        let next = AtomicUsize::new(0);
        // After an error no chunk is begun any more, but those before it are finished: one of them
        // may hold the first error. When the caller wants to stop, all of them are given up.
        let (failed, cancelled) = (AtomicBool::new(false), AtomicBool::new(false));
        let (sink, error) = (Mutex::new(sink), FirstError::new(None));
        let work = |scratch: &mut Scratch, poll: &mut dyn FnMut() -> Result<()>| {
            let mut done = Done::default();
            let mut kept: Vec<(usize, Done)> = Vec::new();
            while !failed.load(Ordering::Relaxed) && poll().is_ok() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(&chunk) = chunks.get(number) else { break };
                done.ids.clear();
                done.lengths.clear();
                done.goes_on = chunk.goes_on();
                done.ids.reserve(chunk.bytes / 4);
                let out = (&mut done.ids, &mut done.lengths);
                if let Err(found) = self.encode_chunk(rows, chunk, options, scratch, out, poll) {
                    failed.store(true, Ordering::Relaxed);
                    let mut error = error.lock().unwrap_or_else(PoisonError::into_inner);
                    if error.as_ref().is_none_or(|&(first, _)| number < first) {
                        *error = Some((number, found));
                    }
                    break;
                }
                kept.push((number, std::mem::take(&mut done)));
                let free = if kept.len() < MAX_KEPT {
                    sink.try_lock().ok()
                } else {
                    Some(sink.lock().unwrap_or_else(PoisonError::into_inner))
                };
                if let Some(mut sink) = free {
                    for (number, chunk) in kept.drain(..) {
                        done = sink.take(number, chunk);
                    }
                }
            }
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            for (number, chunk) in kept {
                sink.take(number, chunk);
            }
        };
        let mut stopped = None;
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no more threads, those that there are do the work.
                let _started = std::thread::Builder::new().spawn_scoped(scope, || {
                    self.plan.scratch.with(|scratch| {
                        work(scratch, &mut || {
                            let cancelled = cancelled.load(Ordering::Relaxed);
                            if cancelled { Err(Error::Interrupted) } else { Ok(()) }
                        });
                    });
                });
            }
            self.plan.scratch.with(|scratch| {
                work(scratch, &mut || {
                    poll().map_err(|error| {
                        cancelled.store(true, Ordering::Relaxed);
                        stopped = Some(error);
                        Error::Interrupted
                    })
                });
            });
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(sink.into_inner().unwrap_or_else(PoisonError::into_inner).batch),
        }
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

impl Chunk {
    /// Whether it is a part of a row that another chunk has begun.
    fn goes_on(&self) -> bool {
        self.part.is_some_and(|part| part.start > 0)
    }
}

impl BatchIds {
    fn new(ids: Vec<TokenId>, lengths: &[usize]) -> Self {
        let mut batch = Self { ids, row_offsets: vec![0], ..Self::default() };
        batch.add_rows(lengths, false);
        batch.longest = lengths.iter().copied().max().unwrap_or(0);
        batch
    }

    /// Rows of these lengths follow; the first of them may go on with the last one that there is.
    fn add_rows(&mut self, lengths: &[usize], goes_on: bool) {
        let mut end = self.row_offsets.last().copied().unwrap_or(0);
        if goes_on {
            self.row_offsets.pop();
        }
        self.row_offsets.extend(lengths.iter().map(|&length| {
            end += i64::try_from(length).unwrap_or(i64::MAX);
            end
        }));
    }

    /// The number of ids of each row.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.row_offsets.windows(2).map(|ends| usize::try_from(ends[1] - ends[0]).unwrap_or(0))
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
