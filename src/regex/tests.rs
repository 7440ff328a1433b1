//! The engine's bounds, and what it refuses. What it matches is compared in `pretokenize/golden.rs`.

use super::*;
use crate::ErrorKind;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern, Dialect::TokenizerJson).unwrap()
}

fn matches(pattern: &str, text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    regex(pattern).for_each_match(text, |start, end| found.push((start, end))).unwrap();
    found
}

fn kind(pattern: &str) -> ErrorKind {
    Regex::new(pattern, Dialect::TokenizerJson).unwrap_err().kind()
}

#[test]
fn what_another_engine_reads_otherwise() {
    // A repetition of a repetition, no possessive one.
    assert_eq!(matches(r"\p{N}{1,3}+", "12345"), [(0, 5)]);
    // Anchors of lines; the line behind the last newline has none.
    assert_eq!(matches("^", "a\nb\n"), [(0, 0), (2, 2)]);
    assert_eq!(matches("$", "a\nb\n"), [(1, 1), (3, 3), (4, 4)]);
    assert_eq!(matches(r"\Z", "a\n"), [(1, 1), (2, 2)]);
    // The newline is no character to a dot, unless `m` says so.
    assert_eq!(matches(".+", "a\nb"), [(0, 1), (2, 3)]);
    assert_eq!(matches("(?m).+", "a\nb"), [(0, 3)]);
    // Superscripts are word characters outside brackets alone.
    assert_eq!(matches(r"\w", "²"), [(0, 2)]);
    assert_eq!(matches(r"[\w]", "²"), []);
    // One letter for two.
    assert_eq!(matches("(?i)ss", "ß sſ"), [(0, 2), (3, 6)]);
    assert_eq!(matches("(?i)[ß]", "SS"), [(0, 2)]);
    assert_eq!(matches("(?i)s+", "ß"), []);
    // `{n}?` is optional, `{,n}` counts from none.
    assert_eq!(matches("xa{2}?", "xaaa"), [(0, 3)]);
    assert_eq!(matches("a{,2}b", "aaab"), [(1, 4)]);
}

#[test]
fn what_is_not_supported_is_named() {
    for (pattern, construct) in [
        (r"a\X", r"\X"),
        ("(?~a)", "(?~"),
        (r"(?<x>a)\g<x>", r"\g"),
        ("(?(1)a|b)", "(?("),
        ("(*FAIL)", "(*"),
        (r"\p{In_Greek}", r"\p{In_Greek}"),
        (r"(?i)(a)\1", "a reference with case ignored"),
        (r"(?<=a\Kb)", r"\K inside a look-around"),
        (r"(?<!\R)a", r"\R inside a look-behind"),
    ] {
        let error = Regex::new(pattern, Dialect::TokenizerJson).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{pattern}");
        assert!(error.to_string().contains(&format!("construct `{construct}`")), "{error}");
    }
}

#[test]
fn what_is_no_pattern_is_an_error() {
    let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    let nested = format!("{}a{}", "[".repeat(10_000), "]".repeat(10_000));
    let chained = format!("a{}", "{2,3}".repeat(10_000));
    let huge = "(?:ab){1,100000}".to_owned();
    let product = "(((?:ab{1000}c){1000}){1000})".to_owned();
    let long = "a".repeat(1 << 17);
    for pattern in [&deep, &nested, &chained, &huge, &product, &long] {
        assert_eq!(kind(pattern), ErrorKind::Argument, "{}", &pattern[..8]);
    }
    for pattern in [
        "(",
        ")",
        "[",
        "a**{",
        "*a",
        "a|*",
        "(?",
        "(?<",
        "(?<1>a)",
        r"\",
        "[b-a]",
        r"[\w-x]",
        r"(a)\2",
        r"\k<x>",
        "(?=a)*",
        "^*",
        r"\x{110000}",
        r"\p{L",
        "[]",
        "a{100001}",
        "(?z)",
        r"\xff",
    ] {
        if pattern != "a**{" {
            assert_eq!(kind(pattern), ErrorKind::Argument, "{pattern}");
        }
    }
    assert_eq!(matches("a{1000}{1000}", "a"), []);
}

#[test]
fn long_texts_of_one_character_take_no_quadratic_time() {
    let text = "a".repeat(1 << 20);
    for pattern in [
        r"a+$",
        r"a+b",
        r"(a+)+$",
        r"(?=(a+)+$)b",
        r"a*b|a",
        r"(a|aa)+c",
        r"\w+(?!\w)|\w*b|x",
        "(?:aa?)*b",
    ] {
        let blank = " ".repeat(1 << 20);
        for text in [format!("{text}!"), blank] {
            regex(pattern).for_each_match(&text, |_, _| ()).unwrap();
        }
    }
}

#[test]
fn what_is_not_linear_is_an_error_with_its_place() {
    let text = format!("--{}!", "a".repeat(40));
    for pattern in [r"(?:(a)|a\1?)+(?:a|a|a)+\1b", r"(?:a?){40}(?:a|b*)*(?:a*)*c"] {
        let started = std::time::Instant::now();
        let result = regex(pattern).for_each_match(&text, |_, _| ());
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Pattern);
        }
        assert!(started.elapsed().as_secs() < 60, "{pattern}");
    }
    let error = regex(r"(?:(a+)+)+\1b").for_each_match(&text, |_, _| ()).unwrap_err();
    let Error::Pattern { position, .. } = error else { panic!("{error}") };
    assert_eq!(position, 2);
}
