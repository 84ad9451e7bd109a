//! Prefetching: memory is asked for shortly before it is needed, where a table is too large for the caches.
#![expect(unsafe_code, reason = "the instruction that asks for a cache line takes a pointer; it reads nothing and cannot fail")]

/// Smaller columns are in the caches anyway.
const BYTES_MIN: usize = 512 << 10;

/// Asks for the elements of `column` at these places, which may also be none. Some hundred of them at once come sooner than if each is
/// asked for when it is needed, where the processor can look ahead a few only: `running/1m` of the operators bench 14.4 -> 11.8 ms.
pub(crate) fn prefetch<T>(column: &[T], places: impl Iterator<Item = usize>) {
    if size_of_val(column) < BYTES_MIN {
        return;
    }
    let base = column.as_ptr();
    for place in places {
        prefetch_address(base.wrapping_add(place));
    }
}

/// Asks for the first bytes of a value, wherever it is.
#[inline]
pub(crate) fn prefetch_value<T>(value: &T) {
    prefetch_address(value);
}

#[inline]
fn prefetch_address<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is allowed; it is a hint that changes nothing a program can see.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The same for groups.
pub(crate) fn prefetch_groups<T>(column: &[T], groups: &[u32]) {
    prefetch(column, groups.iter().map(|group| *group as usize));
}
