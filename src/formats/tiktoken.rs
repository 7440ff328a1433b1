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

/// The tokens of a rank file, one after the other.
pub(super) struct Ranks {
    bytes: Vec<u8>,
    /// The end of each token, and its rank.
    ends: Vec<(usize, TokenId)>,
}

impl Ranks {
    /// The tokens and their ranks, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&[u8], TokenId)> {
        let mut start = 0;
        let entry = |&(end, rank): &(usize, TokenId)| {
            let token = &self.bytes[start..end];
            start = end;
            (token, rank)
        };
        self.ends.iter().map(entry).collect()
    }
}

/// Reads a file of the usual shape, whose ranks rise, sooner than [`read_tiktoken`]; none for any other,
/// be it right or wrong. One thing is not looked at: whether a token is there twice.
pub(super) fn read_usual(bytes: &[u8]) -> Option<Ranks> {
    let mut ranks = Ranks {
        bytes: Vec::with_capacity(bytes.len() / 2),
        ends: Vec::with_capacity(bytes.len() / 14),
    };
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (token, rank) = line.split_at(memchr::memchr(b' ', line)?);
        decode_into(token, &mut ranks.bytes)?;
        let rank = usual_rank(&rank[1..])?;
        if ranks.ends.last().is_some_and(|&(_, before)| before >= rank) {
            return None;
        }
        ranks.ends.push((ranks.bytes.len(), rank));
    }
    (!ranks.ends.is_empty()).then_some(ranks)
}

fn usual_rank(field: &[u8]) -> Option<TokenId> {
    if !(1..=10).contains(&field.len()) || !field.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rank = field.iter().fold(0, |rank, digit| rank * 10 + u64::from(digit - b'0'));
    TokenId::try_from(rank).ok().filter(|&rank| rank <= MAX_ID)
}

/// No digit of base64.
const NO_DIGIT: u8 = 0xFF;

const fn digits() -> [u8; 256] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

static DIGITS: [u8; 256] = digits();

/// Appends what a text in base64 stands for, if it does for one byte or more.
fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| u32::from(DIGITS[usize::from(byte)]);
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() || groups.is_empty() {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let start = out.len();
    out.resize(start + groups.len() * 3, 0);
    let (triples, _) = out[start..].as_chunks_mut::<3>();
    let (mut seen, mut last) = (0, 0);
    for (at, (&[a, b, c, d], triple)) in (1..).zip(groups.iter().zip(triples)) {
        let (mut c, mut d) = (digit(c), digit(d));
        if at == groups.len() && padding > 0 {
            // What is padding counts for nothing.
            d = 0;
            c = if padding > 1 { 0 } else { c };
        }
        let (a, b) = (digit(a), digit(b));
        seen |= a | b | c | d;
        last = a << 18 | b << 12 | c << 6 | d;
        let [_, first, second, third] = last.to_be_bytes();
        *triple = [first, second, third];
    }
    out.truncate(out.len() - padding);
    // Bits that stand for nothing must be none.
    let spare = last & ((1 << (8 * padding)) - 1);
    (seen < 64 && spare == 0).then_some(())
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

    /// The two readers agree, or the sooner one leaves it to the other.
    fn check_usual(bytes: &[u8]) -> Result<bool, TestCaseError> {
        let Some(usual) = read_usual(bytes) else { return Ok(false) };
        let entries = usual.entries();
        let mut tokens: Vec<_> = entries.iter().map(|(token, _)| token).collect();
        tokens.sort_unstable();
        let twice = tokens.windows(2).any(|pair| pair[0] == pair[1]);
        match read_tiktoken(bytes) {
            Ok(ranks) => {
                prop_assert!(!twice);
                let ranks: Vec<(&[u8], TokenId)> =
                    ranks.iter().map(|(t, r)| (&t[..], *r)).collect();
                prop_assert_eq!(entries, ranks);
            }
            Err(error) => prop_assert!(twice && error.to_string().contains("again"), "{}", error),
        }
        Ok(true)
    }

    #[test]
    fn files_of_the_usual_shape_are_read_sooner() {
        for usual in ["IQ== 0\nIg== 1\r\n\n/w== 7\n", "YWJj 3", "+/+/YQ== 01", "IQ== 0\nIQ== 1"] {
            assert!(check_usual(usual.as_bytes()).unwrap(), "{usual}");
        }
        for other in [
            "IQ== 1\nIg== 0",
            "IQ==  1",
            " IQ== 1",
            "IQ==\t1",
            "IR== 1",
            "YWK= 1",
            "==== 1",
            "I=== 1",
            "IQ= 1",
            "IQ=a 1",
            "IQ== 1 ",
            "IQ== ",
            "IQ==",
            " 1",
            "IQ== 2147483648",
            "I-== 1",
            "",
        ] {
            assert!(!check_usual(other.as_bytes()).unwrap(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn lines_of_tokens_are_read_alike(
            lines in prop::collection::vec(("([a-zA-Z0-9+/]{4}){0,3}([A-P][AQgw]==|[A-P]{2}[AEIMU]=|[a-d]{4})?", 0u32..3), 0..8),
            end in prop::sample::select(vec!["\n", "\r\n", "\n\n", " "]),
        ) {
            let mut rank = 0;
            let line = |(token, step): &(String, u32)| {
                rank += step;
                [token.as_str(), " ", &rank.to_string(), end].concat()
            };
            let text = lines.iter().map(line).collect::<Vec<_>>().concat();
            check_usual(text.as_bytes())?;
        }

        #[test]
        fn any_bytes_give_ranks_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(ranks) = read_tiktoken(&bytes) {
                prop_assert!(ranks.iter().all(|(token, rank)| !token.is_empty() && *rank <= MAX_ID));
            }
        }
    }
}
