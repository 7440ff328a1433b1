//! What a step does to a text, as changes; and the two things that can be done with them.
//!
//! Every step but BERT's is written once, as a walk that reports what it keeps, puts and drops. For
//! those who want text alone the reports are text ([`Plain`]); for the others they move a cursor over
//! the step's input, which says where each new character came from ([`Moves`]). The rules of that
//! cursor are the reference library's, so its accidents come out of them by themselves.

use std::ops::Range;

use super::align::Aligned;
use crate::budget::too_long;
use crate::error::{Error, Result};
use crate::ids::Span;

/// Takes the reports of a walk, in the order of the text.
pub(super) trait Changes {
    /// The next characters of the input, as they are.
    fn keep(&mut self, run: &str);

    /// A character: in place of the next one of the input (`change` 0); new, and so with the origin of
    /// what stands before it (1); or in place of the next one, with `-change` more of the input gone.
    fn put(&mut self, c: char, change: isize);

    /// The next `count` characters of the input are gone.
    fn drop(&mut self, count: usize);

    /// The characters of `gone`, which come next in the input, are gone.
    fn drop_text(&mut self, gone: &str);

    /// `count` more characters are gone with the last one that was kept or put: its change is so much
    /// less. When there was none nothing happens, and what follows takes places too far in front.
    fn lessen(&mut self, count: usize);

    /// New characters, each with the origin of what stands before it.
    fn insert(&mut self, text: &str);

    /// Whether `more` bytes may follow.
    ///
    /// # Errors
    /// [`Error::Argument`] when the result would be too long.
    fn room(&self, more: usize) -> Result<()>;

    /// A text in place of `old`, as `Precompiled` counts: characters for characters, the surplus new.
    fn exchange(&mut self, old: &str, new: &str);
}

/// Text alone.
pub(super) struct Plain<'a> {
    pub(super) out: &'a mut String,
    /// The longest that `out` may become.
    pub(super) limit: usize,
}

impl Changes for Plain<'_> {
    #[inline]
    fn keep(&mut self, run: &str) {
        self.out.push_str(run);
    }

    #[inline]
    fn put(&mut self, c: char, _: isize) {
        self.out.push(c);
    }

    #[inline]
    fn drop(&mut self, _: usize) {}

    #[inline]
    fn drop_text(&mut self, _: &str) {}

    #[inline]
    fn lessen(&mut self, _: usize) {}

    #[inline]
    fn insert(&mut self, text: &str) {
        self.out.push_str(text);
    }

    #[inline]
    fn room(&self, more: usize) -> Result<()> {
        if self.out.len().saturating_add(more) > self.limit {
            Err(too_long(self.limit))
        } else {
            Ok(())
        }
    }

    #[inline]
    fn exchange(&mut self, _: &str, new: &str) {
        self.out.push_str(new);
    }
}

/// Text with the origin of each byte in the source, which may lie several steps back.
pub(super) struct Moves<'a> {
    input: &'a str,
    /// The origins of the input's bytes; none when the input is the source.
    origins: Option<&'a [Span]>,
    /// The next byte of the input that has not been replaced.
    at: usize,
    out: &'a mut Aligned,
    limit: usize,
    /// The last character and its change, which [`Changes::lessen`] may still alter.
    last: Option<(char, isize)>,
    /// Whether a character was to take the place of one after the end.
    overrun: bool,
}

impl<'a> Moves<'a> {
    /// Moves from the beginning of the input, into an empty `out`.
    pub(super) fn new(
        input: &'a str,
        origins: Option<&'a [Span]>,
        out: &'a mut Aligned,
        limit: usize,
    ) -> Self {
        out.clear();
        Self { input, origins, at: 0, out, limit, last: None, overrun: false }
    }

    /// The reference library changes "the whole text" from the first byte that came from anywhere:
    /// what was inserted before it stays in front, although the new text holds it again, and the first
    /// new character takes the place of the first one after it.
    pub(super) fn after_unplaced(mut self) -> Self {
        let origins = self.origins.unwrap_or(&[]);
        let start = origins.iter().take_while(|origin| origin.is_empty()).count();
        self.out.text.push_str(self.input.get(..start).unwrap_or(""));
        self.out.origins.extend_from_slice(&origins[..start]);
        self.at = start;
        self
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the library fails too: text with an origin was all used up.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush();
        if self.overrun {
            let what = "a normalizer that rewrites text inserted before the first character";
            return Err(Error::unsupported(what, "normalizer"));
        }
        Ok(())
    }

    /// The origin of the character that holds byte `at`.
    #[inline]
    fn origin(&self, at: usize) -> Span {
        if let Some(origins) = self.origins {
            return origins.get(at).copied().unwrap_or_default();
        }
        let start = super::char_start(self.input, at);
        Span::new(start, start + self.width(start))
    }

    /// The length of the character at byte `at` of the input; 0 at its end.
    #[inline]
    fn width(&self, at: usize) -> usize {
        match self.input.as_bytes().get(at) {
            None => 0,
            Some(0..0x80) => 1,
            Some(0x80..0xE0) => 2,
            Some(0xE0..0xF0) => 3,
            Some(0xF0..) => 4,
        }
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            let width = self.width(self.at);
            if width == 0 {
                break;
            }
            self.at += width;
        }
    }

    #[inline]
    fn flush(&mut self) {
        let Some((c, change)) = self.last.take() else { return };
        let origin = if change > 0 {
            // At the very beginning nothing stands before it: it came from nowhere.
            self.at.checked_sub(1).map_or(Span::default(), |before| self.origin(before))
        } else {
            self.overrun |= self.at >= self.input.len();
            let origin = self.origin(self.at);
            self.advance(1 + change.unsigned_abs());
            origin
        };
        self.out.text.push(c);
        self.out.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
    }

    /// Copies characters that stand at the cursor, with their origins.
    fn copy(&mut self, range: Range<usize>) {
        match self.origins {
            Some(origins) => self.out.origins.extend_from_slice(&origins[range.clone()]),
            None => {
                for (start, c) in self.input[range.clone()].char_indices() {
                    let start = range.start + start;
                    let origin = Span::new(start, start + c.len_utf8());
                    self.out.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
                }
            }
        }
        self.out.text.push_str(&self.input[range.clone()]);
        self.at = range.end;
    }
}

impl Changes for Moves<'_> {
    fn keep(&mut self, run: &str) {
        self.flush();
        // The last one waits; those before it are at the cursor, unless the walk and the cursor have
        // parted.
        let Some(last) = run.chars().next_back() else { return };
        let body = &run[..run.len() - last.len_utf8()];
        if self.input.get(self.at..).is_some_and(|rest| rest.starts_with(body)) {
            self.copy(self.at..self.at + body.len());
        } else {
            for c in body.chars() {
                self.put(c, 0);
            }
            self.flush();
        }
        self.last = Some((last, 0));
    }

    #[inline]
    fn put(&mut self, c: char, change: isize) {
        self.flush();
        self.last = Some((c, change));
    }

    fn drop(&mut self, count: usize) {
        self.flush();
        self.advance(count);
    }

    fn drop_text(&mut self, gone: &str) {
        self.drop(gone.chars().count());
    }

    fn lessen(&mut self, count: usize) {
        if let Some((_, change)) = &mut self.last {
            *change = change.saturating_sub_unsigned(count);
        }
    }

    fn insert(&mut self, text: &str) {
        for c in text.chars() {
            self.put(c, 1);
        }
    }

    fn room(&self, more: usize) -> Result<()> {
        if self.out.text.len().saturating_add(more) > self.limit {
            Err(too_long(self.limit))
        } else {
            Ok(())
        }
    }

    fn exchange(&mut self, old: &str, new: &str) {
        let (gone, come) = (old.chars().count(), new.chars().count());
        for (at, c) in new.chars().enumerate() {
            self.put(c, isize::from(at >= gone));
        }
        self.lessen(gone.saturating_sub(come));
    }
}
