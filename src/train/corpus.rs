//! Text files in chunks, for several threads to count.
//!
//! | file | documents |
//! |---|---|
//! | `.jsonl`, `.ndjson` | the field `text` of each line; empty lines are passed over |
//! | other | the whole file is one document |
//!
//! Compressed and columnar files are read elsewhere, and come in as documents.

// A text file is one document, because that is how its text will meet the model: with its line breaks.
// It may be cut all the same where no known pattern looks across:
//
//   - between a letter and a space, tab or line end: every pattern ends a run of letters there, and none
//     looks back (other white space will not do: BERT's normaliser deletes U+0085 and form feeds);
//   - after a line break that stands alone between two characters that are no white space, if the second
//     one is not `/` (o200k's punctuation takes line breaks and slashes along): the run of white space
//     is one character long, so what its last character does needs no look-ahead.
//
// A file without such a place is read whole, and so is any file under a pattern that we do not know.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::unicode::classes::{ClassTable, SPACE, is_letter};

/// Bytes of a chunk: small enough to stop within milliseconds, large enough to make hand-over cheap.
const CHUNK: usize = if cfg!(test) { 16 } else { 1 << 20 };

/// Work for one thread.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Documents in a row, and where each ends.
    Documents {
        /// All of them.
        text: String,
        /// One past the last byte of each.
        ends: Vec<usize>,
        /// False when the chunk continues a document that was counted before.
        starts: bool,
    },
    /// Lines of JSON.
    Lines {
        /// Whole lines.
        bytes: Vec<u8>,
        /// The number of the first line, from 1.
        first: u64,
        /// Where they come from.
        path: PathBuf,
    },
}

#[cfg(feature = "python")]
impl Chunk {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Documents { text, .. } => text.len(),
            Self::Lines { bytes, .. } => bytes.len(),
        }
    }
}

/// Reads files chunk by chunk.
pub(crate) struct Files {
    paths: std::vec::IntoIter<PathBuf>,
    /// Whether one document may be cut.
    cut: bool,
    open: Option<Open>,
    /// Bytes read.
    pub(crate) done: u64,
    /// Bytes of all files when reading began.
    pub(crate) total: u64,
}

struct Open {
    path: PathBuf,
    file: File,
    lines: bool,
    /// Read, but not handed out.
    rest: Vec<u8>,
    /// Bytes handed out, or lines.
    position: u64,
    read: u64,
    end: bool,
}

impl Files {
    /// Looks at all files before the first is read: a wrong path is told at once.
    pub(crate) fn new(paths: Vec<PathBuf>, cut: bool) -> Result<Self> {
        let mut total = 0;
        for path in &paths {
            let about = path.metadata().map_err(|error| Error::io("read", path, error))?;
            if about.is_dir() {
                let error = std::io::ErrorKind::IsADirectory.into();
                return Err(Error::io("read", path, error));
            }
            total += about.len();
        }
        Ok(Self { paths: paths.into_iter(), cut, open: None, done: 0, total })
    }

    /// The next chunk; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.paths.next() else { return Ok(None) };
                self.open = Some(Open::new(&path)?);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let before = open.read;
            let chunk = open.next(self.cut)?;
            self.done += open.read - before;
            match chunk {
                Some(chunk) => return Ok(Some(chunk)),
                None => self.open = None,
            }
        }
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let lines = path.extension().is_some_and(|end| {
            end.eq_ignore_ascii_case("jsonl") || end.eq_ignore_ascii_case("ndjson")
        });
        let path = path.to_owned();
        Ok(Self { path, file, lines, rest: Vec::new(), position: 0, read: 0, end: false })
    }

    fn next(&mut self, cut: bool) -> Result<Option<Chunk>> {
        let mut wanted = CHUNK;
        loop {
            self.fill(wanted)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            let chunk = if self.lines { self.take_lines() } else { self.take_text(cut)? };
            if chunk.is_some() {
                return Ok(chunk);
            }
            wanted = self.rest.len() * 2;
        }
    }

    /// Reads until there are `wanted` bytes or the file ends.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        let missing = wanted.saturating_sub(self.rest.len());
        if self.end || missing == 0 {
            return Ok(());
        }
        self.rest.reserve(missing);
        let mut part = self.file.by_ref().take(missing as u64);
        let got = part.read_to_end(&mut self.rest);
        let got = got.map_err(|error| Error::io("read", &self.path, error))?;
        self.read += got as u64;
        self.end = got < missing;
        Ok(())
    }

    /// Takes the whole lines; none when there is no line end yet.
    fn take_lines(&mut self) -> Option<Chunk> {
        let at = match memchr::memrchr(b'\n', &self.rest) {
            _ if self.end => self.rest.len(),
            Some(at) => at + 1,
            None => return None,
        };
        let bytes = self.take(at);
        let first = self.position + 1;
        self.position += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Some(Chunk::Lines { bytes, first, path: self.path.clone() })
    }

    /// Takes text up to the last place where it may be cut; none when there is none yet.
    fn take_text(&mut self, cut: bool) -> Result<Option<Chunk>> {
        let valid = match std::str::from_utf8(&self.rest) {
            Ok(text) => text,
            // The end of what was read may stand inside a character.
            Err(error) if error.error_len().is_none() && !self.end => {
                std::str::from_utf8(&self.rest[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(error) => {
                let at = self.position + error.valid_up_to() as u64;
                let problem = "invalid UTF-8; is it a text file?";
                return Err(
                    Error::format("text", format!("byte {at}"), problem).in_file(&self.path)
                );
            }
        };
        let at = match (self.end, cut) {
            (true, _) => valid.len(),
            (false, true) => last_cut(valid),
            (false, false) => 0,
        };
        if at == 0 {
            return Ok(None);
        }
        let starts = self.position == 0;
        let text =
            String::from_utf8(self.take(at)).map_err(|error| Error::utf8(error.utf8_error()))?;
        self.position += at as u64;
        Ok(Some(Chunk::Documents { ends: vec![text.len()], text, starts }))
    }

    fn take(&mut self, at: usize) -> Vec<u8> {
        let rest = self.rest.split_off(at);
        std::mem::replace(&mut self.rest, rest)
    }
}

/// A document in parts of about `size` bytes or more, cut where it may be.
pub(crate) fn parts(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut reach = size.max(4);
        while reach < rest.len() {
            // A character has at most four bytes.
            let end = (reach - 3..=reach).rev().find(|&end| rest.is_char_boundary(end));
            let at = end.map_or(0, |end| last_cut(&rest[..end]));
            if at > 0 {
                let (part, after) = rest.split_at(at);
                rest = after;
                return Some(part);
            }
            reach = reach.saturating_mul(2);
        }
        let last = std::mem::take(&mut rest);
        (!last.is_empty()).then_some(last)
    })
}

/// The last place where `text` may be cut whatever follows it; 0 when there is none.
fn last_cut(text: &str) -> usize {
    let classes = ClassTable::get();
    let class = |c: char| classes.class(u32::from(c));
    let mut after: Option<char> = None;
    let mut chars = text.char_indices().rev().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some(next) = after {
            let end = at + c.len_utf8();
            if matches!(next, ' ' | '\n' | '\r' | '\t') && is_letter(class(c)) {
                return end;
            }
            let before = chars.peek().map(|&(_, c)| class(c));
            if c == '\n'
                && class(next) != SPACE
                && next != '/'
                && before.is_some_and(|before| before != SPACE)
            {
                return end;
            }
        }
        after = Some(c);
    }
    0
}
