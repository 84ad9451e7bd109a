//! Arrows point down only: which crate may use which, what the core may never depend on, and where SQL text ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Report, rooms, tidy};

/// A crate of the workspace and those that it may use. A crate that is not listed here is a complaint, so that a
/// new one gets its place on purpose.
const ALLOWED: &[(&str, &[&str])] = &[
    ("laminar-core", &[]),
    ("laminar-derive", &[]),
    ("laminar-sql", &["laminar-core"]),
    ("laminar-storage", &["laminar-core"]),
    ("laminar-connectors", &["laminar-core"]),
    ("laminar-db", &["laminar-core", "laminar-derive", "laminar-sql", "laminar-storage", "laminar-connectors"]),
    ("laminar-slt", &["laminar-core", "laminar-db"]),
    ("laminar-server", &["laminar-core", "laminar-db", "laminar-slt"]),
    ("laminar-testkit", &["laminar-core", "laminar-sql"]),
    ("laminar-c", &["laminar-core", "laminar-db"]),
    ("laminar-python", &["laminar-db"]),
    ("xtask", &[]),
];

/// The crates whose tests may use the testkit. The others stay without DataFusion even in tests, so that these build in seconds.
const MAY_TEST_WITH_KIT: &[&str] = &["laminar-sql", "laminar-db", "laminar-server", "laminar-c"];

/// Arrows that only tests may draw: a macro's tests need the types that it writes code for.
const ONLY_IN_TESTS: &[(&str, &str)] = &[("laminar-derive", "laminar-core")];

/// The crates whose rooms stand in an order.
const WITH_ROOMS: &[&str] = &["laminar-core", "laminar-db", "laminar-slt"];

/// What must not be found anywhere below the core.
const NEVER_IN_CORE: &[&str] = &["datafusion", "tokio", "sqlparser"];

/// Crates of which a second version would split the program in two worlds of types.
const ONE_VERSION: &[&str] = &["arrow-array", "arrow-buffer", "arrow-schema", "datafusion", "sqlparser"];

/// Looks at all arrows.
pub(crate) fn run(root: &Path) -> Result<Report, String> {
    let metadata = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let edges = edges_of(&metadata);
    let mut complaints = judge_edges(&edges);

    let tree = cargo(root, &["tree", "-p", "laminar-core", "-e", "normal", "--prefix", "none", "--format", "{p}"])?;
    complaints.extend(judge_core(&tree));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).map_err(|error| format!("Cargo.lock: {error}"))?;
    complaints.extend(judge_versions(&lock));
    for (path, text) in tidy::rust_files(&root.join("crates/laminar-sql/src/lower"), root)? {
        complaints.extend(judge_lower(&path, &text));
    }
    for name in WITH_ROOMS {
        let source = root.join("crates").join(name).join("src");
        let door = std::fs::read_to_string(source.join("lib.rs")).map_err(|error| format!("lib.rs of {name}: {error}"))?;
        complaints.extend(rooms::judge(name, &door, &tidy::rust_files(&source, &source)?));
    }
    let crates = edges.iter().map(|edge| &edge.from).collect::<BTreeSet<_>>().len();
    Ok(Report { facts: format!("arrows: {} edges between {crates} crates", edges.len()), complaints })
}

/// A dependency between two crates of the workspace; `to` is empty for a crate that depends on none of them.
#[derive(Debug, PartialEq)]
struct Edge {
    from: String,
    to: String,
    dev: bool,
}

fn edges_of(metadata: &Value) -> Vec<Edge> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut edges = Vec::new();
    for package in list(&metadata["packages"]) {
        let from = text(&package["name"]);
        // A dependency with a path is one of ours.
        let ours = list(&package["dependencies"]).into_iter().filter(|dependency| dependency["path"].is_string());
        let found: Vec<Edge> =
            ours.map(|to| Edge { from: from.clone(), to: text(&to["name"]), dev: to["kind"].as_str() == Some("dev") }).collect();
        if found.is_empty() {
            edges.push(Edge { from, to: String::new(), dev: false });
        }
        edges.extend(found);
    }
    edges
}

fn judge_edges(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(judge_edge).collect()
}

fn judge_edge(Edge { from, to, dev }: &Edge) -> Option<String> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == from) else {
        return Some(format!("arrows: crate {from} has no place in xtask/src/arrows.rs; add it with what it may use"));
    };
    let kit = *dev && to == "laminar-testkit" && MAY_TEST_WITH_KIT.contains(&from.as_str());
    let test = *dev && ONLY_IN_TESTS.contains(&(from.as_str(), to.as_str()));
    let fine = to.is_empty() || kit || test || allowed.contains(&to.as_str());
    (!fine).then(|| format!("arrows: {from} must not depend on {to}; it may use {allowed:?}"))
}

fn judge_core(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let bad: BTreeSet<&str> = names.filter(|name| NEVER_IN_CORE.iter().any(|never| name.starts_with(never))).collect();
    bad.into_iter()
        .map(|name| format!("arrows: laminar-core depends on {name}; find the way with `cargo tree -i {name}`"))
        .collect()
}

fn judge_versions(lock: &str) -> Vec<String> {
    let count = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    let double = ONE_VERSION.iter().filter(|name| count(name) > 1);
    double.map(|name| format!("arrows: Cargo.lock holds {name} in {} versions; one is the rule", count(name))).collect()
}

fn judge_lower(path: &str, text: &str) -> Vec<String> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let leaks = code.filter(|(_, line)| line.contains("sqlparser"));
    leaks.map(|(at, _)| format!("{path}:{}: the syntax tree ends above lower/; carry the meaning in the plan", at + 1)).collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("cargo {}: {error}", arguments.join(" ")))?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge { from: from.into(), to: to.into(), dev }
    }

    #[test]
    fn edges_are_read_from_metadata() {
        let metadata = json!({ "packages": [
            { "name": "a", "dependencies": [
                { "name": "b", "path": "/b", "kind": null },
                { "name": "kit", "path": "/kit", "kind": "dev" },
                { "name": "serde", "kind": null } ] },
            { "name": "b", "dependencies": [] } ] });
        assert_eq!(edges_of(&metadata), [edge("a", "b", false), edge("a", "kit", true), edge("b", "", false)]);
    }

    #[test]
    fn an_arrow_may_not_point_up_or_sideways() {
        for (from, to, dev, fine) in [
            ("laminar-sql", "laminar-core", false, true),
            ("laminar-core", "laminar-sql", false, false),
            ("laminar-storage", "laminar-sql", false, false),
            ("laminar-db", "laminar-testkit", true, true),
            ("laminar-db", "laminar-testkit", false, false),
            ("laminar-core", "laminar-testkit", true, false),
            ("laminar-derive", "laminar-core", true, true),
            ("laminar-derive", "laminar-core", false, false),
            ("laminar-new", "", false, false),
        ] {
            assert_eq!(judge_edge(&edge(from, to, dev)).is_none(), fine, "{from} -> {to}");
        }
    }

    #[test]
    fn the_core_is_free_of_datafusion_and_tokio() {
        assert_eq!(judge_core("laminar-core v0.1.0\narrow-array v59.0.0\nchrono v0.4.0\n"), Vec::<String>::new());
        assert_eq!(judge_core("laminar-core v0.1.0\ndatafusion-common v55.0.0\ntokio v1.0.0\n").len(), 2);
    }

    #[test]
    fn a_second_arrow_is_noticed() {
        let one = "name = \"arrow-array\"\nversion = \"59.0.0\"\n";
        assert!(judge_versions(one).is_empty());
        assert_eq!(judge_versions(&one.repeat(2)).len(), 1);
    }

    #[test]
    fn the_syntax_tree_stays_above_lower() {
        assert!(judge_lower("x.rs", "// as sqlparser has it\nuse crate::plan::Plan;").is_empty());
        let complaints = judge_lower("x.rs", "\nuse datafusion::sql::sqlparser::ast::Expr;");
        assert!(complaints[0].starts_with("x.rs:2:"), "{complaints:?}");
    }
}
