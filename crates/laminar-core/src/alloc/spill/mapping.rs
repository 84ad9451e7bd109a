//! A file without a name, and the addresses at which it stands.

#![expect(unsafe_code, reason = "pages are had and put out by system calls on raw addresses")]

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;

use super::slabs::{UNIT, UnitEntry};
use crate::{Code, Error, Result};

/// Addresses that are tried, from the most down: a process may not be given that many.
const RESERVED: [usize; 4] = [1 << 38, 1 << 36, 1 << 34, 1 << 32];
/// By how much the file grows at once.
const GROWTH: u64 = 32 << 20;
/// Room on the disk that is left to others: the log of a database may stand there.
const LEFT: u64 = 256 << 20;
/// What `statfs` says of file systems that are memory themselves.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// And of those that cannot promise room, since they copy what is overwritten or ask a server.
const WITHOUT_PROMISE: [u64; 3] = [0x9123_683e, 0x2fc1_2fc1, 0x6969];

/// The file, mapped for the life of the process.
#[derive(Debug)]
pub(super) struct Mapping {
    file: File,
    pub(super) base: NonNull<u8>,
    pub(super) entries: NonNull<UnitEntry>,
    /// Units that there are addresses for.
    units: u32,
}

// SAFETY: the addresses mean the same on every thread, and this type reads and writes nothing behind them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Makes the file in `directory`, which must not be memory itself.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let failed = |error: &std::io::Error| {
            Error::new(Code::Io, format!("state cannot be put out to '{}': {error}", directory.display()))
                .with_hint("SET temp_directory names a directory on a disk with room, before memory_limit is set")
        };
        let file = nameless(directory).map_err(|error| failed(&error))?;
        let kind = about(&file).map_or(0, |about| about.f_type as u64);
        if IN_MEMORY.contains(&kind) {
            return Err(failed(&std::io::Error::other("it is in memory itself (tmpfs)")));
        }
        if WITHOUT_PROMISE.contains(&kind) {
            let text = "its file system (btrfs, ZFS or NFS) cannot promise room for what is overwritten";
            return Err(failed(&std::io::Error::other(text)));
        }
        let mapped = |bytes: &usize| {
            let entries = map(None, bytes / UNIT * size_of::<UnitEntry>())?.cast::<UnitEntry>();
            let Some(base) = map(Some(&file), *bytes) else {
                unmap(entries, bytes / UNIT * size_of::<UnitEntry>());
                return None;
            };
            Some((base, entries, *bytes))
        };
        let found = RESERVED.iter().find_map(mapped);
        let (base, entries, bytes) = found.ok_or_else(|| failed(&std::io::Error::last_os_error()))?;
        let units = bytes / UNIT;
        // SAFETY: the pages are ours. A child process would share, and spoil, what we write; core dumps need not hold it.
        unsafe {
            libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTFORK);
            libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTDUMP);
        }
        Ok(Self { file, base, entries, units: units as u32 })
    }

    /// Units that there are addresses for.
    pub(super) fn units(&self) -> u32 {
        self.units
    }

    /// Gives the file room on the disk from `from` bytes to at least `to`, so that no write can fail later. Where it ends now; `None`: there is
    /// no room.
    pub(super) fn grow(&self, from: u64, to: u64) -> Option<u64> {
        let end = to.next_multiple_of(GROWTH);
        let room = about(&self.file).map_or(u64::MAX, |about| about.f_bavail.saturating_mul(about.f_bsize.unsigned_abs()));
        if room < (end - from).saturating_add(LEFT) {
            return None;
        }
        loop {
            // SAFETY: the descriptor is open.
            match unsafe { libc::posix_fallocate(self.file.as_raw_fd(), from as i64, (end - from) as i64) } {
                0 => return Some(end),
                libc::EINTR => {}
                _ => return None,
            }
        }
    }

    /// Puts the pages of these bytes out of the process. They come back when they are touched.
    pub(super) fn put_out(&self, from: usize, bytes: usize) {
        // SAFETY: of a shared mapping of a file this takes the page out of the process's tables and nothing from its contents.
        unsafe { libc::madvise(self.base.as_ptr().add(from).cast(), bytes, libc::MADV_DONTNEED) };
    }
}

/// A new file without a name, which no other program can open; where the file system has none, one whose name is gone.
fn nameless(directory: &Path) -> std::io::Result<File> {
    let mut private = OpenOptions::new();
    private.read(true).write(true).mode(0o600);
    if let Ok(file) = private.clone().custom_flags(libc::O_TMPFILE).open(directory) {
        return Ok(file);
    }
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let path = directory.join(format!(".laminar-spill-{}-{moment}", std::process::id()));
    let file = private.create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// What the system says of the file system of a file.
fn about(file: &File) -> Option<libc::statfs> {
    // SAFETY: zero is a value of every field, and the call writes no more than them.
    unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        (libc::fstatfs(file.as_raw_fd(), &raw mut about) == 0).then_some(about)
    }
}

/// Gives addresses back that [`map`] gave.
fn unmap<T>(start: NonNull<T>, bytes: usize) {
    // SAFETY: the addresses were mapped a moment ago, and no other code has them.
    unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
}

/// Addresses for so many bytes of a file, or of zeros; at a multiple of [`UNIT`].
fn map(file: Option<&File>, bytes: usize) -> Option<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let (flags, descriptor) = match file {
        Some(file) => (libc::MAP_SHARED | libc::MAP_NORESERVE, file.as_raw_fd()),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1),
    };
    // SAFETY: asks for addresses that are free, then for pages at a part of these alone.
    unsafe {
        let none = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let taken = libc::mmap(std::ptr::null_mut(), bytes + UNIT, libc::PROT_NONE, none, -1, 0);
        if taken == libc::MAP_FAILED {
            return None;
        }
        let start = taken.cast::<u8>().add(taken.cast::<u8>().align_offset(UNIT));
        let mapped = libc::mmap(start.cast(), bytes, access, flags | libc::MAP_FIXED, descriptor, 0);
        if mapped == libc::MAP_FAILED {
            libc::munmap(taken, bytes + UNIT);
            return None;
        }
        NonNull::new(mapped.cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_out_comes_back() {
        // A directory of the build, since `/tmp` may be memory.
        let mapping = Mapping::new(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let end = mapping.grow(0, 1 << 20).unwrap();
        assert!(end >= 1 << 20);
        // SAFETY: the file has these bytes, and no other code has them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(mapping.base.as_ptr(), 1 << 20) };
        bytes.iter_mut().zip(0..).for_each(|(byte, at): (_, u32)| *byte = (at / 7) as u8);
        mapping.put_out(0, 1 << 20);
        assert!(bytes.iter().zip(0..).all(|(byte, at): (_, u32)| *byte == (at / 7) as u8));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = Mapping::new(Path::new("/not/there")).unwrap_err();
        assert!(error.message().contains("/not/there"), "{error}");
    }
}
