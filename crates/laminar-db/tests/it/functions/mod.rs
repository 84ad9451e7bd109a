//! Scalar functions answer as PostgreSQL's do: ad hoc, as constants, and over the columns of a view.
//!
//! `answers.txt` holds expressions with what PostgreSQL 15 answered; `calls.txt` holds calls with a type where each argument
//! stands, which are made with random values and, where PostgreSQL is installed, compared with it.

mod compare;
mod values;

use laminar_db::{Database, Result};

use crate::postgres::Postgres;
pub(crate) use compare::Answer;
use compare::same;
use values::{Call, Random};

/// What PostgreSQL answered to an expression, and what we answer where that differs on purpose.
struct Recorded {
    line: usize,
    expression: String,
    theirs: Answer,
    ours: Answer,
}

/// `expression => |answer|`, `expression => error`, and either with ` but |ours|` or ` but error` behind it.
fn recorded() -> Vec<Recorded> {
    let lines = include_str!("answers.txt").lines().enumerate();
    let is_answer = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
    lines
        .filter(is_answer)
        .map(|(index, line)| {
            let (expression, answers) = line.rsplit_once(" => ").expect("an answer stands behind =>");
            let (theirs, ours) = answers.split_once(" but ").unwrap_or((answers, answers));
            let expression = expression.replace("\\n", "\n");
            Recorded { line: index + 1, expression, theirs: Answer::read(theirs), ours: Answer::read(ours) }
        })
        .collect()
}

/// The text of an expression's value, as PostgreSQL writes it.
fn as_text(expression: &str) -> String {
    format!("CASE WHEN ({expression}) IS NULL THEN 'NULL' ELSE concat({expression}) END")
}

fn ad_hoc(db: &Database, expression: &str) -> Answer {
    answer(db.query(&format!("SELECT {} AS x", as_text(expression))).map(|rows| rows.to_strings()))
}

/// The answers of a view, row by row; rows that are not there have been rejected.
fn in_view(db: &Database, expression: &str, rows: usize) -> Vec<Answer> {
    if db.execute(&format!("CREATE MATERIALIZED VIEW v AS SELECT id, {} AS x FROM args", as_text(expression))).is_err() {
        return vec![Answer::Error; rows];
    }
    let shown = db.query("SELECT id, x FROM v").map(|rows| rows.to_strings()).unwrap_or_default();
    db.execute("DROP MATERIALIZED VIEW v").expect("a view can be dropped");
    let of_row = |id: usize| shown.iter().find(|row| row[0] == id.to_string()).map(|row| Answer::Text(row[1].clone()));
    (0..rows).map(|id| of_row(id).unwrap_or(Answer::Error)).collect()
}

fn answer(rows: Result<Vec<Vec<String>>>) -> Answer {
    match rows {
        Ok(rows) => Answer::Text(rows[0][0].clone()),
        Err(_) => Answer::Error,
    }
}

fn database_with_one_row() -> Database {
    let db = Database::builder().build();
    db.execute("CREATE TABLE args (id INT PRIMARY KEY); INSERT INTO args VALUES (0)").expect("the table is fine");
    db
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn functions_answer_what_postgresql_answered() {
    let db = database_with_one_row();
    let wrong = recorded().into_iter().filter_map(|recorded| {
        let found = ad_hoc(&db, &recorded.expression);
        (!same(&found, &recorded.ours))
            .then(|| format!("{}: {} is {found}, not {}", recorded.line, recorded.expression, recorded.ours))
    });
    report(&wrong.collect::<Vec<_>>());
}

#[test]
fn functions_of_constants_answer_the_same_in_a_view() {
    let db = database_with_one_row();
    let wrong = recorded().into_iter().filter_map(|recorded| {
        let found = in_view(&db, &recorded.expression, 1).remove(0);
        (!same(&found, &recorded.ours))
            .then(|| format!("{}: {} is {found}, not {}", recorded.line, recorded.expression, recorded.ours))
    });
    report(&wrong.collect::<Vec<_>>());
}

#[test]
fn the_recorded_answers_are_those_of_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    let recorded = recorded();
    let expressions: Vec<String> = recorded.iter().map(|recorded| as_text(&recorded.expression)).collect();
    let found = postgres.evaluate(&expressions);
    let wrong = recorded.iter().zip(found).filter_map(|(recorded, found)| {
        (!same(&found, &recorded.theirs)).then(|| format!("{}: {} is {found}", recorded.line, recorded.expression))
    });
    report(&wrong.collect::<Vec<_>>());
}

/// Rows with which each call is made.
const ROWS: usize = 12;

/// A call with random arguments: as constants, and over columns of a table.
fn made(db: &Database, call: &Call, random: &mut Random) -> (Vec<String>, Vec<Answer>, Vec<Answer>) {
    let rows: Vec<Vec<String>> = (0..ROWS).map(|_| call.types.iter().map(|kind| random.value(kind)).collect()).collect();
    let columns: Vec<String> = call.types.iter().enumerate().map(|(n, kind)| format!(", a{n} {}", kind.column)).collect();
    db.execute(&format!("CREATE TABLE args (id INT PRIMARY KEY{})", columns.concat())).expect("the table is fine");
    for (id, row) in rows.iter().enumerate() {
        let values: Vec<String> = row.iter().map(|value| format!(", {value}")).collect();
        db.execute(&format!("INSERT INTO args VALUES ({id}{})", values.concat())).expect("the values fit");
    }
    let names: Vec<String> = (0..call.types.len()).map(|n| format!("a{n}")).collect();
    let viewed = in_view(db, &call.with(&names), ROWS);
    db.execute("DROP TABLE args").expect("a table can be dropped");
    let expressions: Vec<String> = rows.iter().map(|row| call.with(row)).collect();
    let constant = expressions.iter().map(|expression| ad_hoc(db, expression)).collect();
    (expressions, constant, viewed)
}

#[test]
fn a_call_answers_the_same_for_constants_and_columns() {
    let (db, mut random) = (Database::builder().build(), Random::new(1));
    let mut wrong = Vec::new();
    for call in Call::all() {
        let (expressions, constant, viewed) = made(&db, &call, &mut random);
        for (expression, (constant, viewed)) in expressions.iter().zip(constant.iter().zip(&viewed)) {
            if !same(constant, viewed) {
                wrong.push(format!("{expression} is {constant} as a constant and {viewed} in a view"));
            }
        }
    }
    report(&wrong);
}

#[test]
fn a_call_with_random_arguments_answers_as_in_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    let (db, mut random) = (Database::builder().build(), Random::new(2));
    let mut wrong = Vec::new();
    for call in Call::all() {
        let (expressions, constant, _) = made(&db, &call, &mut random);
        let theirs = postgres.evaluate(&expressions.iter().map(|expression| as_text(expression)).collect::<Vec<_>>());
        for ((expression, ours), theirs) in expressions.iter().zip(&constant).zip(&theirs) {
            if !same(ours, theirs) {
                wrong.push(format!("{expression} is {ours}, and {theirs} in PostgreSQL"));
            }
        }
    }
    report(&wrong);
}
