//! Every bound of the engine, by name, with its unit last.

/// Rows that one batch holds at most when we cut batches ourselves.
pub const BATCH_ROWS_MAX: usize = 8192;
/// Rows that one step takes from one source at most.
pub const STEP_ROWS_MAX: usize = 1 << 16;
/// Rows of one chunk of stored rows: a power of two, since a row's slot is its chunk's number and its place in it.
pub const CHUNK_ROWS_MAX: usize = 1 << 13;
/// Bytes from which on a table of a checkpoint stands in a block of its own: as long as it does not change it is not written again.
pub const IMAGE_TABLE_BYTES_MIN: usize = 64 << 10;
/// Bytes after which a chunk takes no more rows, so that what is dead among large rows is given back soon.
pub const CHUNK_BYTES_MAX: usize = 1 << 22;
/// Bytes of rows that `<object>$late` and `<object>$errors` keep readable each unless `SET side_output_memory` says otherwise; older rows are only
/// counted, and who reads is told so.
pub const SIDE_BYTES_MAX: usize = 64 << 20;
/// The least that `SET side_output_memory` takes, in bytes.
pub const SIDE_BYTES_MIN: usize = 1 << 16;
/// Bytes of one piece of these rows: as much is forgotten at once.
pub const SIDE_PIECE_BYTES_MAX: usize = 1 << 18;
/// Bytes that one ad-hoc query takes for its work and its answer unless `SET query_memory` says otherwise.
pub const QUERY_BYTES_MAX: usize = 1 << 30;
/// Bytes that one value made by a function such as `repeat`, `lpad` or `range` has at most.
pub const VALUE_BYTES_MAX: u64 = 1 << 28;
/// Bytes that the values which such a function makes of one batch of rows have at most together.
pub const VALUES_BYTES_MAX: u64 = 1 << 30;
/// Views that may be put in for one name in a query: each over the one before, or several times.
pub const VIEWS_INLINED_MAX: usize = 500;
/// The least that `SET query_memory` takes, in bytes.
pub const QUERY_BYTES_MIN: usize = 1 << 20;
/// The least that `SET memory_limit` takes, in bytes: the program itself is in memory, too.
pub const MEMORY_BYTES_MIN: usize = 64 << 20;
/// Panes that one window may have: `HOP(ts, '1 second', '1 year')` is refused.
pub const WINDOW_PANES_MAX: i64 = 100_000;
/// Windows without rows between two windows with some that FILL makes: a longer gap is left as it is.
pub const FILL_WINDOWS_MAX: usize = 100_000;
/// Bytes of changes of one object that may wait for slow subscribers, unless `subscription_memory` says otherwise.
pub const SUBSCRIPTION_BYTES_MAX: usize = 64 << 20;
/// The least that can be set.
pub const SUBSCRIPTION_BYTES_MIN: usize = 64 << 10;
/// How long a push waits for a subscriber that holds it back, unless `push_timeout` says otherwise, in milliseconds.
pub const PUSH_TIMEOUT_MS: u64 = 1_000;
/// How long a round waits in which every source is held back by a subscriber, in nanoseconds.
pub const HELD_ROUND_NS: i64 = 1_000_000;
/// A view that begins with at least so many stored rows is computed in pieces.
pub const BACKFILL_ROWS_MIN: usize = 1 << 13;
/// How often a database with a directory makes a checkpoint, in milliseconds.
pub const CHECKPOINT_INTERVAL_MS: u64 = 10_000;
/// Bytes of the log after which a checkpoint is made before its time.
pub const CHECKPOINT_LOG_BYTES: u64 = 256 << 20;
/// How long what was written with the durability `group` may wait to be synced, in milliseconds.
pub const GROUP_SYNC_MS: u64 = 10;
/// Wall-clock silence after which a source counts as idle, in milliseconds.
pub const IDLE_TIMEOUT_MS: u64 = 30_000;
/// How often the watermark of an idle source moves on with the wall clock, in nanoseconds.
pub const IDLE_TICK_NS: i64 = 1_000_000_000;
/// How often a watermark that follows the wall clock is told, in nanoseconds.
pub const WATERMARK_TICK_NS: i64 = 100_000_000;
/// Keys of a source that have a watermark of their own at the same time, unless `max_keys` says otherwise.
pub const WATERMARK_KEYS_MAX: usize = 100_000;
/// Key ranges into which all state is addressed, whatever the number of workers.
pub const VIRTUAL_PARTITIONS: usize = 256;
/// Rows that a worker gets at least when the rows of a source are dealt out: fewer are not worth another worker's waking. Batches of
/// fewer rows are not aggregated either before they are sent to other workers.
pub const DEAL_ROWS_MIN: usize = 256;
/// Parcels that may wait between two workers: how many exchanges one may be ahead of another within a step.
pub const PARCELS_MAX: usize = 64;
/// How often a thread looks for what it waits for before it sleeps: some 20 µs, about twice what sleeping and waking take.
pub const SPIN_LOOKS: u32 = 8192;
/// Rows up to which a step is run by one thread for all workers: waking the others would take longer.
pub const STEP_ALONE_ROWS_MAX: usize = 256;
/// Numbers for which a table of groups has a place each, for every group that it has: 4 bytes a number.
pub const DENSE_KEYS_PER_GROUP: usize = 8;
/// Keys of one space of such a table for which groups are reserved, for every group that the space before it had: each takes the state of
/// a group whether its key comes or not.
pub const RESERVED_KEYS_PER_GROUP: usize = 4;
/// As [`DENSE_KEYS_PER_GROUP`], for tables of at most [`DENSE_KEYS_EARLY`] places: what is hashed first would have to be moved later.
pub const DENSE_KEYS_PER_GROUP_EARLY: usize = 64;
/// Places up to which [`DENSE_KEYS_PER_GROUP_EARLY`] counts.
pub const DENSE_KEYS_EARLY: usize = 1 << 20;
/// Places that such a table may have however few groups there are.
pub const DENSE_KEYS_MIN: usize = 1 << 11;
/// Places that such a table has at most.
pub const DENSE_KEYS_MAX: usize = 1 << 24;
/// Rows a group that make it worth to send groups instead of rows.
pub const AHEAD_ROWS_PER_GROUP: u64 = 4;
/// Groups ahead of an exchange from which on it is asked whether that is worth it; fewer stay in the cache.
pub const PARTIAL_GROUPS_MAX: usize = 1 << 14;
/// Rows from which on groups that were sent tell whether that was worth it.
pub const AHEAD_SAMPLE_ROWS_MIN: u64 = 1 << 10;
/// Rows that are sent as they are before aggregating before the exchange is tried again.
pub const AHEAD_WAIT_ROWS_MIN: u64 = 1 << 20;
/// The same after it was not worth it several times in a row: four times as many each time, and so many at most.
pub const AHEAD_WAIT_ROWS_MAX: u64 = 1 << 26;
/// Rows of one group that an aggregate which must see all rows at once gets at most.
pub const REPLAY_ROWS_MAX: i64 = 50_000_000;
/// What one primitive on one event may take on a worker, in nanoseconds.
pub const EVENT_BUDGET_NS: u64 = 500;
/// What the steps of one graph may take before the next graph of the same worker has its turn, in nanoseconds.
pub const STEP_BUDGET_NS: u64 = 1_000_000;
/// Rows that move in a step from which on its time is always taken.
pub const MEASURED_ROWS_MIN: u64 = 64;
/// Of the steps in which fewer rows move, the time of every so manyth is taken.
pub const MEASURED_STEPS: u64 = 16;
/// What the latency lane of a core or a database may take in one turn, in nanoseconds.
pub const LATENCY_BUDGET_NS: u64 = 1_000_000;
/// What the main lane of a core may take in one turn, in nanoseconds: so long urgent work may have to wait.
pub const MAIN_BUDGET_NS: u64 = 200_000;
/// What the poll lane of a core may take in one turn, in nanoseconds.
pub const POLL_BUDGET_NS: u64 = 200_000;
/// Rows of the first piece of a task, of which nothing is known: it is to keep to a budget even if each row meets many others and begins many
/// groups. Later pieces grow and shrink with what they take.
pub const PIECE_ROWS_START: usize = 1 << 7;
/// Rows of a piece at least: fewer cost more by the step than by the row.
pub const PIECE_ROWS_MIN: usize = 1 << 6;
/// Times that a step over one batch allocates at most once its graph has seen as much before: a windowed or running aggregate of two functions by
/// one key, from source to output. None of them are per row.
pub const STEP_ALLOCATIONS_MAX: u64 = 16;
/// Turns in which a lane may be passed over because something waits in one before it.
pub const PASSED_OVER_MAX: u32 = 3;
/// Interactive threads (pushes, statements) that a working loop lets pass at most before it goes on; before that it is [`LATENCY_BUDGET_NS`] that bounds them.
pub const INTERACTIVE_PASS_MAX: u32 = 1024;
/// How long steps of a database are cut after a thread had to wait for it, in nanoseconds: one that comes less often can wait for a whole step.
pub const CONTENTION_NS: i64 = 1_000_000_000;
/// Events that may wait in one lane of a core.
pub const EVENTS_WAITING_MAX: usize = 1024;
/// Results of one output of a core that may wait for the caller to poll.
pub const RESULTS_WAITING_MAX: usize = 1024;
/// How long a core that has a timer sleeps at most before it looks at the clock again, in milliseconds.
pub const TIMER_SLEEP_MS: u64 = 50;

const _: () = assert!(PIECE_ROWS_MIN <= PIECE_ROWS_START && PIECE_ROWS_START <= STEP_ROWS_MAX, "a piece is one step");
const _: () = assert!(MAIN_BUDGET_NS <= STEP_BUDGET_NS, "a turn is no longer than what a graph may take");
const _: () = assert!(EVENT_BUDGET_NS <= STEP_BUDGET_NS, "a graph must be able to work off one event");
const _: () = assert!(BATCH_ROWS_MAX <= STEP_ROWS_MAX, "a step must be able to hold one batch");

/// Keys that are asked for at once where rows stand elsewhere.
pub const LOOKUP_KEYS_MAX: usize = 1024;
