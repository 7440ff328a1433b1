//! What kind of file it is, by its content.

// Names lie and content does not: a tokenizer.json called `vocab.txt` is still one. The checks go from
// the kinds that are sure to the one that is a guess (any text could be lines of tokens), and a file
// that is none is called what it looks like, because that is what helps.

use super::json::KEYS;
use super::tekken::is_tekken;
use super::tiktoken::is_rank_line;
use crate::error::{Error, Result};

/// The name of the format in errors, while it is not known.
const FORMAT: &str = "tokenizer file";

/// The kinds of files that [`detect`] tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A JSON object with a model.
    TokenizerJson,
    /// A JSON object of tokens and ids.
    VocabJson,
    /// Lines of base64 and rank.
    Tiktoken,
    /// Lines of tokens.
    VocabTxt,
    /// A sentencepiece model.
    SentencePiece,
    /// A JSON object of ranks, special tokens and a split pattern.
    Tekken,
}

/// Tells the kind of a file. What is wrong inside is for the reader of the kind to say.
///
/// # Errors
/// [`Error::Format`] when it is none, and says what it looks like: empty, binary, compressed, another
/// encoding, merges without their vocabulary, a text that is none of the kinds.
pub(super) fn detect(bytes: &[u8]) -> Result<FileKind> {
    let fail = |problem: &str| Err(Error::format(FORMAT, "", problem));
    let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
        return fail("the file is empty");
    };
    if has_unknown_token(bytes) {
        return Ok(FileKind::VocabTxt);
    }
    match &bytes[first..] {
        [b'{', ..] => return Ok(json_kind(&bytes[first..])),
        [b'[', ..] => return fail("the file is a JSON list; a tokenizer.json is an object"),
        _ => {}
    }
    if let Some(known) = known_binary(bytes) {
        return fail(known);
    }
    if is_sentencepiece(bytes) {
        return Ok(FileKind::SentencePiece);
    }
    let mut lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let start: Vec<&[u8]> = lines.by_ref().take(8).collect();
    // One good line is enough: the reader names the line that is not.
    if start.iter().any(|line| is_rank_line(line)) {
        return Ok(FileKind::Tiktoken);
    }
    if start[0].starts_with(b"#version") {
        return fail("the file is a merges.txt; load the vocab.json that belongs to it");
    }
    match std::str::from_utf8(bytes) {
        Err(error) => {
            let place = format!("byte {}", error.valid_up_to());
            let problem = "the file is neither JSON nor text: invalid UTF-8";
            Err(Error::format(FORMAT, place, problem))
        }
        Ok(text) if text.contains('\0') => fail("the file is neither JSON nor text: it holds NUL"),
        Ok(_) => fail(
            "the file is text, but no JSON object, no lines of base64 and rank, and no list of tokens \
             with a line [UNK]",
        ),
    }
}

/// Whether a line is `[UNK]` and nothing else. Every vocabulary for `WordPiece` has one, and no JSON.
fn has_unknown_token(bytes: &[u8]) -> bool {
    const TOKEN: &[u8] = b"[UNK]";
    memchr::memmem::find_iter(bytes, TOKEN).any(|at| {
        let starts = at == 0 || bytes[at - 1] == b'\n';
        let rest = bytes[at + TOKEN.len()..].split(|&byte| byte == b'\n').next();
        starts && rest.unwrap_or_default().trim_ascii().is_empty()
    })
}

/// Half a file is what its beginning says: a tokenizer begins with one of its keys, a vocabulary with
/// a token and an id.
fn json_kind(bytes: &[u8]) -> FileKind {
    let colons = bytes.iter().scan(State::default(), |state, &byte| Some(state.is_colon(byte)));
    let colon = colons.take_while(|&found| !found).count();
    let key = bytes[1..colon.max(1)].trim_ascii();
    let known = KEYS.iter().any(|known| key == format!("\"{known}\"").as_bytes());
    let value = bytes.get(colon + 1..).unwrap_or_default().trim_ascii_start();
    match value.first() {
        _ if !known && is_tekken(bytes) => FileKind::Tekken,
        Some(b'0'..=b'9' | b'-') => FileKind::VocabJson,
        Some(b'"') if !known => FileKind::VocabJson,
        _ => FileKind::TokenizerJson,
    }
}

/// Where a walk through JSON is: colons inside strings do not count.
#[derive(Default)]
struct State {
    in_string: bool,
    escaped: bool,
}

impl State {
    fn is_colon(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            b':' if !self.in_string => return true,
            _ => {}
        }
        false
    }
}

fn known_binary(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 8] = [
        (b"\xEF\xBB\xBF", "the file begins with a byte order mark; save it as UTF-8 without one"),
        (b"\xFF\xFE", "the file is UTF-16 or UTF-32; save it as UTF-8"),
        (b"\xFE\xFF", "the file is UTF-16; save it as UTF-8"),
        (b"\x1F\x8B", "the file is compressed by gzip; unpack it first"),
        (b"\x28\xB5\x2F\xFD", "the file is compressed by zstd; unpack it first"),
        (b"PK\x03\x04", "the file is a zip archive; unpack it first"),
        (b"\x93NUMPY", "the file holds a numpy array"),
        (b"PAR1", "the file is a Parquet table"),
    ];
    KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, problem)| problem)
}

/// A sentencepiece model begins with its first piece: field 1, a message that begins with the
/// string of the piece, which is field 1 of it.
fn is_sentencepiece(bytes: &[u8]) -> bool {
    match bytes {
        [0x0A, length, 0x0A, piece, ..] => {
            *length < 0x80
                && *piece < *length
                && bytes.len() > usize::from(*length) + 2
                && bytes[usize::from(*length) + 2] == 0x0A
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        detect(bytes).unwrap_err().to_string()
    }

    #[test]
    fn kinds_are_told_by_content() {
        assert_eq!(detect(b" {\"version\": \"1.0\"").unwrap(), FileKind::TokenizerJson);
        assert_eq!(detect(b"{").unwrap(), FileKind::TokenizerJson);
        assert_eq!(detect(b"{\"\\\":\": 0}").unwrap(), FileKind::VocabJson);
        assert_eq!(detect(b"{\"a\": \"0\"}").unwrap(), FileKind::VocabJson);
        assert_eq!(detect(b"{\"model\": {\"a\": 1}}").unwrap(), FileKind::TokenizerJson);
        assert_eq!(detect(b"{\n[UNK]\n").unwrap(), FileKind::VocabTxt);
        let tekken =
            b"{\"config\": {\"default_num_special_tokens\": 1}, \"vocab\": [{\"token_bytes\": \"\"";
        assert_eq!(detect(tekken).unwrap(), FileKind::Tekken);
        assert_eq!(detect(b"IQ== 0\nIg== 1\n").unwrap(), FileKind::Tiktoken);
        assert_eq!(detect(b"IQ== 0\nbroken\n").unwrap(), FileKind::Tiktoken);
        assert_eq!(detect(b"[PAD]\r\n[UNK]\r\na\r\n").unwrap(), FileKind::VocabTxt);
    }

    #[test]
    fn an_empty_file_is_called_empty() {
        assert_eq!(problem(b""), "tokenizer file: the file is empty");
        assert_eq!(problem(b" \n\t"), "tokenizer file: the file is empty");
    }

    #[test]
    fn a_binary_file_is_called_what_it_is() {
        assert!(problem(b"\x1f\x8b\x08\0\0").contains("gzip"));
        assert!(problem(b"\xff\xfe{\0\"\0").contains("UTF-16"));
        assert!(problem(b"\xef\xbb\xbf{}").contains("byte order mark"));
        assert!(problem(b"a\0b").contains("NUL"));
        assert_eq!(
            problem(b"ab\xffcd"),
            "tokenizer file at byte 2: the file is neither JSON nor text: invalid UTF-8"
        );
    }

    #[test]
    fn a_text_of_another_kind_is_refused() {
        assert!(problem(b"[1, 2]").contains("JSON list"));
        assert!(problem(b"#version: 0.2\na b\n").contains("merges.txt"));
        assert!(problem(b"Hello, this is a readme.\n").contains("[UNK]"));
    }

    #[test]
    fn a_sentencepiece_model_is_known_by_its_first_piece() {
        let model =
            b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x0c\x0a\x03<s>\x15\0\0\0\0\x18\x03";
        assert_eq!(detect(model).unwrap(), FileKind::SentencePiece);
        // An empty text could be a model of nothing, and other text begins with a newline too.
        assert!(problem(b"\n\n\n\nsome text\n").contains("[UNK]"));
    }
}
