//! What holds for any bytes in a database's directory: opening and reading never panic, and what is read is what was written.
//!
//! The fuzz target `store` runs this over whatever it comes upon, the test below over random bytes of fixed seeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::publish;

use laminar_storage::disk::{Disk, SimulatedDisk};
use laminar_storage::store::check_on;
use laminar_storage::{BlockId, Store, StoreOptions, WalEntry};

const PATH: &str = "/db";

/// Takes the bytes as orders that change the files of a small store, then looks at it, opens it, reads all of it and goes on.
pub(crate) fn store(bytes: &[u8]) {
    let (disk, records) = small_store();
    change_files(&disk, bytes);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = check_on(shared.clone(), Path::new(PATH));
    let Ok(opened) = Store::open(Path::new(PATH), shared.clone(), StoreOptions::STANDARD) else { return };
    report.expect("what can be opened can be looked at");
    for block in BLOCKS.map(BlockId::of) {
        if let Ok(found) = opened.store.get_block(block) {
            assert_eq!(BlockId::of(&found), block, "a block is what its name says");
        }
    }
    let from = opened.checkpoint.map(|checkpoint| checkpoint.log);
    let Ok(log) = opened.store.read_log(from) else { return };
    let mut whole = true;
    for record in log {
        match record {
            Ok((_, record)) => assert!(records.contains(&record), "{record:?} was never written"),
            Err(_) => whole = false,
        }
    }
    if !whole {
        return;
    }
    // It goes on, and what it takes is there when it is opened again.
    let end = WalEntry::End { now: 1, object: 4711 };
    let Ok(position) = opened.store.append(std::slice::from_ref(&end)) else { return };
    opened.store.sync_to(position).expect("a disk that works");
    drop(opened.store);
    let again = Store::open(Path::new(PATH), shared, StoreOptions::STANDARD).expect("a store that has been open opens again");
    let from = again.checkpoint.map(|checkpoint| checkpoint.log);
    let last = again.store.read_log(from).expect("its log").last().expect("a record").expect("a whole record");
    assert_eq!(last.1, end);
}

const BLOCKS: [&[u8]; 2] = [b"what an operator keeps", &[0; 700]];

/// Two checkpoints with a block each, and records before, between and behind them.
fn small_store() -> (SimulatedDisk, Vec<WalEntry>) {
    let disk = SimulatedDisk::new(0);
    let store = Store::open(Path::new(PATH), Arc::new(disk.clone()), StoreOptions::STANDARD).expect("a new store").store;
    let statement = |text: &str| WalEntry::Statement { now: 7, text: text.to_owned(), context: "{}".to_owned() };
    let mut records = Vec::new();
    for (epoch, block) in (1..).zip(BLOCKS) {
        let written = [statement("CREATE TABLE t (n BIGINT)"), WalEntry::End { now: 8, object: epoch }];
        let position = store.append(&written).expect("room");
        records.extend(written);
        let block = store.put_block(block).expect("room");
        publish(&store, epoch, position, &[block], format!("{{\"objects\": [{epoch}]}}").as_bytes()).expect("room");
    }
    let last = statement("DROP TABLE t");
    let position = store.append(std::slice::from_ref(&last)).expect("room");
    store.sync_to(position).expect("a disk that works");
    records.push(last);
    (disk, records)
}

/// Takes the bytes as orders: which file, what happens to it, where, how many bytes, and these.
fn change_files(disk: &SimulatedDisk, mut bytes: &[u8]) {
    while let [file, order, low, high, length, rest @ ..] = bytes {
        let (piece, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        bytes = rest;
        let files: Vec<PathBuf> = disk.files().into_iter().filter(|path| !path.ends_with("LOCK")).collect();
        let Some(path) = files.get(usize::from(*file) % files.len().max(1)) else { return };
        let mut content = disk.read(path).expect("a file that is there");
        let place = usize::from(u16::from_le_bytes([*low, *high])) % (content.len() + 1);
        match order % 6 {
            0 => content.iter_mut().skip(place).zip(piece).for_each(|(byte, change)| *byte ^= change),
            1 => content.truncate(place),
            2 => drop(content.splice(place..place, piece.iter().copied())),
            3 => drop(content.drain(place..(place + piece.len()).min(content.len()))),
            4 => content = disk.read(&files[place % files.len()]).expect("a file that is there"),
            // A manifest whose checksum is right, whatever it says.
            _ => {
                let mut text = content.split_off(content.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1));
                let place = place.min(text.len());
                drop(text.splice(place..(place + piece.len()).min(text.len()), piece.iter().copied()));
                content = [format!("{{\"checksum\":\"{}\",\n", BlockId::of(&text)).into_bytes(), text].concat();
            }
        }
        disk.remove(path).expect("a file that is there");
        let file = disk.create(path).expect("a free name");
        file.append(&content).and_then(|()| file.sync_data()).expect("a disk that works");
    }
    for directory in ["/db", "/db/wal"].map(Path::new) {
        disk.sync_dir(directory).expect("a disk that works");
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn any_directory_is_opened_without_a_panic_and_never_read_as_something_else() {
        let rounds = std::env::var("LAMINAR_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2_000);
        for seed in 0..rounds {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = Vec::new();
            for _ in 0..random.random_range(0..4) {
                let length = random.random_range(0..12);
                // Half of the changes are near the start, where the lengths are.
                let high = if random.random() { 0 } else { random.random_range(0..3) };
                bytes.extend_from_slice(&[random.random(), random.random(), random.random(), high, length]);
                // Digits and quotes make other manifests, single bits other records.
                let any = |random: &mut StdRng| match random.random_range(0..3) {
                    0 => b"0123456789\",:{}-"[random.random_range(0..16)],
                    1 => 1 << random.random_range(0..8),
                    _ => random.random(),
                };
                bytes.extend((0..length).map(|_| any(&mut random)));
            }
            let run = std::panic::catch_unwind(|| super::store(&bytes));
            if let Err(panic) = run {
                eprintln!("seed {seed}, bytes {bytes:?}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
