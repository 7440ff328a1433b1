//! Many rows of ids back to text: flat results, threads.
//!
//! As for encoding, rows are cut into chunks, threads take the next chunk until none is left, and the
//! results are joined in order: text and errors are the same for any number of threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Tokenizer;
use super::decoding::{Decoding, UnknownIds};
use crate::decode::Form;
use crate::error::Result;
use crate::ids::TokenId;

/// The texts of many rows, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchTexts {
    text: Vec<u8>,
    row_offsets: Vec<i64>,
}

impl Default for BatchTexts {
    fn default() -> Self {
        Self { text: Vec::new(), row_offsets: vec![0] }
    }
}

impl BatchTexts {
    /// The UTF-8 of all rows.
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// Row `n` is `bytes()[row_offsets()[n]..row_offsets()[n + 1]]`.
    pub fn row_offsets(&self) -> &[i64] {
        &self.row_offsets
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.row_offsets.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of row `index`; none past the end.
    pub fn get(&self, index: usize) -> Option<&str> {
        std::str::from_utf8(self.row(index)?).ok()
    }

    /// The bytes of a row: UTF-8, unless it was decoded as [`Check::Later`] says.
    pub(crate) fn row(&self, index: usize) -> Option<&[u8]> {
        let at = |index: usize| usize::try_from(*self.row_offsets.get(index)?).ok();
        self.text.get(at(index)?..at(index.checked_add(1)?)?)
    }

    /// Forgets all rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.row_offsets.truncate(1);
    }

    fn end_row(&mut self) {
        self.row_offsets.push(i64::try_from(self.text.len()).unwrap_or(i64::MAX));
    }

    fn append(&mut self, other: &Self) {
        let start = self.row_offsets.last().copied().unwrap_or(0);
        self.text.extend_from_slice(&other.text);
        self.row_offsets.extend(other.row_offsets.iter().skip(1).map(|end| start + end));
    }
}

/// When bytes that are no UTF-8 become U+FFFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// With the row.
    Now,
    /// When the caller looks at it: whoever makes strings of it checks them anyway.
    Later,
}

/// How rows are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeRules {
    pub(crate) skip_special: bool,
    pub(crate) unknown: UnknownIds,
    pub(crate) check: Check,
}

/// Ids per chunk: some 100 microseconds of work, against 20 to start a thread.
pub(crate) const CHUNK_IDS: usize = 48 << 10;
/// More threads than this are never started.
const MAX_THREADS: usize = 512;

impl Tokenizer {
    /// The texts of rows, as [`Tokenizer::decode`] gives them, on up to `threads` threads, the caller's
    /// among them.
    ///
    /// # Errors
    /// That of the first row that has one, with the row's number.
    pub fn decode_batch<R: AsRef<[TokenId]> + Sync>(
        &self,
        rows: &[R],
        skip_special: bool,
        unknown: UnknownIds,
        threads: usize,
    ) -> Result<BatchTexts> {
        let mut texts = BatchTexts::default();
        let rules = DecodeRules { skip_special, unknown, check: Check::Now };
        self.decode_rows(rows, 0, rules, threads, &mut texts)?;
        Ok(texts)
    }

    /// Appends the texts of rows; `first` is the number of the first of them.
    ///
    /// # Errors
    /// As [`Tokenizer::decode_batch`]; then it is unknown what was appended.
    pub(crate) fn decode_rows<R: AsRef<[TokenId]> + Sync>(
        &self,
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        threads: usize,
        texts: &mut BatchTexts,
    ) -> Result<()> {
        let total: usize = rows.iter().map(|row| row.as_ref().len()).sum();
        let threads = threads.min(total / CHUNK_IDS).min(rows.len()).min(MAX_THREADS);
        if threads <= 1 {
            return self.decode_chunk(rows, first, rules, texts);
        }
        for chunk in self.decode_chunks(&cut(rows), rows, first, rules, threads) {
            texts.append(&chunk?);
        }
        Ok(())
    }

    fn decode_chunk<R: AsRef<[TokenId]>>(
        &self,
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        texts: &mut BatchTexts,
    ) -> Result<()> {
        let mut decoding = Decoding::new(self, rules.skip_special, rules.unknown, Form::Text);
        texts.row_offsets.reserve(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let start = texts.text.len();
            let appended = decoding.append(row.as_ref(), &mut texts.text);
            appended.map_err(|error| error.in_row(first + number))?;
            if rules.check == Check::Now {
                let row = texts.text.get(start..).unwrap_or_default();
                if std::str::from_utf8(row).is_err() {
                    let replaced = String::from_utf8_lossy(row).into_owned();
                    texts.text.truncate(start);
                    texts.text.extend_from_slice(replaced.as_bytes());
                }
            }
            texts.end_row();
        }
        Ok(())
    }

    /// The results of chunks, up to the first error at least.
    fn decode_chunks<R: AsRef<[TokenId]> + Sync>(
        &self,
        chunks: &[std::ops::Range<usize>],
        rows: &[R],
        first: usize,
        rules: DecodeRules,
        threads: usize,
    ) -> Vec<Result<BatchTexts>> {
        let next = AtomicUsize::new(0);
        // After an error no chunk is begun any more, but those before it are finished: one of them
        // may hold the first error.
        let failed = AtomicBool::new(false);
        let results: Mutex<Vec<Option<Result<BatchTexts>>>> =
            Mutex::new(chunks.iter().map(|_| None).collect());
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = chunks.get(number) else { return };
                let mut texts = BatchTexts::default();
                let rows = rows.get(range.clone()).unwrap_or_default();
                let done = self.decode_chunk(rows, first + range.start, rules, &mut texts);
                if done.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(result) = results.get_mut(number) {
                    *result = Some(done.map(|()| texts));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no more threads, those that there are do the work.
                let _started = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        // They are begun in order, so before the first error all are there.
        results.into_iter().flatten().collect()
    }
}

fn cut<R: AsRef<[TokenId]>>(rows: &[R]) -> Vec<std::ops::Range<usize>> {
    let (mut chunks, mut start, mut ids) = (Vec::new(), 0, 0);
    for (number, row) in rows.iter().enumerate() {
        ids += row.as_ref().len();
        if ids >= CHUNK_IDS {
            chunks.push(start..number + 1);
            (start, ids) = (number + 1, 0);
        }
    }
    if start < rows.len() {
        chunks.push(start..rows.len());
    }
    chunks
}
