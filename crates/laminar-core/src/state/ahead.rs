//! Asking for memory some rows before it is needed, where a table is too large for the caches.
#![expect(unsafe_code, reason = "the instruction that asks for a cache line takes a pointer; it reads nothing and cannot fail")]

/// A column of which elements at random places will be needed. One element a line would come too late: the processor finds by
/// itself only the next dozen or so of them.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    base: *const u8,
    stride: usize,
}

/// So many rows ahead.
pub(crate) const ROWS_AHEAD: usize = 32;
/// Smaller columns are in the caches anyway.
const BYTES_MIN: usize = 256 << 10;

impl Ahead {
    /// Looks ahead into `column`, or does nothing if that would be of no use.
    pub(crate) fn of<T>(column: &[T]) -> Option<Self> {
        (size_of_val(column) >= BYTES_MIN).then_some(Self { base: column.as_ptr().cast(), stride: size_of::<T>() })
    }

    /// Asks for the element at `index`, which may also be none.
    #[inline]
    pub(crate) fn ask(self, index: usize) {
        let element = self.base.wrapping_add(index.wrapping_mul(self.stride));
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch of any address is allowed; it is a hint that changes nothing a program can see.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(element.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = element;
    }
}
