//! Writes `bert_tables.rs` anew and compares: the tables are current when nothing differs.
//!
//! Categories come from `unicode_categories` 0.1.1, decompositions and combining classes from
//! `unicode-normalization-alignments` 0.1.12, the crates that the reference library is built on.
//! Lower case and white space come from a sweep of the library itself (`bert_code_points.json`), since
//! its compiler decided them. `UPDATE_TABLES=1 cargo test tables_are_current` rewrites the file.

use std::collections::HashMap;
use std::fmt::{Debug, Write};

use serde_json::Value;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

use super::{CHINESE, DECOMPOSES, LOWERS, MARK, PUNCTUATION, REMOVED, REORDERS, WHITE};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/unicode/bert_tables.rs");
const SWEEP: &str = include_str!("../../../tests/data/bert_code_points.json");
/// Code points below this have their flags in blocks, those above in a few ranges.
pub(in crate::unicode) const BLOCKS_END: u32 = 0x30000;

const HEAD: &str = "\
//! Character tables of the BERT road, written by the generator in `bert/generate.rs`; do not edit.
//!
//! Categories: Unicode 8.0. Decompositions and combining classes: Unicode 9.0. Lower case and white
//! space: Unicode 17.0, as tokenizers 0.23.3 has them. Flags are kept in blocks of 128 code points,
//! sequences in blocks of 64; equal blocks are stored once. Numbers only, so that a diff is honest.

#![allow(clippy::unreadable_literal, reason = \"a table is not read digit by digit\")]
";

pub(in crate::unicode) fn all() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn sweep() -> Value {
    serde_json::from_str(SWEEP).expect("the sweep is JSON")
}

/// The code points of one class of the sweep.
fn swept(sweep: &Value, class: &str) -> Vec<bool> {
    let mut found = vec![false; 0x11_0000];
    let ranges = sweep["ranges"][class].as_array().expect("ranges");
    for range in ranges {
        let bound = |i: usize| usize::try_from(range[i].as_u64().expect("bound")).expect("bound");
        found[bound(0)..=bound(1)].fill(true);
    }
    found
}

fn lower_case(sweep: &Value) -> HashMap<char, Vec<char>> {
    let [upper, lower] = ["upper", "lower"].map(|key| sweep[key].as_str().expect("letters"));
    let longer = sweep["longer"].as_object().expect("longer");
    let single = upper.chars().zip(lower.chars().map(|c| vec![c]));
    let longer = longer.iter().map(|(c, parts)| {
        let parts = parts.as_str().expect("letters").chars().collect();
        (c.chars().next().expect("a letter"), parts)
    });
    single.chain(longer).collect()
}

pub(in crate::unicode) fn decomposition(c: char) -> Vec<char> {
    let mut parts = Vec::new();
    decompose_canonical(c, |part| parts.push(part));
    parts
}

fn is_chinese(c: char) -> bool {
    // The library's own list; its fifth range starts at 2B920 where the block starts at 2B820.
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}' | '\u{2A700}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}'
        | '\u{2F800}'..='\u{2FA1F}')
}

fn flags_of(c: char, white: bool, lowers: bool) -> u8 {
    let line = matches!(c, '\t' | '\n' | '\r');
    let removed = !line && (matches!(c, '\0' | '\u{FFFD}') || c.is_other());
    let punctuation = !white && (c.is_ascii_punctuation() || c.is_punctuation());
    [
        (REMOVED, removed),
        (WHITE, white),
        (PUNCTUATION, punctuation),
        (CHINESE, is_chinese(c)),
        (MARK, c.is_mark_nonspacing()),
        (REORDERS, canonical_combining_class(c) != 0),
        (DECOMPOSES, decomposition(c) != [c]),
        (LOWERS, lowers),
    ]
    .iter()
    .fold(0, |flags, &(flag, set)| if set { flags | flag } else { flags })
}

/// Cuts `values` into blocks of `size`, each distinct one once, in the order of first use.
pub(in crate::unicode) fn blocks<T: Clone + PartialEq>(
    values: &[T],
    size: usize,
) -> (Vec<usize>, Vec<Vec<T>>) {
    let mut distinct: Vec<Vec<T>> = Vec::new();
    let index = values.chunks(size).map(|chunk| {
        distinct.iter().position(|block| block == chunk).unwrap_or_else(|| {
            distinct.push(chunk.to_vec());
            distinct.len() - 1
        })
    });
    (index.collect(), distinct)
}

/// Equal neighbours among `(code point, value)` as inclusive ranges.
pub(in crate::unicode) fn runs(values: impl Iterator<Item = (u32, u8)>) -> Vec<(u32, u32, u8)> {
    let mut runs: Vec<(u32, u32, u8)> = Vec::new();
    for (code, value) in values.filter(|&(_, value)| value != 0) {
        match runs.last_mut() {
            Some((_, last, same)) if *last + 1 == code && *same == value => *last = code,
            _ => runs.push((code, code, value)),
        }
    }
    runs
}

/// One static with its items, in lines of at most 100 bytes.
pub(in crate::unicode) fn item<T: Debug>(
    out: &mut String,
    name: &str,
    kind: &str,
    doc: &str,
    items: &[T],
) {
    let _ = write!(out, "\n/// {doc}\npub(super) static {name}: [{kind}; {}] = [", items.len());
    let mut room = 0;
    for item in items {
        let text = format!("{item:?},").replace(", ", ",");
        if text.len() > room {
            out.push_str("\n    ");
            room = 96;
        }
        room = room.saturating_sub(text.len());
        out.push_str(&text);
    }
    out.push_str("\n];\n");
}

fn sequences(out: &mut String, name: &str, what: &str, of: impl Fn(char) -> Vec<char>) {
    let mut entries = vec![0_u16; 0x11_0000];
    let mut chars: Vec<char> = Vec::new();
    for c in all() {
        let parts = of(c);
        if parts.is_empty() {
            continue;
        }
        assert!(parts.len() < 8, "the length has three bits");
        entries[c as usize] = u16::try_from(chars.len() << 3 | parts.len()).expect("sixteen bits");
        chars.extend(parts);
    }
    let used = entries.iter().rposition(|&entry| entry != 0).expect("an entry");
    let (index, blocks) = blocks(&entries[..used | 63], 64);
    let blocks: Vec<Vec<u16>> = blocks
        .into_iter()
        .map(|mut block| {
            block.resize(64, 0);
            block
        })
        .collect();
    let docs = [
        format!("{what}: the block of each 64 code points."),
        format!("{what}: `start << 3 | length` of each code point."),
        format!("{what}: all sequences, one after the other."),
    ];
    item(out, &format!("{name}_INDEX"), "u8", &docs[0], &index);
    item(out, &format!("{name}_BLOCKS"), "[u16; 64]", &docs[1], &blocks);
    let chars: Vec<Escaped> = chars.into_iter().map(Escaped).collect();
    item(out, &format!("{name}_CHARS"), "char", &docs[2], &chars);
}

/// A character by its number, whatever it looks like.
pub(in crate::unicode) struct Escaped(pub(in crate::unicode) char);

impl Debug for Escaped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'", self.0.escape_unicode())
    }
}

fn tables() -> String {
    let sweep = sweep();
    let (white, lower) = (swept(&sweep, "white"), lower_case(&sweep));
    let mut flags = vec![0; 0x11_0000];
    for c in all() {
        flags[c as usize] = flags_of(c, white[c as usize], lower.contains_key(&c));
    }
    let mut out = HEAD.to_owned();
    let (index, blocks) = blocks(&flags[..BLOCKS_END as usize], 128);
    item(&mut out, "FLAG_INDEX", "u8", "The block of each 128 code points.", &index);
    item(&mut out, "FLAG_BLOCKS", "[u8; 128]", "The flags of each code point.", &blocks);
    let high = runs((BLOCKS_END..0x11_0000).map(|code| (code, flags[code as usize])));
    let doc = "Flags of the higher planes: first, last, flags.";
    item(&mut out, "HIGH_FLAGS", "(u32, u32, u8)", doc, &high);
    let classes = runs(all().map(|c| (u32::from(c), canonical_combining_class(c))));
    let doc = "Combining classes that are not zero: first, last, class.";
    item(&mut out, "CLASSES", "(u32, u32, u8)", doc, &classes);
    sequences(&mut out, "DECOMPOSITION", "Canonical decompositions", |c| {
        let parts = decomposition(c);
        let hangul = ('\u{AC00}'..='\u{D7A3}').contains(&c);
        if parts == [c] || hangul { Vec::new() } else { parts }
    });
    sequences(&mut out, "LOWER", "Lower case", |c| lower.get(&c).cloned().unwrap_or_default());
    out
}

#[test]
fn tables_are_current() {
    let tables = tables();
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(PATH, &tables).expect("the tables can be written");
    }
    let committed = std::fs::read_to_string(PATH).expect("the tables can be read");
    assert!(committed == tables, "run UPDATE_TABLES=1 cargo test tables_are_current");
}

#[test]
fn every_code_point_is_as_in_the_swept_library() {
    let sweep = sweep();
    assert_eq!(sweep["tokenizers"], "0.23.3");
    let classes = [
        ("removed", REMOVED),
        ("white", WHITE),
        ("punctuation", PUNCTUATION),
        ("chinese", CHINESE),
        ("mark", MARK),
    ];
    for (name, flag) in classes {
        let expected = swept(&sweep, name);
        for c in all() {
            let flags = super::flags(c);
            // What decomposes is gone before the sweep could see whether it is a mark.
            let found = flags & flag != 0 && (flag != MARK || flags & DECOMPOSES == 0);
            assert_eq!(found, expected[c as usize], "{name} of {c:?}");
        }
    }
    let lowered = lower_case(&sweep);
    for c in all() {
        let mut found = Vec::new();
        super::lower(c, |part| found.push(part));
        assert_eq!(&found, lowered.get(&c).unwrap_or(&vec![c]), "lower case of {c:?}");
        assert_eq!(super::flags(c) & LOWERS != 0, found != [c], "lower case flag of {c:?}");
    }
}

#[test]
fn decompositions_and_classes_are_those_of_the_crate() {
    for c in all() {
        let mut parts = Vec::new();
        super::decompose(c, |part| parts.push(part));
        assert_eq!(parts, decomposition(c), "decomposition of {c:?}");
        let class = canonical_combining_class(c);
        assert_eq!(super::combining_class(c), class, "class of {c:?}");
        assert_eq!(super::flags(c) & REORDERS != 0, class != 0, "class flag of {c:?}");
        assert_eq!(super::flags(c) & DECOMPOSES != 0, parts != [c], "flag of {c:?}");
    }
}
