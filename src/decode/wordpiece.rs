//! The `WordPiece` decoder: one token's share of the text.

// The reference cleans up every token on its own, with the space it was given before it, by eleven
// replacements one after the other. Most tokens have nothing to clean: all patterns begin with a
// space, and a token without one is copied.

/// What is replaced by what, in this order, each over the whole token.
const CLEANUP: [(&str, &str); 11] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

pub(super) fn append(token: &str, first: bool, prefix: &str, cleanup: bool, out: &mut Vec<u8>) {
    let (space, token) = match token.strip_prefix(prefix) {
        _ if first => (false, token),
        Some(rest) => (false, rest),
        None => (true, token),
    };
    if !cleanup || !may_need_cleanup(space, token) {
        if space {
            out.push(b' ');
        }
        out.extend_from_slice(token.as_bytes());
        return;
    }
    let mut text = String::with_capacity(token.len() + 1);
    if space {
        text.push(' ');
    }
    text.push_str(token);
    for (from, to) in CLEANUP {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// Whether any pattern could match: one starts at the space in front, or at a space inside.
fn may_need_cleanup(space: bool, token: &str) -> bool {
    (space
        && matches!(
            token.as_bytes().first(),
            Some(b'.' | b'?' | b'!' | b',' | b'\'' | b'n' | b'd')
        ))
        || token.contains(' ')
}
