//! One step after the other.

use super::align::Aligned;
use super::changes::{Changes, Moves, Plain};
use super::forms::Form;
use super::replace::Replaced;
use super::{BertNormalizer, Normalizer, simple, unplaced};
use crate::budget::{growth_limit, too_long};
use crate::error::{Error, Result};
use crate::ids::Span;

/// What a step did to its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing, and nothing was written.
    Same,
    /// A new text was written.
    New,
    /// The same, and its first character came from nowhere.
    Unplaced,
}

impl From<bool> for Outcome {
    fn from(changed: bool) -> Self {
        if changed { Self::New } else { Self::Same }
    }
}

/// The most steps that a text is taken through.
const MAX_STEPS: usize = 1024;

impl Normalizer {
    /// Checks what the type cannot: that there is a bound to the number of steps.
    ///
    /// # Errors
    /// [`Error::Unsupported`] above 1024 steps.
    pub fn check(&self) -> Result<()> {
        let mut steps = 0;
        self.each_step(&mut |_| {
            steps += 1;
            if steps > MAX_STEPS {
                let what = format!("a normalizer of more than {MAX_STEPS} steps");
                return Err(Error::unsupported(what, "normalizer"));
            }
            Ok(())
        })
    }

    /// Calls `step` with each normaliser that is no sequence, in order.
    fn each_step<'a>(&'a self, step: &mut impl FnMut(&'a Self) -> Result<()>) -> Result<()> {
        match self {
            Self::Sequence(members) => members.iter().try_for_each(|member| member.each_step(step)),
            one => step(one),
        }
    }

    /// Reports the changes of a single step; BERT's has a road of its own.
    fn walk(&self, text: &str, sink: &mut impl Changes) -> Result<Outcome> {
        Ok(match self {
            Self::Nfc => Form::NFC.walk(text, sink)?.into(),
            Self::Nfd => Form::NFD.walk(text, sink)?.into(),
            Self::Nfkc => Form::NFKC.walk(text, sink)?.into(),
            Self::Nfkd => Form::NFKD.walk(text, sink)?.into(),
            Self::ByteLevel => simple::byte_level(text, sink).into(),
            Self::Lowercase => simple::lowercase(text, sink).into(),
            Self::Nmt => simple::nmt(text, sink).into(),
            Self::Precompiled(map) => map.walk(text, sink)?.into(),
            Self::Prepend(content) => {
                let changed = simple::prepend(text, content, sink)?;
                if changed && content.is_empty() { Outcome::Unplaced } else { changed.into() }
            }
            Self::Replace(replace) => match replace.walk(text, sink)? {
                Replaced::Nothing => Outcome::Same,
                Replaced::Something => Outcome::New,
                Replaced::Unplaced => Outcome::Unplaced,
            },
            Self::Strip { left, right } => simple::strip(text, *left, *right, sink).into(),
            Self::StripAccents => simple::strip_accents(text, sink).into(),
            Self::SentencePiece(_) => {
                let what = "the normalizer of a sentencepiece model beside another one";
                return Err(Error::unsupported(what, "normalizer"));
            }
            Self::Bert(_) | Self::Sequence(_) => Outcome::Same,
        })
    }

    /// Whether this step changes a text from the first byte that came from anywhere: see
    /// [`Moves::after_unplaced`].
    fn starts_at_placed(&self) -> bool {
        !matches!(self, Self::Prepend(_) | Self::Replace(_))
    }

    /// Whether there are texts that [`Normalizer::leaves`] as they are.
    pub(crate) fn often_leaves(&self) -> bool {
        let mut often = true;
        let counted = self.each_step(&mut |step| {
            often &= !matches!(step, Self::Bert(_) | Self::SentencePiece(_) | Self::Prepend(_));
            Ok(())
        });
        often && counted.is_ok()
    }

    /// Whether every step finds nothing to do in `text`: each character stays in its place. False where
    /// that is not looked for.
    pub(crate) fn leaves(&self, text: &str) -> Result<bool> {
        let limit = growth_limit(text.len());
        let (mut same, mut spare) = (true, String::new());
        self.each_step(&mut |step| {
            let looked = !matches!(step, Self::Bert(_) | Self::SentencePiece(_));
            same = same
                && looked
                && step.walk(text, &mut Plain { out: &mut spare, limit })? == Outcome::Same;
            Ok(())
        })?;
        Ok(same)
    }

    /// Appends the normalised text to `out`.
    pub(super) fn run_plain(&self, text: &str, out: &mut String) -> Result<()> {
        let base = out.len();
        let limit = growth_limit(text.len());
        let mut steps = 0;
        self.each_step(&mut |_| {
            steps += 1;
            Ok(())
        })?;
        let (mut current, mut spare) = (None::<String>, String::new());
        let mut unplaced = false;
        let mut at = 0;
        self.each_step(&mut |step| {
            at += 1;
            if unplaced {
                return Ok(());
            }
            let input = current.as_deref().unwrap_or(text);
            // The last step writes where the text is wanted.
            let last = at == steps;
            let (target, base) = if last { (&mut *out, base) } else { (&mut spare, 0) };
            target.reserve(input.len());
            let outcome = if let Self::Bert(bert) = step {
                bert.write(input, target);
                Outcome::New
            } else {
                step.walk(input, &mut Plain { out: target, limit: base.saturating_add(limit) })?
            };
            if target.len() - base > limit {
                return Err(too_long(limit));
            }
            match outcome {
                Outcome::Same if last => target.push_str(input),
                Outcome::Same => {}
                // From here on the text depends on origins.
                Outcome::Unplaced if !last => unplaced = true,
                _ if last => {}
                _ => {
                    std::mem::swap(current.get_or_insert_default(), &mut spare);
                    spare.clear();
                }
            }
            Ok(())
        })?;
        if steps == 0 {
            out.push_str(text);
        }
        if unplaced {
            let mut aligned = Aligned::default();
            self.run_aligned(text, &mut aligned)?;
            out.push_str(&aligned.text);
        }
        Ok(())
    }

    /// Replaces `out` by the normalised text with its origins.
    pub(super) fn run_aligned(&self, text: &str, out: &mut Aligned) -> Result<()> {
        let limit = growth_limit(text.len());
        let mut state = State {
            text,
            limit,
            current: std::mem::take(out),
            spare: Aligned::default(),
            moved: false,
        };
        let result = self.each_step(&mut |step| state.step(step));
        if !state.moved {
            state.current.copy_from(text);
        }
        *out = state.current;
        result
    }
}

/// The text after some steps, with its origins in the source.
pub(super) struct State<'a> {
    text: &'a str,
    limit: usize,
    /// The text so far, once anything `moved`.
    current: Aligned,
    spare: Aligned,
    moved: bool,
}

impl State<'_> {
    fn step(&mut self, step: &Normalizer) -> Result<()> {
        if self.is_unplaced() && step.starts_at_placed() {
            return unplaced::step(step, self);
        }
        if let Normalizer::Bert(bert) = step {
            self.bert(bert);
            return self.check();
        }
        self.change(false, |input, moves| Ok(step.walk(input, moves)? != Outcome::Same))?;
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.current.text.len() > self.limit { Err(too_long(self.limit)) } else { Ok(()) }
    }

    /// Whether the first character came from nowhere.
    fn is_unplaced(&self) -> bool {
        self.moved && self.current.origins.first().is_some_and(|origin| origin.is_empty())
    }

    /// Makes the changes that `walk` reports; `placed` as in [`Moves::after_unplaced`]. `walk` says
    /// whether there are any.
    pub(super) fn change(
        &mut self,
        placed: bool,
        walk: impl FnOnce(&str, &mut Moves<'_>) -> Result<bool>,
    ) -> Result<()> {
        let Self { text, limit, current, spare, moved } = self;
        let (input, origins) =
            if *moved { (&*current.text, Some(&*current.origins)) } else { (*text, None) };
        let mut moves = Moves::new(input, origins, spare, *limit);
        if placed {
            moves = moves.after_unplaced();
        }
        if walk(input, &mut moves)? {
            moves.finish()?;
            std::mem::swap(current, spare);
            *moved = true;
        }
        Ok(())
    }

    fn bert(&mut self, bert: &BertNormalizer) {
        self.spare.clear();
        if self.moved {
            bert.write(&self.current.text, &mut self.spare);
            for origin in &mut self.spare.origins {
                let earlier = self.current.origins.get(origin.start as usize);
                *origin = earlier.copied().unwrap_or(Span::default());
            }
        } else {
            bert.write(self.text, &mut self.spare);
        }
        std::mem::swap(&mut self.current, &mut self.spare);
        self.moved = true;
    }
}
