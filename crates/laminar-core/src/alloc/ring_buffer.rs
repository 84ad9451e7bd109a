//! A queue of fixed size for one thread, without any memory but its own.

/// At most `N` items, first in, first out. It lies where it stands: nothing is ever allocated.
///
/// ```
/// use laminar_core::alloc::RingBuffer;
///
/// let mut last = RingBuffer::<i64, 3>::new();
/// for latency in [5, 9, 2, 7] {
///     last.push_over(latency);
/// }
/// assert_eq!(last.iter().copied().collect::<Vec<_>>(), [9, 2, 7]);
/// assert_eq!(last.push(1), Err(1));
/// ```
#[derive(Debug, Clone)]
pub struct RingBuffer<T, const N: usize> {
    slots: [Option<T>; N],
    /// The place of the oldest item.
    head: usize,
    len: usize,
}

impl<T, const N: usize> RingBuffer<T, N> {
    /// An empty one. `N` is at least 1, or it does not compile.
    pub fn new() -> Self {
        const { assert!(N > 0, "a ring buffer holds at least one item") };
        Self { slots: [const { None }; N], head: 0, len: 0 }
    }

    /// Appends an item. Gives it back if the buffer is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        let place = self.place(self.len);
        self.slots[place] = Some(item);
        self.len += 1;
        Ok(())
    }

    /// Appends an item; if the buffer is full, the oldest one makes room and is returned.
    #[inline]
    pub fn push_over(&mut self, item: T) -> Option<T> {
        let oldest = if self.is_full() { self.pop() } else { None };
        let place = self.place(self.len);
        self.slots[place] = Some(item);
        self.len += 1;
        oldest
    }

    /// Takes the oldest item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let item = self.slots[self.head].take()?;
        self.head = self.place(1);
        self.len -= 1;
        Some(item)
    }

    /// The oldest item.
    pub fn peek(&self) -> Option<&T> {
        self.slots[self.head].as_ref()
    }

    /// The items, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|nth| self.slots[self.place(nth)].as_ref())
    }

    /// Drops all items.
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }

    /// How many items there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if there is no room for one more.
    pub const fn is_full(&self) -> bool {
        self.len == N
    }

    /// How many there can be: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The place of the `nth` item, where `nth <= N`.
    #[inline]
    fn place(&self, nth: usize) -> usize {
        let place = self.head + nth;
        if place < N { place } else { place - N }
    }
}

impl<T, const N: usize> Default for RingBuffer<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn check_against_deque<const N: usize>(seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut ring, mut deque) = (RingBuffer::<u32, N>::new(), VecDeque::new());
        for item in 0..2_000 {
            match rng.random_range(0..5) {
                0 | 1 => {
                    let full = deque.len() == N;
                    if !full {
                        deque.push_back(item);
                    }
                    assert_eq!(ring.push(item), if full { Err(item) } else { Ok(()) });
                }
                2 => {
                    let oldest = if deque.len() == N { deque.pop_front() } else { None };
                    deque.push_back(item);
                    assert_eq!(ring.push_over(item), oldest);
                }
                _ => assert_eq!(ring.pop(), deque.pop_front()),
            }
            assert_eq!((ring.len(), ring.peek(), ring.is_full()), (deque.len(), deque.front(), deque.len() == N));
            assert!(ring.iter().eq(deque.iter()));
        }
        ring.clear();
        assert!(ring.is_empty() && ring.iter().next().is_none());
    }

    #[test]
    fn it_does_what_a_deque_with_a_bound_does() {
        check_against_deque::<1>(1);
        check_against_deque::<2>(2);
        check_against_deque::<7>(3);
        check_against_deque::<64>(4);
    }
}
