//! The steps that look at one character at a time, or at the ends of a text.

use super::changes::Changes;
use crate::unicode::bert::{self, LOWERS};
use crate::unicode::byte_level::BYTE_TO_CHAR;
use crate::unicode::forms;

/// Lower case, character by character: a sigma at the end of a word is as any other.
pub(super) fn lowercase(text: &str, sink: &mut impl Changes) -> bool {
    rewrite(
        text,
        |byte| !byte.is_ascii_uppercase(),
        sink,
        |c| bert::flags(c) & LOWERS != 0,
        |c, sink| {
            let mut change = 0;
            bert::lower(c, |c| {
                sink.put(c, change);
                change = 1;
            });
        },
    )
}

/// Marks dropped.
pub(super) fn strip_accents(text: &str, sink: &mut impl Changes) -> bool {
    filter(text, |_| true, |c| forms::flags(c) & forms::MARK == 0, sink)
}

/// Control characters dropped and white space made plain.
pub(super) fn nmt(text: &str, sink: &mut impl Changes) -> bool {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    rewrite(
        text,
        plain,
        sink,
        |c| nmt_drops(c) || nmt_space(c) != c,
        |c, sink| {
            if nmt_drops(c) {
                sink.drop(1);
            } else {
                sink.put(' ', 0);
            }
        },
    )
}

/// What `Nmt` drops. Of the controls of Latin-1 only three are in its list.
pub(super) fn nmt_drops(c: char) -> bool {
    matches!(c, '\u{1}'..='\u{8}' | '\u{B}' | '\u{E}'..='\u{1F}' | '\u{7F}' | '\u{8F}' | '\u{9F}')
}

/// What `Nmt` makes of what it keeps.
pub(super) fn nmt_space(c: char) -> char {
    match c {
        '\t'
        | '\n'
        | '\u{C}'
        | '\r'
        | '\u{1680}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{2581}'
        | '\u{FEFF}'
        | '\u{FFFD}' => ' ',
        c => c,
    }
}

/// Characters dropped that `keep` does not want. `plain` as in [`rewrite`].
pub(super) fn filter<S: Changes>(
    text: &str,
    plain: impl Fn(u8) -> bool,
    keep: impl Fn(char) -> bool,
    sink: &mut S,
) -> bool {
    rewrite(text, plain, sink, |c| !keep(c), |_, sink: &mut S| sink.drop(1))
}

/// The bytes of each character, spelled in the byte alphabet.
pub(super) fn byte_level(text: &str, sink: &mut impl Changes) -> bool {
    let kept = super::run_length(text.as_bytes(), |byte| byte.is_ascii_graphic());
    if kept == text.len() {
        return false;
    }
    sink.keep(&text[..kept]);
    for c in text[kept..].chars() {
        if c.is_ascii_graphic() {
            sink.put(c, 0);
            continue;
        }
        for (at, &byte) in c.encode_utf8(&mut [0; 4]).as_bytes().iter().enumerate() {
            sink.put(BYTE_TO_CHAR[usize::from(byte)], isize::from(at > 0));
        }
    }
    true
}

/// `content` in front of a text that is not empty. The first character takes the place of the text's
/// first one, which counts as inserted: all of them have its origin. An empty `content` leaves the first
/// character with nothing before it, and so without an origin.
pub(super) fn prepend(
    text: &str,
    content: &str,
    sink: &mut impl Changes,
) -> crate::error::Result<bool> {
    let Some(next) = text.chars().next() else { return Ok(false) };
    sink.room(content.len().saturating_add(text.len()))?;
    let (first, others) = text.split_at(next.len_utf8());
    let mut rest = content.chars();
    if let Some(front) = rest.next() {
        sink.put(front, 0);
        sink.insert(rest.as_str());
        sink.insert(first);
    } else {
        sink.insert(first);
        sink.drop(1);
    }
    sink.keep(others);
    Ok(true)
}

/// White space at the ends dropped.
pub(super) fn strip(text: &str, left: bool, right: bool, sink: &mut impl Changes) -> bool {
    let start = if left { text.trim_start_matches(is_white_space).len() } else { text.len() };
    let (white, rest) = text.split_at(text.len() - start);
    let kept = if right { rest.trim_end_matches(is_white_space) } else { rest };
    if kept.len() == text.len() {
        return false;
    }
    sink.drop(white.chars().count());
    sink.keep(kept);
    sink.drop(rest[kept.len()..].chars().count());
    true
}

/// The property `White_Space`, written out so that a compiler's update changes nothing.
fn is_white_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}'
        | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}')
}

/// Keeps runs of characters and hands those that `found` picks to `change`. It is never asked about
/// ASCII bytes that are `plain`. False, and nothing kept, when there are none.
#[inline]
pub(super) fn rewrite<S: Changes>(
    text: &str,
    plain: impl Fn(u8) -> bool,
    sink: &mut S,
    found: impl Fn(char) -> bool,
    mut change: impl FnMut(char, &mut S),
) -> bool {
    let (mut kept, mut at, mut changed) = (0, 0, false);
    while at < text.len() {
        at += super::run_length(&text.as_bytes()[at..], |byte| byte.is_ascii() && plain(byte));
        for c in text[at..].chars() {
            let end = at + c.len_utf8();
            if found(c) {
                if kept < at {
                    sink.keep(&text[kept..at]);
                }
                change(c, sink);
                (kept, changed) = (end, true);
            }
            at = end;
            if c.is_ascii() {
                break;
            }
        }
    }
    if changed {
        sink.keep(&text[kept..]);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_that_of_the_swept_library() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_white_space(c), bert::flags(c) & bert::WHITE != 0, "{c:?}");
        }
    }
}
