//! Oniguruma's syntax (its own, over UTF-8), as the reference library compiles patterns with it.
//!
//! What is read here is meant as Oniguruma means it; what it knows and this does not is an error that
//! names the construct.

use std::collections::HashMap;

use super::node::{Anchor, Node};
use super::property;
use super::set::CharSet;
use crate::error::{Error, Result};

/// The deepest nesting of groups and brackets.
const MAX_DEPTH: usize = 200;
/// The largest count of a repetition.
const MAX_COUNT: u32 = 100_000;

/// The options that hold at a place.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the syntax")]
struct Options {
    ignore_case: bool,
    dot_all: bool,
    extended: bool,
    ascii_word: bool,
    ascii_digit: bool,
    ascii_space: bool,
    ascii_posix: bool,
}

/// What a backslash made.
pub(super) enum Escape {
    Code(u32),
    Set(CharSet),
    Node(Node),
}

/// A number of times.
struct Count {
    min: u32,
    max: Option<u32>,
    greedy: bool,
    possessive: bool,
}

/// Reads one pattern.
pub(super) struct Parser<'a> {
    pattern: &'a str,
    chars: Vec<char>,
    at: usize,
    depth: usize,
    options: Options,
    groups: usize,
    names: HashMap<String, Vec<usize>>,
    /// Whether a reference by number was met, and the largest of them.
    numbered: Option<usize>,
    looks: usize,
    /// Repetitions of repetitions, which nest without brackets.
    chained: usize,
}

/// A pattern that was read.
pub(super) struct Parsed {
    pub(super) node: Node,
    /// How many groups are numbered.
    pub(super) groups: usize,
}

/// Reads a pattern.
pub(super) fn parse(pattern: &str) -> Result<Parsed> {
    let mut parser = Parser {
        pattern,
        chars: pattern.chars().collect(),
        at: 0,
        depth: 0,
        options: Options::default(),
        groups: 0,
        names: HashMap::new(),
        numbered: None,
        looks: 0,
        chained: 0,
    };
    let node = parser.alternatives()?;
    if parser.peek().is_some() {
        return Err(parser.wrong("a `)` without its `(`"));
    }
    if let Some(largest) = parser.numbered {
        if !parser.names.is_empty() {
            return Err(parser.wrong("a reference by number beside named groups"));
        }
        if largest > parser.groups {
            return Err(parser.wrong("a reference to a group that is not there"));
        }
    }
    Ok(Parsed { node, groups: parser.groups })
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn rest(&self) -> &[char] {
        self.chars.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip(&mut self, chars: usize) {
        self.at += chars;
    }

    /// The error for what is no regular expression.
    pub(super) fn wrong(&self, problem: &str) -> Error {
        let wanted = format!("a regular expression: {problem} at character {}", self.at);
        Error::argument("split pattern", format!("`{}`", self.pattern), wanted)
    }

    fn unsupported(&self, construct: &str) -> Error {
        let what = format!("the construct `{construct}` in split pattern `{}`", self.pattern);
        Error::unsupported(what, "")
    }

    pub(super) fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("more than {MAX_DEPTH} levels of nesting")));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn posix_is_ascii(&self, name: &str) -> bool {
        let options = self.options;
        options.ascii_posix
            || match name {
                "word" => options.ascii_word,
                "digit" => options.ascii_digit,
                "space" => options.ascii_space,
                _ => false,
            }
    }

    /// Skips comments, and white space where the option says so.
    fn skip_comments(&mut self) -> Result<()> {
        loop {
            if self.rest().starts_with(&['(', '?', '#']) {
                self.skip(3);
                loop {
                    match self.next() {
                        None => return Err(self.wrong("a comment that does not end")),
                        Some('\\') => _ = self.next(),
                        Some(')') => break,
                        Some(_) => {}
                    }
                }
                continue;
            }
            match self.peek() {
                Some(' ' | '\t' | '\n' | '\r' | '\x0c') if self.options.extended => self.skip(1),
                Some('#') if self.options.extended => {
                    while self.next().is_some_and(|c| c != '\n') {}
                }
                _ => return Ok(()),
            }
        }
    }

    /// Everything up to the `)` of the group, or to the end.
    fn alternatives(&mut self) -> Result<Node> {
        self.enter()?;
        let options = self.options;
        let mut branches = Vec::new();
        loop {
            let mut parts = Vec::new();
            loop {
                self.skip_comments()?;
                if matches!(self.peek(), None | Some('|' | ')')) {
                    break;
                }
                parts.push(self.expression()?);
            }
            branches.push(Node::concat(parts));
            if !self.eat('|') {
                break;
            }
        }
        self.options = options;
        self.leave();
        Ok(Node::alt(branches))
    }

    /// An atom with what repeats it.
    fn expression(&mut self) -> Result<Node> {
        let mut node = self.atom()?;
        loop {
            self.skip_comments()?;
            let Some(count) = self.count()? else { return Ok(node) };
            if !repeats(&node) {
                return Err(self.wrong("a repetition of what cannot be repeated"));
            }
            self.chained += usize::from(matches!(node, Node::Repeat { .. } | Node::Atomic(_)));
            if self.chained > MAX_DEPTH {
                return Err(self.wrong(&format!("more than {MAX_DEPTH} levels of nesting")));
            }
            node = repeat(node, &count).ok_or_else(|| self.wrong("too large a repetition"))?;
        }
    }

    fn count(&mut self) -> Result<Option<Count>> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.interval(),
            _ => return Ok(None),
        };
        self.skip(1);
        let greedy = !self.eat('?');
        let possessive = greedy && self.eat('+');
        Ok(Some(Count { min, max, greedy, possessive }))
    }

    /// `{n}`, `{n,}`, `{,m}`, `{n,m}`; none, and nothing read, for a brace that means itself.
    fn interval(&mut self) -> Result<Option<Count>> {
        let start = self.at;
        self.skip(1);
        let min = self.number()?;
        let (max, fixed) = if self.eat(',') { (self.number()?, false) } else { (min, true) };
        if !self.eat('}') || (min.is_none() && (fixed || max.is_none())) {
            self.at = start;
            return Ok(None);
        }
        let min = min.unwrap_or(0);
        if let Some(max) = max
            && min > max
        {
            return Ok(Some(Count { min: max, max: Some(min), greedy: true, possessive: true }));
        }
        let greedy = fixed || !self.eat('?');
        Ok(Some(Count { min, max, greedy, possessive: false }))
    }

    fn number(&mut self) -> Result<Option<u32>> {
        let mut value = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.skip(1);
            let next = value.unwrap_or(0) * 10 + digit;
            if next > MAX_COUNT {
                return Err(self.wrong(&format!("a count above {MAX_COUNT}")));
            }
            value = Some(next);
        }
        Ok(value)
    }

    fn literal(&self, c: char) -> Node {
        Node::Literal { chars: vec![c], fold: self.options.ignore_case }
    }

    fn atom(&mut self) -> Result<Node> {
        let start = self.at;
        if self.count()?.is_some() {
            return Err(self.wrong("a repetition of nothing"));
        }
        self.at = start;
        let Some(c) = self.next() else { return Ok(Node::Empty) };
        Ok(match c {
            '.' if self.options.dot_all => Node::Set(CharSet::all()),
            '.' => Node::Set(CharSet::of(['\n']).negated()),
            '^' => Node::Anchor(Anchor::LineStart),
            '$' => Node::Anchor(Anchor::LineEnd),
            '[' => {
                let (set, negated) = self.class()?;
                if self.options.ignore_case {
                    Node::folded_class(&set, negated)
                } else {
                    Node::Set(if negated { set.negated() } else { set })
                }
            }
            '(' => self.group()?,
            '\\' => match self.escape(false)? {
                Escape::Code(code) => match char::from_u32(code) {
                    Some(c) => self.literal(c),
                    None => return Err(self.wrong("a number that is no character's")),
                },
                Escape::Set(set) => Node::Set(set),
                Escape::Node(node) => node,
            },
            c => self.literal(c),
        })
    }

    /// What follows `(`, with its `)`.
    fn group(&mut self) -> Result<Node> {
        if self.peek() == Some('*') {
            return Err(self.unsupported("(*"));
        }
        if !self.eat('?') {
            self.groups += 1;
            let number = self.groups;
            return Ok(Node::Capture(number, Box::new(self.body()?)));
        }
        let Some(c) = self.next() else { return Err(self.wrong("a group that does not close")) };
        match c {
            ':' => self.body(),
            '=' | '!' => self.look(false, c == '!'),
            '>' => Ok(Node::Atomic(Box::new(self.body()?))),
            '<' if self.eat('=') => self.look(true, false),
            '<' if self.eat('!') => self.look(true, true),
            '<' => self.named_group('>'),
            '\'' => self.named_group('\''),
            '~' | '{' | '(' => Err(self.unsupported(&format!("(?{c}"))),
            _ => {
                self.at -= 1;
                self.option_group()
            }
        }
    }

    /// The rest of a group and its `)`.
    fn body(&mut self) -> Result<Node> {
        let node = self.alternatives()?;
        if !self.eat(')') {
            return Err(self.wrong("a group that does not close"));
        }
        Ok(node)
    }

    fn look(&mut self, behind: bool, negative: bool) -> Result<Node> {
        self.looks += 1;
        let body = Box::new(self.body()?);
        self.looks -= 1;
        Ok(Node::Look { behind, negative, body })
    }

    fn name(&mut self, end: char) -> Result<String> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some(c) if c == end => break,
                Some(c) if c.is_alphanumeric() || c == '_' || c == '-' || c == '+' => name.push(c),
                _ => return Err(self.wrong("a name that is none")),
            }
        }
        if name.is_empty() {
            return Err(self.wrong("an empty name"));
        }
        Ok(name)
    }

    fn named_group(&mut self, end: char) -> Result<Node> {
        let name = self.name(end)?;
        if name.starts_with(|c: char| c.is_numeric()) || name.contains(['-', '+']) {
            return Err(self.wrong("a name that is none"));
        }
        self.groups += 1;
        let number = self.groups;
        self.names.entry(name).or_default().push(number);
        Ok(Node::Capture(number, Box::new(self.body()?)))
    }

    /// `(?imx-imx)` and `(?imx-imx:...)`, behind the question mark.
    fn option_group(&mut self) -> Result<Node> {
        let before = self.options;
        let mut options = before;
        let mut on = true;
        loop {
            let Some(c) = self.next() else {
                return Err(self.wrong("a group that does not close"));
            };
            match c {
                '-' => on = false,
                'i' => options.ignore_case = on,
                'm' => options.dot_all = on,
                'x' => options.extended = on,
                'W' => options.ascii_word = on,
                'D' => options.ascii_digit = on,
                'S' => options.ascii_space = on,
                'P' => options.ascii_posix = on,
                'y' | 'C' | 'I' | 'L' => return Err(self.unsupported(&format!("(?{c}"))),
                ':' => {
                    self.options = options;
                    let node = self.body();
                    self.options = before;
                    return Ok(Node::Group(Box::new(node?)));
                }
                ')' => {
                    // They hold for the rest of the group, the branches that follow included.
                    self.options = options;
                    let node = self.alternatives();
                    self.options = before;
                    return Ok(Node::Group(Box::new(node?)));
                }
                _ => return Err(self.wrong("an unknown group")),
            }
        }
    }

    fn set(&self, set: CharSet, negated: bool, ascii: bool) -> Escape {
        let set = if ascii { set.intersection(&CharSet::new(vec![(0, 0x7F)])) } else { set };
        Escape::Set(if negated { set.negated() } else { set })
    }

    /// What follows a backslash.
    pub(super) fn escape(&mut self, in_class: bool) -> Result<Escape> {
        let Some(c) = self.next() else { return Err(self.wrong("a backslash at the end")) };
        let options = self.options;
        let code = match c {
            'w' | 'W' => {
                let ascii = options.ascii_word || options.ascii_posix;
                let word = if in_class { property::word() } else { property::word_alone() };
                return Ok(self.set(word, c == 'W', ascii));
            }
            'd' | 'D' => {
                let ascii = options.ascii_digit || options.ascii_posix;
                return Ok(self.set(property::digit(), c == 'D', ascii));
            }
            's' | 'S' => {
                let ascii = options.ascii_space || options.ascii_posix;
                return Ok(self.set(property::space(), c == 'S', ascii));
            }
            'h' | 'H' => return Ok(self.set(property::hex(), c == 'H', false)),
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
        Ok(self.set(set, negated, ascii))
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

/// Whether a repetition of it is a regular expression.
fn repeats(node: &Node) -> bool {
    match node {
        Node::Anchor(_) | Node::Look { .. } | Node::Keep => false,
        Node::Alt(branches) => branches.iter().all(repeats),
        _ => true,
    }
}

/// A repetition; of a repetition it may be a simpler one. None when the count grows too large.
fn repeat(node: Node, count: &Count) -> Option<Node> {
    let &Count { mut min, mut max, greedy, possessive } = count;
    if (min, max) == (1, Some(1)) {
        return Some(node);
    }
    let outer = kind(min, max, greedy);
    let mut body = node;
    if let Node::Repeat { body: inner_body, min: low, max: high, greedy: inner_greedy } = &body {
        let inner = kind(*low, *high, *inner_greedy);
        match (inner, outer) {
            (Some(inner), Some(outer)) => {
                let simple = |min, max, greedy| {
                    Some(Node::Repeat { body: inner_body.clone(), min, max, greedy })
                };
                let simpler = match REDUCED[inner][outer] {
                    Reduced::Inner => Some(body.clone()),
                    Reduced::Star => simple(0, None, true),
                    Reduced::Plus => simple(1, None, true),
                    Reduced::LazyStar => simple(0, None, false),
                    Reduced::LazyOption => simple(0, Some(1), false),
                    Reduced::PlusThenLazyOption => simple(1, None, true).map(|plus| Node::Repeat {
                        body: Box::new(plus),
                        min: 0,
                        max: Some(1),
                        greedy: false,
                    }),
                    Reduced::Neither => None,
                };
                if let Some(simpler) = simpler {
                    return Some(atomic(simpler, possessive));
                }
            }
            (Some(1 | 2), None) => {
                if let Some(most) = max
                    && most > 1
                    && greedy
                {
                    max = Some(if min == 0 { 1 } else { min });
                }
            }
            _ if max == Some(min) && *high == Some(*low) => {
                let times = min.checked_mul(*low).filter(|&times| times <= i32::MAX as u32)?;
                (min, max) = (times, Some(times));
                body = inner_body.as_ref().clone();
            }
            _ => {}
        }
    }
    Some(atomic(Node::Repeat { body: Box::new(body), min, max, greedy }, possessive))
}

fn atomic(node: Node, possessive: bool) -> Node {
    if possessive { Node::Atomic(Box::new(node)) } else { node }
}

/// `?` `*` `+` `??` `*?` `+?`, by their row in [`REDUCED`].
fn kind(min: u32, max: Option<u32>, greedy: bool) -> Option<usize> {
    let kind = match (min, max) {
        (0, Some(1)) => 0,
        (0, None) => 1,
        (1, None) => 2,
        _ => return None,
    };
    Some(if greedy { kind } else { kind + 3 })
}

#[derive(Clone, Copy)]
enum Reduced {
    Inner,
    Star,
    Plus,
    LazyStar,
    LazyOption,
    PlusThenLazyOption,
    Neither,
}

/// What Oniguruma makes of a repetition (row) that is repeated (column).
const REDUCED: [[Reduced; 6]; 6] = {
    use Reduced::{Inner, LazyOption, LazyStar, Neither, Plus, PlusThenLazyOption as Both, Star};
    [
        [Inner, Star, Star, LazyOption, LazyStar, Neither],
        [Inner, Inner, Inner, Both, Both, Inner],
        [Star, Star, Inner, Neither, Both, Inner],
        [Inner, LazyStar, LazyStar, Inner, LazyStar, LazyStar],
        [Inner, Inner, Inner, Inner, Inner, Inner],
        [Neither, Star, Plus, LazyStar, LazyStar, Inner],
    ]
};
