//! Threads that wait for the same disk share its work.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How far something that grows is on the disk, and one thread at a time that brings it further for all that wait (group commit).
///
/// ```
/// use laminar_core::thread::GroupCommit;
///
/// let commit = GroupCommit::new(0_u64);
/// // 70 bytes have been written; this thread waits for the first 40.
/// commit.wait_for(40, || Ok::<_, std::io::Error>(()), || Ok(70)).unwrap();
/// // Another one finds its bytes on the disk.
/// commit.wait_for(60, || Ok::<_, std::io::Error>(()), || unreachable!()).unwrap();
/// assert_eq!(commit.synced(), 70);
/// ```
#[derive(Debug)]
pub struct GroupCommit<P> {
    /// Never held while the disk works.
    state: Mutex<State<P>>,
    /// Told when a sync has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct State<P> {
    synced: P,
    /// One of the waiting threads syncs for all.
    has_leader: bool,
    /// How often something was taken back: what a sync that began before has brought to the disk may not be there any more.
    set_backs: u64,
}

impl<P: Copy + Ord> GroupCommit<P> {
    /// Everything before `synced` lasts already.
    pub fn new(synced: P) -> Self {
        Self { state: Mutex::new(State { synced, has_leader: false, set_backs: 0 }), ended: Condvar::new() }
    }

    /// Everything before this lasts.
    pub fn synced(&self) -> P {
        self.lock().synced
    }

    /// Everything before `synced` lasts, too: it was synced by other means.
    pub fn advance(&self, synced: P) {
        let mut state = self.lock();
        state.synced = state.synced.max(synced);
        drop(state);
        self.wake();
    }

    /// What is behind `end` does not last any more: it was taken back.
    pub fn set_back(&self, end: P) {
        let mut state = self.lock();
        state.synced = state.synced.min(end);
        state.set_backs += 1;
    }

    /// Lets all that wait look whether they still should.
    pub fn wake(&self) {
        self.ended.notify_all();
    }

    /// Returns when everything before `position`, which has been written, lasts: another thread's sync may do it, else `sync` is called. It returns up to where all
    /// lasts that was written when it began. `check` is asked before each look, so that what waits ends when nothing will be synced any more.
    pub fn wait_for<E>(
        &self,
        position: P,
        check: impl Fn() -> Result<(), E>,
        sync: impl FnOnce() -> Result<P, E>,
    ) -> Result<(), E> {
        let mut state = self.lock();
        loop {
            check()?;
            if state.synced >= position {
                return Ok(());
            }
            if !state.has_leader {
                break;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.has_leader = true;
        let set_backs = state.set_backs;
        drop(state);
        let synced = sync();
        let mut state = self.lock();
        state.has_leader = false;
        if let Ok(synced) = &synced
            && state.set_backs == set_backs
        {
            state.synced = state.synced.max(*synced);
        }
        // Those who wake need the lock.
        drop(state);
        self.wake();
        synced.map(drop)
    }

    /// No thread panics while it holds the lock and leaves something half done.
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_share_syncs() {
        let (commit, written, syncs) = (GroupCommit::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..20 {
                        let position = written.fetch_add(1, Ordering::SeqCst) + 1;
                        let sync = || {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            let end = written.load(Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(1));
                            Ok::<_, ()>(end)
                        };
                        commit.wait_for(position, || Ok(()), sync).unwrap();
                        assert!(commit.synced() >= position);
                    }
                });
            }
        });
        assert_eq!(commit.synced(), 160);
        assert!(syncs.load(Ordering::SeqCst) < 100, "{syncs:?} syncs of 160");
    }

    #[test]
    fn a_sync_that_fails_ends_the_wait_of_all() {
        let (commit, failed) = (GroupCommit::new(0), AtomicBool::new(false));
        let check = || if failed.load(Ordering::SeqCst) { Err("failed before") } else { Ok(()) };
        let sync = || {
            thread::sleep(Duration::from_millis(20));
            failed.store(true, Ordering::SeqCst);
            Err("fails")
        };
        let outcomes: Vec<_> = thread::scope(|threads| {
            let waiting: Vec<_> = (0..4).map(|_| threads.spawn(|| commit.wait_for(1, check, sync))).collect();
            waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err("fails")).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err("failed before")).count(), 3);
        assert_eq!(commit.synced(), 0);
    }

    #[test]
    fn what_is_taken_back_during_a_sync_does_not_count_as_synced() {
        let commit = GroupCommit::new(0);
        let sync = || {
            commit.set_back(10);
            Ok::<_, ()>(20)
        };
        commit.wait_for(15, || Ok(()), sync).unwrap();
        assert_eq!(commit.synced(), 0);
        commit.wait_for(15, || Ok(()), || Ok::<_, ()>(15)).unwrap();
        assert_eq!(commit.synced(), 15);
    }

    #[test]
    fn what_lasts_by_other_means_wakes_who_waits_for_it() {
        let commit = GroupCommit::new(0);
        thread::scope(|threads| {
            let (started, go_on) = std::sync::mpsc::channel();
            let (finish, finished) = std::sync::mpsc::channel();
            let commit = &commit;
            threads.spawn(move || {
                commit.wait_for(
                    5,
                    || Ok::<_, ()>(()),
                    move || {
                        started.send(()).unwrap();
                        finished.recv().unwrap();
                        Ok(5)
                    },
                )
            });
            go_on.recv().unwrap();
            let waiting = threads.spawn(|| commit.wait_for(3, || Ok::<_, ()>(()), || panic!("there is a leader")));
            commit.advance(4);
            waiting.join().unwrap().unwrap();
            finish.send(()).unwrap();
        });
        assert_eq!(commit.synced(), 5);
    }
}
