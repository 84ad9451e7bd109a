//! How rings and their buffers are made.

use crate::{Code, Error, Result};

/// What a page of memory has at least; devices that are written past the system's cache want buffers of whole ones.
pub(super) const PAGE_BYTES: usize = 4096;
/// What the kernel takes at most.
const ENTRIES_MAX: u32 = 32_768;
/// What the kernel registers at most.
const BUFFERS_MAX: u16 = 16_384;
/// One write is at most so long.
const BUFFER_BYTES_MAX: usize = 1 << 30;

/// How a ring is told of work, and how it learns of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RingMode {
    /// A system call hands work over; the device interrupts when it is done.
    #[default]
    Standard,
    /// A thread of the kernel looks for work: no system call while it is awake.
    SqPoll,
    /// The device is asked whether it is done. For files opened with `O_DIRECT` on devices that have queues to poll; others refuse each write.
    IoPoll,
    /// Both.
    SqPollIoPoll,
}

impl RingMode {
    pub(super) fn new(polls_submissions: bool, polls_devices: bool) -> Self {
        match (polls_submissions, polls_devices) {
            (false, false) => RingMode::Standard,
            (true, false) => RingMode::SqPoll,
            (false, true) => RingMode::IoPoll,
            (true, true) => RingMode::SqPollIoPoll,
        }
    }

    /// Whether a thread of the kernel looks for work.
    pub fn polls_submissions(self) -> bool {
        matches!(self, RingMode::SqPoll | RingMode::SqPollIoPoll)
    }

    /// Whether the device is asked instead of interrupting.
    pub fn polls_devices(self) -> bool {
        matches!(self, RingMode::IoPoll | RingMode::SqPollIoPoll)
    }
}

/// How rings and their buffers are made.
///
/// ```
/// use laminar_core::io_uring::{IoUringConfig, RingMode};
///
/// # fn main() -> laminar_core::Result<()> {
/// let config = IoUringConfig::builder().ring_entries(256).buffer_size(64 << 10).buffer_count(16).build()?;
/// assert_eq!((config.mode(), config.buffer_bytes()), (RingMode::Standard, 1 << 20));
///
/// let config = IoUringConfig::builder().enable_sqpoll(1_000).sqpoll_cpu(0).build()?;
/// assert_eq!(config.mode(), RingMode::SqPoll);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoUringConfig {
    pub(super) ring_entries: u32,
    pub(super) sqpoll_idle_ms: Option<u32>,
    pub(super) sqpoll_cpu: Option<u32>,
    pub(super) polls_devices: bool,
    pub(super) buffer_size: usize,
    pub(super) buffer_count: u16,
}

impl IoUringConfig {
    /// 64 entries, 8 buffers of 64 KiB: little enough for the locked memory that an ordinary user may have.
    pub const STANDARD: IoUringConfig = IoUringConfig {
        ring_entries: 64,
        sqpoll_idle_ms: None,
        sqpoll_cpu: None,
        polls_devices: false,
        buffer_size: 64 << 10,
        buffer_count: 8,
    };

    /// Begins with [`STANDARD`](Self::STANDARD).
    pub fn builder() -> IoUringConfigBuilder {
        IoUringConfigBuilder(Self::STANDARD)
    }

    /// How many requests a ring takes at a time.
    pub fn ring_entries(&self) -> u32 {
        self.ring_entries
    }

    /// The mode that the settings make together.
    pub fn mode(&self) -> RingMode {
        RingMode::new(self.sqpoll_idle_ms.is_some(), self.polls_devices)
    }

    /// Bytes of all buffers.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_size * usize::from(self.buffer_count)
    }
}

impl Default for IoUringConfig {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Makes an [`IoUringConfig`].
#[derive(Debug, Clone)]
pub struct IoUringConfigBuilder(IoUringConfig);

impl IoUringConfigBuilder {
    /// How many requests a ring takes at a time, from 1 to 32,768; the kernel takes the next power of two.
    #[must_use]
    pub fn ring_entries(mut self, entries: u32) -> Self {
        self.0.ring_entries = entries;
        self
    }

    /// Lets a thread of the kernel look for work, which sleeps after so many milliseconds without any.
    #[must_use]
    pub fn enable_sqpoll(mut self, idle_ms: u32) -> Self {
        self.0.sqpoll_idle_ms = Some(idle_ms);
        self
    }

    /// The processor of that thread.
    #[must_use]
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        self.0.sqpoll_cpu = Some(cpu);
        self
    }

    /// Asks devices whether they are done, see [`RingMode::IoPoll`].
    #[must_use]
    pub fn enable_iopoll(mut self) -> Self {
        self.0.polls_devices = true;
        self
    }

    /// Bytes of a buffer: a multiple of 4096.
    #[must_use]
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.0.buffer_size = bytes;
        self
    }

    /// How many buffers there are, from 1 to 16,384.
    #[must_use]
    pub fn buffer_count(mut self, count: u16) -> Self {
        self.0.buffer_count = count;
        self
    }

    /// The configuration, or which part of it cannot be.
    pub fn build(self) -> Result<IoUringConfig> {
        let config = self.0;
        let refused = |text: String, hint: &str| Err(Error::new(Code::InvalidOption, text).with_hint(hint));
        if !(1..=ENTRIES_MAX).contains(&config.ring_entries) {
            return refused(format!("a ring cannot have {} entries", config.ring_entries), "ask for 1 to 32768");
        }
        let is_whole = config.buffer_size.is_multiple_of(PAGE_BYTES) && config.buffer_size <= BUFFER_BYTES_MAX;
        if config.buffer_size == 0 || !is_whole {
            let text = format!("a buffer cannot have {} bytes", config.buffer_size);
            return refused(text, "ask for a multiple of 4096, at most 1 GiB");
        }
        if !(1..=BUFFERS_MAX).contains(&config.buffer_count) {
            return refused(format!("there cannot be {} buffers", config.buffer_count), "ask for 1 to 16384");
        }
        if config.sqpoll_cpu.is_some() && config.sqpoll_idle_ms.is_none() {
            let text = "sqpoll_cpu is the processor of a thread that is not asked for".to_owned();
            return refused(text, "add enable_sqpoll(milliseconds)");
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        let builder = IoUringConfig::builder;
        for (builder, expected) in [
            (builder().ring_entries(0), "LDB-1006: a ring cannot have 0 entries; hint: ask for 1 to 32768"),
            (builder().ring_entries(32_769), "LDB-1006: a ring cannot have 32769 entries"),
            (builder().buffer_size(0), "LDB-1006: a buffer cannot have 0 bytes; hint: ask for a multiple of 4096"),
            (builder().buffer_size(5000), "LDB-1006: a buffer cannot have 5000 bytes"),
            (builder().buffer_count(0), "LDB-1006: there cannot be 0 buffers"),
            (builder().buffer_count(20_000), "LDB-1006: there cannot be 20000 buffers"),
            (
                builder().sqpoll_cpu(1),
                "LDB-1006: sqpoll_cpu is the processor of a thread that is not asked for; hint: add enable_sqpoll(",
            ),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_mode_is_what_is_enabled() {
        let mode = |builder: IoUringConfigBuilder| builder.build().unwrap().mode();
        assert_eq!(mode(IoUringConfig::builder()), RingMode::Standard);
        assert_eq!(mode(IoUringConfig::builder().enable_sqpoll(10)), RingMode::SqPoll);
        assert_eq!(mode(IoUringConfig::builder().enable_iopoll()), RingMode::IoPoll);
        assert_eq!(mode(IoUringConfig::builder().enable_iopoll().enable_sqpoll(10)), RingMode::SqPollIoPoll);
    }
}
