//! The slow twin of all steps: lists of changes, applied to a text that is kept with its origins, as
//! the reference library applies them. It shares nothing with the walks, neither tables nor trie.

use proptest::prelude::*;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::{Aligned, BertNormalizer, Normalizer, Precompiled, Replace, reference};
use crate::ids::Span;
use crate::regex::{Dialect, Pattern, Regex};

/// Characters with their origins.
type Chars = Vec<(char, Span)>;
/// New characters with what becomes of the old ones.
type Changes = Vec<(char, isize)>;

/// What the library dies of: an index out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dies;

/// Changes the characters from `from` on. `1` is a new character, `0` takes the place of the next old
/// one, and `-n` does so and removes the `n` old ones after it; `skip` old ones go first.
fn transform(old: &Chars, from: usize, changes: Changes, skip: usize) -> Result<Chars, Dies> {
    let mut new = old[..from].to_vec();
    let mut next = (from + skip).min(old.len());
    for (c, change) in changes {
        if change > 0 {
            new.push((c, next.checked_sub(1).map_or(Span::new(0, 0), |last| old[last].1)));
        } else {
            new.push((c, old.get(next).ok_or(Dies)?.1));
            next = (next + 1 + change.unsigned_abs()).min(old.len());
        }
    }
    Ok(new)
}

/// Changes what the whole source became, which starts at the first character that came from anywhere.
fn transform_all(old: &Chars, changes: Changes, skip: usize) -> Result<Chars, Dies> {
    let from = old.iter().take_while(|(_, origin)| origin.is_empty()).count();
    transform(old, from, changes, skip)
}

fn filter(old: &Chars, keep: impl Fn(char) -> bool) -> Result<Chars, Dies> {
    let first = old.iter().position(|&(c, _)| keep(c)).unwrap_or(0);
    let mut changes = Changes::new();
    for &(c, _) in &old[first..] {
        if keep(c) {
            changes.push((c, 0));
        } else if let Some((_, change)) = changes.last_mut() {
            *change -= 1;
        }
    }
    transform_all(old, changes, first)
}

fn map(old: &Chars, to: impl Fn(char) -> char) -> Result<Chars, Dies> {
    transform_all(old, old.iter().map(|&(c, _)| (to(c), 0)).collect(), 0)
}

/// Several characters for one: the first takes its place, the others are new.
fn expand(old: &Chars, to: impl Fn(char) -> Vec<char>) -> Result<Chars, Dies> {
    let parts = |&(c, _): &(char, Span)| to(c).into_iter().enumerate();
    let changes = old.iter().flat_map(parts).map(|(at, c)| (c, isize::from(at > 0)));
    transform_all(old, changes.collect(), 0)
}

fn text_of(chars: &Chars) -> String {
    chars.iter().map(|&(c, _)| c).collect()
}

fn nmt(old: &Chars) -> Result<Chars, Dies> {
    let dropped = [(1, 8), (0xB, 0xB), (0xE, 0x1F), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0x9F)];
    let spaces = [9, 0xA, 0xC, 0xD, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD];
    let is_dropped = |c| dropped.iter().any(|&(a, b)| (a..=b).contains(&u32::from(c)));
    let is_space = |c| spaces.contains(&u32::from(c)) || ('\u{200B}'..='\u{200F}').contains(&c);
    map(&filter(old, |c| !is_dropped(c))?, |c| if is_space(c) { ' ' } else { c })
}

fn strip(old: &Chars, left: bool, right: bool) -> Result<Chars, Dies> {
    let white = |on: bool, c: char| on && c.is_whitespace();
    let before = old.iter().take_while(|(c, _)| white(left, *c)).count();
    let after = old.iter().rev().take_while(|(c, _)| white(right, *c)).count();
    if before + after == 0 {
        return Ok(old.clone());
    }
    let kept = before..(old.len() - after).max(before);
    transform_all(old, old[kept].iter().map(|&(c, _)| (c, 0)).collect(), before)
}

fn prepend(old: &Chars, content: &str) -> Result<Chars, Dies> {
    let Some(&first) = old.first() else { return Ok(Chars::new()) };
    let new = content.chars().chain([first.0]).enumerate();
    let last = content.chars().count();
    let changes = new.map(|(at, c)| (c, isize::from(at > 0 || last == 0)));
    let mut new = transform(&vec![first], 0, changes.collect(), 0)?;
    new.extend_from_slice(&old[1..]);
    Ok(new)
}

fn replace(old: &Chars, replace: &Replace) -> Chars {
    let text = text_of(old);
    let index = |byte: usize| text[..byte].chars().count();
    let mut matches = Vec::new();
    if !text.is_empty() {
        match replace.pattern() {
            Pattern::String(literal) => {
                matches.extend(text.match_indices(literal).map(|(at, m)| (at, at + m.len())));
            }
            Pattern::Regex(pattern) => {
                let regex = Regex::new(pattern, Dialect::TokenizerJson).unwrap();
                regex.for_each_match(&text, |start, end| matches.push((start, end))).unwrap();
            }
        }
    }
    let (mut new, mut done) = (Chars::new(), 0);
    for (start, end) in matches {
        let (start, end) = (index(start), index(end));
        new.extend_from_slice(&old[done..start]);
        let origin = end.checked_sub(1).map_or(Span::new(0, 0), |last| old[last].1);
        new.extend(replace.content().chars().map(|c| (c, origin)));
        done = end;
    }
    new.extend_from_slice(&old[done..]);
    new
}

/// What the map has for the shortest beginning of `key`.
fn look_up<'a>(map: &'a [u8], key: &str) -> Option<&'a str> {
    let number = |at: usize| u32::from_le_bytes(map[at * 4..at * 4 + 4].try_into().unwrap());
    let unit = |at: usize| number(at + 1);
    let offset = |unit: u32| (unit >> 10 << ((unit >> 6) & 8)) as usize;
    let mut at = offset(unit(0));
    for byte in key.bytes().take_while(|&byte| byte != 0) {
        at ^= usize::from(byte);
        let found = unit(at);
        if found & 0x8000_00FF != u32::from(byte) {
            return None;
        }
        at ^= offset(found);
        if found & 0x100 != 0 {
            let text = 4 + number(0) as usize + (unit(at) & 0x7FFF_FFFF) as usize;
            let text = &map[text..];
            let end = text.iter().position(|&byte| byte == 0).unwrap();
            return Some(std::str::from_utf8(&text[..end]).unwrap());
        }
    }
    None
}

fn precompiled(old: &Chars, map: &Precompiled) -> Result<Chars, Dies> {
    let mut changes = Changes::new();
    let mut changed = false;
    let mut try_one = |changes: &mut Changes, key: &str| {
        let Some(new) = look_up(map.charsmap(), key) else { return false };
        let (gone, come) = (key.chars().count(), new.chars().count());
        changes.extend(new.chars().enumerate().map(|(at, c)| (c, isize::from(at >= gone))));
        if come < gone
            && let Some((_, change)) = changes.last_mut()
        {
            *change -= isize::try_from(gone - come).unwrap();
        }
        changed = true;
        true
    };
    for cluster in text_of(old).graphemes(true) {
        if cluster.len() < 6 && try_one(&mut changes, cluster) {
            continue;
        }
        for c in cluster.chars() {
            if !try_one(&mut changes, c.encode_utf8(&mut [0; 4])) {
                changes.push((c, 0));
            }
        }
    }
    if changed { transform_all(old, changes, 0) } else { Ok(old.clone()) }
}

fn byte_alphabet(c: char) -> Vec<char> {
    crate::unicode::byte_level::spell(c.encode_utf8(&mut [0; 4]).as_bytes()).chars().collect()
}

fn step(normalizer: &Normalizer, old: &Chars) -> Result<Chars, Dies> {
    let text = text_of(old);
    match normalizer {
        Normalizer::Bert(bert) => {
            // Its own twin starts from a text; it knows nothing of what came from nowhere.
            let new = reference::normalize(bert, &text);
            let at = |byte: u32| text[..byte as usize].chars().count();
            let origins =
                new.text.char_indices().map(|(byte, _)| old[at(new.origins[byte].start)].1);
            Ok(new.text.chars().zip(origins).collect())
        }
        Normalizer::ByteLevel => expand(old, byte_alphabet),
        Normalizer::Lowercase => expand(old, |c| c.to_lowercase().collect()),
        Normalizer::Nfc => transform_all(old, text.nfc().collect(), 0),
        Normalizer::Nfd => transform_all(old, text.nfd().collect(), 0),
        Normalizer::Nfkc => transform_all(old, text.nfkc().collect(), 0),
        Normalizer::Nfkd => transform_all(old, text.nfkd().collect(), 0),
        Normalizer::Nmt => nmt(old),
        Normalizer::Precompiled(map) => precompiled(old, map),
        Normalizer::Prepend(content) => prepend(old, content),
        Normalizer::Replace(with) => Ok(replace(old, with)),
        Normalizer::Strip { left, right } => strip(old, *left, *right),
        // Another library's, which has no changes but a text.
        Normalizer::SentencePiece(_) => Ok(old.clone()),
        Normalizer::StripAccents => filter(old, |c| !is_combining_mark(c)),
        Normalizer::Sequence(members) => {
            members.iter().try_fold(old.clone(), |old, member| step(member, &old))
        }
    }
}

/// The normalised text and its origins, by the definition.
pub(super) fn normalize(normalizer: &Normalizer, text: &str) -> Result<Aligned, Dies> {
    let span = |(at, c): (usize, char)| (c, Span::new(at, at + c.len_utf8()));
    let chars = step(normalizer, &text.char_indices().map(span).collect())?;
    Ok(Aligned {
        text: text_of(&chars),
        origins: chars.iter().flat_map(|&(c, at)| vec![at; c.len_utf8()]).collect(),
    })
}

pub(super) fn check(normalizer: &Normalizer, text: &str) {
    let expected = normalize(normalizer, text);
    let mut aligned = Aligned::default();
    let result = normalizer.normalize_aligned(text, &mut aligned);
    let mut out = "before ".to_owned();
    let plain = normalizer.normalize_into(text, &mut out);
    let Ok(expected) = expected else {
        assert!(result.is_err() && plain.is_err(), "{normalizer:?} on {text:?}");
        return;
    };
    assert!(result.is_ok() && plain.is_ok(), "{normalizer:?} on {text:?}");
    assert_eq!(aligned, expected, "{normalizer:?} on {text:?}");
    assert_eq!(out.strip_prefix("before "), Some(&*expected.text), "{normalizer:?} on {text:?}");
}

/// A character map with these rules, laid out by trying one place after the other.
pub(super) fn charsmap(rules: &[(&str, &str)]) -> Vec<u8> {
    fn place(keys: &[(&[u8], u32)], units: &mut Vec<Option<u32>>) -> usize {
        let ends = keys.iter().find(|(key, _)| key.is_empty());
        let groups: Vec<_> = keys
            .chunk_by(|a, b| a.0.first() == b.0.first())
            .filter_map(|group| group[0].0.first().map(|&byte| (usize::from(byte), group)))
            .collect();
        let free = |units: &[Option<u32>], at: usize| units.get(at).is_none_or(Option::is_none);
        let mut state = 1;
        while !(groups.iter().all(|&(byte, _)| free(units, state ^ byte))
            && (ends.is_none() || free(units, state)))
        {
            state += 1;
        }
        units.resize(units.len().max((state | 255) + 1), None);
        if let Some(&(_, text)) = ends {
            units[state] = Some(1 << 31 | text);
        }
        for &(byte, _) in &groups {
            units[state ^ byte] = Some(0);
        }
        for (byte, group) in groups {
            let rest: Vec<_> = group.iter().map(|&(key, text)| (&key[1..], text)).collect();
            let next = place(&rest, units);
            let leaf = u32::from(rest.iter().any(|(key, _)| key.is_empty()));
            let offset = u32::try_from(state ^ byte ^ next).unwrap();
            units[state ^ byte] = Some(u32::try_from(byte).unwrap() | leaf << 8 | offset << 10);
        }
        state
    }
    let mut texts = Vec::new();
    let mut keys: Vec<(&[u8], u32)> = Vec::new();
    for (key, text) in rules {
        keys.push((key.as_bytes(), u32::try_from(texts.len()).unwrap()));
        texts.extend(text.bytes().chain([0]));
    }
    keys.sort_unstable();
    keys.dedup_by_key(|(key, _)| *key);
    let mut units = vec![Some(0)];
    let root = place(&keys, &mut units);
    units[0] = Some(u32::try_from(root).unwrap() << 10);
    let mut map = u32::try_from(units.len() * 4).unwrap().to_le_bytes().to_vec();
    map.extend(units.iter().flat_map(|unit| unit.unwrap_or(0).to_le_bytes()));
    map.extend(texts);
    map
}

/// Rules that meet every branch: of one character and of clusters, that drop, shrink and grow.
const RULES: [(&str, &str); 16] = [
    ("\u{1}", ""),
    ("\u{2}", ""),
    ("a", "b"),
    ("e\u{301}", "E"),
    ("x", "xyz"),
    ("é", "e\u{301}!"),
    ("\r\n", "\n"),
    ("\r", "R"),
    ("한", ""),
    ("\u{301}", ""),
    ("한\u{1100}", "q"),
    ("\u{1100}\u{1161}", "GA"),
    ("👍", "+1"),
    ("ab", "zz"),
    ("\u{1F1E6}\u{1F1E7}", "AB"),
    ("z\u{302}", "Z"),
];

const TROUBLE: &str = "aZxb9.   \t\n\r\0\u{1}\u{2}\u{b}\u{7f}\u{85}\u{a0}\u{ad}éÅİßſǅσΣ\u{301}\u{323}\u{344}\u{345}\u{302e}\
    \u{327}\u{308}\u{1100}\u{1161}\u{11a8}\u{1102}\u{1175}\u{11a7}\u{1176}각한가漢字か\u{3099}\u{309a}\u{ff76}\u{ff9e}ﬁ①㌀ﷺ½Ａ\u{2001}\
    \u{2028}\u{200b}\u{200d}\u{200e}\u{3000}\u{feff}\u{fffd}\u{2581}👍🏽\u{1f1e6}\u{1f1e7}👨👩हि\u{94d}\u{915}\u{e01}\u{e33}\u{e48}\u{f71}\
    \u{f72}\u{f73}\u{f75}\u{9c7}\u{9be}\u{cc6}\u{cc2}\u{cd5}\u{dd9}\u{dca}\u{dcf}\u{37e}\u{212a}\u{1e9b}\u{600}\u{11131}\u{11127}\
    \u{1d15e}\u{1d165}\u{1d16e}\u{2f800}\u{fe0f}\u{d4e}\u{1b05}\u{1b35}";

fn text() -> impl Strategy<Value = String> {
    let trouble: Vec<char> = TROUBLE.chars().collect();
    let one = prop_oneof![
        3 => proptest::sample::select(trouble),
        2 => proptest::sample::select(vec!['a', 'b', ' ', '\u{1}', '\u{301}']),
        1 => any::<char>(),
    ];
    proptest::collection::vec(one, 0..25).prop_map(|chars| chars.into_iter().collect())
}

fn literal(pattern: &str, content: &str) -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::String(pattern.to_owned()), content).unwrap())
}

fn regex(pattern: &str, content: &str) -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::Regex(pattern.to_owned()), content).unwrap())
}

/// Each step, without those of BERT.
pub(super) fn singles() -> Vec<Normalizer> {
    let mut all = vec![
        Normalizer::ByteLevel,
        Normalizer::Lowercase,
        Normalizer::Nfc,
        Normalizer::Nfd,
        Normalizer::Nfkc,
        Normalizer::Nfkd,
        Normalizer::Nmt,
        Normalizer::StripAccents,
        Normalizer::Precompiled(Precompiled::new(&charsmap(&RULES)).unwrap()),
    ];
    all.extend(["▁", "", "xy▁"].map(|content| Normalizer::Prepend(content.to_owned())));
    let ends = [(true, true), (true, false), (false, true)];
    all.extend(ends.map(|(left, right)| Normalizer::Strip { left, right }));
    all.extend(
        [(" ", "▁"), ("", "_"), ("a", ""), ("é", "ee"), ("ab", "x")].map(|(p, c)| literal(p, c)),
    );
    all.extend(
        [(" {2,}", " "), ("[ab]*", "-"), ("(?=b)", "+"), ("b|", "X")].map(|(p, c)| regex(p, c)),
    );
    all
}

/// The planes with characters: letters, ideographs, and the tags and selectors far above them.
fn code_points() -> impl Iterator<Item = char> {
    ('\0'..'\u{20100}').chain('\u{2F700}'..'\u{30000}').chain('\u{E0000}'..'\u{E0200}')
}

#[test]
fn every_code_point_is_as_by_the_definition() {
    for normalizer in singles().drain(..9) {
        for c in code_points() {
            check(
                &normalizer,
                &format!("{c}a{c}\u{323}{c}\u{1161}\u{1100}{c}\u{11a8}\u{200d}{c}{c}"),
            );
        }
    }
}

#[test]
fn every_pair_of_steps_is_as_by_the_definition() {
    let texts = [
        "",
        "a",
        "ab",
        "  é a ",
        "\u{1}ab\u{301}x\u{1}",
        "\u{301}e\u{323}\u{301}",
        "\u{1100}\u{1161}\u{11a8}각",
        "x\u{1}\u{2}",
    ];
    for first in singles() {
        for second in singles() {
            let pair = Normalizer::Sequence(vec![first.clone(), second]);
            for text in &texts {
                check(&pair, text);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_sequences_are_as_by_the_definition(
        text in text(),
        steps in proptest::collection::vec(proptest::sample::select(singles()), 0..5),
    ) {
        check(&Normalizer::Sequence(steps), &text);
    }

    #[test]
    fn bert_in_a_sequence_starts_from_the_origins_so_far(text in text(), bits in 0..8_u32) {
        let bert = BertNormalizer {
            clean_text: bits & 1 > 0,
            handle_chinese_chars: bits & 2 > 0,
            strip_accents: None,
            lowercase: bits & 4 > 0,
        };
        let steps = vec![Normalizer::Nfd, literal("a", "xy"), Normalizer::Bert(bert), Normalizer::Nfkc];
        check(&Normalizer::Sequence(steps), &text);
    }
}
