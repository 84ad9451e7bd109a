//! A PostgreSQL of one's own for the length of a test, where Debian's package is installed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::functions::Answer;

/// A running server; it ends with the value.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
}

/// What parts the answers of one run.
const MARK: &str = "@@@";

impl Postgres {
    /// Starts a server; without PostgreSQL it says so and gives nothing.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed (apt-get install postgresql)");
            return None;
        };
        let server = Self { programs, folder: tempfile::tempdir().expect("a temporary folder") };
        if is_root() {
            // The server refuses to run as root.
            let owned = Command::new("chown").arg("postgres").arg(server.folder.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "the folder cannot be given to the user postgres");
        }
        let data = server.folder.path().join("data");
        let data = data.display();
        server.run(&format!("initdb -D {data} -A trust --locale=C.UTF-8 -E UTF8"));
        // Only a socket in its own folder, so no port has to be free.
        // Compiling a query takes longer than answering it over a handful of rows.
        let settings = "-c listen_addresses= -c fsync=off -c jit=off -c timezone=UTC";
        let options = format!("-k {} {settings}", server.folder.path().display());
        server.run(&format!("pg_ctl -D {data} -o '{options}' -l {data}/log -w start"));
        Some(server)
    }

    /// The command as the user that may run the server.
    fn command(&self, command: &str) -> Command {
        let line = format!("{}/{command}", self.programs.display());
        let mut shell = if is_root() {
            let mut shell = Command::new("runuser");
            shell.args(["-u", "postgres", "--", "sh", "-c", &line]);
            shell
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]);
            shell
        };
        shell.current_dir("/");
        shell
    }

    fn run(&self, command: &str) {
        let done = self.command(command).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "{command} failed");
    }

    /// What each expression gives.
    pub(crate) fn evaluate(&self, expressions: &[String]) -> Vec<Answer> {
        let folder = self.folder.path().display();
        let mut psql = self
            .command(&format!("psql -h {folder} -U postgres -X -q -A -t -d postgres -f -"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let mut input = psql.stdin.take().expect("psql has an input");
        let script: String = expressions.iter().map(|expression| format!("\\echo {MARK}\nSELECT {expression};\n")).collect();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = psql.wait_with_output().expect("psql ends");
        writer.join().expect("the thread ends").expect("psql reads its input");
        let text = String::from_utf8_lossy(&output.stdout);
        let mark = format!("{MARK}\n");
        text.split(mark.as_str())
            .skip(1)
            .map(|part| part.strip_suffix('\n').map_or(Answer::Error, |text| Answer::Text(text.to_owned())))
            .collect()
    }

    /// A connection that stays.
    pub(crate) fn connect(&self) -> Connection {
        let folder = self.folder.path().display();
        let mut psql = self
            .command(&format!("psql -h {folder} -U postgres -X -q -A -t -F '{COLUMN}' -P null=NULL -d postgres -f -"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let input = psql.stdin.take().expect("psql has an input");
        let output = BufReader::new(psql.stdout.take().expect("psql has an output"));
        Connection { psql, input, output }
    }
}

/// What parts the columns of an answer.
const COLUMN: char = '\u{1f}';

/// A psql that answers one statement after the other.
pub(crate) struct Connection {
    psql: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Connection {
    /// The rows that the statements give, as text; `None` if the last one is refused.
    pub(crate) fn ask(&mut self, sql: &str) -> Option<Vec<Vec<String>>> {
        write!(self.input, "{sql};\n\\echo {MARK} :ERROR\n").and_then(|()| self.input.flush()).expect("psql reads its input");
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("psql answers");
            assert!(!line.is_empty(), "psql has ended at: {sql}");
            let line = line.trim_end_matches('\n');
            match line.strip_prefix(MARK) {
                Some(error) => return (error.trim() == "false").then_some(rows),
                None => rows.push(line.split(COLUMN).map(str::to_owned).collect()),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        // A server that does not end is a leftover in a temporary folder, and no failure of the test.
        let _ = self.command(&format!("pg_ctl -D {} -m immediate stop", data.display())).stdout(Stdio::null()).status();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|folder: &PathBuf| Path::new(&folder.join("initdb")).exists()).max()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"))
}
