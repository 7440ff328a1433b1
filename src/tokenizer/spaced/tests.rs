//! The road against the definition: a text is normalised, split, and merged by the naive twin.

use super::super::{EncodeOptions, Input, Road, Tokenizer, TokenizerBuilder};
use crate::model::bpe::reference;
use crate::model::sentencepiece::{SentencePieceScratch, byte_piece};
use crate::model::{
    Alphabet, Bpe, BpeOptions, Model, ModelScratch, Piece, PieceKind, SentencePiece,
    SentencePieceKind, SentencePieceOptions, Vocab,
};
use crate::normalize::{Normalizer, Replace, SentencePieceNormalizer, SentencePieceSpaces};
use crate::pretokenize::{PreTokenizer, PrependScheme, SplitBehavior};
use crate::regex::Pattern;
use crate::tokenizer::AddedToken;

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// What tokens and texts are made of: letters, punctuation, white space, marks of two to four bytes, two
/// characters with the same last byte as `▁`, and some that no vocabulary here has.
const CHARS: [char; 26] = [
    'a',
    'b',
    'c',
    'a',
    'b',
    '.',
    ',',
    '"',
    '1',
    '2',
    '\n',
    '\t',
    '\u{2581}',
    '\u{2581}',
    '\u{2581}',
    '\u{2581}',
    'é',
    'щ',
    'Ё',
    '字',
    '漢',
    'あ',
    '\u{1F600}',
    '\u{301}',
    '\u{2596}',
    '\u{C1}',
];

fn text(dice: &mut Dice, most: usize) -> String {
    let mut text = String::new();
    for _ in 0..dice.roll(most + 1) {
        match dice.roll(12) {
            0..=3 => text.push(' '),
            4 => text.push_str(&" ".repeat(dice.roll(5))),
            5 => text.push(dice.pick(&[
                'x',
                '\r',
                '\u{A0}',
                '\u{E000}',
                '\u{378}',
                '\0',
                '<',
                '\u{10FFFF}',
            ])),
            6 => (0..dice.roll(40)).for_each(|_| text.push(dice.pick(&['a', 'b', 'c', 'щ']))),
            _ => text.push(dice.pick(&CHARS)),
        }
    }
    text
}

/// Merges of random tokens, also across spaces, and runs of them.
fn merges(dice: &mut Dice, count: usize) -> (Vec<String>, Vec<(String, String)>) {
    let mut tokens: Vec<String> = Vec::new();
    for c in CHARS {
        // Some characters are left to the tokens of their bytes.
        if dice.roll(8) > 0 && !tokens.contains(&c.to_string()) {
            tokens.push(c.to_string());
        }
    }
    let mut merges = Vec::new();
    for _ in 0..count {
        let (left, right) = (dice.roll(tokens.len()), dice.roll(tokens.len()));
        let (left, right) = (tokens[left].clone(), tokens[right].clone());
        let whole = format!("{left}{right}");
        if whole.chars().count() <= 8 && !tokens.contains(&whole) {
            tokens.push(whole);
            merges.push((left, right));
        }
    }
    (tokens, merges)
}

fn bpe(dice: &mut Dice) -> Bpe {
    let count = dice.pick(&[0, 5, 40, 200]);
    let (tokens, merges) = merges(dice, count);
    let bytes = (0..=255).map(byte_piece);
    let names = ["<unk>".to_owned(), "a b".to_owned()].into_iter().chain(bytes).chain(tokens);
    let vocab = Vocab::new(names.zip(0..).collect()).unwrap();
    let options = BpeOptions {
        alphabet: Alphabet::Chars,
        unk_token: Some("<unk>".to_owned()),
        fuse_unk: dice.roll(2) == 0,
        byte_fallback: true,
        ..BpeOptions::default()
    };
    Bpe::new(vocab, &merges, options).unwrap()
}

fn replace() -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::String(" ".to_owned()), "\u{2581}").unwrap())
}

fn prepend() -> Normalizer {
    Normalizer::Prepend("\u{2581}".to_owned())
}

fn metaspace(prepend: PrependScheme, split: bool) -> PreTokenizer {
    PreTokenizer::Metaspace { replacement: '\u{2581}', prepend, split }
}

/// All pipelines that the road is for, and whether they split.
fn pipelines() -> Vec<(Option<Normalizer>, Option<PreTokenizer>, bool)> {
    use Normalizer::Sequence;
    let gemma = PreTokenizer::Split {
        pattern: Pattern::String(" ".to_owned()),
        behavior: SplitBehavior::MergedWithPrevious,
        invert: false,
    };
    let mut found = vec![
        (Some(Sequence(vec![prepend(), replace()])), None, false),
        (Some(replace()), None, false),
        (Some(replace()), Some(gemma), false),
        (Some(Sequence(vec![Normalizer::Nfc, prepend(), replace()])), None, false),
        (
            Some(Normalizer::Nfkc),
            Some(PreTokenizer::Sequence(vec![metaspace(PrependScheme::Always, true)])),
            true,
        ),
    ];
    for scheme in [PrependScheme::Always, PrependScheme::Never, PrependScheme::First] {
        for split in [true, false] {
            found.push((None, Some(metaspace(scheme, split)), split));
        }
    }
    found
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut out = Vec::new();
    tokenizer.encode_ids(Input::Text(text), None, &EncodeOptions::default(), &mut out).unwrap();
    out
}

/// The same by the general road.
fn general(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(Input::Text(text), None, &EncodeOptions::default()).unwrap().ids
}

/// The same by the definition, for a text without added tokens.
fn defined(tokenizer: &Tokenizer, split: bool, text: &str) -> Vec<u32> {
    let declared = tokenizer.declaration();
    let mut normal = String::new();
    match &declared.normalizer {
        Some(normalizer) => normalizer.normalize_into(text, &mut normal).unwrap(),
        None => normal.push_str(text),
    }
    let mut normal = normal.replace(' ', "\u{2581}");
    let prefixes = match &declared.pre_tokenizer {
        Some(PreTokenizer::Sequence(_)) => true,
        Some(PreTokenizer::Metaspace { prepend, .. }) => *prepend != PrependScheme::Never,
        _ => false,
    };
    if prefixes && !normal.is_empty() && !normal.starts_with('\u{2581}') {
        normal.insert(0, '\u{2581}');
    }
    let mut pieces = vec![String::new()];
    for c in normal.chars() {
        if split && c == '\u{2581}' {
            pieces.push(String::new());
        }
        pieces.last_mut().unwrap().push(c);
    }
    let Model::Bpe(model) = &declared.model else { panic!("a BPE model") };
    let encode = |piece: String| reference::encode(model, &piece).unwrap();
    pieces.into_iter().flat_map(encode).map(|(id, _, _)| id).collect()
}

fn build(
    model: Model,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
) -> Tokenizer {
    let declared = TokenizerBuilder { normalizer, pre_tokenizer, ..TokenizerBuilder::new(model) };
    let tokenizer = Tokenizer::build(declared).unwrap();
    assert!(matches!(tokenizer.plan.road, Road::Spaced(_)));
    tokenizer
}

#[test]
fn random_vocabularies_and_texts_by_the_definition() {
    let mut dice = Dice(11);
    for round in 0..40 {
        let model = bpe(&mut dice);
        for (normalizer, pre_tokenizer, split) in pipelines() {
            let tokenizer = build(Model::Bpe(model.clone()), normalizer, pre_tokenizer);
            for _ in 0..12 {
                let text = text(&mut dice, 40);
                let found = ids(&tokenizer, &text);
                assert_eq!(found, defined(&tokenizer, split, &text), "{round} {text:?}");
                assert_eq!(found, general(&tokenizer, &text), "{round} {text:?}");
                // What the caches learned changes nothing.
                assert_eq!(found, ids(&tokenizer, &text), "{round} {text:?}");
            }
        }
    }
}

#[test]
fn long_texts_by_the_general_road() {
    let mut dice = Dice(23);
    for _ in 0..6 {
        let model = bpe(&mut dice);
        for (normalizer, pre_tokenizer, _) in pipelines() {
            let tokenizer = build(Model::Bpe(model.clone()), normalizer, pre_tokenizer);
            let text: String = (0..60).map(|_| text(&mut dice, 80)).collect();
            assert_eq!(ids(&tokenizer, &text), general(&tokenizer, &text));
        }
    }
}

#[test]
fn every_code_point_beside_letters_and_spaces() {
    let mut dice = Dice(5);
    let model = bpe(&mut dice);
    let (normalizer, pre_tokenizer, _) = pipelines().swap_remove(0);
    let tokenizer = build(Model::Bpe(model), normalizer, pre_tokenizer);
    let mut state = ModelScratch::default();
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for some in all.chunks(1 << 12) {
        let text: String = some.iter().flat_map(|&c| [c, 'a', c, ' ', c, c, '字', '.']).collect();
        let normal = format!("\u{2581}{}", text.replace(' ', "\u{2581}"));
        let mut wanted = Vec::new();
        tokenizer.plan.declared.model.encode_ids(&normal, &mut state, &mut wanted).unwrap();
        assert_eq!(ids(&tokenizer, &text), wanted, "{:?}", some[0]);
    }
}

#[test]
fn added_tokens_part_texts_and_each_part_begins_anew() {
    let mut dice = Dice(3);
    for (normalizer, pre_tokenizer, _) in pipelines() {
        let model = Model::Bpe(bpe(&mut dice));
        let mut declared =
            TokenizerBuilder { normalizer, pre_tokenizer, ..TokenizerBuilder::new(model) };
        for (content, strips) in [("<s>", false), ("[x]", true)] {
            let token = AddedToken::new(content, true);
            let token = AddedToken { lstrip: strips, rstrip: strips, ..token };
            declared.added_tokens.push(token);
        }
        let tokenizer = Tokenizer::build(declared).unwrap();
        assert!(matches!(tokenizer.plan.road, Road::Spaced(_)));
        for _ in 0..60 {
            let mut all = String::new();
            for _ in 0..dice.roll(5) {
                all.push_str(&text(&mut dice, 6));
                all.push_str(dice.pick(&["<s>", " [x] ", "[x]", "<s> ", ""]));
            }
            assert_eq!(ids(&tokenizer, &all), general(&tokenizer, &all), "{all:?}");
        }
    }
}

#[test]
fn models_of_sentencepiece() {
    let mut dice = Dice(31);
    for _ in 0..30 {
        let count = dice.pick(&[0, 40, 200]);
        let (tokens, _) = merges(&mut dice, count);
        let bytes = (0..=255).map(|byte| (byte_piece(byte), PieceKind::Byte));
        let special = [("<unk>", PieceKind::Unknown), ("<s>", PieceKind::Control)];
        let user = [("b\u{2581}c".to_owned(), PieceKind::UserDefined)];
        let special = special.map(|(text, kind)| (text.to_owned(), kind));
        let tokens = tokens.into_iter().map(|token| (token, PieceKind::Normal));
        let pieces = special.into_iter().chain(bytes).chain(user).chain(tokens);
        let mut pieces: Vec<Piece> = pieces
            .map(|(text, kind)| {
                let score = -f32::from(u16::try_from(dice.roll(60)).unwrap());
                Piece { text, score, kind }
            })
            .collect();
        pieces.dedup_by(|a, b| a.text == b.text);
        pieces.retain({
            let mut seen = std::collections::HashSet::new();
            move |piece| seen.insert(piece.text.clone())
        });
        let options = SentencePieceOptions {
            kind: SentencePieceKind::Bpe,
            byte_fallback: true,
            space_is_suffix: false,
        };
        let model = SentencePiece::new(pieces, options).unwrap();
        for add_dummy_prefix in [true, false] {
            let spaces = SentencePieceSpaces {
                add_dummy_prefix,
                remove_extra: false,
                escape: true,
                as_suffix: false,
            };
            let symbols = vec!["b\u{2581}c".to_owned()];
            let normalizer = SentencePieceNormalizer::new(&[], spaces, symbols).unwrap();
            let normalizer = Normalizer::SentencePiece(normalizer);
            let tokenizer =
                build(Model::SentencePiece(model.clone()), Some(normalizer.clone()), None);
            for _ in 0..20 {
                let text = text(&mut dice, 40);
                let mut normal = String::new();
                normalizer.normalize_into(&text, &mut normal).unwrap();
                let mut wanted = Vec::new();
                model.encode(&normal, &mut SentencePieceScratch::default(), |id, _, _| {
                    wanted.push(id);
                });
                assert_eq!(ids(&tokenizer, &text), wanted, "{text:?}");
                assert_eq!(general(&tokenizer, &text), wanted, "{text:?}");
            }
        }
    }
}

#[test]
fn what_does_anything_else_takes_other_roads() {
    let mut dice = Dice(8);
    let model = bpe(&mut dice);
    let nothing_fits = |normalizer: Option<Normalizer>, pre_tokenizer: Option<PreTokenizer>| {
        let model = Model::Bpe(model.clone());
        let declared =
            TokenizerBuilder { normalizer, pre_tokenizer, ..TokenizerBuilder::new(model) };
        let tokenizer = Tokenizer::build(declared).unwrap();
        assert!(!matches!(tokenizer.plan.road, Road::Spaced(_)));
    };
    let sequence = |steps: Vec<Normalizer>| Some(Normalizer::Sequence(steps));
    nothing_fits(None, None);
    nothing_fits(Some(prepend()), None);
    nothing_fits(sequence(vec![replace(), prepend()]), None);
    nothing_fits(sequence(vec![Normalizer::Lowercase, replace()]), None);
    nothing_fits(sequence(vec![replace(), Normalizer::Nfc]), None);
    nothing_fits(Some(Normalizer::Prepend("__".to_owned())), None);
    nothing_fits(Some(replace()), Some(PreTokenizer::Whitespace));
    nothing_fits(
        sequence(vec![prepend(), replace()]),
        Some(metaspace(PrependScheme::Always, true)),
    );
    nothing_fits(Some(replace()), Some(metaspace(PrependScheme::First, true)));
    let underscore =
        PreTokenizer::Metaspace { replacement: '_', prepend: PrependScheme::Always, split: true };
    nothing_fits(None, Some(underscore));
}

#[test]
fn random_choices_are_left_to_the_other_road() {
    let mut dice = Dice(17);
    let model = Model::Bpe(bpe(&mut dice));
    let tokenizer = build(model, Some(replace()), None);
    let options = EncodeOptions { dropout: Some(0.5), seed: 9, ..EncodeOptions::default() };
    for _ in 0..50 {
        let text = text(&mut dice, 30);
        let mut found = Vec::new();
        tokenizer.encode_ids(Input::Text(&text), None, &options, &mut found).unwrap();
        let wanted = tokenizer.encode(Input::Text(&text), None, &options).unwrap().ids;
        assert_eq!(found, wanted, "{text:?}");
    }
}
