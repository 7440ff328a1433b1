//! Runs of words in order: in memory, or on disk when a bound of memory says so.
//!
//! A table that is full writes its words, ordered by bytes, to a file and starts anew; runs are merged
//! as they are read, so that the sum takes no more memory than its result. Nothing is rounded, sampled
//! or left out.

// On disk: a magic number, the words (length, bytes and count, numbers in 7 bits a byte), a zero, and the
// XXH64 digest of all before. Files of a resumed count are kept for days, so damage is noticed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::count::{Slice, Sorted, head};
use super::digest::Xxh64;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"subtokR1";
/// Bytes that are read and written at a time.
const BLOCK: usize = if cfg!(test) { 64 } else { 1 << 16 };

/// A folder for what does not fit into memory; it goes with its last user.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    next: AtomicU64,
}

impl Folder {
    /// A new folder in `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Arc<Self>> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("subtok-{}-{number}", std::process::id()));
            match private().create(&path) {
                Ok(()) => return Ok(Arc::new(Self { path, next: AtomicU64::new(0) })),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("make the folder", &path, error)),
            }
        }
    }

    fn file(&self) -> PathBuf {
        self.path.join(format!("{}.run", self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Makes folders that nobody else looks into: all words of a text go there.
fn private() -> std::fs::DirBuilder {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell when this fails.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Where a table writes what it has no room for.
pub(crate) struct Spill {
    /// Bytes that the table may take.
    room: usize,
    folder: Arc<Folder>,
    runs: Vec<Run>,
    failed: Option<Error>,
}

impl Spill {
    pub(crate) fn new(room: usize, folder: Arc<Folder>) -> Self {
        Self { room, folder, runs: Vec::new(), failed: None }
    }

    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Writes words. A failure waits until [`Spill::check`] asks: tables are filled from within loops
    /// that know no errors.
    pub(crate) fn write(&mut self, words: &Sorted) {
        if self.failed.is_some() || words.len() == 0 {
            return;
        }
        match Run::spill(&self.folder, vec![Cursor::memory(words.all())]) {
            Ok(run) => self.runs.push(run),
            Err(error) => self.failed = Some(error),
        }
    }

    /// # Errors
    /// The first failure to write.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(crate) fn runs(self) -> Vec<Run> {
        self.runs
    }
}

/// Words in order.
pub(crate) enum Run {
    /// In memory.
    Memory(Sorted),
    /// In a file that goes with its folder.
    Temporary(PathBuf, #[expect(dead_code, reason = "it keeps the folder")] Arc<Folder>),
    /// In a file that stays.
    Kept(PathBuf),
}

impl Run {
    /// Writes the sum of words to a new file of `folder`.
    pub(crate) fn spill(folder: &Arc<Folder>, words: Vec<Cursor<'_>>) -> Result<Self> {
        let path = folder.file();
        let failed = |error| Error::io("write", &path, error);
        let mut out = Writer::new(File::create_new(&path).map_err(failed)?).map_err(failed)?;
        each(words, &path, &mut |word, count| out.word(word, count))?;
        out.finish().map_err(failed)?;
        Ok(Self::Temporary(path, Arc::clone(folder)))
    }

    pub(crate) fn cursor(&self) -> Result<Cursor<'_>> {
        match self {
            Self::Memory(words) => Ok(Cursor::memory(words.all())),
            Self::Temporary(path, _) | Self::Kept(path) => Cursor::file(path),
        }
    }

    /// The words, when they are in memory.
    pub(crate) fn in_memory(&self) -> Option<&Sorted> {
        if let Self::Memory(words) = self { Some(words) } else { None }
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.in_memory().map_or(0, Sorted::bytes)
    }
}

/// Writes the sum of runs to `out`, for a file that stays.
pub(crate) fn write(runs: &[Run], path: &Path, out: &mut dyn Write) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let cursors = runs.iter().map(Run::cursor).collect::<Result<_>>()?;
    let mut out = Writer::new(out).map_err(failed)?;
    each(cursors, path, &mut |word, count| out.word(word, count))?;
    out.finish().map(drop).map_err(failed)
}

/// Calls `write` with each word of all cursors and its sum.
fn each(
    cursors: Vec<Cursor<'_>>,
    path: &Path,
    write: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
) -> Result<()> {
    let cursors = cursors.into_iter().map(|cursor| (0, cursor)).collect();
    merge(cursors, 1, &mut |word, counts| {
        write(word, counts.first().copied().unwrap_or(0))
            .map_err(|error| Error::io("write", path, error))
    })
}

struct Writer<W: Write> {
    out: BufWriter<W>,
    digest: Xxh64,
    record: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BLOCK, out);
        out.write_all(MAGIC)?;
        Ok(Self { out, digest: Xxh64::new(), record: Vec::new() })
    }

    fn word(&mut self, word: &[u8], count: u64) -> io::Result<()> {
        put(&mut self.record, word.len() as u64);
        self.record.extend_from_slice(word);
        put(&mut self.record, count);
        if self.record.len() >= BLOCK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.digest.update(&self.record);
        self.out.write_all(&self.record)?;
        self.record.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        put(&mut self.record, 0);
        self.write()?;
        self.out.write_all(&self.digest.finish().to_le_bytes())?;
        self.out.flush()
    }
}

/// Seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7F) as u8);
}

/// A run as it is read: the word at hand and its count.
pub(crate) struct Cursor<'a> {
    from: From<'a>,
    word: Vec<u8>,
    count: u64,
    /// The first bytes of the word, which decide most comparisons.
    head: u128,
}

enum From<'a> {
    Memory(Slice<'a>),
    File(Box<Reader>),
}

impl<'a> Cursor<'a> {
    pub(crate) fn memory(words: Slice<'a>) -> Self {
        Self { from: From::Memory(words), word: Vec::new(), count: 0, head: 0 }
    }

    fn file(path: &Path) -> Result<Self> {
        let from = From::File(Box::new(Reader::new(path)?));
        Ok(Self { from, word: Vec::new(), count: 0, head: 0 })
    }

    /// Goes to the next word; false after the last.
    #[inline]
    fn next(&mut self) -> Result<bool> {
        let count = match &mut self.from {
            From::Memory(words) => words.next_into(&mut self.word),
            From::File(reader) => reader.next_into(&mut self.word)?,
        };
        self.count = count.unwrap_or(0);
        self.head = head(&self.word);
        Ok(count.is_some())
    }

    #[inline]
    fn is_before(&self, other: &Self) -> bool {
        self.head < other.head || (self.head == other.head && self.word < other.word)
    }
}

/// A file of a run.
struct Reader {
    path: PathBuf,
    file: File,
    /// Of all before the buffer.
    digest: Xxh64,
    buffer: Vec<u8>,
    /// Where the next record begins in the buffer.
    at: usize,
    ended: bool,
}

impl Reader {
    fn new(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("read", path, error);
        let mut file = File::open(path).map_err(failed)?;
        let mut magic = [0; MAGIC.len()];
        let (digest, buffer) = (Xxh64::new(), Vec::new());
        file.read_exact(&mut magic).map_err(failed)?;
        let reader = Self { path: path.to_owned(), file, digest, buffer, at: 0, ended: false };
        if magic == *MAGIC { Ok(reader) } else { Err(reader.damaged("it is no run of words")) }
    }

    #[cold]
    fn damaged(&self, problem: &str) -> Error {
        Error::format("counted words", "", problem).in_file(&self.path)
    }

    /// So many bytes; they stay in the buffer until the next call.
    fn take(&mut self, count: usize) -> Result<&[u8]> {
        while self.buffer.len() - self.at < count {
            self.leave();
            let before = self.buffer.len();
            let wanted = (count - before).clamp(BLOCK, MAX_READ) as u64;
            let got = Read::by_ref(&mut self.file).take(wanted).read_to_end(&mut self.buffer);
            if got.map_err(|error| Error::io("read", &self.path, error))? == 0 {
                return Err(self.damaged("it ends early"));
            }
        }
        let start = self.at;
        self.at += count;
        Ok(&self.buffer[start..self.at])
    }

    /// Lets go of what was read.
    fn leave(&mut self) {
        self.digest.update(&self.buffer[..self.at]);
        self.buffer.drain(..self.at);
        self.at = 0;
    }

    fn number(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = match self.buffer.get(self.at) {
                Some(&byte) => {
                    self.at += 1;
                    byte
                }
                None => self.take(1)?.first().copied().unwrap_or(0),
            };
            let bits = u64::from(byte & 0x7F);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(self.damaged("a number is too high"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn next_into(&mut self, word: &mut Vec<u8>) -> Result<Option<u64>> {
        word.clear();
        if self.ended {
            return Ok(None);
        }
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length == 0 {
            self.ended = true;
            self.leave();
            let want = self.digest.finish();
            let stored = self.take(8)?.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
            return if stored == Some(want) { Ok(None) } else { Err(self.damaged("wrong digest")) };
        }
        word.extend_from_slice(self.take(length)?);
        self.number().map(Some)
    }
}

/// What a damaged length may ask for at a time.
const MAX_READ: usize = 1 << 24;

/// Takes a word and its count in each source.
pub(crate) type Take<'t> = dyn FnMut(&[u8], &[u64]) -> Result<()> + 't;

/// Calls `word` with every word that a cursor has, in order, and its count in each of `sources` sources;
/// cursors come with the source that they belong to.
///
/// # Errors
/// Those of files; [`Error::Training`] when a word occurs 2^64 times; and what `word` returns.
pub(crate) fn merge(
    cursors: Vec<(usize, Cursor<'_>)>,
    sources: usize,
    word: &mut Take<'_>,
) -> Result<()> {
    let mut heap: Vec<(usize, Cursor<'_>)> = Vec::with_capacity(cursors.len());
    for (source, mut cursor) in cursors {
        if cursor.next()? {
            heap.push((source, cursor));
        }
    }
    for at in (0..heap.len() / 2).rev() {
        sink(&mut heap, at);
    }
    let (mut at_hand, mut counts) = (Vec::new(), vec![0_u64; sources]);
    loop {
        let Some((source, top)) = heap.first_mut() else { return Ok(()) };
        at_hand.clone_from(&top.word);
        counts.fill(0);
        counts[*source] = top.count;
        while let Some((_, top)) = heap.first_mut() {
            if !top.next()? {
                heap.swap_remove(0);
            }
            sink(&mut heap, 0);
            let Some((source, top)) = heap.first() else { break };
            if top.word != at_hand {
                break;
            }
            let sum = &mut counts[*source];
            *sum = sum.checked_add(top.count).ok_or_else(|| super::counts::too_often(&at_hand))?;
        }
        word(&at_hand, &counts)?;
    }
}

/// Restores the order of a heap below `at`.
fn sink(heap: &mut [(usize, Cursor<'_>)], mut at: usize) {
    loop {
        let (left, right) = (2 * at + 1, 2 * at + 2);
        let Some((_, first)) = heap.get(left) else { return };
        let next = match heap.get(right) {
            Some((_, second)) if second.is_before(first) => right,
            _ => left,
        };
        if !heap[next].1.is_before(&heap[at].1) {
            return;
        }
        heap.swap(at, next);
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::count::Table;
    use super::*;

    fn table(words: &[Vec<u8>], spill: Option<Spill>) -> Table {
        let mut table = Table::new(spill);
        for word in words {
            table.add(word, 0, word.len());
        }
        table
    }

    fn sums(runs: &[(usize, Run)], sources: usize) -> Result<Vec<(Vec<u8>, Vec<u64>)>> {
        let mut found = Vec::new();
        let cursors: Result<Vec<_>> =
            runs.iter().map(|(source, run)| Ok((*source, run.cursor()?))).collect();
        merge(cursors?, sources, &mut |word, counts| {
            found.push((word.to_vec(), counts.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    fn parent() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn tables_that_spill_count_as_a_map_does(
            parts in vec((0..3_usize, vec(vec(0..4_u8, 1..20), 0..60)), 0..6),
            room in 0..4000_usize,
        ) {
            let parent = parent();
            let folder = Folder::new(parent.path()).unwrap();
            let mut want: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
            let mut runs = Vec::new();
            for (source, words) in &parts {
                for word in words {
                    want.entry(word.clone()).or_insert_with(|| vec![0; 3])[*source] += 1;
                }
                let spill = Spill::new(room, Arc::clone(&folder));
                let (rest, spill) = table(words, Some(spill)).into_sorted().unwrap();
                runs.extend(spill.unwrap().runs().into_iter().map(|run| (*source, run)));
                runs.push((*source, Run::Memory(rest)));
            }
            let found: BTreeMap<_, _> = sums(&runs, 3).unwrap().into_iter().collect();
            prop_assert_eq!(found, want);
        }
    }

    #[test]
    fn a_folder_goes_with_its_last_run() {
        let parent = parent();
        let folder = Folder::new(parent.path()).unwrap();
        let words = table(&[b"a".to_vec()], None).into_sorted().unwrap().0;
        let run = Run::spill(&folder, vec![Cursor::memory(words.all())]).unwrap();
        drop(folder);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
        assert_eq!(sums(&[(0, run)], 1).unwrap(), [(b"a".to_vec(), vec![1])]);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_runs_are_errors() {
        let parent = parent();
        let words: Vec<Vec<u8>> = (0..100_u32).map(|n| n.to_string().into_bytes()).collect();
        let run = Run::Memory(table(&words, None).into_sorted().unwrap().0);
        let path = parent.path().join("a.run");
        let mut content = Vec::new();
        write(&[run], &path, &mut content).unwrap();
        std::fs::write(&path, &content).unwrap();
        assert_eq!(sums(&[(0, Run::Kept(path.clone()))], 1).unwrap().len(), 100);
        for length in 0..content.len() {
            std::fs::write(&path, &content[..length]).unwrap();
            assert!(sums(&[(0, Run::Kept(path.clone()))], 1).is_err(), "{length}");
        }
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 0x55;
            std::fs::write(&path, changed).unwrap();
            assert!(sums(&[(0, Run::Kept(path.clone()))], 1).is_err(), "{at}");
        }
    }

    #[test]
    fn a_disk_that_refuses_is_told() {
        let parent = parent();
        let folder = Folder::new(parent.path()).unwrap();
        std::fs::remove_dir_all(&folder.path).unwrap();
        let words: Vec<Vec<u8>> = (0..1000_u32).map(|n| n.to_string().into_bytes()).collect();
        let table = table(&words, Some(Spill::new(0, folder)));
        assert!(matches!(table.into_sorted(), Err(Error::Io { action: "write", .. })));
        assert!(Folder::new(Path::new("/no/such/folder")).is_err());
    }

    #[test]
    fn numbers_of_all_sizes_are_read_as_they_were_written() {
        let parent = parent();
        let path = parent.path().join("a.run");
        let mut content = Vec::new();
        let mut out = Writer::new(&mut content).unwrap();
        let counts = [0, 1, 127, 128, 1 << 35, u64::MAX];
        for (byte, count) in (1..).zip(counts) {
            out.word(&[byte], count).unwrap();
        }
        out.finish().unwrap();
        std::fs::write(&path, content).unwrap();
        let found = sums(&[(0, Run::Kept(path.clone()))], 1).unwrap();
        assert!(found.iter().map(|(_, counts)| counts[0]).eq(counts));
        let twice = [(0, Run::Kept(path.clone())), (0, Run::Kept(path))];
        assert!(sums(&twice, 1).unwrap_err().to_string().contains("2^64"));
    }
}
