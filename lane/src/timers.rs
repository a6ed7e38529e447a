//! When to look at a connection again, exactly as `pipeline.decode.transport.timers` does it: seconds → connections.

use std::collections::{BTreeMap, VecDeque};

pub const SECOND: u64 = 1_000_000_000;

/// A place in the table, and which of the connections that had that place it is.
pub type Id = (u32, u32);

pub struct Timers {
    pub response_ns: u64,
    pub idle_ns: u64,
    look_ns: u64,
    seconds: BTreeMap<u64, VecDeque<(Id, u64)>>,
    entries: usize,
    /// How often something was put here.
    pub stamp: u64,
}

impl Timers {
    pub fn new(response_ns: u64, idle_ns: u64) -> Timers {
        let look_ns = SECOND.max(response_ns.min(idle_ns) / 4);
        Timers {
            response_ns,
            idle_ns,
            look_ns,
            seconds: BTreeMap::new(),
            entries: 0,
            stamp: 0,
        }
    }

    /// The second in which to look at a connection for the first time.
    pub fn first_look(&self, last_ns: u64) -> u64 {
        (last_ns + self.look_ns) / SECOND
    }

    /// The second in which to look again at one that is not idle for too long.
    pub fn next_look(&self, last_ns: u64, now_ns: u64) -> u64 {
        (now_ns + self.look_ns).min((last_ns + self.idle_ns).max(now_ns)) / SECOND
    }

    /// Look at it then; returns its place. `stamp` is of a time before now.
    pub fn put(&mut self, id: Id, second: u64, stamp: Option<u64>) -> (u64, u64) {
        self.stamp += 1;
        let stamp = stamp.unwrap_or(self.stamp);
        let waiting = self.seconds.entry(second).or_default();
        match waiting.back() {
            Some(&(_, last)) if last > stamp => {
                waiting.insert(waiting.partition_point(|&(_, other)| other <= stamp), (id, stamp));
            }
            _ => waiting.push_back((id, stamp)),
        }
        self.entries += 1;
        (second, stamp)
    }

    /// Forget what is gone, where that is most. `known` says whether a connection is still to be looked at in a second.
    pub fn sweep(&mut self, open: usize, known: impl Fn(Id, u64) -> bool) {
        if self.entries > 64 + 2 * open {
            self.seconds.retain(|&second, waiting| {
                waiting.retain(|&(id, _)| known(id, second));
                waiting.shrink_to_fit();
                !waiting.is_empty()
            });
            self.entries = self.seconds.values().map(VecDeque::len).sum();
        }
    }

    /// Everything whose second has come.
    pub fn take_due(&mut self, now_ns: u64) -> Vec<(Id, u64)> {
        let later = self.seconds.split_off(&(now_ns / SECOND));
        let due = std::mem::replace(&mut self.seconds, later);
        let found: Vec<_> = due
            .into_iter()
            .flat_map(|(second, waiting)| waiting.into_iter().map(move |(id, _)| (id, second)))
            .collect();
        self.entries -= found.len();
        found
    }

    /// What stands first in the earliest second, and its place.
    pub fn first(&self) -> Option<(Id, (u64, u64))> {
        let (&second, waiting) = self.seconds.first_key_value()?;
        waiting.front().map(|&(id, stamp)| (id, (second, stamp)))
    }

    /// Take that away.
    pub fn drop_first(&mut self) {
        if let Some(mut first) = self.seconds.first_entry() {
            self.entries -= usize::from(first.get_mut().pop_front().is_some());
            if first.get().is_empty() {
                first.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_of_its_second_and_once() {
        let mut timers = Timers::new(4 * SECOND, 8 * SECOND);
        assert_eq!(
            (
                timers.first_look(SECOND),
                timers.next_look(0, 2 * SECOND),
                timers.next_look(0, 7 * SECOND)
            ),
            (2, 3, 8)
        );
        timers.put((1, 1), 5, None);
        timers.put((2, 1), 3, None);
        timers.put((3, 1), 5, None);
        assert_eq!(timers.first(), Some(((2, 1), (3, 2))));
        assert!(timers.take_due(3 * SECOND).is_empty());
        assert_eq!(timers.take_due(6 * SECOND), [((2, 1), 3), ((1, 1), 5), ((3, 1), 5)]);
        assert_eq!(timers.first(), None);
    }

    #[test]
    fn what_is_gone_is_forgotten_where_it_is_most() {
        let mut timers = Timers::new(SECOND, SECOND);
        for place in 0..100 {
            timers.put((place, 0), 1, None);
        }
        timers.sweep(50, |(place, _), _| place % 2 == 0);
        assert_eq!(timers.entries, 100);
        timers.sweep(10, |(place, _), _| place % 2 == 0);
        assert_eq!(timers.take_due(2 * SECOND).len(), 50);
    }
}
