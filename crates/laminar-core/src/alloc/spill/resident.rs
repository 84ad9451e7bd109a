//! What the process takes of the machine's memory, as the system sees it.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads how many bytes of the process are in memory.
#[derive(Debug)]
pub(super) struct Resident {
    statm: File,
    page: u64,
}

impl Resident {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { statm: File::open("/proc/self/statm")?, page: page_bytes() })
    }

    /// Bytes in memory; 0: the system does not tell.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes_and_files().0
    }

    /// Bytes in memory, and those among them that are of files: of the program, and of what is mapped.
    pub(super) fn bytes_and_files(&self) -> (u64, u64) {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).unwrap_or_default();
        let fields = std::str::from_utf8(&text[..length]).unwrap_or_default();
        let mut pages = fields.split_ascii_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or_default());
        let mut next = || pages.next().unwrap_or_default() * self.page;
        (next(), next())
    }
}

#[expect(unsafe_code, reason = "the size of a page is had from the C library")]
fn page_bytes() -> u64 {
    // SAFETY: only reads a constant of the system.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// Gives memory that was freed back to the system.
#[expect(unsafe_code, reason = "the C library alone knows what it keeps")]
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
