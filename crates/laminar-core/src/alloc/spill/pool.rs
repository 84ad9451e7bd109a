//! The one pool of a process that state is allocated from.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::allocator::outside;
use super::limit::MemoryLimit;
use super::mapping::Mapping;
use super::runs::Runs;
use super::slabs::{Memory, SLAB_UNITS, Shard, UNIT, class_of};
use crate::Result;

/// Threads share so many lists of slabs.
const SHARDS: usize = 16;

/// Where the pool's addresses begin and end; both 0 before it is begun.
static BASE: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static POOL: OnceLock<Pool> = OnceLock::new();
/// This process is a child of the one that began the pool, whose addresses it has not.
static IS_FORKED: AtomicBool = AtomicBool::new(false);
/// After the disk had no room, how long none is asked for.
const ROOM_ASKED_EVERY: Duration = Duration::from_millis(500);

thread_local! {
    /// The shard of the thread. Neither made lazily nor dropped, as everything that an allocator touches.
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Runs of more bytes are tables that are looked into at random.
const TABLE_BYTES_MIN: usize = 512 << 10;

/// What leaves memory first: columns of rows; and what stays as long as there is room: indexes, tables and small pieces, into which every change looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Columns,
    Indexes,
}

/// A half of the pool's addresses.
#[derive(Debug)]
struct Half {
    first: u32,
    units: u32,
    runs: Mutex<Runs>,
    /// Bytes of the file that are there for it.
    file: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Pool {
    mapping: Mapping,
    columns: Half,
    indexes: Half,
    shards: [Mutex<Shard>; SHARDS],
    /// Allocations that the disk had no room for.
    refused: AtomicU64,
    /// When the disk had no room the last time.
    full_at: Mutex<Option<Instant>>,
}

impl Pool {
    /// The pool, if it is begun.
    #[inline]
    pub(super) fn get() -> Option<&'static Pool> {
        POOL.get()
    }

    /// Begins the pool in a directory; it stays where it was begun first.
    pub(super) fn begin(directory: &Path) -> Result<&'static Pool> {
        static BEGINNING: Mutex<()> = Mutex::new(());
        let _alone = lock(&BEGINNING);
        if let Some(pool) = POOL.get() {
            return Ok(pool);
        }
        let mapping = Mapping::new(directory)?;
        note_forks();
        // Nothing comes from the pool before all threads can tell its addresses.
        BASE.store(mapping.base.as_ptr() as usize, Ordering::Relaxed);
        BYTES.store(mapping.units() as usize * UNIT, Ordering::Release);
        let units = mapping.units() / 2;
        let half = |first| Half { first, units, runs: Mutex::new(Runs::new()), file: AtomicU64::new(0) };
        Ok(POOL.get_or_init(|| Pool {
            mapping,
            columns: half(0),
            indexes: half(units),
            shards: std::array::from_fn(|number| Mutex::new(Shard::new(number as u8))),
            refused: AtomicU64::new(0),
            full_at: Mutex::new(None),
        }))
    }

    /// Whether an address is the pool's.
    #[inline]
    pub(super) fn has(address: *mut u8) -> bool {
        let bytes = BYTES.load(Ordering::Acquire);
        (address as usize).wrapping_sub(BASE.load(Ordering::Relaxed)) < bytes
    }

    /// Memory of so many bytes, of an index or not; `None`: there is no room on the disk.
    pub(super) fn take(&self, size: usize, align: usize, is_index: bool) -> Option<*mut u8> {
        if align > UNIT || IS_FORKED.load(Ordering::Relaxed) {
            return None;
        }
        let taken = match class_of(size, align) {
            Some(class) => {
                let take_slab = || self.take_units(Part::Indexes, SLAB_UNITS);
                lock(&self.shards[own_shard()]).take(self.memory(), class, take_slab)
            }
            None => {
                let part = if is_index || size > TABLE_BYTES_MIN { Part::Indexes } else { Part::Columns };
                self.take_units(part, units(size)?).map(|unit| self.memory().address(unit))
            }
        };
        if taken.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Takes memory back that [`take`](Self::take) gave for the same size and alignment.
    pub(super) fn give(&self, address: *mut u8, size: usize, align: usize) {
        if IS_FORKED.load(Ordering::Relaxed) {
            return;
        }
        let memory = self.memory();
        if class_of(size, align).is_none() {
            return self.give_units(memory.unit_of(address), units(size).unwrap_or_default());
        }
        let (slab, shard) = memory.slab_of(address);
        if lock(&self.shards[shard]).give(memory, slab, address) {
            self.give_units(slab, SLAB_UNITS);
        }
    }

    /// Whether memory for `old` bytes is what would be given for `new` too.
    pub(super) fn is_same(old: usize, new: usize, align: usize) -> bool {
        match (class_of(old, align), class_of(new, align)) {
            (None, None) => units(old) == units(new),
            (old, new) => old == new,
        }
    }

    fn memory(&self) -> Memory {
        Memory { base: self.mapping.base, entries: self.mapping.entries }
    }

    fn half(&self, part: Part) -> &Half {
        match part {
            Part::Columns => &self.columns,
            Part::Indexes => &self.indexes,
        }
    }

    fn take_units(&self, part: Part, count: u32) -> Option<u32> {
        MemoryLimit::make_room(u64::from(count) * UNIT as u64);
        let half = self.half(part);
        outside(|| lock(&half.runs).take(count, |end| self.make_room(half, end))).map(|unit| half.first + unit)
    }

    fn give_units(&self, first: u32, count: u32) {
        let half = self.half(if first < self.indexes.first { Part::Columns } else { Part::Indexes });
        outside(|| lock(&half.runs).give(first - half.first, count));
    }

    /// Whether the file has so many units of a half, if need be after it has grown. Called by who holds the runs.
    fn make_room(&self, half: &Half, end: u32) -> bool {
        let (has, needs) = (half.file.load(Ordering::Relaxed), u64::from(end) * UNIT as u64);
        if end > half.units {
            return false;
        }
        if needs <= has {
            return true;
        }
        let mut full_at = lock(&self.full_at);
        if full_at.is_some_and(|at| at.elapsed() < ROOM_ASKED_EVERY) {
            return false;
        }
        let offset = u64::from(half.first) * UNIT as u64;
        let grown = self.mapping.grow(offset + has, offset + needs);
        let grown = grown.inspect(|end| half.file.store(*end - offset, Ordering::Relaxed));
        *full_at = if grown.is_some() { None } else { Some(Instant::now()) };
        grown.is_some()
    }

    /// Bytes that are in use, with what is free within slabs; and bytes of the file.
    pub(super) fn usage(&self) -> (u64, u64) {
        let of_half = |half: &Half| {
            let runs = lock(&half.runs);
            ((u64::from(runs.end()) - runs.free()) * UNIT as u64, half.file.load(Ordering::Relaxed))
        };
        let (columns, indexes) = (of_half(&self.columns), of_half(&self.indexes));
        (columns.0 + indexes.0, columns.1 + indexes.1)
    }

    /// The bytes of a part in which something is or was.
    pub(super) fn range(&self, part: Part) -> std::ops::Range<usize> {
        let half = self.half(part);
        let start = half.first as usize * UNIT;
        start..start + lock(&half.runs).end() as usize * UNIT
    }

    /// Puts pages out of the process.
    pub(super) fn put_out(&self, from: usize, bytes: usize) {
        self.mapping.put_out(from, bytes);
    }

    /// How often there was no room on the disk, or no address left.
    #[cfg(test)]
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether the disk had no room a moment ago.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.full_at).is_some()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn units(size: usize) -> Option<u32> {
    u32::try_from(size.div_ceil(UNIT)).ok()
}

/// Sees to it that a child of this process knows that it is one.
#[expect(unsafe_code, reason = "the C library alone tells a process that it is a child")]
fn note_forks() {
    extern "C" fn is_child() {
        IS_FORKED.store(true, Ordering::Relaxed);
    }
    // SAFETY: what is called in the child does nothing but write a flag.
    unsafe { libc::pthread_atfork(None, None, Some(is_child)) };
}

fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if SHARD.get() == usize::MAX {
        SHARD.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    SHARD.get()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Memory on its way to another thread: address, size, and what stands in each of its bytes.
    type Sent = (usize, usize, u8);

    #[expect(unsafe_code, reason = "the memory is raw")]
    fn give_checked(pool: &Pool, (address, size, value): Sent) {
        // SAFETY: so many bytes were written there.
        let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, size) };
        assert!(bytes.iter().all(|byte| *byte == value), "{size} bytes were overwritten");
        pool.give(address as *mut u8, size, 8);
    }

    #[expect(unsafe_code, reason = "the memory is raw")]
    fn take_and_send(pool: &Pool, seed: u64, to: &std::sync::mpsc::Sender<Sent>, from: &Receiver<Sent>) {
        let mut random = SmallRng::seed_from_u64(seed);
        for round in 0..3_000_u32 {
            let size = 1_usize << random.random_range(0..17);
            let size = random.random_range(size..=size * 2);
            let address = pool.take(size, 8, random.random_bool(0.5)).unwrap();
            // SAFETY: the memory has so many bytes.
            unsafe { address.write_bytes(round as u8, size) };
            to.send((address as usize, size, round as u8)).unwrap();
            if random.random_bool(0.1) {
                for part in [Part::Columns, Part::Indexes] {
                    let range = pool.range(part);
                    pool.put_out(range.start, range.len());
                }
            }
            from.try_iter().take(random.random_range(0..4)).for_each(|sent| give_checked(pool, sent));
        }
    }

    #[test]
    fn what_one_thread_took_another_gives_back_unspoilt() {
        let pool = Pool::begin(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let before = pool.usage().0;
        let (to_first, first) = channel();
        let (to_second, second) = channel();
        std::thread::scope(|scope| {
            let one = scope.spawn(|| {
                take_and_send(pool, 1, &to_second, &first);
                first
            });
            take_and_send(pool, 2, &to_first, &second);
            let first = one.join().unwrap();
            first.try_iter().chain(second.try_iter()).for_each(|sent| give_checked(pool, sent));
        });
        // Each thread may keep a slab of each class.
        let kept = (pool.usage().0 - before) / (u64::from(SLAB_UNITS) * UNIT as u64);
        assert!(kept <= 2 * super::super::slabs::CLASSES as u64, "{kept} slabs are left");
        assert!(pool.usage().1 > 0 && pool.refused() == 0);
    }
}
