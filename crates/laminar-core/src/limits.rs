//! Every bound of the engine, by name, with its unit last.

/// Rows that one batch holds at most when we cut batches ourselves.
pub const BATCH_ROWS_MAX: usize = 8192;
/// Rows that one step takes from one source at most.
pub const STEP_ROWS_MAX: usize = 1 << 16;
/// Rows of one chunk of stored rows: a power of two, since a row's slot is its chunk's number and its place in it.
pub const CHUNK_ROWS_MAX: usize = 1 << 13;
/// Bytes after which a chunk takes no more rows, so that what is dead among large rows is given back soon.
pub const CHUNK_BYTES_MAX: usize = 1 << 22;
/// Rows that `<object>$late` and `<object>$errors` keep readable each; older ones are only counted.
pub const SIDE_ROWS_MAX: usize = 10_000;
/// Panes that one window may have: `HOP(ts, '1 second', '1 year')` is refused.
pub const WINDOW_PANES_MAX: i64 = 100_000;
/// Batches that wait for a slow subscriber before its policy applies.
pub const SUBSCRIPTION_BATCHES_MAX: usize = 1024;
/// Wall-clock silence after which a source counts as idle, in milliseconds.
pub const IDLE_TIMEOUT_MS: u64 = 30_000;
/// How often the watermark of an idle source moves on with the wall clock, in nanoseconds.
pub const IDLE_TICK_NS: i64 = 1_000_000_000;
/// How often a watermark that follows the wall clock is told, in nanoseconds.
pub const WATERMARK_TICK_NS: i64 = 100_000_000;
/// Key ranges into which all state is addressed, whatever the number of workers.
pub const VIRTUAL_PARTITIONS: usize = 256;
/// Rows of one group that an aggregate which must see all rows at once gets at most.
pub const REPLAY_ROWS_MAX: i64 = 50_000_000;
/// What one primitive on one event may take on a worker, in nanoseconds.
pub const EVENT_BUDGET_NS: u64 = 500;
/// What the steps of one graph may take before the next graph of the same worker has its turn, in nanoseconds.
pub const STEP_BUDGET_NS: u64 = 1_000_000;

const _: () = assert!(EVENT_BUDGET_NS <= STEP_BUDGET_NS, "a graph must be able to work off one event");
const _: () = assert!(BATCH_ROWS_MAX <= STEP_ROWS_MAX, "a step must be able to hold one batch");
