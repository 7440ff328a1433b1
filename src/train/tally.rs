//! Runs of all sources, and their sum.

// What one thread counted is in order, so the sum is a merge. In memory it is done by range: words that
// all runs have between two borders are summed by one thread, and the ranges put together. With a bound of
// memory runs are on disk, and one thread reads them all side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use super::counter::{Counted, Counter, Halt};
use super::resume::Before;
use super::run::{Cursor, Folder, Run, Take, merge};
use super::{Counts, Manifest, Pulse, TextInput, TextSource};
use crate::error::{Error, Result};

/// Below so many words a second thread costs more than it brings.
const SMALL: usize = if cfg!(test) { 16 } else { 1 << 16 };
/// Files that are read side by side: each has a buffer.
const MAX_FILES: usize = if cfg!(test) { 3 } else { 64 };
/// Words between two looks at whether to stop.
const STEP: usize = 1 << 12;

/// What was counted so far.
pub(crate) struct Tally<'a> {
    counter: &'a Counter,
    manifest: Manifest,
    runs: Vec<(usize, Run)>,
    /// Where runs go that have no room in memory.
    folder: Option<Arc<Folder>>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(counter: &'a Counter) -> Result<Self> {
        let folder = counter.memory().map(|memory| Folder::new(&memory.parent)).transpose()?;
        Ok(Self { counter, manifest: counter.manifest().clone(), runs: Vec::new(), folder })
    }

    pub(crate) fn folder(&self) -> Option<&Arc<Folder>> {
        self.folder.as_ref()
    }

    /// Begins another source.
    pub(crate) fn begin(&mut self, source: TextSource) {
        self.manifest.sources.push(source);
    }

    /// Notes what text of the source came from.
    pub(crate) fn note(&mut self, inputs: Vec<TextInput>) {
        if let Some(source) = self.manifest.sources.last_mut() {
            source.inputs.extend(inputs);
        }
    }

    /// Takes over what was counted of the source before.
    pub(crate) fn restore(&mut self, before: Before) {
        self.note(before.inputs);
        for counted in before.counted {
            self.take(counted);
        }
    }

    /// Adds text of the source.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk does not take it.
    pub(crate) fn add(&mut self, counted: Counted) -> Result<()> {
        self.take(counted);
        self.make_room()
    }

    fn take(&mut self, counted: Counted) {
        let Counted { runs, documents, bytes, replaced, found } = counted;
        let at = self.manifest.sources.len().saturating_sub(1);
        if let Some(source) = self.manifest.sources.last_mut() {
            source.documents += documents;
            source.bytes += bytes;
            source.replaced += replaced;
        }
        self.manifest.documents += documents;
        self.manifest.bytes += bytes;
        for (token, found) in self.counter.special_tokens().iter().zip(found) {
            *self.manifest.special_tokens.entry(token.clone()).or_default() += found;
        }
        self.runs.extend(runs.into_iter().map(|run| (at, run)));
    }

    /// Runs in memory go to disk when they take more than their share.
    fn make_room(&mut self) -> Result<()> {
        let (Some(memory), Some(folder)) = (self.counter.memory(), &self.folder) else {
            return Ok(());
        };
        let taken: usize = self.runs.iter().map(|(_, run)| run.bytes()).sum();
        if taken > memory.limit / 4 {
            for (_, run) in &mut self.runs {
                if run.bytes() > 0 {
                    *run = Run::spill(folder, vec![run.cursor()?])?;
                }
            }
        }
        Ok(())
    }

    /// All counts. `look` is asked every now and then whether to go on.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Format`] of files on disk; [`Error::Training`] when the words do not fit
    /// into the bound of memory, or a count not into 64 bits; and what `look` returns.
    pub(crate) fn finish<E: From<Error>>(
        mut self,
        look: &mut dyn FnMut() -> Result<(), Halt<E>>,
    ) -> Result<Counts, E> {
        let words: usize = self
            .runs
            .iter()
            .filter_map(|(_, run)| run.in_memory())
            .map(super::count::Sorted::len)
            .sum();
        let in_memory = self.runs.iter().all(|(_, run)| run.in_memory().is_some());
        if in_memory && self.folder.is_none() && words >= SMALL && self.counter.threads() > 1 {
            return self.by_ranges(look);
        }
        if let Some(folder) = self.folder.clone() {
            self.reduce(&folder, look)?;
        }
        let most = self.counter.memory().map(|memory| memory.limit / 4 * 3);
        let cursors: Result<Vec<_>> =
            self.runs.iter().map(|(source, run)| Ok((*source, run.cursor()?))).collect();
        let mut counts = Counts::new(self.manifest.clone());
        sum(cursors?, self.manifest.sources.len(), look, &mut |word, row| {
            counts.push(word, row)?;
            match most {
                Some(most) if counts.len().is_multiple_of(STEP) && counts.memory() > most => {
                    Err(too_many(&counts, most / 3 * 4))
                }
                _ => Ok(()),
            }
        })?;
        Ok(counts)
    }

    /// Merges files until few enough are left to read side by side.
    fn reduce<E: From<Error>>(
        &mut self,
        folder: &Arc<Folder>,
        look: &mut dyn FnMut() -> Result<(), Halt<E>>,
    ) -> Result<(), E> {
        while self.runs.len() > MAX_FILES {
            // Runs of one source are neighbours; a source with one run has nothing to merge.
            let before = self.runs.len();
            let mut runs = std::mem::take(&mut self.runs).into_iter().peekable();
            while let Some((source, first)) = runs.next() {
                let mut group = vec![first];
                while group.len() < MAX_FILES
                    && let Some((_, run)) = runs.next_if(|(other, _)| *other == source)
                {
                    group.push(run);
                }
                if group.len() == 1 {
                    self.runs.extend(group.into_iter().map(|run| (source, run)));
                    continue;
                }
                look().map_err(Halt::into_inner)?;
                let cursors = group.iter().map(Run::cursor).collect::<Result<_>>()?;
                self.runs.push((source, Run::spill(folder, cursors)?));
            }
            if self.runs.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// The sum of runs in memory, by several threads.
    fn by_ranges<E: From<Error>>(
        self,
        look: &mut dyn FnMut() -> Result<(), Halt<E>>,
    ) -> Result<Counts, E> {
        let Self { counter, manifest, runs, .. } = self;
        let slices =
            runs.iter().filter_map(|(source, run)| Some((*source, run.in_memory()?.all())));
        let mut slices: Vec<_> = slices.collect();
        let longest = slices.iter().max_by_key(|(_, slice)| slice.len());
        let borders =
            longest.map(|(_, slice)| slice.borders(counter.threads())).unwrap_or_default();
        let mut ranges = Vec::new();
        for border in &borders {
            let mut range = Vec::new();
            for (source, slice) in &mut slices {
                let (before, after) = slice.split(border);
                range.push((*source, before));
                *slice = after;
            }
            ranges.push(range);
        }
        ranges.push(slices);
        let (sources, stop) = (manifest.sources.len(), AtomicBool::new(false));
        let (finished, all_finished) = channel::<()>();
        let range = |range: &[(usize, super::count::Slice<'_>)]| {
            let mut counts = Counts::new(manifest.clone());
            let cursors = range.iter().map(|&(source, slice)| (source, Cursor::memory(slice)));
            let mut go = || {
                if stop.load(Ordering::Relaxed) {
                    Err(Halt::Caller(Error::Interrupted))
                } else {
                    Ok(())
                }
            };
            sum(cursors.collect(), sources, &mut go, &mut |word, row| counts.push(word, row))?;
            Ok::<_, Error>(counts)
        };
        let (sums, fed) = thread::scope(|scope| {
            let work: Vec<_> = ranges
                .iter()
                .map(|slices| {
                    let (finished, range) = (finished.clone(), &range);
                    let work = move || {
                        let counts = range(slices);
                        // Nobody listens when there is nothing to wait for any more.
                        let _ = finished.send(());
                        counts
                    };
                    thread::Builder::new().spawn_scoped(scope, work).ok()
                })
                .collect();
            drop(finished);
            let mut fed = Ok(());
            while fed.is_ok() {
                match all_finished.recv_timeout(Pulse::INTERVAL) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => fed = look(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            stop.store(fed.is_err(), Ordering::Relaxed);
            let sums: Vec<Result<Counts>> = work
                .into_iter()
                .zip(&ranges)
                .map(|(worker, slices)| match worker {
                    Some(worker) => {
                        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    }
                    // The system gave no thread.
                    None => range(slices),
                })
                .collect();
            (sums, fed)
        });
        fed.map_err(Halt::into_inner)?;
        drop(ranges);
        drop(runs);
        let sums = sums.into_iter().collect::<Result<Vec<_>>>()?;
        let mut all = Counts::new(manifest);
        let words = sums.iter().map(Counts::len).sum();
        all.reserve(words, sums.iter().map(|counts| counts.parts().0.len()).sum());
        for counts in sums {
            all.append(&counts);
        }
        Ok(all)
    }
}

/// Sums up cursors, and looks every now and then whether to go on.
fn sum<E: From<Error>>(
    cursors: Vec<(usize, Cursor<'_>)>,
    sources: usize,
    look: &mut dyn FnMut() -> Result<(), Halt<E>>,
    word: &mut Take<'_>,
) -> Result<(), E> {
    let (mut steps, mut halted) = (0_usize, None);
    let done = merge(cursors, sources.max(1), &mut |bytes, row| {
        steps += 1;
        if steps.is_multiple_of(STEP)
            && let Err(halt) = look()
        {
            halted = Some(halt.into_inner());
            return Err(Error::Interrupted);
        }
        word(bytes, row)
    });
    match halted {
        Some(error) => Err(error),
        None => Ok(done?),
    }
}

#[cold]
fn too_many(counts: &Counts, limit: usize) -> Error {
    Error::training(format!(
        "memory_limit is {limit} bytes, and the words alone take more than {} bytes: the first {} of them, \
         in the order of their bytes, with their counts",
        counts.memory(),
        counts.len()
    ))
}
