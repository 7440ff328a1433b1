//! From normalised text to pieces: the part of a tokenizer that decides where no token may cross.
//!
//! A [`PreTokenizer`] is the declaration, as `tokenizer.json` spells it. A [`Splitter`] is what it
//! compiles to: steps that cut, each a scanner or the regex engine, and steps that rewrite. Without the
//! latter, pieces are byte ranges of the text and nothing is allocated; with them, see [`Pieces`].

mod behavior;
mod bert;
mod cut;
mod gpt;
mod masks;
mod o200k;
mod pattern;
mod pieces;
#[cfg(any(test, feature = "reference"))]
pub mod reference;

use crate::error::{Error, Result};
use crate::regex::{Dialect, Pattern};
use cut::Cut;
pub(crate) use masks::{Ends, Scanner};
use pattern::Known;
pub use pieces::{Pieces, Place};

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
    /// `bert`, `whitespace`, `metaspace`, or `none`, which is a sequence of nothing: one piece. Any other
    /// text is taken as a regular expression for a byte-level model.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Unsupported`] for a pattern that cannot be compiled.
    pub fn by_name(name: &str) -> Result<Self> {
        let pre_tokenizer = match name {
            "gpt2" | "r50k_base" | "p50k_base" | "p50k_edit" => {
                Self::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: true }
            }
            "bert" => Self::Bert,
            "whitespace" => Self::Whitespace,
            "metaspace" => {
                Self::Metaspace { replacement: '▁', prepend: PrependScheme::Always, split: true }
            }
            "none" => Self::Sequence(Vec::new()),
            _ => match pattern::named(name) {
                Some(regex) => Self::byte_level_split(regex),
                None => Self::byte_level_split(pattern::not_a_name("pretokenizer", name)?),
            },
        };
        Splitter::compile(&pre_tokenizer, Dialect::TokenizerJson, ByteAlphabet::Raw)?;
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

/// Whether a `ByteLevel` that comes last leaves bytes as they are, because the model takes them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteAlphabet {
    /// As they are.
    Raw,
    /// Spelled, as everywhere else.
    Spelled,
}

/// A compiled pre-tokenizer.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what is asked on the way of every piece")]
pub struct Splitter {
    steps: Vec<Step>,
    /// Put a space before a text that does not start with one. Set where that is all that is rewritten.
    pub(crate) add_prefix_space: bool,
    /// Whether pieces go to a byte-level model.
    pub(crate) byte_level: bool,
    /// Whether pieces are bytes that a model takes as they are.
    raw: bool,
    /// Whether a step asks where a piece comes from.
    asks_place: bool,
    /// Whether it asks that after another step.
    looks_back: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Cut(Cut),
    /// A space in front of every piece that has none.
    PrefixSpace,
    /// Bytes in the byte alphabet.
    Spell,
    Metaspace {
        replacement: char,
        prepend: PrependScheme,
        split: bool,
    },
}

/// The most steps that a text is taken through.
const MAX_STEPS: usize = 1024;

impl Splitter {
    /// Everything in one piece.
    pub fn whole() -> Self {
        Self {
            steps: Vec::new(),
            add_prefix_space: false,
            byte_level: false,
            raw: false,
            asks_place: false,
            looks_back: false,
        }
    }

    /// Compiles a declaration. `dialect` says whose regular expressions it holds, `bytes` what a
    /// `ByteLevel` gives that comes last.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names what a pattern holds that is not supported; [`Error::Argument`]
    /// a pattern that is no regular expression, or a `FixedLength` of none.
    pub fn compile(declared: &PreTokenizer, dialect: Dialect, bytes: ByteAlphabet) -> Result<Self> {
        let mut splitter = Self::whole();
        splitter.add(declared, dialect)?;
        if splitter.steps.len() > MAX_STEPS {
            let what = format!("a pre_tokenizer of more than {MAX_STEPS} steps");
            return Err(Error::unsupported(what, "pre_tokenizer"));
        }
        if bytes == ByteAlphabet::Raw && matches!(splitter.steps.last(), Some(Step::Spell)) {
            splitter.steps.pop();
            splitter.raw = true;
            if matches!(splitter.steps.first(), Some(Step::PrefixSpace))
                && splitter.steps[1..].iter().all(|step| matches!(step, Step::Cut(_)))
            {
                splitter.steps.remove(0);
                splitter.add_prefix_space = true;
            }
        }
        Ok(splitter)
    }

    fn add(&mut self, declared: &PreTokenizer, dialect: Dialect) -> Result<()> {
        let step = match declared {
            PreTokenizer::ByteLevel { add_prefix_space, use_regex, .. } => {
                if *add_prefix_space {
                    self.steps.push(Step::PrefixSpace);
                }
                if *use_regex {
                    self.steps.push(Step::Cut(Cut::Scan(Scanner::new(Known::Gpt2))));
                }
                self.byte_level = true;
                Step::Spell
            }
            &PreTokenizer::Metaspace { replacement, prepend, split } => {
                self.asks_place |= prepend == PrependScheme::First;
                self.looks_back |= self.asks_place && !self.steps.is_empty();
                Step::Metaspace { replacement, prepend, split }
            }
            PreTokenizer::Sequence(parts) => {
                return parts.iter().try_for_each(|part| self.add(part, dialect));
            }
            PreTokenizer::Split { pattern, behavior, invert } => {
                Step::Cut(Cut::split(pattern, *behavior, *invert, dialect)?)
            }
            PreTokenizer::Bert => Step::Cut(Cut::Bert),
            PreTokenizer::CharDelimiterSplit(delimiter) => Step::Cut(Cut::Delimiter(*delimiter)),
            PreTokenizer::Digits { individual: true } => {
                Step::Cut(Cut::Digits(SplitBehavior::Isolated))
            }
            PreTokenizer::Digits { individual: false } => {
                Step::Cut(Cut::Digits(SplitBehavior::Contiguous))
            }
            PreTokenizer::FixedLength(0) => {
                return Err(Error::argument("length", 0, "at least 1 in a `FixedLength`"));
            }
            PreTokenizer::FixedLength(length) => Step::Cut(Cut::FixedLength(*length)),
            PreTokenizer::Punctuation(behavior) => Step::Cut(Cut::Punctuation(*behavior)),
            PreTokenizer::UnicodeScripts => Step::Cut(Cut::UnicodeScripts),
            PreTokenizer::Whitespace => Step::Cut(Cut::Whitespace),
            PreTokenizer::WhitespaceSplit => Step::Cut(Cut::WhitespaceSplit),
        };
        self.steps.push(step);
        Ok(())
    }

    /// Whether pieces are pieces of another text, so that only [`Splitter::split`] can give them. A
    /// space in front of the text alone, which [`Splitter::for_each`] leaves to its caller, is not meant.
    pub fn rewrites(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Cut(_)))
    }

    /// Calls `piece` with the byte range of every piece, in order.
    ///
    /// # Errors
    /// [`Error::Pattern`] when a regular expression exceeds its bound; scanners never fail.
    /// [`Error::Unsupported`] when the text would have to be rewritten.
    #[inline]
    pub fn for_each(&self, text: &str, mut piece: impl FnMut(usize, usize)) -> Result<()> {
        match self.steps.as_slice() {
            [] if text.is_empty() => Ok(()),
            [] => {
                piece(0, text.len());
                Ok(())
            }
            [Step::Cut(cut)] => cut.for_each(text, piece),
            steps => cut_in_turn(steps, text, 0, &mut piece),
        }
    }

    /// The scanner, where that is all that cuts.
    #[inline]
    pub(crate) fn scanner(&self) -> Option<Scanner> {
        match self.steps.as_slice() {
            [Step::Cut(Cut::Scan(scanner))] => Some(*scanner),
            _ => None,
        }
    }

    /// Whether the pieces go to a byte-level model.
    pub fn is_byte_level(&self) -> bool {
        self.byte_level
    }

    /// Whether pieces are bytes, for a model that takes them so.
    pub(crate) fn gives_bytes(&self) -> bool {
        self.raw
    }

    /// Whether the result depends on where in the original text the given one stands.
    pub(crate) fn asks_place(&self) -> bool {
        self.asks_place
    }

    /// What runs it: the name of a scanner, or the regex engine.
    pub fn describe(&self) -> &'static str {
        match self.steps.as_slice() {
            [] => "no split",
            [Step::Cut(cut)] => cut.describe(),
            _ => "several steps",
        }
    }
}

/// Cuts by the first step, and each piece by the others.
fn cut_in_turn(
    steps: &[Step],
    text: &str,
    base: usize,
    piece: &mut dyn FnMut(usize, usize),
) -> Result<()> {
    match steps {
        [] => {
            piece(base, base + text.len());
            Ok(())
        }
        [Step::Cut(cut), rest @ ..] => {
            let mut result = Ok(());
            cut.for_each(text, |start, end| {
                if result.is_ok() {
                    result = cut_in_turn(rest, &text[start..end], base + start, piece);
                }
            })?;
            result
        }
        _ => Err(Error::unsupported("a pre_tokenizer that rewrites its text", "pre_tokenizer")),
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
