//! Decoding as sentencepiece 0.2.3 does: `▁` becomes a space, that of the beginning goes, bytes
//! become characters.

use std::sync::Arc;

use hashbrown::HashMap;

/// What stands for a space.
const SPACE: &str = "\u{2581}";

/// What tokens of a sentencepiece model stand for, where it is not their text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// Nothing.
    Control,
    /// The surface of what is unknown.
    Unknown,
    /// A byte.
    Byte(u8),
}

/// The decoder of a sentencepiece model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentencePieceDecoder {
    meanings: Arc<HashMap<String, Meaning>>,
    unknown_surface: Arc<str>,
    add_dummy_prefix: bool,
    remove_extra: bool,
}

impl SentencePieceDecoder {
    /// A decoder: `controls` are left out, `unknown` becomes its surface, `bytes` their bytes.
    pub fn new(
        controls: impl IntoIterator<Item = String>,
        (unknown, surface): (String, &str),
        bytes: impl IntoIterator<Item = (String, u8)>,
        (add_dummy_prefix, remove_extra): (bool, bool),
    ) -> Self {
        let controls = controls.into_iter().map(|token| (token, Meaning::Control));
        let bytes = bytes.into_iter().map(|(token, byte)| (token, Meaning::Byte(byte)));
        let mut meanings: HashMap<_, _> = controls.chain(bytes).collect();
        meanings.insert(unknown, Meaning::Unknown);
        Self {
            meanings: Arc::new(meanings),
            unknown_surface: surface.into(),
            add_dummy_prefix,
            remove_extra,
        }
    }

    /// What the unknown token is decoded as.
    pub fn unknown_surface(&self) -> &str {
        &self.unknown_surface
    }
}

/// Where the decoding of a sequence stands.
#[derive(Clone, Debug)]
pub(crate) struct SentencePieceState {
    /// Bytes that are no whole character yet.
    queue: Vec<u8>,
    /// Whether the space of the beginning may still come.
    at_start: bool,
    /// Whether any text has been given out.
    written: bool,
}

impl Default for SentencePieceState {
    fn default() -> Self {
        Self { queue: Vec::new(), at_start: true, written: false }
    }
}

impl SentencePieceState {
    /// Appends what the next token adds to the text, as far as it is certain: always characters.
    pub(crate) fn push(&mut self, decoder: &SentencePieceDecoder, token: &str, out: &mut Vec<u8>) {
        let before = out.len();
        let meaning = decoder.meanings.get(token);
        if let Some(Meaning::Byte(byte)) = meaning {
            self.queue.push(*byte);
            self.give(false, out);
            self.written |= out.len() > before;
            return;
        }
        self.give(true, out);
        self.written |= out.len() > before;
        self.at_start &= !self.written;
        if meaning == Some(&Meaning::Control) {
            return;
        }
        let mut text = token;
        let mut took_space = false;
        if self.at_start
            && (decoder.add_dummy_prefix || decoder.remove_extra)
            && let Some(rest) = text.strip_prefix(SPACE)
        {
            text = rest;
            // Where extra spaces are removed, all of the beginning's go.
            took_space = !decoder.remove_extra;
        }
        if meaning == Some(&Meaning::Unknown) {
            out.extend_from_slice(decoder.unknown_surface.as_bytes());
        } else {
            for (index, part) in text.split(SPACE).enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(part.as_bytes());
            }
        }
        self.written |= out.len() > before;
        self.at_start &= !(took_space || self.written);
    }

    /// Appends what still waits, and goes back to the beginning.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.give(true, out);
        *self = Self::default();
    }

    /// Gives out whole characters. A byte that is not part of one becomes U+FFFD alone; at the `end`
    /// nothing more can make it one.
    fn give(&mut self, end: bool, out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(rest) = self.queue.get(at..).filter(|rest| !rest.is_empty()) {
            let length = match std::str::from_utf8(rest) {
                Ok(_) => rest.len(),
                Err(error) if error.valid_up_to() > 0 => error.valid_up_to(),
                Err(error) if error.error_len().is_none() && !end => break,
                Err(_) => {
                    out.extend_from_slice("\u{FFFD}".as_bytes());
                    at += 1;
                    continue;
                }
            };
            out.extend_from_slice(rest.get(..length).unwrap_or_default());
            at += length;
        }
        self.queue.drain(..at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tokens: &[&str], flags: (bool, bool)) -> String {
        let bytes = (0..=255).map(|byte| (format!("<0x{byte:02X}>"), byte));
        let controls = ["<s>".to_owned()];
        let decoder =
            SentencePieceDecoder::new(controls, ("<unk>".to_owned(), " ⁇ "), bytes, flags);
        let (mut state, mut out) = (SentencePieceState::default(), Vec::new());
        for token in tokens {
            state.push(&decoder, token, &mut out);
            assert!(std::str::from_utf8(&out).is_ok(), "half a character");
        }
        state.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_space_of_the_beginning_goes() {
        assert_eq!(decode(&["<s>", "▁a", "▁b"], (true, true)), "a b");
        assert_eq!(decode(&["▁", "▁a"], (true, true)), "a");
        assert_eq!(decode(&["▁", "▁a"], (true, false)), " a");
        assert_eq!(decode(&["▁▁a"], (true, false)), " a");
        assert_eq!(decode(&["▁a"], (false, false)), " a");
        assert_eq!(decode(&["<unk>", "▁a", "<unk>"], (true, true)), " ⁇  a ⁇ ");
    }

    #[test]
    fn a_byte_that_is_no_part_of_a_character_is_replaced_alone() {
        assert_eq!(decode(&["<0xE3>", "<0x81>", "<0x82>"], (true, true)), "あ");
        assert_eq!(decode(&["<0xE3>", "<0x81>", "a"], (true, true)), "\u{FFFD}\u{FFFD}a");
        assert_eq!(decode(&["<0xE3>", "<0x81>"], (true, true)), "\u{FFFD}\u{FFFD}");
        assert_eq!(decode(&["<0xF0>", "<0x41>"], (true, true)), "\u{FFFD}A");
        assert_eq!(decode(&["<0xFF>", "▁a"], (true, true)), "\u{FFFD} a");
    }
}
