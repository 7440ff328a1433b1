//! Work on the rows of one array, spread over threads.

// Threads are made for the call and end with it: a pool would not survive `fork`, which data loaders
// rely on. That costs some 20 microseconds a thread, so small work stays with the caller. Pieces
// are taken from a queue as threads become free. The caller takes part, so the work is also done
// when the system refuses to start a thread.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Below this many elementary operations (multiply-adds, copied numbers) one thread is faster.
pub(crate) const SMALL: usize = 8 << 20;

/// Whatever a caller asks for, more threads than this only cost.
const MAX_THREADS: usize = 256;

/// Calls `work(first_row, rows)` for pieces of `piece` rows of `width` numbers, in any order, on up
/// to `threads` threads. Every thread works with a state of its own, made by `state`.
pub(crate) fn for_rows<T: Send, S>(
    values: &mut [T],
    width: usize,
    piece: usize,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [T]) + Sync,
) {
    let pieces = values.chunks_mut(width * piece).enumerate();
    for_each(pieces, threads, state, |state, (index, rows)| work(state, index * piece, rows));
}

/// Calls `work` for every item, in any order, on up to `threads` threads. Every thread works with a
/// state of its own, made by `state`.
pub(crate) fn for_each<I: ExactSizeIterator + Send, S>(
    items: I,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, I::Item) + Sync,
) {
    let threads = threads.min(items.len()).min(MAX_THREADS);
    let queue = Mutex::new(items);
    let run = || {
        let mut state = state();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = next else { break };
            work(&mut state, item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            if thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_visited_once_by_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 100] {
            let mut values = vec![0_usize; 3 * 1001];
            for_rows(
                &mut values,
                3,
                7,
                threads,
                || (),
                |(), first, rows| {
                    for (row, values) in rows.chunks_mut(3).enumerate() {
                        for value in values {
                            *value += first + row + 1;
                        }
                    }
                },
            );
            let want = (0..3 * 1001).map(|i| i / 3 + 1);
            assert!(values.into_iter().eq(want), "{threads} threads");
        }
    }
}
