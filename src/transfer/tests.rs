//! Vocabularies of every kind of mark, from each to each.

use super::*;
use crate::formats;
use crate::formats::VocabTxtOptions;

fn wordpiece(tokens: &[&str]) -> Tokenizer {
    let text = tokens.join("\n");
    Tokenizer::build(formats::from_vocab_txt(text.as_bytes(), &VocabTxtOptions::default()).unwrap())
        .unwrap()
}

/// A byte-level BPE tokenizer with GPT-2's pre-tokenizer: bytes, then these merges, then special tokens.
fn gpt2(merges: &[(&str, &str)], special: &[&str]) -> Tokenizer {
    let mut tokens: Vec<String> =
        (0..=255).map(|byte| crate::unicode::byte_level::spell(&[byte])).collect();
    tokens.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
    let vocab: serde_json::Map<String, serde_json::Value> =
        tokens.iter().zip(0..).map(|(token, id)| (token.clone(), id.into())).collect();
    let merges: Vec<_> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    let added: Vec<_> = special
        .iter()
        .zip(tokens.len()..)
        .map(|(token, id)| {
            serde_json::json!({"id": id, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    Tokenizer::build(formats::from_json(json.to_string().as_bytes()).unwrap()).unwrap()
}

/// A unigram tokenizer with `▁` before words.
fn metaspace(tokens: &[&str]) -> Tokenizer {
    let vocab: Vec<_> = tokens
        .iter()
        .map(|token| serde_json::json!([token, -(10.0 / token.chars().count() as f64)]))
        .collect();
    let space = serde_json::json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null, "pre_tokenizer": space, "decoder": space,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": false},
    });
    Tokenizer::build(formats::from_json(json.to_string().as_bytes()).unwrap()).unwrap()
}

fn moved(old: &Tokenizer, new: &Tokenizer) -> Transfer {
    transfer(old.id_limit(), old, new, &mut || Ok(())).unwrap()
}

/// What a new token is made of, by name: of one that is matched or has a role, nothing.
fn composed(
    made: &Transfer,
    old: &Tokenizer,
    new: &Tokenizer,
    token: &str,
) -> Vec<(String, usize)> {
    let id = new.token_to_id(token).unwrap();
    let found = made.composed.iter().find(|composed| composed.new == id);
    let pieces = found.map_or(&[][..], |found| &found.pieces);
    pieces.iter().map(|(id, n)| (old.id_to_token(*id).unwrap().to_owned(), *n)).collect()
}

fn named(pieces: &[(&str, usize)]) -> Vec<(String, usize)> {
    pieces.iter().map(|(token, n)| ((*token).to_owned(), *n)).collect()
}

const WORDS: [(&str, &str); 6] =
    [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("in", "g"), ("o", "r")];

#[test]
fn surfaces_are_found_across_the_marks() {
    let bert =
        wordpiece(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##the", "##ing", "in"]);
    let gpt2 = gpt2(&WORDS, &["<|endoftext|>"]);
    let unigram =
        metaspace(&["<unk>", "▁the", "the", "ing", "▁in", "<pad>", "<s>", "</s>", "<mask>"]);
    let made = moved(&bert, &gpt2);
    // `Ġthe` and `the`, `ing`; `in` continues a word and `##in` is not there.
    assert_eq!(made.matched, 3);
    assert_eq!(composed(&made, &bert, &gpt2, "in"), named(&[("in", 2)]));
    let role = RoleMatch {
        new: gpt2.token_to_id("<|endoftext|>").unwrap(),
        old: bert.token_to_id("[SEP]").unwrap(),
        role: Role::End,
    };
    assert_eq!(made.by_role, [role]);
    let made = moved(&gpt2, &bert);
    assert_eq!(made.matched, 3);
    // A space starts a word: ` in` is two pieces here, of 0 and 2 bytes.
    assert_eq!(composed(&made, &gpt2, &bert, "in"), named(&[("in", 2)]));
    let roles: Vec<Role> = made.by_role.iter().map(|found| found.role).collect();
    assert_eq!(roles, [Role::Begin, Role::End]);
    assert_eq!(made.drawn.len(), 3, "no padding, unknown or mask: {made:?}");
    let made = moved(&bert, &unigram);
    assert_eq!((made.matched, made.by_role.len(), made.composed.len()), (4, 5, 0), "{made:?}");
    let made = moved(&unigram, &bert);
    assert_eq!((made.matched, made.by_role.len(), made.composed.len()), (4, 5, 0), "{made:?}");
    let made = moved(&unigram, &gpt2);
    assert_eq!((made.matched, made.by_role.len()), (3, 1));
    let made = moved(&gpt2, &unigram);
    assert_eq!((made.matched, made.by_role.len()), (3, 2));
}

#[test]
fn the_rest_is_made_of_pieces_by_their_length() {
    let old = wordpiece(&["[UNK]", "low", "##low", "##er", "new", "n", "##e", "##w", "##s"]);
    let new = wordpiece(&["[UNK]", "lower", "##lower", "news", "##news", "한"]);
    let made = moved(&old, &new);
    assert_eq!(composed(&made, &old, &new, "lower"), named(&[("low", 3), ("##er", 2)]));
    assert_eq!(composed(&made, &old, &new, "##lower"), named(&[("##low", 3), ("##er", 2)]));
    assert_eq!(composed(&made, &old, &new, "news"), named(&[("new", 3), ("##s", 1)]));
    // There is no `##new`: the word's beginning has to do.
    assert_eq!(composed(&made, &old, &new, "##news"), named(&[("new", 3), ("##s", 1)]));
    assert_eq!(made.drawn, [new.token_to_id("한").unwrap()]);
    assert_eq!((made.matched, made.unused), (1, 3));
    assert_eq!(made.recipe.len(), new.id_limit());
}

#[test]
fn bytes_that_are_no_text_are_made_of_the_longest_pieces() {
    let spelled = |bytes: &[u8]| crate::unicode::byte_level::spell(bytes);
    let parts: Vec<String> = "한".bytes().map(|byte| spelled(&[byte])).collect();
    let space = spelled(b" ");
    let half = (parts[0].as_str(), parts[1].as_str());
    let old = gpt2(&[half], &[]);
    let spaced = format!("{space}{}", parts[0]);
    let longer = spelled(&"한".as_bytes()[..2]);
    let new = gpt2(&[(&space, &parts[0]), (&spaced, &parts[1]), half, (&longer, &longer)], &[]);
    let made = moved(&old, &new);
    assert_eq!(composed(&made, &old, &new, &spaced), named(&[(&parts[0], 1)]));
    let twice = format!("{longer}{longer}");
    assert_eq!(composed(&made, &old, &new, &twice), named(&[(&longer, 2), (&longer, 2)]));
    assert!(made.drawn.is_empty());
}

#[test]
fn the_same_vocabulary_keeps_every_row() {
    for tok in [
        wordpiece(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##a", "##"]),
        gpt2(&WORDS, &["<|endoftext|>", "<|other|>"]),
        metaspace(&["<unk>", "▁", "▁▁", "a", "▁a", "<s>"]),
    ] {
        let made = moved(&tok, &tok);
        let mut want = Recipe::default();
        (0..).take(tok.id_limit()).for_each(|id| want.push([(id, 1.0)]));
        assert_eq!(made.recipe, want);
        assert_eq!((made.matched, made.unused), (tok.id_limit(), 0));
    }
}

#[test]
fn what_cannot_be_transferred_is_refused() {
    let tok = wordpiece(&["[UNK]", "a", "b"]);
    let error = transfer(2, &tok, &tok, &mut || Ok(())).unwrap_err().to_string();
    assert!(error.starts_with("old_tok is of ids up to 2, but must be of ids below 2"), "{error}");
    let error = transfer(3, &tok, &tok, &mut || Err(Error::Interrupted)).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Interrupted);
}

#[test]
fn roles_come_from_what_the_tokenizer_does_and_from_names() {
    let bert = wordpiece(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]);
    let roles = Roles::of(&bert);
    let firsts: Vec<_> = Role::ALL.iter().map(|role| roles.first(*role)).collect();
    assert_eq!(firsts, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(roles.role(5), None);
    let gpt2 = gpt2(&[], &["<|endoftext|>"]);
    assert_eq!(Roles::of(&gpt2).first(Role::Begin), Some(256));
    assert_eq!(Transfer::successor(&bert, &gpt2, 3), Some(256));
    assert_eq!(Transfer::successor(&bert, &gpt2, 0), None);
    assert_eq!(Transfer::successor(&bert, &bert, 5), Some(5));
}
