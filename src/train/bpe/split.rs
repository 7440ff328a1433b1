//! One pass over all words by several threads.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};

/// Reports work done, in small steps; an error means to stop.
pub(super) type Tick<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// The results of `work` on every part, in order. The first part is done here, with `tick`; the others
/// each by a thread of its own, which stops when `tick` says so. When the system gives no thread, the part
/// is done here as well.
pub(super) fn in_parts<P: Send, T: Send>(
    parts: Vec<P>,
    tick: Tick<'_>,
    work: impl Fn(P, Tick<'_>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let stop = AtomicBool::new(false);
    let watch = |_| if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) };
    // Who works on a part takes it out.
    let parts: Vec<Mutex<Option<P>>> =
        parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let take = |part: &Mutex<Option<P>>| part.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        let mut others = Vec::new();
        for part in parts.iter().skip(1) {
            let job = || take(part).map(|part| work(part, &mut { watch }));
            others.push(thread::Builder::new().spawn_scoped(scope, job).ok());
        }
        let mut results = Vec::new();
        let mut failed = None;
        for (part, thread) in parts.iter().zip(std::iter::once(None).chain(others)) {
            let result = match thread {
                Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                None if failed.is_none() => take(part).map(|part| work(part, tick)),
                None => None,
            };
            match result {
                Some(Ok(result)) => results.push(result),
                Some(Err(error)) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
                None => {}
            }
        }
        failed.map_or(Ok(results), Err)
    })
}

/// `length` things in `parts` parts of about the same size, none of them empty.
pub(super) fn ranges(length: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, length.max(1));
    let at = |part: usize| length / parts * part + (length % parts) * part / parts;
    (0..parts).map(|part| at(part)..at(part + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_done_in_order_and_cover_everything() {
        for (length, parts) in [(10, 3), (1, 4), (0, 2), (100, 7)] {
            let ranges = ranges(length, parts);
            let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(all, (0..length).collect::<Vec<_>>());
            let sums = in_parts(ranges, &mut |_| Ok(()), |part, tick| {
                tick(part.len())?;
                Ok(part.sum::<usize>())
            });
            assert_eq!(sums.unwrap().iter().sum::<usize>(), (0..length).sum::<usize>());
        }
    }

    #[test]
    fn a_stop_reaches_every_thread() {
        let mut ticks = 0;
        let stop = &mut |_| {
            ticks += 1;
            if ticks > 3 { Err(Error::Interrupted) } else { Ok(()) }
        };
        let endless = |_, tick: Tick<'_>| -> Result<()> {
            loop {
                tick(1)?;
            }
        };
        assert!(matches!(in_parts(vec![1, 2, 3], stop, endless), Err(Error::Interrupted)));
    }
}
