//! Ties the current thread to one core, where the system can; says honestly where it cannot.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "the affinity of a thread is set by a system call"))]

use crate::{Code, Error, Result};

/// Lets the current thread run on `cpu` (the system's number) alone.
///
/// Fails, and changes nothing, if there is no such core or this process may not use it (`Code::Io`), or if the system
/// has no such call (`Code::NotSupported`). A caller that only hopes for it can go on without.
pub fn pin_current_thread(cpu: usize) -> Result<()> {
    keep_current_thread_on(&[cpu])
}

/// Lets the current thread run on any of `cpus`, and on no other core; fails as [`pin_current_thread`] does.
pub fn keep_current_thread_on(cpus: &[usize]) -> Result<()> {
    system::keep_current_thread_on(cpus)
}

/// The cores that the current thread may run on, ascending. `None`: the system does not say.
pub fn allowed_cpus() -> Option<Vec<usize>> {
    system::allowed_cpus()
}

/// The core that the current thread runs on at this moment. `None`: the system does not say.
pub fn current_cpu() -> Option<usize> {
    system::current_cpu()
}

fn refused(cpus: &[usize], reason: &str) -> Error {
    let hint = allowed_cpus().map(|cpus| format!("choose one of the cores {cpus:?}"));
    let error = Error::new(Code::Io, format!("cannot pin the thread to core {}: {reason}", list(cpus)));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Result, refused};

    const CPUS_MAX: usize = libc::CPU_SETSIZE as usize;
    const SET_BYTES: usize = size_of::<libc::cpu_set_t>();

    pub(super) fn keep_current_thread_on(cpus: &[usize]) -> Result<()> {
        if cpus.iter().any(|cpu| *cpu >= CPUS_MAX) {
            return Err(refused(cpus, "there is no such core"));
        }
        let mut set = no_cpus();
        for cpu in cpus {
            // SAFETY: `set` is a whole set and `cpu` is one of its bits.
            unsafe { libc::CPU_SET(*cpu, &mut set) };
        }
        // SAFETY: the call reads `SET_BYTES` bytes of `set`; 0 is the current thread.
        let outcome = unsafe { libc::sched_setaffinity(0, SET_BYTES, &raw const set) };
        if outcome == 0 { Ok(()) } else { Err(refused(cpus, &std::io::Error::last_os_error().to_string())) }
    }

    pub(super) fn allowed_cpus() -> Option<Vec<usize>> {
        let mut set = no_cpus();
        // SAFETY: the call writes at most `SET_BYTES` bytes into `set`; 0 is the current thread.
        let outcome = unsafe { libc::sched_getaffinity(0, SET_BYTES, &raw mut set) };
        // SAFETY: `cpu` is one of the bits of the set.
        let allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
        (outcome == 0).then(|| (0..CPUS_MAX).filter(allowed).collect())
    }

    pub(super) fn current_cpu() -> Option<usize> {
        // SAFETY: the call takes nothing and touches no memory of ours.
        usize::try_from(unsafe { libc::sched_getcpu() }).ok()
    }

    fn no_cpus() -> libc::cpu_set_t {
        // SAFETY: a set is an array of integers, for which zeros are a value: the empty set.
        unsafe { std::mem::zeroed() }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Code, Error, Result, list};

    pub(super) fn keep_current_thread_on(cpus: &[usize]) -> Result<()> {
        Err(Error::new(Code::NotSupported, format!("this system cannot pin a thread to core {}", list(cpus)))
            .with_hint("turn cpu_pinning off"))
    }

    pub(super) fn allowed_cpus() -> Option<Vec<usize>> {
        None
    }

    pub(super) fn current_cpu() -> Option<usize> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Runs `test` on a thread of its own, since pinning lasts as long as the thread.
    fn on_a_thread(test: impl FnOnce() + Send) {
        std::thread::scope(|threads| _ = threads.spawn(test));
    }

    #[test]
    fn a_pinned_thread_runs_where_it_was_told_to() {
        for cpu in allowed_cpus().unwrap() {
            on_a_thread(move || {
                pin_current_thread(cpu).unwrap();
                assert_eq!((current_cpu(), allowed_cpus()), (Some(cpu), Some(vec![cpu])));
            });
        }
    }

    #[test]
    fn a_thread_is_kept_on_several_cores() {
        let all = allowed_cpus().unwrap();
        on_a_thread(move || {
            pin_current_thread(all[0]).unwrap();
            keep_current_thread_on(&all).unwrap();
            assert_eq!(allowed_cpus(), Some(all));
            assert_eq!(keep_current_thread_on(&[]).unwrap_err().code(), Code::Io);
        });
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused_and_nothing_changes() {
        on_a_thread(|| {
            let before = allowed_cpus();
            for cpu in [1023, 1024, usize::MAX] {
                let error = pin_current_thread(cpu).unwrap_err();
                assert_eq!(error.code(), Code::Io);
                assert!(error.hint().unwrap().starts_with("choose one of the cores ["), "{error}");
            }
            assert_eq!(allowed_cpus(), before);
        });
    }
}
