//! The signal, over loom: whoever waits is woken. A wake-up that is lost leaves all threads asleep, which loom reports.

#[path = "../../../crates/laminar-core/src/thread/signal/wait.rs"]
mod wait;

use loom::thread;

use super::check;
use super::sync::{self, Arc, AtomicUsize, Ordering};
use wait::Signal;

/// A place where things are put, and the signal of the thread that takes them.
#[derive(Default)]
struct Door {
    things: AtomicUsize,
    signal: Signal,
}

impl Door {
    fn put(&self) {
        self.things.fetch_add(1, Ordering::Release);
        self.signal.wake();
    }

    fn wait_for(&self, things: usize, looks: u32) {
        self.signal.wait(looks, || (self.things.load(Ordering::Acquire) >= things).then_some(()));
    }
}

#[test]
fn nobody_sleeps_through_what_came() {
    for looks in [0, 1] {
        check(move || {
            let door = Arc::new(Door::default());
            let other = Arc::clone(&door);
            let thread = thread::spawn(move || (0..2).for_each(|_| other.put()));
            door.wait_for(1, looks);
            door.wait_for(2, looks);
            thread.join().unwrap();
        });
    }
}

#[test]
fn two_that_wake_the_same_thread_at_once_do_not_hide_each_other() {
    check(|| {
        let door = Arc::new(Door::default());
        let others: Vec<_> = (0..2).map(|_| Arc::clone(&door)).map(|door| thread::spawn(move || door.put())).collect();
        door.wait_for(2, 0);
        others.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn question_and_answer_reach_each_other() {
    check(|| {
        let doors = Arc::new([Door::default(), Door::default()]);
        let theirs = Arc::clone(&doors);
        let thread = thread::spawn(move || {
            theirs[0].wait_for(1, 0);
            theirs[1].put();
        });
        doors[0].put();
        doors[1].wait_for(1, 0);
        thread.join().unwrap();
    });
}

#[test]
fn who_also_waits_for_a_moment_goes_on() {
    check(|| {
        let door = Arc::new(Door::default());
        let other = Arc::clone(&door);
        let thread = thread::spawn(move || other.put());
        let look = || (door.things.load(Ordering::Acquire) == 1).then_some(());
        let _ = door.signal.wait_at_most(0, std::time::Duration::ZERO, look);
        door.wait_for(1, 0);
        thread.join().unwrap();
    });
}
