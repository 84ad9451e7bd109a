//! Waiting and waking with the system's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Signal;

#[test]
fn nobody_sleeps_through_what_came() {
    for looks in [0, 10, 1000] {
        let there = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0), Signal::default(), Signal::default()));
        let here = Arc::clone(&there);
        let rounds = 2000;
        let echo = thread::Builder::new().spawn(move || {
            for round in 1..=rounds {
                there.2.wait(looks, || (there.0.load(Ordering::Acquire) == round).then_some(()));
                there.1.store(round, Ordering::Release);
                there.3.wake();
            }
        });
        for round in 1..=rounds {
            here.0.store(round, Ordering::Release);
            here.2.wake();
            here.3.wait(looks, || (here.1.load(Ordering::Acquire) == round).then_some(()));
        }
        echo.unwrap().join().unwrap();
    }
}

#[test]
fn who_also_waits_for_a_moment_goes_on_when_it_has_come() {
    let (signal, looked) = (Signal::default(), AtomicUsize::new(0));
    let look = || {
        looked.fetch_add(1, Ordering::Relaxed);
        None::<()>
    };
    assert_eq!(signal.wait_at_most(3, Duration::from_millis(1), look), None);
    assert_eq!(looked.load(Ordering::Relaxed), 5, "three times, before it sleeps, and after");
    assert_eq!(signal.wait_at_most(0, Duration::from_secs(3600), || Some(7)), Some(7));
}
