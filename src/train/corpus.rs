//! Text files in chunks, for several threads to count.
//!
//! | file | documents |
//! |---|---|
//! | `.jsonl`, `.ndjson` | the field `text`, or another, of each line; empty lines are passed over |
//! | other | the whole file is one document |
//!
//! Compressed files are unpacked elsewhere, and come in as bytes; columnar ones come in as documents.

// A text file is one document, because that is how its text will meet the model: with its line breaks.
// It may be cut all the same where no known pattern looks across:
//
//   - between a letter and a space, tab or line end: every pattern ends a run of letters there, and none
//     looks back (other white space will not do: BERT's normaliser deletes U+0085 and form feeds);
//   - after a line break that stands alone between two characters that are no white space, if the second
//     one is not `/` (o200k's punctuation takes line breaks and slashes along): the run of white space
//     is one character long, so what its last character does needs no look-ahead.
//
// A file without such a place is read whole, and so is any file under a pattern that we do not know. No
// cut is made within a special token that holds such a place itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::digest::Xxh64;
use super::lines::repaired;
use crate::error::{Error, Result};
use crate::unicode::classes::{ClassTable, SPACE, is_letter};
use crate::unicode::utf8;

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
        path: Arc<Path>,
    },
}

impl Chunk {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Documents { text, .. } => text.len(),
            Self::Lines { bytes, .. } => bytes.len(),
        }
    }

    /// The first `most` bytes or less, up to the end of a document or of a line. The flag is true when
    /// something was left out.
    pub(crate) fn up_to(self, most: u64) -> (Self, bool) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.len() <= most {
            return (self, false);
        }
        match self {
            Self::Documents { mut text, mut ends, starts } => {
                ends.truncate(ends.partition_point(|&end| end <= most));
                let mut at = ends.last().copied().unwrap_or(0);
                if let Some(line) = memchr::memrchr(b'\n', &text.as_bytes()[at..most]) {
                    at += line + 1;
                    ends.push(at);
                }
                text.truncate(at);
                (Self::Documents { text, ends, starts }, true)
            }
            Self::Lines { mut bytes, first, path } => {
                bytes.truncate(memchr::memrchr(b'\n', &bytes[..most]).map_or(0, |at| at + 1));
                (Self::Lines { bytes, first, path }, true)
            }
        }
    }
}

/// Where a document may be cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts {
    /// Nowhere when false.
    allowed: bool,
    /// Only behind line ends.
    at_lines: bool,
    /// Special tokens with white space in them: only they may lie across a place for a cut.
    spanning: Vec<String>,
    /// The bytes of the longest one.
    longest: usize,
}

impl Cuts {
    pub(crate) fn new(allowed: bool, special_tokens: &[String]) -> Self {
        let spans = |token: &&String| token.contains([' ', '\t', '\r', '\n']);
        let spanning: Vec<String> = special_tokens.iter().filter(spans).cloned().collect();
        let longest = spanning.iter().map(String::len).max().unwrap_or(0);
        Self { allowed, at_lines: false, spanning, longest }
    }

    /// The same, behind line ends alone.
    pub(crate) fn at_lines(&self) -> Self {
        Self { at_lines: true, ..self.clone() }
    }

    pub(crate) fn allowed(&self) -> bool {
        self.allowed
    }

    /// The last place where `text` may be cut whatever follows it; 0 when there is none.
    fn last(&self, text: &str) -> usize {
        // A token may begin in what is there and end in what is not.
        let mut reach = text.len() - self.longest.saturating_sub(1).min(text.len());
        while !text.is_char_boundary(reach) {
            reach -= 1;
        }
        loop {
            let at = last_cut(&text[..reach], self.at_lines);
            if at == 0 || !self.within(text, at) {
                return at;
            }
            reach = at;
        }
    }

    /// Whether a special token lies across `at`.
    fn within(&self, text: &str, at: usize) -> bool {
        self.spanning.iter().any(|token| {
            let token = token.as_bytes();
            let starts = at.saturating_sub(token.len() - 1)..at;
            starts.into_iter().any(|start| text.as_bytes()[start..].starts_with(token))
        })
    }
}

/// The bytes of a text file, after unpacking.
pub(crate) trait Bytes: Send {
    /// Appends at most `most` bytes; 0 at the end.
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> std::io::Result<usize>;

    /// Bytes of the file that were read so far.
    fn place(&self) -> u64;

    /// The digest of the file, when all of it was read.
    fn digest(&self) -> Option<String>;
}

/// A file that is read as it is.
pub(crate) struct Plain {
    file: File,
    place: u64,
    digest: Xxh64,
    end: bool,
}

impl Plain {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        Ok(Self { file, place: 0, digest: Xxh64::new(), end: false })
    }
}

impl Bytes for Plain {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> std::io::Result<usize> {
        let before = into.len();
        let got = self.file.by_ref().take(most as u64).read_to_end(into)?;
        self.digest.update(&into[before..]);
        self.place += got as u64;
        self.end |= got < most;
        Ok(got)
    }

    fn place(&self) -> u64 {
        self.place
    }

    fn digest(&self) -> Option<String> {
        self.end.then(|| self.digest.shown())
    }
}

/// The digest of a file that somebody else reads: Python does.
#[cfg(feature = "python")]
pub(crate) struct FileDigest {
    path: Arc<Path>,
    plain: Plain,
    size: u64,
    block: Vec<u8>,
}

#[cfg(feature = "python")]
impl FileDigest {
    /// Bytes that are read at a time: some ten milliseconds.
    const STEP: usize = 1 << 25;

    pub(crate) fn open(path: &Path) -> Result<Self> {
        let about = path.metadata().map_err(|error| Error::io("read", path, error))?;
        let plain = Plain::open(path)?;
        Ok(Self { path: path.into(), plain, size: about.len(), block: Vec::new() })
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.size
    }

    /// Reads on for a few milliseconds.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        let mut left = Self::STEP;
        while left > 0 && !self.plain.end {
            self.block.clear();
            let read = self.plain.read(&mut self.block, CHUNK.min(left));
            left -= read.map_err(|error| Error::io("read", &self.path, error))?;
        }
        Ok(())
    }

    /// The digest: reads what is left.
    pub(crate) fn shown(&mut self) -> Result<Option<String>> {
        while !self.plain.end {
            self.go_on()?;
        }
        Ok(self.plain.digest())
    }
}

/// A text file, chunk by chunk.
pub(crate) struct TextFile {
    path: Arc<Path>,
    bytes: Box<dyn Bytes>,
    lines: bool,
    /// Whether bytes that are no text become U+FFFD.
    replace: bool,
    /// Read, but not handed out.
    rest: Vec<u8>,
    /// Bytes handed out.
    position: u64,
    /// Line ends handed out.
    line: u64,
    replaced: u64,
    /// The longest stretch of text without a place for a cut.
    longest: usize,
    end: bool,
}

impl TextFile {
    /// A file whose name says what it holds, behind `.gz` or `.zst`.
    pub(crate) fn new(path: &Path, bytes: Box<dyn Bytes>, replace: bool) -> Self {
        let ends = |path: &Path, ends: &[&str]| {
            let end = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            end.is_some_and(|end| ends.iter().any(|other| end == *other))
        };
        let packed = ends(path, &["gz", "zst"]);
        let name = if packed { path.with_extension("") } else { path.to_owned() };
        Self {
            path: path.into(),
            bytes,
            lines: ends(&name, &["jsonl", "ndjson"]),
            replace,
            rest: Vec::new(),
            position: 0,
            line: 0,
            replaced: 0,
            longest: usize::MAX,
            end: false,
        }
    }

    /// The same, for chunks that stay within `bytes`.
    pub(crate) fn at_most(self, bytes: usize) -> Self {
        Self { longest: bytes, ..self }
    }

    /// What the bytes come from.
    pub(crate) fn bytes(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// Invalid sequences that became U+FFFD in plain text; those of lines are seen when they are counted.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// The next chunk; none after the last.
    pub(crate) fn next(&mut self, cuts: &Cuts) -> Result<Option<Chunk>> {
        let mut wanted = CHUNK;
        loop {
            self.fill(wanted)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            let chunk = if self.lines { self.take_lines() } else { self.take_text(cuts)? };
            if chunk.is_some() {
                return Ok(chunk);
            }
            wanted = self.rest.len() * 2;
            if wanted > self.longest {
                let what = if self.lines { "line" } else { "stretch without a place to cut it" };
                let problem = format!(
                    "the {what} from line {} on, byte {}, has more than {} bytes, which memory_limit \
                     leaves no room for",
                    self.line + 1,
                    self.position,
                    self.rest.len()
                );
                return Err(Error::format("text", "", problem).in_file(&self.path));
            }
        }
    }

    /// Reads until there are `wanted` bytes or the file ends.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        while !self.end && self.rest.len() < wanted {
            let missing = wanted - self.rest.len();
            self.rest.reserve(missing);
            let got = self.bytes.read(&mut self.rest, missing);
            self.end = got.map_err(|error| Error::io("read", &self.path, error))? == 0;
        }
        Ok(())
    }

    /// Takes the whole lines; none when there is no line end yet.
    fn take_lines(&mut self) -> Option<Chunk> {
        let at = match memchr::memrchr(b'\n', &self.rest) {
            _ if self.end => self.rest.len(),
            Some(at) => at + 1,
            None => return None,
        };
        let first = self.line + 1;
        let bytes = self.take(at);
        Some(Chunk::Lines { bytes, first, path: Arc::clone(&self.path) })
    }

    /// Takes text up to the last place where it may be cut; none when there is none yet.
    fn take_text(&mut self, cuts: &Cuts) -> Result<Option<Chunk>> {
        let valid = match utf8::text(&self.rest) {
            Ok(text) => text,
            // The end of what was read may stand inside a character.
            Err(error) if error.error_len().is_none() && !self.end => {
                utf8::text(&self.rest[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(error) if self.replace => {
                self.repair(error.valid_up_to());
                return self.take_text(cuts);
            }
            Err(error) => {
                let before = &self.rest[..error.valid_up_to()];
                let line = self.line + 1 + memchr::memchr_iter(b'\n', before).count() as u64;
                let place = format!("line {line}, byte {}", self.position + before.len() as u64);
                let problem = "invalid UTF-8; is it a text file?";
                return Err(Error::format("text", place, problem).in_file(&self.path));
            }
        };
        let at = match (self.end, cuts.allowed()) {
            (true, _) => valid.len(),
            (false, true) => cuts.last(valid),
            (false, false) => 0,
        };
        if at == 0 {
            return Ok(None);
        }
        let starts = self.position == 0;
        let text = utf8::string(self.take(at)).map_err(|error| Error::utf8(error.utf8_error()))?;
        Ok(Some(Chunk::Documents { ends: vec![text.len()], text, starts }))
    }

    /// Puts U+FFFD for what is no text from `from` on, unless it may become one.
    #[cold]
    fn repair(&mut self, from: usize) {
        let bad = self.rest.split_off(from);
        let whole = match utf8_end(&bad) {
            open if self.end => open.max(bad.len()),
            open => open,
        };
        let (text, replaced) = repaired(&bad[..whole]);
        self.rest.extend_from_slice(text.as_bytes());
        self.rest.extend_from_slice(&bad[whole..]);
        self.replaced += replaced;
    }

    fn take(&mut self, at: usize) -> Vec<u8> {
        let rest = self.rest.split_off(at);
        let taken = std::mem::replace(&mut self.rest, rest);
        self.position += at as u64;
        self.line += memchr::memchr_iter(b'\n', &taken).count() as u64;
        taken
    }
}

/// Where the last character begins when the bytes end inside it; else where they end.
fn utf8_end(bytes: &[u8]) -> usize {
    let chunk = bytes.utf8_chunks().last();
    let open = chunk.map_or(&[][..], |chunk| chunk.invalid());
    let is_open = std::str::from_utf8(open).is_err_and(|error| error.error_len().is_none());
    if is_open { bytes.len() - open.len() } else { bytes.len() }
}

/// A document in parts of about `size` bytes or more, cut where it may be.
pub(crate) fn parts<'a>(text: &'a str, size: usize, cuts: &Cuts) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut reach = size.max(4);
        while reach < rest.len() {
            // A character has at most four bytes.
            let end = (reach - 3..=reach).rev().find(|&end| rest.is_char_boundary(end));
            let at = end.map_or(0, |end| cuts.last(&rest[..end]));
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
fn last_cut(text: &str, at_lines: bool) -> usize {
    let classes = ClassTable::get();
    let class = |c: char| classes.class(u32::from(c));
    let mut after: Option<char> = None;
    let mut chars = text.char_indices().rev().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some(next) = after {
            let end = at + c.len_utf8();
            if !at_lines && matches!(next, ' ' | '\n' | '\r' | '\t') && is_letter(class(c)) {
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
