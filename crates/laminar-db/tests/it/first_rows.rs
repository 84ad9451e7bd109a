//! How queries that ask for the first rows run: `EXPLAIN GRAPH`.

use laminar_db::Database;

/// The nodes of a query over `t`, without their properties.
fn nodes(query: &str) -> Vec<String> {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, v BIGINT)").unwrap();
    let graph = db.query(&format!("EXPLAIN GRAPH {query}")).unwrap().to_strings();
    let node = |line: &str| {
        let (_, text) = line.trim().split_once(' ').unwrap_or_default();
        text.split(" [").next().unwrap_or_default().to_owned()
    };
    let nodes = graph.iter().flat_map(|row| row[0].lines().map(node).collect::<Vec<_>>());
    nodes.filter(|node| node.starts_with("TopN") || node.starts_with("Over")).collect()
}

#[test]
fn numbering_that_only_picks_the_first_rows_numbers_no_others() {
    let numbered = |shown: &str, condition: &str, function: &str| {
        nodes(&format!(
            "SELECT {shown} FROM (SELECT id, {function} OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t) AS x WHERE {condition}"
        ))
    };
    let over = |function: &str| format!("Over in the order of v desc for each (k) compute ({function} as ");
    for (condition, function, top, alone) in [
        ("n <= 3", "row_number()", Some("TopN 3 in the order of v desc for each (k)"), true),
        ("n < 3 AND id > 7", "row_number()", Some("TopN 2 in the order of v desc for each (k)"), true),
        ("n = 1", "row_number()", Some("TopN 1 in the order of v desc for each (k)"), true),
        ("2 = n", "row_number()", Some("TopN 2 in the order of v desc for each (k)"), false),
        ("n <= 3 AND n <> 2", "row_number()", Some("TopN 3 in the order of v desc for each (k)"), false),
        ("n <= 3 AND id > n", "row_number()", Some("TopN 3 in the order of v desc for each (k)"), false),
        ("n <= 3", "rank()", Some("TopN 3 with ties in the order of v desc for each (k)"), true),
        ("n <= 3", "dense_rank()", None, false),
        ("n >= 3", "row_number()", None, false),
        ("n <= 3", "count(*)", None, false),
    ] {
        for shown in ["id, n", "id"] {
            let found = numbered(shown, condition, function);
            if let Some(top) = top.filter(|_| function == "row_number()") {
                // Who finds the first rows knows their numbers, and need not say them where nothing asks for them.
                let number = if alone && shown == "id" { "" } else { " compute (row_number() as " };
                assert!(found.len() == 1 && found[0].starts_with(&format!("{top}{number}")), "{condition}: {found:?}");
                assert_eq!(found[0].contains("row_number()"), !number.is_empty(), "{found:?}");
                continue;
            }
            let tops: Vec<&str> = found.iter().map(String::as_str).filter(|node| node.starts_with("TopN")).collect();
            assert_eq!(tops, Vec::from_iter(top), "{function} {condition}: {found:?}");
            if alone && shown == "id" {
                assert_eq!(found.len(), 1, "{found:?}");
                continue;
            }
            assert!(found[0].starts_with("Over") && found.len() == 1 + tops.len(), "{found:?}");
            assert!(function == "count(*)" || found[0].starts_with(&over(function)), "{found:?}");
        }
    }
}

#[test]
fn a_limit_is_one_node() {
    let top = ["TopN 2 after 1 in the order of v desc, id"];
    assert_eq!(nodes("SELECT id, v FROM t ORDER BY v DESC, id LIMIT 2 OFFSET 1"), top);
    assert_eq!(nodes("SELECT id FROM t ORDER BY v DESC, id LIMIT 2 OFFSET 1"), top);
    assert_eq!(nodes("SELECT id FROM t ORDER BY id"), [""; 0]);
    assert_eq!(nodes("SELECT DISTINCT ON (k) id FROM t ORDER BY k, v"), ["TopN 1 in the order of k, v for each (k)"]);
}
