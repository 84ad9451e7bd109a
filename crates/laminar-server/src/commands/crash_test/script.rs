//! The script under test: where its sinks write during the test, what keeps it from being tested, and what of it cannot be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use laminar_db::{Code, Error, ParsedStatement, Result, Statement, parse_script_with};

/// A script whose file sinks can be sent elsewhere.
pub(super) struct Script {
    pieces: Vec<Piece>,
    outputs: Vec<Output>,
    /// Sinks whose output is no file, with their connector.
    pub(super) other_sinks: Vec<(String, String)>,
    /// What depends on the moment at which it runs, and by which word.
    pub(super) clocked: BTreeMap<String, String>,
}

/// A part of the script's text.
enum Piece {
    Text(String),
    /// The path of this output, as a string.
    Path(usize),
}

/// A file that sinks of the script write.
struct Output {
    path: String,
    sink: String,
    is_parquet: bool,
    tells_changes: bool,
}

/// A file that a sink has written during the test.
pub(super) struct Written {
    pub(super) sink: String,
    /// The path that the script gives it.
    pub(super) named: String,
    /// Where it is during the test.
    pub(super) path: PathBuf,
    pub(super) is_parquet: bool,
    /// Its rows begin with what happens to them, `+I` or `-D`.
    pub(super) tells_changes: bool,
}

/// Calls by which a statement gives another answer each time.
const CLOCKED: [&str; 14] = [
    "now",
    "proctime",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "statement_timestamp",
    "transaction_timestamp",
    "clock_timestamp",
    "today",
    "random",
    "uuid",
    "gen_random_uuid",
];

impl Script {
    /// Reads `text`, whose variables `lookup` fills in. Refuses by name what can be read only once or never ends.
    pub(super) fn parse(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let mut script = Self { pieces: vec![], outputs: vec![], other_sinks: vec![], clocked: BTreeMap::new() };
        let mut endless = Vec::new();
        for parsed in parse_script_with(text, lookup) {
            let parsed = parsed?;
            endless.extend(endless_source(&parsed.statement));
            script.note_clock(&parsed);
            script.add(&parsed);
        }
        match endless.first() {
            Some(first) => Err(Error::new(
                Code::NotSupported,
                format!(
                    "two runs of this script cannot be compared at their ends: {}",
                    endless.iter().map(|(why, _)| why.as_str()).collect::<Vec<_>>().join("; ")
                ),
            )
            .with_hint(first.1)),
            None => Ok(script),
        }
    }

    /// The script whose file sinks write below `folder` and nowhere else, with a checkpoint each so many milliseconds; the script's own setting counts.
    pub(super) fn writing_below(&self, folder: &Path, checkpoint_ms: Option<u64>) -> String {
        let mut text = checkpoint_ms.map(|ms| format!("SET checkpoint_interval = '{ms} ms';\n")).unwrap_or_default();
        for piece in &self.pieces {
            text += &match piece {
                Piece::Text(written) => written.replace("${", "$${"),
                Piece::Path(output) => {
                    let path = self.moved(folder, *output).to_string_lossy().replace('\'', "''");
                    format!("path = '{}'", path.replace("${", "$${"))
                }
            };
        }
        text
    }

    /// The files that its sinks write below `folder`.
    pub(super) fn written_below(&self, folder: &Path) -> impl Iterator<Item = Written> {
        self.outputs.iter().enumerate().map(|(number, output)| Written {
            sink: output.sink.clone(),
            named: output.path.clone(),
            path: self.moved(folder, number),
            is_parquet: output.is_parquet,
            tells_changes: output.tells_changes,
        })
    }

    /// Where an output is: its own name, since that tells the format, in a directory of its own.
    fn moved(&self, folder: &Path, output: usize) -> PathBuf {
        let name = Path::new(&self.outputs[output].path).file_name().unwrap_or("output".as_ref());
        folder.join(format!("sink-{}", output + 1)).join(name)
    }

    fn add(&mut self, parsed: &ParsedStatement) {
        let text = &parsed.text;
        let path = match &parsed.statement {
            Statement::CreateSink(sink) if sink.connector.name == "file" => {
                let option = |key: &str| {
                    let own = sink.connector.options.iter().find(|option| option.key == key);
                    own.or_else(|| sink.connector.format.as_ref()?.options.iter().find(|option| option.key == key))
                };
                let format = sink.connector.format.as_ref().map(|format| format.name.as_str());
                option("path").map(|path| {
                    let is_parquet =
                        format.map_or_else(|| path.value.to_lowercase().ends_with(".parquet"), |name| name == "parquet");
                    let tells_changes = option("changelog").is_some_and(|option| !is_false(&option.value));
                    let (sink, path_text) = (sink.name.text.clone(), path.value.clone());
                    (path.span, self.output(Output { path: path_text, sink, is_parquet, tells_changes }))
                })
            }
            Statement::CreateSink(sink) => {
                self.other_sinks.push((sink.name.text.clone(), sink.connector.name.clone()));
                None
            }
            // What a sink of the script has written before.
            Statement::CreateSource(source) => source.connector.as_ref().and_then(|connector| {
                let path = connector.options.iter().find(|option| option.key == "path")?;
                let output = self.outputs.iter().position(|output| output.path == path.value)?;
                Some((path.span, output))
            }),
            _ => None,
        };
        match path {
            Some((span, output)) => self.pieces.extend([
                Piece::Text(text[..span.start].to_owned()),
                Piece::Path(output),
                Piece::Text(format!("{};\n", &text[span.end..])),
            ]),
            None => self.pieces.push(Piece::Text(format!("{text};\n"))),
        }
    }

    /// The number of an output; sinks that come one after the other can write the same.
    fn output(&mut self, output: Output) -> usize {
        match self.outputs.iter().position(|known| known.path == output.path) {
            Some(number) => {
                self.outputs[number] = output;
                number
            }
            None => {
                self.outputs.push(output);
                self.outputs.len() - 1
            }
        }
    }

    /// Notes which object depends on the moment, if the statement does.
    fn note_clock(&mut self, parsed: &ParsedStatement) {
        let starts_now = match &parsed.statement {
            Statement::CreateSource(source) => source
                .connector
                .iter()
                .flat_map(|connector| &connector.options)
                .any(|option| option.key == "start" && option.value.trim().to_lowercase().starts_with("now")),
            _ => false,
        };
        let word = if starts_now { Some("start = 'now'".to_owned()) } else { clocked_word(&parsed.text) };
        if let (Some(name), Some(word)) = (changed_object(&parsed.statement), word) {
            self.clocked.entry(name.to_owned()).or_insert(word);
        }
    }

    /// The objects that depend on the moment, those that read from them too; `reads_from` has the inputs of each object.
    pub(super) fn all_clocked(&self, reads_from: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
        let mut all = self.clocked.clone();
        loop {
            let found: Vec<(String, String)> = reads_from
                .iter()
                .filter(|(name, _)| !all.contains_key(*name))
                .filter_map(|(name, inputs)| {
                    let input = inputs.iter().find(|input| all.contains_key(*input))?;
                    Some((name.clone(), format!("'{input}'")))
                })
                .collect();
            if found.is_empty() {
                return all;
            }
            all.extend(found);
        }
    }
}

/// The object that a statement makes or changes.
fn changed_object(statement: &Statement) -> Option<&str> {
    let name = match statement {
        Statement::CreateSource(create) => &create.name,
        Statement::CreateTable(create) => &create.name,
        Statement::CreateLookup(create) => &create.name,
        Statement::CreateStream(create) | Statement::CreateMaterializedView(create) | Statement::CreateView(create) => {
            &create.name
        }
        Statement::CreateSink(create) => &create.name,
        Statement::Insert(insert) => &insert.table,
        Statement::Update(change) | Statement::Delete(change) => &change.table,
        _ => return None,
    };
    Some(&name.text)
}

/// Why a source gives no comparable end, and what to write instead.
fn endless_source(statement: &Statement) -> Option<(String, &'static str)> {
    let (name, connector) = match statement {
        Statement::CreateSource(source) => (&source.name.text, source.connector.as_ref()?),
        Statement::CreateTable(table) => (&table.name.text, table.connector.as_ref()?),
        _ => return None,
    };
    let option = |key: &str| connector.options.iter().find(|option| option.key == key).map(|option| option.value.as_str());
    let (why, hint) = match connector.name.as_str() {
        "generator" if option("rows").is_none() => (
            "has no end",
            "give the generator an end: FROM GENERATOR (rows = 100000, …); ${ROWS} with --var ROWS=100000 leaves it to the caller",
        ),
        "nexmark" if option("events").is_none() => ("has no end", "give it an end: FROM NEXMARK (events = 100000, …)"),
        "file" if option("follow").is_some_and(|value| !is_false(value)) => (
            "follows its files and has no end",
            "test it over files that do not grow: leave out follow, or write follow = '${FOLLOW}' and --var FOLLOW=false",
        ),
        "file" if option("path").is_some_and(is_read_once) => (
            "reads a pipe or device, which cannot be read a second time",
            "write what comes through it into a file, and let the source read that",
        ),
        "memory" => ("reads a queue of a program", "write its rows into a file, and let the source read that"),
        _ => return None,
    };
    Some((format!("'{name}' {why}"), hint))
}

/// Whether something is there under that name that is neither a file nor a directory.
fn is_read_once(path: &str) -> bool {
    std::fs::metadata(path.trim_start_matches("file://")).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn is_false(value: &str) -> bool {
    ["false", "f", "no", "off", "0"].contains(&value.trim().to_lowercase().as_str())
}

/// The first word of a statement, outside of texts and comments, that means another thing each time.
fn clocked_word(text: &str) -> Option<String> {
    let clocked: BTreeSet<&str> = CLOCKED.into_iter().collect();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            c if c.is_alphabetic() || c == '_' => {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let lower = word.to_lowercase();
                let is_call = rest[word.len()..].trim_start().starts_with('(');
                if clocked.contains(lower.as_str()) && (is_call || lower.contains("current_") || lower.starts_with("local")) {
                    return Some(if is_call { format!("{lower}()") } else { lower });
                }
                word.len()
            }
            c => c.len_utf8(),
        };
        rest = &rest[length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script> {
        Script::parse(text, &|_| None)
    }

    #[test]
    fn file_sinks_write_below_the_folder_of_the_test_and_sources_stay_where_they_are() {
        let script = parse(
            "CREATE SOURCE s FROM FILE (path = 'in.csv'); -- ${not a variable}
             CREATE SINK a FROM s INTO FILE (path = '/srv/out''s.csv', format = 'csv', changelog);
             CREATE SINK b FROM s WITH (connector = 'file', path = 'x/b.parquet');
             CREATE SINK c FROM s INTO STDOUT;
             DROP SINK b; CREATE SOURCE again FROM FILE (path = 'x/b.parquet'); SELECT '$${x}'",
        )
        .unwrap();
        let text = script.writing_below(Path::new("/tmp/it's"), Some(20));
        for expected in [
            "SET checkpoint_interval = '20 ms';\n",
            "FROM FILE (path = 'in.csv');",
            "INTO FILE (path = '/tmp/it''s/sink-1/out''s.csv', format = 'csv', changelog)",
            "WITH (connector = 'file', path = '/tmp/it''s/sink-2/b.parquet')",
            "CREATE SOURCE again FROM FILE (path = '/tmp/it''s/sink-2/b.parquet')",
            "SELECT '$${x}'",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let written: Vec<_> = script.written_below(Path::new("/t")).map(|w| (w.sink, w.is_parquet, w.tells_changes)).collect();
        assert_eq!(written, [("a".to_owned(), false, true), ("b".to_owned(), true, false)]);
        assert_eq!(script.other_sinks, [("c".to_owned(), "stdout".to_owned())]);
    }

    #[test]
    fn what_has_no_end_is_refused_by_name() {
        for (sql, name) in [
            ("CREATE SOURCE g (a BIGINT) FROM GENERATOR (rate = 5)", "'g' has no end"),
            ("CREATE SOURCE bid FROM NEXMARK (rate = 5)", "'bid' has no end"),
            ("CREATE SOURCE f FROM FILE (path = 'a.csv', follow)", "'f' follows its files"),
            ("CREATE SOURCE p FROM FILE (path = '/dev/null')", "'p' reads a pipe or device"),
        ] {
            let error = parse(sql).err().unwrap_or_else(|| panic!("{sql} is taken"));
            assert!(error.message().contains(name) && error.hint().is_some(), "{error}");
        }
        assert!(parse("CREATE SOURCE g (a BIGINT) FROM GENERATOR (rows = 5); CREATE TABLE t (a BIGINT)").is_ok());
    }

    #[test]
    fn what_depends_on_the_moment_is_known_and_what_reads_from_it_too() {
        let script = parse(
            "CREATE TABLE t (a TIMESTAMP, now BIGINT); INSERT INTO t VALUES (NOW (), 1);
             CREATE MATERIALIZED VIEW v AS SELECT * FROM t; CREATE MATERIALIZED VIEW w AS SELECT 'now()' AS x /* now() */ FROM u;
             CREATE SOURCE g (a BIGINT) FROM GENERATOR (rows = 5, start = 'now')",
        )
        .unwrap();
        let reads = [("v", "t"), ("w", "u"), ("x", "v")].map(|(name, input)| (name.to_owned(), vec![input.to_owned()]));
        let clocked = script.all_clocked(&reads.into());
        let clocked: Vec<(&str, &str)> = clocked.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
        assert_eq!(clocked, [("g", "start = 'now'"), ("t", "now()"), ("v", "'t'"), ("x", "'v'")]);
    }
}
