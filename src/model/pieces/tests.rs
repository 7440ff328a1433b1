//! Keys, tables and caches.

use proptest::prelude::*;

use super::*;

fn key(text: &str) -> Key {
    Key::new(text.as_bytes(), 0, text.len()).unwrap()
}

fn ids(found: Option<Ids>) -> Vec<u32> {
    let mut out = Vec::new();
    if let Some(ids) = found {
        ids.push_to(&mut out);
    }
    out
}

fn find(cache: &mut PieceCache, word: &str) -> Option<Ids> {
    cache.get(key(word), key(word).hash())
}

#[test]
fn keys_tell_length_and_content() {
    assert!(Key::new(b"", 0, 0).is_none());
    assert!(Key::new(&[b'a'; 16], 0, 16).is_none());
    assert!(Key::new(&[b'a'; 16], 0, 15).is_some());
    assert_ne!(key("a"), key("a\0"));
    assert!(key("a\u{7F}").is_ascii() && key("123456789012345").is_ascii());
    assert!(!key("é").is_ascii() && !key("1234567890123é").is_ascii());
    // The same piece has the same key whatever follows it, or nothing.
    assert_eq!(Key::new(b"the cat sat on the mat", 4, 7), Some(key("cat")));
    assert_eq!(Key::new(b"the cat", 4, 7), Some(key("cat")));
}

#[test]
fn a_table_gives_what_was_put_or_nothing() {
    let words: Vec<String> = (0..5_000).map(|n| format!("w{n}")).collect();
    let entries = (0..).zip(&words).map(|(n, w)| (key(w), Ids::new(&[n, n + 1]).unwrap()));
    let table = PieceTable::build(words.len(), entries);
    let found = (0..).zip(&words).filter(|(n, w)| match table.get(key(w), key(w).hash()) {
        Some(found) => {
            assert_eq!(ids(Some(found)), [*n, n + 1]);
            true
        }
        None => false,
    });
    assert!(found.count() > 4_200, "lines of two hold most");
    assert!(table.get(key("other"), key("other").hash()).is_none());
}

#[test]
fn a_cache_replaces_within_its_set_and_counts() {
    let mut cache = PieceCache::new();
    let words: Vec<String> = (0..400_000).map(|n| format!("{n}")).collect();
    for (n, word) in (0..).zip(&words) {
        assert!(find(&mut cache, word).is_none());
        cache.put(key(word), key(word).hash(), &[n; 3]);
        assert_eq!(ids(find(&mut cache, word)), [n; 3]);
    }
    assert_eq!((cache.stats.misses, cache.stats.hits), (400_000, 400_000));
    assert!(cache.stats.evictions > 100_000);
    cache.put(key("none"), 1, &[]);
    cache.put(key("many"), 1, &[1, 2, 3, 4, 5]);
    assert!(cache.get(key("none"), 1).is_none() && cache.get(key("many"), 1).is_none());
    assert!(matches!(cache.find(key("many"), 1), Place::Elsewhere));
    assert!(matches!(cache.find(key("none"), 1), Place::Nowhere));
}

#[test]
fn a_cache_keeps_what_it_has_when_it_takes_more_memory_in_use() {
    let mut cache = PieceCache::new();
    let words: Vec<String> = (0..3_000).map(|n| format!("word{n}")).collect();
    for (n, word) in (0..).zip(&words) {
        cache.put(key(word), key(word).hash(), &[n]);
    }
    let there = |cache: &mut PieceCache| {
        let found = (0..).zip(&words).filter(|(n, word)| match find(cache, word) {
            Some(found) => ids(Some(found)) == [*n],
            None => false,
        });
        found.count()
    };
    let before = there(&mut cache);
    assert!(before > 2_000);
    // Others, each in a line of its own: hardly one of the words has to leave.
    for n in 0..20_000_u64 {
        cache.put(key("x"), n << 20 | 0xF_FFFF, &[1]);
    }
    assert!(there(&mut cache) > before - 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_instruction_sets_find_the_same(
        text in prop::collection::vec(any::<u8>(), 0..400),
        steps in prop::collection::vec(1usize..22, 0..40),
        words in prop::collection::vec(prop::collection::vec(b'a'..b'd', 1..4), 0..60),
        rare in any::<bool>(),
    ) {
        // Few letters, so that pieces are found, or any bytes.
        let text: Vec<u8> = text.iter().map(|&byte| if rare { byte } else { b'a' + byte % 3 }).collect();
        let mut bounds = vec![0u32];
        for step in steps {
            let end = (*bounds.last().unwrap() as usize + step).min(text.len());
            if end > *bounds.last().unwrap() as usize {
                bounds.push(u32::try_from(end).unwrap());
            }
        }
        let count = bounds.len() - 1;
        let entries = (0..).zip(&words).map(|(n, word)| {
            (Key::new(word, 0, word.len()).unwrap(), Ids::new(&[n, 7]).unwrap())
        });
        let mut table = PieceTable::build(words.len(), entries);
        let mut expected: Vec<(Key, u64)> = Vec::new();
        for ends in bounds.windows(2) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            let key = Key::new(&text, start, end).unwrap_or(Key::NONE);
            prop_assert_eq!(Key::or_none(&text, start, end), key);
            expected.push((key, key.hash()));
        }
        for isa in Isa::all() {
            table.isa = isa;
            let (mut keys, mut hashes) = (vec![Key::NONE; count], vec![0; count]);
            table.view().find_keys(&text, &bounds, &mut keys, &mut hashes);
            prop_assert_eq!(&keys.iter().copied().zip(hashes.iter().copied()).collect::<Vec<_>>(), &expected);
            let (mut all, mut rest) = (vec![Ids::NONE; count], vec![0; count]);
            let missing = table.view().probe_all(&keys, &hashes, &mut all, &mut rest);
            let mut listed = rest[..missing].iter().map(|&at| usize::from(at)).peekable();
            for (at, (&key, &hash)) in keys.iter().zip(&hashes).enumerate() {
                let found = table.get(key, hash);
                prop_assert_eq!(listed.next_if_eq(&at).is_none(), found.is_some());
                if found.is_some() {
                    prop_assert_eq!(ids(Some(all[at])), ids(found));
                }
            }
            prop_assert!(listed.next().is_none());
        }
    }
}

#[test]
fn short_keys_spread_over_all_lines() {
    // A line is taken by the low bits: words of one length, and those that differ in one byte.
    let words: Vec<String> = (0..20_000)
        .map(|n| format!(" {n:x}"))
        .chain((0..256).map(|n| format!("{n:02x}ing")))
        .collect();
    let mut lines = vec![0; 1 << 14];
    for word in &words {
        lines[usize::try_from(key(word).hash()).unwrap_or(0) & 0x3FFF] += 1;
    }
    let taken = lines.iter().filter(|&&count| count > 0).count();
    let (most, expected) = (lines.iter().max().copied(), 1.0 - (-20_256.0 / 16_384.0_f64).exp());
    assert!(most <= Some(12), "{most:?} in one line");
    assert!(taken as f64 > 0.95 * expected * 16_384.0, "{taken} lines are taken");
}
