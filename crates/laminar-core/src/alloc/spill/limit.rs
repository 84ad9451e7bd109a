//! A limit for what the process takes, and the thread that keeps it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::MemoryUsage;
use super::allocator::{has_limit, is_installed};
use super::pool::{Part, Pool};
use super::resident::{Resident, trim};
use crate::{Code, Error, Result};

/// Pages are put out in windows of so many bytes.
const WINDOW: usize = 1 << 20;
/// After how many windows it is asked whether that is enough.
const WINDOWS_AT_ONCE: usize = 8;
/// How long the thread sleeps, at most while much room is left.
const SLEEP_MAX: Duration = Duration::from_millis(50);
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// Bytes below the limit from which on pages are put out, at least where there are many more.
const MARGIN_MIN: u64 = 64 << 20;
/// How often a thread that takes little looks itself, at most.
const LOOKS_EVERY_US: u64 = 200;
/// Who takes as much at once looks always.
const LARGE: u64 = 1 << 20;
/// After pages were put out, how long they are likely to come back: up to some 30 MiB a millisecond, since the system maps 16 at each fault.
const COMES_BACK: Duration = Duration::from_secs(1);
/// How often memory that was freed is given back to the system while the limit is reached.
const TRIMMED_EVERY: Duration = Duration::from_secs(1);

/// The limits that databases of this process have set, by their number. The smallest counts.
static LIMITS: Mutex<Limits> = Mutex::new(Limits { all: Vec::new(), next: 0, has_keeper: false });
static CHANGED: Condvar = Condvar::new();
/// Whether the process takes more than it may although everything that can be put out is.
static IS_REACHED: AtomicBool = AtomicBool::new(false);
/// Whether the process takes so much that pages are put out, or soon will be.
static IS_SPILLING: AtomicBool = AtomicBool::new(false);
/// When a thread last looked at what the process takes, in microseconds of [`micros`].
static LOOKED_AT: AtomicU64 = AtomicU64::new(0);
/// Who puts pages out: the thread that is there for it and those that work on state, one at a time.
static KEEPER: Mutex<Option<Keeper>> = Mutex::new(None);
/// What the program's own file took before there was any state of the pool: later both are counted as one.
static PROGRAM: OnceLock<u64> = OnceLock::new();

#[derive(Debug)]
struct Limits {
    all: Vec<(u64, u64)>,
    next: u64,
    has_keeper: bool,
}

impl Limits {
    fn smallest(&self) -> Option<u64> {
        self.all.iter().map(|(_, bytes)| *bytes).min()
    }
}

/// What the process may take, until it is dropped. Where there are several the smallest counts.
#[derive(Debug)]
pub struct MemoryLimit {
    number: u64,
    bytes: u64,
}

impl MemoryLimit {
    /// Limits the process to so many bytes; state that is more stands in a file in `directory` from then on, of which there is one in a process:
    /// where the first limit put it.
    pub fn new(bytes: u64, directory: &Path) -> Result<Self> {
        let resident = Resident::new().map_err(|error| {
            Error::new(
                Code::NotSupported,
                format!("memory_limit needs to know what the process takes: /proc/self/statm: {error}"),
            )
        })?;
        let program = *PROGRAM.get_or_init(|| resident.bytes_and_files().1);
        let pool = Pool::begin(directory)?;
        lock(&KEEPER).get_or_insert_with(|| Keeper { pool, resident, limit: bytes, program, hands: [0; 2], put_out: None });
        let mut limits = lock(&LIMITS);
        if !limits.has_keeper {
            let keeper = std::thread::Builder::new().name("laminar-memory".to_owned());
            let began = keeper.spawn(keep);
            began.map_err(|error| Error::new(Code::Io, format!("the thread that keeps memory_limit: {error}")))?;
            limits.has_keeper = true;
        }
        limits.next += 1;
        let number = limits.next;
        limits.all.push((number, bytes));
        has_limit(true);
        CHANGED.notify_all();
        Ok(Self { number, bytes })
    }

    /// What it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a process takes more than its limit although all state that can be put out is: no more rows should be taken in.
    #[inline]
    pub fn is_reached() -> bool {
        IS_REACHED.load(Ordering::Relaxed)
    }

    /// Makes room for so many bytes that are about to be taken at once, where the process comes near its limit: the thread that keeps it may not have a core
    /// before they are touched.
    #[inline]
    pub(super) fn make_room(bytes: u64) {
        if IS_SPILLING.load(Ordering::Relaxed) {
            make_room(bytes);
        }
    }

    /// Whether the program has installed [`SpillAllocator`](super::SpillAllocator), so that its state can leave memory. Asked after a limit was set.
    pub fn spills() -> bool {
        is_installed()
    }

    /// What the process takes now.
    pub fn usage() -> MemoryUsage {
        let resident = Resident::new().map_or(0, |resident| resident.bytes());
        let (spillable, file) = Pool::get().map_or((0, 0), Pool::usage);
        MemoryUsage { resident, spillable, file }
    }

    /// Whether state had to stay in memory a moment ago because the disk had no room for it.
    pub fn is_disk_full() -> bool {
        Pool::get().is_some_and(Pool::is_full)
    }

    /// The limit that counts: the smallest of all databases of the process.
    pub fn smallest() -> Option<u64> {
        lock(&LIMITS).smallest()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let mut limits = lock(&LIMITS);
        limits.all.retain(|(number, _)| *number != self.number);
        CHANGED.notify_all();
    }
}

/// What a keeper knows.
#[derive(Debug)]
struct Keeper {
    pool: &'static Pool,
    resident: Resident,
    /// What it kept the last time. Who looks beside it may not ask for the locks of those who set limits: it may be one of them.
    limit: u64,
    /// What the program's own file took at first: these pages are not ours to put out.
    program: u64,
    /// Where in each part it goes on to put pages out.
    hands: [usize; 2],
    /// When pages were put out.
    put_out: Option<Instant>,
}

/// Keeps the limit as long as there is one.
fn keep() {
    let mut trimmed = Instant::now();
    let mut limits = lock(&LIMITS);
    while let Some(limit) = limits.smallest() {
        drop(limits);
        let sleep = lock(&KEEPER).as_mut().map_or(SLEEP_MAX, |keeper| keeper.keep_once(limit));
        if MemoryLimit::is_reached() && trimmed.elapsed() > TRIMMED_EVERY {
            trim();
            trimmed = Instant::now();
        }
        limits = lock(&LIMITS);
        limits = CHANGED.wait_timeout(limits, sleep).unwrap_or_else(PoisonError::into_inner).0;
    }
    IS_REACHED.store(false, Ordering::Relaxed);
    IS_SPILLING.store(false, Ordering::Relaxed);
    has_limit(false);
    limits.has_keeper = false;
}

#[cold]
fn make_room(bytes: u64) {
    let now = micros();
    if bytes < LARGE && now.saturating_sub(LOOKED_AT.load(Ordering::Relaxed)) < LOOKS_EVERY_US {
        return;
    }
    // Who wants little does not wait for one that puts pages out already.
    let mut keeper = if bytes < LARGE { KEEPER.try_lock().ok() } else { Some(lock(&KEEPER)) };
    if let Some(keeper) = keeper.as_deref_mut().and_then(Option::as_mut) {
        keeper.look_beside(bytes);
    }
}

/// Microseconds since this was asked first.
fn micros() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    u64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Looks at what the process takes and puts pages out. Says how long nothing need be done.
    fn keep_once(&mut self, limit: u64) -> Duration {
        self.limit = limit;
        let bounds = Bounds::of(limit);
        let (taken, stays) = self.look();
        let is_reached = stays > limit - limit / 8;
        IS_REACHED.store(is_reached, Ordering::Relaxed);
        IS_SPILLING.store(taken > bounds.low, Ordering::Relaxed);
        if taken <= bounds.high {
            let comes_back = self.put_out.is_some_and(|at| at.elapsed() < COMES_BACK);
            return if taken < limit / 2 && !comes_back { SLEEP_MAX } else { SLEEP_MIN };
        }
        self.put_out(bounds.after(stays));
        if is_reached { SLEEP_MAX } else { SLEEP_MIN }
    }

    /// Looks for a thread that is about to take so many bytes: the keeper's own thread does the work unless it is late, or they are many.
    fn look_beside(&mut self, bytes: u64) {
        let bounds = Bounds::of(self.limit);
        let (taken, stays) = self.look();
        let low = bounds.after(stays).min(bounds.late.saturating_sub(bytes));
        // Where what stays is more than what should be left, all that can go is out soon, and to look for more would be in vain.
        let is_in_vain = low <= stays && self.put_out.is_some_and(|at| at.elapsed() < SLEEP_MAX);
        if taken + bytes > bounds.late && !is_in_vain {
            self.put_out(low);
        }
    }

    /// What the process takes, and what of it cannot be put out.
    fn look(&self) -> (u64, u64) {
        LOOKED_AT.store(micros(), Ordering::Relaxed);
        let (taken, files) = self.resident.bytes_and_files();
        (taken, (taken - files.min(taken)) + self.program.min(files))
    }

    /// Puts pages out, from where it ended the last time, until the process takes `low` bytes or all are out.
    fn put_out(&mut self, low: u64) {
        self.put_out = Some(Instant::now());
        for (part, hand) in [Part::Columns, Part::Indexes].into_iter().zip(&mut self.hands) {
            let range = self.pool.range(part);
            for window in 1..=range.len().div_ceil(WINDOW) {
                if !range.contains(hand) {
                    *hand = range.start;
                }
                self.pool.put_out(*hand, WINDOW.min(range.end - *hand));
                *hand += WINDOW;
                if window % WINDOWS_AT_ONCE == 0 && self.resident.bytes() <= low {
                    return;
                }
            }
        }
    }
}

/// How much the process may take before pages are put out.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// As much is left when they are.
    low: u64,
    /// More than this is put out. Pages come back by the dozen meanwhile: that shall stay below the limit.
    high: u64,
    /// The keeper is late.
    late: u64,
}

impl Bounds {
    fn of(limit: u64) -> Self {
        let high = limit - (limit / 8).max(MARGIN_MIN).min(limit / 8 * 3);
        Self { low: high - limit / 8, high, late: high + (limit - high) / 3 }
    }

    /// How much is left after pages were put out. What stays cannot be put out: only between that and the limit is there something to gain.
    fn after(self, stays: u64) -> u64 {
        self.low.max(stays + self.high.saturating_sub(stays) / 2)
    }
}
