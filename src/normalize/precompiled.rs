//! The character map of a sentencepiece model.
//!
//! The rules are the reference library's, which walks over grapheme clusters: a cluster of less than
//! six bytes is looked up as a whole, and when nothing is found its characters are, one by one. What is
//! found is the *shortest* text of the map that the cluster starts with, and it stands for all of it.
//!
//! Clusters are slow to find, and in most text each character is one. A border always lies between two
//! characters of the kinds that never join ([`CLUSTERS`] is not set), so only stretches with
//! others, and the character on either side of them, are given to the crate that knows the rules.

mod trie;

use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::changes::Changes;
use crate::error::Result;
use crate::unicode::forms::{CLUSTERS, flags};
use trie::Trie;

/// A cluster of so many bytes is not looked up as a whole.
const LONG: usize = 6;

/// A compiled character map: a trie of texts and what each becomes.
#[derive(Clone, Debug)]
pub struct Precompiled {
    charsmap: Arc<[u8]>,
    trie: Arc<Trie>,
    /// The ASCII characters that stay as they are.
    plain: Arc<[bool; 128]>,
}

impl PartialEq for Precompiled {
    fn eq(&self, other: &Self) -> bool {
        self.charsmap == other.charsmap
    }
}

impl Eq for Precompiled {}

impl Precompiled {
    /// A map as models carry it.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when it contradicts itself.
    pub fn new(charsmap: &[u8]) -> Result<Self> {
        let trie = Trie::new(charsmap)?;
        let mut plain = [false; 128];
        for (byte, plain) in (0..).zip(&mut plain) {
            // CR may join LF; an error is one when the character is met.
            *plain = byte != b'\r' && matches!(trie.find(&[byte]), Ok(None));
        }
        Ok(Self { charsmap: charsmap.into(), trie: Arc::new(trie), plain: Arc::new(plain) })
    }

    /// The map as it was given.
    pub fn charsmap(&self) -> &[u8] {
        &self.charsmap
    }

    /// Reports the changes; false when there are none.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) for a rule that points outside of the map.
    pub(super) fn walk(&self, text: &str, sink: &mut impl Changes) -> Result<bool> {
        let mut work = Work { map: self, text, sink, kept: 0, changed: false };
        work.text()?;
        if work.changed {
            work.sink.keep(&text[work.kept..]);
        }
        Ok(work.changed)
    }
}

struct Work<'a, S> {
    map: &'a Precompiled,
    text: &'a str,
    sink: &'a mut S,
    kept: usize,
    changed: bool,
}

impl<S: Changes> Work<'_, S> {
    fn text(&mut self) -> Result<()> {
        // Whether all of printable ASCII stays, as in every map of sentencepiece.
        let printable = self.map.plain[usize::from(b' ')..=usize::from(b'~')].iter().all(|&p| p);
        let mut at = 0;
        // The character before `at`, which is a cluster unless the next one joins it.
        let mut held: Option<usize> = None;
        'runs: while at < self.text.len() {
            if printable {
                let rest = &self.text.as_bytes()[at..];
                let run = super::run_length(rest, |byte| (b' '..=b'~').contains(&byte));
                if run > 0 {
                    self.held(held, at)?;
                    at += run;
                    held = Some(at - 1);
                }
            }
            for c in self.text[at..].chars() {
                if flags(c) & CLUSTERS != 0 {
                    let end = self.tangle_end(at + c.len_utf8());
                    self.clusters(held.take().unwrap_or(at), end)?;
                    at = end;
                    continue 'runs;
                }
                self.held(held, at)?;
                held = Some(at);
                at += c.len_utf8();
                if printable && c.is_ascii() {
                    continue 'runs;
                }
            }
        }
        self.held(held, at)
    }

    /// Handles the character from `start` to `end`, a cluster of its own.
    #[inline]
    fn held(&mut self, start: Option<usize>, end: usize) -> Result<()> {
        let Some(start) = start else { return Ok(()) };
        match self.text.as_bytes()[start..end] {
            [byte @ 0..0x80] if self.map.plain[usize::from(byte)] => Ok(()),
            _ => self.look_up(start, end).map(drop),
        }
    }

    /// Where the stretch of joining characters ends that goes on at `at`: at the second of two
    /// characters that never join.
    fn tangle_end(&self, mut at: usize) -> usize {
        let mut joins = true;
        for c in self.text[at..].chars() {
            let next = flags(c) & CLUSTERS != 0;
            if !joins && !next {
                break;
            }
            joins = next;
            at += c.len_utf8();
        }
        at
    }

    fn clusters(&mut self, start: usize, end: usize) -> Result<()> {
        let text = self.text;
        if self.quiet(start, end) {
            return Ok(());
        }
        for (at, cluster) in text[start..end].grapheme_indices(true) {
            let at = start + at;
            if cluster.len() < LONG && self.look_up(at, at + cluster.len())? {
                continue;
            }
            for (inner, c) in cluster.char_indices() {
                self.look_up(at + inner, at + inner + c.len_utf8())?;
            }
        }
        Ok(())
    }

    /// Whether nothing in the map begins at any character of the stretch: where clusters end does not
    /// matter then.
    fn quiet(&self, start: usize, end: usize) -> bool {
        let bytes = self.text.as_bytes();
        self.text[start..end].char_indices().all(|(at, _)| {
            let from = start + at;
            let key = &bytes[from..end.min(from + LONG - 1)];
            matches!(self.map.trie.find(key), Ok(None))
        })
    }

    /// Replaces a text if the map has it, or the beginning of it.
    #[inline]
    fn look_up(&mut self, start: usize, end: usize) -> Result<bool> {
        let old = &self.text[start..end];
        let Some(new) = self.map.trie.find(old.as_bytes())? else { return Ok(false) };
        if self.kept < start {
            self.sink.keep(&self.text[self.kept..start]);
        }
        self.sink.room(new.len())?;
        self.sink.exchange(old, new);
        (self.kept, self.changed) = (end, true);
        Ok(true)
    }
}
