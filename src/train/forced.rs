//! Tokens that the vocabulary must have.
//!
//! They are reached by merges, like any other: where the text of one stands as a word of its own it
//! becomes that token, and no other text is cut otherwise than it would have been. What the learned
//! merges leave of a forced token is joined from the left, after them, so that those merges rank last.
//! Room for them is kept while the vocabulary grows; much of it is found to be not needed, because
//! frequent tokens come about by themselves, and goes to ordinary merges.

use rustc_hash::FxHashMap;

use super::alphabet::Alphabet;
use super::replay::{Event, Replay};
use crate::error::{Error, Result};
use crate::ids::{Pair, TokenId};

/// Forced tokens, as what is there makes them.
#[derive(Default)]
pub(super) struct Forced {
    /// Their initial symbols.
    initial: Vec<Vec<TokenId>>,
    /// What they have become.
    rows: Vec<Vec<TokenId>>,
    /// The rows in which a pair stands or stood.
    places: FxHashMap<Pair, Vec<usize>>,
    /// Merges that would make one token of each row.
    missing: usize,
}

impl Forced {
    pub(super) fn new(tokens: &[String], alphabet: &Alphabet) -> Result<Self> {
        let mut forced = Self::default();
        for (row, token) in tokens.iter().enumerate() {
            let mut symbols = Vec::new();
            let whole = alphabet.symbols(token.as_bytes(), &mut symbols);
            if symbols.is_empty() || !whole {
                let wanted = "a text of characters that the alphabet has";
                return Err(Error::argument("forced_tokens", format!("{token:?}"), wanted));
            }
            forced.missing += symbols.len() - 1;
            forced.rows.push(symbols.clone());
            forced.initial.push(symbols);
            forced.index(row);
        }
        Ok(forced)
    }

    fn index(&mut self, row: usize) {
        for pair in self.rows[row].windows(2) {
            let rows = self.places.entry(Pair::new(pair[0], pair[1])).or_default();
            if rows.last() != Some(&row) {
                rows.push(row);
            }
        }
    }

    /// At most so many merges are needed.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// A merge was made.
    pub(super) fn merge(&mut self, event: Event) {
        let Some(rows) = self.places.remove(&Pair::new(event.left, event.right)) else { return };
        let replay = Replay::in_order(&[event]);
        for row in rows {
            let before = self.rows[row].len();
            replay.apply(&mut self.rows[row]);
            self.missing -= before - self.rows[row].len();
            self.index(row);
        }
    }

    /// The next merge that is needed after `events`, as a tokenizer applies them; none when all tokens
    /// are reached.
    pub(super) fn next(&mut self, events: &[Event]) -> Option<(TokenId, TokenId)> {
        let replay = Replay::by_rank(events);
        let mut rows = self.initial.clone();
        for row in &mut rows {
            replay.apply(row);
        }
        self.missing = rows.iter().map(|row| row.len() - 1).sum();
        self.rows = rows;
        let row = self.rows.iter().find(|row| row.len() > 1)?;
        Some((row[0], row[1]))
    }
}
