//! Sources of text, one input after the other: what is read next, how much of it, and what is known of it
//! then.

// Inputs are read on one thread, the caller's, and counted on others meanwhile. What is read does not
// depend on how fast it is counted, so caps and errors are the same for any number of threads.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::corpus::{Chunk, Cuts, Plain as PlainBytes, TextFile};
use super::counter::{Counter, Halt};
use super::resume::{Resume, Stamp};
use super::tally::Tally;
use super::{Counts, TextInput, TextSource};
use crate::error::{Error, Result};

/// What hands out chunks.
pub(crate) trait Feeder<E> {
    /// The next chunk; none after the last.
    fn next(&mut self) -> Result<Option<Chunk>, Halt<E>>;

    /// Called every now and then while no chunk is wanted: somebody may want to stop.
    fn look(&mut self) -> Result<(), Halt<E>>;
}

/// A function that hands out chunks.
pub(crate) struct Plain<F>(pub(crate) F);

impl<E, F: FnMut() -> Result<Option<Chunk>, Halt<E>>> Feeder<E> for Plain<F> {
    fn next(&mut self) -> Result<Option<Chunk>, Halt<E>> {
        (self.0)()
    }

    fn look(&mut self) -> Result<(), Halt<E>> {
        Ok(())
    }
}

/// A file or something else with text, as it is read.
pub(crate) trait Input<E> {
    /// The next chunk; none after the last.
    fn next(&mut self, cuts: &Cuts) -> Result<Option<Chunk>, Halt<E>>;

    /// Bytes of the input that were read so far.
    fn place(&self) -> u64;

    /// The digest of the file, when it is one; asked for after the last chunk.
    fn digest(&mut self) -> Result<Option<String>>;

    /// Invalid sequences that became U+FFFD.
    fn replaced(&self) -> u64;
}

impl<E: From<Error>> Input<E> for TextFile {
    fn next(&mut self, cuts: &Cuts) -> Result<Option<Chunk>, Halt<E>> {
        TextFile::next(self, cuts).map_err(|error| Halt::Source(error.into()))
    }

    fn place(&self) -> u64 {
        self.bytes().place()
    }

    fn digest(&mut self) -> Result<Option<String>> {
        Ok(self.bytes().digest())
    }

    fn replaced(&self) -> u64 {
        TextFile::replaced(self)
    }
}

type Open<'a, E> = Box<dyn FnOnce() -> Result<Box<dyn Input<E> + 'a>, Halt<E>> + Send + 'a>;

/// An input that is not opened yet.
pub(crate) struct Part<'a, E> {
    /// The path, or what it is.
    pub(crate) name: String,
    /// The file, if it is one.
    pub(crate) path: Option<PathBuf>,
    pub(crate) open: Open<'a, E>,
}

impl<E: From<Error>> Part<'_, E> {
    /// A file that is read as it is.
    pub(crate) fn plain(path: &Path, counter: &Counter) -> Self {
        let (file, replace) = (path.to_owned(), counter.replaces());
        let longest = counter.memory().map_or(usize::MAX, |memory| memory.limit / 4);
        let open = move || {
            let bytes = PlainBytes::open(&file).map_err(|error| Halt::Source(error.into()))?;
            let text = TextFile::new(&file, Box::new(bytes), replace).at_most(longest);
            Ok::<Box<dyn Input<E>>, _>(Box::new(text))
        };
        let name = path.to_string_lossy().into_owned();
        Self { name, path: Some(path.to_owned()), open: Box::new(open) }
    }
}

/// Inputs that are counted together, apart from others.
pub(crate) struct Source<'a, E> {
    /// Its name, weight and cap; what was counted is noted there.
    pub(crate) about: TextSource,
    pub(crate) parts: Vec<Part<'a, E>>,
}

impl<E> Source<'_, E> {
    pub(crate) fn new(about: TextSource) -> Self {
        Self { about, parts: Vec::new() }
    }
}

/// Told about progress: bytes done, bytes in all (0 when that is not known), and whether it is the end.
pub(crate) type Look<'l, E> = dyn FnMut(u64, u64, bool) -> Result<(), Halt<E>> + 'l;

/// Counts sources. With a folder to resume from, what was counted there before is not counted again.
///
/// # Errors
/// Those of [`Counter::count_files`], and what inputs and `look` return.
pub(crate) fn count<E: From<Error>>(
    counter: &Counter,
    sources: Vec<Source<'_, E>>,
    resume: Option<&Path>,
    look: &mut Look<'_, E>,
) -> Result<Counts, E> {
    // All files are looked at before the first is read: a wrong path is told at once.
    let (mut total, mut known) = (0_u64, true);
    for part in sources.iter().flat_map(|source| &source.parts) {
        match &part.path {
            Some(path) => total = total.saturating_add(Stamp::of(path)?.bytes),
            None => known = false,
        }
    }
    let mut progress = Progress { look, done: 0, total: if known { total } else { 0 } };
    let mut tally = Tally::new(counter)?;
    let mut resume = match resume {
        Some(folder) => Some(Resume::open(folder, counter, &sources)?),
        None => None,
    };
    for Source { about, mut parts } in sources {
        let mut left = about.max_bytes.unwrap_or(u64::MAX);
        let (name, cuts) = (about.name.clone(), counter.cuts(about.max_bytes.is_some()));
        tally.begin(about);
        if let Some(resume) = &mut resume {
            let before = resume.take(&name, &mut parts)?;
            left = if before.ended { 0 } else { left.saturating_sub(before.taken) };
            progress.done += before.file_bytes;
            tally.restore(before);
        }
        let mut parts = VecDeque::from(parts);
        while left > 0 && !parts.is_empty() {
            let mut unit = Unit {
                cuts: &cuts,
                progress: &mut progress,
                parts: &mut parts,
                open: None,
                left,
                taken: 0,
                file_bytes: 0,
                ended: false,
                inputs: Vec::new(),
                replaced: 0,
                most: if resume.is_some() { UNIT } else { u64::MAX },
            };
            let mut counted = counter.gather(&mut unit, tally.folder())?;
            counted.replaced += unit.replaced;
            let (taken, ended, file_bytes) = (unit.taken, unit.ended, unit.file_bytes);
            let inputs = std::mem::take(&mut unit.inputs);
            let (inputs, stamps): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
            left = if ended { 0 } else { left - taken };
            if let Some(resume) = &mut resume {
                resume.save(&name, &mut counted, &inputs, stamps, (taken, ended, file_bytes))?;
            }
            tally.note(inputs);
            tally.add(counted)?;
        }
    }
    progress.look(0, true).map_err(Halt::into_inner)?;
    tally.finish(&mut || progress.look(0, false))
}

struct Progress<'p, 'l, E> {
    look: &'p mut Look<'l, E>,
    /// Bytes before the input at hand.
    done: u64,
    total: u64,
}

impl<E> Progress<'_, '_, E> {
    fn look(&mut self, more: u64, last: bool) -> Result<(), Halt<E>> {
        (self.look)(self.done.saturating_add(more), self.total, last)
    }
}

/// Bytes of files after which what was counted is written down, when it is to be resumed.
const UNIT: u64 = if cfg!(test) { 100 } else { 256 << 20 };

/// The inputs that are counted before something is written down; all of them when nothing is.
struct Unit<'u, 'p, 'l, 'a, E> {
    cuts: &'u Cuts,
    progress: &'u mut Progress<'p, 'l, E>,
    parts: &'u mut VecDeque<Part<'a, E>>,
    open: Option<Opened<'a, E>>,
    /// Bytes that may still be taken from the source, and those that this unit took.
    left: u64,
    taken: u64,
    /// Bytes of the inputs that were read to their end.
    file_bytes: u64,
    /// Whether the cap was reached.
    ended: bool,
    inputs: Vec<(TextInput, Option<Stamp>)>,
    replaced: u64,
    most: u64,
}

struct Opened<'a, E> {
    name: String,
    stamp: Option<Stamp>,
    input: Box<dyn Input<E> + 'a>,
    /// Bytes that were taken.
    taken: u64,
}

impl<E: From<Error>> Unit<'_, '_, '_, '_, E> {
    /// Notes what is known of the input at hand.
    fn close(&mut self, whole: bool) -> Result<()> {
        let Some(Opened { name, stamp, mut input, taken }) = self.open.take() else {
            return Ok(());
        };
        let bytes = stamp.as_ref().map_or(taken, |stamp| stamp.bytes);
        let digest = if whole { input.digest()? } else { None };
        self.replaced += input.replaced();
        self.file_bytes += bytes;
        self.progress.done = self.progress.done.saturating_add(bytes);
        self.inputs.push((TextInput { name, bytes, digest }, stamp));
        Ok(())
    }
}

impl<E: From<Error>> Feeder<E> for Unit<'_, '_, '_, '_, E> {
    fn next(&mut self) -> Result<Option<Chunk>, Halt<E>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let Some(open) = &mut self.open else {
                if self.file_bytes >= self.most {
                    return Ok(None);
                }
                let Some(part) = self.parts.pop_front() else { return Ok(None) };
                let stamp = part.path.as_deref().map(Stamp::of).transpose();
                let stamp = stamp.map_err(|error| Halt::Source(error.into()))?;
                let input = (part.open)()?;
                self.open = Some(Opened { name: part.name, stamp, input, taken: 0 });
                continue;
            };
            let chunk = open.input.next(self.cuts)?;
            let place = open.input.place();
            self.progress.look(place, false)?;
            let Some(chunk) = chunk else {
                self.close(true).map_err(|error| Halt::Source(error.into()))?;
                continue;
            };
            let (chunk, more) = chunk.up_to(self.left - self.taken);
            open.taken += chunk.len() as u64;
            self.taken += chunk.len() as u64;
            if more {
                self.ended = true;
                self.close(false).map_err(|error| Halt::Source(error.into()))?;
            }
            if chunk.len() > 0 || !more {
                return Ok(Some(chunk));
            }
        }
    }

    fn look(&mut self) -> Result<(), Halt<E>> {
        self.progress.look(0, false)
    }
}
