#![allow(missing_docs)]
//! From normalised text to pieces: the part of a tokenizer that decides where no token may cross.
//!
//! A [`PreTokenizer`] is the declaration, as `tokenizer.json` spells it. A [`Splitter`] is what it
//! compiles to: a hand-written scanner where the pattern is one of the known families, the regex
//! engine otherwise. Pieces are byte ranges; nothing is allocated.

mod bert;
mod gpt;
mod pattern;
#[cfg(any(test, feature = "reference"))]
pub mod reference;

use crate::error::{Error, Result};
use crate::regex::{Dialect, Pattern, Regex};
use gpt::{Cl100kScanner, Gpt2Scanner};
use pattern::Known;

/// A pre-tokenizer as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreTokenizer {
    /// Bytes spelled in the byte alphabet, after splitting by GPT-2's pattern if asked for.
    ByteLevel {
        /// Put a space before a text that does not start with one.
        add_prefix_space: bool,
        /// Leave white space out of offsets (used by the post-processor of the same name).
        trim_offsets: bool,
        /// Split by GPT-2's pattern first.
        use_regex: bool,
    },
    /// Split by a pattern.
    Split {
        /// What separates or makes up pieces.
        pattern: Pattern,
        /// What becomes of the matches.
        behavior: SplitBehavior,
        /// Swap matches and the text between them.
        invert: bool,
    },
    /// White space removed, every punctuation character a piece of its own.
    Bert,
    /// Split at a character, which is dropped.
    CharDelimiterSplit(char),
    /// Digits apart from everything else.
    Digits {
        /// Each digit is a piece, not each run of them.
        individual: bool,
    },
    /// Pieces of so many characters.
    FixedLength(usize),
    /// Spaces become a visible character, and words begin with it.
    Metaspace {
        /// What stands for a space.
        replacement: char,
        /// Where one is put in front of a text that does not begin with it.
        prepend: PrependScheme,
        /// Split before each of them.
        split: bool,
    },
    /// Punctuation apart from everything else.
    Punctuation(SplitBehavior),
    /// Borders between scripts.
    UnicodeScripts,
    /// Words and runs of punctuation; white space is dropped.
    Whitespace,
    /// What lies between white space.
    WhitespaceSplit,
    /// One after the other.
    Sequence(Vec<PreTokenizer>),
}

/// Where a [`PreTokenizer::Metaspace`] puts its character in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrependScheme {
    /// In front of every stretch.
    Always,
    /// Nowhere.
    Never,
    /// In front of a stretch with which the text begins.
    First,
}

/// What becomes of the matches of a [`PreTokenizer::Split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBehavior {
    /// They are dropped.
    Removed,
    /// Each is a piece.
    Isolated,
    /// Each belongs to the piece before it.
    MergedWithPrevious,
    /// Each belongs to the piece after it.
    MergedWithNext,
    /// Neighbouring matches make up one piece.
    Contiguous,
}

impl PreTokenizer {
    /// The name of the kind, as `tokenizer.json` writes it, with those of the members of a sequence.
    pub fn describe(&self) -> String {
        let name = match self {
            Self::ByteLevel { .. } => "ByteLevel",
            Self::Split { .. } => "Split",
            Self::Bert => "BertPreTokenizer",
            Self::CharDelimiterSplit(_) => "CharDelimiterSplit",
            Self::Digits { .. } => "Digits",
            Self::FixedLength(_) => "FixedLength",
            Self::Metaspace { .. } => "Metaspace",
            Self::Punctuation(_) => "Punctuation",
            Self::UnicodeScripts => "UnicodeScripts",
            Self::Whitespace => "Whitespace",
            Self::WhitespaceSplit => "WhitespaceSplit",
            Self::Sequence(members) => {
                let names: Vec<String> = members.iter().map(Self::describe).collect();
                return format!("Sequence[{}]", names.join(", "));
            }
        };
        name.to_owned()
    }

    /// The byte-level pre-tokenizer of a split pattern: `Split` then `ByteLevel`, as files of the
    /// cl100k family carry it.
    pub fn byte_level_split(regex: impl Into<String>) -> Self {
        let pattern = Pattern::Regex(regex.into());
        Self::Sequence(vec![
            Self::Split { pattern, behavior: SplitBehavior::Isolated, invert: false },
            Self::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false },
        ])
    }

    /// The pre-tokenizer with a known name: `gpt2`, `cl100k_base`, `llama3`, `qwen2`, `o200k_base`,
    /// `bert`; any other text is taken as a regular expression for a byte-level model.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for `whitespace`, `metaspace`, `none`; [`Error::Argument`] for a
    /// pattern that cannot be compiled.
    pub fn by_name(name: &str) -> Result<Self> {
        let pre_tokenizer = match name {
            "gpt2" | "r50k_base" | "p50k_base" => {
                Self::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: true }
            }
            "bert" => Self::Bert,
            "whitespace" | "metaspace" | "none" => {
                return Err(Error::unsupported(format!("pretokenizer `{name}`"), ""));
            }
            _ => match pattern::named(name) {
                Some(regex) => Self::byte_level_split(regex),
                None => Self::byte_level_split(pattern::not_a_name("pretokenizer", name)?),
            },
        };
        Splitter::compile(&pre_tokenizer, Dialect::TokenizerJson)?;
        Ok(pre_tokenizer)
    }

    /// Whether the pieces are spelled in the byte alphabet.
    pub fn is_byte_level(&self) -> bool {
        match self {
            Self::ByteLevel { .. } => true,
            Self::Sequence(parts) => parts.iter().any(Self::is_byte_level),
            _ => false,
        }
    }
}

/// The regular expression that rank files are split by: tiktoken's spelling of a known name, or
/// `name` itself, in [`Dialect::Tiktoken`].
///
/// # Errors
/// [`Error::Argument`] for what looks like a name and is none of the known ones: as a regular
/// expression it would match nothing but itself.
pub fn rank_file_pattern(name: &str) -> Result<&str> {
    match pattern::rank_file(name) {
        Some(regex) => Ok(regex),
        None => pattern::not_a_name("pattern", name),
    }
}

/// A spelling of a rank file's pattern that `tokenizer.json` files may carry; none when it is not
/// known how.
pub(crate) fn portable_pattern(regex: &str) -> Option<&'static str> {
    pattern::portable(regex)
}

/// A compiled pre-tokenizer.
#[derive(Clone, Debug)]
pub struct Splitter {
    kind: Kind,
    /// Put a space before a text that does not start with one.
    pub(crate) add_prefix_space: bool,
    /// Whether pieces go to a byte-level model.
    pub(crate) byte_level: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Whole,
    Bert,
    Gpt2(Gpt2Scanner),
    Cl100k(Cl100kScanner),
    Regex { regex: Regex, keep_gaps: bool },
}

/// SHIM
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteAlphabet {
    Raw,
    Spelled,
}
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub base: usize,
    pub origins: Option<&'a [crate::ids::Span]>,
}
#[derive(Debug, Default)]
pub struct Pieces {
    pub text: String,
    pub spans: Vec<crate::ids::Span>,
    pub origins: Vec<crate::ids::Span>,
}
impl Splitter {
    pub fn rewrites(&self) -> bool {
        false
    }
    pub fn needs_place(&self) -> bool {
        false
    }
    pub fn split(
        &self,
        _text: &str,
        _place: Place<'_>,
        _aligned: bool,
        _out: &mut Pieces,
    ) -> Result<()> {
        Ok(())
    }
    /// Everything in one piece.
    pub fn whole() -> Self {
        Self { kind: Kind::Whole, add_prefix_space: false, byte_level: false }
    }

    /// Compiles a declaration. `dialect` says whose regular expressions it holds.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names a component, option or pattern that is not supported yet;
    /// [`Error::Argument`] a pattern that is no regular expression.
    pub fn compile(declared: &PreTokenizer, dialect: Dialect) -> Result<Self> {
        let mut splitter = Self::whole();
        splitter.add(declared, dialect)?;
        Ok(splitter)
    }

    fn add(&mut self, declared: &PreTokenizer, dialect: Dialect) -> Result<()> {
        if self.byte_level {
            let what = "a pre_tokenizer after `ByteLevel`".to_owned();
            return Err(Error::unsupported(what, "pre_tokenizer"));
        }
        match declared {
            PreTokenizer::ByteLevel { add_prefix_space, use_regex, .. } => {
                if *use_regex {
                    self.refine(Kind::Gpt2(Gpt2Scanner::new()))?;
                } else if *add_prefix_space && !matches!(self.kind, Kind::Whole) {
                    // There every piece of the split before would get a space.
                    let what = "`ByteLevel` with add_prefix_space after another pre_tokenizer";
                    return Err(Error::unsupported(what, "pre_tokenizer"));
                }
                self.add_prefix_space = *add_prefix_space;
                self.byte_level = true;
            }
            PreTokenizer::Split { pattern, behavior, invert } => {
                let Pattern::Regex(regex) = pattern else {
                    return Err(Error::unsupported("a `Split` by a literal", "pre_tokenizer"));
                };
                if *behavior != SplitBehavior::Isolated || *invert {
                    let what = format!("`Split` with behavior {behavior:?}, invert {invert}");
                    return Err(Error::unsupported(what, "pre_tokenizer"));
                }
                self.refine(match pattern::known(regex, dialect) {
                    Some(Known::Gpt2) => Kind::Gpt2(Gpt2Scanner::new()),
                    Some(Known::Cl100k { digits, end_run }) => {
                        Kind::Cl100k(Cl100kScanner::new(digits, end_run))
                    }
                    None => Kind::Regex {
                        regex: Regex::new(regex, dialect)?,
                        keep_gaps: dialect == Dialect::TokenizerJson,
                    },
                })?;
            }
            PreTokenizer::Bert => self.refine(Kind::Bert)?,
            PreTokenizer::CharDelimiterSplit(_)
            | PreTokenizer::Digits { .. }
            | PreTokenizer::FixedLength(_)
            | PreTokenizer::Metaspace { .. }
            | PreTokenizer::Punctuation(_)
            | PreTokenizer::UnicodeScripts
            | PreTokenizer::Whitespace
            | PreTokenizer::WhitespaceSplit => {
                return Err(Error::unsupported("this pre_tokenizer", "pre_tokenizer"));
            }
            PreTokenizer::Sequence(parts) => {
                for part in parts {
                    self.add(part, dialect)?;
                }
            }
        }
        Ok(())
    }

    fn refine(&mut self, kind: Kind) -> Result<()> {
        if !matches!(self.kind, Kind::Whole) {
            return Err(Error::unsupported("a sequence of several splits", "pre_tokenizer"));
        }
        self.kind = kind;
        Ok(())
    }

    /// Calls `piece` with the byte range of every piece, in order.
    ///
    /// # Errors
    /// [`Error::Pattern`] when a regular expression exceeds its bound; scanners never fail.
    #[inline]
    pub fn for_each(&self, text: &str, mut piece: impl FnMut(usize, usize)) -> Result<()> {
        match &self.kind {
            Kind::Whole if text.is_empty() => {}
            Kind::Whole => piece(0, text.len()),
            Kind::Bert => bert::split(text, piece),
            Kind::Gpt2(scanner) => scan(text, |bytes, at| scanner.next(bytes, at), piece),
            Kind::Cl100k(scanner) => scan(text, |bytes, at| scanner.next(bytes, at), piece),
            Kind::Regex { regex, keep_gaps } => isolate(regex, *keep_gaps, text, piece)?,
        }
        Ok(())
    }

    /// Whether the pieces go to a byte-level model.
    pub fn is_byte_level(&self) -> bool {
        self.byte_level
    }

    /// What runs it: the name of a scanner, or the regex engine.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Whole => "no split",
            Kind::Bert => "bert scanner",
            Kind::Gpt2(_) => "gpt2 scanner",
            Kind::Cl100k(_) => "cl100k scanner",
            Kind::Regex { .. } => "regex engine",
        }
    }
}

#[inline]
fn scan(text: &str, next: impl Fn(&[u8], usize) -> usize, mut piece: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = next(bytes, at);
        debug_assert!(end > at && text.is_char_boundary(end));
        piece(at, end);
        at = end;
    }
}

/// Every match is a piece; what lies between is one too, or is dropped.
fn isolate(
    regex: &Regex,
    keep_gaps: bool,
    text: &str,
    mut piece: impl FnMut(usize, usize),
) -> Result<()> {
    let mut done = 0;
    regex.for_each_match(text, |start, end| {
        if keep_gaps && done < start {
            piece(done, start);
        }
        if start < end {
            piece(start, end);
        }
        done = end;
    })?;
    if keep_gaps && done < text.len() {
        piece(done, text.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
