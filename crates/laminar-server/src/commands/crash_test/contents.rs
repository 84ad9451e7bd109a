//! What the files of sinks and the views of a database hold when a run is over, as bags of rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use laminar_db::{Database, Result, Rows};

use super::script::{Script, Written};

/// How often each row is there, as text.
pub(super) type Bag = BTreeMap<String, i64>;

/// What a run has left behind.
pub(super) struct Contents {
    /// By what it is called for people: `sink out (out.csv)`, `materialized view totals`.
    pub(super) bags: BTreeMap<String, Bag>,
    /// What cannot be compared, and why.
    pub(super) left_out: Vec<String>,
}

impl Contents {
    /// Reads what the run in `folder` has left: files of sinks, tables and materialized views.
    pub(super) fn read(script: &Script, folder: &Path, data: &Path) -> Result<Self> {
        let database = Database::open(&data.to_string_lossy())?;
        let objects = database.query("SHOW ALL")?.to_strings();
        let inputs = |object: &[String]| object[2].split(", ").map(str::to_owned).collect();
        let reads_from = objects.iter().map(|object| (object[0].clone(), inputs(object))).collect();
        let clocked = script.all_clocked(&reads_from);
        let mut contents = Self { bags: BTreeMap::new(), left_out: Vec::new() };
        for object in &objects {
            let (name, kind) = (&object[0], object[1].as_str());
            match clocked.get(name) {
                Some(why) if kind != "view" => contents.left_out.push(format!("{kind} '{name}' depends on the moment ({why})")),
                None if matches!(kind, "table" | "materialized view") => {
                    let rows = database.query(&format!("SELECT * FROM {}", quoted(name)))?;
                    contents.bags.insert(format!("{kind} {name}"), bag_of(&rows));
                }
                None if kind == "stream" && !reads_from.values().any(|inputs| inputs.contains(name)) => {
                    contents.left_out.push(format!("stream '{name}' keeps no rows, and nothing that does reads from it"));
                }
                _ => {}
            }
        }
        drop(database);
        for written in script.written_below(folder).filter(|written| !clocked.contains_key(&written.sink)) {
            contents.bags.insert(format!("sink {} ({})", written.sink, written.named), file_bag(&written)?);
        }
        for (sink, connector) in &script.other_sinks {
            contents
                .left_out
                .push(format!("sink '{sink}' writes into {connector}, which prints rows since the last checkpoint again"));
        }
        Ok(contents)
    }
}

/// The rows of a file; nothing is the same as no file. A file of changes is what they come to.
fn file_bag(written: &Written) -> Result<Bag> {
    if !written.path.exists() {
        return Ok(Bag::new());
    }
    let path = written.path.to_string_lossy().replace('\'', "''");
    // Whatever the text's format, its lines are compared as they stand; compressed or not.
    let source = if written.is_parquet {
        format!("CREATE SOURCE file FROM FILE (path = '{path}', format = 'parquet')")
    } else {
        format!(
            "CREATE SOURCE file (line VARCHAR) FROM FILE \
             (path = '{path}', format = 'csv', header = 'false', delimiter = '\u{1}', quote = 'none')"
        )
    };
    let database = Database::builder().build();
    database.execute(&format!("{source}; CREATE MATERIALIZED VIEW lines AS SELECT * FROM file"))?;
    database.run_until_finished(&AtomicBool::new(false))?;
    if let Some((_, error)) = database.status().failures().next() {
        return Err(error.clone().within(written.path.display().to_string()));
    }
    let lines = bag_of(&database.query("SELECT * FROM lines")?);
    if !written.tells_changes {
        return Ok(lines);
    }
    let mut net = Bag::new();
    for (line, count) in lines {
        let (row, weight) = change_in(&line);
        *net.entry(row).or_default() += weight * count;
    }
    net.retain(|_, count| *count != 0);
    Ok(net)
}

/// A row of a file of changes without its `+I` or `-D`, and how often it comes.
fn change_in(line: &str) -> (String, i64) {
    // In front of it stand at most the braces, quotes and name of JSON.
    let places = [("+I", 1), ("-D", -1)].map(|(op, weight)| (line.find(op).unwrap_or(usize::MAX), weight));
    match places.into_iter().min() {
        Some((at, weight)) if at <= r#"{"op": ""#.len() => (format!("{}{}", &line[..at], &line[at + 2..]), weight),
        _ => (line.to_owned(), 1),
    }
}

fn bag_of(rows: &Rows) -> Bag {
    let mut bag = Bag::new();
    for row in rows.to_strings() {
        *bag.entry(row.join(" | ")).or_default() += 1;
    }
    bag
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_from_its_row() {
        for (line, expected) in [
            ("+I,1,a", (",1,a", 1)),
            ("-D,+I,a", (",+I,a", -1)),
            (r#"{"op":"-D","a":1}"#, (r#"{"op":"","a":1}"#, -1)),
            ("op,a", ("op,a", 1)),
            ("+I | 1", (" | 1", 1)),
        ] {
            let (row, weight) = change_in(line);
            assert_eq!((row.as_str(), weight), expected);
        }
    }
}
