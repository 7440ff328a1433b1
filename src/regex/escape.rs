//! What follows a backslash.

use super::node::{Anchor, Node};
use super::parse::Parser;
use super::property;
use super::set::CharSet;
use crate::error::Result;

/// What a backslash made.
pub(super) enum Escape {
    Code(u32),
    Set(CharSet),
    Node(Node),
}

fn as_set(set: CharSet, negated: bool, ascii: bool) -> Escape {
    let set = if ascii { set.intersection(&CharSet::new(vec![(0, 0x7F)])) } else { set };
    Escape::Set(if negated { set.negated() } else { set })
}

impl Parser<'_> {
    /// What follows a backslash.
    pub(super) fn escape(&mut self, in_class: bool) -> Result<Escape> {
        let Some(c) = self.next() else { return Err(self.wrong("a backslash at the end")) };
        let options = self.options;
        let code = match c {
            'w' | 'W' => {
                let ascii = options.ascii_word || options.ascii_posix;
                let word = if in_class { property::word() } else { property::word_alone() };
                return Ok(as_set(word, c == 'W', ascii));
            }
            'd' | 'D' => {
                let ascii = options.ascii_digit || options.ascii_posix;
                return Ok(as_set(property::digit(), c == 'D', ascii));
            }
            's' | 'S' => {
                let ascii = options.ascii_space || options.ascii_posix;
                return Ok(as_set(property::space(), c == 'S', ascii));
            }
            'h' | 'H' => return Ok(as_set(property::hex(), c == 'H', false)),
            'p' | 'P' if self.peek() == Some('{') => return self.property(c == 'P', in_class),
            'x' => return self.hexadecimal().map(Escape::Code),
            'u' => self.digits(16, 4, 4)?,
            'o' if self.peek() == Some('{') => {
                self.skip(1);
                let code = self.digits(8, 1, 11)?;
                if !self.eat('}') {
                    return Err(self.unsupported(r"\o{"));
                }
                code
            }
            '0' => self.octal(2, true)?,
            '1'..='9' if !in_class => return self.reference(c),
            '1'..='7' => {
                self.at -= 1;
                self.octal(3, false)?
            }
            'n' => 0x0A,
            't' => 0x09,
            'r' => 0x0D,
            'f' => 0x0C,
            'a' => 0x07,
            'e' => 0x1B,
            'v' => 0x0B,
            'b' if in_class => 0x08,
            'M' => return Err(self.unsupported(r"\M")),
            'C' | 'c' => {
                if c == 'C' && !self.eat('-') {
                    return Err(self.wrong(r"`\C` without `-`"));
                }
                match self.next() {
                    Some('?') => 0x7F,
                    Some(c) if c.is_ascii() && c != '\\' => u32::from(c) & 0x9F,
                    _ => return Err(self.unsupported(r"\c")),
                }
            }
            _ if !in_class => return self.place(c),
            _ => u32::from(c),
        };
        Ok(Escape::Code(code))
    }

    /// The escapes that stand for a place or for more than a character.
    fn place(&mut self, c: char) -> Result<Escape> {
        let ascii = self.options.ascii_word || self.options.ascii_posix;
        Ok(Escape::Node(match c {
            'A' => Node::Anchor(Anchor::Start),
            'z' => Node::Anchor(Anchor::End),
            'Z' => Node::Anchor(Anchor::AlmostEnd),
            'G' => Node::Anchor(Anchor::SearchStart),
            'b' | 'B' => Node::Anchor(Anchor::WordBoundary { negative: c == 'B', ascii }),
            'N' => Node::Set(CharSet::of(['\n']).negated()),
            'O' => Node::Set(CharSet::all()),
            // Oniguruma's own measure of its width there is not this one's.
            'R' if self.behinds > 0 => return Err(self.unsupported(r"\R inside a look-behind")),
            'R' => {
                let line_end = Node::Literal { chars: vec!['\r', '\n'], fold: false };
                let others = vec![(0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029)];
                let others = Node::Set(CharSet::new(others));
                Node::Atomic(Box::new(Node::Alt(vec![line_end, others])))
            }
            'K' if self.looks == 0 => Node::Keep,
            'K' => return Err(self.unsupported(r"\K inside a look-around")),
            'X' | 'y' | 'Y' => return Err(self.unsupported(&format!(r"\{c}"))),
            'g' if matches!(self.peek(), Some('<' | '\'')) => {
                return Err(self.unsupported(r"\g"));
            }
            'k' if matches!(self.peek(), Some('<' | '\'')) => {
                let end = if self.next() == Some('<') { '>' } else { '\'' };
                let name = self.name(end)?;
                return self.named_reference(&name);
            }
            c => return Ok(Escape::Code(u32::from(c))),
        }))
    }

    fn property(&mut self, mut negated: bool, in_class: bool) -> Result<Escape> {
        self.skip(1);
        if self.eat('^') {
            negated = !negated;
        }
        let rest = self.rest();
        let Some(length) = rest.iter().position(|&c| c == '}') else {
            return Err(self.wrong("a property that does not end"));
        };
        let name: String = rest[..length].iter().collect();
        let Some(set) = property::named(&name) else {
            return Err(self.unsupported(&format!(r"\p{{{name}}}")));
        };
        self.skip(length + 1);
        let plain = name.to_ascii_lowercase();
        let set = if plain == "word" && !in_class { property::word_alone() } else { set };
        let ascii = property::posix(&plain).is_some() && self.posix_is_ascii(&plain);
        Ok(as_set(set, negated, ascii))
    }

    /// A number of at least `least` and at most `most` digits.
    fn digits(&mut self, radix: u32, least: usize, most: usize) -> Result<u32> {
        let mut value = 0_u32;
        let mut read = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(radix))
            && read < most
        {
            value = value.saturating_mul(radix).saturating_add(digit);
            self.skip(1);
            read += 1;
        }
        if read < least {
            return Err(self.wrong("a number that is no character's"));
        }
        Ok(value)
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        if self.peek() == Some('{') && self.rest().get(1).is_some_and(char::is_ascii_hexdigit) {
            self.skip(1);
            let code = self.digits(16, 1, 8)?;
            if !self.eat('}') {
                return Err(self.unsupported(r"\x{ with more than one number"));
            }
            return Ok(code);
        }
        if self.peek() == Some('{') {
            // Braces around no number: an `x`, and what follows it.
            return Ok(u32::from('x'));
        }
        let byte = self.digits(16, 0, 2)?;
        self.bytes(byte)
    }

    fn octal(&mut self, most: usize, first_read: bool) -> Result<u32> {
        let byte = self.digits(8, usize::from(!first_read), most)?;
        if byte > 0xFF {
            return Err(self.wrong("an octal number above 377"));
        }
        self.bytes(byte)
    }

    /// The character whose first byte was written as a number, with those that follow.
    fn bytes(&mut self, first: u32) -> Result<u32> {
        let length = match first {
            0..0x80 => return Ok(first),
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return Err(self.wrong("bytes that are no character")),
        };
        let mut bytes = vec![u8::try_from(first).unwrap_or_default()];
        while bytes.len() < length {
            if !(self.eat('\\') && self.eat('x')) {
                return Err(self.wrong("bytes that are no character"));
            }
            bytes.push(u8::try_from(self.digits(16, 1, 2)?).unwrap_or_default());
        }
        let c = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
        c.map(u32::from).ok_or_else(|| self.wrong("bytes that are no character"))
    }

    /// `\1` and so on; numbers of groups that are not there yet are octal, from 10 on.
    fn reference(&mut self, first: char) -> Result<Escape> {
        let start = self.at - 1;
        self.at = start;
        let mut number = 0_usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit as usize);
            self.skip(1);
        }
        if number <= 9 || number <= self.groups {
            return self.numbered_reference(number);
        }
        self.at = start;
        if matches!(first, '8' | '9') {
            self.skip(1);
            return Ok(Escape::Code(u32::from(first)));
        }
        self.octal(3, false).map(Escape::Code)
    }

    fn numbered_reference(&mut self, number: usize) -> Result<Escape> {
        self.numbered = self.numbered.max(Some(number));
        self.reference_to(vec![number])
    }

    fn reference_to(&mut self, groups: Vec<usize>) -> Result<Escape> {
        if self.options.ignore_case {
            return Err(self.unsupported("a reference with case ignored"));
        }
        Ok(Escape::Node(Node::Backref(groups)))
    }

    fn named_reference(&mut self, name: &str) -> Result<Escape> {
        if let Ok(number) = name.parse::<isize>() {
            let signed = name.starts_with(['+', '-']);
            let groups = self.groups.cast_signed();
            let number = match number {
                1.. if signed => groups + number,
                1.. => number,
                _ => groups + 1 + number,
            };
            return match usize::try_from(number) {
                Ok(number) if number > 0 => self.numbered_reference(number),
                _ => Err(self.wrong("a reference to a group that is not there")),
            };
        }
        if name.contains(['+', '-']) {
            return Err(self.unsupported(r"\k with a level"));
        }
        match self.names.get(name).cloned() {
            Some(groups) => self.reference_to(groups),
            None => Err(self.wrong("a reference to a group that is not there")),
        }
    }
}
