//! What `SET` can change.

use std::path::PathBuf;

use laminar_core::limits::{
    CHECKPOINT_INTERVAL_MS, IDLE_TIMEOUT_MS, MEMORY_BYTES_MIN, PUSH_TIMEOUT_MS, QUERY_BYTES_MAX, QUERY_BYTES_MIN, SIDE_BYTES_MAX,
    SIDE_BYTES_MIN, STEP_BUDGET_NS, SUBSCRIPTION_BYTES_MAX, SUBSCRIPTION_BYTES_MIN, VIRTUAL_PARTITIONS,
};
use laminar_core::{Code, Error, Result};

/// Settings of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Wall-clock silence after which a source counts as idle, in nanoseconds; `None`: never. For sources created from then on.
    pub idle_timeout: Option<i64>,
    /// How many threads share the work; 1: the caller does it all. Can be changed at any time: state is dealt anew between two steps.
    pub workers: usize,
    /// Whether steps are cut so that others have their turn soon.
    pub step_budget: StepBudget,
    /// Bytes that the rows of one object in `<object>$late`, and those in `<object>$errors`, may take. Beyond that the oldest are forgotten, and a
    /// query over them says so.
    pub side_output_memory: usize,
    /// Bytes that one ad-hoc query may take for its work and its answer. A query that needs more fails.
    pub query_memory: usize,
    /// Bytes of changes of one object that may wait for its subscribers. A subscriber that falls further behind is told so, see
    /// [`SlowReader`](crate::SlowReader). For subscriptions from then on.
    pub subscription_memory: usize,
    /// How long a push waits for a subscriber that holds it back ([`SlowReader::Block`](crate::SlowReader::Block)) before it fails, in
    /// nanoseconds.
    pub push_timeout: i64,
    /// Until when a push or statement of a database with a directory waits.
    pub durability: Durability,
    /// How often a database with a directory makes a checkpoint, in nanoseconds, if something has happened; `None`: only when it is told to.
    pub checkpoint_interval: Option<i64>,
    /// Bytes of memory that the process may take; `None`: as many as there are. State that is more stands in a file; where that is not enough, sources
    /// wait and pushes fail. Of several databases in one process the smallest limit counts.
    pub memory_limit: Option<usize>,
    /// The directory of that file, on a disk with room; `None`: the directory of the database, or the system's for temporary files. One for a
    /// process: where the first limit put it.
    pub temp_directory: Option<PathBuf>,
    /// How the files of a database with a directory, and those of sinks, are written. Chosen when the database is opened.
    pub io_method: IoMethod,
}

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoMethod {
    /// One system call after the other.
    #[default]
    Sync,
    /// Through Linux's `io_uring`: the log and files of sinks from registered buffers, the blocks of a checkpoint synced all at once. Where the system refuses, it
    /// becomes `Sync`, with a notice.
    IoUring,
}

/// When an answer of a database with a directory may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Durability {
    /// What it says is on the disk: it survives a crash of the machine. Threads that wait share one sync.
    #[default]
    Full,
    /// It is written, and synced some milliseconds later: it survives a crash of the program; a crash of the machine takes the last milliseconds.
    Group,
    /// It is written, and the operating system decides when it comes to the disk: it survives a crash of the program.
    None,
}

/// How much of an object's history is kept for subscriptions to come: `WITH (history = …)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retention {
    pub(crate) steps: Option<usize>,
    pub(crate) bytes: Option<usize>,
    pub(crate) nanos: Option<i64>,
}

impl Retention {
    /// Whether nothing is kept that all readers have read.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// `1000 steps`, `64 MiB` or `10 minutes`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let steps = lower.strip_suffix("steps").or_else(|| lower.strip_suffix("step"));
        if let Some(steps) = steps.and_then(|number| number.trim().parse().ok()).filter(|steps| *steps > 0) {
            return Ok(Self { steps: Some(steps), ..Self::default() });
        }
        if let Ok(bytes) = size(&lower, SUBSCRIPTION_BYTES_MIN) {
            return Ok(Self { bytes: Some(bytes), ..Self::default() });
        }
        if let Ok(nanos) = duration(&lower) {
            return Ok(Self { nanos: Some(nanos), ..Self::default() });
        }
        Err(Error::new(Code::InvalidOption, format!("'{text}' is not a length of a history"))
            .with_hint("write '1000 steps', '64 MiB' (at least 64 KiB) or '10 minutes'"))
    }
}

/// Whether steps, and what is read at once, are cut so that they keep to a budget. Answers do not depend on it; how often a changing row is shown does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepBudget {
    /// While threads wait for each other, and for a second after that, to a millisecond. What one thread alone does comes out the same every time.
    #[default]
    WhileContended,
    /// Always, to so many nanoseconds.
    Always(u64),
    /// Never: each source delivers a batch, and a step is over everything.
    Never,
}

impl StepBudget {
    /// What a step may take before it counts as an overrun, in nanoseconds.
    pub(crate) fn limit_ns(self) -> u64 {
        match self {
            StepBudget::Always(limit_ns) => limit_ns,
            StepBudget::WhileContended | StepBudget::Never => STEP_BUDGET_NS,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_timeout: Some(IDLE_TIMEOUT_MS as i64 * 1_000_000),
            workers: 1,
            step_budget: StepBudget::default(),
            side_output_memory: SIDE_BYTES_MAX,
            query_memory: QUERY_BYTES_MAX,
            subscription_memory: SUBSCRIPTION_BYTES_MAX,
            push_timeout: PUSH_TIMEOUT_MS as i64 * 1_000_000,
            durability: Durability::default(),
            checkpoint_interval: Some(CHECKPOINT_INTERVAL_MS as i64 * 1_000_000),
            memory_limit: None,
            temp_directory: None,
            io_method: IoMethod::default(),
        }
    }
}

/// Every setting's name.
pub(crate) const NAMES: [&str; 12] = [
    "checkpoint_interval",
    "durability",
    "idle_timeout",
    "io_method",
    "memory_limit",
    "push_timeout",
    "query_memory",
    "side_output_memory",
    "step_budget",
    "subscription_memory",
    "temp_directory",
    "workers",
];

impl Settings {
    /// Changes one setting, as the statement SET does; `None` gives it its default.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        match name {
            "side_output_memory" => {
                self.side_output_memory = value.map_or(Ok(SIDE_BYTES_MAX), |text| size(text, SIDE_BYTES_MIN))?;
                Ok(())
            }
            "query_memory" => {
                self.query_memory = value.map_or(Ok(QUERY_BYTES_MAX), |text| size(text, QUERY_BYTES_MIN))?;
                Ok(())
            }
            "subscription_memory" => {
                self.subscription_memory = value.map_or(Ok(SUBSCRIPTION_BYTES_MAX), |text| size(text, SUBSCRIPTION_BYTES_MIN))?;
                Ok(())
            }
            "push_timeout" => {
                self.push_timeout = match value {
                    None => Self::default().push_timeout,
                    Some("0" | "off" | "0 ms") => 0,
                    Some(text) => {
                        duration(text).map_err(|error| error.with_hint("write '5 seconds', '250 ms', or '0' not to wait"))?
                    }
                };
                Ok(())
            }
            "idle_timeout" => {
                self.idle_timeout = match value {
                    None => Self::default().idle_timeout,
                    Some("never" | "off" | "0") => None,
                    Some(text) => Some(duration(text)?),
                };
                Ok(())
            }
            "step_budget" => {
                self.step_budget = value.map_or(Ok(StepBudget::default()), step_budget)?;
                Ok(())
            }
            "durability" => {
                self.durability = value.map_or(Ok(Durability::default()), durability)?;
                Ok(())
            }
            "checkpoint_interval" => {
                self.checkpoint_interval = match value {
                    None => Self::default().checkpoint_interval,
                    Some("never" | "off" | "0") => None,
                    Some(text) => Some(duration(text)?),
                };
                Ok(())
            }
            "memory_limit" => {
                self.memory_limit = match value {
                    None | Some("none" | "off") => None,
                    Some(text) => Some(size(text, MEMORY_BYTES_MIN)?),
                };
                Ok(())
            }
            "temp_directory" => {
                self.temp_directory = value.map(PathBuf::from);
                Ok(())
            }
            "io_method" => {
                self.io_method = value.map_or(Ok(IoMethod::default()), io_method)?;
                Ok(())
            }
            "workers" => {
                self.workers = value.map_or(Ok(Self::default().workers), workers)?;
                Ok(())
            }
            other => {
                let error = Error::new(Code::UnknownOption, format!("there is no setting '{other}'"));
                Err(error.with_hint(format!("the settings are: {}", NAMES.join(", "))))
            }
        }
    }

    /// A setting as text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match name {
            "side_output_memory" => Some(size_text(self.side_output_memory)),
            "query_memory" => Some(size_text(self.query_memory)),
            "subscription_memory" => Some(size_text(self.subscription_memory)),
            "push_timeout" => Some(format!("{} ms", self.push_timeout / 1_000_000)),
            "idle_timeout" => Some(match self.idle_timeout {
                Some(nanos) => format!("{} ms", nanos / 1_000_000),
                None => "never".to_owned(),
            }),
            "step_budget" => Some(match self.step_budget {
                StepBudget::WhileContended => "auto".to_owned(),
                StepBudget::Always(nanos) if nanos.is_multiple_of(1_000_000) => format!("{} ms", nanos / 1_000_000),
                StepBudget::Always(nanos) => format!("{} us", nanos / 1_000),
                StepBudget::Never => "off".to_owned(),
            }),
            "durability" => Some(self.durability.as_str().to_owned()),
            "checkpoint_interval" => Some(match self.checkpoint_interval {
                Some(nanos) => format!("{} ms", nanos / 1_000_000),
                None => "never".to_owned(),
            }),
            "memory_limit" => Some(self.memory_limit.map_or("none".to_owned(), size_text)),
            "temp_directory" => {
                Some(self.temp_directory.as_ref().map_or("default".to_owned(), |path| path.display().to_string()))
            }
            "io_method" => Some(self.io_method.as_str().to_owned()),
            "workers" => Some(self.workers.to_string()),
            _ => None,
        }
    }
}

/// `64 MiB`, `64MB`, `1 GiB`, `1 TiB` or a number of bytes, at least `least`. As in PostgreSQL, kB, MB and GB are powers of 1024 too.
fn size(text: &str, least: usize) -> Result<usize> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1_usize << 30),
        "t" | "tb" | "tib" => Some(1_usize << 40),
        _ => None,
    };
    let bytes = text[..digits].parse::<usize>().ok().zip(unit).and_then(|(amount, unit)| amount.checked_mul(unit));
    bytes.filter(|bytes| *bytes >= least).ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("'{text}' is not a size of at least {}", size_text(least)))
            .with_hint("write a number of bytes, or one with a unit: '64 MiB', '2 GiB'")
    })
}

/// A size in the largest unit in which it is a whole number.
pub(crate) fn size_text(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// A number of workers that there can be.
fn workers(text: &str) -> Result<usize> {
    let number = text.trim().parse().ok().filter(|number| (1..=VIRTUAL_PARTITIONS).contains(number));
    number.ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("'{text}' is not a number of workers"))
            .with_hint(format!("write a number from 1 (the caller's thread does all the work) to {VIRTUAL_PARTITIONS}"))
    })
}

impl Durability {
    const ALL: [Durability; 3] = [Durability::Full, Durability::Group, Durability::None];

    fn as_str(self) -> &'static str {
        match self {
            Durability::Full => "full",
            Durability::Group => "group",
            Durability::None => "none",
        }
    }
}

fn durability(text: &str) -> Result<Durability> {
    let found = Durability::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("there is no durability '{text}'"))
            .with_hint("write 'full' (an answer waits for the disk), 'group' (synced some milliseconds later) or 'none'")
    })
}

impl IoMethod {
    const ALL: [IoMethod; 2] = [IoMethod::Sync, IoMethod::IoUring];

    fn as_str(self) -> &'static str {
        match self {
            IoMethod::IoUring => "io_uring",
            IoMethod::Sync => "sync",
        }
    }
}

fn io_method(text: &str) -> Result<IoMethod> {
    let found = IoMethod::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("there is no io_method '{text}'"))
            .with_hint("write 'sync' (one system call after the other) or 'io_uring' (through Linux's rings)")
    })
}

/// When steps keep to a budget, and to which.
fn step_budget(text: &str) -> Result<StepBudget> {
    match text.trim().to_lowercase().as_str() {
        "auto" => Ok(StepBudget::WhileContended),
        "off" | "never" => Ok(StepBudget::Never),
        length => {
            match duration(length) {
                Ok(nanos) => Ok(StepBudget::Always(nanos.unsigned_abs())),
                Err(error) => Err(error
                    .with_hint("write a length such as '1 ms' or '500 us', 'auto' (while threads wait for each other) or 'off'")),
            }
        }
    }
}

/// `5s`, `5 seconds`, `250 ms`, `1 minute` as nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim().to_lowercase().trim_end_matches('s') {
        "m" if text.trim_end().ends_with("ms") => Some(1_000_000),
        "millisecond" => Some(1_000_000),
        "u" if text.trim_end().ends_with("us") => Some(1_000),
        "microsecond" => Some(1_000),
        "" if text.ends_with('s') => Some(1_000_000_000),
        "sec" | "second" => Some(1_000_000_000_i64),
        "m" | "min" | "minute" => Some(60_000_000_000),
        "h" | "hour" => Some(3_600_000_000_000),
        _ => None,
    };
    let amount = text[..digits].parse::<i64>().ok();
    amount.zip(unit).and_then(|(amount, unit)| amount.checked_mul(unit)).filter(|nanos| *nanos > 0).ok_or_else(|| {
        Error::new(Code::InvalidOption, format!("'{text}' is not a length of time"))
            .with_hint("write '5 seconds', '250 ms' or 'never'")
    })
}

#[cfg(test)]
mod tests {
    use super::{Retention, Settings, duration, size};

    #[test]
    fn the_length_of_a_history_is_a_number_of_steps_a_size_or_a_time() {
        let of = |text: &str| Retention::parse(text).map(|kept| (kept.steps, kept.bytes, kept.nanos));
        assert_eq!(of("1000 steps"), Ok((Some(1000), None, None)));
        assert_eq!(of("1 step"), Ok((Some(1), None, None)));
        assert_eq!(of("64 MiB"), Ok((None, Some(64 << 20), None)));
        assert_eq!(of("10 minutes"), Ok((None, None, Some(600_000_000_000))));
        for text in ["", "steps", "0 steps", "much", "1 KiB", "-1 steps"] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_setting_is_shown_as_it_is_set() {
        for (name, value) in [
            ("step_budget", "2 ms"),
            ("step_budget", "1500 us"),
            ("step_budget", "auto"),
            ("step_budget", "off"),
            ("idle_timeout", "250 ms"),
            ("idle_timeout", "never"),
            ("workers", "3"),
            ("side_output_memory", "64 KiB"),
            ("side_output_memory", "100001 B"),
            ("query_memory", "3 GiB"),
            ("subscription_memory", "1 MiB"),
            ("push_timeout", "250 ms"),
            ("push_timeout", "0 ms"),
            ("durability", "group"),
            ("durability", "full"),
            ("checkpoint_interval", "1500 ms"),
            ("checkpoint_interval", "never"),
        ] {
            let mut settings = Settings::default();
            settings.set(name, Some(value)).unwrap();
            assert_eq!(settings.get(name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn sizes_are_read_in_the_usual_forms() {
        for (text, bytes) in [
            ("64 MiB", 64 << 20),
            ("64MB", 64 << 20),
            ("2g", 2 << 30),
            ("70000", 70_000),
            ("80 kB", 80 << 10),
            ("70000 bytes", 70_000),
        ] {
            assert_eq!(size(text, 1 << 16), Ok(bytes), "{text}");
        }
        for text in ["", "much", "1 KiB", "-1 MiB", "0", "1.5 GiB", "99999999999999999999", "99999999999 GiB", "64 XiB"] {
            assert!(size(text, 1 << 16).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_in_the_usual_forms() {
        for (text, nanos) in [
            ("5s", 5_000_000_000),
            ("5 seconds", 5_000_000_000),
            ("250 ms", 250_000_000),
            ("250ms", 250_000_000),
            ("500 us", 500_000),
            ("20 microseconds", 20_000),
            ("1 minute", 60_000_000_000),
            ("2 hours", 7_200_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
        assert!(duration("soon").is_err() && duration("5").is_err() && duration("0 s").is_err());
    }
}
