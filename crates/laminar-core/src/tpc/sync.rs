//! The atomics and cells of the queue: std's, or loom's when the model checker runs.

#[cfg(all(test, loom))]
pub(super) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

#[cfg(not(all(test, loom)))]
pub(super) use self::cell::UnsafeCell;
#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(not(all(test, loom)))]
mod cell {
    /// std's cell behind the two calls that loom's has, so that the queue is written once.
    pub(in crate::tpc) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(in crate::tpc) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Lends the place to read from.
        #[inline(always)]
        pub(in crate::tpc) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        /// Lends the place to write to.
        #[inline(always)]
        pub(in crate::tpc) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}
