//! Many files made to last at once: the device works on all of them instead of one after the other.

use std::fs::File;
use std::io;

use super::config::{IoUringConfig, RingMode};
use super::system::{Operation, Ring, number_of, was_not_done};

/// How many files a ring syncs at a time.
const FILES_MAX: u32 = 64;

/// Returns when the bytes of all files are on the disk (`fdatasync` of each). The error is that of the file of that number; of any other it is unknown.
/// Where there is no `io_uring`, the files are synced one after the other.
pub fn sync_files(files: &[File]) -> Result<(), (usize, io::Error)> {
    let ring = if files.len() > 1 { Ring::new(FILES_MAX, RingMode::Standard, &IoUringConfig::STANDARD).ok() } else { None };
    match ring {
        Some(ring) => sync_all(ring, files),
        None => files.iter().enumerate().try_for_each(|(number, file)| file.sync_data().map_err(|error| (number, error))),
    }
}

fn sync_all(mut ring: Ring, files: &[File]) -> Result<(), (usize, io::Error)> {
    let (mut waiting, mut done) = (files.iter().enumerate(), Ok(()));
    let mut left = files.len();
    while left > 0 {
        while ring.in_flight() < ring.capacity()
            && let Some((number, file)) = waiting.next()
        {
            push_sync(&mut ring, file, number);
        }
        ring.submit_and_wait(1).map_err(|error| (files.len() - left, error))?;
        while let Some((number, outcome)) = ring.pop() {
            left -= 1;
            let number = number as usize;
            let synced = match outcome {
                // Nothing was tried: this thread does it.
                Err(error) if was_not_done(&error) => files[number].sync_data(),
                other => other.map(drop),
            };
            // All are waited for, whatever has come of one: the files stay open that long.
            done = done.and(synced.map_err(|error| (number, error)));
        }
    }
    done
}

#[expect(unsafe_code, reason = "pushing is unsafe for what it writes")]
fn push_sync(ring: &mut Ring, file: &File, number: usize) {
    // SAFETY: a sync has no bytes.
    let pushed = unsafe { ring.push(Operation::Sync { file: number_of(file), after_all: false }, number as u64) };
    debug_assert!(pushed, "there was room");
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn more_files_than_a_ring_takes_are_synced() {
        let directory = std::env::temp_dir().join(format!("laminar-sync-files-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = |number: u32| {
            let mut file = File::create(directory.join(number.to_string())).unwrap();
            file.write_all(&[1; 5000]).unwrap();
            file
        };
        let files: Vec<File> = (0..3 * FILES_MAX + 1).map(file).collect();
        sync_files(&files).unwrap();
        sync_files(&files[..1]).unwrap();
        sync_files(&[]).unwrap();
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_synced_is_named() {
        // A pipe has no disk.
        let (reader, writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let (number, error) = sync_files(&[File::open("/proc/self/exe").unwrap(), pipe]).unwrap_err();
        assert_eq!((number, error.kind()), (1, io::ErrorKind::InvalidInput));
        drop(reader);
    }
}
