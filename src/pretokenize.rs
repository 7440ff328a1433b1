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

pub use pattern::Dialect;

use crate::error::{Error, Result};
use gpt::{Cl100kScanner, Gpt2Scanner};
use pattern::{Known, RegexSplitter};

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
        pattern: SplitPattern,
        /// What becomes of the matches.
        behavior: SplitBehavior,
        /// Swap matches and the text between them.
        invert: bool,
    },
    /// White space removed, every punctuation character a piece of its own.
    Bert,
    /// One after the other.
    Sequence(Vec<PreTokenizer>),
}

/// What a [`PreTokenizer::Split`] looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitPattern {
    /// This very text.
    String(String),
    /// A regular expression.
    Regex(String),
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
    /// The byte-level pre-tokenizer of a split pattern: `Split` then `ByteLevel`, as files of the
    /// cl100k family carry it.
    pub fn byte_level_split(regex: impl Into<String>) -> Self {
        let pattern = SplitPattern::Regex(regex.into());
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
            Self::Split { .. } | Self::Bert => false,
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
    Regex(Box<RegexSplitter>),
}

impl Splitter {
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
                let SplitPattern::Regex(regex) = pattern else {
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
                    None => Kind::Regex(Box::new(RegexSplitter::new(regex, dialect)?)),
                })?;
            }
            PreTokenizer::Bert => self.refine(Kind::Bert)?,
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
            Kind::Regex(regex) => regex.for_each(text, piece)?,
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
            Kind::Regex(_) => "regex engine",
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

#[cfg(test)]
mod tests;
