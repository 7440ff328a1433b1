//! Masks against the scanners that go character by character, for every instruction set at hand.

use proptest::prelude::*;

use super::*;
use crate::pretokenize::gpt::{Cl100kScanner, Gpt2Scanner};
use crate::pretokenize::o200k::O200kScanner;
use crate::unicode::classes::{CASELESS, LOWER, MARK, NUMBER, SPACE, UPPER};

fn masks(isa: Isa, rule: impl Rule, text: &[u8]) -> Vec<usize> {
    let mut all = Vec::new();
    let mut at = 0;
    let mut ends = Ends::new();
    while at < text.len() {
        ends.clear();
        at = isa.fill(rule, text, at, &mut ends);
        all.extend(ends.get().iter().map(|&end| end as usize));
        assert_eq!(all.last(), Some(&at));
    }
    all
}

fn one_by_one(rule: impl Rule, text: &[u8]) -> Vec<usize> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < text.len() {
        at = rule.next(text, at);
        all.push(at);
    }
    all
}

fn check_rule(rule: impl Rule + std::fmt::Debug, text: &str) {
    let expected = one_by_one(rule, text.as_bytes());
    for isa in Isa::all() {
        assert_eq!(masks(isa, rule, text.as_bytes()), expected, "{isa:?} {rule:?} {text:?}");
    }
}

fn check(text: &str) {
    check_rule(Gpt2Rule(Gpt2Scanner::new()), text);
    for digits in [1, 2, 3] {
        for end_run in [false, true] {
            for marks in [false, true] {
                check_rule(Cl100kRule(Cl100kScanner::new(digits, end_run, marks)), text);
            }
        }
        for contractions in [false, true] {
            check_rule(O200kRule(O200kScanner::new(digits, contractions)), text);
        }
    }
}

/// One or more of every class that any rule tells apart, in one to four bytes.
const ALPHABET: &[&str] = &[
    "a",
    "s",
    "l",
    "re",
    "e",
    "B",
    "S",
    "Z",
    "é",
    "É",
    "ſ",
    "д",
    "Д",
    "ª",
    "א",
    "語",
    "한",
    "𐐀",
    "𐐨",
    "𠀀",
    "ǅ",
    "0",
    "1",
    "12",
    "½",
    "٣",
    "５",
    "𝟘",
    "\u{301}",
    "\u{FE0F}",
    "\u{94D}",
    "\u{1D165}",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\u{B}",
    "\u{85}",
    "\u{A0}",
    "\u{2003}",
    "\u{3000}",
    "'",
    "''",
    "'s",
    "'S",
    "'ll",
    "'lL",
    "'re",
    "'ſ",
    "/",
    "//",
    "!",
    "-",
    ".",
    "…",
    "「",
    "😀",
    "\u{0}",
    "\u{7F}",
    "\u{378}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn masks_equal_the_scanners(
        parts in prop::collection::vec(prop::sample::select(ALPHABET), 0..60),
        front in 0..70_usize,
    ) {
        let text = parts.concat();
        check(&text);
        check(&("x".repeat(front) + &text));
    }

    #[test]
    fn masks_equal_the_scanners_on_few_kinds(
        kinds in prop::collection::vec(prop::sample::select(ALPHABET), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..90),
    ) {
        let text: String = order.iter().map(|index| *index.get(&kinds)).collect();
        check(&text);
    }

    #[test]
    fn masks_equal_the_scanners_on_any_text(text in any::<String>()) {
        check(&text);
    }
}

#[test]
fn runs_of_every_length_at_every_place() {
    for part in
        ["a", "A", "é", "語", "5", "５", " ", "\u{3000}", "\n", "!", "…", "/", "\u{301}", "'s"]
    {
        for count in (0..70).chain([127, 128, 129, 300]) {
            for (before, after) in [("", ""), ("a", "b"), (" ", "x"), ("!", "\n"), ("1", "\n !")] {
                check(&format!("{before}{}{after}", part.repeat(count)));
            }
        }
    }
}

#[test]
fn every_instruction_set_sees_the_same() {
    let mut bytes = [0; WINDOW];
    let mut state = 1u64;
    for round in 0..20_000 {
        for byte in &mut bytes {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            *byte = (state >> 56) as u8;
            if round % 2 == 0 {
                *byte &= 0x7F;
            }
        }
        let expected = portable::Portable.classify(&bytes);
        for isa in Isa::all() {
            let found = match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512(isa) => isa.classify(&bytes),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2(isa) => isa.classify(&bytes),
                Isa::Portable => expected,
            };
            // What is beyond ASCII is only told apart where there is something.
            assert_eq!(found, expected, "{isa:?} {bytes:?}");
        }
    }
}

#[test]
fn classes_of_windows_are_those_of_characters() {
    let table = ClassTable::get();
    for first in (0..=0x10_FFFF_u32).step_by(13) {
        let text: String = (first..first + 13).filter_map(char::from_u32).collect();
        if text.is_empty() {
            continue;
        }
        let mut bytes = [0; WINDOW];
        let length = text.len();
        bytes[..length].copy_from_slice(text.as_bytes());
        let window = Window::new(portable::Portable.classify(&bytes), &bytes, length, table);
        for (at, c) in text.char_indices() {
            let masks = [
                (UPPER, window.upper),
                (LOWER, window.lower),
                (CASELESS, window.caseless),
                (NUMBER, window.number),
                (SPACE, window.space),
                (MARK, window.mark),
            ];
            for (class, mask) in masks {
                let expected = table.class(u32::from(c)) == class;
                for at in at..at + c.len_utf8() {
                    assert_eq!(mask >> at & 1 == 1, expected, "{c:?} {class}");
                }
            }
            assert!(window.starts >> at & 1 == 1 && window.valid >> at & 1 == 1);
        }
    }
}

#[test]
fn leads_that_are_taken_for_caseless_are() {
    let table = ClassTable::get();
    for lead in 0x80..=0xFF_u8 {
        if is_caseless_lead(lead) {
            let first = u32::from(lead & 0xF) << 12;
            assert!((first..first + 0x1000).all(|code| table.class(code) == CASELESS), "{lead:X}");
        }
    }
}
