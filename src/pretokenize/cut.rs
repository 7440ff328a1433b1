//! The steps that cut a text and leave its characters as they are.

use std::sync::LazyLock;

use super::behavior::Joiner;
use super::masks::Scanner;
use super::pattern;
use super::{SplitBehavior, bert};
use crate::error::Result;
use crate::regex::{Alphabet, CharSet, Dialect, Pattern, Regex, word_characters};
use crate::unicode::bert::{PUNCTUATION, WHITE, ascii_flags, flags};
use crate::unicode::classes::{ClassTable, NUMBER};
use crate::unicode::script_ranges::SCRIPTS;

/// A step that cuts.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    Bert,
    Scan(Scanner),
    /// A pattern of tiktoken's: what does not match is dropped.
    Matches(Regex),
    Regex {
        regex: Regex,
        behavior: SplitBehavior,
        invert: bool,
    },
    Literal {
        literal: Box<memchr::memmem::Finder<'static>>,
        behavior: SplitBehavior,
        invert: bool,
    },
    Delimiter(char),
    Digits(SplitBehavior),
    FixedLength(usize),
    Punctuation(SplitBehavior),
    UnicodeScripts,
    Whitespace,
    WhitespaceSplit,
}

/// The characters of the word class of `Whitespace`, then those of white space.
static WORDS: LazyLock<Option<Alphabet>> = LazyLock::new(|| {
    // That class has the two joiners besides what a word has in a pattern.
    let joiners = CharSet::of(['\u{200C}', '\u{200D}']);
    let (words, spaces) = word_characters();
    Alphabet::new(&[words.union(&joiners), spaces])
});

/// `char::is_numeric` of the reference's compiler (Unicode 17.0): the category N of the tables (16.0)
/// and what came with 17.0.
fn is_numeric(table: &ClassTable, c: char) -> bool {
    table.class(u32::from(c)) == NUMBER
        || matches!(c, '\u{11DE0}'..='\u{11DE9}' | '\u{16FF4}'..='\u{16FF6}')
}

fn flags_of(c: char) -> u8 {
    u8::try_from(u32::from(c)).ok().filter(u8::is_ascii).map_or_else(|| flags(c), ascii_flags)
}

/// Cuts at single characters.
#[inline]
fn by_character(
    text: &str,
    is: impl Fn(char) -> bool,
    behavior: SplitBehavior,
    piece: impl FnMut(usize, usize),
) {
    let mut joiner = Joiner::new(behavior, piece);
    let mut done = 0;
    for (at, c) in text.char_indices() {
        if is(c) {
            let end = at + c.len_utf8();
            if done < at {
                joiner.part(done, at, false);
            }
            joiner.part(at, end, true);
            done = end;
        }
    }
    if done < text.len() {
        joiner.part(done, text.len(), false);
    }
    joiner.flush();
}

impl Cut {
    /// The cut of a pattern.
    pub(super) fn split(
        pattern: &Pattern,
        behavior: SplitBehavior,
        invert: bool,
        dialect: Dialect,
    ) -> Result<Self> {
        let regex = match pattern {
            Pattern::String(literal) if literal.is_empty() => {
                // Matches between all characters, so that each is a part.
                return Ok(Self::Regex { regex: Regex::new("", dialect)?, behavior, invert });
            }
            Pattern::String(literal) => {
                let literal = memchr::memmem::Finder::new(literal.as_bytes()).into_owned();
                return Ok(Self::Literal { literal: Box::new(literal), behavior, invert });
            }
            Pattern::Regex(regex) => regex,
        };
        // The scanners cover the whole text with matches.
        let whole =
            behavior == SplitBehavior::Isolated || (behavior == SplitBehavior::Removed && invert);
        if whole && let Some(known) = pattern::known(regex, dialect) {
            return Ok(Self::Scan(Scanner::new(known)));
        }
        let regex = Regex::new(regex, dialect)?;
        Ok(match dialect {
            Dialect::Tiktoken if whole => Self::Matches(regex),
            _ => Self::Regex { regex, behavior, invert },
        })
    }

    /// What runs it.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Bert => "bert scanner",
            Self::Scan(scanner) => scanner.describe(),
            Self::Matches(_) | Self::Regex { .. } => "regex engine",
            Self::Literal { .. } => "literal search",
            Self::Delimiter(_) => "delimiter scanner",
            Self::Digits(_) => "digits scanner",
            Self::FixedLength(_) => "fixed length",
            Self::Punctuation(_) => "punctuation scanner",
            Self::UnicodeScripts => "script scanner",
            Self::Whitespace => "word scanner",
            Self::WhitespaceSplit => "white space scanner",
        }
    }

    /// Calls `piece` with the byte range of every piece that is not empty, in order.
    #[inline]
    pub(super) fn for_each(&self, text: &str, piece: impl FnMut(usize, usize)) -> Result<()> {
        match self {
            Self::Bert => bert::split(text, piece),
            Self::Scan(scanner) => scanner.for_each(text, piece),
            other => return other.for_each_general(text, piece),
        }
        Ok(())
    }

    fn for_each_general(&self, text: &str, mut piece: impl FnMut(usize, usize)) -> Result<()> {
        match self {
            Self::Matches(regex) => regex.for_each_match(text, |start, end| {
                if start < end {
                    piece(start, end);
                }
            })?,
            Self::Regex { regex, behavior, invert } => {
                by_regex(regex, *behavior, *invert, text, piece)?;
            }
            Self::Literal { literal, behavior, invert } => {
                let mut joiner = Joiner::new(*behavior, piece);
                let mut done = 0;
                for at in literal.find_iter(text.as_bytes()) {
                    if done < at {
                        joiner.part(done, at, *invert);
                    }
                    done = at + literal.needle().len();
                    joiner.part(at, done, !*invert);
                }
                if done < text.len() {
                    joiner.part(done, text.len(), *invert);
                }
                joiner.flush();
            }
            Self::Delimiter(delimiter) => {
                by_character(text, |c| c == *delimiter, SplitBehavior::Removed, piece);
            }
            Self::Digits(behavior) => {
                let table = ClassTable::get();
                by_character(text, |c| is_numeric(table, c), *behavior, piece);
            }
            Self::Punctuation(behavior) => {
                by_character(text, |c| flags_of(c) & PUNCTUATION != 0, *behavior, piece);
            }
            Self::WhitespaceSplit => {
                by_character(text, |c| flags_of(c) & WHITE != 0, SplitBehavior::Removed, piece);
            }
            Self::Whitespace => words(text, piece),
            Self::FixedLength(length) => {
                let mut start = 0;
                let starts = text.char_indices().map(|(at, _)| at).skip(1);
                for (count, at) in (1_usize..).zip(starts) {
                    if count.is_multiple_of(*length) {
                        piece(start, at);
                        start = at;
                    }
                }
                if start < text.len() {
                    piece(start, text.len());
                }
            }
            Self::UnicodeScripts => scripts(text, piece),
            Self::Bert | Self::Scan(_) => {}
        }
        Ok(())
    }
}

/// Cuts by matches, and gives what becomes of them.
pub(super) fn by_regex(
    regex: &Regex,
    behavior: SplitBehavior,
    invert: bool,
    text: &str,
    piece: impl FnMut(usize, usize),
) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut joiner = Joiner::new(behavior, piece);
    let mut done = 0;
    regex.for_each_match(text, |start, end| {
        if done < start {
            joiner.part(done, start, invert);
        }
        joiner.part(start, end, !invert);
        done = end;
    })?;
    if done < text.len() {
        joiner.part(done, text.len(), invert);
    }
    joiner.flush();
    Ok(())
}

/// `\w+|[^\w\s]+`
fn words(text: &str, mut piece: impl FnMut(usize, usize)) {
    let Some(alphabet) = WORDS.as_ref() else { return };
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut before = 2;
    let mut at = 0;
    while at < bytes.len() {
        let (class, length) = alphabet.at(bytes, at);
        let kind = match (alphabet.has(0, class), alphabet.has(1, class)) {
            (true, _) => 0,
            (_, true) => 2,
            _ => 1,
        };
        if kind != before {
            if before != 2 {
                piece(start, at);
            }
            (start, before) = (at, kind);
        }
        at += length;
    }
    if before != 2 && start < at {
        piece(start, at);
    }
}

/// The script of a character; 0 for none.
fn script(c: char) -> u8 {
    let code = u32::from(c);
    let after = SCRIPTS.partition_point(|&(first, _, _)| first <= code);
    match after.checked_sub(1).and_then(|index| SCRIPTS.get(index)) {
        Some(&(_, last, script)) if code <= last => script,
        _ => 0,
    }
}

/// Cuts where the script changes. Characters without one belong to what comes before them; in front of
/// the first script they are dropped.
fn scripts(text: &str, mut piece: impl FnMut(usize, usize)) {
    let mut start = None;
    let mut last = 0;
    for (at, c) in text.char_indices() {
        let script = script(c);
        if script != 0 && script != last {
            if let Some(start) = start {
                piece(start, at);
            }
            (start, last) = (Some(at), script);
        }
    }
    if let Some(start) = start {
        piece(start, text.len());
    }
}
