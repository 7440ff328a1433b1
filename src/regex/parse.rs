//! Oniguruma's syntax (its own, over UTF-8), as the reference library compiles patterns with it.
//!
//! What is read here is meant as Oniguruma means it; what it knows and this does not is an error that
//! names the construct.

use std::collections::HashMap;

use super::escape::Escape;
use super::node::{Anchor, Node};
use super::repetition::{Count, repeat, repeats};
use super::set::CharSet;
use crate::error::{Error, Result};

/// The deepest nesting of groups and brackets.
const MAX_DEPTH: usize = 200;
/// The largest count of a repetition.
const MAX_COUNT: u32 = 100_000;

/// The options that hold at a place.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the syntax")]
pub(super) struct Options {
    pub(super) ignore_case: bool,
    pub(super) dot_all: bool,
    pub(super) extended: bool,
    pub(super) ascii_word: bool,
    pub(super) ascii_digit: bool,
    pub(super) ascii_space: bool,
    pub(super) ascii_posix: bool,
}

/// Reads one pattern.
pub(super) struct Parser<'a> {
    pattern: &'a str,
    chars: Vec<char>,
    pub(super) at: usize,
    depth: usize,
    pub(super) options: Options,
    pub(super) groups: usize,
    pub(super) names: HashMap<String, Vec<usize>>,
    /// Whether a reference by number was met, and the largest of them.
    pub(super) numbered: Option<usize>,
    pub(super) looks: usize,
    /// How many look-behinds are open.
    pub(super) behinds: usize,
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
        behinds: 0,
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

    pub(super) fn unsupported(&self, construct: &str) -> Error {
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
        self.behinds += usize::from(behind);
        let body = Box::new(self.body()?);
        self.looks -= 1;
        self.behinds -= usize::from(behind);
        Ok(Node::Look { behind, negative, body })
    }

    pub(super) fn name(&mut self, end: char) -> Result<String> {
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
}
