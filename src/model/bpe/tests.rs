//! Merging against its twin, tokens that merging does not reach, rank files, broken merges.

use super::*;
use proptest::prelude::*;

fn vocab(tokens: &[&str]) -> Vocab {
    Vocab::new((0..).zip(tokens).map(|(id, token)| ((*token).to_owned(), id)).collect()).unwrap()
}

fn model(tokens: &[&str], merges: &[(&str, &str)], ignore_merges: bool) -> Result<Bpe> {
    let merges: Vec<_> = merges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Bpe::new(vocab(tokens), &merges, BpeOptions { ignore_merges, ..BpeOptions::default() })
}

fn encode(model: &Bpe, piece: &[u8]) -> Vec<TokenId> {
    let mut scratch = MergeScratch::default();
    model.encode_piece(piece, &mut scratch);
    scratch.symbols
}

#[test]
fn the_wikipedia_example() {
    let tokens = ["a", "b", "c", "d", "aa", "ab", "aaab"];
    let model = model(&tokens, &[("a", "a"), ("a", "b"), ("aa", "ab")], false).unwrap();
    assert_eq!(encode(&model, b"aaabdaaabac"), [6, 3, 6, 0, 2]);
}

#[test]
fn a_token_that_merging_does_not_reach_stays_unreached() {
    let tokens = ["a", "b", "c", "bc", "abc"];
    let plain = model(&tokens, &[("b", "c")], false).unwrap();
    assert_eq!(encode(&plain, b"abc"), [0, 3]);
    let key = Key::new(b"abc", 0, 3).unwrap();
    let mut ids = Vec::new();
    plain.table().get(key, key.hash()).unwrap().push_to(&mut ids);
    assert_eq!(ids, [0, 3], "the table holds results, not ids");
    let whole = model(&tokens, &[("b", "c")], true).unwrap();
    assert_eq!(encode(&whole, b"abc"), [4]);
}

#[test]
fn a_merge_that_names_no_token_is_an_error_with_its_place() {
    let error = model(&["a", "b", "ab"], &[("a", "b"), ("a", "x")], false).unwrap_err();
    let text = "tokenizer.json at model.merges[1]: the vocabulary has no token `x`";
    assert_eq!(error.to_string(), text);
    let error = model(&["a", "b"], &[("a", "b")], false).unwrap_err();
    assert!(error.to_string().ends_with("model.merges[0]: the vocabulary has no token `ab`"));
}

#[test]
fn bytes_without_a_token_are_dropped() {
    let model = model(&["a", "b", "ab"], &[("a", "b")], false).unwrap();
    assert_eq!(encode(&model, b"a?b"), [2]);
}

#[test]
fn token_bytes_of_every_id() {
    let entries = [("Ġa", 0), ("Ċ", 2), ("<한>", 5)].map(|(t, id)| (t.to_owned(), id));
    let vocab = Vocab::new(entries.to_vec()).unwrap();
    let model = Bpe::new(vocab, &[], BpeOptions::default()).unwrap();
    assert_eq!(model.token_bytes(0), Some(&b" a"[..]));
    assert_eq!(model.token_bytes(1), None);
    assert_eq!(model.token_bytes(2), Some(&b"\n"[..]));
    assert_eq!(model.token_bytes(5), Some("<한>".as_bytes()));
    assert_eq!(model.token_bytes(6), None);
}

fn rank_file(longer: &[&str]) -> Vec<(Vec<u8>, TokenId)> {
    let bytes = (0..=255u8).map(|byte| (vec![byte], u32::from(byte)));
    bytes.chain((256..).zip(longer).map(|(id, t)| (t.as_bytes().to_vec(), id))).collect()
}

/// tiktoken's own rule: neighbours merge when their concatenation is a token, lowest rank first.
fn by_ranks(ranks: &[(Vec<u8>, TokenId)], piece: &[u8]) -> Vec<TokenId> {
    let rank = |bytes: &[u8]| ranks.iter().find(|(b, _)| b == bytes).map(|&(_, rank)| rank);
    if let Some(whole) = rank(piece) {
        return vec![whole];
    }
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    loop {
        let joined = parts.windows(2).enumerate();
        let best = joined.filter_map(|(at, p)| Some((rank(&p.concat())?, at))).min();
        let Some((_, at)) = best else { break };
        let right = parts.remove(at + 1);
        parts[at].extend(right);
    }
    parts.iter().map(|part| rank(part).unwrap()).collect()
}

proptest! {
    #[test]
    fn short_and_long_pieces_equal_the_naive_merge(
        merges in prop::collection::vec((0usize..12, 0usize..12), 0..24),
        piece in prop::collection::vec(prop::sample::select(b"abc".to_vec()), 0..200),
    ) {
        let mut tokens: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut pairs = Vec::new();
        for (left, right) in merges {
            let (left, right) = (tokens[left % tokens.len()].clone(), tokens[right % tokens.len()].clone());
            let joined = format!("{left}{right}");
            if joined.len() < 12 && !tokens.contains(&joined) {
                tokens.push(joined);
            }
            if tokens.contains(&format!("{left}{right}")) {
                pairs.push((left, right));
            }
        }
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        for ignore_merges in [false, true] {
            let model = Bpe::new(vocab(&tokens), &pairs, BpeOptions { ignore_merges, ..BpeOptions::default() }).unwrap();
            prop_assert_eq!(encode(&model, &piece), reference::encode_piece(&model, &piece));
            for start in 0..piece.len().min(20) {
                let part = &piece[start..];
                if let Some(found) = Key::new(part, 0, part.len().min(15)).and_then(|key| model.table().get(key, key.hash())) {
                    let mut ids = Vec::new();
                    found.push_to(&mut ids);
                    prop_assert_eq!(ids, encode(&model, &part[..part.len().min(15)]));
                }
            }
        }
    }

    #[test]
    fn rank_files_merge_as_tiktoken_does(
        longer in prop::collection::hash_set("[ab]{2,6}", 0..20),
        piece in "[abc]{0,40}",
    ) {
        let longer: Vec<&str> = longer.iter().map(String::as_str).collect();
        let ranks = rank_file(&longer);
        let model = Bpe::from_ranks(&ranks, &[]).unwrap();
        prop_assert_eq!(encode(&model, piece.as_bytes()), by_ranks(&ranks, piece.as_bytes()));
    }
}

#[test]
fn a_rank_file_without_a_byte_is_refused() {
    let mut ranks = rank_file(&["ab"]);
    ranks.remove(0x41);
    let error = Bpe::from_ranks(&ranks, &[]).unwrap_err();
    assert_eq!(error.to_string(), "rank file: no token for the single byte 0x41");
}
