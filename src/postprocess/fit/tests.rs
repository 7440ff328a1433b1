//! Lengths and windows: the reference's own cases, bounds, and a naive twin of the windows.

use proptest::prelude::*;

use super::*;

fn params(max_length: usize, stride: usize, strategy: TruncationStrategy) -> TruncationParams {
    TruncationParams { max_length, stride, strategy, direction: Direction::Right }
}

fn padding(strategy: PaddingStrategy, multiple: Option<usize>) -> PaddingParams {
    PaddingParams { strategy, pad_to_multiple_of: multiple, ..PaddingParams::default() }
}

#[test]
fn the_longest_text_gives_way_first() {
    let seven = params(7, 0, TruncationStrategy::LongestFirst);
    let kept = |a, b| truncated((a, Some(b)), 7, &seven).unwrap();
    let cases = [
        ((0, 0), (0, 0)),
        ((0, 8), (0, 7)),
        ((2, 8), (2, 5)),
        ((4, 4), (3, 4)),
        ((4, 8), (3, 4)),
        ((8, 0), (7, 0)),
        ((8, 2), (5, 2)),
        ((8, 4), (4, 3)),
        ((8, 8), (3, 4)),
    ];
    for ((a, b), wanted) in cases {
        assert_eq!(kept(a, b), wanted, "{a} and {b}");
    }
}

#[test]
fn a_strategy_that_cannot_succeed_is_an_error() {
    let first = params(4, 0, TruncationStrategy::OnlyFirst);
    assert_eq!(truncated((5, Some(2)), 4, &first).unwrap(), (2, 2));
    let error = truncated((1, Some(5)), 4, &first).unwrap_err().to_string();
    let text =
        "truncation is only_first, but must be able to remove 2 tokens, but the first text has 1";
    assert_eq!(error, text);
    let second = params(4, 0, TruncationStrategy::OnlySecond);
    assert!(truncated((5, None), 4, &second).is_err());
    assert_eq!(truncated((4, None), 4, &second).unwrap(), (4, 0));
    assert_eq!(truncated((4, Some(9)), 0, &second).unwrap(), (0, 0));
}

#[test]
fn the_room_is_what_special_tokens_leave() {
    let strategy = TruncationStrategy::LongestFirst;
    assert_eq!(room(&params(8, 3, strategy), 2).unwrap(), 6);
    assert_eq!(room(&params(2, 0, strategy), 2).unwrap(), 0);
    let error = room(&params(1, 0, strategy), 2).unwrap_err().to_string();
    assert_eq!(error, "max_length is 1, but must be at least 2, the number of special tokens");
    assert!(room(&params(4, 4, strategy), 0).is_err());
    let error = room(&params(4, 2, strategy), 2).unwrap_err().to_string();
    let text = "stride is 2, but must be less than 2, the tokens that a window holds beside 2 special ones";
    assert_eq!(error, text);
    assert!(room(&params(usize::MAX, usize::MAX - 1, strategy), 0).is_ok());
}

#[test]
fn a_stride_as_long_as_what_one_text_keeps_is_an_error() {
    let long = params(7, 3, TruncationStrategy::LongestFirst);
    assert!(room(&long, 0).is_ok());
    assert!(matches!(
        truncated((9, Some(9)), 7, &long),
        Err(Error::Argument { name: "stride", .. })
    ));
    // The second text is not cut, so its length does not matter.
    assert_eq!(truncated((9, Some(2)), 7, &long).unwrap(), (5, 2));
}

#[test]
fn windows_step_away_from_the_kept_part() {
    let right = windows(10, 4, 1, Direction::Right);
    assert_eq!(right, [0..4, 3..7, 6..10]);
    assert_eq!(windows(11, 4, 1, Direction::Right).last(), Some(&(9..11)));
    assert_eq!(windows(11, 4, 1, Direction::Left), [7..11, 4..8, 1..5, 0..2]);
    assert_eq!(windows(5, 0, 0, Direction::Right), [0..0, 0..5]);
    assert_eq!(windows(0, 0, 0, Direction::Left), vec![0..0]);
    assert_eq!(windows(3, usize::MAX, 0, Direction::Left), vec![0..3]);
}

#[test]
fn padding_rounds_up_and_stays_in_bounds() {
    let longest = PaddingStrategy::BatchLongest;
    assert_eq!(padded_length(5, &padding(longest, None)).unwrap(), 5);
    assert_eq!(padded_length(5, &padding(longest, Some(6))).unwrap(), 6);
    assert_eq!(padded_length(5, &padding(longest, Some(0))).unwrap(), 5);
    assert_eq!(padded_length(0, &padding(longest, Some(8))).unwrap(), 0);
    assert_eq!(padded_length(5, &padding(PaddingStrategy::Fixed(7), Some(8))).unwrap(), 8);
    assert_eq!(padded_length(5, &padding(PaddingStrategy::Fixed(2), None)).unwrap(), 2);
    // A long text is served as it is.
    assert_eq!(padded_length(1 << 30, &padding(longest, None)).unwrap(), 1 << 30);
}

#[test]
fn absurd_padding_is_an_error_not_an_allocation() {
    let longest = PaddingStrategy::BatchLongest;
    for (strategy, multiple) in [
        (PaddingStrategy::Fixed(1_000_000_000_000), None),
        (longest, Some(1 << 62)),
        (longest, Some(usize::MAX)),
        (PaddingStrategy::Fixed(usize::MAX), Some(8)),
    ] {
        let error = padded_length(5, &padding(strategy, multiple)).unwrap_err();
        assert!(error.to_string().ends_with("but must be at most 4194304 tokens"), "{error}");
    }
}

/// The reference's loops, as they stand there.
fn naive(length: usize, kept: usize, stride: usize, direction: Direction) -> Vec<Range<usize>> {
    let mut done = false;
    let mut found = vec![];
    match direction {
        Direction::Right => {
            for start in (0..length).step_by(kept - stride) {
                if !done {
                    let end = length.min(start + kept);
                    done = end == length;
                    found.push(start..end);
                }
            }
        }
        Direction::Left => {
            for last in (0..length).rev().step_by(kept - stride) {
                let end = last + 1;
                let start = end.saturating_sub(kept);
                if start < end && !done {
                    done = start == 0;
                    found.push(start..end);
                }
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn windows_equal_their_naive_twin(
        length in 0usize..60,
        kept in 1usize..20,
        stride in 0usize..20,
        left in any::<bool>(),
    ) {
        let direction = if left { Direction::Left } else { Direction::Right };
        prop_assume!(stride < kept && kept < length);
        prop_assert_eq!(windows(length, kept, stride, direction), naive(length, kept, stride, direction));
    }

    #[test]
    fn what_is_kept_fits(a in 0usize..50, b in 0usize..50, room in 0usize..60) {
        let params = params(room, 0, TruncationStrategy::LongestFirst);
        let kept = truncated((a, Some(b)), room, &params).unwrap();
        prop_assert!(kept.0 <= a && kept.1 <= b && kept.0 + kept.1 <= room);
        prop_assert_eq!(kept.0 + kept.1, room.min(a + b));
    }
}

#[test]
fn a_long_padding_token_has_a_bound() {
    let padding = |length, token: &str| PaddingParams {
        strategy: PaddingStrategy::Fixed(length),
        pad_token: token.to_owned(),
        ..PaddingParams::default()
    };
    let long = "x".repeat(1 << 20);
    assert_eq!(padded_length(1, &padding(256, &long)).unwrap(), 256);
    assert!(padded_length(1, &padding(257, &long)).is_err());
    assert!(padded_length(1, &padding(MAX_PADDED_LENGTH, &"x".repeat(64))).is_ok());
}
