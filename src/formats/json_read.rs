//! Reading JSON of any size: objects as fields with raw values, vocabularies and merges straight
//! into vectors.

// A tokenizer file is one small document with two large parts. serde_json's values would cost a tree
// of a hundred thousand nodes; a derived reader could not say which of 50,000 merges is wrong.
// So a file is checked once as a whole (that is where syntax errors get their line), each part is
// kept as raw text, and the large parts are read by the visitors below, which note where they are
// when something does not fit. Raw text is skipped without recursion, and the parser of small parts
// has serde_json's bound of 128 levels, so depth costs nothing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::bpe_files::split_merge;
use super::json_ahead::{self, Ahead, ModelAhead};
use super::node::{shown, shown_key};
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

/// The fields of a file, and its model.
type Document<'a> = (Vec<(String, Part<'a>)>, Option<ModelParts<'a>>);

/// A model whose large parts were read ahead, where they are as usual.
pub(super) struct ModelParts<'a> {
    pub(super) fields: Vec<(String, Part<'a>)>,
    pub(super) vocab: Option<json_ahead::Entries<'a>>,
    pub(super) merges: Option<Vec<MergeText<'a>>>,
}

/// A whole text, from which errors take line and column.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// The name of the format in errors.
    pub(super) format: &'static str,
    text: &'a str,
}

/// A part of a text that is known to be JSON, at its path.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    source: Source<'a>,
    raw: &'a str,
}

impl<'a> Source<'a> {
    /// A text, when it is UTF-8 and does not begin with a byte order mark.
    pub(super) fn new(format: &'static str, bytes: &'a [u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = format!("byte {}", error.valid_up_to());
            Error::format(format, place, "invalid UTF-8")
        })?;
        if text.starts_with('\u{FEFF}') {
            let problem = "the file begins with a byte order mark; save it without one";
            return Err(Error::format(format, "", problem));
        }
        if text.trim_start().is_empty() {
            return Err(Error::format(format, "", "the file is empty"));
        }
        Ok(Self { format, text })
    }

    /// The fields of the object that the text is.
    pub(super) fn object(self) -> Result<Vec<(String, Part<'a>)>> {
        self.read(self.text, Fields, "").map(|fields| self.parts(fields))
    }

    /// The fields of a file, and its model where that was read with them.
    pub(super) fn document(self) -> Result<Document<'a>> {
        let Some(Ahead { fields, model }) = json_ahead::document(self.text) else {
            return Ok((self.object()?, None));
        };
        let model = model.map(|ModelAhead { fields, vocab, merges }| {
            let fields = fields.into_iter().map(|(key, raw)| (key, self.part(raw))).collect();
            ModelParts { fields, vocab, merges }
        });
        Ok((fields.into_iter().map(|(key, raw)| (key, self.part(raw))).collect(), model))
    }

    fn parts(self, fields: Vec<(String, &'a RawValue)>) -> Vec<(String, Part<'a>)> {
        fields.into_iter().map(|(key, raw)| (key, self.part(raw.get()))).collect()
    }

    fn part(self, raw: &'a str) -> Part<'a> {
        Part { source: self, raw }
    }

    /// Reads a part of the text by a visitor; `path` leads to the part.
    fn read<T>(self, part: &'a str, seed: impl Seed<'a, T>, path: &str) -> Result<T> {
        let mut inner = String::new();
        let mut json = serde_json::Deserializer::from_str(part);
        let read = seed.read(&mut json, &mut inner).and_then(|value| json.end().map(|()| value));
        read.map_err(|error| {
            let at = if inner.is_empty() { path.to_owned() } else { format!("{path}{inner}") };
            self.error(part, &error, at)
        })
    }

    /// An error of `serde_json` about a part of the text, with line and column of the text.
    fn error(self, part: &str, error: &serde_json::Error, path: String) -> Error {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let (line, column) = (error.line(), error.column());
        // serde_json counts columns in bytes and from the beginning of the part.
        let line_start: usize =
            part.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let at = (offset + line_start + column).min(self.text.len());
        let before = &self.text.as_bytes()[..at];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = at - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        let message: String = message[..end].chars().take(160).collect();
        let (place, problem) = if path.is_empty() {
            (format!("line {line}, column {column}"), message)
        } else {
            (path, format!("{message} (line {line}, column {column})"))
        };
        Error::format(self.format, place, problem)
    }
}

impl<'a> Part<'a> {
    pub(super) fn is_null(self) -> bool {
        self.raw == "null"
    }

    /// Whether it is a list.
    pub(super) fn is_list(self) -> bool {
        self.raw.starts_with('[')
    }

    /// The fields of the object that it is.
    pub(super) fn object(self, path: &str) -> Result<Vec<(String, Part<'a>)>> {
        let fields = self.source.read(self.raw, Fields, path)?;
        Ok(self.source.parts(fields))
    }

    /// A tree of values, for parts that are small: a tree takes up to forty times the memory of its
    /// text, so there is a bound of `limit` bytes.
    pub(super) fn value(self, path: &str, limit: usize) -> Result<Value> {
        let length = self.raw.len();
        if length > limit {
            let problem = format!("it is {length} bytes long, and {limit} is the limit");
            return Err(Error::format(self.source.format, path, problem));
        }
        self.source.read(self.raw, Tree, path)
    }

    /// An object of tokens and ids, in the order of the text.
    pub(super) fn vocab(self, path: &str) -> Result<Vec<(Cow<'a, str>, TokenId)>> {
        self.source.read(self.raw, Vocabulary, path)
    }

    /// A list of tokens and scores.
    pub(super) fn scores(self, path: &str) -> Result<Vec<(Cow<'a, str>, f64)>> {
        self.source.read(self.raw, Scores, path)
    }

    /// A list of merges.
    pub(super) fn merges(self, path: &str) -> Result<Vec<MergeText<'a>>> {
        self.source.read(self.raw, Merges, path)
    }
}

/// The two sides of a merge.
pub(super) type MergeText<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The tokens of a text that is nothing but an object of tokens and ids.
///
/// # Errors
/// [`Error::Format`] when it is something else; names the token whose id is none.
pub(super) fn read_vocab<'a>(
    format: &'static str,
    bytes: &'a [u8],
) -> Result<Vec<(Cow<'a, str>, TokenId)>> {
    let source = Source::new(format, bytes)?;
    match json_ahead::vocab(source.text) {
        Some(entries) => Ok(entries),
        None => source.read(source.text, Vocabulary, ""),
    }
}

/// Something that can be read from JSON, and that says where it failed.
trait Seed<'de, T> {
    fn read<D: Deserializer<'de>>(self, json: D, place: &mut String) -> Result<T, D::Error>;
}

struct Tree;

impl<'de> Seed<'de, Value> for Tree {
    fn read<D: Deserializer<'de>>(self, json: D, _: &mut String) -> Result<Value, D::Error> {
        serde::Deserialize::deserialize(json)
    }
}

/// Fields with raw values. A key that is there twice is an error: one of the two would be lost.
struct Fields;

impl<'de> Seed<'de, Vec<(String, &'de RawValue)>> for Fields {
    fn read<D: Deserializer<'de>>(
        self,
        json: D,
        place: &mut String,
    ) -> Result<Vec<(String, &'de RawValue)>, D::Error> {
        json.deserialize_map(FieldsVisitor(place))
    }
}

struct FieldsVisitor<'p>(&'p mut String);

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Self::Value = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.iter().any(|(known, _)| *known == key) {
                *self.0 = format!(".{}", shown_key(&key));
                return Err(A::Error::custom("the key is there twice"));
            }
            if fields.len() >= MAX_FIELDS {
                return Err(A::Error::custom(format!("more than {MAX_FIELDS} keys")));
            }
            fields.push((key, value));
        }
        Ok(fields)
    }
}

/// No object that is read field by field has more than a few.
pub(super) const MAX_FIELDS: usize = 100;

struct Vocabulary;

impl<'de> Seed<'de, Vec<(Cow<'de, str>, TokenId)>> for Vocabulary {
    fn read<D: Deserializer<'de>>(
        self,
        json: D,
        place: &mut String,
    ) -> Result<Vec<(Cow<'de, str>, TokenId)>, D::Error> {
        json.deserialize_map(VocabularyVisitor(place))
    }
}

struct VocabularyVisitor<'p>(&'p mut String);

impl<'de> Visitor<'de> for VocabularyVisitor<'_> {
    type Value = Vec<(Cow<'de, str>, TokenId)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens and ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(token) = map.next_key::<Text<'de>>()?.map(|text| text.0) {
            match map.next_value_seed(Id) {
                Ok(id) => entries.push((token, id)),
                Err(error) => {
                    *self.0 = format!("[{}]", shown(&token));
                    return Err(error);
                }
            }
        }
        Ok(entries)
    }
}

/// A string, borrowed where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

struct Id;

impl<'de> DeserializeSeed<'de> for Id {
    type Value = TokenId;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<TokenId, D::Error> {
        json.deserialize_u32(self)
    }
}

impl Visitor<'_> for Id {
    type Value = TokenId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id from 0 to {MAX_ID}")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<TokenId, E> {
        let id = TokenId::try_from(number).ok().filter(|&id| id <= MAX_ID);
        id.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
    }
}

struct Scores;

impl<'de> Seed<'de, Vec<(Cow<'de, str>, f64)>> for Scores {
    fn read<D: Deserializer<'de>>(
        self,
        json: D,
        place: &mut String,
    ) -> Result<Vec<(Cow<'de, str>, f64)>, D::Error> {
        json.deserialize_seq(ScoresVisitor(place))
    }
}

struct ScoresVisitor<'p>(&'p mut String);

impl<'de> Visitor<'de> for ScoresVisitor<'_> {
    type Value = Vec<(Cow<'de, str>, f64)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tokens and scores")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        loop {
            match seq.next_element::<(Text<'de>, f64)>() {
                Ok(Some((token, score))) => entries.push((token.0, score)),
                Ok(None) => return Ok(entries),
                Err(error) => {
                    *self.0 = format!("[{}]", entries.len());
                    return Err(error);
                }
            }
        }
    }
}

struct Merges;

impl<'de> Seed<'de, Vec<MergeText<'de>>> for Merges {
    fn read<D: Deserializer<'de>>(
        self,
        json: D,
        place: &mut String,
    ) -> Result<Vec<MergeText<'de>>, D::Error> {
        json.deserialize_seq(MergesVisitor(place))
    }
}

struct MergesVisitor<'p>(&'p mut String);

/// The two ways to write a merge. A list keeps to one, as the reference library wants it.
#[derive(Clone, Copy, PartialEq)]
enum MergeForm {
    Joined,
    Pair,
}

impl<'de> Visitor<'de> for MergesVisitor<'_> {
    type Value = Vec<MergeText<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut merges = Vec::new();
        let mut form = None;
        for index in 0.. {
            match seq.next_element_seed(Merge { wanted: form }) {
                Ok(None) => break,
                Ok(Some((found, merge))) => {
                    form = Some(found);
                    merges.extend(merge);
                }
                Err(error) => {
                    *self.0 = format!("[{index}]");
                    return Err(error);
                }
            }
        }
        Ok(merges)
    }
}

struct Merge {
    wanted: Option<MergeForm>,
}

impl Merge {
    fn check<E: serde::de::Error>(&self, form: MergeForm) -> Result<(), E> {
        match self.wanted {
            Some(wanted) if wanted != form => {
                Err(E::custom("some merges are strings and some are lists of two"))
            }
            _ => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Merge {
    /// No merge for a line that only tells the version, as old files have.
    type Value = (MergeForm, Option<MergeText<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Merge {
    type Value = (MergeForm, Option<MergeText<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a merge: two tokens in a list, or in a string with a space between them")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, line: &'de str) -> Result<Self::Value, E> {
        self.check(MergeForm::Joined)?;
        if line.starts_with("#version") {
            return Ok((MergeForm::Joined, None));
        }
        let (left, right) = split_merge(line).map_err(E::custom)?;
        Ok((MergeForm::Joined, Some((left.into(), right.into()))))
    }

    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Self::Value, E> {
        self.check(MergeForm::Joined)?;
        if line.starts_with("#version") {
            return Ok((MergeForm::Joined, None));
        }
        let (left, right) = split_merge(line).map_err(E::custom)?;
        Ok((MergeForm::Joined, Some((left.to_owned().into(), right.to_owned().into()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        self.check(MergeForm::Pair)?;
        let mut side = || Ok(seq.next_element::<Text<'de>>()?.map(|text| text.0));
        match (side()?, side()?, side()?) {
            (Some(left), Some(right), None) => Ok((MergeForm::Pair, Some((left, right)))),
            _ => Err(A::Error::custom("expected a list of two tokens")),
        }
    }
}
