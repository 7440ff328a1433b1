//! What the reference library says, its accidents by name, and files that mean harm.

use super::literal::charsmap;
use super::*;
use crate::error::ErrorKind;
use crate::ids::Span;
use crate::regex::Pattern;

fn literal(pattern: &str, content: &str) -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::String(pattern.to_owned()), content).unwrap())
}

fn regex(pattern: &str, content: &str) -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::Regex(pattern.to_owned()), content).unwrap())
}

fn map(rules: &[(&str, &str)]) -> Normalizer {
    Normalizer::Precompiled(Precompiled::new(&charsmap(rules)).unwrap())
}

/// The text and the origin of each of its characters, in characters.
fn run(normalizer: &Normalizer, text: &str) -> Result<(String, Vec<(usize, usize)>)> {
    let mut aligned = Aligned::default();
    normalizer.normalize_aligned(text, &mut aligned)?;
    let mut plain = String::new();
    normalizer.normalize_into(text, &mut plain)?;
    assert_eq!(plain, aligned.text, "{normalizer:?} on {text:?}");
    let count = |bytes: u32| text[..bytes as usize].chars().count();
    let place = |(at, c): (usize, char)| {
        let Span { start, end } = aligned.source(at..at + c.len_utf8());
        (count(start), count(end))
    };
    let places = aligned.text.char_indices().map(place).collect();
    Ok((aligned.text, places))
}

fn says(normalizer: &Normalizer, text: &str, wanted: &str, places: &[(usize, usize)]) {
    let found = run(normalizer, text).unwrap();
    assert_eq!((&*found.0, &*found.1), (wanted, places), "{normalizer:?} on {text:?}");
}

/// A normaliser of `tokenizer.json`.
fn declared(json: &serde_json::Value) -> Normalizer {
    let flag = |name: &str| json[name].as_bool().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    match json["type"].as_str().unwrap() {
        "BertNormalizer" => Normalizer::Bert(BertNormalizer {
            clean_text: flag("clean_text"),
            handle_chinese_chars: flag("handle_chinese_chars"),
            strip_accents: json["strip_accents"].as_bool(),
            lowercase: flag("lowercase"),
        }),
        "ByteLevel" => Normalizer::ByteLevel,
        "Lowercase" => Normalizer::Lowercase,
        "NFC" => Normalizer::Nfc,
        "NFD" => Normalizer::Nfd,
        "NFKC" => Normalizer::Nfkc,
        "NFKD" => Normalizer::Nfkd,
        "Nmt" => Normalizer::Nmt,
        "Precompiled" => {
            use base64::Engine;
            let engine = base64::engine::general_purpose::STANDARD;
            let map = engine.decode(text(&json["precompiled_charsmap"])).unwrap();
            Normalizer::Precompiled(Precompiled::new(&map).unwrap())
        }
        "Prepend" => Normalizer::Prepend(text(&json["prepend"])),
        "Replace" => match json["pattern"]["String"].as_str() {
            Some(pattern) => literal(pattern, &text(&json["content"])),
            None => regex(&text(&json["pattern"]["Regex"]), &text(&json["content"])),
        },
        "Strip" => Normalizer::Strip { left: flag("strip_left"), right: flag("strip_right") },
        "StripAccents" => Normalizer::StripAccents,
        "Sequence" => {
            let members = json["normalizers"].as_array().unwrap();
            Normalizer::Sequence(members.iter().map(declared).collect())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_library_agrees() {
    let golden = include_str!("../../tests/data/normalize_golden.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    assert_eq!(golden["tokenizers"], "0.23.3");
    let (mut good, mut dead) = (0, 0);
    for case in golden["cases"].as_array().unwrap() {
        let normalizer = declared(&case["normalizer"]);
        for line in case["texts"].as_array().unwrap() {
            let text = line[0].as_str().unwrap();
            let found = run(&normalizer, text);
            let Some(wanted) = line[1].as_str() else {
                // The library died of an index out of bounds.
                assert_eq!(found.unwrap_err().kind(), ErrorKind::Unsupported, "{normalizer:?}");
                dead += 1;
                continue;
            };
            let (found, places) = found.unwrap();
            assert_eq!(found, wanted, "{normalizer:?} on {text:?}");
            let places: Vec<usize> = places.into_iter().flat_map(|(a, b)| [a, b]).collect();
            assert_eq!(serde_json::json!(places), line[2], "{normalizer:?} on {text:?}");
            good += 1;
        }
    }
    assert!(good > 2000 && dead > 10, "{good} and {dead}");
}

#[test]
fn text_put_before_the_first_character_came_from_nowhere() {
    says(&regex("(?=a)", "X"), "ab", "Xab", &[(0, 0), (0, 1), (1, 2)]);
    says(&literal("", "X"), "ab", "XaXbX", &[(0, 0), (0, 1), (0, 1), (1, 2), (1, 2)]);
    says(&Normalizer::Prepend(String::new()), "ab", "ab", &[(0, 0), (1, 2)]);
}

#[test]
fn text_from_nowhere_is_doubled_by_the_next_step_or_the_library_dies() {
    let first = || literal("", "X");
    let strip = Normalizer::Sequence(vec![regex("(?=a)", "X"), Normalizer::StripAccents]);
    says(&strip, "a\u{301}", "XXa", &[(0, 0), (0, 1), (1, 2)]);
    let lower = Normalizer::Sequence(vec![first(), Normalizer::Lowercase]);
    let error = run(&lower, "ab").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let prepended = Normalizer::Sequence(vec![first(), Normalizer::Prepend("Z".to_owned())]);
    says(&prepended, "a", "ZXaX", &[(0, 0), (0, 0), (0, 1), (0, 1)]);
}

#[test]
fn a_prepended_text_has_the_place_of_the_first_character() {
    says(&Normalizer::Prepend("▁".to_owned()), "", "", &[]);
    says(&Normalizer::Prepend("xy".to_owned()), "éa", "xyéa", &[(0, 1), (0, 1), (0, 1), (1, 2)]);
    let stripped = vec![
        Normalizer::Strip { left: true, right: true },
        Normalizer::Prepend("▁".to_owned()),
        literal(" ", "▁"),
    ];
    let stripped = Normalizer::Sequence(stripped);
    says(&stripped, "  a b ", "▁a▁b", &[(2, 3), (2, 3), (3, 4), (4, 5)]);
    says(&stripped, " \u{3000}\u{85}", "", &[]);
}

#[test]
fn a_map_that_drops_the_first_character_shifts_all_places() {
    says(&map(&[("\u{1}", "")]), "\u{1}ab", "ab", &[(0, 1), (1, 2)]);
    says(&map(&[("\u{1}", "")]), "a\u{1}b", "ab", &[(0, 1), (2, 3)]);
    // A dropped character makes a replacement of the new one before it.
    says(&map(&[("\u{1}", ""), ("x", "yz")]), "x\u{1}b", "yzb", &[(0, 1), (1, 2), (2, 3)]);
}

#[test]
fn a_map_takes_the_shortest_text_for_the_whole_cluster() {
    says(&map(&[("e", "E"), ("e\u{301}", "F")]), "e\u{301}a", "Ea", &[(0, 1), (2, 3)]);
    // Six bytes and more are looked up by characters.
    let long = "e\u{301}\u{302}\u{303}";
    says(
        &map(&[(long, "x"), ("\u{302}", "y")]),
        long,
        "e\u{301}y\u{303}",
        &[(0, 1), (1, 2), (2, 3), (3, 4)],
    );
    says(&map(&[("\r\n", "n"), ("\n", "l")]), "\r\n\n", "nl", &[(0, 1), (2, 3)]);
}

#[test]
fn lower_case_looks_at_no_neighbours() {
    let places = [(0, 1), (1, 2), (2, 3), (3, 4), (3, 4)];
    says(&Normalizer::Lowercase, "ΑΣ İ", "ασ i\u{307}", &places);
}

#[test]
fn nmt_knows_three_controls_of_latin_1_only() {
    let places = [(1, 2), (2, 3), (6, 7), (7, 8)];
    says(
        &Normalizer::Nmt,
        "\u{1}\0\u{80}\u{8f}\u{9f}\u{7f}\u{200b}\u{ad}",
        "\0\u{80} \u{ad}",
        &places,
    );
}

#[test]
fn forms_are_those_of_unicode_9() {
    // Composed since 16.0 and decomposed since 17.0 or so; 9.0 leaves both alone.
    says(&Normalizer::Nfd, "\u{11383}", "\u{11383}", &[(0, 1)]);
    says(&Normalizer::Nfkc, "\u{32FF}", "\u{32FF}", &[(0, 1)]);
    says(&Normalizer::StripAccents, "e\u{301}\u{903}", "e", &[(0, 1)]);
}

#[test]
fn a_map_that_is_none_is_refused() {
    let good = charsmap(&[("a", "b")]);
    for bad in [&[][..], &[1, 0, 0], &[0; 4], &[255; 12], &good[..200], &[3, 0, 0, 0, 1, 1, 1]] {
        let error = Precompiled::new(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format, "{bad:?}");
    }
    let mut latin = good.clone();
    let last = latin.len() - 2;
    latin[last] = 0xE9;
    assert_eq!(Precompiled::new(&latin).unwrap_err().kind(), ErrorKind::Format);
}

#[test]
fn a_map_that_points_outside_is_an_error_when_a_text_leads_there() {
    let good = charsmap(&[("a", "b"), ("é", "ø")]);
    let texts = ["a", "é", "b", "aéb\r\n e\u{301}"];
    // Every byte of the trie in turn.
    for at in 4..good.len() {
        for with in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut bad = good.clone();
            bad[at] = with;
            let Ok(map) = Precompiled::new(&bad) else { continue };
            for text in texts {
                if let Err(error) = run(&Normalizer::Precompiled(map.clone()), text) {
                    assert_eq!(error.kind(), ErrorKind::Format, "{at} {text}");
                }
            }
        }
    }
    // A unit that leads to itself, and one that leads far away.
    for unit in [u32::from(b'a'), u32::MAX >> 1, u32::from(b'a') | 1 << 9 | 0x003F_FFFF << 10] {
        let mut bad = 1024_u32.to_le_bytes().to_vec();
        bad.extend((0..256).flat_map(|_| unit.to_le_bytes()));
        let map = Normalizer::Precompiled(Precompiled::new(&bad).unwrap());
        let _ = run(&map, &"a".repeat(10_000));
    }
}

#[test]
fn a_text_does_not_grow_without_bound() {
    let double = || literal("a", "aa");
    let doubled = Normalizer::Sequence((0..40).map(|_| double()).collect());
    assert_eq!(run(&doubled, "a").unwrap_err().kind(), ErrorKind::Argument);
    let bytes = Normalizer::Sequence((0..40).map(|_| Normalizer::ByteLevel).collect());
    assert_eq!(run(&bytes, "é").unwrap_err().kind(), ErrorKind::Argument);
    let long = "x".repeat(1 << 20);
    for grown in [literal("", &long), map(&[("a", &long)]), Normalizer::Prepend(long.repeat(17))] {
        assert_eq!(run(&grown, &"a".repeat(20)).unwrap_err().kind(), ErrorKind::Argument);
    }
    let regex = regex("a", &long);
    assert_eq!(run(&regex, &"a".repeat(20)).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn an_error_leaves_nothing_that_the_next_text_would_see() {
    let lower = Normalizer::Sequence(vec![literal("", "X"), Normalizer::Lowercase]);
    let mut aligned = Aligned::default();
    assert!(lower.normalize_aligned("ab", &mut aligned).is_err());
    Normalizer::Nfc.normalize_aligned("e\u{301}", &mut aligned).unwrap();
    assert_eq!((&*aligned.text, aligned.origins.len()), ("é", 2));
}

#[test]
fn long_rows_of_marks_stay_linear_enough() {
    let marks = "a".to_owned() + &"\u{1D165}\u{302E}\u{323}\u{301}".repeat(50_000);
    for form in [Normalizer::Nfc, Normalizer::Nfkd] {
        run_only(&form, &marks);
    }
    run_only(&map(&[("a", "b")]), &marks);
    run_only(&map(&[("a", "b")]), &"\u{1F1E6}".repeat(100_000));
    run_only(&map(&[("a", "b")]), &"👩\u{200d}".repeat(50_000));
}

fn run_only(normalizer: &Normalizer, text: &str) {
    let mut plain = String::new();
    normalizer.normalize_into(text, &mut plain).unwrap();
}

#[test]
fn steps_have_a_bound() {
    let steps = |count| Normalizer::Sequence(vec![Normalizer::Nfc; count]).check();
    assert!(steps(1024).is_ok());
    assert!(steps(1025).unwrap_err().to_string().contains("more than 1024 steps"));
}
