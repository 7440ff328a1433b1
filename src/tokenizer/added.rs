//! Added tokens: found in the text before, or after, it is normalised, and cut out of it.
//!
//! The rules are those of tokenizers 0.23.3. Tokens with `normalized = false` match the raw text;
//! what lies between is normalised and searched for the others, whose content is normalised too.
//! Matches are leftmost, then longest. An id is the model's when the content is a token of the model,
//! else the next free one: the ids in a file are not obeyed, their order is.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use hashbrown::{HashMap, HashSet};

use super::parts::boundary;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};
use crate::model::Vocab;
use crate::normalize::Normalizer;

/// A token added to a model's vocabulary, with how it matches in text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "the flags that files carry")]
pub struct AddedToken {
    /// The text of the token.
    pub content: String,
    /// It matches only between characters that belong to no word.
    pub single_word: bool,
    /// It takes white space before it along.
    pub lstrip: bool,
    /// It takes white space after it along.
    pub rstrip: bool,
    /// It matches in normalised text, after having been normalised itself.
    pub normalized: bool,
    /// It is left out of decoded text on demand, and is plain text with `split_special_tokens`.
    pub special: bool,
}

impl AddedToken {
    /// A token that matches everywhere; special ones in raw text, others in normalised text.
    pub fn new(content: impl Into<String>, special: bool) -> Self {
        let content = content.into();
        let [single_word, lstrip, rstrip] = [false; 3];
        Self { content, single_word, lstrip, rstrip, normalized: !special, special }
    }
}

/// The added tokens of a tokenizer, ready to be found.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddedVocabulary {
    ids: HashMap<String, TokenId>,
    tokens: HashMap<TokenId, AddedToken>,
    /// The ids above, ascending, for whoever lists them.
    order: Vec<TokenId>,
    special: HashSet<String>,
    /// The model's tokens whose ids were given to added ones as well: the reference library counts
    /// entries, and takes no notice of holes.
    hidden: HashMap<TokenId, String>,
    /// What the tokens are in decoded text where it is not their content: the normalised content.
    decoded: HashMap<TokenId, String>,
    raw: Option<Matcher>,
    normalized: Option<Matcher>,
}

#[derive(Clone, Debug)]
struct Matcher {
    automaton: AhoCorasick,
    patterns: Vec<TokenId>,
}

/// The longest text that is searched for, in bytes: where one stands nearly, the search goes back to
/// look for a shorter one. Those of real files have a few dozen.
const MAX_CONTENT: usize = 4096;
/// The most that all of them have together, in bytes: the search takes some hundred times the memory.
const MAX_TOGETHER: usize = 4 << 20;

/// A part of a text: an added token, or what lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) id: Option<TokenId>,
}

impl AddedVocabulary {
    /// Hands out ids and compiles the search.
    ///
    /// # Errors
    /// [`Error::Format`] when ids run out, [`Error::Unsupported`] when the literals are too many or too
    /// long to search for.
    pub(crate) fn new(
        declared: &[AddedToken],
        vocab: &Vocab,
        normalizer: Option<&Normalizer>,
    ) -> Result<Self> {
        let mut added = Self::default();
        let mut classic = Vec::new();
        let mut specials = Vec::new();
        for token in declared.iter().filter(|token| !token.content.is_empty()) {
            if token.special && added.special.insert(token.content.clone()) {
                specials.push(token.content.clone());
            }
        }
        // The reference counts the model's entries, not its largest id.
        let model_size = TokenId::try_from(vocab.len()).unwrap_or(MAX_ID);
        let mut largest: Option<TokenId> = None;
        for token in declared.iter().filter(|token| !token.content.is_empty()) {
            let known = added.ids.get(&token.content).copied();
            if known.is_some_and(|id| added.tokens.get(&id) == Some(token)) {
                continue;
            }
            let next = match largest {
                Some(largest) if largest >= model_size || model_size == 0 => largest + 1,
                _ => model_size,
            };
            let id = known.or_else(|| vocab.id(&token.content)).unwrap_or(next);
            if id > MAX_ID {
                let problem = format!("`{}` would get an id above {MAX_ID}", token.content);
                return Err(Error::format("tokenizer.json", "added_tokens", problem));
            }
            largest = largest.max(Some(id));
            if let Some(other) = vocab.token(id).filter(|&other| other != token.content) {
                added.hidden.insert(id, other.to_owned());
            }
            added.ids.insert(token.content.clone(), id);
            added.tokens.insert(id, token.clone());
            if !added.special.contains(&token.content) {
                classic.push(token.content.clone());
            }
        }
        added.order = added.tokens.keys().copied().collect();
        added.order.sort_unstable();
        added.compile(specials.iter().chain(&classic), normalizer)?;
        Ok(added)
    }

    fn compile<'a>(
        &mut self,
        contents: impl Iterator<Item = &'a String>,
        normalizer: Option<&Normalizer>,
    ) -> Result<()> {
        let (mut raw, mut normalized) = (Vec::new(), Vec::new());
        for content in contents {
            let Some(id) = self.ids.get(content) else { continue };
            let Some(token) = self.tokens.get(id) else { continue };
            let fits = |text: &str| {
                if text.len() <= MAX_CONTENT {
                    return Ok(());
                }
                let what = format!("an added token of more than {MAX_CONTENT} bytes");
                let start: String = text.chars().take(20).collect();
                Err(Error::unsupported(what, format!("added_tokens, `{start}...`")))
            };
            fits(content)?;
            if !token.normalized {
                raw.push((content.clone(), *id));
            } else if let Some(normalizer) = normalizer {
                let mut text = String::new();
                normalizer.normalize_into(content, &mut text)?;
                fits(&text)?;
                if text != *content {
                    self.decoded.insert(*id, text.clone());
                }
                normalized.push((text, *id));
            } else {
                normalized.push((content.clone(), *id));
            }
        }
        self.raw = Matcher::new(raw)?;
        self.normalized = Matcher::new(normalized)?;
        Ok(())
    }

    /// Whether nothing is searched for at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.raw.is_none() && self.normalized.is_none()
    }

    /// Whether nothing is searched for in normalised text.
    pub(crate) fn no_normalized(&self) -> bool {
        self.normalized.is_none()
    }

    /// Cuts raw text; `plain_specials` leaves special tokens in it as text.
    pub(crate) fn split_raw(&self, text: &str, plain_specials: bool, part: impl FnMut(Part)) {
        self.split(self.raw.as_ref(), text, plain_specials, part);
    }

    /// Cuts normalised text.
    pub(crate) fn split_normalized(
        &self,
        text: &str,
        plain_specials: bool,
        part: impl FnMut(Part),
    ) {
        self.split(self.normalized.as_ref(), text, plain_specials, part);
    }

    fn split(
        &self,
        matcher: Option<&Matcher>,
        text: &str,
        plain_specials: bool,
        mut part: impl FnMut(Part),
    ) {
        let mut done = 0;
        let mut white = 0..0;
        let matches = matcher.into_iter().flat_map(|matcher| {
            let found = matcher.automaton.find_iter(text);
            found.map(|found| {
                (found.start(), found.end(), matcher.patterns[found.pattern().as_usize()])
            })
        });
        for (mut start, mut end, id) in matches {
            let Some(token) = self.tokens.get(&id) else { continue };
            if plain_specials && self.is_special(&token.content) {
                continue;
            }
            if token.single_word
                && !(ends_outside_word(&text[..start]) && starts_outside_word(&text[end..]))
            {
                continue;
            }
            // White space is looked at once, however many tokens take it along.
            if token.lstrip {
                let free = text.get(done..start).map_or(0, |free| free.trim_end().len());
                start = done + free;
            }
            if token.rstrip {
                if !(white.start <= end && end <= white.end) {
                    white = end..text.len() - text[end..].trim_start().len();
                }
                end = white.end;
            }
            // A token before took all of it along; the reference library panics here.
            if end < start {
                continue;
            }
            if done < start {
                part(Part { start: done, end: start, id: None });
            }
            part(Part { start, end, id: Some(id) });
            done = end;
        }
        if done < text.len() {
            part(Part { start: done, end: text.len(), id: None });
        }
    }

    /// Whether no added token lies at `at`, or so near that what it takes along could reach it: the
    /// text may be searched in two halves. None when that cannot be known.
    pub(crate) fn is_clear(
        &self,
        text: &str,
        at: usize,
        normalizer: Option<&Normalizer>,
    ) -> Option<bool> {
        let around = |reach: usize| {
            let start = boundary(text, at.saturating_sub(reach));
            &text[start..boundary(text, at.saturating_add(reach))]
        };
        if let Some(raw) = &self.raw
            && raw.automaton.is_match(around(self.reach()))
        {
            return Some(false);
        }
        let Some(normalized) = &self.normalized else { return Some(true) };
        // A character of four bytes may become one of one byte.
        let near = around(4 * self.reach());
        let Some(normalizer) = normalizer else {
            return Some(!normalized.automaton.is_match(near));
        };
        // What is put in front of a part could make a token of what follows.
        let alone = normalizer.looks_at_single_characters() || near.is_ascii();
        // Where characters go without a trace, a token may come from any number of them.
        if normalizer.puts_in_front() || normalizer.drops_characters() || !alone {
            return None;
        }
        let mut normal = String::new();
        normalizer.normalize_into(near, &mut normal).ok()?;
        Some(!normalized.automaton.is_match(&normal))
    }

    /// How far an added token reaches, in bytes, with the character next to it.
    pub(crate) fn reach(&self) -> usize {
        let longest = [&self.raw, &self.normalized].into_iter().flatten();
        longest.map(|matcher| matcher.automaton.max_pattern_len()).max().map_or(0, |most| most + 8)
    }

    pub(crate) fn id(&self, content: &str) -> Option<TokenId> {
        self.ids.get(content).copied()
    }

    pub(crate) fn token(&self, id: TokenId) -> Option<&AddedToken> {
        self.tokens.get(&id)
    }

    /// The model's token of an id that an added token has taken.
    pub(crate) fn hidden(&self, id: TokenId) -> Option<&str> {
        if self.hidden.is_empty() {
            return None;
        }
        self.hidden.get(&id).map(String::as_str)
    }

    /// The text that an added token is decoded as. The reference library takes the normalised
    /// content, and looks that up among the special tokens: one that changed is not left out.
    pub(crate) fn decoded(&self, id: TokenId) -> Option<&str> {
        let token = self.tokens.get(&id)?;
        Some(self.decoded.get(&id).unwrap_or(&token.content))
    }

    /// Whether a token with this text is special: by its text, as in the reference library.
    pub(crate) fn is_special(&self, content: &str) -> bool {
        self.special.contains(content)
    }

    /// The tokens in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TokenId, &AddedToken)> {
        self.order.iter().filter_map(|&id| Some((id, self.tokens.get(&id)?)))
    }
}

impl Matcher {
    fn new(patterns: Vec<(String, TokenId)>) -> Result<Option<Self>> {
        // A token that normalises to nothing can match nothing.
        let (texts, ids): (Vec<_>, Vec<_>) =
            patterns.into_iter().filter(|(text, _)| !text.is_empty()).unzip();
        if texts.is_empty() {
            return Ok(None);
        }
        if texts.iter().map(String::len).sum::<usize>() > MAX_TOGETHER {
            let what = format!("added tokens of more than {MAX_TOGETHER} bytes together");
            return Err(Error::unsupported(what, "added_tokens"));
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&texts)
            .map_err(|error| Error::format("tokenizer.json", "added_tokens", error.to_string()))?;
        Ok(Some(Self { automaton, patterns: ids }))
    }
}

/// `\w` of the regex engine, as the reference library asks it.
#[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
static WORD: LazyLock<fancy_regex::Regex> =
    LazyLock::new(|| fancy_regex::Regex::new(r"^\w$").expect("a valid pattern"));

fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    WORD.is_match(c.encode_utf8(&mut [0; 4])).unwrap_or(false)
}

fn ends_outside_word(text: &str) -> bool {
    !text.chars().next_back().is_some_and(is_word)
}

fn starts_outside_word(text: &str) -> bool {
    !text.chars().next().is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocab(tokens: &[&str]) -> Vocab {
        Vocab::new((0..).zip(tokens).map(|(id, t)| ((*t).to_owned(), id)).collect()).unwrap()
    }

    fn parts(added: &AddedVocabulary, text: &str, plain: bool) -> Vec<(String, Option<TokenId>)> {
        let mut found = Vec::new();
        added.split_raw(text, plain, |p| found.push((text[p.start..p.end].to_owned(), p.id)));
        found
    }

    fn some(text: &str, id: Option<TokenId>) -> (String, Option<TokenId>) {
        (text.to_owned(), id)
    }

    #[test]
    fn a_token_that_normalisation_changes_is_decoded_as_what_it_became() {
        let normalizer = Normalizer::Bert(crate::normalize::BertNormalizer::default());
        let token =
            |content, normalized| AddedToken { normalized, ..AddedToken::new(content, true) };
        let tokens = [token("[MASK]", true), token("[CLS]", false)];
        let added = AddedVocabulary::new(&tokens, &vocab(&["a"]), Some(&normalizer)).unwrap();
        assert_eq!(added.decoded(1), Some("[mask]"));
        assert_eq!(added.decoded(2), Some("[CLS]"));
        assert_eq!(added.decoded(0), None);
        assert!(added.is_special("[MASK]") && !added.is_special("[mask]"));
    }

    #[test]
    fn ids_come_from_the_model_or_follow_the_largest() {
        let tokens: Vec<_> =
            ["b", "<x>", "", "<y>", "<x>"].map(|t| AddedToken::new(t, true)).into();
        let added = AddedVocabulary::new(&tokens, &vocab(&["a", "b", "c"]), None).unwrap();
        let listed: Vec<_> = added.iter().map(|(id, t)| (id, t.content.as_str())).collect();
        assert_eq!(listed, [(1, "b"), (3, "<x>"), (4, "<y>")]);
    }

    #[test]
    fn leftmost_longest_with_the_text_between() {
        let tokens: Vec<_> = ["<a>", "<a><b>", "<b>"].map(|t| AddedToken::new(t, true)).into();
        let added = AddedVocabulary::new(&tokens, &vocab(&[]), None).unwrap();
        let found = parts(&added, "x<a><b><b>y", false);
        assert_eq!(
            found,
            [some("x", None), some("<a><b>", Some(1)), some("<b>", Some(2)), some("y", None)]
        );
        assert_eq!(parts(&added, "x<a>", true), [some("x<a>", None)]);
        assert_eq!(parts(&added, "", false), []);
    }

    #[test]
    fn strips_and_single_words() {
        let mut mask = AddedToken::new("<m>", true);
        (mask.lstrip, mask.rstrip) = (true, true);
        let mut word = AddedToken::new("it", true);
        word.single_word = true;
        let added = AddedVocabulary::new(&[mask, word], &vocab(&[]), None).unwrap();
        let found = parts(&added, "a \u{3000}<m> \t<m>b", false);
        assert_eq!(
            found,
            [
                some("a", None),
                some(" \u{3000}<m> \t", Some(0)),
                some("<m>", Some(0)),
                some("b", None)
            ]
        );
        assert_eq!(
            parts(&added, "bit it, it\u{301}", false),
            [some("bit ", None), some("it", Some(1)), some(", it\u{301}", None)]
        );
    }

    #[test]
    fn white_space_that_two_tokens_take_along_is_read_once() {
        let token = |content, lstrip, rstrip| AddedToken {
            lstrip,
            rstrip,
            ..AddedToken::new(content, true)
        };
        let tokens = [token("<x>", false, true), token(" ", false, false)];
        let added = AddedVocabulary::new(&tokens, &vocab(&[]), None).unwrap();
        assert_eq!(
            parts(&added, "<x>  b", false),
            [some("<x>  ", Some(0)), some(" ", Some(1)), some(" ", Some(1)), some("b", None)]
        );
        // The reference library panics here; nothing is left of the second token.
        let tokens = [token("<x>", false, true), token(" ", true, false)];
        let added = AddedVocabulary::new(&tokens, &vocab(&[]), None).unwrap();
        assert_eq!(parts(&added, "<x>  b", false)[0], some("<x>  ", Some(0)));
        // Square time would take minutes.
        let text = " ".repeat(1 << 20);
        for (lstrip, rstrip) in [(true, true), (true, false), (false, true)] {
            let tokens = [token(" ", lstrip, rstrip)];
            let added = AddedVocabulary::new(&tokens, &vocab(&[]), None).unwrap();
            let mut count = 0;
            added.split_raw(&text, false, |_| count += 1);
            assert!(count > 0);
        }
    }

    #[test]
    fn literals_that_make_the_search_slow_or_large_are_refused() {
        let refused = |tokens: &[AddedToken], normalizer: Option<&Normalizer>| {
            AddedVocabulary::new(tokens, &vocab(&[]), normalizer).unwrap_err().to_string()
        };
        let long = refused(&[AddedToken::new("x".repeat(4097), true)], None);
        assert!(long.starts_with("an added token of more than 4096 bytes"), "{long}");
        let prepend = Normalizer::Prepend("y".repeat(5000));
        let grown = AddedToken { normalized: true, ..AddedToken::new("x", true) };
        assert!(refused(&[grown], Some(&prepend)).contains("more than 4096 bytes"));
        let many: Vec<_> =
            (0..1100).map(|n| AddedToken::new(format!("{n}{}", "x".repeat(4000)), true)).collect();
        assert!(refused(&many, None).contains("bytes together"));
    }
}
