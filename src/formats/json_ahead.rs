//! One walk over a `tokenizer.json` of the usual shape.
//!
//! `json_read` reads every byte of a file's vocabulary and merges three times: with the whole file, with
//! the model, and for what they hold. Here they are read where they are met. Whatever is not as
//! usual (a syntax error, an id that is none, a key that is there twice, a version line among the
//! merges) ends the walk without a word: then `json_read` does it all, and finds the words. So
//! nothing is accepted here that is not accepted there, and it is read to the same end.

use std::borrow::Cow;

use super::bpe_files::split_merge;
use super::json_read::{MAX_FIELDS, MergeText};
use crate::ids::{MAX_ID, TokenId};

/// Keys with the text of their values.
type Fields<'a> = Vec<(String, &'a str)>;
/// Tokens and ids, in the order of the text.
pub(super) type Entries<'a> = Vec<(Cow<'a, str>, TokenId)>;

/// A file: its fields, and what its model holds, when that is an object.
pub(super) struct Ahead<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) model: Option<ModelAhead<'a>>,
}

/// The fields of a model, and the large ones among them as what they hold.
pub(super) struct ModelAhead<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) vocab: Option<Entries<'a>>,
    pub(super) merges: Option<Vec<MergeText<'a>>>,
}

/// A whole file.
pub(super) fn document(text: &str) -> Option<Ahead<'_>> {
    let mut walk = Walk { text, bytes: text.as_bytes(), at: 0 };
    let mut model = None;
    let fields = walk.fields(|walk, key| {
        if key == "model" && walk.peek()? == b'{' {
            model = Some(walk.model()?);
            return Some(());
        }
        walk.skip()
    })?;
    walk.end().then_some(Ahead { fields, model })
}

/// A text that is nothing but an object of tokens and ids.
pub(super) fn vocab(text: &str) -> Option<Entries<'_>> {
    let mut walk = Walk { text, bytes: text.as_bytes(), at: 0 };
    let entries = walk.vocab()?;
    walk.end().then_some(entries)
}

/// A string between its quotes.
struct Quoted<'a> {
    inner: &'a str,
    escaped: bool,
}

impl<'a> Quoted<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        if self.escaped { unescape(self.inner).map(Cow::Owned) } else { Some(self.inner.into()) }
    }
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// The next byte that is no white space; it stays the next.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                &byte => return Some(byte),
            }
        }
    }

    /// Takes the next byte that is no white space.
    #[inline]
    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.take()? == wanted).then_some(())
    }

    fn end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Calls `item` for each item up to `close`, where the opening one was taken.
    fn items(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            match self.take()? {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    fn fields(
        &mut self,
        mut value: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<Fields<'a>> {
        let mut fields: Fields<'a> = Vec::new();
        self.expect(b'{')?;
        self.items(b'}', |walk| {
            let key = walk.quoted()?.text()?.into_owned();
            walk.expect(b':')?;
            if fields.len() >= MAX_FIELDS || fields.iter().any(|(known, _)| *known == key) {
                return None;
            }
            walk.peek()?;
            let start = walk.at;
            value(walk, &key)?;
            fields.push((key, &walk.text[start..walk.at]));
            Some(())
        })?;
        Some(fields)
    }

    fn model(&mut self) -> Option<ModelAhead<'a>> {
        let (mut vocab, mut merges) = (None, None);
        let fields = self.fields(|walk, key| {
            match (key, walk.peek()?) {
                ("vocab", b'{') => vocab = Some(walk.vocab()?),
                ("merges", b'[') => merges = Some(walk.merges()?),
                _ => walk.skip()?,
            }
            Some(())
        })?;
        Some(ModelAhead { fields, vocab, merges })
    }

    fn vocab(&mut self) -> Option<Entries<'a>> {
        let mut entries = Vec::new();
        self.expect(b'{')?;
        self.items(b'}', |walk| {
            let token = walk.quoted()?.text()?;
            walk.expect(b':')?;
            entries.push((token, walk.id()?));
            Some(())
        })?;
        Some(entries)
    }

    fn merges(&mut self) -> Option<Vec<MergeText<'a>>> {
        let mut merges = Vec::new();
        self.expect(b'[')?;
        let pairs = self.peek()? == b'[';
        self.items(b']', |walk| {
            let merge = if pairs { walk.pair()? } else { walk.joined()? };
            merges.push(merge);
            Some(())
        })?;
        Some(merges)
    }

    fn pair(&mut self) -> Option<MergeText<'a>> {
        self.expect(b'[')?;
        let left = self.quoted()?.text()?;
        self.expect(b',')?;
        let right = self.quoted()?.text()?;
        self.expect(b']')?;
        Some((left, right))
    }

    fn joined(&mut self) -> Option<MergeText<'a>> {
        let line = self.quoted()?.text()?;
        if line.starts_with("#version") {
            return None;
        }
        match line {
            Cow::Borrowed(line) => {
                let (left, right) = split_merge(line).ok()?;
                Some((left.into(), right.into()))
            }
            Cow::Owned(line) => {
                let (left, right) = split_merge(&line).ok()?;
                Some((left.to_owned().into(), right.to_owned().into()))
            }
        }
    }

    fn id(&mut self) -> Option<TokenId> {
        let first = self.peek()?;
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit());
        let (mut id, mut count) = (0, 0);
        for digit in digits.take(11) {
            id = id * 10 + u64::from(digit - b'0');
            count += 1;
        }
        if count == 0 || (first == b'0' && count > 1) {
            return None;
        }
        self.at += count;
        TokenId::try_from(id).ok().filter(|&id| id <= MAX_ID)
    }

    #[inline]
    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..)?;
            // What ends a string or needs a look: quotes, backslashes, control characters.
            self.at += rest.iter().position(|&byte| MARKS[usize::from(byte)])?;
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                    match self.bytes.get(self.at - 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.bytes.get(self.at..self.at + 4)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        let inner = self.text.get(start..self.at)?;
        self.at += 1;
        Some(Quoted { inner, escaped })
    }

    /// Any value. Depth takes a byte a level.
    fn skip(&mut self) -> Option<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            // A value, or the end of a list or an object that has none.
            match self.peek()? {
                b'"' => {
                    self.quoted()?;
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? != b']' {
                        open.push(b']');
                        continue;
                    }
                    self.at += 1;
                }
                b'{' => {
                    self.at += 1;
                    if self.peek()? != b'}' {
                        open.push(b'}');
                        self.quoted()?;
                        self.expect(b':')?;
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => self.number()?,
            }
            // What follows a value.
            loop {
                let Some(&close) = open.last() else { return Some(()) };
                match self.take()? {
                    b',' => {
                        if close == b'}' {
                            self.quoted()?;
                            self.expect(b':')?;
                        }
                        break;
                    }
                    byte if byte == close => drop(open.pop()),
                    _ => return None,
                }
            }
        }
    }

    fn literal(&mut self, wanted: &str) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        self.at += wanted.len();
        rest.starts_with(wanted.as_bytes()).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let next = |walk: &Self| walk.bytes.get(walk.at).copied().unwrap_or_default();
        let digits = |walk: &mut Self| {
            let start = walk.at;
            while next(walk).is_ascii_digit() {
                walk.at += 1;
            }
            (walk.at > start).then_some(())
        };
        if next(self) == b'-' {
            self.at += 1;
        }
        if next(self) == b'0' {
            self.at += 1;
        } else {
            digits(self)?;
        }
        if next(self) == b'.' {
            self.at += 1;
            digits(self)?;
        }
        if matches!(next(self), b'e' | b'E') {
            self.at += 1;
            if matches!(next(self), b'+' | b'-') {
                self.at += 1;
            }
            digits(self)?;
        }
        Some(())
    }
}

const fn marks() -> [bool; 256] {
    let mut marks = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        marks[byte] = true;
        byte += 1;
    }
    marks[b'"' as usize] = true;
    marks[b'\\' as usize] = true;
    marks
}

static MARKS: [bool; 256] = marks();

/// The text of a string whose escapes are known to be complete; none for half a pair of surrogates.
fn unescape(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let kind = *rest.as_bytes().get(at + 1)?;
        rest = rest.get(at + 2..)?;
        out.push(match kind {
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = unit(&mut rest)?;
                let code = if (0xD800..0xDC00).contains(&first) {
                    rest = rest.strip_prefix("\\u")?;
                    let second = unit(&mut rest)?.checked_sub(0xDC00)?;
                    if second >= 0x400 {
                        return None;
                    }
                    0x1_0000 + ((first - 0xD800) << 10) + second
                } else {
                    first
                };
                char::from_u32(code)?
            }
            other => char::from(other),
        });
    }
    out.push_str(rest);
    Some(out)
}

/// Four digits of an escape.
fn unit(rest: &mut &str) -> Option<u32> {
    let digits = rest.get(..4)?;
    *rest = rest.get(4..)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// What is walked over is what the library finds; what the library refuses is not accepted.
    fn check(text: &str) -> Result<bool, TestCaseError> {
        let wanted = serde_json::from_str::<std::collections::BTreeMap<String, &RawValue>>(text);
        let Some(found) = document(text) else { return Ok(false) };
        prop_assert!(wanted.is_ok(), "{text}");
        let found = found.fields.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let wanted = wanted.unwrap_or_default();
        prop_assert!(
            found.iter().eq(wanted
                .iter()
                .map(|(k, v)| (k, v.get()))
                .collect::<Vec<_>>()
                .iter()
                .map(|(k, v)| (*k, v)))
        );
        Ok(true)
    }

    #[test]
    fn values_of_every_kind_are_walked_over() {
        for value in [
            "0",
            "-0",
            "-1.5e+7",
            "1E9",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[[], {}, 1]",
            "\"\"",
            "[1, [2, {\"a\": [3]}], \"x\\u00e9\\n\\\\\"]",
            "{\"a\": {\"b\": []}, \"c\": 1}",
            "\"\\ud800\"",
        ] {
            assert!(check(&format!(" {{ \"a\" : {value} , \"b\": 1}}\n")).unwrap(), "{value}");
        }
    }

    #[test]
    fn what_is_not_json_is_left_to_the_library() {
        for value in [
            "",
            "01",
            "1.",
            "-",
            ".5",
            "1e",
            "tru",
            "nul",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a: 1}",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\t\"",
            "[",
            "]",
            "{]",
            "[}",
            "1}",
            "+1",
            "{\"a\": 1,}",
            "\"\\",
            "\"\\u12",
        ] {
            assert!(!check(&format!("{{\"a\": {value}}}")).unwrap(), "{value}");
        }
        assert!(!check("{} {}").unwrap() && !check("").unwrap() && !check("[]").unwrap());
        assert!(document("{\"a\": 1, \"a\": 2}").is_none());
    }

    #[test]
    fn the_large_parts_are_read_where_they_are_met() {
        let text = r#"{"model": {"vocab": {"a": 0, "\u00e9\"": 7, "\ud83d\ude00": 2147483647}, "merges": ["a b"], "x": 1}}"#;
        let model = document(text).and_then(|found| found.model).unwrap();
        let vocab = [("a".into(), 0), ("é\"".into(), 7), ("😀".into(), 2_147_483_647)];
        assert_eq!(model.vocab.unwrap(), vocab);
        assert_eq!(model.merges.unwrap(), [("a".into(), "b".into())]);
        assert_eq!(model.fields.len(), 3);
        let pairs = document(r#"{"model": {"merges": [["a", "b c"], ["\"", ""]]}}"#).unwrap();
        let wanted = [("a".into(), "b c".into()), ("\"".into(), "".into())];
        assert_eq!(pairs.model.unwrap().merges.unwrap(), wanted);
        for model in [
            r#"{"vocab": {"a": 2147483648}}"#,
            r#"{"vocab": {"a": 00}}"#,
            r#"{"vocab": {"a": 1.0}}"#,
            r#"{"vocab": {"a": -1}}"#,
            r#"{"vocab": {"a": "1"}}"#,
            r#"{"vocab": {"a": 18446744073709551616}}"#,
            r#"{"vocab": {"\ud800": 1}}"#,
            r##"{"merges": ["#version: 0.2", "a b"]}"##,
            r#"{"merges": ["a b", ["a", "b"]]}"#,
            r#"{"merges": [["a", "b"], "a b"]}"#,
            r#"{"merges": [["a", "b", "c"]]}"#,
            r#"{"merges": ["ab"]}"#,
        ] {
            assert!(document(&format!("{{\"model\": {model}}}")).is_none(), "{model}");
        }
    }

    proptest! {
        #[test]
        fn texts_like_json_are_read_as_the_library_does(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "-2.5", "null", "true",
                    "\"\\n\"", " ", "\"\\u0041\"", "0", "e1", "\"",
                ]),
                0..12,
            ),
        ) {
            let text = parts.concat();
            check(&text)?;
            check(&format!("{{\"a\":{text}}}"))?;
        }
    }
}
