//! The rings of one thread, and their buffers.

use std::io;

use super::buffers::RegisteredBufferPool;
use super::config::{IoUringConfig, RingMode};
use super::refused;
use super::system::{Operation, RawFd, Ring};
use crate::{Code, Error, Result};

/// The rings of a thread, in the order in which they are handed over and drained: what is waited for comes before what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RingClass {
    /// Short requests that something waits for. Always [`RingMode::Standard`].
    Latency,
    /// Everything else; with `enable_sqpoll` a thread of the kernel looks at it.
    Main,
    /// Writes to devices that are asked whether they are done. There with `enable_iopoll` only.
    Poll,
}

impl RingClass {
    const ALL: [RingClass; 3] = [RingClass::Latency, RingClass::Main, RingClass::Poll];
}

/// What a completion is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Of bytes from the buffer of that number, which is its holder's again.
    Write(u16),
    /// Of a file's bytes, to the disk.
    Sync,
}

/// What came of a request.
#[derive(Debug)]
pub struct Completion {
    /// What submitting it has returned.
    pub id: u64,
    /// The ring it went through.
    pub ring: RingClass,
    /// What it was.
    pub request: Request,
    /// The bytes that were written (perhaps fewer than asked for, as with any write; 0 of a sync), or the error.
    pub result: io::Result<usize>,
}

/// Bits of an id that say what the request was: the buffer's number, and whether there is one.
const REQUEST_BITS: u32 = 17;
const HAS_BUFFER: u64 = 1 << 16;

/// The rings of one thread: one for what is waited for, one for the rest, and one for devices that are polled; and the buffers from which they write.
///
/// ```
/// use std::os::fd::AsRawFd;
///
/// use laminar_core::io_uring::{CoreRingManager, IoUringConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if laminar_core::io_uring::probe().is_err() { return Ok(()) }
/// # let path = std::env::temp_dir().join(format!("laminar-ring-{}", std::process::id()));
/// let file = std::fs::File::create(&path)?;
/// let config = IoUringConfig::builder().ring_entries(64).buffer_size(4096).buffer_count(8).build()?;
/// let mut rings = CoreRingManager::new(0, &config)?;
///
/// let (index, buffer) = rings.acquire_buffer()?;
/// buffer[..5].copy_from_slice(b"hello");
/// rings.submit_write(file.as_raw_fd(), index, 0, 5)?;
/// rings.submit_sync(file.as_raw_fd())?;
/// rings.submit()?;
///
/// let mut completed = 0;
/// while completed < 2 {
///     for completion in rings.poll_completions()? {
///         completion.result?;
///         completed += 1;
///     }
/// }
/// rings.release_buffer(index)?;
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CoreRingManager {
    core: usize,
    // Before the buffers: a ring waits for its writes when it is dropped.
    latency: Option<Ring>,
    main: Option<Ring>,
    poll: Option<Ring>,
    pool: RegisteredBufferPool,
    requests: u64,
}

impl CoreRingManager {
    /// The rings of the thread on core `core`, which calls this, so that the buffers lie near it. Fails if the system refuses. Where it only has no locked
    /// memory for the buffers, writes look for their pages each time: see [`knows_buffers`](Self::knows_buffers).
    pub fn new(core: usize, config: &IoUringConfig) -> Result<Self> {
        let classes: &[RingClass] = if config.polls_devices { &RingClass::ALL } else { &[RingClass::Latency, RingClass::Main] };
        Self::with_rings(core, config, classes)
    }

    /// The same with some of the rings.
    pub(super) fn with_rings(core: usize, config: &IoUringConfig, classes: &[RingClass]) -> Result<Self> {
        let pool = RegisteredBufferPool::new(config)?;
        let make = |class: RingClass| -> Result<Option<Ring>> {
            if !classes.contains(&class) {
                return Ok(None);
            }
            let mode = match class {
                RingClass::Latency => RingMode::Standard,
                RingClass::Main => RingMode::new(config.mode().polls_submissions(), false),
                RingClass::Poll => config.mode(),
            };
            let mut ring = Ring::new(config.ring_entries, mode, config).map_err(|error| refused(&error))?;
            let _ = ring.register(&pool);
            Ok(Some(ring))
        };
        let (latency, main, poll) = (make(RingClass::Latency)?, make(RingClass::Main)?, make(RingClass::Poll)?);
        Ok(Self { core, latency, main, poll, pool, requests: 0 })
    }

    /// The core it was made for.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Whether the kernel knows the buffers beforehand.
    pub fn knows_buffers(&self) -> bool {
        self.rings_ref().all(Ring::knows_buffers)
    }

    /// A buffer to fill, and its number; see [`RegisteredBufferPool::acquire_buffer`].
    pub fn acquire_buffer(&mut self) -> Result<(u16, &mut [u8])> {
        self.pool.acquire_buffer()
    }

    /// The bytes of a buffer that has been acquired and is not being written out.
    pub fn buffer_mut(&mut self, index: u16) -> Result<&mut [u8]> {
        self.pool.buffer_mut(index)
    }

    /// Gives a buffer back, once what was submitted from it has completed.
    pub fn release_buffer(&mut self, index: u16) -> Result<()> {
        self.pool.release_buffer(index)
    }

    /// How many buffers can be acquired.
    pub fn available_buffers(&self) -> usize {
        self.pool.available()
    }

    /// Queues a write of the first `len` bytes of buffer `index` at `offset` of the file, and returns its id. It goes to the poll ring if there is one, else
    /// to the main ring. The file has to stay open until it has completed: with a thread of the kernel that looks for work, it is looked up late. With too many in flight ([`Code::LimitReached`]) completions have to be polled first.
    pub fn submit_write(&mut self, file: RawFd, index: u16, offset: u64, len: usize) -> Result<u64> {
        let ring = if self.poll.is_some() { RingClass::Poll } else { RingClass::Main };
        self.submit_write_on(ring, file, index, offset, 0..len)
    }

    /// The same through the ring that is named, of these bytes of the buffer.
    pub fn submit_write_on(
        &mut self,
        ring: RingClass,
        file: RawFd,
        index: u16,
        offset: u64,
        range: std::ops::Range<usize>,
    ) -> Result<u64> {
        let id = self.next_id(HAS_BUFFER | u64::from(index));
        let queue = ring_of(ring, &mut self.latency, &mut self.main, &mut self.poll)?;
        let bytes = self.pool.hand_over(index, range.start, range.len())?;
        let operation = Operation::Write { file, bytes, offset, buffer: Some(index) };
        // SAFETY: the buffer is the kernel's until its completion is popped, and the rings are dropped before the pool.
        #[expect(unsafe_code, reason = "the kernel reads the buffer later")]
        let pushed = unsafe { queue.push(operation, id) };
        if pushed {
            return Ok(id);
        }
        self.pool.take_back(index);
        Err(too_many())
    }

    /// Queues an `fdatasync` after everything that was queued on the main ring before, and returns its id. Fails while writes of other rings are in
    /// flight: what those have written would not be in it.
    pub fn submit_sync(&mut self, file: RawFd) -> Result<u64> {
        let others = self.in_flight() - self.main.as_ref().map_or(0, Ring::in_flight);
        if others > 0 {
            let text = format!("{others} requests of other rings are in flight, which a sync of the main ring does not wait for");
            return Err(Error::new(Code::InvalidOption, text).with_hint("poll their completions first"));
        }
        let id = self.next_id(0);
        let main = ring_of(RingClass::Main, &mut self.latency, &mut self.main, &mut self.poll)?;
        // SAFETY: a sync has no bytes.
        #[expect(unsafe_code, reason = "pushing is unsafe for what it writes")]
        let pushed = unsafe { main.push(Operation::Sync { file, after_all: true }, id) };
        if pushed { Ok(id) } else { Err(too_many()) }
    }

    /// Hands over what has been queued, and returns how many requests that were.
    pub fn submit(&mut self) -> Result<usize> {
        let mut submitted = 0;
        for ring in self.rings() {
            submitted += ring.submit().map_err(failed)?;
        }
        Ok(submitted)
    }

    /// What has completed, without waiting: first of the latency ring, then of the main ring, then of the poll ring.
    pub fn poll_completions(&mut self) -> Result<Vec<Completion>> {
        if let Some(poll) = &mut self.poll {
            // The device is asked by this, not by looking.
            poll.submit().map_err(failed)?;
        }
        let mut completions = Vec::new();
        for class in RingClass::ALL {
            while let Ok(ring) = ring_of(class, &mut self.latency, &mut self.main, &mut self.poll)
                && let Some((id, result)) = ring.pop()
            {
                let request = if id & HAS_BUFFER == 0 { Request::Sync } else { Request::Write(id as u16) };
                if let Request::Write(index) = request {
                    self.pool.take_back(index);
                }
                completions.push(Completion { id, ring: class, request, result });
            }
        }
        Ok(completions)
    }

    /// Hands over what has been queued, and waits until something of it has completed, if anything is in flight.
    pub fn wait(&mut self) -> Result<Vec<Completion>> {
        self.submit()?;
        let completions = self.poll_completions()?;
        if !completions.is_empty() {
            return Ok(completions);
        }
        if let Some(ring) = self.rings().find(|ring| ring.in_flight() > 0) {
            ring.submit_and_wait(1).map_err(failed)?;
        }
        self.poll_completions()
    }

    /// How many requests have been queued and not been polled.
    pub fn in_flight(&self) -> usize {
        self.rings_ref().map(Ring::in_flight).sum()
    }

    /// How many of them each ring takes.
    pub fn capacity(&self) -> usize {
        self.rings_ref().map(Ring::capacity).min().unwrap_or_default()
    }

    fn rings(&mut self) -> impl Iterator<Item = &mut Ring> {
        [&mut self.latency, &mut self.main, &mut self.poll].into_iter().flatten()
    }

    fn rings_ref(&self) -> impl Iterator<Item = &Ring> {
        [&self.latency, &self.main, &self.poll].into_iter().flatten()
    }

    fn next_id(&mut self, request: u64) -> u64 {
        self.requests += 1;
        self.requests << REQUEST_BITS | request
    }
}

/// Not of all of `self`, whose buffers are borrowed beside it.
fn ring_of<'a>(
    class: RingClass,
    latency: &'a mut Option<Ring>,
    main: &'a mut Option<Ring>,
    poll: &'a mut Option<Ring>,
) -> Result<&'a mut Ring> {
    let ring = match class {
        RingClass::Latency => latency,
        RingClass::Main => main,
        RingClass::Poll => poll,
    };
    ring.as_mut().ok_or_else(|| {
        let hint = "build the configuration with enable_iopoll()";
        Error::new(Code::InvalidOption, "there is no ring for devices that are polled").with_hint(hint)
    })
}

fn too_many() -> Error {
    Error::new(Code::LimitReached, "the ring is full of requests that have not completed")
        .with_hint("submit, and poll completions")
}

fn failed(error: io::Error) -> Error {
    Error::new(Code::Io, format!("io_uring failed: {error}"))
}
