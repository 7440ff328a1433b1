//! Errors as data: what was given, which bound it broke, and where.
//!
//! Every fallible call of the crate returns [`Error`]. Messages are written here and nowhere else, in
//! lower case and without a full stop, so that callers can put them into sentences of their own.
//! [`Error::kind`] is what the Python binding maps to its exception classes.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the data to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument of a call is outside its bounds.
    #[error("{name} is {given}, but must be {wanted}")]
    Argument {
        /// The argument's name, as the caller knows it.
        name: &'static str,
        /// The value that was given.
        given: String,
        /// The condition that it does not meet.
        wanted: String,
    },
    /// A text is not valid Unicode.
    #[error("{problem} at {unit} {position}{}", Row(*row))]
    Text {
        /// What is wrong with it.
        problem: &'static str,
        /// What `position` counts: `"byte"` or `"character"`.
        unit: &'static str,
        /// Where the first fault is.
        position: usize,
        /// The row of a batch, when there is one.
        row: Option<usize>,
    },
    /// An id that no token has.
    #[error("id {id} at position {position}{} is not in the vocabulary of {size} ids", Row(*row))]
    UnknownId {
        /// The id as it was given.
        id: i128,
        /// Its index in the sequence.
        position: usize,
        /// The row of a batch, when there is one.
        row: Option<usize>,
        /// Ids below this number may exist.
        size: usize,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `"read"`, `"write"`, `"open"` ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The content of a file breaks the rules of its format.
    #[error("{}{format}{}: {problem}", File(path.as_deref()), Place(place))]
    Format {
        /// The format that was expected, such as `tokenizer.json`.
        format: &'static str,
        /// The file, when the content came from one.
        path: Option<PathBuf>,
        /// The JSON path, the line or the byte; empty when the whole file is meant.
        place: String,
        /// What was found and what should stand there.
        problem: String,
    },
    /// The content is valid, but this version cannot do it justice; it is never approximated.
    #[error("{}{what} is not supported yet{}", File(path.as_deref()), Place(place))]
    Unsupported {
        /// The component or option, with its name.
        what: String,
        /// The file, when the content came from one.
        path: Option<PathBuf>,
        /// Where it stands.
        place: String,
    },
    /// A split pattern could not be applied to a text within its bounds.
    #[error("the split pattern gave up at byte {position}: {reason}")]
    Pattern {
        /// The byte of the text where the match was tried.
        position: usize,
        /// The engine's reason.
        reason: String,
    },
    /// A piece of text that a model cannot encode: it has no token for it, nor one for the unknown.
    #[error("no token for {piece:?}: {problem}")]
    UnknownPiece {
        /// The piece, or how it begins.
        piece: String,
        /// Why there is no token of the unknown.
        problem: String,
    },
    /// Training cannot give a vocabulary from what it was given.
    #[error("cannot train: {problem}")]
    Training {
        /// What is missing or in contradiction.
        problem: String,
    },
    /// The caller asked to stop, through the progress callback.
    #[error("interrupted")]
    Interrupted,
}

/// The classes of [`Error`]; the Python package has one exception class for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument outside its bounds.
    Argument,
    /// Invalid Unicode.
    Text,
    /// An id that no token has.
    UnknownId,
    /// The operating system refused something.
    Io,
    /// A file that breaks the rules of its format.
    Format,
    /// A file that needs what is not there yet.
    Unsupported,
    /// A split pattern that gave up.
    Pattern,
    /// A piece without a token, and no token of the unknown.
    UnknownPiece,
    /// Training that cannot succeed.
    Training,
    /// The caller asked to stop.
    Interrupted,
}

impl Error {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Argument { .. } => ErrorKind::Argument,
            Self::Text { .. } => ErrorKind::Text,
            Self::UnknownId { .. } => ErrorKind::UnknownId,
            Self::Io { .. } => ErrorKind::Io,
            Self::Format { .. } => ErrorKind::Format,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Pattern { .. } => ErrorKind::Pattern,
            Self::UnknownPiece { .. } => ErrorKind::UnknownPiece,
            Self::Training { .. } => ErrorKind::Training,
            Self::Interrupted => ErrorKind::Interrupted,
        }
    }

    /// An argument outside its bounds.
    pub fn argument(
        name: &'static str,
        given: impl fmt::Display,
        wanted: impl Into<String>,
    ) -> Self {
        Self::Argument { name, given: clipped(given.to_string()), wanted: clipped(wanted.into()) }
    }

    /// A failed system call.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Content that breaks the rules of its format; the file is named later by [`Error::in_file`].
    pub fn format(
        format: &'static str,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Format {
            format,
            path: None,
            place: clipped(place.into()),
            problem: clipped(problem.into()),
        }
    }

    /// Content that is valid but not supported yet.
    pub fn unsupported(what: impl Into<String>, place: impl Into<String>) -> Self {
        Self::Unsupported { what: clipped(what.into()), path: None, place: clipped(place.into()) }
    }

    /// A piece that a model cannot encode; a long one is clipped.
    pub fn unknown_piece(piece: &str, problem: impl Into<String>) -> Self {
        const SHOWN: usize = 40;
        let start = piece.char_indices().nth(SHOWN).map(|(end, _)| &piece[..end]);
        let piece = start.map_or_else(|| piece.to_owned(), |start| format!("{start}…"));
        Self::UnknownPiece { piece, problem: clipped(problem.into()) }
    }

    /// Training that cannot succeed.
    pub fn training(problem: impl Into<String>) -> Self {
        Self::Training { problem: problem.into() }
    }

    /// Bytes that are not UTF-8.
    pub fn utf8(error: std::str::Utf8Error) -> Self {
        Self::Text {
            problem: "invalid UTF-8",
            unit: "byte",
            position: error.valid_up_to(),
            row: None,
        }
    }

    /// The same error, with the file it came from.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        if let Self::Format { path, .. } | Self::Unsupported { path, .. } = &mut self {
            path.get_or_insert_with(|| file.to_owned());
        }
        self
    }

    /// The same error, with the row of the batch it belongs to.
    #[must_use]
    pub fn in_row(mut self, index: usize) -> Self {
        if let Self::Text { row, .. } | Self::UnknownId { row, .. } = &mut self {
            row.get_or_insert(index);
        }
        self
    }
}

/// A part of a message that may hold text of a file: the middle of a long one goes.
fn clipped(part: String) -> String {
    const BEGINNING: usize = 400;
    const END: usize = 200;
    let floor = |text: &str, at| (0..=at).rfind(|&at| text.is_char_boundary(at)).unwrap_or(0);
    if part.len() <= BEGINNING + END + 3 {
        return part;
    }
    let beginning = &part[..floor(&part, BEGINNING)];
    let end = &part[floor(&part, part.len() - END)..];
    format!("{beginning}...{end}")
}

struct Row(Option<usize>);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |row| write!(f, " of row {row}"))
    }
}

struct File<'a>(Option<&'a Path>);

impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |path| write!(f, "{}: ", path.display()))
    }
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " at {}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_bound_and_place() {
        let error = Error::argument("stride", 9, "less than max_length (8)");
        assert_eq!(error.to_string(), "stride is 9, but must be less than max_length (8)");
        let error = Error::UnknownId { id: 70_000, position: 3, row: None, size: 50_257 }.in_row(2);
        let text = "id 70000 at position 3 of row 2 is not in the vocabulary of 50257 ids";
        assert_eq!(error.to_string(), text);
        let error = Error::format("tokenizer.json", "model.merges[17]", "names no token")
            .in_file(Path::new("a.json"));
        assert_eq!(error.to_string(), "a.json: tokenizer.json at model.merges[17]: names no token");
        let error = Error::unsupported("pre_tokenizer type `X`", "pre_tokenizer");
        let text = "pre_tokenizer type `X` is not supported yet at pre_tokenizer";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn long_parts_of_messages_lose_their_middle() {
        let text = "é".repeat(100_000);
        let error = Error::format("vocab.txt", &*text, format!("{text}, at the end"));
        let message = error.to_string();
        assert!(message.len() < 1300 && message.ends_with(", at the end"), "{}", message.len());
        assert!(Error::argument("name", &text, &*text).to_string().len() < 1300);
        assert!(Error::unsupported(&*text, "").to_string().len() < 700);
    }

    #[test]
    fn the_innermost_place_wins() {
        let error = Error::format("vocab.txt", "line 3", "duplicate").in_file(Path::new("inner"));
        let error = error.in_file(Path::new("outer"));
        assert!(error.to_string().starts_with("inner: "));
    }
}
