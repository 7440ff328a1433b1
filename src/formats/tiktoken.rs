//! Rank files: one token per line, its bytes in base64 and its rank.

// tiktoken reads these with a decoder that drops what is no base64, and panics at the first text
// that needs a byte it lacks. Here every line is held to the format, and its number is in the error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

/// The name of the format in errors.
pub(super) const FORMAT: &str = "rank file";

/// The tokens of a rank file and their ranks, in the order of the file.
///
/// # Errors
/// [`Error::Format`] with the number of the first line that is not `base64 rank`, repeats a token
/// or a rank, or holds an empty token or a rank above [`MAX_ID`]; or when there is no line at all.
pub fn read_tiktoken(bytes: &[u8]) -> Result<Vec<(Vec<u8>, TokenId)>> {
    let count = bytes.len() / 14;
    let mut ranks: Vec<(Vec<u8>, TokenId)> = Vec::with_capacity(count);
    // Token and rank to the line that had it.
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::with_capacity(count);
    let mut taken: HashMap<TokenId, usize> = HashMap::with_capacity(count);
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        let failed = |problem: String| Error::format(FORMAT, format!("line {number}"), problem);
        let (bytes_of_token, rank) = parse_line(line).map_err(failed)?;
        if let Some(other) = seen.insert(bytes_of_token.clone(), number) {
            return Err(failed(format!("the token of line {other} again")));
        }
        if let Some(other) = taken.insert(rank, number) {
            return Err(failed(format!("rank {rank} again, which line {other} has")));
        }
        ranks.push((bytes_of_token, rank));
    }
    if ranks.is_empty() {
        return Err(Error::format(FORMAT, "", "there is no line with a token"));
    }
    Ok(ranks)
}

/// Whether a line has the shape of this format; for telling files apart.
pub(super) fn is_rank_line(line: &[u8]) -> bool {
    parse_line(line).is_ok()
}

fn parse_line(line: &[u8]) -> Result<(Vec<u8>, TokenId), String> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let (Some(token), Some(rank), None) = (fields.next(), fields.next(), fields.next()) else {
        let shown = shown(line);
        return Err(format!("expected a token in base64, a space and a rank, found `{shown}`"));
    };
    let token = STANDARD.decode(token).map_err(|error| {
        format!("`{}` is no base64: {}", shown(token), lower(&error.to_string()))
    })?;
    if token.is_empty() {
        return Err("the token is empty".to_owned());
    }
    Ok((token, parse_rank(rank)?))
}

fn parse_rank(field: &[u8]) -> Result<TokenId, String> {
    let digits = field.iter().all(u8::is_ascii_digit).then_some(field);
    let rank = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<TokenId>().ok());
    rank.filter(|&rank| rank <= MAX_ID)
        .ok_or_else(|| format!("`{}` is no rank from 0 to {MAX_ID}", shown(field)))
}

/// The beginning of what was found, for a message.
fn shown(bytes: &[u8]) -> String {
    const LIMIT: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LIMIT)]);
    let more = if bytes.len() > LIMIT { "..." } else { "" };
    format!("{}{more}", text.escape_debug())
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(bytes: &[u8]) -> String {
        read_tiktoken(bytes).unwrap_err().to_string()
    }

    #[test]
    fn lines_give_bytes_and_ranks() {
        let ranks = read_tiktoken(b"IQ== 0\nIg== 1\r\n\n/w== 7\n").unwrap();
        assert_eq!(ranks, [(b"!".to_vec(), 0), (b"\"".to_vec(), 1), (vec![0xFF], 7)]);
    }

    #[test]
    fn a_line_without_base64_is_named() {
        let text = problem(b"IQ== 0\n!!!! 1\n");
        assert!(text.starts_with("rank file at line 2: `!!!!` is no base64: "), "{text}");
        assert!(problem(b"YWI 300").starts_with("rank file at line 1: `YWI` is no base64"));
        assert!(problem(b"\xff\xfe 300").contains("no base64"));
    }

    #[test]
    fn a_line_with_one_or_three_fields_is_named() {
        let text = "rank file at line 1: expected a token in base64, a space and a rank, found ";
        for line in ["YWI=", " 300", "YWI= 300 5", "\0", "  "] {
            assert!(problem(line.as_bytes()).starts_with(text), "{line}");
        }
        assert!(problem(&vec![b'x'; 5_000_000]).len() < 200);
    }

    #[test]
    fn a_rank_that_is_no_id_is_named() {
        for rank in ["x", "-1", "+1", "1.0", "2147483648", "4294967296", "18446744073709551616"] {
            let text = format!("rank file at line 1: `{rank}` is no rank from 0 to 2147483647");
            assert_eq!(problem(format!("YWI= {rank}").as_bytes()), text);
        }
    }

    #[test]
    fn duplicates_name_both_lines() {
        let text = "rank file at line 3: rank 0 again, which line 1 has";
        assert_eq!(problem(b"IQ== 0\nIg== 1\nIw== 0"), text);
        assert_eq!(problem(b"IQ== 0\nIQ== 1"), "rank file at line 2: the token of line 1 again");
    }

    #[test]
    fn an_empty_token_and_an_empty_file_are_errors() {
        assert!(problem(b"==== 3").contains("line 1"));
        assert_eq!(problem(b""), "rank file: there is no line with a token");
        assert_eq!(problem(b"\n\n"), "rank file: there is no line with a token");
    }

    proptest! {
        #[test]
        fn any_bytes_give_ranks_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(ranks) = read_tiktoken(&bytes) {
                prop_assert!(ranks.iter().all(|(token, rank)| !token.is_empty() && *rank <= MAX_ID));
            }
        }
    }
}
