//! Where the tokens of short pieces lie, kept from one piece to the next equal one.
//!
//! What a model makes of a piece, places included, depends on the piece alone. A line of 64 bytes holds
//! a piece of up to 15 bytes, up to six ids and for each the bytes of the piece that it covers. The whole
//! key is compared, so the hash never decides; a new piece moves the older one of its pair to second
//! place, and nothing grows.

use crate::ids::TokenId;
use crate::model::pieces::Key;

/// A token and the bytes of the piece that it covers, as the model says.
pub(super) type Found = (TokenId, usize, usize);

/// Words of a line: two of the key, three of the ids, two of the places, one of their number.
const LINE: usize = 8;
/// The most tokens of a piece that is kept.
const MAX_TOKENS: usize = 6;
/// Lines: 1 MiB, which comes zeroed and costs nothing until it is used.
const LINES: usize = 1 << 14;

/// A cache of fixed size for one tokenizer.
#[derive(Debug, Default)]
pub(crate) struct PlaceCache {
    /// Empty before the first piece.
    lines: Vec<[u64; LINE]>,
}

impl PlaceCache {
    /// Appends the tokens of a piece to `out`, if they are known.
    #[inline]
    pub(super) fn get(&self, key: Key, hash: u64, out: &mut Vec<Found>) -> bool {
        let [low, high] = key.words();
        let first = index(hash);
        for at in [first, first ^ 1] {
            if let Some(line) = self.lines.get(at)
                && line[0] == low
                && line[1] == high
            {
                read(line, out);
                return true;
            }
        }
        false
    }

    /// Remembers the tokens of a piece, if they fit.
    pub(super) fn put(&mut self, key: Key, hash: u64, found: &[Found]) {
        let fits = |&(_, from, to): &Found| from < 256 && to < 256;
        if found.is_empty() || found.len() > MAX_TOKENS || !found.iter().all(fits) {
            return;
        }
        if self.lines.is_empty() {
            self.lines = vec![[0; LINE]; LINES];
        }
        let first = index(hash);
        let [low, high] = key.words();
        let mut line = [low, high, 0, 0, 0, 0, 0, found.len() as u64];
        for (at, &(id, from, to)) in found.iter().enumerate() {
            line[2 + at / 2] |= u64::from(id) << (32 * (at % 2));
            line[5 + at / 4] |= ((from | to << 8) as u64) << (16 * (at % 4));
        }
        if let Ok([one, other]) = self.lines.get_disjoint_mut([first, first ^ 1]) {
            *other = std::mem::replace(one, line);
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked to the number of lines")]
fn index(hash: u64) -> usize {
    hash as usize & (LINES - 1)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "parts of what is stored")]
fn read(line: &[u64; LINE], out: &mut Vec<Found>) {
    let count = (line[7] as usize).min(MAX_TOKENS);
    out.extend((0..count).map(|at| {
        let place = line[5 + at / 4] >> (16 * (at % 4));
        let id = (line[2 + at / 2] >> (32 * (at % 2))) as u32;
        (id, place as usize & 0xFF, (place >> 8) as usize & 0xFF)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text.as_bytes(), 0, text.len()).unwrap()
    }

    fn get(cache: &PlaceCache, text: &str) -> Option<Vec<Found>> {
        let mut out = Vec::new();
        cache.get(key(text), key(text).hash(), &mut out).then_some(out)
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut cache = PlaceCache::default();
        assert_eq!(get(&cache, "a"), None);
        for count in 1..=MAX_TOKENS {
            let text = "x".repeat(count);
            let found: Vec<Found> =
                (0u32..).zip(0..count).map(|(id, at)| (u32::MAX - id, 40 * at, 255 - at)).collect();
            cache.put(key(&text), key(&text).hash(), &found);
            assert_eq!(get(&cache, &text), Some(found));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let mut cache = PlaceCache::default();
        let many = [(1, 0, 1); MAX_TOKENS + 1];
        for (text, found) in [("a", &many[..]), ("b", &[]), ("c", &[(1, 0, 256)])] {
            cache.put(key(text), key(text).hash(), found);
            assert_eq!(get(&cache, text), None);
        }
    }

    #[test]
    fn a_full_pair_drops_the_older_piece() {
        let mut cache = PlaceCache::default();
        for number in 0..100_000_u32 {
            let text = number.to_string();
            cache.put(key(&text), key(&text).hash(), &[(number, 0, text.len())]);
            assert_eq!(get(&cache, &text), Some(vec![(number, 0, text.len())]));
        }
        let kept =
            (0..100_000_u32).filter_map(|number| Some((number, get(&cache, &number.to_string())?)));
        assert!(kept.clone().all(|(number, found)| found[0].0 == number));
        assert!((1_000..=LINES).contains(&kept.count()));
    }
}
