//! Asking for cells some time before they are needed: their cache lines are with the other processor.
#![expect(unsafe_code, reason = "the instructions that ask for a cache line take a pointer; they read nothing and cannot fail")]

/// Bytes of a cache line.
const LINE: usize = 64;
///
/// So many lines ahead: a line takes as long to come from the other processor as eight or more take to be worked off.
const LINES_AHEAD: usize = 16;

/// For cells of type `T`: how many of them lie on a line (at least 1, a power of two), and how many ahead one is asked for.
pub(super) struct PrefetchDistance<T>(std::marker::PhantomData<T>);

impl<T> PrefetchDistance<T> {
    /// Cells on a line.
    pub(super) const STEP: usize = match LINE.checked_div(size_of::<T>()) {
        None | Some(0) => 1,
        Some(cells) => 1 << cells.ilog2(),
    };
    /// Cells from the one that is used to the one that is asked for. 0: cells without size have no lines.
    pub(super) const CELLS: usize = if size_of::<T>() == 0 { 0 } else { Self::STEP * LINES_AHEAD };
}

/// Asks for the line of `place`, to be written to: no other processor keeps a copy.
#[inline(always)]
pub(super) fn to_write<T>(place: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch changes nothing that a program can see; processors without this one do nothing instead.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}

/// Asks for the line of `place`, to be read.
#[inline(always)]
pub(super) fn to_read<T>(place: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch changes nothing that a program can see.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}
