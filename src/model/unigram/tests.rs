//! The search against its twin; repeated tokens, unknown runs, broken models.

use proptest::prelude::*;

use super::*;

fn model(entries: &[(&str, f64)], unk_id: Option<TokenId>, byte_fallback: bool) -> Unigram {
    let entries = entries.iter().map(|&(token, score)| (token.to_owned(), score)).collect();
    Unigram::new(entries, UnigramOptions { unk_id, byte_fallback }).unwrap()
}

fn encode(model: &Unigram, piece: &str) -> Option<Vec<(TokenId, usize, usize)>> {
    let mut tokens = Vec::new();
    let result = model.encode(piece, &mut Lattice::default(), |id, start, end| {
        tokens.push((id, start, end));
    });
    let tokens = result.is_ok().then_some(tokens);
    assert_eq!(tokens, reference::encode(model, piece), "{piece:?}");
    tokens
}

#[test]
fn the_best_path_and_fused_unknowns() {
    let entries = [("<unk>", 0.0), ("a", 0.0), ("b", 0.0), ("c", 0.0), ("d", 0.0), ("cd", 1.0)];
    let more = [("ab", 2.0), ("abc", 5.0), ("abcd", 10.0)];
    let model = model(&[&entries[..], &more].concat(), Some(0), false);
    let expected = [(8, 0, 4), (1, 4, 5), (5, 5, 7), (0, 7, 9)];
    assert_eq!(encode(&model, "abcdacdxx").unwrap(), expected);
    assert_eq!(encode(&model, "").unwrap(), []);
}

#[test]
fn a_token_that_stands_twice_has_its_last_id_and_score() {
    let model =
        model(&[("<unk>", 0.0), ("ab", 5.0), ("a", 0.0), ("b", 0.0), ("ab", -1.0)], Some(0), false);
    assert_eq!(encode(&model, "ab").unwrap(), [(2, 0, 1), (3, 1, 2)]);
    assert_eq!((model.vocab().id("ab"), model.vocab().token(1)), (Some(4), Some("ab")));
}

#[test]
fn a_run_of_unknown_characters_that_spells_a_token_is_that_token() {
    // An unknown character scores 20, so two of them are better than their token.
    let model = model(&[("<unk>", 99.0), ("xy", 30.0), ("a", 99.0)], Some(0), false);
    assert_eq!(encode(&model, "axy").unwrap(), [(2, 0, 1), (1, 1, 3)]);
    assert_eq!(encode(&model, "ayx").unwrap(), [(2, 0, 1), (0, 1, 3)]);
    assert_eq!(encode(&model, "axyxy").unwrap(), [(2, 0, 1), (0, 1, 5)]);
}

#[test]
fn bytes_of_a_run_cover_all_of_it() {
    let mut entries = vec![("<unk>", 0.0), ("a", -1.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)];
    entries.push(("<0x21>", 0.0));
    let with_bytes = model(&entries, Some(0), true);
    let expected = [(1, 0, 1), (2, 1, 4), (3, 1, 4), (4, 1, 4), (1, 4, 5)];
    assert_eq!(encode(&with_bytes, "aé!a").unwrap(), expected);
    // One byte of the run has no token: the run is unknown as a whole.
    assert_eq!(encode(&with_bytes, "é?").unwrap(), [(0, 0, 3)]);
}

#[test]
fn without_an_unknown_token_it_is_the_text_that_decides() {
    let model = model(&[("a", 0.0), ("bc", 0.0)], None, false);
    assert_eq!(encode(&model, "abc"), None, "`b` is tried, and nothing better reaches its end");
    assert_eq!(encode(&model, "aa").unwrap().len(), 2);
    let error = model.encode("b", &mut Lattice::default(), |_, _, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "no token for \"b\": the model has no `unk_id`");
    let empty = super::tests::model(&[], None, false);
    assert_eq!(encode(&empty, ""), Some(Vec::new()));
    assert_eq!(encode(&empty, "a"), None);
}

#[test]
fn models_that_contradict_themselves_are_refused() {
    let refused = |entries: &[(&str, f64)], unk_id| {
        let entries = entries.iter().map(|&(token, score)| (token.to_owned(), score)).collect();
        let options = UnigramOptions { unk_id, byte_fallback: false };
        Unigram::new(entries, options).unwrap_err().to_string()
    };
    let text = "Unigram model at unk_id: it is 1, but the vocabulary has 1 entries";
    assert_eq!(refused(&[("a", 0.0)], Some(1)), text);
    assert!(refused(&[], Some(0)).contains("has 0 entries"));
    assert!(refused(&[("a", f64::NAN)], None).contains("vocab[0]: the score of \"a\" is NaN"));
    assert!(refused(&[("a", f64::NEG_INFINITY)], None).contains("is -inf"));
    assert!(refused(&[(&"a".repeat(5000), 0.0)], None).contains("more than 4096 bytes"));
}

#[test]
fn a_long_piece_takes_time_by_its_length() {
    let model = model(&[("<unk>", 0.0), ("a", -1.0), ("aa", -1.5), ("aaaa", -2.0)], Some(0), false);
    let mut lattice = Lattice::default();
    let mut count = 0;
    model.encode(&"a".repeat(1 << 18), &mut lattice, |_, _, _| count += 1).unwrap();
    assert_eq!(count, 1 << 16);
    lattice.shrink(1 << 20);
    assert_eq!(lattice.nodes.capacity(), 0);
}

proptest! {
    #[test]
    fn random_models_are_as_by_trying_all(
        tokens in prop::collection::vec(("[abé]{0,4}|<0x(61|62|C3|A9)>", -8i32..4), 0..24),
        unk in prop::option::of(0u32..4),
        byte_fallback: bool,
        pieces in prop::collection::vec("[abcé漢]{0,14}", 1..12),
    ) {
        let entries: Vec<(String, f64)> =
            tokens.iter().map(|(token, score)| (token.clone(), f64::from(*score) / 2.0)).collect();
        let unk_id = unk.filter(|&unk| (unk as usize) < entries.len());
        let model = Unigram::new(entries, UnigramOptions { unk_id, byte_fallback }).unwrap();
        for piece in &pieces {
            encode(&model, piece);
        }
    }
}
