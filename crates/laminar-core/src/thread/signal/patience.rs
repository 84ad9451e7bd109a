//! How long it pays to look before sleeping, for a thread that waits for the same thing again and again.

use super::Signal;
use super::wait::spin;

/// Sleeping and waking takes longer than what is waited for when much comes, and looking is for nothing when little does.
#[derive(Debug)]
pub(crate) struct Patience {
    most: u32,
    looks: u32,
    waits: u32,
}

impl Patience {
    /// At most so many looks.
    pub(crate) fn of(most: u32) -> Self {
        Self { most, looks: most, waits: 0 }
    }

    /// Waits until `look` finds something.
    pub(crate) fn wait<T>(&mut self, signal: &Signal, mut look: impl FnMut() -> Option<T>) -> T {
        let found = spin(self.next_looks(), &mut look);
        self.learn(found.is_some());
        found.unwrap_or_else(|| signal.wait(0, look))
    }

    /// Looks for this time. Now and then all of them, to find out whether much comes again.
    fn next_looks(&mut self) -> u32 {
        self.waits = self.waits.wrapping_add(1);
        if self.waits.is_multiple_of(TRIED_AGAIN) { self.most } else { self.looks }
    }

    fn learn(&mut self, was_enough: bool) {
        self.looks = if was_enough { self.most } else { self.looks / 2 };
    }
}

/// Of so many waits one has all its looks.
const TRIED_AGAIN: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_looks_less_and_tries_again_now_and_then() {
        let mut patience = Patience::of(1024);
        let mut looks = Vec::new();
        for _ in 0..17 {
            looks.push(patience.next_looks());
            patience.learn(false);
        }
        assert_eq!(looks[..4], [1024, 512, 256, 128]);
        assert_eq!(looks[11..], [0, 0, 0, 0, 1024, 0]);
        patience.learn(true);
        assert_eq!(patience.next_looks(), 1024);
    }

    #[test]
    fn it_finds_what_is_there_whether_it_looks_or_not() {
        let signal = Signal::default();
        for looks in [0, 4] {
            let mut left = 3;
            let found = Patience::of(looks).wait(&signal, || {
                left -= 1;
                (left == 0 || looks == 0).then_some(left)
            });
            assert_eq!(found, if looks == 0 { 2 } else { 0 });
        }
    }
}
