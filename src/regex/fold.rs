//! Case folds of more than one character (`ß` is `ss` when case is ignored), as Oniguruma has them.
//!
//! Folds to a single character come out of the tables of `regex-syntax`; those to two or three are
//! the lines of status F in Unicode's `CaseFolding.txt`.

/// A character and what it folds to.
pub(crate) type Fold = (char, &'static str);

/// What `c` folds to, when that is more than one character.
pub(crate) fn long_fold(c: char) -> Option<&'static str> {
    let at = LONG.binary_search_by_key(&c, |&(from, _)| from).ok()?;
    LONG.get(at).map(|&(_, to)| to)
}

/// The characters that fold to `folded`.
pub(crate) fn folding_to(folded: &str) -> impl Iterator<Item = char> {
    LONG.iter().filter(move |&&(_, to)| to == folded).map(|&(from, _)| from)
}

/// Every fold to more than one character, by character.
pub(crate) fn long_folds() -> &'static [Fold] {
    LONG
}

#[rustfmt::skip]
static LONG: &[Fold] = &[
    ('\u{DF}', "\u{73}\u{73}"), ('\u{130}', "\u{69}\u{307}"), ('\u{149}', "\u{2BC}\u{6E}"),
    ('\u{1F0}', "\u{6A}\u{30C}"), ('\u{390}', "\u{3B9}\u{308}\u{301}"),
    ('\u{3B0}', "\u{3C5}\u{308}\u{301}"), ('\u{587}', "\u{565}\u{582}"),
    ('\u{1E96}', "\u{68}\u{331}"), ('\u{1E97}', "\u{74}\u{308}"), ('\u{1E98}', "\u{77}\u{30A}"),
    ('\u{1E99}', "\u{79}\u{30A}"), ('\u{1E9A}', "\u{61}\u{2BE}"), ('\u{1E9E}', "\u{73}\u{73}"),
    ('\u{1F50}', "\u{3C5}\u{313}"), ('\u{1F52}', "\u{3C5}\u{313}\u{300}"),
    ('\u{1F54}', "\u{3C5}\u{313}\u{301}"), ('\u{1F56}', "\u{3C5}\u{313}\u{342}"),
    ('\u{1F80}', "\u{1F00}\u{3B9}"), ('\u{1F81}', "\u{1F01}\u{3B9}"),
    ('\u{1F82}', "\u{1F02}\u{3B9}"), ('\u{1F83}', "\u{1F03}\u{3B9}"),
    ('\u{1F84}', "\u{1F04}\u{3B9}"), ('\u{1F85}', "\u{1F05}\u{3B9}"),
    ('\u{1F86}', "\u{1F06}\u{3B9}"), ('\u{1F87}', "\u{1F07}\u{3B9}"),
    ('\u{1F88}', "\u{1F00}\u{3B9}"), ('\u{1F89}', "\u{1F01}\u{3B9}"),
    ('\u{1F8A}', "\u{1F02}\u{3B9}"), ('\u{1F8B}', "\u{1F03}\u{3B9}"),
    ('\u{1F8C}', "\u{1F04}\u{3B9}"), ('\u{1F8D}', "\u{1F05}\u{3B9}"),
    ('\u{1F8E}', "\u{1F06}\u{3B9}"), ('\u{1F8F}', "\u{1F07}\u{3B9}"),
    ('\u{1F90}', "\u{1F20}\u{3B9}"), ('\u{1F91}', "\u{1F21}\u{3B9}"),
    ('\u{1F92}', "\u{1F22}\u{3B9}"), ('\u{1F93}', "\u{1F23}\u{3B9}"),
    ('\u{1F94}', "\u{1F24}\u{3B9}"), ('\u{1F95}', "\u{1F25}\u{3B9}"),
    ('\u{1F96}', "\u{1F26}\u{3B9}"), ('\u{1F97}', "\u{1F27}\u{3B9}"),
    ('\u{1F98}', "\u{1F20}\u{3B9}"), ('\u{1F99}', "\u{1F21}\u{3B9}"),
    ('\u{1F9A}', "\u{1F22}\u{3B9}"), ('\u{1F9B}', "\u{1F23}\u{3B9}"),
    ('\u{1F9C}', "\u{1F24}\u{3B9}"), ('\u{1F9D}', "\u{1F25}\u{3B9}"),
    ('\u{1F9E}', "\u{1F26}\u{3B9}"), ('\u{1F9F}', "\u{1F27}\u{3B9}"),
    ('\u{1FA0}', "\u{1F60}\u{3B9}"), ('\u{1FA1}', "\u{1F61}\u{3B9}"),
    ('\u{1FA2}', "\u{1F62}\u{3B9}"), ('\u{1FA3}', "\u{1F63}\u{3B9}"),
    ('\u{1FA4}', "\u{1F64}\u{3B9}"), ('\u{1FA5}', "\u{1F65}\u{3B9}"),
    ('\u{1FA6}', "\u{1F66}\u{3B9}"), ('\u{1FA7}', "\u{1F67}\u{3B9}"),
    ('\u{1FA8}', "\u{1F60}\u{3B9}"), ('\u{1FA9}', "\u{1F61}\u{3B9}"),
    ('\u{1FAA}', "\u{1F62}\u{3B9}"), ('\u{1FAB}', "\u{1F63}\u{3B9}"),
    ('\u{1FAC}', "\u{1F64}\u{3B9}"), ('\u{1FAD}', "\u{1F65}\u{3B9}"),
    ('\u{1FAE}', "\u{1F66}\u{3B9}"), ('\u{1FAF}', "\u{1F67}\u{3B9}"),
    ('\u{1FB2}', "\u{1F70}\u{3B9}"), ('\u{1FB3}', "\u{3B1}\u{3B9}"), ('\u{1FB4}', "\u{3AC}\u{3B9}"),
    ('\u{1FB6}', "\u{3B1}\u{342}"), ('\u{1FB7}', "\u{3B1}\u{342}\u{3B9}"),
    ('\u{1FBC}', "\u{3B1}\u{3B9}"), ('\u{1FC2}', "\u{1F74}\u{3B9}"), ('\u{1FC3}', "\u{3B7}\u{3B9}"),
    ('\u{1FC4}', "\u{3AE}\u{3B9}"), ('\u{1FC6}', "\u{3B7}\u{342}"),
    ('\u{1FC7}', "\u{3B7}\u{342}\u{3B9}"), ('\u{1FCC}', "\u{3B7}\u{3B9}"),
    ('\u{1FD2}', "\u{3B9}\u{308}\u{300}"), ('\u{1FD3}', "\u{3B9}\u{308}\u{301}"),
    ('\u{1FD6}', "\u{3B9}\u{342}"), ('\u{1FD7}', "\u{3B9}\u{308}\u{342}"),
    ('\u{1FE2}', "\u{3C5}\u{308}\u{300}"), ('\u{1FE3}', "\u{3C5}\u{308}\u{301}"),
    ('\u{1FE4}', "\u{3C1}\u{313}"), ('\u{1FE6}', "\u{3C5}\u{342}"),
    ('\u{1FE7}', "\u{3C5}\u{308}\u{342}"), ('\u{1FF2}', "\u{1F7C}\u{3B9}"),
    ('\u{1FF3}', "\u{3C9}\u{3B9}"), ('\u{1FF4}', "\u{3CE}\u{3B9}"), ('\u{1FF6}', "\u{3C9}\u{342}"),
    ('\u{1FF7}', "\u{3C9}\u{342}\u{3B9}"), ('\u{1FFC}', "\u{3C9}\u{3B9}"),
    ('\u{FB00}', "\u{66}\u{66}"), ('\u{FB01}', "\u{66}\u{69}"), ('\u{FB02}', "\u{66}\u{6C}"),
    ('\u{FB03}', "\u{66}\u{66}\u{69}"), ('\u{FB04}', "\u{66}\u{66}\u{6C}"),
    ('\u{FB05}', "\u{73}\u{74}"), ('\u{FB06}', "\u{73}\u{74}"), ('\u{FB13}', "\u{574}\u{576}"),
    ('\u{FB14}', "\u{574}\u{565}"), ('\u{FB15}', "\u{574}\u{56B}"), ('\u{FB16}', "\u{57E}\u{576}"),
    ('\u{FB17}', "\u{574}\u{56D}"),
];
