//! Limits on what may become a token, beyond how often it occurs.
//!
//! A limit is asked when a pair is about to be merged: the most frequent pair of all whose token breaks
//! one is refused for good, and the next one has its turn. All limits look at the token alone, so what
//! they refuse does not depend on how it would be made; each refusal is counted.

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::{BpeTrainConfig, Unit};
use crate::unicode::byte_level::char_to_byte;
use crate::unicode::script_ranges::SCRIPTS;

/// Limits on tokens. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policies {
    /// The most bytes that a merged token may stand for.
    pub max_token_bytes: Option<usize>,
    /// Whether letters of two scripts may not share a token. Digits, punctuation, spaces and combining
    /// marks go with any; kana counts as Han. Of a character that a token has in part, the bytes at
    /// hand say which scripts it may belong to.
    pub one_script: bool,
    /// The most digits (ASCII) of a token.
    pub max_digits: Option<usize>,
    /// Texts that no merged token may contain.
    pub veto: Vec<String>,
}

/// A limit that a token can break, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// [`Policies::max_token_bytes`].
    MaxTokenBytes,
    /// [`Policies::one_script`].
    OneScript,
    /// [`Policies::max_digits`].
    MaxDigits,
    /// [`Policies::veto`].
    Veto,
    /// The words of a superword.
    MaxWords,
    /// The token is spelled like an added token of the vocabulary that is extended.
    AddedToken,
}

impl Policy {
    /// Every limit.
    pub const ALL: [Self; 6] = [
        Self::MaxTokenBytes,
        Self::OneScript,
        Self::MaxDigits,
        Self::Veto,
        Self::MaxWords,
        Self::AddedToken,
    ];

    /// A name for options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokenBytes => "max_token_bytes",
            Self::OneScript => "one_script",
            Self::MaxDigits => "max_digits",
            Self::Veto => "veto",
            Self::MaxWords => "superword_max_words",
            Self::AddedToken => "added_token",
        }
    }
}

/// What a limit refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Pairs that would have been merged.
    pub pairs: u64,
    /// How often they occurred then, all together.
    pub occurrences: u64,
    /// The first tokens that were refused.
    pub examples: Vec<String>,
}

impl Refused {
    const EXAMPLES: usize = 10;

    pub(super) fn note(&mut self, token: String, count: u64) {
        self.pairs += 1;
        self.occurrences = self.occurrences.saturating_add(count);
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(token);
        }
    }
}

/// Asks all limits.
pub(super) struct Judge {
    policies: Policies,
    unit: Unit,
    prefix: String,
    suffix: String,
    /// Added tokens that are not entries of the model.
    pub(super) reserved: FxHashSet<String>,
    pub(super) max_words: Option<usize>,
}

impl Judge {
    pub(super) fn new(config: &BpeTrainConfig, unit: Unit) -> Self {
        Self {
            policies: config.policies.clone(),
            unit,
            prefix: config.continuing_subword_prefix.clone().unwrap_or_default(),
            suffix: config.end_of_word_suffix.clone().unwrap_or_default(),
            reserved: FxHashSet::default(),
            max_words: None,
        }
    }

    /// Whether nothing is ever refused.
    pub(super) fn is_idle(&self) -> bool {
        self.policies == Policies::default() && self.reserved.is_empty() && self.max_words.is_none()
    }

    /// The first limit that `token` breaks.
    pub(super) fn refuse(&self, token: &str) -> Option<Policy> {
        if self.reserved.contains(token) {
            return Some(Policy::AddedToken);
        }
        let text = self.text(token);
        let Policies { max_token_bytes, one_script, max_digits, veto } = &self.policies;
        let digits = || text.iter().filter(|b| b.is_ascii_digit()).count();
        if max_token_bytes.is_some_and(|most| text.len() > most) {
            Some(Policy::MaxTokenBytes)
        } else if *one_script && mixes_scripts(&text) {
            Some(Policy::OneScript)
        } else if max_digits.is_some_and(|most| digits() > most) {
            Some(Policy::MaxDigits)
        } else if veto.iter().any(|part| contains(&text, part.as_bytes())) {
            Some(Policy::Veto)
        } else if self.max_words.is_some_and(|most| words(&text) > most) {
            Some(Policy::MaxWords)
        } else {
            None
        }
    }

    /// The bytes that a token stands for.
    fn text(&self, token: &str) -> Vec<u8> {
        let token = token.strip_prefix(self.prefix.as_str()).unwrap_or(token);
        let token = token.strip_suffix(self.suffix.as_str()).unwrap_or(token);
        bytes(token, self.unit)
    }
}

/// The bytes that `token` stands for: where characters show bytes, those; else UTF-8.
pub(super) fn bytes(token: &str, unit: Unit) -> Vec<u8> {
    if unit == Unit::Char {
        return token.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(token.len());
    for c in token.chars() {
        match char_to_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Stretches between white space (ASCII).
pub(super) fn words(text: &[u8]) -> usize {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count()
}

/// Common characters and combining marks, which go with every script, and what has no script at all.
const ANY: [u8; 3] = [0, 1, 4];

/// Whether two characters of a text, whole or in part, cannot belong to one script.
fn mixes_scripts(text: &[u8]) -> bool {
    let mut scripts: Option<Vec<u8>> = None;
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let length = match first {
            0..=0x7F => 1,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            // The end of a character whose beginning is in another token: it may be anything.
            _ => {
                rest = &rest[1..];
                continue;
            }
        };
        let tail = rest[1..].iter().take(length - 1).take_while(|&&b| b & 0xC0 == 0x80).count();
        let (mut low, mut high) = (u32::from(first), u32::from(first));
        if length > 1 {
            low &= 0x7F >> length;
            high = low;
            for at in 1..length {
                let byte = rest.get(at).filter(|_| at <= tail).map(|&b| u32::from(b & 0x3F));
                low = low << 6 | byte.unwrap_or(0);
                high = high << 6 | byte.unwrap_or(0x3F);
            }
        }
        rest = &rest[(1 + tail).min(rest.len())..];
        let here = scripts_between(low, high);
        if here.iter().any(|script| ANY.contains(script)) {
            continue;
        }
        match &mut scripts {
            None => scripts = Some(here),
            Some(scripts) => {
                scripts.retain(|script| here.contains(script));
                if scripts.is_empty() {
                    return true;
                }
            }
        }
    }
    false
}

/// The scripts of the characters from `low` to `high`; 0 where one has none.
fn scripts_between(low: u32, high: u32) -> Vec<u8> {
    let begin = SCRIPTS.partition_point(|&(_, last, _)| last < low);
    let mut found = Vec::new();
    let mut covered = low;
    for &(first, last, script) in SCRIPTS[begin..].iter().take_while(|range| range.0 <= high) {
        if first > covered && low == high {
            break;
        }
        if !found.contains(&script) {
            found.push(script);
        }
        covered = last.saturating_add(1);
    }
    // A code point between ranges is unassigned: that is no reason to let a partial one pass.
    if found.is_empty() {
        found.push(0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policies: Policies, unit: Unit) -> Judge {
        Judge::new(&BpeTrainConfig { policies, ..BpeTrainConfig::default() }, unit)
    }

    #[test]
    fn each_limit_has_its_border() {
        let plain = Policies::default;
        let long = judge(Policies { max_token_bytes: Some(4), ..plain() }, Unit::Char);
        assert_eq!(long.refuse("éé"), None);
        assert_eq!(long.refuse("ééa"), Some(Policy::MaxTokenBytes));
        let digits = judge(Policies { max_digits: Some(2), ..plain() }, Unit::Byte);
        assert_eq!(digits.refuse("a1b2"), None);
        assert_eq!(digits.refuse("1a23"), Some(Policy::MaxDigits));
        let veto = judge(Policies { veto: vec![": ".into()], ..plain() }, Unit::Byte);
        assert_eq!(veto.refuse("a:Ġb"), Some(Policy::Veto));
        assert_eq!(veto.refuse("a:b"), None);
        let mut words = judge(plain(), Unit::Byte);
        assert!(words.is_idle());
        words.max_words = Some(2);
        assert_eq!(words.refuse("ĠofĠthe"), None);
        assert_eq!(words.refuse("ofĠtheĠĠa"), Some(Policy::MaxWords));
        words.reserved.insert("<pad>".into());
        assert_eq!(words.refuse("<pad>"), Some(Policy::AddedToken));
    }

    #[test]
    fn affixes_are_not_part_of_a_text() {
        let config = BpeTrainConfig {
            policies: Policies { max_token_bytes: Some(2), ..Policies::default() },
            continuing_subword_prefix: Some("##".into()),
            end_of_word_suffix: Some("</w>".into()),
            ..BpeTrainConfig::default()
        };
        let judge = Judge::new(&config, Unit::Char);
        assert_eq!(judge.refuse("##ab</w>"), None);
        assert_eq!(judge.refuse("##abc"), Some(Policy::MaxTokenBytes));
    }

    #[test]
    fn scripts_mix_or_do_not() {
        for (text, mixed) in [
            ("abc", false),
            (" word-1.5", false),
            ("слово", false),
            ("aс", true),
            ("日本のカナ", false),
            ("日本a", true),
            ("e\u{301}", false),
            ("한국", false),
            ("한日", true),
            ("١٢٣ a", true),
        ] {
            assert_eq!(mixes_scripts(text.as_bytes()), mixed, "{text}");
        }
        // д and the first byte of another Cyrillic character; a Latin letter and the same byte.
        assert!(!mixes_scripts(b"\xD0\xB4\xD0"));
        assert!(mixes_scripts(b"a\xD0"));
        // The first byte of Chinese characters, and the end of any.
        assert!(!mixes_scripts(b"\xE4\xB8\xAD\xE4\xB8"));
        assert!(mixes_scripts(b"a\xE4\xB8"));
        assert!(!mixes_scripts(b"\xB8a"));
    }
}
