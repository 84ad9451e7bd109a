//! One ring of the kernel.

#![expect(unsafe_code, reason = "the kernel is handed addresses, which it reads later")]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use ::io_uring::types::{Fd, FsyncFlags};
use ::io_uring::{IoUring, opcode, squeue};

use super::buffers::RegisteredBufferPool;
use super::config::{IoUringConfig, RingMode};

pub use std::os::fd::RawFd;

/// What a ring does with a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    /// Writes bytes, which lie in the registered buffer of that number, if it has one.
    Write { file: RawFd, bytes: &'a [u8], offset: u64, buffer: Option<u16> },
    /// Makes the file's bytes last: `fdatasync`, once everything has completed that was pushed before, if `after_all`.
    Sync { file: RawFd, after_all: bool },
}

/// A queue of requests to the kernel, and one of what came of them.
pub(super) struct Ring {
    ring: IoUring,
    /// Pushed, and not popped yet.
    in_flight: usize,
    /// So many are in flight at most: their completions have room.
    capacity: usize,
    knows_buffers: bool,
}

impl Ring {
    /// A ring that takes `entries` requests at a time.
    pub(super) fn new(entries: u32, mode: RingMode, config: &IoUringConfig) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        if mode.polls_submissions() {
            builder.setup_sqpoll(config.sqpoll_idle_ms.unwrap_or_default());
            if let Some(cpu) = config.sqpoll_cpu {
                builder.setup_sqpoll_cpu(cpu);
            }
        }
        if mode.polls_devices() {
            builder.setup_iopoll();
        }
        let ring = builder.build(entries)?;
        let capacity = ring.params().sq_entries() as usize;
        Ok(Self { ring, in_flight: 0, capacity, knows_buffers: false })
    }

    /// Makes the buffers of `pool` known to the kernel, which keeps their pages as long as the ring exists. Fails where locked memory is short; writes
    /// from them work all the same.
    pub(super) fn register(&mut self, pool: &RegisteredBufferPool) -> io::Result<()> {
        let buffers: Vec<libc::iovec> =
            pool.all().map(|bytes| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }).collect();
        // SAFETY: the addresses are those of memory that is mapped now. The kernel takes hold of its pages, so what becomes of the mapping later does
        // not matter to it.
        unsafe { self.ring.submitter().register_buffers(&buffers) }?;
        self.knows_buffers = true;
        Ok(())
    }

    pub(super) fn knows_buffers(&self) -> bool {
        self.knows_buffers
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many requests can be in flight.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Queues a request, which [`submit`](Self::submit) hands over; its completion bears `token`. False: too many are in flight.
    ///
    /// # Safety
    ///
    /// The bytes of a write stay where they are, and unchanged, until its completion has been popped or the ring is dropped.
    pub(super) unsafe fn push(&mut self, operation: Operation<'_>, token: u64) -> bool {
        if self.in_flight == self.capacity {
            return false;
        }
        let entry = self.entry(operation).user_data(token);
        // SAFETY: the caller keeps the bytes; a file that is not open is an error of the kernel's.
        let pushed = unsafe { self.ring.submission().push(&entry) }.is_ok();
        self.in_flight += usize::from(pushed);
        pushed
    }

    fn entry(&self, operation: Operation<'_>) -> squeue::Entry {
        match operation {
            Operation::Write { file, bytes, offset, buffer: Some(buffer) } if self.knows_buffers => {
                opcode::WriteFixed::new(Fd(file), bytes.as_ptr(), length(bytes), buffer).offset(offset).build()
            }
            Operation::Write { file, bytes, offset, .. } => {
                opcode::Write::new(Fd(file), bytes.as_ptr(), length(bytes)).offset(offset).build()
            }
            Operation::Sync { file, after_all } => {
                let entry = opcode::Fsync::new(Fd(file)).flags(FsyncFlags::DATASYNC).build();
                if after_all { entry.flags(squeue::Flags::IO_DRAIN) } else { entry }
            }
        }
    }

    /// Hands over what has been pushed.
    pub(super) fn submit(&mut self) -> io::Result<usize> {
        self.submit_and_wait(0)
    }

    /// Hands over what has been pushed, and waits until `count` completions can be popped.
    pub(super) fn submit_and_wait(&mut self, count: usize) -> io::Result<usize> {
        loop {
            match self.ring.submit_and_wait(count) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN)) => {}
                other => return other,
            }
        }
    }

    /// What has completed: the token of the request, and the number of bytes or the error.
    pub(super) fn pop(&mut self) -> Option<(u64, io::Result<usize>)> {
        let completed = self.ring.completion().next()?;
        self.in_flight -= 1;
        Some((completed.user_data(), outcome(completed.result())))
    }
}

impl Drop for Ring {
    /// Waits for what is in flight: its bytes are given back after this.
    fn drop(&mut self) {
        while self.in_flight > 0 {
            if self.submit_and_wait(1).is_err() {
                break;
            }
            while self.pop().is_some() {}
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("in_flight", &self.in_flight).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// The number by which the kernel knows an open file.
pub(super) fn number_of(file: &File) -> RawFd {
    file.as_raw_fd()
}

/// Whether the kernel has given a request up before it did anything, which says nothing of the file: it was interrupted, or there is no thread of the kernel's to do it.
pub(super) fn was_not_done(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ECANCELED))
}

/// Writes some of the bytes by a system call.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.write_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether the system puts every write at the file's end, whatever place it is told: several in flight would come in any order.
pub(super) fn is_append_only(file: &File) -> bool {
    // SAFETY: the file is open, and asking for its flags touches no memory.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_APPEND != 0
}

/// A write is cut where it does not fit into what a request can say.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX & !0xfff)
}

fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
