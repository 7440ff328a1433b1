//! One line of JSON: the text in a field of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::{Error, Result};
use crate::unicode::utf8;

/// A line that is not empty, as the value of the field `field`. The error says all but the file.
///
/// # Errors
/// [`Error::Format`] when it is not UTF-8, no object, or has no text of this name.
pub(crate) fn text<'a>(line: &'a [u8], field: &str, number: u64) -> Result<Cow<'a, str>> {
    let bad = |place: String, problem: String| Error::format("JSON lines", place, problem);
    let place = || format!("line {number}");
    let line = utf8::text(line).map_err(|error| {
        bad(format!("line {number}, byte {}", error.valid_up_to()), "invalid UTF-8".to_owned())
    })?;
    // An array would do for `serde`, too: its items in the order of the fields.
    if !line.starts_with('{') {
        return Err(bad(place(), "no object `{...}`".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let found = Field(field).deserialize(&mut json).and_then(|text| json.end().map(|()| text));
    found.map_err(|error| bad(place(), explained(&error.to_string(), line)))
}

/// The error; with the fields that there are, when the one that was asked for is not.
#[cold]
fn explained(problem: &str, line: &str) -> String {
    const SHOWN: usize = 8;
    // The line has a number already, and for the parser it is the first.
    let problem = problem.replace(" at line 1 column ", " at column ");
    if !problem.starts_with("missing field") {
        return problem;
    }
    let problem = problem.split(" at column ").next().unwrap_or_default();
    let problem = problem.to_owned();
    let Ok(fields) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line)
    else {
        return problem;
    };
    let names: Vec<String> = fields.keys().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if fields.len() > SHOWN { " ..." } else { "" };
    format!("{problem}; there is {}{more}", names.join(", "))
}

/// The field with this name, of an object.
struct Field<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

/// A text that is borrowed where it stands there as it is.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<Borrowed<'de>>()? {
            if name.0 != self.0 {
                fields.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(A::Error::custom(format!("duplicate field `{}`", self.0)));
            } else {
                found = Some(fields.next_value::<Borrowed<'de>>()?.0);
            }
        }
        found.ok_or_else(|| A::Error::custom(format!("missing field `{}`", self.0)))
    }
}

/// Text with U+FFFD where it was not UTF-8, and how often that was.
pub(crate) fn repaired(bytes: &[u8]) -> (String, u64) {
    let (mut text, mut replaced) = (String::with_capacity(bytes.len()), 0);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            replaced += 1;
        }
    }
    (text, replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &[u8]) -> String {
        text(line, "text", 7).unwrap_err().to_string()
    }

    #[test]
    fn the_field_is_read_wherever_it_stands() {
        let line = br#"{"id": {"text": 1}, "text": "a\nb", "z": [1]}"#;
        assert_eq!(text(line, "text", 1).unwrap(), "a\nb");
        assert!(matches!(text(br#"{"a": "b"}"#, "a", 1).unwrap(), Cow::Borrowed("b")));
        assert_eq!(text(br#"{"b": 1, "\u0061": "c"}"#, "a", 1).unwrap(), "c");
    }

    #[test]
    fn bad_lines_are_told() {
        for (line, want) in [
            (&b"[1]"[..], "no object"),
            (b"{\"text\": ", "EOF"),
            (b"{\"text\": \"a\"} x", "trailing"),
            (b"{\"text\": 5}", "expected a string"),
            (b"{\"text\": \"a\", \"text\": \"b\"}", "duplicate field `text`"),
            (b"{\"id\": 1, \"body\": 2}", "missing field `text`; there is `body`, `id`"),
            (b"{\"text\": \"\\ud800\"}", "hex escape"),
            (b"{\"text\": \"a\xFF\"}", "at line 7, byte 11: invalid UTF-8"),
        ] {
            assert!(told(line).contains(want), "{}", told(line));
            assert!(told(line).contains("line 7"), "{}", told(line));
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_counted() {
        assert_eq!(repaired(b"a\xFFb\xE4\xB8"), ("a\u{FFFD}b\u{FFFD}".to_owned(), 2));
        assert_eq!(repaired("é".as_bytes()), ("é".to_owned(), 0));
    }
}
