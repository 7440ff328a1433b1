//! The clean-up of the `WordPiece` and CTC decoders.

// The reference cleans up every token on its own, with the space it was given before it, by eleven
// replacements one after the other. Most tokens have nothing to clean: all patterns begin with a
// space, and a token without one is left as it is.

use super::strings::{Budget, Piece};
use crate::error::Result;

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

pub(super) fn cleanup(piece: &mut Piece, budget: &mut Budget) -> Result<()> {
    let mut after_space = piece.bytes.windows(2).filter(|two| two[0] == b' ').map(|two| two[1]);
    if !after_space.any(|byte| matches!(byte, b'.' | b'?' | b'!' | b',' | b'\'' | b'n' | b'd')) {
        return Ok(());
    }
    CLEANUP
        .iter()
        .try_for_each(|(from, to)| piece.replace_all(from.as_bytes(), to.as_bytes(), budget))
}
