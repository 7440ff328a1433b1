use super::*;

fn piece(text: &str, score: f32, kind: PieceKind) -> Piece {
    Piece { text: text.to_owned(), score, kind }
}

fn unknown() -> Piece {
    piece("<unk>", 0.0, PieceKind::Unknown)
}

fn model(kind: SentencePieceKind, pieces: Vec<Piece>) -> SentencePiece {
    let byte_fallback = pieces.iter().any(|piece| piece.kind == PieceKind::Byte);
    let options = SentencePieceOptions { kind, byte_fallback, space_is_suffix: false };
    SentencePiece::new(pieces, options).unwrap()
}

fn ids(model: &SentencePiece, text: &str) -> Vec<TokenId> {
    let (mut ids, mut done) = (Vec::new(), 0);
    model.encode(text, &mut SentencePieceScratch::default(), |id, start, end| {
        assert!(start <= end && end <= text.len() && start <= done.max(start));
        done = end;
        ids.push(id);
    });
    assert_eq!(done, text.len());
    ids
}

use PieceKind::{Byte, Control, Normal, Unused, UserDefined};

// What these tests want was given by sentencepiece 0.2.3 for the same models.

#[test]
fn the_better_score_merges_first_and_of_equal_ones_the_left() {
    let pieces = |ab, bc| {
        let chars = [("a", -1.0), ("b", -2.0), ("c", -3.0), ("ab", ab), ("bc", bc)];
        let chars = chars.map(|(text, score)| piece(text, score, Normal));
        [vec![unknown()], chars.into()].concat()
    };
    let bpe = |ab, bc| model(SentencePieceKind::Bpe, pieces(ab, bc));
    assert_eq!(ids(&bpe(-1.0, -2.0), "abc"), [4, 3]);
    assert_eq!(ids(&bpe(-2.0, -1.0), "abc"), [1, 5]);
    assert_eq!(ids(&bpe(-1.0, -1.0), "abc"), [4, 3]);
    assert_eq!(ids(&bpe(1.0, 2.0), "abc"), [1, 5]);
    // Zero has a sign.
    assert_eq!(ids(&bpe(-0.0, 0.0), "abc"), [1, 5]);
    assert_eq!(ids(&bpe(0.0, -0.0), "abc"), [4, 3]);
}

#[test]
fn symbols_of_the_user_are_never_taken_apart() {
    let pieces = vec![
        unknown(),
        piece("a", -10.0, Normal),
        piece("b", -10.0, Normal),
        piece("c", -10.0, Normal),
        piece("ab", -0.1, Normal),
        piece("bc", 0.0, UserDefined),
    ];
    assert_eq!(ids(&model(SentencePieceKind::Unigram, pieces.clone()), "abc"), [1, 5]);
    assert_eq!(ids(&model(SentencePieceKind::Bpe, pieces), "abcab"), [1, 5, 4]);
}

#[test]
fn an_unused_piece_is_taken_apart_again() {
    let pieces = vec![
        unknown(),
        piece("a", -1.0, Normal),
        piece("b", -2.0, Normal),
        piece("ab", -2.0, Unused),
        piece("abb", -3.0, Unused),
        piece("c", -1.0, Unused),
    ];
    assert_eq!(ids(&model(SentencePieceKind::Bpe, pieces.clone()), "abbc"), [1, 2, 2, 0]);
    assert_eq!(ids(&model(SentencePieceKind::Unigram, pieces), "ab"), [1, 2]);
}

#[test]
fn a_control_piece_is_not_found_in_text() {
    let pieces = vec![
        unknown(),
        piece("a", -1.0, Control),
        piece("b", -2.0, Normal),
        piece("ab", -1.0, Normal),
    ];
    for kind in [SentencePieceKind::Bpe, SentencePieceKind::Unigram] {
        assert_eq!(ids(&model(kind, pieces.clone()), "ab a x"), [3, 0]);
    }
    assert_eq!(ids(&model(SentencePieceKind::Char, pieces), "ab"), [0, 2]);
}

#[test]
fn unknown_text_is_one_token_or_its_bytes() {
    let mut pieces = vec![unknown(), piece("a", -1.0, Normal)];
    let unigram = model(SentencePieceKind::Unigram, pieces.clone());
    assert_eq!(ids(&unigram, "xxaxé x"), [0, 1, 0]);
    pieces.extend((0..=255).map(|byte| piece(&byte_piece(byte), 0.0, Byte)));
    pieces.push(piece("\0", -1.0, Normal));
    let unigram = model(SentencePieceKind::Unigram, pieces);
    assert_eq!(ids(&unigram, "aé\0"), [1, 2 + 0xC3, 2 + 0xA9, 2]);
}

#[test]
fn words_begin_with_spaces() {
    let pieces = vec![unknown(), piece("▁", -1.0, Normal), piece("▁b", -2.0, Normal)];
    let word = model(SentencePieceKind::Word, pieces);
    assert_eq!(ids(&word, "▁▁b▁c▁b"), [1, 2, 0, 2]);
    assert!(ids(&word, "").is_empty());
}

#[test]
fn near_ties_of_a_long_text_are_not_lost() {
    // The score passes 100,000 on the way: there 32 bits know steps of 1/128 only.
    let pieces = vec![
        unknown(),
        piece("a", -10.0, Normal),
        piece("b", -10.0, Normal),
        piece("bb", -15.001, Normal),
        piece("bbb", -24.999, Normal),
    ];
    let unigram = model(SentencePieceKind::Unigram, pieces);
    let text = format!("{}bbb", "a".repeat(20_000));
    assert_eq!(ids(&unigram, &text)[20_000..], [4]);
}

#[test]
fn what_a_model_lacks_is_named() {
    let options = |byte_fallback| SentencePieceOptions {
        kind: SentencePieceKind::Unigram,
        byte_fallback,
        space_is_suffix: false,
    };
    let problem = |pieces: Vec<Piece>, byte_fallback| {
        SentencePiece::new(pieces, options(byte_fallback)).unwrap_err().to_string()
    };
    let a = || piece("a", -1.0, Normal);
    assert!(problem(vec![], false).contains("no unknown piece"));
    assert!(problem(vec![a()], false).contains("no unknown piece"));
    assert!(problem(vec![unknown()], false).contains("no piece that text may become"));
    let second = piece("<u>", 0.0, PieceKind::Unknown);
    assert!(problem(vec![unknown(), second], false).contains("pieces[1].type: a second unknown"));
    assert!(problem(vec![unknown(), a(), a()], false).contains("occurs twice"));
    assert!(problem(vec![unknown(), piece("", 0.0, Normal)], false).contains("is empty"));
    assert!(problem(vec![unknown(), piece("a\0", 0.0, Normal)], true).contains("holds NUL"));
    for score in [f32::NAN, f32::INFINITY] {
        let found = problem(vec![unknown(), piece("a", score, Normal)], false);
        assert!(found.contains("pieces[1].score"), "{found}");
    }
    let byte = || piece("<0x00>", 0.0, Byte);
    assert!(problem(vec![unknown(), byte()], false).contains("there is no byte_fallback"));
    assert!(problem(vec![unknown(), byte()], true).contains("0x01"));
    assert!(problem(vec![unknown(), piece("<0xff>", 0.0, Byte)], true).contains("is no byte"));
    let long = piece(&"a".repeat(8000), 0.0, Normal);
    assert!(problem(vec![unknown(), long], false).contains("7999"));
}

/// Pieces over a few letters, those of all bytes, and texts, from a number.
fn random_pieces(mut seed: u64) -> (Vec<Piece>, Vec<String>) {
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let letters = ['a', 'b', 'c', 'é', '漢', '▁'];
    let mut word = |letters: &[char], longest: usize| -> String {
        let length = 1 + next(longest);
        (0..length).filter_map(|_| letters.get(next(letters.len()))).collect()
    };
    let texts = (0..40).map(|_| word(&['a', 'b', 'c', 'd', 'é', '漢', '😀', '▁'], 40)).collect();
    let mut found: Vec<String> = (0..25).map(|_| word(&letters, 4)).collect();
    found.sort_unstable();
    found.dedup();
    let mut pieces = vec![unknown()];
    pieces.extend((0..=255).map(|byte| piece(&byte_piece(byte), 0.0, Byte)));
    for (number, text) in found.iter().enumerate() {
        let kind = if number % 9 == 8 { UserDefined } else { Normal };
        pieces.push(piece(text, -f32::from(u8::try_from(text.len() * 7 % 5).unwrap()), kind));
    }
    (pieces, texts)
}

#[test]
fn stretches_joined_are_the_text() {
    let mut count = 0;
    for seed in 0..200 {
        let (pieces, texts) = random_pieces(seed);
        let model = model(SentencePieceKind::Bpe, pieces);
        let mut scratch = SentencePieceScratch::default();
        for text in &texts {
            let (mut whole, mut joined) = (Vec::new(), Vec::new());
            model.encode(text, &mut scratch, |id, start, end| whole.push((id, start, end)));
            model.cuts(text, |from, to| {
                count += 1;
                model.encode(&text[from..to], &mut scratch, |id, start, end| {
                    joined.push((id, from + start, from + end));
                });
            });
            assert_eq!(whole, joined, "{text:?}");
        }
    }
    assert!(count > 10_000, "{count}");
}

#[test]
fn only_merges_with_tokens_for_everything_are_cut() {
    let (pieces, texts) = random_pieces(1);
    assert!(model(SentencePieceKind::Bpe, pieces.clone()).cuts.is_some());
    assert!(model(SentencePieceKind::Unigram, pieces.clone()).cuts.is_none());
    let mut unused = pieces.clone();
    unused.push(piece("unused", 0.0, Unused));
    assert!(model(SentencePieceKind::Bpe, unused).cuts.is_none());
    let chars = pieces.into_iter().filter(|piece| piece.kind != Byte).collect();
    let chars = model(SentencePieceKind::Bpe, chars);
    assert!(chars.cuts.is_none());
    chars.cuts(&texts[0], |start, end| assert_eq!((start, end), (0, texts[0].len())));
}
