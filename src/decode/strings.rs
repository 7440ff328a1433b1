//! One string on its way through the steps, and what may be written on the way.

use crate::error::{Error, Result};

/// Whether each byte knows the token that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origins {
    Kept,
    Forgotten,
}

/// A string; bytes where text is not asked for.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The token of each byte; empty where that is forgotten.
    pub(super) from: Vec<u32>,
    /// The token that the string began as.
    pub(super) token: u32,
    /// Whether `from` is kept: an empty string would not tell.
    pub(super) origins: Origins,
}

/// How many bytes may still be written: replacements in a row could double a text each, without end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    const SPARE: usize = 16 << 20;
    const FACTOR: usize = 1024;

    /// What may be written for so many bytes of tokens, in all steps together.
    pub(super) fn of(bytes: usize) -> Self {
        let mut budget = Self { left: Self::SPARE };
        budget.add(bytes);
        budget
    }

    /// More bytes of tokens have come.
    pub(super) fn add(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes.saturating_mul(Self::FACTOR));
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`Error::Argument`] when there are no more.
    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Error::argument(
                "decoder",
                "one that makes texts endlessly longer",
                format!("one that writes at most {} bytes for each of a token", Self::FACTOR),
            )),
        }
    }
}

impl Piece {
    pub(super) fn new(bytes: &[u8], token: u32, origins: Origins) -> Self {
        let from = match origins {
            Origins::Kept => vec![token; bytes.len()],
            Origins::Forgotten => Vec::new(),
        };
        Self { bytes: bytes.to_vec(), from, token, origins }
    }

    /// An empty one that remembers origins if `self` does.
    pub(super) fn like(&self) -> Self {
        Self::new(&[], self.token, self.origins)
    }

    /// Appends `bytes[start..end]` of another.
    pub(super) fn copy(&mut self, other: &Self, start: usize, end: usize) {
        self.bytes.extend_from_slice(&other.bytes[start..end]);
        if self.origins == Origins::Kept {
            self.from.extend_from_slice(&other.from[start..end]);
        }
    }

    /// Appends new bytes that stand where byte `at` of another was.
    pub(super) fn insert(&mut self, other: &Self, at: usize, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.origins == Origins::Kept {
            let from = other.from.get(at).or(other.from.last()).copied().unwrap_or(other.token);
            self.from.resize(self.bytes.len(), from);
        }
    }

    /// Replaces ranges, which are ascending and do not overlap, by `content`.
    pub(super) fn replace(
        &mut self,
        ranges: impl Iterator<Item = (usize, usize)>,
        content: &[u8],
        budget: &mut Budget,
    ) -> Result<()> {
        let mut out: Option<(Self, usize)> = None;
        for (start, end) in ranges {
            let (piece, done) = out.get_or_insert_with(|| (self.like(), 0));
            budget.take(content.len() + start - *done)?;
            piece.copy(self, *done, start);
            piece.insert(self, start, content);
            *done = end;
        }
        if let Some((mut piece, done)) = out {
            budget.take(self.bytes.len() - done)?;
            piece.copy(self, done, self.bytes.len());
            *self = piece;
        }
        Ok(())
    }

    /// Replaces every `pattern` by `content`, as `str::replace` does: an empty pattern matches before
    /// every character and at the end.
    pub(super) fn replace_all(
        &mut self,
        pattern: &[u8],
        content: &[u8],
        budget: &mut Budget,
    ) -> Result<()> {
        if pattern.is_empty() {
            let ends = self.bytes.len();
            let borders: Vec<_> = borders(&self.bytes).chain([ends]).map(|at| (at, at)).collect();
            return self.replace(borders.into_iter(), content, budget);
        }
        let found: Vec<_> = memchr::memmem::find_iter(&self.bytes, pattern)
            .map(|at| (at, at + pattern.len()))
            .collect();
        self.replace(found.into_iter(), content, budget)
    }

    /// Keeps `bytes[start..end]`.
    pub(super) fn keep(&mut self, start: usize, end: usize) {
        self.bytes.truncate(end);
        self.bytes.drain(..start);
        if self.origins == Origins::Kept {
            self.from.truncate(end);
            self.from.drain(..start);
        }
    }
}

/// Where characters begin.
pub(super) fn borders(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|(_, byte)| *byte & 0xC0 != 0x80).map(|(at, _)| at)
}
