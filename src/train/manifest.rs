//! How words were counted, and from what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How words were counted, and from what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The pre-tokenizer, as a component of `tokenizer.json`.
    pub pretokenizer: String,
    /// The normalizer, likewise; `null` when there was none.
    pub normalizer: String,
    /// The Unicode version of the classes that split patterns use.
    pub unicode: String,
    /// Special tokens that were cut out of the text, with how often they stood there. Words do not reach
    /// across them.
    #[serde(default)]
    pub special_tokens: BTreeMap<String, u64>,
    /// What was counted; each has a count of its own for every word.
    pub sources: Vec<TextSource>,
    /// The number of documents.
    pub documents: u64,
    /// Bytes of text, before normalisation.
    pub bytes: u64,
    /// The version of this library.
    pub version: String,
}

/// Text that is counted apart from other text: a language, a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSource {
    /// Its name; empty when there was no reason to tell sources apart.
    pub name: String,
    /// How often each of its words counts.
    pub weight: u64,
    /// The number of its documents.
    pub documents: u64,
    /// Its bytes of text, before normalisation.
    pub bytes: u64,
    /// Invalid sequences that became U+FFFD, where that was asked for.
    pub replaced: u64,
    /// The most bytes that were to be taken from it; none for all of it.
    pub max_bytes: Option<u64>,
    /// Files and whatever else its text came from, in the order of reading.
    pub inputs: Vec<TextInput>,
}

/// A file, or what else text came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextInput {
    /// The path, or what it is.
    pub name: String,
    /// The bytes of the file; of the text where it was no file.
    pub bytes: u64,
    /// The XXH64 digest of the file, `xxh64:` and 16 digits; none where it was no file, or was not read
    /// to its end.
    pub digest: Option<String>,
}

impl Manifest {
    /// Whether words were cut in the same way; special tokens, sources and totals may differ.
    ///
    /// # Errors
    /// [`Error::Training`] says what differs.
    pub fn check_same_words(&self, other: &Self) -> Result<()> {
        let parts = [
            ("pretokenizer", &self.pretokenizer, &other.pretokenizer),
            ("normalizer", &self.normalizer, &other.normalizer),
            ("Unicode version", &self.unicode, &other.unicode),
        ];
        for (what, ours, theirs) in parts {
            if ours != theirs {
                let problem =
                    format!("counts of different {what}s do not add up: {ours}, {theirs}");
                return Err(Error::training(problem));
            }
        }
        Ok(())
    }

    /// Whether counts of both may be added: the words are cut in the same way, special tokens too.
    ///
    /// # Errors
    /// [`Error::Training`] says what differs.
    pub fn check_adds_up(&self, other: &Self) -> Result<()> {
        self.check_same_words(other)?;
        if self.special_tokens.keys().eq(other.special_tokens.keys()) {
            return Ok(());
        }
        let list =
            |manifest: &Self| format!("{:?}", manifest.special_tokens.keys().collect::<Vec<_>>());
        let problem = format!(
            "counts without the same special tokens do not add up: {}, {}",
            list(self),
            list(other)
        );
        Err(Error::training(problem))
    }

    /// Where the text came from, for messages: the first three inputs.
    pub(crate) fn origin(&self) -> String {
        let mut inputs = self.sources.iter().flat_map(|source| &source.inputs);
        let first: Vec<&str> = inputs.by_ref().take(3).map(|input| input.name.as_str()).collect();
        match inputs.count() {
            0 => first.join(", "),
            more => format!("{} and {more} more", first.join(", ")),
        }
    }
}

impl TextSource {
    /// A source without a name.
    pub fn unnamed() -> Self {
        Self { weight: 1, ..Self::default() }
    }

    /// Takes over what another source of this name was.
    pub(crate) fn add(&mut self, other: &Self) {
        self.documents = self.documents.saturating_add(other.documents);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.replaced = self.replaced.saturating_add(other.replaced);
        self.max_bytes = self.max_bytes.zip(other.max_bytes).map(|(ours, theirs)| ours.max(theirs));
        self.inputs.extend_from_slice(&other.inputs);
    }

    /// Takes a part away; none when it is no part.
    pub(crate) fn subtract(&mut self, other: &Self) -> Option<()> {
        self.documents = self.documents.checked_sub(other.documents)?;
        self.bytes = self.bytes.checked_sub(other.bytes)?;
        self.replaced = self.replaced.saturating_sub(other.replaced);
        for input in &other.inputs {
            if let Some(at) = self.inputs.iter().position(|ours| ours == input) {
                self.inputs.remove(at);
            }
        }
        Some(())
    }
}
