//! The character properties of Oniguruma's Unicode syntax (Unicode 16.0).
//!
//! General categories, scripts and binary properties come out of the tables of `regex-syntax`; the
//! POSIX classes are Oniguruma's own definitions. What is in neither (blocks, ages, break
//! properties) is not guessed.

use regex_syntax::hir::{Class, HirKind};

use super::set::CharSet;

/// The ranges of a class in the syntax of `regex-syntax`; none for what it does not know.
fn class(pattern: &str) -> Option<CharSet> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let ranges = match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| (range.start() as u32, range.end() as u32)).collect()
        }
        // A class of one character comes as that character.
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            vec![(c as u32, c as u32)]
        }
        _ => return None,
    };
    Some(CharSet::new(ranges))
}

/// `\d`: decimal digits.
pub(crate) fn digit() -> CharSet {
    class(r"\p{Nd}").unwrap_or_default()
}

/// `\s`: the property `White_Space`.
pub(crate) fn space() -> CharSet {
    class(r"\s").unwrap_or_default()
}

/// `\w`: letters, marks, decimal digits, connectors.
pub(crate) fn word() -> CharSet {
    class(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]").unwrap_or_default()
}

/// `\w` outside brackets, and what `\b` asks for: Oniguruma reads those of Latin-1 from another table,
/// in which superscript digits and fractions are word characters.
pub(crate) fn word_alone() -> CharSet {
    word().union(&CharSet::of(['²', '³', '¹', '¼', '½', '¾']))
}

/// `\h`: hexadecimal digits of ASCII.
pub(crate) fn hex() -> CharSet {
    class("[0-9A-Fa-f]").unwrap_or_default()
}

/// The POSIX class with a name, as brackets and properties have it.
pub(crate) fn posix(name: &str) -> Option<CharSet> {
    match name {
        "alnum" => class(r"[\p{Alphabetic}\p{Nd}]"),
        "alpha" => class(r"\p{Alphabetic}"),
        "blank" => class(r"[\p{Zs}\t]"),
        "cntrl" => class(r"\p{Cc}"),
        "digit" => Some(digit()),
        // Surrogates would not be there either, but no text holds one.
        "graph" => class(r"[^\s\p{Cc}\p{Cn}]"),
        "lower" => class(r"\p{Lowercase}"),
        "print" => class(r"[[^\s\p{Cc}\p{Cn}]\p{Zs}]"),
        "punct" => class(r"[\p{P}\p{S}]"),
        "space" => Some(space()),
        "upper" => class(r"\p{Uppercase}"),
        "xdigit" => Some(hex()),
        "ascii" => Some(CharSet::new(vec![(0, 0x7F)])),
        "word" => Some(word()),
        _ => None,
    }
}

/// The property that `\p{name}` asks for; none when it is unknown here.
pub(crate) fn named(name: &str) -> Option<CharSet> {
    if !name.is_ascii() {
        return None;
    }
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).collect();
    let plain = plain.to_ascii_lowercase();
    match plain.as_str() {
        "any" => return Some(CharSet::all()),
        "assigned" => return class(r"\P{Cn}"),
        // Surrogates, which no text holds.
        "cs" | "surrogate" => return Some(CharSet::empty()),
        // Unlike the class in brackets.
        "punct" => return class(r"\p{P}"),
        _ => {}
    }
    if let Some(set) = posix(&plain) {
        return Some(set);
    }
    let is_name = !plain.is_empty() && plain.chars().all(|c| c.is_ascii_alphanumeric());
    // `is` in front means nothing to the table's own syntax, and is no name to Oniguruma.
    if !is_name || plain.starts_with("is") || plain.starts_with("in") && is_block(&plain) {
        return None;
    }
    class(&format!(r"\p{{{plain}}}"))
}

/// Whether a name that starts with `in` is none of the few scripts and properties that do.
fn is_block(name: &str) -> bool {
    !["inherited", "inscriptionalpahlavi", "inscriptionalparthian"].contains(&name)
}

/// A character and those that differ from it in case alone.
pub(crate) fn same_but_for_case(set: &CharSet) -> CharSet {
    let ranges = set.ranges().iter().filter_map(|&(first, last)| {
        // No character lies in the gap of the surrogates: ranges are cut down to what does.
        let first = if (0xD800..0xE000).contains(&first) { 0xE000 } else { first };
        let last = if (0xD800..0xE000).contains(&last) { 0xD7FF } else { last };
        let (first, last) = (char::from_u32(first)?, char::from_u32(last)?);
        (first <= last).then(|| regex_syntax::hir::ClassUnicodeRange::new(first, last))
    });
    let mut class = regex_syntax::hir::ClassUnicode::new(ranges);
    if class.try_case_fold_simple().is_err() {
        return set.clone();
    }
    let folded = class.iter().map(|range| (range.start() as u32, range.end() as u32));
    set.union(&CharSet::new(folded.collect()))
}
