//! Writes `forms_tables.rs` anew and compares: the tables are current when nothing differs.
//!
//! Normal forms and marks come from `unicode-normalization-alignments` 0.1.12, clusters from
//! `unicode-segmentation`, in the versions that the reference library is built with.
//! `UPDATE_TABLES=1 cargo test form_tables_are_current` rewrites the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char as library;
use unicode_segmentation::UnicodeSegmentation;

use super::super::bert::generate::{BLOCKS_END, Escaped, all, blocks, decomposition, item, runs};
use super::{CLUSTERS, MARK, NFC, NFD, NFKC, NFKD};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/unicode/forms_tables.rs");

const HEAD: &str = "\
//! Tables of normal forms, written by the generator in `forms/generate.rs`; do not edit.
//!
//! Decompositions, compositions and marks: Unicode 9.0. Clusters: Unicode 17.0, as tokenizers 0.23.3
//! has them. Equal blocks are stored once. Numbers only, so that a diff is honest.

#![allow(clippy::unreadable_literal, reason = \"a table is not read digit by digit\")]
";

fn compatible(c: char) -> Vec<char> {
    let mut parts = Vec::new();
    library::decompose_compatible(c, |part| parts.push(part));
    parts
}

/// All pairs that compose, save those of Hangul.
fn compositions() -> BTreeMap<(char, char), char> {
    let decomposed = || all().filter(|c| !('\u{AC00}'..='\u{D7A3}').contains(c));
    let decomposed = || decomposed().map(|c| (c, decomposition(c))).filter(|(c, d)| *d != [*c]);
    let seconds: BTreeSet<char> = decomposed().flat_map(|(_, d)| d).collect();
    let firsts: BTreeSet<char> =
        decomposed().map(|(c, _)| c).chain(seconds.iter().copied()).collect();
    let mut pairs = BTreeMap::new();
    for &first in &firsts {
        for &second in &seconds {
            if let Some(c) = library::compose(first, second) {
                pairs.insert((first, second), c);
            }
        }
    }
    pairs
}

/// Whether a border stands on either side of `c` among characters of the same kind.
fn stands_alone(c: char) -> bool {
    let others = ['a', '\u{AC00}', '\u{1F1E6}', '\u{A9}'];
    others.iter().all(|&other| {
        let count = |text: String| text.graphemes(true).count();
        count(format!("{other}{c}")) == 2 && count(format!("{c}{other}")) == 2
    }) && c != '\r'
}

fn flags_of(c: char, seconds: &BTreeSet<char>) -> u8 {
    let same = |form: Vec<(char, isize)>| form == [(c, 0)];
    let text = c.to_string();
    let starts = |parts: &[char]| {
        let joins = |c| {
            seconds.contains(&c) || matches!(c, '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}')
        };
        let starter = |c| library::canonical_combining_class(c) == 0;
        parts.first().is_some_and(|&first| starter(first) && !joins(first) && !joins(c))
    };
    let starter = library::canonical_combining_class(c) == 0;
    [
        (NFC, !(same(text.nfc().collect()) && starter && starts(&decomposition(c)))),
        (NFD, !(same(text.nfd().collect()) && starter)),
        (NFKC, !(same(text.nfkc().collect()) && starter && starts(&compatible(c)))),
        (NFKD, !(same(text.nfkd().collect()) && starter)),
        (MARK, library::is_combining_mark(c)),
        (CLUSTERS, !stands_alone(c)),
    ]
    .iter()
    .fold(0, |flags, &(flag, set)| if set { flags | flag } else { flags })
}

/// Compatible decompositions: an index of blocks of entries; an entry is the number of a sequence.
fn compatible_sequences(out: &mut String) {
    let mut entries = vec![0_u16; 0x11_0000];
    // Entry 0 is nothing.
    let mut starts: Vec<u16> = vec![0];
    let mut chars: Vec<char> = Vec::new();
    let mut known: HashMap<Vec<char>, u16> = HashMap::new();
    let short = |number: usize| u16::try_from(number).expect("sixteen bits");
    for c in all() {
        let parts = compatible(c);
        if parts == [c] || parts == decomposition(c) {
            continue;
        }
        entries[c as usize] = *known.entry(parts).or_insert_with_key(|parts| {
            starts.push(short(chars.len()));
            chars.extend(parts);
            short(starts.len() - 1)
        });
    }
    starts.push(short(chars.len()));
    let used = entries.iter().rposition(|&entry| entry != 0).expect("an entry");
    let (index, blocks) = blocks(&entries[..=used | 63], 64);
    let doc = "Compatible decompositions: the block of each 64 code points.";
    item(out, "COMPATIBLE_INDEX", "u8", doc, &index);
    let doc = "Compatible decompositions: the number of each code point's sequence, 0 for none.";
    item(out, "COMPATIBLE_BLOCKS", "[u16; 64]", doc, &blocks);
    let doc =
        "Compatible decompositions: where each sequence starts; the next one's start is its end.";
    item(out, "COMPATIBLE_STARTS", "u16", doc, &starts);
    let chars: Vec<Escaped> = chars.into_iter().map(Escaped).collect();
    let doc = "Compatible decompositions: all sequences, one after the other.";
    item(out, "COMPATIBLE_CHARS", "char", doc, &chars);
}

fn tables() -> String {
    let pairs = compositions();
    let seconds: BTreeSet<char> = pairs.keys().map(|&(_, second)| second).collect();
    let mut flags = vec![0; 0x11_0000];
    for c in all() {
        flags[c as usize] = flags_of(c, &seconds);
    }
    let mut out = HEAD.to_owned();
    let (index, blocks) = blocks(&flags[..BLOCKS_END as usize], 128);
    item(&mut out, "FLAG_INDEX", "u8", "The block of each 128 code points.", &index);
    item(&mut out, "FLAG_BLOCKS", "[u8; 128]", "The flags of each code point.", &blocks);
    let high = runs((BLOCKS_END..0x11_0000).map(|code| (code, flags[code as usize])));
    let doc = "Flags of the higher planes: first, last, flags.";
    item(&mut out, "HIGH_FLAGS", "(u32, u32, u8)", doc, &high);
    compatible_sequences(&mut out);
    let pairs: Vec<(u32, u32, u32)> =
        pairs.into_iter().map(|((a, b), c)| (a.into(), b.into(), c.into())).collect();
    let doc = "Pairs that compose and what they become, in order.";
    item(&mut out, "COMPOSITIONS", "(u32, u32, u32)", doc, &pairs);
    out
}

#[test]
fn form_tables_are_current() {
    assert_eq!(unicode_segmentation::UNICODE_VERSION, (17, 0, 0));
    let tables = tables();
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(PATH, &tables).expect("the tables can be written");
    }
    let committed = std::fs::read_to_string(PATH).expect("the tables can be read");
    assert!(committed == tables, "run UPDATE_TABLES=1 cargo test form_tables_are_current");
}

#[test]
fn compatible_decompositions_and_compositions_are_those_of_the_crate() {
    for c in all() {
        let mut parts = Vec::new();
        super::decompose(c, true, |part| parts.push(part));
        assert_eq!(parts, compatible(c), "decomposition of {c:?}");
        assert_eq!(super::class(c), library::canonical_combining_class(c), "class of {c:?}");
        // What a character is first with: its neighbours in a decomposition, and Hangul letters.
        let canonical = decomposition(c);
        for pair in canonical.windows(2) {
            let (first, second) = (pair[0], pair[1]);
            assert_eq!(super::compose(first, second), library::compose(first, second));
            assert_eq!(super::compose(c, second), library::compose(c, second));
        }
        for second in ['\u{1161}', '\u{1175}', '\u{1176}', '\u{11A7}', '\u{11A8}', '\u{11C2}'] {
            assert_eq!(super::compose(c, second), library::compose(c, second), "{c:?}");
            assert_eq!(super::compose(second, c), library::compose(second, c), "{c:?}");
        }
    }
}
