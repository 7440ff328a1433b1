//! Decoding one token at a time.

// Each step of the chain is a small machine that takes its strings in chunks, together with where a
// string ends, and hands on what is certain. Between the first step and the first `Fuse` a chunk is a
// whole token; behind one there is a single string that ends when the stream is finished, so a
// machine that had to wait for the end of a string would wait for ever. These do not: literal
// replacement (the matched beginning of the pattern waits, by the tables of Knuth, Morris and Pratt),
// `Strip` (a count waits), `Metaspace`, `Fuse`. The others hold the string until it ends: `Regex`,
// `WordPiece`, `Ctc`, `ByteLevel`, and `Bpe` from the first suffix on. In front of a `Fuse` that is one
// token. A group of byte tokens waits until it ends, for one bad byte makes all of it U+FFFD.

use super::batch;
use super::chain::{Chain, Step, byte_token};
use super::sentencepiece::SentencePieceState;
use super::strings::{Budget, Origins, Piece};
use super::{Decoder, token_to_bytes};
use crate::error::Result;

/// Turns tokens into text as they come, at a cost per step that does not grow.
///
/// The pieces joined, with what [`DecodeStream::finish`] gives, are the text that
/// [`decode_tokens`](super::decode_tokens) makes of all tokens at once. A piece never holds half a
/// character: bytes wait until the character is whole, or until it cannot become one any more.
///
/// What waits is at most a token or two, but for two cases in which nothing is certain earlier: a run
/// of byte tokens waits until it ends, and text behind a `Fuse` waits for the end in front of a
/// regular expression (or another step that looks at whole strings).
#[derive(Clone, Debug)]
pub struct DecodeStream {
    chain: Chain,
    machines: Vec<Machine>,
    budget: Budget,
}

/// The state of one step.
#[derive(Clone, Debug, Default)]
struct Machine {
    /// What waits: the beginning of a string, or a group of bytes.
    held: Vec<u8>,
    /// What waits and is only counted: characters at the end of a string, or bytes of a pattern. For
    /// `ByteFallback`, whether the string is being handed on.
    count: usize,
    /// Whether a string was begun before this one, and whether this one has begun.
    after_first: bool,
    inside: bool,
    /// For `Strip`, how many characters at the beginning may still go; for `ByteFallback`, how many
    /// bytes of the group are text.
    leading: usize,
    /// For `Ctc`, the string before; for `ByteLevel`, half a character; for `ByteFallback`, the
    /// beginning of a string that comes in chunks.
    previous: Option<Vec<u8>>,
    /// For a literal, how far its beginnings repeat within it.
    repeats: Vec<u32>,
    /// For `Bpe`, whether `held` is a string that has ended; for `ByteFallback`, whether the group is
    /// known to be no text.
    pending: bool,
    /// For the decoder of a sentencepiece model.
    sentencepiece: SentencePieceState,
}

impl DecodeStream {
    /// A stream at its beginning.
    ///
    /// # Errors
    /// As [`Decoder::check`].
    pub fn new(decoder: Option<&Decoder>) -> Result<Self> {
        Chain::compile(decoder).map(|chain| Self::of(&chain))
    }

    pub(crate) fn of(chain: &Chain) -> Self {
        let machines = chain.steps().iter().map(Machine::new).collect();
        Self { chain: chain.clone(), machines, budget: Budget::of(0) }
    }

    /// Takes the next token and appends the text that is certain now.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens). The stream is of no use afterwards.
    pub fn step(&mut self, token: &str, out: &mut String) -> Result<()> {
        self.budget.add(token.len());
        let steps = self.chain.steps();
        feed(steps, &mut self.machines, token, true, &mut self.budget, out)
    }

    /// Appends what still waits, and goes back to the beginning. Half a character becomes U+FFFD.
    ///
    /// # Errors
    /// As [`DecodeStream::step`].
    pub fn finish(&mut self, out: &mut String) -> Result<()> {
        let chain = self.chain.clone();
        let mut rest = self.machines.as_mut_slice();
        let mut steps = chain.steps();
        let mut result = Ok(());
        while let (Some((step, next_steps)), Some((machine, next))) =
            (steps.split_first(), std::mem::take(&mut rest).split_first_mut())
        {
            let budget = &mut self.budget;
            result = machine.finish(step, budget, &mut |chunk, end, budget| {
                feed(next_steps, next, chunk, end, budget, out)
            });
            if result.is_err() {
                break;
            }
            (steps, rest) = (next_steps, next);
        }
        *self = Self::of(&chain);
        result
    }
}

/// Hands a chunk to the first machine, and what it gives to the next ones.
fn feed(
    steps: &[Step],
    machines: &mut [Machine],
    chunk: &str,
    end: bool,
    budget: &mut Budget,
    out: &mut String,
) -> Result<()> {
    let (Some((step, steps)), Some((machine, machines))) =
        (steps.split_first(), machines.split_first_mut())
    else {
        budget.take(chunk.len())?;
        out.push_str(chunk);
        return Ok(());
    };
    machine.push(step, chunk, end, budget, &mut |chunk, end, budget| {
        feed(steps, machines, chunk, end, budget, out)
    })
}

/// Where a machine's chunks go; the flag says that a string ends.
type Next<'a> = dyn FnMut(&str, bool, &mut Budget) -> Result<()> + 'a;

impl Machine {
    fn new(step: &Step) -> Self {
        let mut machine = Self::default();
        match step {
            Step::Literal { pattern, .. } => machine.repeats = repeats(pattern.as_bytes()),
            Step::Strip { start, .. } => machine.leading = *start,
            _ => {}
        }
        machine
    }

    fn push(
        &mut self,
        step: &Step,
        chunk: &str,
        end: bool,
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        budget.take(chunk.len())?;
        match step {
            Step::Fuse => {
                return if chunk.is_empty() { Ok(()) } else { next(chunk, false, budget) };
            }
            Step::Join if self.after_first && !self.inside => next(" ", false, budget)?,
            _ => {}
        }
        let begins = !std::mem::replace(&mut self.inside, !end);
        match step {
            Step::SentencePiece(decoder) => {
                // Chunks are whole tokens here: nothing that holds strings stands before it.
                let mut certain = Vec::new();
                self.sentencepiece.push(decoder, chunk, &mut certain);
                next(text(&certain), false, budget)?;
            }
            Step::Join | Step::Fuse => next(chunk, end, budget)?,
            Step::Literal { pattern, content } => {
                self.literal(pattern, content, chunk, (begins, end), budget, next)?;
            }
            Step::Metaspace { replacement, drop_first } => {
                let content = if *drop_first && !self.after_first { "" } else { " " };
                let replaced = chunk.replace(*replacement, content);
                next(&replaced, end, budget)?;
            }
            Step::Strip { content, start, stop } => {
                self.strip(*content, *stop, chunk, budget, next)?;
                if end {
                    (self.leading, self.count) = (*start, 0);
                    next("", true, budget)?;
                }
            }
            Step::Bpe { suffix } => self.bpe(suffix, chunk, (begins, end), budget, next)?,
            Step::ByteFallback => self.byte_fallback(chunk, (begins, end), budget, next)?,
            Step::ByteLevel | Step::Ctc { .. } | Step::Regex { .. } | Step::WordPiece { .. } => {
                self.held.extend_from_slice(chunk.as_bytes());
                if end {
                    self.whole(step, budget, next)?;
                }
            }
        }
        self.after_first |= end;
        Ok(())
    }

    fn finish(&mut self, step: &Step, budget: &mut Budget, next: &mut Next<'_>) -> Result<()> {
        match step {
            // There is one string whatever came.
            Step::Fuse => next("", true, budget),
            Step::ByteLevel => {
                let rest = self.previous.take().unwrap_or_default();
                next(&String::from_utf8_lossy(&rest), true, budget)
            }
            Step::Bpe { suffix } if self.pending => {
                let text = text(&self.held).replace(suffix.as_str(), "");
                next(&text, true, budget)
            }
            Step::ByteFallback => self.end_group(budget, next),
            Step::SentencePiece(_) => {
                let mut rest = Vec::new();
                self.sentencepiece.finish(&mut rest);
                next(text(&rest), true, budget)
            }
            _ => Ok(()),
        }
    }

    /// A string that had to be whole.
    fn whole(&mut self, step: &Step, budget: &mut Budget, next: &mut Next<'_>) -> Result<()> {
        if matches!(step, Step::ByteLevel) {
            // The bytes of a character that is not whole wait in `previous`.
            let token = std::mem::take(&mut self.held);
            let waiting = self.previous.get_or_insert_default();
            token_to_bytes(text(&token), waiting);
            let mut certain = String::new();
            take_characters(waiting, &mut certain);
            return next(&certain, false, budget);
        }
        let bytes = std::mem::take(&mut self.held);
        let is_ctc = matches!(step, Step::Ctc { .. });
        if is_ctc && self.previous.as_ref() == Some(&bytes) {
            return Ok(());
        }
        if is_ctc {
            self.previous = Some(bytes.clone());
        }
        let mut piece = Piece { bytes, from: Vec::new(), token: 0, origins: Origins::Forgotten };
        batch::alone(step, &mut piece, (!self.after_first, false), budget)?;
        if is_ctc && piece.bytes.is_empty() {
            return Ok(());
        }
        next(text(&piece.bytes), true, budget)
    }

    fn literal(
        &mut self,
        pattern: &str,
        content: &str,
        chunk: &str,
        (begins, end): (bool, bool),
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        if begins && end {
            // A whole string, which is what there is in front of a `Fuse`.
            if chunk.is_empty() || (!pattern.is_empty() && !chunk.contains(pattern)) {
                return next(chunk, true, budget);
            }
            let mut piece = Piece::new(chunk.as_bytes(), 0, Origins::Forgotten);
            piece.replace_all(pattern.as_bytes(), content.as_bytes(), budget)?;
            return next(text(&piece.bytes), true, budget);
        }
        if pattern.is_empty() {
            for c in chunk.chars() {
                next(content, false, budget)?;
                next(c.encode_utf8(&mut [0; 4]), false, budget)?;
                self.count = 1;
            }
            if end {
                let last = if self.count > 0 { content } else { "" };
                self.count = 0;
                next(last, true, budget)?;
            }
            return Ok(());
        }
        // `count` bytes of the pattern have matched and wait.
        let (pattern, mut sure) = (pattern.as_bytes(), Vec::with_capacity(chunk.len()));
        for &byte in chunk.as_bytes() {
            while self.count > 0 && pattern[self.count] != byte {
                let shorter = self.repeats[self.count - 1] as usize;
                sure.extend_from_slice(&pattern[..self.count - shorter]);
                self.count = shorter;
            }
            if pattern[self.count] != byte {
                sure.push(byte);
                continue;
            }
            self.count += 1;
            if self.count == pattern.len() {
                budget.take(content.len())?;
                sure.extend_from_slice(content.as_bytes());
                self.count = 0;
            }
        }
        if end {
            sure.extend_from_slice(&pattern[..self.count]);
            self.count = 0;
        }
        // Chunks and patterns are text, so what is sure ends where a character does.
        next(text(&sure), end, budget)
    }

    fn strip(
        &mut self,
        content: char,
        stop: usize,
        chunk: &str,
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        let mut sure = String::with_capacity(chunk.len());
        for c in chunk.chars() {
            if c != content {
                self.leading = 0;
                budget.take(self.count)?;
                sure.extend(std::iter::repeat_n(content, self.count));
                self.count = 0;
                sure.push(c);
            } else if self.leading > 0 {
                self.leading -= 1;
            } else if self.count < stop {
                self.count += 1;
            } else {
                // More wait than may go, so the first of them stays.
                sure.push(c);
            }
        }
        next(&sure, false, budget)
    }

    fn bpe(
        &mut self,
        suffix: &str,
        chunk: &str,
        (begins, end): (bool, bool),
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        if begins && std::mem::take(&mut self.pending) {
            let before = std::mem::take(&mut self.held);
            next(&text(&before).replace(suffix, " "), true, budget)?;
        }
        self.held.extend_from_slice(chunk.as_bytes());
        if !end {
            return Ok(());
        }
        if let Some(at) = text(&self.held).find(suffix) {
            self.pending = true;
            let rest = self.held.split_off(at);
            let before = std::mem::replace(&mut self.held, rest);
            return next(text(&before), false, budget);
        }
        let whole = std::mem::take(&mut self.held);
        next(text(&whole), true, budget)
    }

    fn byte_fallback(
        &mut self,
        chunk: &str,
        (begins, end): (bool, bool),
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        if begins && end && self.count == 0 {
            return self.byte_or_text(chunk, budget, next);
        }
        // A string in chunks: one that is too long for a byte token is handed on.
        let held = self.previous.get_or_insert_default();
        held.extend_from_slice(chunk.as_bytes());
        if self.count == 0 && held.len() <= BYTE_TOKEN && !end {
            return Ok(());
        }
        let string = std::mem::take(held);
        if self.count == 0 && end {
            return self.byte_or_text(text(&string), budget, next);
        }
        if self.count == 0 {
            self.end_group(budget, next)?;
        }
        self.count = usize::from(!end);
        next(text(&string), end, budget)
    }

    fn byte_or_text(
        &mut self,
        string: &str,
        budget: &mut Budget,
        next: &mut Next<'_>,
    ) -> Result<()> {
        let Some(byte) = byte_token(string.as_bytes()) else {
            self.end_group(budget, next)?;
            return next(string, true, budget);
        };
        if self.pending {
            return next("\u{FFFD}", true, budget);
        }
        self.held.push(byte);
        // Only the last three bytes can be the beginning of a character.
        let recent = self.held.len().saturating_sub(4);
        let start = (recent..self.held.len()).rev().find(|&at| self.held[at] & 0xC0 != 0x80);
        let bad = match start.map(|start| std::str::from_utf8(&self.held[start..])) {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => error.error_len().is_some(),
        };
        let whole_before = start.is_none_or(|start| self.leading == start);
        if bad || !whole_before {
            for _ in std::mem::take(&mut self.held) {
                next("\u{FFFD}", true, budget)?;
            }
            self.pending = true;
            self.leading = 0;
        } else if let Some(Ok(_)) = start.map(|start| std::str::from_utf8(&self.held[start..])) {
            // So far all of it is text.
            self.leading = self.held.len();
        }
        Ok(())
    }

    fn end_group(&mut self, budget: &mut Budget, next: &mut Next<'_>) -> Result<()> {
        self.leading = 0;
        if std::mem::take(&mut self.pending) {
            return Ok(());
        }
        let group = std::mem::take(&mut self.held);
        if group.is_empty() {
            return Ok(());
        }
        match std::str::from_utf8(&group) {
            Ok(text) => next(text, true, budget),
            Err(_) => group.iter().try_for_each(|_| next("\u{FFFD}", true, budget)),
        }
    }
}

/// The length of a token such as `<0x0A>`.
const BYTE_TOKEN: usize = 6;

/// Strings between steps are text.
fn text(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok(), "a step gave half a character");
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Moves what is certain from bytes to text: whole characters, and U+FFFD for what cannot become one.
fn take_characters(waiting: &mut Vec<u8>, out: &mut String) {
    let mut done = 0;
    for chunk in waiting.utf8_chunks() {
        out.push_str(chunk.valid());
        done += chunk.valid().len();
        let invalid = chunk.invalid();
        if invalid.is_empty() {
            continue;
        }
        let at_end = done + invalid.len() == waiting.len();
        let unfinished =
            matches!(std::str::from_utf8(invalid), Err(error) if error.error_len().is_none());
        if at_end && unfinished {
            break;
        }
        out.push(char::REPLACEMENT_CHARACTER);
        done += invalid.len();
    }
    waiting.drain(..done);
}

/// For each beginning of a pattern, the length of the longest shorter one that it ends with.
fn repeats(pattern: &[u8]) -> Vec<u32> {
    let mut repeats = vec![0u32; pattern.len()];
    let mut length = 0usize;
    for at in 1..pattern.len() {
        while length > 0 && pattern[at] != pattern[length] {
            length = repeats[length - 1] as usize;
        }
        length += usize::from(pattern[at] == pattern[length]);
        repeats[at] = u32::try_from(length).unwrap_or(u32::MAX);
    }
    repeats
}
