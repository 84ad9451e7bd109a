//! What the process may take: state that is more leaves memory, and where that is not enough nothing more is taken in.

use std::path::PathBuf;

use laminar_core::alloc::MemoryLimit;
use laminar_core::{Code, Error, Result};

use super::Engine;
use crate::settings::{Settings, size_text};
use crate::{Notice, NoticeKind};

/// Operators that an error names: those that hold most.
const NAMED: usize = 3;

impl Engine {
    /// Limits what the process takes as the settings say that the database begins with.
    pub(crate) fn begin_limit(&mut self) -> Result<()> {
        self.limit_memory(&self.settings.clone())?;
        let notices = self.notices_of_limit();
        self.notices_of_opening.extend(notices);
        Ok(())
    }

    /// The limit that `settings` ask for; the one that there is, if it is the same.
    pub(super) fn limit_memory(&mut self, settings: &Settings) -> Result<()> {
        if settings.temp_directory != self.settings.temp_directory && MemoryLimit::smallest().is_some() {
            return Err(Error::new(Code::InvalidOption, "temp_directory cannot change any more: state stands there already")
                .with_hint("set temp_directory before memory_limit, when the program has just started"));
        }
        let asked = settings.memory_limit.map(|bytes| bytes as u64);
        if asked != self.memory_limit.as_ref().map(MemoryLimit::bytes) {
            self.memory_limit = asked.map(|bytes| MemoryLimit::new(bytes, &self.temp_directory(settings))).transpose()?;
        }
        Ok(())
    }

    /// Where state goes that leaves memory: the directory of the database knows best which disk has room.
    fn temp_directory(&self, settings: &Settings) -> PathBuf {
        let of_database = || self.journal.store().map(|store| store.path().to_owned());
        settings.temp_directory.clone().or_else(of_database).unwrap_or_else(std::env::temp_dir)
    }

    /// Whether nothing more is to be taken in, since the process takes all that it may.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.memory_limit.is_some() && MemoryLimit::is_reached()
    }

    /// What `SHOW MEMORY` says: what the process takes and may take, and what of its state can leave memory.
    pub(crate) fn memory_rows(&self) -> Vec<Vec<String>> {
        let usage = MemoryLimit::usage();
        let limit = self.memory_limit.as_ref().map_or("none".to_owned(), |limit| limit.bytes().to_string());
        let rows = [
            ("memory_limit", limit),
            ("in memory", usage.resident.to_string()),
            ("state that can leave memory", usage.spillable.to_string()),
            ("file in temp_directory", usage.file.to_string()),
        ];
        rows.map(|(name, bytes)| vec![name.to_owned(), bytes]).to_vec()
    }

    /// What a limit does not do in this program.
    pub(crate) fn notices_of_limit(&self) -> Vec<Notice> {
        let Some(limit) = &self.memory_limit else { return Vec::new() };
        let mut notices = Vec::new();
        let resident = MemoryLimit::usage().resident;
        if resident > limit.bytes() / 4 * 3 {
            let text = format!(
                "the process takes {} already: a limit of {} leaves it hardly anything",
                megabytes(resident),
                size_text(limit.bytes() as usize)
            );
            notices.push(Notice::new(NoticeKind::Ignored, text, Some("set memory_limit to twice of that at least".to_owned())));
        }
        if MemoryLimit::spills() {
            return notices;
        }
        let text = "state cannot leave memory in this program: at the limit sources wait and pushes fail".to_owned();
        let hint = "install laminar_db::core::alloc::SpillAllocator as the program's #[global_allocator]".to_owned();
        notices.push(Notice::new(NoticeKind::Ignored, text, Some(hint)));
        notices
    }

    /// The error of a push into `object`, or of a source that waits, while the process takes all that it may.
    pub(crate) fn out_of_memory(&mut self, object: &str) -> Error {
        let limit = size_text(MemoryLimit::smallest().unwrap_or_default() as usize);
        let usage = MemoryLimit::usage();
        let mut detail = format!(
            "the process takes {}, of which nothing more can leave memory; state that can takes {}",
            megabytes(usage.resident),
            megabytes(usage.spillable)
        );
        if MemoryLimit::is_disk_full() {
            detail.push_str("; the disk of temp_directory has no room for more");
        }
        let largest: Vec<String> = self
            .largest_states()
            .into_iter()
            .map(|(name, operator, bytes)| format!("'{name}' ({operator}) {}", megabytes(bytes as u64)))
            .collect();
        if !largest.is_empty() {
            detail.push_str(&format!("; most is held by {}", largest.join(", ")));
        }
        Error::new(Code::LimitReached, format!("memory_limit ({limit}) is reached: '{object}' takes no more rows"))
            .with_detail(detail)
            .with_hint("nothing was taken in; raise memory_limit, or bound what the objects keep: EXPLAIN STATE says how")
    }

    /// The operators that hold most: object, kind and bytes.
    fn largest_states(&mut self) -> Vec<(String, &'static str, usize)> {
        let graph = self.reactor.graph();
        let nodes: Vec<_> = graph.nodes().map(|node| (node.id, node.name.clone(), node.kind.name())).collect();
        let mut states = Vec::new();
        for (id, name, operator) in nodes {
            let bytes = self.reactor.graph_mut().metrics(id).map_or(0, |metrics| metrics.state_bytes);
            if bytes > 0 {
                states.push((name, operator, bytes));
            }
        }
        states.sort_by_key(|(.., bytes)| std::cmp::Reverse(*bytes));
        states.truncate(NAMED);
        states
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
