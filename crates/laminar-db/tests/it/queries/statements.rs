//! Statements that change the tables of queries, in our database and in PostgreSQL.

use laminar_db::Database;
use laminar_testkit::compare::compare;
use laminar_testkit::random::Table;
use laminar_testkit::random::query::Statement;

use super::case::{Outcome, bag_of_texts, refusal};
use crate::postgres::Connection;

/// Runs them in both; what PostgreSQL refuses is left out. Fails if a table holds other rows then.
pub(super) fn run(
    db: &Database,
    mut postgres: Option<&mut Connection>,
    statements: &[Statement],
    tables: &[Table],
) -> Result<(), Outcome> {
    for statement in statements {
        let text = statement.to_string();
        let Some(postgres) = postgres.as_deref_mut() else {
            // Nothing says whether it must work.
            let _ = db.execute(&text);
            continue;
        };
        let taken = postgres.ask(&format!("BEGIN; {text}")).is_some();
        let outcome = if taken { db.execute(&text).map(Some) } else { Ok(None) };
        _ = postgres.ask(if matches!(outcome, Ok(Some(_))) { "COMMIT" } else { "ROLLBACK" });
        match outcome {
            Ok(None) => {}
            Ok(Some(_)) => compare_table(db, postgres, statement, tables)?,
            Err(error) => match refusal("statement", &error) {
                Outcome::NoAnswer => {}
                refused => return Err(refused),
            },
        }
    }
    Ok(())
}

fn compare_table(db: &Database, postgres: &mut Connection, statement: &Statement, tables: &[Table]) -> Result<(), Outcome> {
    let name = &statement.table;
    let table = tables.iter().find(|table| table.name == *name).expect("the table is one of these");
    let ours = db.query(&format!("SELECT * FROM {name}")).expect("tables can be read").to_strings();
    let columns: Vec<String> = table.columns.iter().map(|column| format!("CAST({} AS text)", column.name)).collect();
    let theirs = postgres.ask(&format!("SELECT {} FROM {name}", columns.join(", "))).expect("tables can be read");
    compare(&bag_of_texts(&ours), &bag_of_texts(&theirs)).map_err(|differences| {
        let what = "the table; missing: only PostgreSQL's has it; extra: only ours has it";
        Outcome::Differs(format!("{what}, after\n{statement};\n{differences}"))
    })
}
