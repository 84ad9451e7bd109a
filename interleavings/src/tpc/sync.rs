//! loom's atomics, cells and threads under the names that the files under test use.

pub(super) use loom::cell::UnsafeCell;
pub(super) use loom::hint::spin_loop;
pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
pub(super) use loom::sync::{Arc, Mutex};

/// Sleeping threads, made of an atomic. loom's own `unpark` is lost if the other thread waits for something else at that moment (a
/// lock, the end of a thread); std's is not. A thread that nobody wakes runs into loom's limit of branches.
pub(super) mod thread {
    use super::{Arc, AtomicBool, Ordering};

    loom::thread_local! {
        static CURRENT: Thread = Thread::default();
    }

    /// Whether a wake-up was left for a thread.
    #[derive(Debug, Clone, Default)]
    pub(in crate::tpc) struct Thread(Arc<AtomicBool>);

    impl Thread {
        pub(in crate::tpc) fn unpark(&self) {
            self.0.swap(true, Ordering::AcqRel);
        }
    }

    pub(in crate::tpc) fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    pub(in crate::tpc) fn park() {
        let Thread(woken) = current();
        while !woken.swap(false, Ordering::Acquire) {
            loom::thread::yield_now();
        }
    }

    /// A sleep that may end at any moment.
    pub(in crate::tpc) fn park_timeout(_: std::time::Duration) {
        loom::thread::yield_now();
    }
}
