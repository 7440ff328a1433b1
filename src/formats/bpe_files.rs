//! `vocab.json` with `merges.txt`: BPE in two files.

use std::borrow::Cow;

use super::json_read::read_vocab;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// The names of the formats in errors.
pub(super) const FORMAT: &str = "merges.txt";
pub(super) const VOCAB_FORMAT: &str = "vocab.json";

/// The tokens of a `vocab.json`, in the order of the file.
///
/// # Errors
/// [`Error::Format`] when it is no object, or names the token whose id is none.
pub(super) fn read_vocab_json(bytes: &[u8]) -> Result<Vec<(Cow<'_, str>, TokenId)>> {
    read_vocab(VOCAB_FORMAT, bytes)
}

/// The merges of a `merges.txt`, the first with rank 0: two tokens and one space on each line.
/// Lines that begin with `#version` do not count.
///
/// # Errors
/// [`Error::Format`] with the number of the first line that is something else.
pub(super) fn read_merges_txt(bytes: &[u8]) -> Result<Vec<(&str, &str)>> {
    let mut merges = Vec::new();
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Ok(merges);
    }
    for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
        let failed = |problem| Error::format(FORMAT, format!("line {}", index + 1), problem);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|error| {
            failed(format!("invalid UTF-8 at byte {} of it", error.valid_up_to()))
        })?;
        if line.starts_with("#version") {
            continue;
        }
        merges.push(split_merge(line).map_err(failed)?);
    }
    Ok(merges)
}

/// An error of a model about one of its merges, with the line of the file instead of its number.
pub(super) fn at_line(error: Error, bytes: &[u8]) -> Error {
    let Error::Format { place, problem, .. } = error else { return error };
    let number = place.strip_prefix("model.merges[").and_then(|rest| rest.strip_suffix(']'));
    let line = number.and_then(|number| {
        let lines = bytes.split(|&byte| byte == b'\n').enumerate();
        let mut merges = lines.filter(|(_, line)| !line.starts_with(b"#version"));
        Some(merges.nth(number.parse().ok()?)?.0 + 1)
    });
    Error::format(FORMAT, line.map_or(place, |line| format!("line {line}")), problem)
}

/// The two sides of a merge that is written with a space between them.
pub(super) fn split_merge(line: &str) -> Result<(&str, &str), String> {
    match line.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left, right)),
        _ => {
            let shown: String = line.chars().take(40).collect();
            let found = shown.escape_debug();
            Err(format!("expected two tokens and one space between them, found `{found}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_do_not_count() {
        let wanted = [("Ġ", "t"), ("h", "e")];
        assert_eq!(read_merges_txt("#version: 0.2\nĠ t\nh e\n".as_bytes()).unwrap(), wanted);
        assert_eq!(read_merges_txt("#version: 0.2\r\nĠ t\r\nh e".as_bytes()).unwrap(), wanted);
        assert_eq!(read_merges_txt(b"").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        for line in ["ab", "a b c", "", "{\"a\":1}"] {
            let text = format!("#version: 0.2\na b\n{line}\n");
            let text = read_merges_txt(text.as_bytes()).unwrap_err().to_string();
            let start = "merges.txt at line 3: expected two tokens and one space between them";
            assert!(text.starts_with(start), "{text}");
        }
        let error = read_merges_txt(b"a \xFF\n").unwrap_err().to_string();
        assert_eq!(error, "merges.txt at line 1: invalid UTF-8 at byte 2 of it");
    }
}
