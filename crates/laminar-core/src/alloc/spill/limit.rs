//! A limit for what the process takes, and the thread that keeps it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
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
const MARGIN_MIN: u64 = 96 << 20;
/// How often memory that was freed is given back to the system while the limit is reached.
const TRIMMED_EVERY: Duration = Duration::from_secs(1);

/// The limits that databases of this process have set, by their number. The smallest counts.
static LIMITS: Mutex<Limits> = Mutex::new(Limits { all: Vec::new(), next: 0, has_keeper: false });
static CHANGED: Condvar = Condvar::new();
/// Whether the process takes more than it may although everything that can be put out is.
static IS_REACHED: AtomicBool = AtomicBool::new(false);
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
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        if !limits.has_keeper {
            let keeper = std::thread::Builder::new().name("laminar-memory".to_owned());
            let new = Keeper { pool, resident, program, hands: [0; 2], trimmed: Instant::now() };
            let began = keeper.spawn(move || new.keep());
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
        LIMITS.lock().unwrap_or_else(PoisonError::into_inner).smallest()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        limits.all.retain(|(number, _)| *number != self.number);
        CHANGED.notify_all();
    }
}

/// What a keeper knows.
#[derive(Debug)]
struct Keeper {
    pool: &'static Pool,
    resident: Resident,
    /// What the program's own file took at first: these pages are not ours to put out.
    program: u64,
    /// Where in each part it goes on to put pages out.
    hands: [usize; 2],
    /// When memory that was freed was given back to the system.
    trimmed: Instant,
}

impl Keeper {
    /// Keeps the limit as long as there is one.
    fn keep(mut self) {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(limit) = limits.smallest() {
            drop(limits);
            let sleep = self.keep_once(limit);
            limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
            limits = CHANGED.wait_timeout(limits, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
        IS_REACHED.store(false, Ordering::Relaxed);
        Pool::press(false);
        has_limit(false);
        limits.has_keeper = false;
    }

    /// Looks at what the process takes and puts pages out. Says how long nothing need be done.
    fn keep_once(&mut self, limit: u64) -> Duration {
        // Pages come back by the dozen while the thread sleeps, or waits for a core: that shall stay below the limit.
        let high = limit - (limit / 8).max(MARGIN_MIN).min(limit / 8 * 3);
        let low = high - limit / 8;
        let (taken, files) = self.resident.bytes_and_files();
        let stays = (taken - files.min(taken)) + self.program.min(files);
        let is_reached = stays > limit - limit / 8;
        if is_reached && self.trimmed.elapsed() > TRIMMED_EVERY {
            trim();
            self.trimmed = Instant::now();
        }
        IS_REACHED.store(is_reached, Ordering::Relaxed);
        if taken <= high {
            Pool::press(false);
            return if taken < limit / 2 { SLEEP_MAX } else { SLEEP_MIN };
        }
        Pool::press(taken > high + (limit - high) / 2 && !is_reached);
        // What stays cannot be put out: only between that and the limit is there something to gain.
        self.put_out(low.max(stays + high.saturating_sub(stays) / 2));
        if is_reached { SLEEP_MAX } else { SLEEP_MIN }
    }

    /// Puts pages out, from where it ended the last time, until the process takes `low` bytes or all are out.
    fn put_out(&mut self, low: u64) {
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
