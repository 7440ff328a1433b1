//! Bracket expressions: nested, with `&&`, POSIX classes and Oniguruma's rules for `-`.

use super::escape::Escape;
use super::parse::Parser;
use super::property::posix;
use super::set::CharSet;
use crate::error::Result;

/// What stands at one place between brackets.
enum Token {
    Close,
    Dash,
    /// A code point, which may lie beyond the last one where it ends a range.
    Code(u32),
    Set(CharSet),
    Open,
    And,
}

/// What came before.
enum State {
    Start,
    /// A character that may begin a range.
    Value(u32),
    /// A class, which may not.
    Class,
    /// The first character of a range and its dash.
    Range(u32),
    /// A whole range.
    Complete,
}

impl Parser<'_> {
    /// What follows `[`, up to its `]`: the set, and whether everything else is meant.
    pub(super) fn class(&mut self) -> Result<(CharSet, bool)> {
        self.enter()?;
        let negated = self.eat('^');
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let mut before_and: Option<CharSet> = None;
        let mut state = State::Start;
        let mut token = if self.peek() == Some(']') {
            if !self.closes_later() {
                return Err(self.wrong("an empty pair of brackets"));
            }
            self.next();
            Token::Code(u32::from(']'))
        } else {
            self.class_token()?
        };
        loop {
            let mut fetched = None;
            match token {
                Token::Close => break,
                Token::Code(code) => state = self.class_code(&mut ranges, &state, code)?,
                Token::Set(set) => {
                    if matches!(state, State::Range(_)) {
                        return Err(self.wrong("a class at the end of a range"));
                    }
                    finish(&mut ranges, &state);
                    ranges.extend_from_slice(set.ranges());
                    state = State::Class;
                }
                Token::Open => {
                    finish(&mut ranges, &state);
                    let (set, negated) = self.class()?;
                    let set = if negated { set.negated() } else { set };
                    ranges.extend_from_slice(set.ranges());
                    state = State::Complete;
                }
                Token::And => {
                    finish(&mut ranges, &state);
                    let set = CharSet::new(std::mem::take(&mut ranges));
                    before_and = Some(match before_and {
                        Some(before) => before.intersection(&set),
                        None => set,
                    });
                    state = State::Start;
                }
                Token::Dash => {
                    let dash = u32::from('-');
                    if matches!(state, State::Range(_)) {
                        state = self.class_code(&mut ranges, &state, dash)?;
                    } else {
                        let next = self.class_token()?;
                        let ends = matches!(next, Token::Close | Token::And);
                        state = match state {
                            State::Value(from) if !ends => State::Range(from),
                            State::Class if !ends => {
                                return Err(self.wrong("a class at the start of a range"));
                            }
                            _ => self.class_code(&mut ranges, &state, dash)?,
                        };
                        fetched = Some(next);
                    }
                }
            }
            token = match fetched {
                Some(token) => token,
                None => self.class_token()?,
            };
        }
        finish(&mut ranges, &state);
        let mut set = CharSet::new(ranges);
        if let Some(before) = before_and {
            set = before.intersection(&set);
        }
        self.leave();
        Ok((set, negated))
    }

    fn class_code(&self, ranges: &mut Vec<(u32, u32)>, state: &State, code: u32) -> Result<State> {
        if let State::Range(from) = *state {
            if from > code {
                return Err(self.wrong("a range whose end comes before its start"));
            }
            ranges.push((from, code.min(char::MAX as u32)));
            return Ok(State::Complete);
        }
        if char::from_u32(code).is_none() {
            return Err(self.wrong("a number that is no character's"));
        }
        finish(ranges, state);
        Ok(State::Value(code))
    }

    fn class_token(&mut self) -> Result<Token> {
        let Some(c) = self.next() else { return Err(self.wrong("brackets that do not close")) };
        Ok(match c {
            ']' => Token::Close,
            '-' => Token::Dash,
            '&' if self.eat('&') => Token::And,
            '[' => match self.posix_class()? {
                Some(set) => Token::Set(set),
                None => Token::Open,
            },
            '\\' => match self.escape(true)? {
                Escape::Code(code) => Token::Code(code),
                Escape::Set(set) => Token::Set(set),
                Escape::Node(_) => return Err(self.wrong("a place between brackets")),
            },
            c => Token::Code(u32::from(c)),
        })
    }

    /// `[:name:]`, behind its first bracket; none when that opens a nested class.
    fn posix_class(&mut self) -> Result<Option<CharSet>> {
        let rest = self.rest();
        let Some(rest) = rest.strip_prefix(&[':']) else { return Ok(None) };
        let negated = rest.first() == Some(&'^');
        let name = &rest[usize::from(negated)..];
        let Some(length) = name.iter().position(|c| !c.is_alphabetic()) else { return Ok(None) };
        if !name[length..].starts_with(&[':', ']']) || length + usize::from(negated) == 0 {
            return Ok(None);
        }
        let name: String = name[..length].iter().collect();
        let Some(set) = posix(&name) else {
            return Err(self.wrong(&format!("the unknown class `[:{name}:]`")));
        };
        self.skip(1 + usize::from(negated) + length + 2);
        let ascii = self.posix_is_ascii(&name);
        let set = if ascii { set.intersection(&CharSet::new(vec![(0, 0x7F)])) } else { set };
        Ok(Some(if negated { set.negated() } else { set }))
    }

    /// Whether a bracket that is not escaped closes further on.
    fn closes_later(&self) -> bool {
        let mut rest = self.rest().iter().skip(1);
        while let Some(c) = rest.next() {
            match c {
                '\\' => _ = rest.next(),
                ']' => return true,
                _ => {}
            }
        }
        false
    }
}

/// Adds a character that turned out to begin no range.
fn finish(ranges: &mut Vec<(u32, u32)>, state: &State) {
    if let State::Value(code) = *state {
        ranges.push((code, code));
    }
}
