//! Small pieces of few sizes, cut from slabs of one size each.
//!
//! What is known of a slab stands outside of it, so that looking for room touches none that is out. Only the number of the next free piece stands
//! in a free piece: who gives one back has mostly just looked at it.

#![expect(unsafe_code, reason = "an allocator deals in raw memory")]

use std::ptr::NonNull;

/// The bytes of a unit, of which everything is made.
pub(super) const UNIT: usize = 16 << 10;
/// The units of a slab.
pub(super) const SLAB_UNITS: u32 = 4;
/// The bytes of the largest piece of a slab.
pub(super) const PIECE_MAX: usize = 16 << 10;
/// The number of no slab.
const NONE: u32 = u32::MAX;

/// Sizes of pieces: multiples of 16 up to 128, then four between two powers of two.
pub(super) const CLASSES: usize = 8 + 7 * 4;

/// The bytes of a class.
fn class_bytes(class: usize) -> usize {
    match class.checked_sub(8) {
        None => (class + 1) * 16,
        Some(above) => (128 + 32 * (above % 4 + 1)) << (above / 4),
    }
}

/// The smallest class with pieces of at least `size` bytes at multiples of `align`; `None`: it is no small piece.
pub(super) fn class_of(size: usize, align: usize) -> Option<usize> {
    if size > PIECE_MAX || align > PIECE_MAX {
        return None;
    }
    let first = match size {
        0..=128 => size.div_ceil(16).saturating_sub(1),
        _ => {
            let power = (size - 1).ilog2() as usize;
            8 + (power - 7) * 4 + (size - (1 << power)).div_ceil(1 << (power - 2)) - 1
        }
    };
    (first..CLASSES).find(|class| class_bytes(*class).is_multiple_of(align))
}

/// What is known of a unit: of a slab whose first one it is, or where that is.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct UnitEntry {
    /// The first unit of the slab. Never changes while one of its pieces is in use.
    pub(super) first: u32,
    /// Neighbours among the slabs of the class with room.
    next: u32,
    previous: u32,
    /// The piece to use next, plus 1; 0: none was given back.
    free: u16,
    /// Pieces that were used at some time.
    begun: u16,
    used: u16,
    class: u8,
    /// Whose slab it is. Never changes while one of its pieces is in use.
    pub(super) shard: u8,
}

/// The memory that slabs are made of, and the table of its units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) base: NonNull<u8>,
    pub(super) entries: NonNull<UnitEntry>,
}

// SAFETY: the addresses mean the same on every thread; who reads or writes behind them has that part alone.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// The unit of an address within the memory.
    pub(super) fn unit_of(self, address: *mut u8) -> u32 {
        ((address as usize - self.base.as_ptr() as usize) / UNIT) as u32
    }

    /// Where a unit begins.
    pub(super) fn address(self, unit: u32) -> *mut u8 {
        // SAFETY: units that were handed out lie within the memory.
        unsafe { self.base.as_ptr().add(unit as usize * UNIT) }
    }

    fn entry(self, unit: u32) -> *mut UnitEntry {
        // SAFETY: the table has an entry for each unit.
        unsafe { self.entries.as_ptr().add(unit as usize) }
    }

    /// The first unit of the slab of a piece, and whose slab it is.
    pub(super) fn slab_of(self, piece: *mut u8) -> (u32, usize) {
        let of = self.entry(self.unit_of(piece));
        // SAFETY: neither field changes while the piece is in use, and it is: its owner asks.
        unsafe {
            let first = (&raw const (*of).first).read();
            (first, usize::from((&raw const (*self.entry(first)).shard).read()))
        }
    }
}

/// The slabs with room of one shard, by class. Who calls has the shard alone.
#[derive(Debug)]
pub(super) struct Shard {
    number: u8,
    with_room: [u32; CLASSES],
}

impl Shard {
    pub(super) const fn new(number: u8) -> Self {
        Self { number, with_room: [NONE; CLASSES] }
    }

    /// A piece of a class. `take_slab` gives the units of another slab.
    pub(super) fn take(&mut self, memory: Memory, class: usize, take_slab: impl FnOnce() -> Option<u32>) -> Option<*mut u8> {
        if self.with_room[class] == NONE {
            self.begin_slab(memory, class, take_slab()?);
        }
        let (slab, bytes) = (self.with_room[class], class_bytes(class));
        let entry = memory.entry(slab);
        // SAFETY: the slab is this shard's, and the shard is ours; of other fields than those used here others read. The slab has `pieces(class)`
        // pieces of at least 16 bytes at multiples of 16, and a free one that was used holds the number of the next.
        let (piece, is_full) = unsafe {
            let number = match (*entry).free.checked_sub(1) {
                Some(number) => number,
                None => {
                    (*entry).begun += 1;
                    (*entry).begun - 1
                }
            };
            let piece = memory.address(slab).add(usize::from(number) * bytes);
            if (*entry).free > 0 {
                (*entry).free = piece.cast::<u16>().read();
            }
            (*entry).used += 1;
            (piece, (*entry).free == 0 && (*entry).begun == pieces(class))
        };
        if is_full {
            self.unlink(memory, class, slab);
        }
        Some(piece)
    }

    /// Takes a piece of this shard's slab `slab` back. True: nothing of the slab is in use any more; its units are free.
    pub(super) fn give(&mut self, memory: Memory, slab: u32, piece: *mut u8) -> bool {
        let entry = memory.entry(slab);
        // SAFETY: the slab is this shard's, and the shard is ours; of other fields than those used here others read. The piece is no longer in use, and
        // has room for a number.
        let (class, was_full, used) = unsafe {
            let class = usize::from((*entry).class);
            let number = (piece as usize - memory.address(slab) as usize) / class_bytes(class);
            let was_full = (*entry).free == 0 && (*entry).begun == pieces(class);
            piece.cast::<u16>().write((*entry).free);
            (*entry).free = number as u16 + 1;
            (*entry).used -= 1;
            (class, was_full, (*entry).used)
        };
        if was_full {
            self.link(memory, class, slab);
        }
        // One slab stays, so that a piece that comes and goes does not make and unmake it.
        let is_only = self.with_room[class] == slab && self.next(memory, slab) == NONE;
        if used > 0 || is_only {
            return false;
        }
        self.unlink(memory, class, slab);
        true
    }

    fn begin_slab(&mut self, memory: Memory, class: usize, slab: u32) {
        let entry = UnitEntry {
            first: slab,
            next: NONE,
            previous: NONE,
            free: 0,
            begun: 0,
            used: 0,
            class: class as u8,
            shard: self.number,
        };
        // SAFETY: these units are not in use yet.
        (slab..slab + SLAB_UNITS).for_each(|unit| unsafe { memory.entry(unit).write(entry) });
        self.link(memory, class, slab);
    }

    fn next(&self, memory: Memory, slab: u32) -> u32 {
        // SAFETY: the slab is this shard's, and the shard is ours.
        unsafe { (*memory.entry(slab)).next }
    }

    fn link(&mut self, memory: Memory, class: usize, slab: u32) {
        let next = std::mem::replace(&mut self.with_room[class], slab);
        // SAFETY: both slabs are this shard's, and the shard is ours.
        unsafe {
            (*memory.entry(slab)).next = next;
            (*memory.entry(slab)).previous = NONE;
            if next != NONE {
                (*memory.entry(next)).previous = slab;
            }
        }
    }

    fn unlink(&mut self, memory: Memory, class: usize, slab: u32) {
        // SAFETY: the slab and its neighbours are this shard's, and the shard is ours.
        unsafe {
            let (next, previous) = ((*memory.entry(slab)).next, (*memory.entry(slab)).previous);
            match previous {
                NONE => self.with_room[class] = next,
                previous => (*memory.entry(previous)).next = next,
            }
            if next != NONE {
                (*memory.entry(next)).previous = previous;
            }
        }
    }
}

/// Pieces of a slab.
fn pieces(class: usize) -> u16 {
    (SLAB_UNITS as usize * UNIT / class_bytes(class)) as u16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_piece_is_as_large_as_asked_and_hardly_larger() {
        for align in [1, 8, 16, 64, 128, 4096] {
            for size in 0..=PIECE_MAX {
                let bytes = class_bytes(class_of(size, align).unwrap());
                assert!(bytes >= size && bytes.is_multiple_of(align), "{size} at {align}: {bytes}");
                assert!(align > 16 || bytes <= size + (size / 4).max(16), "{size} at {align}: {bytes}");
            }
        }
        assert_eq!(class_of(PIECE_MAX + 1, 1), None);
        assert_eq!(class_bytes(CLASSES - 1), PIECE_MAX);
    }

    #[test]
    fn pieces_of_all_sizes_keep_what_is_written_into_them() {
        const UNITS: u32 = 4_000;
        let mut bytes = vec![0_u128; UNITS as usize * UNIT / 16];
        // SAFETY: zero is a value of every field.
        let mut entries: Vec<UnitEntry> = vec![unsafe { std::mem::zeroed() }; UNITS as usize];
        let memory = Memory {
            base: NonNull::new(bytes.as_mut_ptr()).unwrap().cast(),
            entries: NonNull::new(entries.as_mut_ptr()).unwrap(),
        };
        for seed in 0..10 {
            let mut random = SmallRng::seed_from_u64(seed);
            let (mut shard, mut runs) = (Shard::new(3), super::super::runs::Runs::new());
            let mut pieces: BTreeMap<usize, (usize, u8)> = BTreeMap::new();
            for round in 0..4_000_u32 {
                if pieces.len() < 2 || random.random_bool(if round < 2_000 { 0.7 } else { 0.3 }) {
                    let size = 1 << random.random_range(0..14);
                    let size = random.random_range(size..=size * 2).min(PIECE_MAX);
                    let slab = || runs.take(SLAB_UNITS, |end| end <= UNITS);
                    let piece = shard.take(memory, class_of(size, 1).unwrap(), slab).unwrap();
                    // SAFETY: the piece has `size` bytes.
                    unsafe { piece.write_bytes(round as u8, size) };
                    assert_eq!(pieces.insert(piece as usize, (size, round as u8)), None, "a piece twice, seed {seed}");
                } else {
                    let nth = random.random_range(0..pieces.len());
                    let address = *pieces.keys().nth(nth).unwrap();
                    let (size, value) = pieces.remove(&address).unwrap();
                    let piece = address as *mut u8;
                    // SAFETY: the piece has `size` bytes that were written.
                    let bytes = unsafe { std::slice::from_raw_parts(piece, size) };
                    assert!(bytes.iter().all(|byte| *byte == value), "overwritten, seed {seed}");
                    let (slab, number) = memory.slab_of(piece);
                    assert_eq!(number, 3);
                    if shard.give(memory, slab, piece) {
                        runs.give(slab, SLAB_UNITS);
                    }
                }
            }
            let in_use = runs.end() as u64 - runs.free();
            assert!(in_use * UNIT as u64 <= 64 << 20, "{in_use} units");
        }
    }
}
