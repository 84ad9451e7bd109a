//! One process that runs the script: until it ends by itself, or until it is killed.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use laminar_db::Result;
use laminar_db::core::time::{Clock, SystemClock};

use crate::files::failed;

/// How often it is looked whether the process has ended.
const LOOKS_EVERY: Duration = Duration::from_millis(1);
/// Bytes of a process's last words that are told.
const LAST_WORDS_BYTES: usize = 4_000;

/// How a process is started: a script, and a directory for its database.
pub(super) struct Life {
    /// Where script, database and outputs of this run are.
    pub(super) folder: PathBuf,
    pub(super) workers: u16,
    /// What the database is opened with: `NAME=VALUE` each.
    pub(super) settings: Vec<String>,
}

/// How a process came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Killed,
    /// It ended with an error, and said this.
    Failed(String),
}

impl Life {
    /// The directory of its database.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes the directory with the script in it.
    pub(super) fn prepare(&self, script: &str) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let file = self.folder.join("script.sql");
        std::fs::write(&file, script).map_err(failed(&file))
    }

    /// Runs the script and kills the process after `nanos`, unless it has ended.
    pub(super) fn live(&self, nanos: i64) -> Result<End> {
        let began = SystemClock.now();
        let mut child = self.start()?;
        loop {
            let ended = child.try_wait().map_err(failed(&self.folder))?;
            match ended {
                Some(status) if status.success() => return Ok(End::Finished),
                Some(_) => return Ok(End::Failed(self.last_words())),
                None if SystemClock.now() - began >= nanos => break,
                None => std::thread::sleep(LOOKS_EVERY),
            }
        }
        child.kill().and_then(|()| child.wait()).map_err(failed(&self.folder))?;
        Ok(End::Killed)
    }

    fn start(&self) -> Result<Child> {
        let messages = self.messages();
        let stderr = File::create(&messages).map_err(failed(&messages))?;
        let program = std::env::current_exe().map_err(failed("laminar"))?;
        let mut command = Command::new(&program);
        command.arg("run").arg(self.folder.join("script.sql")).arg("--data-dir").arg(self.data());
        command.args(["--quiet", "--workers", &self.workers.to_string()]);
        self.settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        command.spawn().map_err(failed(&program))
    }

    fn messages(&self) -> PathBuf {
        self.folder.join("messages.txt")
    }

    fn last_words(&self) -> String {
        let bytes = std::fs::read(self.messages()).unwrap_or_default();
        let from = bytes.len().saturating_sub(LAST_WORDS_BYTES);
        String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
    }
}
