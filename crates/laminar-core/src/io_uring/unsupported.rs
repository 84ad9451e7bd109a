//! Where the system has no `io_uring`: a ring cannot be made, so there is none to be used.

use std::convert::Infallible;
use std::fs::File;
use std::io;

use super::buffers::RegisteredBufferPool;
use super::config::{IoUringConfig, RingMode};

/// The number of an open file.
pub type RawFd = std::ffi::c_int;

#[derive(Debug, Clone, Copy)]
pub(super) enum Operation<'a> {
    Write { file: RawFd, bytes: &'a [u8], offset: u64, buffer: Option<u16> },
    Sync { file: RawFd, after_all: bool },
}

#[derive(Debug)]
pub(super) struct Ring(Infallible);

impl Ring {
    pub(super) fn new(_entries: u32, _mode: RingMode, _config: &IoUringConfig) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has it"))
    }

    pub(super) fn register(&mut self, _pool: &RegisteredBufferPool) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn knows_buffers(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn in_flight(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn capacity(&self) -> usize {
        match self.0 {}
    }

    #[expect(unsafe_code, reason = "as on Linux")]
    pub(super) unsafe fn push(&mut self, _operation: Operation<'_>, _token: u64) -> bool {
        match self.0 {}
    }

    pub(super) fn submit(&mut self) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn submit_and_wait(&mut self, _count: usize) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn pop(&mut self) -> Option<(u64, io::Result<usize>)> {
        match self.0 {}
    }
}

/// No ring asks for it.
pub(super) fn was_not_done(_error: &io::Error) -> bool {
    false
}

/// No ring asks for it.
pub(super) fn write_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No ring asks for it.
pub(super) fn is_append_only(_file: &File) -> bool {
    false
}

/// No ring asks for it.
pub(super) fn number_of(_file: &File) -> RawFd {
    -1
}
