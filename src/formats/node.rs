//! A JSON value with the path that leads to it, for errors that say where.

// Only small parts of a file become values: vocabularies and merges are read straight into their
// vectors by `json_read`.

use serde_json::{Map, Value};

use super::json::FORMAT;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

/// One value of a document.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    pub(super) fn is_string(&self) -> bool {
        self.value.is_string()
    }

    /// An error at this place.
    pub(super) fn fail(&self, problem: impl Into<String>) -> Error {
        Error::format(FORMAT, self.path.clone(), problem)
    }

    /// An error of another layer, at this place.
    pub(super) fn adopt(&self, error: Error) -> Error {
        match error {
            Error::Unsupported { what, .. } => Error::unsupported(what, self.path.clone()),
            // Names from the file may be in it, of any length.
            other => self.fail(other.to_string().chars().take(4 * LIMIT).collect::<String>()),
        }
    }

    /// The field `key`, which must be there.
    pub(super) fn field(&self, key: &str) -> Result<Self> {
        let object = self.object()?;
        let value =
            object.get(key).ok_or_else(|| self.fail(format!("the field `{key}` is missing")))?;
        Ok(self.child(value, key))
    }

    /// The field `key`, when it is there and not null.
    pub(super) fn optional(&self, key: &str) -> Result<Option<Self>> {
        let value = self.object()?.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| self.child(value, key)))
    }

    /// The field `key`, when it is there, null or not: where the reference library has a default but
    /// takes no null for it.
    pub(super) fn present(&self, key: &str) -> Result<Option<Self>> {
        Ok(self.object()?.get(key).map(|value| self.child(value, key)))
    }

    /// The fields of an object, in the order of their names.
    pub(super) fn fields(&self) -> Result<Vec<(&'a str, Self)>> {
        let object = self.object()?;
        Ok(object.iter().map(|(key, value)| (key.as_str(), self.child(value, key))).collect())
    }

    /// The one field of an object that has no other: how files write an enumeration with content.
    pub(super) fn variant(&self) -> Result<(&'a str, Self)> {
        let mut fields = self.fields()?;
        match (fields.pop(), fields.is_empty()) {
            (Some(field), true) => Ok(field),
            _ => Err(self.fail("expected an object with one field")),
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>> {
        let list = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let item = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    pub(super) fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A string of one character.
    pub(super) fn character(&self) -> Result<char> {
        let mut characters = self.string()?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => Err(self.expected("one character")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub(super) fn number(&self) -> Result<f64> {
        self.value.as_f64().ok_or_else(|| self.expected("a number"))
    }

    /// A whole number that counts something.
    pub(super) fn size(&self) -> Result<usize> {
        let number = self.value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.expected("a whole number from 0 on"))
    }

    pub(super) fn u32(&self) -> Result<u32> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.expected(&format!("a whole number from 0 to {}", u32::MAX)))
    }

    pub(super) fn id(&self) -> Result<TokenId> {
        let number = self.value.as_u64().and_then(|number| TokenId::try_from(number).ok());
        let id = number.filter(|&id| id <= MAX_ID);
        id.ok_or_else(|| self.expected(&format!("an id from 0 to {MAX_ID}")))
    }

    /// What stands at the string `choices` names; anything else is an error that lists them.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let given = self.string()?;
        choices.iter().find(|(name, _)| *name == given).map(|&(_, choice)| choice).ok_or_else(
            || {
                let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                self.expected(&format!("one of {}", names.join(", ")))
            },
        )
    }

    fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    fn child(&self, value: &'a Value, key: &str) -> Self {
        Self { value, path: format!("{}.{}", self.path, shown_key(key)) }
    }

    fn expected(&self, wanted: &str) -> Error {
        self.fail(format!("expected {wanted}, found {}", found(self.value)))
    }
}

/// The most characters of a file's own text that one message shows.
const LIMIT: usize = 40;

/// A key as part of a path: bare when it is a name, quoted when it is anything else.
pub(super) fn shown_key(key: &str) -> String {
    let bare = (1..=LIMIT).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if bare { key.to_owned() } else { shown(key) }
}

/// The beginning of a string, in quotes.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(LIMIT) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => shown(value),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
