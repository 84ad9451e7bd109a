//! A value with cache lines of its own, so that two threads that write neighbours do not slow each other down.

use std::ops::{Deref, DerefMut};

/// A value that shares its cache line (64 bytes) with nothing else.
///
/// ```
/// use laminar_core::tpc::CachePadded;
///
/// let counters = [CachePadded::new(1_u64), CachePadded::new(2)];
/// assert_eq!(size_of_val(&counters), 128);
/// assert_eq!(*counters[0] + *counters[1], 3);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(C, align(64))]
pub struct CachePadded<T> {
    value: T,
}

impl<T> CachePadded<T> {
    /// `value` on lines of its own.
    pub const fn new(value: T) -> Self {
        Self { value }
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> From<T> for CachePadded<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_whole_cache_lines() {
        assert_eq!((align_of::<CachePadded<u8>>(), size_of::<CachePadded<u8>>()), (64, 64));
        assert_eq!(size_of::<CachePadded<[u8; 65]>>(), 128);
    }

    #[test]
    fn the_value_is_used_as_if_it_were_alone() {
        let mut padded = CachePadded::from(5);
        *padded += 1;
        assert_eq!((*padded, padded.into_inner()), (6, 6));
    }
}
