//! Room for recursion: plans and expressions are trees, and what walks, runs or drops them takes stack for every level.

/// Bytes of stack that are left at least where work on a tree begins.
const STACK_MIN: usize = 16 << 20;
/// Bytes of a new stack. Only what is touched takes memory.
const STACK_NEW: usize = 64 << 20;

/// Does `work` with room for deep recursion, on a stack of its own if the thread's has too little left.
pub fn with_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_MIN, STACK_NEW, work)
}
