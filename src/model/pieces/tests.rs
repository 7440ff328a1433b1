//! Keys, tables and caches.

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
