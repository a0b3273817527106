//! Work for all processors, whose results come in the order of what it is done for.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// As large as that of the first thread usually is: how deep a script may nest depends on it.
const STACK: usize = 8 << 20;

/// Does `work` for each of `items` on as many threads as there are processors, and gives the results to `take`, in order, on
/// this one.
pub(super) fn in_order<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync, mut take: impl FnMut(R)) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    if threads < 2 {
        items.iter().for_each(|item| take(work(item)));
        return;
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        let mut is_started = false;
        for _ in 0..threads {
            let (sender, next, work) = (sender.clone(), &next, &work);
            let working = move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            };
            // As many as can be had: those that are there do it all.
            is_started |= thread::Builder::new().stack_size(STACK).spawn_scoped(scope, working).is_ok();
        }
        drop(sender);
        if !is_started {
            items.iter().for_each(|item| take(work(item)));
        }
        let (mut waiting, mut wanted) = (BTreeMap::new(), 0);
        for (index, result) in results {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&wanted) {
                take(result);
                wanted += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_long_each_takes() {
        let items: Vec<u64> = (0..200).collect();
        let mut taken = Vec::new();
        in_order(
            &items,
            |item| {
                thread::sleep(std::time::Duration::from_micros(item * 7919 % 500));
                *item
            },
            |item| taken.push(item),
        );
        assert_eq!(taken, items);
        in_order(&[], |item: &u64| *item, |_| unreachable!());
    }
}
