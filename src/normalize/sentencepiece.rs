//! What sentencepiece does to a text before it is cut: its character map, its white space, and the
//! symbols that it leaves alone.

// At each place of the text, in this order: a symbol of the user's stays as it is; the longest key
// of the map that the text goes on with is replaced; a character goes through. That is another rule
// than the `Precompiled` normaliser of `tokenizer.json` files, which asks for whole clusters and
// single characters only, although both read the same map.

use std::sync::Arc;

use super::align::Aligned;
use crate::budget;
use crate::error::{Error, Result};
use crate::ids::Span;
use crate::trie::{MAX_NODES, Trie};

/// What stands for a space.
const SPACE: char = '\u{2581}';
/// The name of the format in errors.
const FORMAT: &str = "sentencepiece model";
/// Of keys that are prefixes of each other, sentencepiece sees so many, the shortest first.
const MAX_RULES: usize = 32;
/// The same for symbols of the user's.
const MAX_SYMBOLS: usize = 64;

/// The longest text that takes the place of a key; no Unicode form is a hundredth of it.
const MAX_RULE: usize = 4096;

/// How white space is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the switches that models carry")]
pub struct SentencePieceSpaces {
    /// A space in front of every text (behind it with `as_suffix`).
    pub add_dummy_prefix: bool,
    /// None at the ends, and one for several.
    pub remove_extra: bool,
    /// Each becomes `▁`.
    pub escape: bool,
    /// White space belongs to the word before it.
    pub as_suffix: bool,
}

/// The normaliser of a sentencepiece model.
#[derive(Clone, Debug)]
pub struct SentencePieceNormalizer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    map: Option<CharsMap>,
    spaces: SentencePieceSpaces,
    symbols: Vec<String>,
    matcher: Trie,
    /// The ASCII characters that go through untouched when an ASCII character follows.
    plain: [bool; 128],
}

impl PartialEq for SentencePieceNormalizer {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.inner, &other.inner);
        a.spaces == b.spaces && a.symbols == b.symbols && self.charsmap() == other.charsmap()
    }
}

impl Eq for SentencePieceNormalizer {}

impl SentencePieceNormalizer {
    /// A normaliser; `charsmap` is the map as models carry it, none when it is empty, and `symbols`
    /// are texts that stay as they are.
    ///
    /// # Errors
    /// [`Error::Format`] when the map contradicts itself.
    pub fn new(
        charsmap: &[u8],
        spaces: SentencePieceSpaces,
        mut symbols: Vec<String>,
    ) -> Result<Self> {
        let map = (!charsmap.is_empty()).then(|| CharsMap::new(charsmap)).transpose()?;
        symbols.retain(|symbol| !symbol.is_empty());
        symbols.sort_unstable();
        symbols.dedup();
        let matcher = Trie::new(symbols.iter().map(|symbol| (0, symbol.as_str())));
        let matcher = matcher.ok_or_else(|| {
            let what = format!("symbols of the user's in more than {MAX_NODES} nodes");
            Error::unsupported(what, "pieces")
        })?;
        let mut plain = [false; 128];
        for (byte, plain) in (0u8..).zip(&mut plain) {
            let text = [byte];
            let symbol = symbols.iter().any(|symbol| symbol.as_bytes()[..1] == text);
            let ruled = map.as_ref().is_some_and(|map| map.begins_ascii(byte));
            *plain = byte != b' ' && !symbol && !ruled;
        }
        Ok(Self { inner: Arc::new(Inner { map, spaces, symbols, matcher, plain }) })
    }

    /// The map as it was given; empty when there is none.
    pub fn charsmap(&self) -> &[u8] {
        self.inner.map.as_ref().map_or(&[], |map| &map.blob)
    }

    /// How white space is treated.
    pub fn spaces(&self) -> SentencePieceSpaces {
        self.inner.spaces
    }

    /// Appends the normalised text to `out`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the map makes the text longer than any true one does.
    pub(super) fn normalize_into(&self, text: &str, out: &mut String) -> Result<()> {
        self.write(text, out)
    }

    /// Appends the normalised text with its places to `out`.
    ///
    /// # Errors
    /// As [`SentencePieceNormalizer::normalize_into`].
    pub(super) fn normalize_aligned(&self, text: &str, out: &mut Aligned) -> Result<()> {
        self.write(text, out)
    }

    fn write(&self, text: &str, out: &mut impl Output) -> Result<()> {
        let limit = out.mark().saturating_add(budget::growth_limit(text.len()));
        let spaces = self.inner.spaces;
        let space = if spaces.escape { SPACE } else { ' ' };
        let mut rest = text;
        if spaces.remove_extra {
            while let (" ", length) = self.inner.prefix(rest) {
                rest = &rest[length..];
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let at = |rest: &str| text.len() - rest.len();
        // Where what is not white space ends, in the output: what follows may be cut off again.
        let mut kept = out.mark();
        if spaces.add_dummy_prefix && !spaces.as_suffix {
            let place = at(rest);
            out.push(space, Span::new(place, place));
        }
        let mut after_space = spaces.remove_extra;
        while !rest.is_empty() {
            let run = self.inner.plain_run(rest.as_bytes());
            if run > 0 {
                out.push_ascii(&rest[..run], at(rest));
                (rest, after_space, kept) = (&rest[run..], false, out.mark());
                continue;
            }
            let (mut piece, length) = self.inner.prefix(rest);
            if after_space {
                piece = piece.trim_start_matches(' ');
            }
            let origin = Span::new(at(rest), at(rest) + length);
            for c in piece.chars() {
                let c = if c == ' ' { space } else { c };
                out.push(c, origin);
                // A character of the text that looks like an escaped space is cut off like one.
                if c != space {
                    kept = out.mark();
                }
            }
            if !piece.is_empty() {
                after_space = spaces.remove_extra && piece.ends_with(' ');
            }
            rest = &rest[length..];
            if out.mark() > limit {
                return Err(budget::too_long(limit));
            }
        }
        if spaces.remove_extra {
            out.cut(kept);
        }
        if spaces.add_dummy_prefix && spaces.as_suffix {
            out.push(space, Span::new(text.len(), text.len()));
        }
        Ok(())
    }
}

/// Where the text goes, with or without its places. What was written can be taken back.
trait Output {
    fn push(&mut self, c: char, origin: Span);
    fn push_ascii(&mut self, text: &str, start: usize);
    fn mark(&self) -> usize;
    fn cut(&mut self, mark: usize);
}

impl Output for String {
    #[inline]
    fn push(&mut self, c: char, _: Span) {
        Self::push(self, c);
    }

    #[inline]
    fn push_ascii(&mut self, text: &str, _: usize) {
        self.push_str(text);
    }

    #[inline]
    fn mark(&self) -> usize {
        self.len()
    }

    #[inline]
    fn cut(&mut self, mark: usize) {
        self.truncate(mark);
    }
}

impl Output for Aligned {
    fn push(&mut self, c: char, origin: Span) {
        self.text.push(c);
        self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
    }

    fn push_ascii(&mut self, text: &str, start: usize) {
        self.text.push_str(text);
        self.origins.extend((start..start + text.len()).map(|at| Span::new(at, at + 1)));
    }

    fn mark(&self) -> usize {
        self.text.len()
    }

    fn cut(&mut self, mark: usize) {
        self.text.truncate(mark);
        self.origins.truncate(mark);
    }
}

impl Inner {
    /// The length of what goes through as it is.
    #[inline]
    fn plain_run(&self, bytes: &[u8]) -> usize {
        let plain = |&byte: &u8| self.plain.get(usize::from(byte)).is_some_and(|&plain| plain);
        let run = bytes.iter().take_while(|&byte| plain(byte)).count();
        // The last one may be part of a rule with what follows.
        match bytes.get(run) {
            Some(byte) if !byte.is_ascii() => run.saturating_sub(1),
            _ => run,
        }
    }

    /// What the beginning of `text` becomes, and how long it is; nothing of nothing.
    #[inline]
    fn prefix<'a>(&'a self, text: &'a str) -> (&'a str, usize) {
        if let Some(length) = self.matcher.longest_of(text.as_bytes(), MAX_SYMBOLS)
            && let Some(symbol) = text.get(..length)
        {
            return (symbol, length);
        }
        if let Some((rule, length)) = self.map.as_ref().and_then(|map| map.longest(text)) {
            return (rule, length);
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        (&text[..length], length)
    }
}

/// A compiled map: a double array of keys, and the texts that take their place, each ended by NUL.
#[derive(Debug)]
struct CharsMap {
    blob: Box<[u8]>,
    units: Box<[u32]>,
    texts: Box<str>,
}

impl CharsMap {
    fn new(blob: &[u8]) -> Result<Self> {
        let place = "normalizer_spec.precompiled_charsmap";
        let fail = |problem: String| Error::format(FORMAT, place, problem);
        let size = blob.first_chunk().map(|&size| u32::from_le_bytes(size) as usize);
        let size = size.ok_or_else(|| fail(format!("{} bytes have no length", blob.len())))?;
        let body = &blob[4..];
        if size >= body.len() || size < 1024 || size % 1024 != 0 {
            let problem = format!("a trie of {size} bytes in a map of {}", blob.len());
            return Err(fail(problem));
        }
        let (trie, texts) = body.split_at(size);
        let texts = std::str::from_utf8(texts).map_err(|error| {
            fail(format!("invalid UTF-8 at byte {}", 4 + size + error.valid_up_to()))
        })?;
        if !texts.ends_with('\0') {
            return Err(fail("the last text has no end".to_owned()));
        }
        if let Some(long) = texts.split('\0').find(|text| text.len() > MAX_RULE) {
            let problem = format!("a text of {} bytes, and {MAX_RULE} is the limit", long.len());
            return Err(fail(problem));
        }
        let (chunks, _) = trie.as_chunks::<4>();
        let units = chunks.iter().map(|&unit| u32::from_le_bytes(unit)).collect();
        Ok(Self { blob: blob.into(), units, texts: texts.into() })
    }

    /// What the longest key becomes that `text` begins with, and its length.
    #[inline]
    fn longest<'a>(&'a self, text: &str) -> Option<(&'a str, usize)> {
        let mut node = self.offset(0, 0)?;
        let (mut found, mut count) = (None, 0);
        for (length, &byte) in (1..).zip(text.as_bytes()) {
            let at = node ^ usize::from(byte);
            let Some(&unit) = self.units.get(at) else { break };
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            let Some(next) = self.offset(at, unit) else { break };
            node = next;
            if unit >> 8 & 1 == 1 && count < MAX_RULES {
                count += 1;
                let value = self.units.get(node).map(|unit| unit & !(1 << 31));
                found = value.map(|value| (value as usize, length));
            }
        }
        let (value, length) = found?;
        // A map that points into the middle of a character has no rule there.
        let rest = self.texts.get(value..)?;
        let rule = rest.split('\0').next()?;
        text.is_char_boundary(length).then_some((rule, length))
    }

    /// Where the children of the node at `at` lie.
    #[inline]
    fn offset(&self, at: usize, unit: u32) -> Option<usize> {
        let unit = if at == 0 { *self.units.first()? } else { unit };
        Some(at ^ ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6))
    }

    /// Whether a key is this ASCII character, or begins with it and another one.
    fn begins_ascii(&self, byte: u8) -> bool {
        let Some(root) = self.offset(0, 0) else { return false };
        let at = root ^ usize::from(byte);
        let child = |at: usize, byte: u8| {
            let unit = *self.units.get(at)?;
            (unit & (1 << 31 | 0xFF) == u32::from(byte)).then_some(unit)
        };
        let Some(unit) = child(at, byte) else { return false };
        let Some(node) = self.offset(at, unit) else { return false };
        unit >> 8 & 1 == 1 || (0..128u8).any(|next| child(node ^ usize::from(next), next).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(flags: [bool; 4], text: &str) -> String {
        let [add_dummy_prefix, remove_extra, escape, as_suffix] = flags;
        let spaces = SentencePieceSpaces { add_dummy_prefix, remove_extra, escape, as_suffix };
        let symbols = vec!["<x y>".to_owned()];
        let normalizer = SentencePieceNormalizer::new(&[], spaces, symbols).unwrap();
        let (mut plain, mut aligned) = (String::new(), Aligned::default());
        normalizer.normalize_into(text, &mut plain).unwrap();
        normalizer.normalize_aligned(text, &mut aligned).unwrap();
        assert_eq!(aligned.text, plain);
        assert_eq!(aligned.origins.len(), plain.len());
        plain
    }

    // What sentencepiece 0.2.3 gives.
    #[test]
    fn white_space_is_treated_as_asked_for() {
        assert_eq!(normal([true, true, true, false], "  a  é "), "▁a▁é");
        assert_eq!(normal([true, false, true, false], " a  b "), "▁▁a▁▁b▁");
        assert_eq!(normal([true, true, true, true], " a  b "), "a▁b▁");
        assert_eq!(normal([false, true, false, false], " a  b "), "a b");
        assert_eq!(normal([true, true, true, false], "   "), "");
        assert_eq!(normal([true, true, true, false], "a▁▁"), "▁a");
        assert_eq!(normal([true, true, true, false], "▁"), "");
        assert_eq!(normal([true, true, true, false], "<x y>  b"), "▁<x▁y>▁b");
        assert_eq!(normal([true, true, true, false], ""), "");
    }
}
